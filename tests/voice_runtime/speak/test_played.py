"""Played accounting: never more than was sent, never back, nothing after a clear."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controls.errors import InternalError
from controls.ledger.records import Evidence
from voice_runtime.events import Word
from voice_runtime.speak.played import MAX_MARKS, PlayedLedger, played_text

TEXT = "A nurse can call you."
WORDS = [Word(0, 1, 0), Word(2, 7, 100), Word(8, 11, 500), Word(12, 16, 700), Word(17, 21, 900)]


def opened(evidence: Evidence = Evidence.CARRIER_MARK) -> PlayedLedger:
    ledger = PlayedLedger(evidence)
    ledger.open("k", TEXT)
    ledger.audio("k", 1200, WORDS)
    ledger.end("k")
    return ledger


def test_nothing_is_played_before_a_mark_returns() -> None:
    ledger = opened()
    ledger.sent("k", 1200)
    mark = ledger.place_mark()
    assert ledger.result("k").samples == 0
    assert ledger.result("k").text == ""
    assert ledger.returned(mark)
    result = ledger.result("k")
    assert (result.samples, result.of_samples, result.text, result.full) == (1200, 1200, TEXT, True)
    assert result.evidence is Evidence.CARRIER_MARK


def test_marks_returned_by_a_clear_prove_nothing() -> None:
    ledger = opened()
    ledger.sent("k", 600)
    heard = ledger.place_mark()
    ledger.sent("k", 600)
    pending = ledger.place_mark()
    ledger.returned(heard)
    ledger.clear()
    assert not ledger.returned(pending)
    result = ledger.result("k")
    assert (result.samples, result.full, result.interrupted) == (600, False, True)
    assert result.text == "A nurse can"  # 100 of the 200 samples of "can": half of it
    assert ledger.offset("k") == 600


def test_after_a_clear_the_rest_is_sent_again_and_counts_once() -> None:
    ledger = opened()
    ledger.sent("k", 400)
    ledger.returned(ledger.place_mark())
    ledger.sent("k", 400)
    ledger.clear()
    ledger.sent("k", 800)
    ledger.returned(ledger.place_mark())
    assert ledger.result("k").full
    assert ledger.position == 1600  # the stream's own count never runs back


def test_padding_is_in_the_stream_but_not_in_the_clause() -> None:
    ledger = PlayedLedger()
    ledger.open("k", "Hi.")
    ledger.audio("k", 150)
    ledger.sent("k", 160)
    ledger.returned(ledger.place_mark())
    assert ledger.position == 160
    assert ledger.result("k").samples == 150
    assert ledger.result("k").full


def test_a_mark_in_the_next_clause_proves_the_one_before() -> None:
    ledger = opened()
    ledger.open("k2", "Next.")
    ledger.audio("k2", 300)
    ledger.sent("k", 1200)
    ledger.gap(160)
    ledger.sent("k2", 300)
    ledger.returned(ledger.place_mark())
    assert ledger.result("k").full
    assert ledger.result("k2").full


def test_sent_only_counts_what_was_sent_and_a_clear_takes_nothing_back() -> None:
    ledger = opened(Evidence.SENT_ONLY)
    ledger.sent("k", 600)
    ledger.clear()
    result = ledger.result("k")
    assert (result.samples, result.full, result.evidence) == (600, False, Evidence.SENT_ONLY)


def test_marks_that_never_came_can_be_given_up_and_the_evidence_says_so() -> None:
    ledger = opened()
    ledger.sent("k", 1200)
    result = ledger.result("k", as_sent=True)
    assert (result.samples, result.full, result.evidence) == (1200, True, Evidence.SENT_ONLY)
    assert ledger.result("k").samples == 0


def test_a_reported_position_is_never_beyond_what_was_sent() -> None:
    ledger = opened(Evidence.CLIENT_REPORT)
    ledger.sent("k", 320)
    ledger.played_through(10_000)
    assert ledger.result("k").samples == 320
    ledger.played_through(100)
    assert ledger.result("k").samples == 320


@pytest.mark.parametrize("name", ["", "s0.999999", "s0.0", "other", "s1.600"])
def test_forged_and_unknown_marks_are_ignored(name: str) -> None:
    ledger = opened()
    ledger.sent("k", 600)
    ledger.place_mark()
    assert not ledger.returned(name)
    assert ledger.result("k").samples == 0


def test_a_mark_counts_once() -> None:
    ledger = opened()
    ledger.sent("k", 600)
    mark = ledger.place_mark()
    assert ledger.returned(mark)
    assert not ledger.returned(mark)


def test_a_broken_clause_is_never_full() -> None:
    ledger = opened()
    ledger.end("k", broken=True)
    ledger.sent("k", 1200)
    ledger.returned(ledger.place_mark())
    assert ledger.result("k").samples == 1200
    assert not ledger.result("k").full


def test_a_clause_without_samples_has_no_words_played() -> None:
    ledger = PlayedLedger()
    ledger.open("k", TEXT)
    ledger.end("k")
    assert ledger.result("k").text == ""
    assert ledger.result("k").samples == 0


def test_marks_owed_are_bounded() -> None:
    ledger = opened()
    first = ledger.place_mark()
    for _ in range(MAX_MARKS + 1):
        ledger.gap(1)
        ledger.place_mark()
    assert not ledger.returned(first)


def test_misuse_is_a_bug_of_ours() -> None:
    ledger = opened()
    with pytest.raises(InternalError):
        ledger.open("k", TEXT)
    with pytest.raises(InternalError):
        ledger.audio("k", 1)
    with pytest.raises(InternalError):
        ledger.sent("k", -1)
    with pytest.raises(InternalError):
        ledger.result("unknown")
    ledger.forget("k")
    with pytest.raises(InternalError):
        ledger.result("k")


def test_a_forgotten_clause_still_holds_its_place_in_the_stream() -> None:
    ledger = opened()
    ledger.open("k2", "Next.")
    ledger.audio("k2", 160)
    ledger.sent("k", 1200)
    ledger.sent("k2", 160)
    ledger.forget("k")
    ledger.returned(ledger.place_mark())
    assert ledger.result("k2").full


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("played", "text"),
    [
        (0, ""),
        (49, ""),
        (50, "A"),
        (299, "A"),
        (300, "A nurse"),
        (899, "A nurse can call"),
        (1049, "A nurse can call"),
        (1050, "A nurse can call you."),
    ],
)
def test_a_word_counts_from_half_of_it(played: int, text: str) -> None:
    assert played_text(TEXT, WORDS, played, 1200) == text


def test_without_words_each_gets_its_share_by_characters() -> None:
    assert played_text("aaaa bbbb cccc", [], 700, 1400) == "aaaa"
    assert played_text("aaaa bbbb cccc", [], 750, 1400) == "aaaa bbbb"
    assert played_text("aaaa bbbb cccc", [], 1400, 1400) == "aaaa bbbb cccc"


def test_an_engines_words_outside_the_text_are_ignored() -> None:
    assert played_text("Hi you", [Word(0, 2, 0), Word(3, 99, 10), Word(-1, 2, 5)], 100, 100) == "Hi"


@given(st.text(max_size=80), st.integers(0, 4000), st.integers(0, 4000))
def test_played_text_is_a_start_of_the_text_and_grows(text: str, a: int, b: int) -> None:
    less, more = sorted((a, b))
    shorter, longer = played_text(text, [], less, 4000), played_text(text, [], more, 4000)
    assert text.strip().startswith(shorter)
    assert longer.startswith(shorter)


# --- any order of events --------------------------------------------------------------------------


@dataclass
class _Model:
    """What an honest observer knows of one clause."""

    total: int = 0
    sent_ever: int = 0
    last: int = 0
    since_clear: list[str] = field(default_factory=list)


class Stream(RuleBasedStateMachine):
    """Clauses opened, sent, marked, returned, cleared in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = PlayedLedger(self.evidence)
        self.clauses: dict[str, _Model] = {}
        self.marks: dict[str, tuple[int, int]] = {}
        self.clears = 0
        self.position = 0

    evidence = Evidence.CARRIER_MARK

    @rule(samples=st.integers(0, 2000))
    def open(self, samples: int) -> None:
        name = f"k{len(self.clauses)}"
        self.ledger.open(name, "some words of a clause")
        self.ledger.audio(name, samples)
        self.clauses[name] = _Model(samples)

    @precondition(lambda self: self.clauses)
    @rule(data=st.data(), samples=st.integers(0, 800))
    def send(self, data: st.DataObject, samples: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.clauses)))
        before = self.ledger.offset(name)
        self.ledger.sent(name, samples)
        self.position += samples
        model = self.clauses[name]
        assert self.ledger.offset(name) == min(model.total, before + samples)
        model.sent_ever = max(model.sent_ever, self.ledger.offset(name))

    @rule(samples=st.integers(0, 400))
    def gap(self, samples: int) -> None:
        self.ledger.gap(samples)
        self.position += samples

    @rule()
    def mark(self) -> None:
        self.marks[self.ledger.place_mark()] = (self.clears, self.position)

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.marks)))
        clears, position = self.marks.pop(name)
        before = {k: self.ledger.result(k).samples for k in self.clauses}
        counted = self.ledger.returned(name)
        assert counted == (clears == self.clears)
        if counted:
            assert self.ledger.through >= position
        else:
            assert before == {k: self.ledger.result(k).samples for k in self.clauses}

    @rule()
    def clear(self) -> None:
        self.ledger.clear()
        self.clears += 1
        assert self.ledger.unconfirmed == 0

    @rule(back=st.integers(0, 3000))
    def take_back(self, back: int) -> None:
        before = {k: (self.ledger.result(k).samples, self.ledger.offset(k)) for k in self.clauses}
        self.ledger.take_back(self.position - back)
        self.clears += 1
        again = 0
        for name, (played, offset) in before.items():
            assert self.ledger.result(name).samples == played
            assert played <= self.ledger.offset(name) <= offset
            again += offset - self.ledger.offset(name)
        assert again <= back

    @invariant()
    def holds(self) -> None:
        assert self.ledger.position == self.position
        assert self.ledger.through <= self.position
        on_the_way = 0
        for name, model in self.clauses.items():
            result = self.ledger.result(name)
            assert model.last <= result.samples <= model.sent_ever <= result.of_samples == model.total
            assert result.samples <= self.ledger.offset(name)
            on_the_way += self.ledger.offset(name) - result.samples
            model.last = result.samples
        # what was sent and is neither played nor cleared away is on its way, with padding and gaps
        assert on_the_way <= self.ledger.unconfirmed <= self.position - self.ledger.through


