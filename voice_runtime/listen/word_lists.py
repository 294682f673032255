r"""What the judge of words knows of one language: rules with their examples, and words. Values only.

A rule is a regular expression on words as ``completeness`` writes them: lower case,
one space between, no punctuation. In it ``\b`` is the edge of a word and ``\w+`` a
whole word, apostrophes included. Every rule carries sentences it catches and, where
one could think otherwise, sentences it lets pass; the tests hold it to both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_EDGE = r"(?:(?<!\S)(?=\S)|(?<=\S)(?!\S))"


class Whole(StrEnum):
    """What the words say about the turn."""

    EMPTY = "empty"
    COMPLETE = "complete"  # a question with content, an answer, a request
    LIKELY = "likely"  # a statement with all its parts; more may follow, but need not
    MAY_GO_ON = "may_go_on"  # could be all, and is more likely not: a story that has begun, "is it this"
    OPEN = "open"  # breaks off: digits being spelled, "and", "um", "with the"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule of a language that applies is the verdict.

    Attributes:
        why: what it looks for.
        unless: found as well, it does not apply.
        catches: texts whose verdict it is.
        but_not: texts it does not apply to.
    """

    verdict: Whole
    why: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    catches: tuple[str, ...]
    but_not: tuple[str, ...]

    def applies(self, text: str) -> bool:
        """Whether it is this rule's verdict on ``text``."""
        if self.pattern.search(text) is None:
            return False
        return self.unless is None or self.unless.search(text) is None


@dataclass(frozen=True, slots=True)
class Spelling:
    """How digits and letters are said one by one.

    Attributes:
        digits: said for one figure.
        pairs: said for two ("forty", "nineteen"); a digit behind one of ``tens`` is its second.
        tens: those of ``pairs`` that a digit may complete.
        hundreds: said for three figures, or for the first of three ("seiscientos doce").
        times: how often the next symbol counts ("double").
        noughts: behind a digit, so many further figures ("nine hundred").
        between: words between symbols that are none ("dash").
        letters: names of letters, beside the bare letters themselves.
        words: letters that are words too ("a", "i"): symbols only beside another one.
        codewords: of a spelling alphabet ("mike"): letters beside another one, or another letter.
        as_in: "b as in boy": these words, and the one after them, belong to the letter.
        announced: words before a number or a spelling, at the end of what precedes it; the name of
            a group that matched (``telephone``, ``zip``, ``four``, …: ``listen.spelled``) says its length.
        links: words a number that was announced directly follows ("is", "at").
        labels: words that a short code directly follows, and that is all of it ("gate").
        trunk: a telephone number may begin with it and have one figure more.
        nought: a number said figure by figure may begin with it, a time or a count never does; a
            telephone number that does has eleven figures, if it has no fewer.
        centuries: numbers that a year begins with ("nineteen").
        shorter: telephone numbers of so many figures there are as well.
    """

    digits: frozenset[str]
    pairs: frozenset[str]
    tens: frozenset[str]
    hundreds: frozenset[str]
    times: Mapping[str, int]
    noughts: Mapping[str, int]
    between: frozenset[str]
    letters: frozenset[str]
    words: frozenset[str]
    codewords: frozenset[str]
    as_in: tuple[tuple[str, ...], ...]
    announced: re.Pattern[str]
    links: frozenset[str]
    labels: frozenset[str]
    trunk: frozenset[str]
    nought: frozenset[str]
    centuries: frozenset[str]
    shorter: frozenset[int]


@dataclass(frozen=True, slots=True)
class Announced:
    """A value of several parts that is announced before it is said ("my email is …").

    Attributes:
        begins: the announcement; what is said behind its last occurrence is judged.
        made_of: all that is said must be this, else it is something else.
        unless: how something else begins.
        alone: found in what is all the caller said, unasked, it is the beginning of such a value.
        complete: at its end the last part is there; ``likely``, ``unsure`` likewise, and more is possible.
            Without any of them it is open.
    """

    begins: re.Pattern[str]
    made_of: re.Pattern[str]
    unless: re.Pattern[str] | None
    complete: re.Pattern[str] | None
    likely: re.Pattern[str] | None = None
    unsure: re.Pattern[str] | None = None
    alone: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Subordinate:
    """Clauses that want another one.

    Attributes:
        begins: how a turn begins that is one; ``unless`` it goes on like this.
        main: words a main clause begins with, wherever it stands.
        inversions: two words that begin one as well ("can you").
        follows: found behind its beginning, there is one ("… the key, it just clicks").
        joins: behind one of these, none of them begins a main clause ("he said I …").
    """

    begins: re.Pattern[str]
    unless: re.Pattern[str]
    main: frozenset[str]
    inversions: frozenset[str]
    follows: re.Pattern[str]
    joins: frozenset[str]


