"""Do the words make a whole? Rules and word lists of a language, no model. Pure.

Used by the turn policy at a pause. In this order, the first that knows something:

1. written marks (a recogniser's "…"), a filler or a request for time at the end: open; what is
   said behind such a request is judged for itself ("let me see … it's tuesday");
2. what is taken back or hedged ("it's for the, no") where the words before it break off: open;
3. values of several parts ("my date of birth is …"): open until all are there
   (``listen.announced``); digits and letters being spelled: open until they are as many as
   were asked for, announced, or plausible (``listen.spelled``);
4. an answer of the kind the agent's question asks for (``listen.expected``), and answers
   that are whole whatever was asked: complete;
5. the language's rules (``listen.words_en``, ``listen.words_es``), and a subordinate
   clause without its main clause;
6. a courtesy at the end ("please") closes what does not break off;
7. where nothing was asked, sentences that only lead up to the matter ("i have an appointment").

A language without lists is never sure. Whether words only tell the agent to go on is a question of its own
(``listen.listening``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from voice_runtime.listen.announced import announced
from voice_runtime.listen.expected import ANYTHING, Expected, Wanted
from voice_runtime.listen.listening import Stance
from voice_runtime.listen.spelled import spelled
from voice_runtime.listen.word_lists import Whole, WordLists
from voice_runtime.listen.words_en import ENGLISH
from voice_runtime.listen.words_en_listening import ENGLISH_LISTENING
from voice_runtime.listen.words_es import SPANISH
from voice_runtime.listen.words_es_listening import SPANISH_LISTENING

__all__ = ["Whole", "asks_for_time", "backchannel", "listened", "lists_for", "whole", "words_of"]

_LISTS = {"en": ENGLISH, "es": SPANISH}
_LISTENING = {"en": ENGLISH_LISTENING, "es": SPANISH_LISTENING}

#: Of a long turn the newest words are judged.
_MOST_WORDS = 60
#: A subordinate clause longer than this may hold its main clause in words we do not see.
_LONG_CLAUSE = 9
#: Words before "I think" that can be whole without it; least words of a clause before its main clause.
_LEAST_BEFORE_ASIDE, _LEAST_CLAUSE = 3, 2
#: Words of an excuse ("my dog is barking").
_SHORT_EXCUSE = 7
#: Words of a name.
_MOST_NAMES = 4
#: A recogniser may leave accents out, and "por favor" is one word to the rules.
_ACCENTS = str.maketrans("áéíóúü", "aeiouu")
_BROKEN_OFF = re.compile(r"(?:\.\.\.|…|[-–—,])\s*$")
_HALF_DAY = re.compile(r"((?:^|\b\w\w+|\d) ?)\b([ap])(?:\.\s?| )m\b\.?(?! \w\b)")
_WORD = re.compile(r"[^\W_]+(?:[':/][^\W_]+)*")


def lists_for(language: str) -> WordLists | None:
    """The lists of a language tag such as ``en-US``, or None."""
    return _LISTS.get(_of(language))


def words_of(text: str) -> list[str]:
    """The words of a text as the lists have them: lower case, no punctuation, no accents; numerals stay."""
    plain = text.lower().replace("’", "'").translate(_ACCENTS).replace("por favor", "porfavor")
    plain = _HALF_DAY.sub(r"\1\2m", plain)  # 10 a.m., ten a m; not k a m, which is spelled
    plain = re.sub(r"(?<=\d)[,.](?=\d)", "", plain)  # 400,000
    return _WORD.findall(plain)


def whole(text: str, language: str, expected: Expected = ANYTHING) -> Whole:
    """Judge ``text``.

    Args:
        text: of the turn so far, as a recogniser writes it.
        language: its tag.
        expected: what the agent asked for.
    """
    words = words_of(text)[-_MOST_WORDS:]
    if not words:
        return Whole.EMPTY
    if _BROKEN_OFF.search(text):
        return Whole.OPEN
    lists = lists_for(language)
    if lists is None:
        return Whole.UNSURE
    return _whole(words, lists, expected, asked=lists.asked.search(text.lower()) is not None)


def listened(text: str, language: str, *, over: bool = False) -> Stance:
    """What ``text`` is to an agent that speaks; without a grammar of the language, all words want.

    Args:
        over: nothing was said behind it.
    """
    grammar = _LISTENING.get(_of(language))
    words = words_of(text)
    if grammar is None:
        return Stance.WANTS if words else Stance.MAY_LISTEN
    return grammar.weigh(words, over=over)


def backchannel(text: str, language: str) -> bool:
    """Whether ``text`` holds nothing but "mhm", "okay" and the like; at least one of them."""
    return listened(text, language) is Stance.LISTENS


def asks_for_time(text: str, language: str) -> bool:
    """Whether ``text`` ends with a filler or with a request for a moment: more is to come."""
    lists = lists_for(language)
    return lists is not None and lists.thinking.search(" ".join(words_of(text))) is not None


def _of(language: str) -> str:
    return language.partition("-")[0].lower()


def _whole(words: Sequence[str], lists: WordLists, expected: Expected, *, asked: bool) -> Whole:
    text = " ".join(words)
    if text in lists.nods and expected.wanted in (Wanted.ANYTHING, Wanted.YES_NO):
        return Whole.COMPLETE
    if (verdict := _after_thinking(text, lists, expected, asked=asked)) is not None:
        return verdict
    if lists.thinking.search(text) or words[-1] in lists.broken:
        return Whole.OPEN
    words = [w for w in words if w not in lists.fillers]
    text = " ".join(words)
    if _begun_anew(text, lists):
        return Whole.OPEN
    if (verdict := announced(words, lists, expected)) is not None:
        return verdict
    if (verdict := spelled(words, lists, expected)) is not None:
        return verdict
    if (verdict := _answer(words, text, lists, expected)) is not None:
        return verdict
    verdict = _sentence(words, lists)
    if expected.wanted is Wanted.ANYTHING and verdict is not Whole.OPEN:
        verdict = next((rule.verdict for rule in lists.leads_up if rule.applies(text)), verdict)
    if verdict in (Whole.LIKELY, Whole.UNSURE) and asked:
        return Whole.COMPLETE  # a recogniser that writes marks took it for a question
    return verdict


def _after_thinking(text: str, lists: WordLists, expected: Expected, *, asked: bool) -> Whole | None:
    """Judge what is said behind the newest request for a moment; None: there is none, or nothing whole."""
    said = list(lists.aloud.finditer(text))
    if not said:
        return None
    before, after = text[: said[-1].start()], text[said[-1].end() :].strip()
    if resumed := list(lists.resumes.finditer(after)):
        after = after[resumed[-1].end() :].strip()
    elif said[-1]["self"] is None and lists.excuse.match(after):
        return Whole.OPEN if len(after.split()) <= _SHORT_EXCUSE else None
    if not after:
        return Whole.COMPLETE if resumed and resumed[-1]["ready"] else Whole.OPEN
    verdict = _whole(after.split(), lists, expected, asked=asked)
    if verdict in (Whole.COMPLETE, Whole.LIKELY):
        return verdict
    return None if before or verdict is Whole.UNSURE else verdict


def _begun_anew(text: str, lists: WordLists) -> bool:
    """Whether what is taken back or hedged broke off before ("it's for the, no"), or what is said instead "
    "does.
    """
    if (found := lists.takes_back.search(text)) is None or not found.start():
        return False
    instead = text[found.end() :].split()
    return _sentence(instead or text[: found.start()].split(), lists) is Whole.OPEN


def _answer(words: Sequence[str], text: str, lists: WordLists, expected: Expected) -> Whole | None:
    """Judge a text that answers the agent's question, or one that is whole whatever was asked."""
    more_to_come = (Wanted.NUMBER, Wanted.SPELLING, Wanted.NAME, Wanted.BIRTH_DATE)
    match expected.wanted:
        case Wanted.YES_NO if lists.yes_no.fullmatch(text):
            return Whole.COMPLETE
        case Wanted.WHEN if lists.when.fullmatch(text):
            return Whole.COMPLETE
        case Wanted.QUANTITY if lists.quantity.fullmatch(text):
            return Whole.COMPLETE
        case Wanted.CHOICE if lists.picks.fullmatch(text) or _chooses(words, lists, expected):
            return Whole.COMPLETE
        case Wanted.NAME if (names := _names(words, text, lists)) is not None:
            return Whole.COMPLETE if names >= expected.least_words else Whole.OPEN
        case wanted if wanted in more_to_come and lists.agrees.fullmatch(text):
            return Whole.OPEN  # "sure", and then the number
    instead = text[found.end() :] if (found := lists.instead.search(text)) else text
    return Whole.COMPLETE if lists.answers.fullmatch(instead) else None


