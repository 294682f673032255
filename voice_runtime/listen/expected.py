"""What kind of answer the agent's newest words ask for: yes or no, a number of so many digits, a name. Pure.

Read from what was *played*, clause by clause; a question the caller never got to hear
asks for nothing. It is a hint for the turn policy and decides nothing else: where it
is wrong, a turn ends a moment too early or too late.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Wanted(StrEnum):
    """The kind of answer."""

    ANYTHING = "anything"
    YES_NO = "yes_no"
    NUMBER = "number"  # said figure by figure
    QUANTITY = "quantity"  # how many, how old
    NAME = "name"
    SPELLING = "spelling"
    WHEN = "when"  # a day, a date, a time
    BIRTH_DATE = "birth_date"  # a date with its year
    CHOICE = "choice"  # one of what was offered


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer the agent waits for.

    Attributes:
        lengths: of a number, how many figures make it whole; empty: unknown.
        least_words: of a name.
        offered: the words of the question, among them what can be chosen.
    """

    wanted: Wanted = Wanted.ANYTHING
    lengths: tuple[int, ...] = ()
    least_words: int = 1
    offered: frozenset[str] = frozenset()


ANYTHING = Expected()

#: Figures of a telephone number in the United States (NANP), without and with the leading 1.
TELEPHONE = (10, 11)
#: A ZIP code, and one with its four further figures.
ZIP = (5, 9)
FOUR = (4,)


@dataclass(frozen=True, slots=True)
class _Questions:
    """How one language asks.

    Attributes:
        open: a question (with its mark) that yes or no does not answer.
        requests: a sentence that asks for something to be said, with or without a mark.
        closed: a question that yes or no answers, unless it is one of those and asks for a kind.
        kinds: pattern → what an open question or a request asks for; the first that is found counts.
        choice: offers one thing or another.
        several: more than one thing is asked for at once.
    """

    open: re.Pattern[str]
    requests: re.Pattern[str]
    closed: re.Pattern[str]
    kinds: Mapping[re.Pattern[str], Expected]
    choice: re.Pattern[str]
    several: re.Pattern[str]


_ENGLISH = _Questions(
    open=re.compile(
        r"^(?:\w+ ){0,4}?(?:what|what's|when|when's|where|who|who's|whom|which|how)\b"
        r"|^(?:and |so )*(?:your|the) (?:\w+ ){0,3}\w+$"
    ),
    requests=re.compile(
        r"^(?:and |so |okay |now |then |please )*(?:"
        r"(?:can|could|may|might) (?:i|we) (?:please )?(?:have|get|take|ask)\b"
        r"|(?:can|could|would|will) you (?:please )?(?:tell|give|say|spell|repeat|confirm|read|enter)\b"
        r"|(?:tell|give|say|spell|enter|key|type|name|state) )"
        r"|\bi(?:'ll| will)? (?:just )?need (?:your|the)\b"
    ),
    closed=re.compile(
        r"^(?:\w+ ){0,2}?(?:is|are|am|was|were|do|does|did|can|could|will|would|shall|should|may|might|has"
        r"|have|had|isn't|aren't|don't|doesn't|didn't|won't|wouldn't)\b"
        r"|\b(?:right|correct|okay|ok|yes|good)$|\b(?:any|some)thing else$|\bor not$"
    ),
    kinds={
        re.compile(pattern): expected
        for pattern, expected in (
            (r"\bspell\b|\bspelled\b|\bletter by letter\b", Expected(Wanted.SPELLING)),
            (r"\bdate of birth\b|\bbirth ?date\b|\bbirthday\b|\bborn\b", Expected(Wanted.BIRTH_DATE)),
            (r"\bzip\b|\bpostal code\b", Expected(Wanted.NUMBER, ZIP)),
            (r"\blast four\b|\bends? (?:in|with)\b|\bfour digits\b", Expected(Wanted.NUMBER, FOUR)),
            (
                r"\b(?:phone|telephone|cell|mobile|callback|call ?back) number\b|\bnumber to (?:call|reach)\b"
                r"|\bnumber (?:can|may|should|do) (?:we|i)\b|\b(?:call|reach) you (?:back )?(?:on|at)\b",
                Expected(Wanted.NUMBER, TELEPHONE),
            ),
            (r"\b(?:number|digits?|code|pin|id)\b(?! of \w+)", Expected(Wanted.NUMBER)),
            (r"\bhow (?:many|old|much|long|tall|big)\b|\bnumber of\b|\bbudget\b", Expected(Wanted.QUANTITY)),
            (r"\bfirst and last name\b|\bfull name\b", Expected(Wanted.NAME, least_words=2)),
            (
                r"\bname\b|\bwho(?:'s|m)?\b|\bwhich (?:doctor|stylist|nurse|agent)\b",
                Expected(Wanted.NAME),
            ),
            (r"\bwhen\b|\b(?:what|which) (?:time|day|date|hour|month|week)\b", Expected(Wanted.WHEN)),
            (r"\bwhich\b", Expected(Wanted.CHOICE)),
        )
    },
    choice=re.compile(r"\bor\b(?! not\b)"),
    several=re.compile(
        r"\b(?:what|when|where|who|which|how)\b.*\band (?:\w+ )?(?:what|when|where|who|which|how)\b"
        r"|\bname and\b.*\bnumber\b"
    ),
)