@dataclass(frozen=True, slots=True)
class WordLists:
    """One language.

    Attributes:
        nods: words that are a yes where the agent waits for one.
        fillers: sounds of thinking.
        thinking: asks for time, or says that more comes, at the end of a text ("let me see").
        aloud: the same anywhere; what is said behind it is judged for itself, unless it is an
            ``excuse``, which only goes on with it ("hang on … my dog is barking").
        resumes: behind it, the caller is back ("here it is"); ``ready`` where that is all ("go ahead").
        takes_back: at the end, behind words that break off: they are to be said anew ("it's for the, no").
        instead: all up to the last time something is taken back ("at seven, sorry,").
        courtesy: closes a request wherever it stands ("please"); means nothing in its middle.
        lead_ins: words before a sentence that are none of it.
        function: words that are no name.
        answers: whole texts that are complete whatever was asked.
        agrees: whole texts that only say that the answer comes ("sure").
        yes_no: whole texts that answer a question for a yes or a no.
        when: whole texts that are a day or a time.
        birth: how a date of birth is announced, what it is made of, when it has its year.
        announced: other values of several parts.
        quantity: whole texts that are a number of something.
        picks: whole texts that choose ("the first one").
        name_before: words before a name that is given.
        asides: "I think" at the end of a sentence that is whole without it.
        broken: words broken off in the middle ("tues").
        leads_up: rules for what nobody asked for.
        asked: written marks, or accents, that make a text a question; on the text as it was written.
    """

    nods: frozenset[str]
    fillers: frozenset[str]
    thinking: re.Pattern[str]
    aloud: re.Pattern[str]
    excuse: re.Pattern[str]
    resumes: re.Pattern[str]
    takes_back: re.Pattern[str]
    instead: re.Pattern[str]
    courtesy: frozenset[str]
    lead_ins: frozenset[str]
    function: frozenset[str]
    answers: re.Pattern[str]
    agrees: re.Pattern[str]
    yes_no: re.Pattern[str]
    when: re.Pattern[str]
    birth: Announced
    announced: tuple[Announced, ...]
    quantity: re.Pattern[str]
    picks: re.Pattern[str]
    name_before: re.Pattern[str]
    asides: re.Pattern[str]
    broken: frozenset[str]
    asked: re.Pattern[str]
    subordinate: Subordinate
    spelling: Spelling
    leads_up: tuple[Rule, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Verbs:
    """Forms of English verbs, one space between: "book", "books", "booking", "booked"."""

    base: str
    third: str
    gerund: str
    past: str


def inflected(verbs: str) -> Verbs:
    """The regular forms of verbs; "drop(p)" doubles its consonant, "send-" has an irregular past, left out "
    "here.
    """
    forms = [
        (v.rstrip("-").partition("(")[0], v.rstrip("-)").partition("(")[2], v[-1] == "-")
        for v in verbs.split()
    ]
    stems = [(base.removesuffix("e")) + doubled for base, doubled, _ in forms]
    return Verbs(
        base=" ".join(base for base, _, _ in forms),
        third=" ".join(
            re.sub(
                r"(?<=[^aeiou])ys$", "ies", base + ("es" if base.endswith(("s", "sh", "ch", "x")) else "s")
            )
            for base, _, _ in forms
        ),
        gerund=" ".join(stem + "ing" for stem in stems),
        past=" ".join(
            re.sub(r"(?<=[^aeiou])yed$", "ied", stem + "ed")
            for stem, (_, _, irregular) in zip(stems, forms, strict=True)
            if not irregular
        ),
    )


def one_of(words: str) -> str:
    """A group of single words, or (with ``|`` between them) of sequences of words."""
    listed = words.split("|") if "|" in words else words.split()
    return "(?:" + "|".join(sorted({w.strip() for w in listed}, key=lambda w: (-len(w), w))) + ")"


def compiled(pattern: str) -> re.Pattern[str]:
    r"""A pattern with the house's ``\b`` and ``\w+``."""
    return re.compile(pattern.replace(r"\b", _EDGE).replace(r"\w+", "[^ ]+"))


def rule(
    verdict: Whole,
    why: str,
    *patterns: str,
    unless: Sequence[str] = (),
    catches: str,
    but_not: str = "",
) -> Rule:
    """Make a rule of patterns any of which will do; examples stand one after another with ``/`` between."""
    return Rule(
        verdict,
        why,
        compiled("|".join(patterns)),
        compiled("|".join(unless)) if unless else None,
        _examples(catches),
        _examples(but_not),
    )


def word_set(words: str) -> frozenset[str]:
    """Single words, or (with ``|`` between them) sequences of words."""
    return frozenset(w.strip() for w in (words.split("|") if "|" in words else words.split()))


def beginnings(words: str, least: int = 4) -> frozenset[str]:
    """The beginnings of words, of at least so many letters, that are no whole one of them."""
    listed = words.split()
    return frozenset(w[:n] for w in listed for n in range(least, len(w))) - set(listed)


def _examples(listed: str) -> tuple[str, ...]:
    return tuple(e.strip() for e in listed.split("/") if e.strip())
