"""One rule compiled: whether it applies to what is judged, and what it then finds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from controls.decision import FALLBACK, Proposal, RuleVerdict
from controls.rules import meaning
from controls.rules.expression import Expression
from controls.rules.matchers import Span, Words, cards, compile_phrase, numbers, words
from controls.rules.model import VARIABLES, Pack, RuleSpec
from controls.rules.phrase_index import PhraseIndex
from controls.rules.together import sentence_of
from controls.rules.topics import Likeness, Topic, topic_of
from controls.rules.values import dates, prices


@dataclass(frozen=True)
class Case:
    """What one evaluation looks at; ``start`` is the first word of the part being judged.

    ``facts`` are those of a handoff or of a call's end (``controls.rules.moments``).
    What several rules ask for is worked out when the first one does.
    """

    said: Words
    words: Words
    start: int
    text: str
    tool: str
    arguments: Mapping[str, Any]
    language: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def clause(self) -> str:
        """The words of the part being judged, joined by single spaces."""
        return " ".join(self.words.tokens[self.start :])

    @cached_property
    def numbers(self) -> list[str]:
        """Runs of digits in it."""
        return numbers(self.words, self.start)

    @cached_property
    def cards(self) -> list[str]:
        """Payment cards' numbers among them."""
        return cards(self.numbers)


class Lists:
    """A pack's word lists, of which an expression asks as ``topics``; made when one first does."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._newest: tuple[Case, list[str]] | None = None

    @cached_property
    def _index(self) -> PhraseIndex:
        lists = enumerate(self._pack.lists.values())
        return PhraseIndex((number, compile_phrase(entry)) for number, entries in lists for entry in entries)

    def found(self, case: Case) -> list[str]:
        """Names of the lists that something of the part being judged stands in."""
        newest = self._newest
        if newest is None or newest[0] is not case:  # a pack's rules ask one after the other
            names, found = list(self._pack.lists), self._index.find(case.words, case.start)
            newest = self._newest = case, [names[number] for number in sorted(found)]
        return newest[1]


class Rule:
    """One compiled rule."""

    def __init__(self, pack: Pack, spec: RuleSpec, lists: Lists) -> None:
        self.id = f"{pack.pack}/{spec.name}"
        self.pack = pack
        self.spec = spec
        self.phrase = pack.phrase_id(spec) if spec.say else ""
        self.phrases = [pack.phrase(p) for p in spec.if_.phrases]
        self.together = [pack.together(line) for line in spec.if_.together]
        self._unless = _index(spec.if_.unless, pack)
        self._without = _index(spec.if_.without, pack)
        self._topic = _topic(pack, spec)
        self._expression = Expression(spec.if_.cel) if spec.if_.cel else None
        used = self._expression.names if self._expression else frozenset()
        self._uses = used & frozenset(VARIABLES)
        self._lists = lists

    @property
    def reads_words(self) -> bool:
        """Whether words must be found before anything else of it is looked at."""
        return bool(self.phrases or self.together)

    def applies(self, case: Case, hits: Sequence[Span]) -> Sequence[Span] | None:
        """The places found (possibly none, for a CEL rule), or None when it does not apply.

        Raises:
            Exception: whatever the expression raises; the caller refuses then.
        """
        if self.spec.tools and case.tool not in self.spec.tools:
            return None
        if self.reads_words:
            if hits and self._unless is not None:
                masks = self._unless.find(case.words).get(0, ())
                hits = [h for h in hits if not any(m[0] <= h[0] and h[1] <= m[1] for m in masks)]
            if hits and self._without is not None:
                hits = _outside(hits, self._without.find(case.words).get(0, ()), case.words)
            if not hits:
                return None
        if self._topic is not None and not self._is_like(case):
            return None
        if self._expression is not None and not self._expression.holds(self._values(case)):
            return None
        return hits

    def likeness(self, case: Case) -> Likeness | None:
        """How like its topic the words are; None for a rule without one, or not in this language."""
        like = self.spec.if_.like
        if like is not None and like.by == "meaning" and not self._by_words:
            examples = self.pack.topics.get(like.topic, {}).get(case.language)
            return meaning.likeness(examples, case.words, case.start) if examples is not None else None
        topic = (self._topic or {}).get(case.language)
        return topic.likeness(case.words, case.start) if topic is not None else None

    @property
    def like_from(self) -> float:
        """Score from which on it is like its topic, by what it is told by in this process."""
        like = self.spec.if_.like
        assert like is not None  # whoever asks has looked
        by_words = like.by == "meaning" and self._by_words and like.without_model is not None
        return like.without_model if by_words and like.without_model is not None else like.at_least

    @property
    def _by_words(self) -> bool:
        """A rule that goes by meaning has to go by words here: no model, and it says from which score on."""
        like = self.spec.if_.like
        return meaning.current() is None and like is not None and like.without_model is not None

    def _is_like(self, case: Case) -> bool:
        assert self._topic is not None  # whoever asks has looked
        if self.spec.if_.like is not None and self.spec.if_.like.by == "meaning":
            found = self.likeness(case)
            return found is not None and found.score >= self.like_from
        topic = self._topic.get(case.language)
        return topic is not None and topic.score(case.words, case.start) >= self.like_from

    def _values(self, case: Case) -> dict[str, Any]:
        return {name: self._value(name, case) for name in self._uses}

    def _value(self, name: str, case: Case) -> Any:
        match name:
            case "said":
                return case.said.plain
            case "clause":
                return case.clause
            case "numbers":
                return case.numbers
            case "cards":
                return case.cards
            case "prices":
                return prices(case.words, case.start)
            case "dates":
                return dates(case.words, case.start, case.language)
            case "topics":
                return self._lists.found(case)
            case "args":
                return dict(case.arguments)
            case "tool":
                return case.tool
            case "language":
                return case.language
            case "handoff" | "call":
                return dict(case.facts)
            case _:
                return case.text

    def finding(self, language: str) -> RuleVerdict:
        spec = self.spec
        say = ""
        if spec.then == "rewrite":
            say = spec.rewrite_to.get(language, "")
        elif spec.then in ("block", "handoff") and language in spec.say:
            say = self.phrase
        elif spec.then == "block":
            say = FALLBACK
        ask = spec.ask.ask if spec.ask is not None else None
        return RuleVerdict(self.id, spec.verdict, spec.annex_a, spec.risk, spec.because, say, ask)


def tool_case(proposal: Proposal) -> Case:
    """A tool's use as rules see it: every value of its arguments is its words."""
    text = ". ".join(_leaves(proposal.arguments))
    return Case(
        words(proposal.caller_said),
        words(text),
        0,
        text,
        proposal.tool,
        proposal.arguments,
        proposal.language,
    )


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def _topic(pack: Pack, spec: RuleSpec) -> dict[str, Topic] | None:
    """The rule's topic in every language it has examples in; made once for a pack's topic."""
    if spec.if_.like is None:
        return None
    by_language = pack.topics.get(spec.if_.like.topic, {})
    return {language: topic_of(found.like, found.unlike) for language, found in by_language.items()}


def _index(phrases: Sequence[str], pack: Pack) -> PhraseIndex | None:
    return PhraseIndex((0, pack.phrase(p)) for p in phrases) if phrases else None


def _outside(hits: Sequence[Span], taken_back: Sequence[Span], text: Words) -> list[Span]:
    """Those that share no sentence with what takes them back."""
    ends = sorted(text.breaks)
    sentences = {sentence_of(ends, at) for span in taken_back for at in (span[0], span[1] - 1)}
    return [h for h in hits if not sentences & {sentence_of(ends, h[0]), sentence_of(ends, h[1] - 1)}]
