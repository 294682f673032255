"""The spoken form of English as it is written in the United States. Pure.

``ENGLISH`` turns figures, dates, times, money, measures, signs and abbreviations
into words and leaves the rest alone; capitals that are read letter by letter
(MRI) are the engine's business, or the lexicon's.
"""

from __future__ import annotations

import re

from voice_runtime.speak.spoken_en_dates import DATES, DATES_IN_WORDS, TIMES, dated
from voice_runtime.speak.spoken_en_tongue import TONGUE
from voice_runtime.speak.spoken_grammar import (
    Grammar,
    Rule,
    any_of,
    before,
    code_rule,
    ends,
    measure_rules,
    money_rules,
    net_rules,
    number_rules,
    telephone_rules,
)
from voice_runtime.speak.spoken_numbers import english, english_ordinal, english_year
from voice_runtime.speak.spoken_signs import sign_rules

# --- ordinals, fractions, years, house numbers ----------------------------------------------------

_NAMED_STREET = re.compile(
    r"\s(?:[NSEW]\.?\s)?(?:[A-Z][\w'’]{0,20}\.?\s){1,3}(?:St|Street|Ave|Avenue|Blvd|Boulevard|Rd|Road|Dr|Drive|"
    r"Ln|Lane|Ct|Court|Pl|Place|Way|Hwy|Highway|Pkwy|Parkway|Cir|Circle|Sq|Square)\b"
)
_ROOM_BEFORE = re.compile(r"\b(?:room|suite|apartment|unit|apt\.?|ste\.?)\s#?$", re.IGNORECASE)
_PARTS = {
    2: "half",
    3: "third",
    4: "quarter",
    5: "fifth",
    6: "sixth",
    8: "eighth",
    10: "tenth",
    16: "sixteenth",
}
_VULGAR = {
    "½": (1, 2), "¼": (1, 4), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3),
    "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
}  # fmt: skip


def _part(above: int, below: int) -> str:
    part = _PARTS[below]
    return f"{english(above)} {part if above == 1 else part.replace('half', 'halve') + 's'}"


def _vulgar(match: re.Match[str]) -> str:
    above, below = _VULGAR[match["part"]]
    if not match["whole"]:
        return _part(above, below)
    return (
        f"{TONGUE.number(match['whole'])} and {f'a {_PARTS[below]}' if above == 1 else _part(above, below)}"
    )


def _slashed(match: re.Match[str]) -> str:
    """``1/2`` is a part, ``11/24`` a date, ``120/80`` is read "over"; the rest "slash"."""
    above, below = int(match["a"]), int(match["b"])
    if above == below or (above, below) == (24, 7):
        return f"{TONGUE.number(match['a'])} {TONGUE.number(match['b'])}"
    if below in _PARTS and 0 < above < below:
        part = f"a {_PARTS[below]}" if above == 1 else _part(above, below)
        return f"{TONGUE.number(match['whole'])} and {part}" if match["whole"] else _part(above, below)
    if not match["whole"] and (date := dated(None, match["a"], match["b"])):
        return date
    whole = f"{TONGUE.number(match['whole'])} " if match["whole"] else ""
    return f"{whole}{_over(match)}"


def _over(match: re.Match[str]) -> str:
    above = int(match["a"])
    return f"{TONGUE.number(match['a'])} {'over' if above > 31 else 'slash'} {TONGUE.number(match['b'])}"


def _decade(match: re.Match[str]) -> str | None:
    """``1990s`` → "nineteen nineties", ``20s`` → "twenties"."""
    century, tens = match["century"], int(match["tens"]) * 10
    if tens == 0:
        return f"{english_year(int(century) * 100)}s" if century else None
    words = "tens" if tens == 10 else english(tens).removesuffix("y") + "ies"
    return f"{english(int(century))} {words}" if century else words


