"""The spoken form of Spanish as it is written in the United States. Pure.

Figures are written there as in English (1,234.50); a date in figures that could
be read both ways ("03/04/2026") is read figure by figure, since a guess would
name the wrong day.
"""

from __future__ import annotations

import datetime as dt
import re

from voice_runtime.speak.spoken_es_tongue import TONGUE
from voice_runtime.speak.spoken_grammar import (
    DASH,
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
from voice_runtime.speak.spoken_numbers import spanish, spanish_ordinal
from voice_runtime.speak.spoken_signs import sign_rules

MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
    "noviembre", "diciembre",
)  # fmt: skip
DAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")

# --- times ----------------------------------------------------------------------------------------

_HALF = r"(?P<half>[AaPp]\.\s?[Mm]\.?|[AaPp][Mm](?!\w))"


def clock(hour: int, minute: int) -> str:
    """``10, 30`` → "diez y media", by the 12-hour clock."""
    words = spanish(hour % 12 or 12, "f")
    quarters = {0: "", 15: " y cuarto", 30: " y media"}
    return words + quarters.get(minute, f" y {spanish(minute)}")


def part_of_day(hour: int) -> str:
    """The part of the day an hour (0 to 23) belongs to."""
    if 1 <= hour < 12:
        return "de la mañana"
    return "de la tarde" if 12 <= hour < 20 else "de la noche"


def _time(match: re.Match[str]) -> str | None:
    hour, minute, half = int(match["h"]), int(match["m"] or 0), (match["half"] or "")
    if hour > 23 or minute > 59:
        return None
    part = part_of_day(hour) if hour > 12 or hour == 0 else ""
    if half and 1 <= hour <= 12:
        part = part_of_day(hour % 12 + (12 if half[0] in "Pp" else 0))
    words = f"{clock(hour, minute)} {part}".rstrip()
    if match["article"]:
        article = "la" if hour % 12 == 1 else "las"
        words = f"{article.capitalize() if match['article'][0] == 'L' else article} {words}"
    return words + ("." if half.endswith(".") and ends(match) else "")


_CLOCKS = (
    rf"(?P<h>[0-9]{{1,2}})[:.](?P<m>[0-5][0-9])(?::[0-5][0-9])?\s?{_HALF}",
    r"(?P<h>[0-9]{1,2}):(?P<m>[0-5][0-9])(?![\w:]|\.[0-9])(?P<half>)(?:\s?(?:h|hs|hrs)\b)?",
    rf"(?P<h>0?[1-9]|1[0-2])(?P<m>)\s?{_HALF}",
)
_TIMES: list[Rule] = [
    *((rf"(?<![\w:.,])(?P<article>){clock}", _time) for clock in _CLOCKS),
    (
        r"(?<![\w:.])(?P<a>[0-9]{1,3}):(?P<b>[0-9]{1,3})(?![\w:]|\.[0-9])",
        lambda m: f"{TONGUE.number(m['a'])} {TONGUE.to} {TONGUE.number(m['b'])}",
    ),
]
_TIMES_AFTER_ARTICLE: list[Rule] = [
    *((rf"(?P<article>[Ll]as?)\s{clock}", _time) for clock in _CLOCKS),
    (r"(?P<article>[Ll]as?)\s(?P<h>[0-9]{1,2})\.(?P<m>[0-5][0-9])(?![\w%°]|[.,][0-9])(?P<half>)", _time),
    (r"(?P<article>[Ll]a)\s(?P<h>1)(?P<m>)(?![\w:%°]|[.,][0-9])(?P<half>)", _time),
    (  # "las 21 pacientes": the article says the gender
        r"(?P<article>[Ll]as|[Uu]nas|[Ee]stas)\s(?P<n>[0-9]{1,3}(?:,[0-9]{3})*)(?![\w:%°/-]|[.,][0-9])",
        lambda m: f"{m['article']} {TONGUE.number(m['n'], 'f')}",
    ),
]

# --- dates ----------------------------------------------------------------------------------------