class SentOnlyStream(Stream):
    evidence = Evidence.SENT_ONLY

    @invariant()
    def sent_is_played(self) -> None:
        assert self.ledger.unconfirmed == 0
        for name, model in self.clauses.items():
            assert self.ledger.result(name).samples == model.sent_ever


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 30))
def test_what_is_taken_back_is_sent_again_and_then_proven_whole(chunks: int, proven: int, kept: int) -> None:
    ledger = PlayedLedger()
    ledger.open("k", "some words")
    ledger.audio("k", chunks * 160)
    ledger.end("k")
    ledger.sent("k", min(proven, chunks) * 160)
    assert ledger.returned(ledger.place_mark())
    ledger.sent("k", (chunks - min(proven, chunks)) * 160)
    late = ledger.place_mark()
    ledger.take_back(kept * 160)
    assert ledger.offset("k") == min(chunks, max(kept, proven)) * 160
    assert not ledger.returned(late), "Twilio returns it, played or not"
    ledger.sent("k", chunks * 160 - ledger.offset("k"))
    assert ledger.returned(ledger.place_mark())
    assert ledger.result("k").full


TestStream = Stream.TestCase
TestSentOnlyStream = SentOnlyStream.TestCase


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_all_sent_and_marked_adds_up(lengths: list[int]) -> None:
    ledger = PlayedLedger()
    for i, length in enumerate(lengths):
        ledger.open(str(i), "x")
        ledger.audio(str(i), length)
        ledger.sent(str(i), -(-length // 160) * 160)
    ledger.returned(ledger.place_mark())
    assert sum(ledger.result(str(i)).samples for i in range(len(lengths))) == sum(lengths)
    assert all(ledger.result(str(i)).full for i in range(len(lengths)))
    assert ledger.position == sum(-(-length // 160) * 160 for length in lengths)