def _chooses(words: Sequence[str], lists: WordLists, expected: Expected) -> bool:
    """Nothing but words of what was offered."""
    content = [w for w in words if w not in lists.function or w in lists.spelling.digits]
    return bool(content) and all(w in expected.offered for w in content)


def _names(words: Sequence[str], text: str, lists: WordLists) -> int | None:
    """Of how many words the name is that is given; None: it is something else."""
    begins = lists.name_before.match(text)
    said = [w for w in text[begins.end() if begins else 0 :].split() if w not in lists.courtesy]
    if not said or len(said) > _MOST_NAMES:
        return None
    return None if any(w in lists.function or len(w) < 2 or not w[0].isalpha() for w in said) else len(said)


def _sentence(words: Sequence[str], lists: WordLists) -> Whole:
    """Judge by the language's rules."""
    end = len(words)
    while end and words[end - 1] in lists.courtesy:
        end -= 1
    body = [w for w in words[:end] if w not in lists.courtesy]
    if not body:
        return Whole.COMPLETE if words else Whole.OPEN  # nothing but fillers
    text = " ".join(body)
    aside = lists.asides.search(text)
    if aside and aside.start() and len(text[: aside.start()].split()) >= _LEAST_BEFORE_ASIDE:
        before = _sentence(text[: aside.start()].split(), lists)
        return Whole.LIKELY if before in (Whole.COMPLETE, Whole.LIKELY) else Whole.OPEN
    verdict = next((rule.verdict for rule in lists.rules if rule.applies(text)), Whole.UNSURE)
    if verdict is Whole.OPEN:
        return verdict
    if lists.subordinate.begins.match(text):
        if (clause := _subordinate(text, lists)) is not None:
            return clause
        verdict = Whole.LIKELY if verdict is Whole.UNSURE else verdict
    return Whole.COMPLETE if end < len(words) else verdict


def _subordinate(text: str, lists: WordLists) -> Whole | None:
    """Judge a text that begins with a subordinate clause and has no main clause; else None."""
    clauses = lists.subordinate
    begins = clauses.begins.match(text)
    if begins is None or clauses.unless.search(text):
        return None
    rest = text[begins.end() :].split()
    if clauses.follows.search(" ".join(rest)):
        return None
    for at in range(_LEAST_CLAUSE, len(rest)):
        if rest[at - 1] in clauses.joins:
            continue
        if rest[at] in clauses.main or " ".join(rest[at : at + 2]) in clauses.inversions:
            return None
    return Whole.OPEN if len(rest) < _LONG_CLAUSE else Whole.UNSURE