_MONTH = (
    r"(?P<month>(?i:ene(?:ro)?|feb(?:rero)?|mar(?:zo)?|abr(?:il)?|mayo?|jun(?:io)?|jul(?:io)?|ago(?:sto)?|"
    r"sept?(?:iembre)?|setiembre|oct(?:ubre)?|nov(?:iembre)?|dic(?:iembre)?))"
)
_DAY = r"(?P<day>[0-9]{1,2})(?:\.?º|°|ro|ero)?"
_YEAR = r"(?P<year>[12][0-9]{3})(?![\w:%]|[.,][0-9])"


def _month(written: str) -> str:
    return next(m for m in MONTHS if m.startswith(written[:3].lower().replace("set", "sep")))


def _day(day: int) -> str | None:
    """The first is an ordinal, as Latin America says it."""
    return None if not 1 <= day <= 31 else "primero" if day == 1 else spanish(day)


def _dated(year: str | None, month: str, day: str) -> str | None:
    try:
        date = dt.date(int(year or 2000), int(month), int(day))
    except ValueError:
        return None
    words = f"{_day(date.day)} de {MONTHS[date.month - 1]}"
    return f"{words} de {spanish(date.year)}" if year else words


def _moment(match: re.Match[str]) -> str | None:
    try:
        at = dt.datetime.fromisoformat(f"{match['date']}T{match['time']}")
    except ValueError:
        return None
    part = f" {part_of_day(at.hour)}" if not 7 <= at.hour < 12 else ""
    article = "la" if at.hour % 12 == 1 else "las"
    day = f"{DAYS[at.weekday()]}, {_day(at.day)} de {MONTHS[at.month - 1]}"
    return f"{day}, a {article} {clock(at.hour, at.minute)}{part}"


def _in_figures(match: re.Match[str]) -> str | None:
    first, second, year = int(match["a"]), int(match["b"]), match["y"]
    if len(year) == 2:
        year = ("20" if int(year) < 50 else "19") + year
    if first > 12 or first == second:
        return _dated(year, match["b"], match["a"])
    if second > 12:
        return _dated(year, match["a"], match["b"])
    return f"{spanish(first)}, {spanish(second)}, {spanish(int(year))}"


def _named_date(match: re.Match[str]) -> str | None:
    first = _day(int(match["day"]))
    last = _day(int(match["last"])) if match["last"] else ""
    if first is None or last is None:
        return None
    words = f"{first} a {last}" if last else first
    words += f" de {_month(match['month'])}"
    words = f"{words} de {spanish(int(match['year']))}" if match["year"] else words
    return words + ("." if match.group().endswith(".") and ends(match) else "")


_DATES: list[Rule] = [
    (
        r"(?<![\w-])(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<time>[0-9]{2}:[0-9]{2})"
        r"(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?(?![\w:])",
        _moment,
    ),
    (
        r"(?<![\w-])(?P<y>[12][0-9]{3})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})(?![\w-])",
        lambda m: _dated(m["y"], m["m"], m["d"]),
    ),
    (
        r"(?<![\w/.-])(?P<a>[0-9]{1,2})[/-](?P<b>[0-9]{1,2})[/-](?P<y>[0-9]{4}|[0-9]{2})(?![\w/-]|\.[0-9])",
        _in_figures,
    ),
    (
        rf"(?<![\w.,/:-]){_DAY}(?:\s?{DASH}\s?(?P<last>[0-9]{{1,2}}))?\s(?:de\s)?{_MONTH}(?!\w)\.?"
        rf"(?:\s(?:del?\s)?{_YEAR})?",
        _named_date,
    ),
]

_DATES_IN_WORDS: list[Rule] = [
    (
        rf"\b{_MONTH}\.?\s(?:del?\s)?{_YEAR}",
        lambda m: f"{_month(m['month'])} de {spanish(int(m['year']))}",
    ),
    (
        r"\b(?P<a>lun(?:es)?|mar(?:tes)?|mi[ée](?:rcoles)?|jue(?:ves)?|vie(?:rnes)?|s[áa]b(?:ado)?|dom(?:ingo)?)"
        rf"\.?\s?{DASH}\s?"
        r"(?P<b>lun(?:es)?|mar(?:tes)?|mi[ée](?:rcoles)?|jue(?:ves)?|vie(?:rnes)?|s[áa]b(?:ado)?|dom(?:ingo)?)(?!\w)",
        lambda m: f"{_weekday(m['a'])} a {_weekday(m['b'])}",
    ),
]


