"""What spoken forms share in every language: the scanner, figures, money, measures, e-mail addresses. Pure.

A language is a ``Tongue`` (its words) and ordered lists of rules. The scanner goes
through a text once, from left to right: at each place the first rule that matches
and does not decline gives the words, so no rule ever sees what another one wrote.
No pattern repeats what is itself repeated over the same characters, so the time
grows with the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from voice_runtime.speak.spoken_numbers import MOST_DIGITS, Gender

#: Words for a match, or None: it is none of this rule's after all.
Read = Callable[[re.Match[str]], str | None]
#: A pattern that begins where the rule's words go, and its reader.
Rule = tuple[str, Read]

#: A number as both languages write it in the United States: 1,234.50.
NUMBER = r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
DASH = r"[-–—‑−]"
#: A range's second number.
_UP_TO = rf"(?:\s?{DASH}\s?(?P<to>{NUMBER}))?"
_PER = r"(?:\s?/\s?(?P<per>[^\W\d_]{1,12})\b)?"
_NOT_INSIDE = r"(?<![\w.])"
_TLD = (
    r"(?:com|org|net|edu|gov|mil|info|biz|health|clinic|care|app|dev|io|co|us|mx|uk|eu|ca|de|fr|es|me|ai|tv|"
    r"example)"
)
_FRACTIONS = "½¼¾⅓⅔⅛⅜⅝⅞"
_AT_WORD = rf"(?<!\w)(?=[^\W\d_{_FRACTIONS}])"
_AT_FIGURE = rf"(?=[0-9{_FRACTIONS}]|\s?[^\w\s,.?!'\"’;:)]|[.'’][0-9])"
_CLOSERS = "\"')]}»”’"


@dataclass(frozen=True, slots=True)
class Noun:
    """What is counted: "dollar", "dollars"."""

    one: str
    many: str
    gender: Gender = "m"


@dataclass(frozen=True, slots=True)
class Coin:
    """Money. ``part`` is a hundredth of it, None where there is none."""

    whole: Noun
    part: Noun | None = None


@dataclass(frozen=True, slots=True)
class Tongue:
    """The words of one language.

    Attributes:
        digits: zero to nine.
        count: a number in words, as it stands before a noun of a gender.
        of_millions: what stands between millions and what is counted ("de" in Spanish).
        parts: what joins dollars and cents.
        signs: how a sign in an e-mail or web address is read.
        coins: by sign and by code, such as ``$`` and ``USD``.
        units: as written after a number; see ``spaced`` for when.
        attached: units that count only directly after the number ("5in").
        scales: written after money ("k", "million") → spoken.
        per: "per", and what follows it where that is abbreviated.
        code_before: ends in what is followed by figures read one by one ("account number is").
        call_before: ends in what is followed by a short number to dial ("call").
    """

    digits: tuple[str, ...]
    count: Callable[[int, Gender], str]
    point: str
    minus: str
    plus: str
    to: str
    by: str
    percent: str
    extension: str
    parts: str
    per: str
    signs: Mapping[str, str]
    coins: Mapping[str, Coin]
    units: Mapping[str, Noun]
    attached: frozenset[str]
    scales: Mapping[str, str]
    code_before: re.Pattern[str]
    call_before: re.Pattern[str]
    of_millions: str = ""
    per_words: Mapping[str, str] = field(default_factory=dict)

    # -- figures ----------------------------------------------------------------------------------

    def one_by_one(self, figures: str) -> str:
        """Figures one by one; anything else in ``figures`` is left out."""
        return " ".join(self.digits[int(c)] for c in figures if c in "0123456789")

    def grouped(self, figures: str) -> str:
        """Many figures one by one, in groups: "two zero two, five five five, zero one four three"."""
        return ", ".join(self.one_by_one(g) for g in groups(figures))

    def number(self, written: str, gender: Gender = "") -> str:
        """A number in words; figures one by one where it begins with a needless zero or has no end."""
        whole, _, part = written.replace(",", "").partition(".")
        if len(whole) > MOST_DIGITS or (len(whole) > 1 and whole[0] == "0"):
            words = self.grouped(whole)
        else:
            words = self.count(int(whole or "0"), "" if part else gender)
        return f"{words} {self.point} {self.one_by_one(part)}" if part else words

    def counted(self, written: str, noun: Noun) -> str:
        """``$1`` → "one dollar", ``2.5 mg`` → "two point five milligrams"."""
        words = self.number(written, noun.gender)
        if self.of_millions and words.endswith(("illón", "illones")):
            words += f" {self.of_millions}"
        return f"{words} {noun.one if written == '1' else noun.many}"

    def per_what(self, match: re.Match[str]) -> str:
        """What stands after a slash behind an amount: " per hour"."""
        what = match["per"]
        return f" {self.per} {self.per_words.get(what.lower(), what)}" if what else ""


def groups(figures: str) -> list[str]:
    """Figures in groups that can be remembered: by three or four, up to five in one."""
    if len(figures) <= 5:
        return [figures]
    size = 4 if len(figures) % 4 == 0 else 3
    found = [figures[i : i + size] for i in range(0, len(figures), size)]
    if len(found[-1]) == 1:
        found[-2:] = [found[-2] + found[-1]]
    return found


class Grammar:
    """Two ordered lists of rules, applied to a text in one pass.

    Which list is asked depends on what stands at a place: the first letter of a word, or a
    figure or sign. Rules that may begin with either are in both.
    """

    def __init__(self, *, words: Sequence[Rule], figures: Sequence[Rule]) -> None:
        self._lists = [[(re.compile(pattern), read) for pattern, read in rules] for rules in (words, figures)]
        # One search finds the next place and the first rule that may apply there.
        ways = ["|".join(f"({_nameless(pattern)})" for pattern, _ in rules) for rules in (words, figures)]
        self._any = re.compile(f"{_AT_WORD}(?:{ways[0]})|{_AT_FIGURE}(?:{ways[1]})")

    def read(self, text: str) -> str:
        """``text`` with everything a rule knows put into words; all else as it was."""
        out: list[str] = []
        done = at = 0
        while (found := self._any.search(text, at)) is not None:
            at = found.start()
            first = (found.lastindex or 1) - 1
            rules = self._lists[0]
            if first >= len(rules):
                first, rules = first - len(rules), self._lists[1]
            for pattern, read in rules[first:]:
                match = pattern.match(text, at)
                if match is not None and match.end() > at and (words := read(match)) is not None:
                    out.append(text[done:at])
                    out.append(words)
                    done = at = match.end()
                    break
            else:
                at += 1
        if not out:
            return text
        out.append(text[done:])
        return _joined(out)


def _nameless(pattern: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", pattern)


def _joined(pieces: Sequence[str]) -> str:
    """Pieces put together, with a blank where two words would touch."""
    text = ""
    for piece in pieces:
        touching = text[-1:].isalnum() and piece[:1].isalnum()
        text += f" {piece}" if touching else piece
    return text


def any_of(written: Iterable[str]) -> str:
    """A pattern for any of ``written``, the longest first."""
    return "|".join(re.escape(w) for w in sorted(written, key=len, reverse=True))


def before(match: re.Match[str], length: int = 48) -> str:
    """What stands before a match, at most ``length`` characters."""
    return match.string[max(0, match.start() - length) : match.start()]


def ends(match: re.Match[str]) -> bool:
    """Whether nothing but closing signs follows."""
    return not match.string[match.end() :].strip(_CLOSERS + " ")


# --- rules for every language ---------------------------------------------------------------------


def net_rules(t: Tongue) -> list[Rule]:
    """E-mail and web addresses."""

    def spelled(written: str) -> str:
        parts = re.findall(r"[^\W\d_]+|[0-9]|.", written)
        return " ".join(t.signs.get(p, t.digits[int(p)] if p in "0123456789" else p) for p in parts)

    def web(match: re.Match[str]) -> str:
        return spelled(
            re.sub(r"^(?:https?://)?(?:www\.)?", "", match.group(), flags=re.IGNORECASE).rstrip("/")
        )

    path = r"(?:/[\w./?=&%#~+:-]{0,300}[\w/])?"
    host = r"(?:[A-Za-z0-9-]{1,63}\.){1,5}"
    return [
        (
            r"(?<![\w.])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}\b",
            lambda m: spelled(m.group()),
        ),
        (rf"(?<![\w.@])(?:https?://{host}|www\.{host})[A-Za-z]{{2,24}}\b(?::[0-9]{{2,5}})?{path}", web),
        (rf"(?<![\w.@]){host}{_TLD}\b(?![.-]\w){path}", web),
    ]


def telephone_rules(t: Tongue) -> list[Rule]:
    """Telephone numbers and other figures in groups."""

    def telephone(match: re.Match[str]) -> str:
        country, rest, extension = match["country"], match["rest"], match["ext"]
        figures = re.sub(r"[^0-9]", "", rest)
        said = [t.one_by_one(f) for f in (figures[:-7], figures[-7:-4], figures[-4:]) if f]
        if country:
            said.insert(0, (f"{t.plus} " if "+" in country else "") + t.one_by_one(country))
        if extension:
            said.append(f"{t.extension} {t.one_by_one(extension)}")
        return ", ".join(said)

    def abroad(match: re.Match[str]) -> str:
        return f"{t.plus} " + ", ".join(t.one_by_one(g) for g in re.findall(r"[0-9]+", match.group()))

    def in_groups(match: re.Match[str]) -> str:
        found = re.findall(r"[0-9]+", match.group())
        return (" " if all(len(g) == 1 for g in found) else ", ").join(t.one_by_one(g) for g in found)

    def short(match: re.Match[str]) -> str | None:
        always = match.group() in ("911", "988")
        return t.one_by_one(match.group()) if always or t.call_before.search(before(match)) else None

    extension = r"(?:,?\s?(?:x|ext\.?|extension|extensión)\s?(?P<ext>[0-9]{1,6})\b)?"
    return [
        (
            r"(?<![\w.+$-])(?P<country>\+?1[\s.-]?)?(?P<rest>(?:\([2-9][0-9]{2}\)\s?|[2-9][0-9]{2}[\s.-])"
            rf"[2-9][0-9]{{2}}[\s.-]?[0-9]{{4}}|[2-9][0-9]{{2}}-[0-9]{{4}}|(?<=1)[2-9][0-9]{{9}})(?![\w-]){extension}",
            telephone,
        ),
        (
            r"\+(?=(?:[\s.()-]{0,2}[0-9]){7,15}(?![0-9]))[0-9]{1,4}(?:[\s.-]?\(?[0-9]{1,5}\)?){1,6}(?!\w)",
            abroad,
        ),
        (rf"{_NOT_INSIDE}[0-9]{{1,6}}(?:[-‑][0-9]{{1,6}}){{2,8}}(?![\w-])", in_groups),
        (rf"{_NOT_INSIDE}(?:[0-9]{{5}}-[0-9]{{4}}|[0-9]{{1,6}}-0[0-9]{{1,5}})(?![\w-])", in_groups),
        (
            rf"{_NOT_INSIDE}(?=[0-9 ]{{0,50}}[0-9]{{3}})(?:[0-9]{{2,6}} ){{2,8}}[0-9]{{2,6}}\b(?![.,][0-9])",
            in_groups,
        ),
        (rf"{_NOT_INSIDE}[0-9]{{4,6}} [0-9]{{3,6}}\b(?![.,][0-9])", in_groups),
        (rf"{_NOT_INSIDE}(?:[2-9]11|988)\b(?![-%°]|[.,:/][0-9])", short),
    ]


def money_rules(t: Tongue) -> list[Rule]:
    """Money, alone, in ranges, with a scale: ``$5.50``, ``$5–10``, ``$1.2 million``, ``20 USD``."""
    signs = any_of(s for s in t.coins if not s.isalpha())
    codes = any_of(s for s in t.coins if s.isalpha())
    after = any_of(s for s in t.coins if s.isalpha() or len(s) == 1)
    scales = any_of(t.scales)

    def amount(written: str, coin: Coin, scale: str | None) -> str:
        whole, _, cents = written.replace(",", "").partition(".")
        if scale:
            plain = Noun("", "", "m")
            words = f"{t.counted(written, plain).strip()} {t.scales[scale]}"
            of = f" {t.of_millions}" if t.of_millions and words.endswith(("illón", "illones")) else ""
            return f"{words}{of} {coin.whole.many}"
        if coin.part is None or len(cents) != 2:
            return t.counted(written, coin.whole)
        part = t.counted(str(int(cents)), coin.part) if int(cents) else ""
        if part and not int(whole or "0"):
            return part
        whole_words = t.counted(whole or "0", coin.whole)
        return f"{whole_words} {t.parts} {part}" if part else whole_words

    def money(match: re.Match[str]) -> str:
        coin = t.coins[match["code"] or match["sign"]]
        scale = (match["scale"] or "").strip() or None
        words = amount(match["num"], coin, scale if not match["to"] else None)
        if match["to"]:
            first = t.number(match["num"], coin.whole.gender)
            if "." in match["num"]:
                first = amount(match["num"], coin, None)
            words = f"{first} {t.to} {amount(match['to'], coin, scale)}"
        return (f"{t.minus} " if match["minus"] else "") + words + t.per_what(match)

    def trailing(match: re.Match[str]) -> str:
        return amount(match["num"], t.coins[match["code"]], None)

    return [
        (
            rf"(?P<minus>(?<![\w)]){DASH})?(?P<sign>(?<![A-Za-z])(?:{signs}))\s?(?P<num>{NUMBER})"
            rf"(?:\s?{DASH}\s?(?:{signs})?(?P<to>{NUMBER}))?(?P<scale>\s?(?:{scales})(?!\w))?"
            rf"(?:\s?(?P<code>{codes})\b)?{_PER}",
            money,
        ),
        (rf"{_NOT_INSIDE}(?P<num>{NUMBER})\s?(?P<code>{after})(?!\w)", trailing),
    ]


def measure_rules(t: Tongue) -> list[Rule]:
    """Percentages, measures and sizes."""
    spaced, attached = any_of(u for u in t.units if u not in t.attached), any_of(t.attached)

    def percent(match: re.Match[str]) -> str:
        first = f"{t.number(match['num'])} {t.to} " if match["to"] else ""
        return f"{_minus(t, match)}{first}{t.number(match['to'] or match['num'])} {t.percent}"

    def measure(match: re.Match[str]) -> str:
        noun = t.units[match["unit"]]
        first = f"{t.number(match['num'], noun.gender)} {t.to} " if match["to"] else ""
        stop = "." if match["stop"] and ends(match) else ""
        return (
            _minus(t, match) + first + t.counted(match["to"] or match["num"], noun) + t.per_what(match) + stop
        )

    def tall(match: re.Match[str]) -> str:
        feet, inches = t.units["ft"], t.units["in"]
        return f"{t.counted(match['feet'], feet)} {t.counted(match['inches'], inches)}"

    number = rf"(?P<minus>(?<![\w)]){DASH})?(?<![\w.])(?P<num>{NUMBER}){_UP_TO}"
    unit = rf"(?:\s?-?(?P<unit>(?:{spaced})(?![\w'’])|(?<=[0-9])(?:{attached})(?![\w'’])))"
    return [
        (rf"{number}\s?%", percent),
        (rf"{_NOT_INSIDE}(?P<feet>[1-9])['’′]\s?(?P<inches>[0-9]{{1,2}})(?:[\"”″]|''|(?!\w))", tall),
        (rf"{number}{unit}{_PER}(?P<stop>\.(?=\s+[a-z0-9(]|[{re.escape(_CLOSERS)}]*\s*$))?", measure),
        (
            rf"{_NOT_INSIDE}(?P<a>{NUMBER})\s?[x×]\s?(?P<b>{NUMBER})(?!\w)",
            lambda m: f"{t.number(m['a'])} {t.by} {t.number(m['b'])}",
        ),
    ]


def _minus(t: Tongue, match: re.Match[str]) -> str:
    return f"{t.minus} " if match["minus"] else ""


def code_rule(t: Tongue) -> Rule:
    """Letters and figures in one: "A1C", "COVID-19", "24-hour"."""

    def code(match: re.Match[str]) -> str:
        return " ".join(_code_part(t, p, match.group()) for p in re.split(r"[-‑]", match.group()) if p)

    return (
        r"(?<![\w.])(?:[^\W\d_]{1,20}[-‑]?[0-9]|[0-9]{1,12}[-‑]?[^\W\d_])[^\W_]{0,40}"
        r"(?:[-‑][^\W_]{1,40}){0,6}(?!\w)",
        code,
    )


def number_rules(t: Tongue, whole: Callable[[re.Match[str], str], str | None] | None = None) -> list[Rule]:
    """Codes, versions, ranges and whatever other figures are left. Last in every list.

    Args:
        whole: a language's own reading of a plain whole number, asked before the common one.
    """

    def version(match: re.Match[str]) -> str:
        return f" {t.point} ".join(t.number(p) for p in match.group().split("."))

    def number(match: re.Match[str]) -> str:
        written, minus = match["num"], _minus(t, match)
        plain = written.replace(",", "")
        if plain.isdigit():
            own = whole(match, written) if whole is not None else None
            if own is not None:
                return minus + own
            if "," not in written and _is_code(t, match, plain):
                return minus + t.grouped(plain)
        return minus + t.number(written)

    return [
        code_rule(t),
        (rf"{_NOT_INSIDE}[0-9]{{1,4}}(?:\.[0-9]{{1,4}}){{2,5}}(?![\w])", version),
        (
            rf"(?:(?<=[0-9%°])|(?<=[AaPp][Mm])|(?<=[Mm]\.))(?:{DASH}|\s?–\s?)(?=[$€£]?[0-9])",
            lambda m: f" {t.to} ",
        ),
        (rf"(?P<minus>(?<![\w)\]/.,%°-]){DASH}(?=[0-9.]))?(?P<num>(?<![0-9]){NUMBER})", number),
    ]


def _is_code(t: Tongue, match: re.Match[str], figures: str) -> bool:
    """Whether a whole number names something: behind "code", or long and no round amount."""
    named = t.code_before.search(before(match))
    if named is not None and (len(figures) > 3 or (len(figures) == 3 and named["sure"])):
        return True
    return len(figures) > 4 and not figures.endswith("00")


def _code_part(t: Tongue, part: str, code: str) -> str:
    """One part of a code: "A1C" → "A one C", "COVID" as it is, "19" → "nineteen"."""
    figures = sum(c in "0123456789" for c in code)
    said = []
    for run in re.findall(r"[0-9]+|[^\W\d_]+|.", part):
        if run[0] in "0123456789":
            short = figures <= 2 or 1900 <= int(run[:9]) <= 2099
            said.append(t.number(run) if short else t.one_by_one(run))
        else:
            spell = run.isupper() and len(run) <= 3 and run != code
            said.append(" ".join(run) if spell else run)
    return " ".join(said)
