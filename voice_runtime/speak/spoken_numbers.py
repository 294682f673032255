"""Numbers in words, from the spell-out rules of the Unicode CLDR (package ``unicode-rbnf``). Pure.

The rules of a language are read once, when this module is imported (about 10 ms
for both), so that no call waits for them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from unicode_rbnf import RbnfEngine

#: Longer numbers are read digit by digit; nobody follows them otherwise.
MOST_DIGITS = 12

Gender = Literal["", "m", "f"]

_ENGINES = {language: RbnfEngine.for_language(language) for language in ("en", "es")}


@lru_cache(maxsize=8192)
def _spelled(language: str, ruleset: str, value: int) -> str:
    return _ENGINES[language].format_number(value, ruleset_names=[ruleset]).text.strip()


def english(value: int, gender: Gender = "") -> str:
    """``value`` (at least 0) in words: 1905 → "one thousand nine hundred five"."""
    return _spelled("en", "spellout-cardinal", value)


def english_ordinal(value: int) -> str:
    """21 → "twenty-first"."""
    return _spelled("en", "spellout-ordinal", value)


def english_year(value: int) -> str:
    """1905 → "nineteen oh five", 2026 → "twenty twenty-six"."""
    return _spelled("en", "spellout-numbering-year", value).replace("oh-", "oh ")


def spanish(value: int, gender: Gender = "") -> str:
    """``value`` as it stands before a noun of ``gender``: 21 → "veintiuno", "veintiún", "veintiuna"."""
    kind = {"": "spellout-numbering", "m": "spellout-cardinal-masculine", "f": "spellout-cardinal-feminine"}
    return _spelled("es", kind[gender], value)


def spanish_ordinal(value: int, gender: Literal["m", "f", "adjective"] = "m") -> str:
    """1 → "primero" (``m``), "primera" (``f``) or "primer" (``adjective``, before a masculine noun)."""
    kind = {"m": "masculine", "f": "feminine", "adjective": "masculine-adjective"}[gender]
    return _spelled("es", f"spellout-ordinal-{kind}", value)