_LONE_DAY = (
    r"\b(?P<a>(?:lun|mar|mi[ée]|jue|vie|s[áa]b|dom)(?=\.)|(?:lun|mié|jue|vie|sáb|dom)(?=,?\s))(?P<stop>\.)?",
    lambda m: _weekday(m["a"]) + ("." if m["stop"] and ends(m) else ""),
)


def _weekday(written: str) -> str:
    plain = written.lower().replace("é", "e").replace("á", "a")
    return next(d for d in DAYS if d.replace("é", "e").replace("á", "a").startswith(plain[:3]))


# --- ordinals and fractions -----------------------------------------------------------------------

_QUARTERS = {(1, 2): "medio", (1, 4): "un cuarto", (3, 4): "tres cuartos"}
_VULGAR = {"½": "medio", "¼": "un cuarto", "¾": "tres cuartos", "⅓": "un tercio", "⅔": "dos tercios"}


def _ordinal(match: re.Match[str]) -> str:
    value, end = int(match["n"]), match["end"].lower()
    if end in ("ª", "a", "ra", "da", "ta", "ma", "va", "na"):
        return spanish_ordinal(value, "f")
    return spanish_ordinal(value, "adjective" if end in ("er", "°er", "ºer") else "m")


def _slashed(match: re.Match[str]) -> str:
    above, below = int(match["a"]), int(match["b"])
    if above == below or (above, below) == (24, 7):
        return f"{TONGUE.number(match['a'])} {TONGUE.number(match['b'])}"
    if (above, below) in _QUARTERS:
        return _QUARTERS[above, below]
    if above > 12 and (date := _dated(None, match["b"], match["a"])):
        return date
    if below > 12 and (date := _dated(None, match["a"], match["b"])):
        return date
    return f"{TONGUE.number(match['a'])} {'sobre' if above > 31 else 'barra'} {TONGUE.number(match['b'])}"


#: After a number these are not what is counted.
_NO_NOUN = frozenset(
    ("para", "por", "con", "los", "las", "del", "que", "más", "una", "uno", "hasta", "sobre",
     "ahora", "mañana", "ahí", "enseguida", "cuando", "desde", "antes", "después")
)  # fmt: skip
_MASCULINE = frozenset(("día", "días", "problema", "problemas", "programa", "programas", "idioma", "idiomas"))


def _whole(match: re.Match[str], written: str) -> str | None:
    """``21 pacientes`` → "veintiún pacientes": one agrees with what it counts."""
    counted = re.match(r"\s([a-záéíóúñ]{3,})\b", match.string[match.end() :][:40])
    if counted is None or not written.endswith("1") or len(written) > 3 or written[0] == "0":
        return None
    if re.search(r"\d[\s,.-]+$", match.string[: match.start()]):
        return None  # the last figure of a number that is said digit by digit counts nothing
    noun = counted[1]
    if noun in _NO_NOUN or (written != "1" and not noun.endswith("s")):
        return None
    feminine = re.search(r"(?:a|ción|sión|dad|as|ciones|siones|dades)$", noun) and noun not in _MASCULINE
    return spanish(int(written), "f" if feminine else "m")


_FIGURES: list[Rule] = [
    (
        r"(?<![\w.,])(?P<n>[0-9]{1,3})\.?(?P<end>[ºª]|er|ero|ro|do|to|mo|vo|no|ra|da|ta|ma|va|na)(?!\w)",
        _ordinal,
    ),
    (
        r"(?<![\w.,])(?:(?P<whole>[0-9]{1,3})[ -]?)?(?P<part>[½¼¾⅓⅔])",
        lambda m: (f"{TONGUE.number(m['whole'])} y " if m["whole"] else "") + _VULGAR[m["part"]],
    ),
    (r"(?<![\w./-])(?P<a>[0-9]{1,4})/(?P<b>[1-9][0-9]{0,3})(?![\w/]|\.[0-9])", _slashed),
    (  # a comma before one or two figures is a decimal sign too
        r"(?<![\w.,])(?P<whole>[0-9]{1,6}),(?P<part>[0-9]{1,2})(?![\w%]|[.,][0-9])",
        lambda m: f"{TONGUE.number(m['whole'])} coma {TONGUE.one_by_one(m['part'])}",
    ),
]

