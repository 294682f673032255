"""Which recognisers are in force: a digest of the very text they are written in.

Nobody has to count changes. A comment that changes makes another revision as well, which says too much rather
than too little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.abc import FileLoader
from importlib.util import find_spec
from typing import Any, cast

import rfc8785

#: Modules that decide what is found: tables, recognisers, and how a text is taken apart before them.
DECIDES = (
    "controls.redaction.checks", "controls.redaction.marked", "controls.redaction.numbers",
    "controls.redaction.places", "controls.redaction.redactor", "controls.redaction.tables",
    "controls.redaction.trail", "controls.rules.matchers", "controls.rules.number_words",
    "controls.rules.phrase_index",
)  # fmt: skip


@cache
def revision() -> str:
    """Of the recognisers of this process, ``sha256:…``; reads their modules once.

    Raises:
        OSError: a module cannot be read, so that nobody could say what a text went through.
    """
    return revision_of({name: source_of(name) for name in DECIDES})


def revision_of(sources: Mapping[str, bytes]) -> str:
    """Of modules, name → text; line ends count for nothing."""
    read = {name: hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest() for name, text in sources.items()}
    return "sha256:" + hashlib.sha256(rfc8785.dumps(cast("Any", read))).hexdigest()


def source_of(module: str) -> bytes:
    """What a module is made of: its text, or its compiled form where that alone is installed."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or not isinstance(spec.loader, FileLoader):
        raise OSError(f"{module} cannot be read: install Sayso as files")
    return spec.loader.get_data(spec.origin)