_QUE = r"(?:qué|cuál|cuáles|cuándo|dónde|quién|quiénes|cómo|cuánto|cuánta|cuántos|cuántas)"
# Worded for this project; no native speaker has reviewed it.
_SPANISH = _Questions(
    open=re.compile(rf"^(?:\w+ ){{0,3}}?{_QUE}\b|^(?:y )?(?:su|el|la) (?:\w+ ){{0,3}}\w+$"),
    requests=re.compile(
        r"^(?:y |bueno |por favor )*(?:me (?:lo |la )?(?:puede|podría|da|dice|repite|confirma|deletrea)\b"
        r"|(?:puede|podría) (?:decirme|darme|deletrear|deletrearme|repetirme|confirmarme|repetir)\b"
        r"|(?:diga|dígame|deme|déme|deletree|dígalo|dígamelo|márquelo|repita|indique|necesito su)\b)"
    ),
    closed=re.compile(r"\w"),  # a question without a question word
    kinds={
        re.compile(pattern): expected
        for pattern, expected in (
            (r"\bdeletre\w*\b|\bletra por letra\b|\bse escribe\b", Expected(Wanted.SPELLING)),
            (r"\bfecha de nacimiento\b|\bnació\b|\bcumpleaños\b", Expected(Wanted.BIRTH_DATE)),
            (r"\bcódigo postal\b|\bzona postal\b|\bzip\b", Expected(Wanted.NUMBER, ZIP)),
            (
                r"\búltimos cuatro\b|\bcuatro (?:últimos )?(?:dígitos|números)\b|\btermina en\b",
                Expected(Wanted.NUMBER, FOUR),
            ),
            (
                r"\bteléfono\b|\bcelular\b|\bqué número (?:le|lo|la|podemos|puedo)\b"
                r"|\bdevolvemos la llamada\b",
                Expected(Wanted.NUMBER, TELEPHONE),
            ),
            (
                r"\b(?:número|dígitos|código|clave|identificación)\b(?! de (?:personas|recámaras|cuartos))",
                Expected(Wanted.NUMBER),
            ),
            (r"\bcuánt[oa]s?\b|\bqué edad\b|\bpresupuesto\b|\bnúmero de\b", Expected(Wanted.QUANTITY)),
            (r"\bnombre completo\b|\bnombre y apellidos?\b", Expected(Wanted.NAME, least_words=2)),
            (r"\bnombre\b|\bapellido\b|\bse llama\b|\bquién\b", Expected(Wanted.NAME)),
            (r"\bcuándo\b|\bqué (?:día|hora|fecha|mes|semana)\b|\bcuál día\b", Expected(Wanted.WHEN)),
            (r"\bcuál(?:es)?\b", Expected(Wanted.CHOICE)),
        )
    },
    choice=re.compile(r"\b[ou]\b(?! no\b)"),
    several=re.compile(rf"\b{_QUE}\b.*\by (?:\w+ )?{_QUE}\b"),
)

_LANGUAGES = {"en": _ENGLISH, "es": _SPANISH}
#: How far back a question is looked for, sentences.
_SENTENCES = 3


def expected(played: str, language: str) -> Expected:
    """What the agent's newest words ask for.

    Args:
        played: what was played of them, with its punctuation; "" when nothing was.
        language: a tag such as ``en-US``; one without patterns asks for anything.
    """
    questions = _LANGUAGES.get(language.partition("-")[0].lower())
    if questions is None:
        return ANYTHING
    sentences = re.findall(r"[^.!?…]+[.!?…]*", played)[-_SENTENCES:]
    found = ANYTHING
    for sentence in reversed(sentences):
        asked = _asked_for(_words(sentence), "?" in sentence, questions)
        if found is not ANYTHING:  # "Which number …? Say it digit by digit.": the first says how long it is
            return asked if asked is not None and asked.lengths else found
        if asked is None:
            continue
        if asked.wanted is Wanted.CHOICE:
            return Expected(Wanted.CHOICE, offered=frozenset(_words(" ".join(sentences[-2:])).split()))
        if "?" in sentence or asked.wanted is not Wanted.NUMBER or asked.lengths:
            return asked
        found = asked
    return found


def _asked_for(words: str, marked: bool, questions: _Questions) -> Expected | None:
    """What one sentence asks for; None when it asks for nothing.

    Args:
        marked: it has a question mark.
    """
    is_open = marked and questions.open.search(words) is not None
    if is_open or questions.requests.search(words):
        if questions.several.search(words):
            return ANYTHING
        kinds = (kind for pattern, kind in questions.kinds.items() if pattern.search(words))
        if (kind := next(kinds, None)) is not None:
            return kind
    if marked and questions.choice.search(words) and (is_open or questions.closed.search(words)):
        return Expected(Wanted.CHOICE)
    if is_open:
        return ANYTHING
    return Expected(Wanted.YES_NO) if marked and questions.closed.search(words) else None


def _words(text: str) -> str:
    """Lower case, without punctuation."""
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'")))
