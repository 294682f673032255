"""The words of English in the United States: what is counted, and what stands before a code. Pure."""

from __future__ import annotations

import re

from voice_runtime.speak.spoken_grammar import Coin, Noun, Tongue
from voice_runtime.speak.spoken_numbers import english


def noun(words: str) -> Noun:
    """``"foot feet"``, or ``"mile"`` with a plural in s; ``_`` stands for a blank."""
    one, _, many = words.partition(" ")
    return Noun(one.replace("_", " "), (many or one + "s").replace("_", " "))


_CENT = noun("cent")
_DOLLAR, _EURO, _PESO = (
    Coin(noun("dollar"), _CENT),
    Coin(noun("euro"), _CENT),
    Coin(noun("peso"), noun("centavo")),
)
_POUND = Coin(noun("pound"), noun("penny pence"))
_UNITS = {
    "mg MG": "milligram", "mcg µg μg": "microgram", "g": "gram", "kg Kg KG": "kilogram",
    "ml mL ML": "milliliter", "L l": "liter", "oz": "ounce", "fl_oz": "fluid_ounce", "lb lbs": "pound",
    "ft": "foot feet", "in": "inch inches", "yd yds": "yard", "mi": "mile", "mm": "millimeter",
    "cm": "centimeter", "m": "meter", "km": "kilometer", "mph": "mile_per_hour miles_per_hour",
    "km/h kph": "kilometer_per_hour kilometers_per_hour", "sq_ft sqft": "square_foot square_feet",
    "sq_m m²": "square_meter", "hr hrs Hr Hrs h": "hour", "min mins Min Mins": "minute", "sec secs": "second",
    "wk wks": "week", "mo mos": "month", "yr yrs": "year", "bpm": "beat_per_minute beats_per_minute",
    "mmHg": "millimeter_of_mercury millimeters_of_mercury", "IU": "international_unit",
    "°F °_F ºF": "degree_Fahrenheit degrees_Fahrenheit", "°C °_C ºC": "degree_Celsius degrees_Celsius",
    "° º": "degree", "KB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "kWh": "kilowatt_hour",
    "x X ×": "time",
}  # fmt: skip

TONGUE = Tongue(
    digits=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    count=english,
    point="point", minus="minus", plus="plus", to="to", by="by", percent="percent", extension="extension",
    parts="and", per="per",
    signs={
        ".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", ":": "colon", "+": "plus",
        "?": "question mark", "=": "equals", "&": "and", "%": "percent", "#": "hash", "~": "tilde",
    },
    coins={
        "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "£": _POUND, "GBP": _POUND,
        "¥": Coin(noun("yen yen")), "¢": Coin(_CENT), "MX$": _PESO, "MXN": _PESO,
        "CAD": Coin(noun("Canadian_dollar"), _CENT),
    },
    units={key.replace("_", " "): noun(words) for keys, words in _UNITS.items() for key in keys.split()},
    attached=frozenset(("in", "h", "x", "X", "×", "l")),
    scales={
        "k": "thousand", "K": "thousand", "thousand": "thousand", "M": "million", "m": "million",
        "million": "million", "B": "billion", "bn": "billion", "billion": "billion",
    },
    code_before=re.compile(
        r"(?:\b(?P<sure>code|pin|account|reference|confirmation|id|ending|ends|extension|ext\.?|passport)|"
        r"\b(?:member|policy|claim|case|order|ticket|record|invoice|license|licence|zip|number|no\.|digits|"
        r"flight|routing)|#)"
        r"(?:\s+(?:number|code|id|no\.|is|was|in|with|are|of))*\s*[:#]?\s*$",
        re.IGNORECASE,
    ),
    call_before=re.compile(r"\b(?:call|calling|dial|dialing|text|texting|reach)\s+$", re.IGNORECASE),
    per_words={
        "hr": "hour", "h": "hour", "mo": "month", "wk": "week", "yr": "year", "min": "minute",
        "sec": "second",
    },
)  # fmt: skip
