"""Do the words make a whole? Per-language word lists, no model. Pure.

Used by the turn policy at a pause: a complete question or answer ends the turn
at once, words that ask for more keep it open, everything else is for the turn
model and the clock. Words are as a recogniser writes them: lower case, no
punctuation, digits in words. A language without lists is never sure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

#: "my number is" five five five …
_WORDS_BEFORE_A_NUMBER = 3


class Whole(StrEnum):
    """What the words say about the turn."""

    EMPTY = "empty"
    COMPLETE = "complete"  # a question with content, or an answer
    OPEN = "open"  # breaks off: digits being spelled, "and", "um", "with the"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Lists:
    """One language's words.

    Attributes:
        backchannels: word sequences that only say "I am listening".
        answers: regular expressions over the whole text.
        asks: regular expressions anywhere in the text that make it complete.
        starters: words a question begins with.
        inverted: starters that need a subject after them and so more words.
        dangling: words no sentence ends with.
        titles: words that want a name, unless one of ``dangling`` precedes ("doctor", but "a doctor").
        digits: words that are spelled one by one.
        numbers: what a spelled number of some length is; open at any other.
        lead_ins: words before a question that do not count.
    """

    backchannels: frozenset[str]
    answers: re.Pattern[str]
    asks: re.Pattern[str]
    starters: frozenset[str]
    inverted: frozenset[str]
    dangling: frozenset[str]
    titles: frozenset[str]
    digits: frozenset[str]
    numbers: Mapping[int, Whole]
    lead_ins: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HOUR = r"(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|midnight)"
_MINUTES = r"(o'clock|oh five|ten|fifteen|twenty|thirty|forty|forty five|fifty)"
_TIME = (
    rf"((a )?(quarter|half|ten|twenty|five) (past|to) {_HOUR}|{_HOUR}( {_MINUTES})?)"
    r"( (a m|p m|am|pm|in the (morning|afternoon|evening)|at night))?"
)
_DAY = r"((next |this )?(monday|tuesday|wednesday|thursday|friday|saturday|sunday)|today|tomorrow|next week)"

_ENGLISH = Lists(
    backchannels=frozenset(
        {
            "mhm", "mhmm", "mm", "mmm", "mm hm", "hm", "hmm", "uh huh", "uhuh", "huh", "ah", "oh", "okay",
            "ok", "right", "sure", "yeah", "yep", "um", "uh", "er", "i see", "got it", "alright", "all right",
            "good", "great",
        }
    ),
    answers=re.compile(
        r"((oh |well |um |uh |okay |ok )*("
        r"(yes|yeah|yep|yup|no|nope|nah|sure|correct|right|exactly|okay|ok|fine|absolutely|of course)"
        r"( (yes|no|please|thanks|thank you|sir|that's (right|fine|it|all)|that is (right|fine|it|all)"
        r"|it is|i do|i am|not really|go ahead))*"
        r"|(that|that's|that is) ?(is )?(right|fine|correct|wrong|good|perfect|it|all)( please)?"
        rf"|(at |on |yes |no )?{_TIME}( is (fine|good))?"
        rf"|(on |yes |no )?{_DAY}( at {_TIME})?( is (fine|good))?"
        r"|stop|wait|cancel|cancel it|please cancel it|never mind|goodbye|bye|bye bye|hello|hi"
        r"|thank you|thanks|thank you very much|good (morning|afternoon|evening)"
        r"|(a |the )?(real )?(person|human|operator|agent|representative|receptionist|reception|front desk)"
        r")( please| thanks| thank you)*)"
    ),
    asks=re.compile(
        r"\b(talk|speak|talking|speaking) (to|with) (a|an|the|some|any|your)?\s?(real |live |actual |human )?"
        r"(person|human|human being|operator|representative|receptionist|nurse|doctor|someone|somebody|staff)"
        r"\b"
        r"|\b(put me through|transfer me|stop calling( me)?|help me)$"
    ),
    starters=_words("what when where who whose how why which what's where's who's how's when's"),
    inverted=_words(
        "can could do does did is are am was were will would should shall may might must have has "
        "can't couldn't don't doesn't didn't isn't aren't won't wouldn't shouldn't"
    ),
    dangling=_words(
        "a an the my your his her our their to with and or but for of in on at by from about into um uh er "
        "so because if when which who whose i i'm i'd i've we he she they there's want need would could "
        "should will than then very mister mrs miss dr actually maybe just also every is"
    ),
    titles=_words("doctor nurse professor"),
    digits=_words("zero oh one two three four five six seven eight nine double triple"),
    numbers={7: Whole.UNSURE, 10: Whole.COMPLETE, 11: Whole.COMPLETE},
    lead_ins=_words("um uh er so well and but okay ok hello hi hey please sorry yes yeah no oh then"),
)  # fmt: skip

_LISTS = {"en": _ENGLISH}


def lists_for(language: str) -> Lists | None:
    """The lists of a language tag such as ``en-US``, or None."""
    return _LISTS.get(language.partition("-")[0].lower())


def whole(text: str, language: str) -> Whole:
    """Judge ``text``."""
    words = text.split()
    if not words:
        return Whole.EMPTY
    lists = lists_for(language)
    return Whole.UNSURE if lists is None else _whole(tuple(words), lists)


def backchannel(text: str, language: str) -> bool:
    """Whether ``text`` holds nothing but "mhm", "okay" and the like; at least one of them."""
    lists = lists_for(language)
    words = text.split()
    return lists is not None and bool(words) and _made_of(words, lists.backchannels)


def _whole(words: tuple[str, ...], lists: Lists) -> Whole:
    text = " ".join(words)
    spelled = _digits_at_the_end(words, lists)
    if spelled == len(words) == 1:
        return Whole.UNSURE  # "nine": an answer, or the first of many
    if spelled > 1 and len(words) - spelled <= _WORDS_BEFORE_A_NUMBER:
        return lists.numbers.get(spelled, Whole.OPEN)
    if lists.answers.fullmatch(text):
        return Whole.COMPLETE
    if _breaks_off(words, lists):
        return Whole.OPEN
    if lists.asks.search(text) or _question(words, lists):
        return Whole.COMPLETE
    return Whole.UNSURE


def _breaks_off(words: Sequence[str], lists: Lists) -> bool:
    if words[-1] in lists.titles:
        return len(words) == 1 or words[-2] not in lists.dangling
    return words[-1] in lists.dangling


def _digits_at_the_end(words: Sequence[str], lists: Lists) -> int:
    count = 0
    for word in reversed(words):
        if word not in lists.digits:
            break
        count += 1
    return count


def _question(words: Sequence[str], lists: Lists) -> bool:
    """A question word with something asked about."""
    start = 0
    while start < len(words) and words[start] in lists.lead_ins:
        start += 1
    rest = words[start:]
    if not rest:
        return False
    return (rest[0] in lists.starters and len(rest) >= 3) or (rest[0] in lists.inverted and len(rest) >= 4)


def _made_of(words: Sequence[str], sequences: frozenset[str]) -> bool:
    @cache
    def from_here(i: int) -> bool:
        return i == len(words) or any(
            " ".join(words[i : i + n]) in sequences and from_here(i + n)
            for n in (1, 2)
            if i + n <= len(words)
        )

    return from_here(0)
