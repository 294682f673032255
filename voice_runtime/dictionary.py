"""Which words the offline recogniser can already pronounce: pocketsphinx's English dictionary."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_FILE = Path("model/en-us/cmudict-en-us.dict")


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """Every word of the dictionary, lower case; empty when pocketsphinx is not installed."""
    spec = find_spec("pocketsphinx")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / _FILE
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                return frozenset(line.partition(" ")[0].partition("(")[0] for line in lines)
    return frozenset()


def lacking(text: str) -> list[str]:
    """Words of ``text`` (lower case, spaces between) that have no pronunciation.

    Empty where there is no dictionary to ask.
    """
    known = words()
    return [w for w in dict.fromkeys(text.split()) if w not in known] if known else []