# --- abbreviations and signs ----------------------------------------------------------------------

_ABBREVIATIONS = {
    "aprox": "aproximadamente", "apto": "apartamento", "av": "avenida", "avda": "avenida", "blvd": "bulevar",
    "d.ª": "doña", "dña": "doña", "dpto": "departamento", "depto": "departamento", "dr": "doctor",
    "dra": "doctora", "dres": "doctores", "ee. uu": "Estados Unidos", "ee.uu": "Estados Unidos",
    "etc": "etcétera", "ext": "extensión", "máx": "máximo", "mín": "mínimo", "no": "número",
    "nro": "número", "núm": "número", "p. ej": "por ejemplo", "p.ej": "por ejemplo", "pág": "página",
    "prof": "profesor", "profa": "profesora", "pza": "plaza", "sr": "señor", "sra": "señora",
    "sres": "señores", "srta": "señorita", "sta": "santa", "sto": "santo", "tel": "teléfono",
    "teléf": "teléfono", "ud": "usted",
    "uds": "ustedes", "vd": "usted", "vds": "ustedes", "vs": "contra",
}  # fmt: skip
_BEFORE_FIGURE = frozenset(("no", "nro", "núm", "ext", "apto", "máx", "mín"))
_TITLES = {"Dr": "doctor", "Dra": "doctora", "Sr": "señor", "Sra": "señora", "Srta": "señorita"}
_STREETS = {"Ave": "Avenue", "St": "Street", "Blvd": "Boulevard", "Rd": "Road", "Dr": "Drive"}
_SIGNS = {
    "&": "y", "+": "más", "=": "igual a", "@": "arroba", "~": "aproximadamente", "≈": "aproximadamente",
    "±": "más o menos", "×": "por", "÷": "entre", "#": "número", "№": "número", "≤": "como máximo",
    "≥": "como mínimo",
}  # fmt: skip


def _abbreviation(match: re.Match[str]) -> str | None:
    short = match["short"].lower()
    if short in _BEFORE_FIGURE and not re.match(r"\s?#?[A-Z]?[0-9]", match.string[match.end() :][:4]):
        return None
    return _ABBREVIATIONS[short] + ("." if ends(match) and short not in _BEFORE_FIGURE else "")


def _street(match: re.Match[str]) -> str | None:
    """``45 Mill St.``: streets keep their English names."""
    if not re.search(r"[0-9]\s(?:[A-Z][\w'’]{0,20}\s){1,3}$", before(match)):
        return None
    return _STREETS[match["short"]] + ("." if ends(match) else "")


_SHORT: list[Rule] = [
    (
        rf"(?<![\w.])(?P<short>(?i:{any_of(_ABBREVIATIONS)}))\.(?!\w)",
        _abbreviation,
    ),
    (r"\b(?P<short>Ave|St|Blvd|Rd|Dr)\.(?!\w)", _street),
    (r"\b(?P<short>Dra?|Sra?|Srta)(?=\s[A-ZÁÉÍÓÚÑ])", lambda m: _TITLES[m["short"]]),
    (r"(?<![\w.])[nN]\.?[º°](?=\s?[0-9])", lambda m: "número"),
    (r"(?<!\w)C/\s?(?=[A-ZÁÉÍÓÚÑ])", lambda m: "calle "),
    (r"(?<!\w)c/u(?!\w)", lambda m: "cada uno"),
    (r"(?<!\w)(?i:y/o)(?!\w)", lambda m: "y o"),
]

_SIGNS_READ = sign_rules(
    _SIGNS,
    letters="a-záéíóúñ", either="o", slash="barra", star="asterisco", pound="numeral",
    times="por", plus="más", and_more="o más",
)  # fmt: skip

SPANISH = Grammar(
    words=[
        *net_rules(TONGUE), *_DATES_IN_WORDS, _LONE_DAY, *_TIMES_AFTER_ARTICLE, *money_rules(TONGUE), *_SHORT,
        code_rule(TONGUE),
    ],
    figures=[
        *net_rules(TONGUE), *_DATES, *telephone_rules(TONGUE), *_TIMES, *money_rules(TONGUE), *_FIGURES,
        *measure_rules(TONGUE), *_SIGNS_READ, *number_rules(TONGUE, _whole),
    ],
)  # fmt: skip
