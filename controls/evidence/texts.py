"""The fixed texts of a packet, from the files beside this one: limits, how to check, style."""

from __future__ import annotations

import importlib.resources

_FOLDER = importlib.resources.files("controls.evidence") / "fixed"


def fixed_text(name: str) -> str:
    """The text of ``fixed/<name>``."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def sentences(name: str) -> list[str]:
    """The bullets of a text that is one list, each on one line."""
    _, _, listed = fixed_text(name).partition("\n- ")
    return [" ".join(item.split()) for item in listed.split("\n- ")]