def _whole(match: re.Match[str], written: str) -> str | None:
    """House numbers in pairs, four figures as a year; None leaves it to the common rules."""
    if "," in written or written.startswith("0"):
        return None
    house = _NAMED_STREET.match(match.string, match.end()) or _ROOM_BEFORE.search(before(match))
    if len(written) in (3, 4) and house:
        head, tail = int(written[:-2]), int(written[-2:])
        if tail < 10 and len(written) == 4:
            return english_year(int(written))
        rest = "hundred" if not tail else f"oh {english(tail)}" if tail < 10 else english(tail)
        return f"{english(head)} {rest}"
    coded = TONGUE.code_before.search(before(match))
    return (
        english_year(int(written))
        if len(written) == 4 and 1100 <= int(written) <= 2099 and not coded
        else None
    )


_FIGURES: list[Rule] = [
    (
        r"(?<![\w.,])(?P<n>[0-9]{1,3}(?:,[0-9]{3})*|[0-9]{1,6})(?:st|nd|rd|th|ST|ND|RD|TH)(?!\w)",
        lambda m: english_ordinal(int(m["n"].replace(",", ""))),
    ),
    (r"(?<![\w.,])['’]?(?P<century>1[1-9]|20)?(?P<tens>[0-9])0['’]?s(?!\w)", _decade),
    (r"(?<![\w.,])(?:(?P<whole>[0-9]{1,3})[ -]?)?(?P<part>[½¼¾⅓⅔⅛⅜⅝⅞])", _vulgar),
    (
        r"(?<![\w./])(?:(?P<whole>[0-9]{1,3})\s)?(?P<a>[0-9]{1,4})/(?P<b>[1-9][0-9]{0,3})(?![\w/]|\.[0-9])",
        _slashed,
    ),
]

# --- money that says something about a noun -------------------------------------------------------

#: Words after an amount that begin no noun.
_NO_NOUN = (
    r"(?:for|to|and|or|per|in|on|at|is|was|a|an|more|off|each|every|from|with|by|when|if|will|million|billion|"
    r"thousand)\b"
)
_MONEY: list[Rule] = [
    (  # "a $50 copay": no plural
        r"(?:(?<=\b[Aa] )|(?<=\b[Aa]n ))\$(?P<n>[0-9]{1,3}(?:,[0-9]{3})*|[0-9]{1,6})"
        rf"(?=\s(?!{_NO_NOUN})[a-z])",
        lambda m: f"{TONGUE.number(m['n'])} dollar",
    ),
    *money_rules(TONGUE),
]

# --- abbreviations and signs ----------------------------------------------------------------------

#: With a full stop: what they stand for.
_ABBREVIATIONS = {
    "approx": "approximately", "appt": "appointment", "appts": "appointments", "apt": "apartment",
    "asst": "assistant", "ave": "Avenue", "bldg": "building", "blvd": "Boulevard", "capt": "Captain",
    "corp": "Corporation", "dept": "department", "e.g": "for example", "est": "established",
    "etc": "et cetera", "ext": "extension", "gen": "General", "govt": "government", "hwy": "Highway",
    "i.e": "that is",
    "inc": "Incorporated", "jr": "Junior", "ln": "Lane", "lt": "Lieutenant", "ltd": "Limited",
    "max": "maximum", "misc": "miscellaneous", "mt": "Mount", "no": "number", "nos": "numbers",
    "pkwy": "Parkway", "rd": "Road",
    "rev": "Reverend", "sgt": "Sergeant", "sr": "Senior", "ste": "suite", "tel": "telephone",
    "temp": "temperature", "vol": "volume", "vs": "versus",
}  # fmt: skip
#: Words as well: only where a figure follows, or a name.
_BEFORE_FIGURE = frozenset(("no", "nos", "ext", "apt", "ste", "vol", "max", "est", "temp"))
_BEFORE_NAME = frozenset(("gen", "rev", "mt", "capt", "sgt", "lt"))
_TITLES = {"Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Mx": "Mix", "Prof": "Professor"}
_WAYS = {
    "N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest",
    "SE": "Southeast", "SW": "Southwest",
}  # fmt: skip
_SIGNS = {
    "&": "and", "+": "plus", "=": "equals", "@": "at", "~": "about", "≈": "about", "±": "plus or minus",
    "×": "times", "÷": "divided by", "№": "number", "#": "number", "≤": "at most", "≥": "at least",
}  # fmt: skip
_FIGURE_FOLLOWS = re.compile(r"\s?#?[A-Z]?[0-9]")
_NAME_FOLLOWS = re.compile(r"\s[A-Z]")
_NAME_BEFORE = re.compile(r"(?:[A-Z][\w'’]{1,20}|[0-9](?:st|nd|rd|th))\s$")
_HOUSE_BEFORE = re.compile(r"[0-9]\s(?:[A-Z][\w'’.]{0,20}\s){1,3}$")


def _abbreviation(match: re.Match[str]) -> str | None:
    short = match["short"].lower()
    if short in ("no", "nos") and not match["short"][0].isupper():
        return None  # "I said no. 5 people came."
    if short in _BEFORE_FIGURE and not _FIGURE_FOLLOWS.match(match.string, match.end()):
        return None
    if short in _BEFORE_NAME and not _NAME_FOLLOWS.match(match.string, match.end()):
        return None
    return _ABBREVIATIONS[short] + ("." if ends(match) else "")


def _doctor_or_street(match: re.Match[str]) -> str | None:
    """``Dr.`` and ``St.``: before a name a title or a saint, after one a street."""
    named, after_name = _NAME_FOLLOWS.match(match.string, match.end()), _NAME_BEFORE.search(before(match))
    stop = "." if match["stop"] and ends(match) else ""
    if match["short"] == "St":
        if after_name and (not named or _HOUSE_BEFORE.search(before(match))):
            return "Street" + stop
        return "Saint" if named else None
    if after_name and (not named or _HOUSE_BEFORE.search(before(match))):
        return "Drive" + stop
    return "Doctor" + stop if named or match["stop"] else None


def _unstopped(match: re.Match[str]) -> str | None:
    """``555 Elm Ave, Apt 4B``: without a full stop only in an address."""
    if match["short"] in ("Apt", "Ste"):
        place = _FIGURE_FOLLOWS.match(match.string, match.end())
    else:
        place = _HOUSE_BEFORE.search(before(match))
    return _ABBREVIATIONS[match["short"].lower()] if place else None


_SHORT: list[Rule] = [
    (r"\b(?P<short>Mr|Mrs|Ms|Mx|Prof)(?:\.|(?=\s[A-Z]))", lambda m: _TITLES[m["short"]]),
    (r"\b(?P<short>Dr|St)(?!\w)(?P<stop>\.(?!\w))?", _doctor_or_street),
    (
        rf"(?<![\w.])(?P<short>(?i:{any_of(_ABBREVIATIONS)}))\.(?!\w)",
        _abbreviation,
    ),
    (r"\b(?P<short>Ave|Blvd|Rd|Ln|Hwy|Pkwy|Apt|Ste)(?![\w.])", _unstopped),
    (r"(?<=[0-9]\s)(?P<way>[NS][EW]?|[EW])\b\.?(?=\s[A-Z][a-z])", lambda m: _WAYS[m["way"]]),
    (r"(?<!\w)[Ww]/o(?!\w)", lambda m: "without"),
    (r"(?<!\w)[Ww]/\s?(?=\w)", lambda m: "with "),
    (r"(?<!\w)(?:N/A|n/a)(?!\w)", lambda m: "not applicable"),
    (r"(?<!\w)(?i:and/or)(?!\w)", lambda m: "and or"),
]

_SIGNS_READ = sign_rules(
    _SIGNS,
    letters="a-z", either="or", slash="slash", star="star", pound="pound",
    times="times", plus="plus", and_more="plus",
)  # fmt: skip

ENGLISH = Grammar(
    words=[*net_rules(TONGUE), *DATES_IN_WORDS, *money_rules(TONGUE), *_SHORT, code_rule(TONGUE)],
    figures=[
        *net_rules(TONGUE), *DATES, *telephone_rules(TONGUE), *TIMES, *_MONEY, *_FIGURES,
        *measure_rules(TONGUE), *_SIGNS_READ, *number_rules(TONGUE, _whole),
    ],
)  # fmt: skip
