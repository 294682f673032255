"""The voice: cleared words only, one closing per clause, fallbacks, receipts, interruptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pipecat.frames.frames import Frame, InterruptionFrame, TextFrame, TTSSpeakFrame

from controls import decision
from controls.decision import Cleared, Receipt
from controls.errors import LedgerError, ProviderError
from controls.ids import new_id
from tests.simulators.pipeline import End, running
from voice_runtime.events import AnswerEndFrame, ClauseAudioFrame, ClauseFrame, Word
from voice_runtime.ports import Speech
from voice_runtime.speak.voice import Engine, PhraseCache, Voice

pytestmark = pytest.mark.anyio

RECEIPT = Receipt("o", 1, "clause.cleared", 1)


@dataclass
class FakeSynthesiser:
    """Two pieces per text; can be told to stall, fail, break off or be mute mid-test."""

    name: str = "fake"
    fail_after: int | None = None
    stall_after: int | None = None
    error: Exception = field(default_factory=lambda: ProviderError("down", supplier="fake"))
    mute: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    open: int = 0
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        self.asked.append((text, language, voice))
        self.open += 1
        try:
            for i, half in enumerate((text[: len(text) // 2], text[len(text) // 2 :])):
                if self.stall_after == i:
                    self.stalled.set()
                    await self.go_on.wait()
                if self.fail_after == i:
                    raise self.error
                await asyncio.sleep(0)
                yield Speech(b"" if self.mute else self.pcm(half), [Word(i, i + 1, i)])
        finally:
            self.open -= 1

    def pcm(self, text: str) -> bytes:
        return f"<{self.name}:{text}>".encode("utf-16-le")


def token(
    text: str = "Hello there.", *, phrase: str = "", call: str = "c", durable: bool = True, begun: bool = True
) -> Cleared:
    receipt: Future[Receipt] = Future()
    if begun:
        receipt.set_running_or_notify_cancel()
    if durable:
        receipt.set_result(RECEIPT)
    return Cleared(
        mint=decision._MINT, call=call, turn=1, id=new_id("k"), text=text, language="en-US", receipt=receipt,
        phrase=phrase,
    )  # fmt: skip


@dataclass
class Rig:
    engines: list[Engine]
    phrases: PhraseCache = field(default_factory=PhraseCache)
    marks: list[str] = field(default_factory=list)
    failed: list[tuple[str, bool]] = field(default_factory=list)
    violations: list[ClauseFrame] = field(default_factory=list)

    def synthesised(self, clause_id: str, first_piece_ns: int) -> None:
        assert first_piece_ns > 0
        self.marks.append(clause_id)

    @asynccontextmanager
    async def running(self, receipt_s: float = 5.0) -> AsyncIterator[tuple[End, End]]:
        voice = Voice(
            self.engines,
            voice="warm",
            phrases=self.phrases,
            marks=self,
            on_failed=lambda clause, began: self.failed.append((clause.cleared.id, began)),
            on_violation=self.violations.append,
            call="c",
            receipt_s=receipt_s,
        )
        async with running(voice) as ends:
            yield ends


def audio(frames: list[Frame], cleared: Cleared | None = None) -> list[ClauseAudioFrame]:
    found = [f for f in frames if isinstance(f, ClauseAudioFrame)]
    return [f for f in found if cleared is None or f.clause.cleared is cleared]


def closed(frames: list[Frame]) -> list[str]:
    return [f.clause.cleared.id for f in audio(frames) if f.last]


async def until_closed(tail: End, count: int) -> list[Frame]:
    return await tail.until(lambda frames: len(closed(frames)) >= count)


def said(frames: list[Frame], cleared: Cleared) -> str:
    return b"".join(f.pcm for f in audio(frames, cleared)).decode("utf-16-le")


async def test_clauses_come_out_in_order_each_closed_once() -> None:
    fake = FakeSynthesiser()
    rig = Rig([Engine(fake)])
    clauses = [token("aabb"), token("ccdd"), token("eeff")]
    async with rig.running() as (head, tail):
        for cleared in clauses:
            await head.send(ClauseFrame(cleared))
        await head.send(AnswerEndFrame(turn=1))
        frames = await tail.until(lambda f: any(isinstance(x, AnswerEndFrame) for x in f))
    assert closed(frames) == [c.id for c in clauses] == rig.marks
    assert [said(frames, c) for c in clauses] == [
        "<fake:aa><fake:bb>",
        "<fake:cc><fake:dd>",
        "<fake:ee><fake:ff>",
    ]
    assert [w.sample for f in audio(frames, clauses[0]) for w in f.words] == [0, 1]
    order = [type(f) for f in frames if isinstance(f, ClauseAudioFrame | AnswerEndFrame)]
    assert order.index(AnswerEndFrame) == len(order) - 1
    assert fake.asked[0] == ("aabb", "en-US", "warm")
    assert not rig.failed


async def test_only_a_genuine_clearance_for_this_call_is_spoken() -> None:
    class Forged:
        id, call, text, language, phrase = "k", "c", "Forged.", "en-US", ""

    fake = FakeSynthesiser()
    rig = Rig([Engine(fake)])
    genuine = token()
    bad: list[object] = [Forged(), None, token(call="another")]
    async with rig.running() as (head, tail):
        for cleared in (*bad, genuine):
            await head.send(ClauseFrame(cleared))  # type: ignore[arg-type]
        frames = await until_closed(tail, 1)
    assert closed(frames) == [genuine.id]
    assert [v.cleared for v in rig.violations] == bad
    assert [text for text, *_ in fake.asked] == [genuine.text]


async def test_other_frames_pass_unchanged_and_unspoken() -> None:
    fake = FakeSynthesiser()
    text, speak = TextFrame("raw words"), TTSSpeakFrame("say me")
    async with Rig([Engine(fake)]).running() as (head, tail):
        await head.send(text)
        await head.send(speak)
        frames = await tail.until(lambda f: speak in f)
    assert text in frames
    assert not fake.asked


@pytest.mark.parametrize(
    "broken",
    [
        {"fail_after": 0},
        {"fail_after": 0, "error": ValueError("an engine's own bug, quoting what it was given")},
        {"mute": True},
        {"stall_after": 0},
    ],
    ids=["error", "foreign-error", "mute", "stall"],
)
async def test_the_next_engine_speaks_when_one_cannot(broken: dict[str, object]) -> None:
    first, second = FakeSynthesiser("first", **broken), FakeSynthesiser("second")  # type: ignore[arg-type]
    rig = Rig([Engine(first, first_piece_s=0.05), Engine(second)])
    cleared = token("aabb")
    async with rig.running() as (head, tail):
        await head.send(ClauseFrame(cleared))
        frames = await until_closed(tail, 1)
    assert said(frames, cleared) == "<second:aa><second:bb>"
    assert not rig.failed
    assert first.open == second.open == 0
    assert rig.marks == [cleared.id]


async def test_with_nobody_left_the_clause_is_closed_empty_and_reported() -> None:
    rig = Rig([Engine(FakeSynthesiser(fail_after=0)), Engine(FakeSynthesiser(mute=True))])
    failing, phrase = token(), token("Sorry.", phrase="fallback")
    await rig.phrases.fill({"fallback": {"en-US": "Sorry."}}, FakeSynthesiser("early"), voice="warm")
    async with rig.running() as (head, tail):
        await head.send(ClauseFrame(failing))
        await head.send(ClauseFrame(phrase))
        frames = await until_closed(tail, 2)
    assert rig.failed == [(failing.id, False)]
    assert [(f.pcm, f.last) for f in audio(frames, failing)] == [(b"", True)]
    assert said(frames, phrase) == "<early:Sor><early:ry.>"  # the cache needs no engine


@pytest.mark.parametrize("broken", [{"fail_after": 1}, {"stall_after": 1}], ids=["error", "stall"])
async def test_an_engine_that_breaks_off_is_not_repeated_by_another(broken: dict[str, int]) -> None:
    first, second = FakeSynthesiser("first", **broken), FakeSynthesiser("second")  # type: ignore[arg-type]
    rig = Rig([Engine(first, next_piece_s=0.05), Engine(second)])
    cleared = token("aabb")
    async with rig.running() as (head, tail):
        await head.send(ClauseFrame(cleared))
        frames = await until_closed(tail, 1)
    assert said(frames, cleared) == "<first:aa>"
    assert rig.failed == [(cleared.id, True)]
    assert not second.asked


async def test_text_for_an_outside_engine_waits_for_its_receipt() -> None:
    fake = FakeSynthesiser()
    rig = Rig([Engine(fake, outside=True)])
    cleared = token(durable=False)
    async with rig.running() as (head, tail):
        await head.send(ClauseFrame(cleared))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not fake.asked
        cleared.receipt.set_result(RECEIPT)
        await until_closed(tail, 1)
    assert len(fake.asked) == 1


async def test_without_a_receipt_nothing_leaves_and_an_engine_of_our_own_speaks() -> None:
    outside, ours = FakeSynthesiser("outside"), FakeSynthesiser("ours")
    rig = Rig([Engine(outside, outside=True), Engine(ours)])
    late, failed = token("aabb", durable=False, begun=False), token("ccdd", durable=False)
    failed.receipt.set_exception(LedgerError("disk full"))
    async with rig.running(receipt_s=0.02) as (head, tail):
        await head.send(ClauseFrame(late))
        await head.send(ClauseFrame(failed))
        frames = await until_closed(tail, 2)
        assert not late.receipt.cancelled()  # giving up waiting cancels no append
    assert not outside.asked
    assert said(frames, late) == "<ours:aa><ours:bb>"
    assert said(frames, failed) == "<ours:cc><ours:dd>"


# --- interruptions --------------------------------------------------------------------------------


async def test_an_interruption_stops_the_clause_and_empties_those_behind_it() -> None:
    fake = FakeSynthesiser(stall_after=1)
    rig = Rig([Engine(fake)])
    old, new = [token("aabb"), token("ccdd"), token("eeff")], token("gghh")
    async with rig.running() as (head, tail):
        for cleared in old:
            await head.send(ClauseFrame(cleared))
        await fake.stalled.wait()
        await head.send(InterruptionFrame())
        fake.stall_after = None
        await head.send(ClauseFrame(new))
        frames = await until_closed(tail, 4)
    assert closed(frames) == [c.id for c in (*old, new)]
    assert said(frames, old[0]) == "<fake:aa>"
    assert said(frames, old[1]) == said(frames, old[2]) == ""
    assert said(frames, new) == "<fake:gg><fake:hh>"
    assert [text for text, *_ in fake.asked] == ["aabb", "gghh"]
    assert fake.open == 0
    assert not rig.failed  # nobody failed, it was cut


async def test_uninterruptible_speech_is_synthesised_to_its_end() -> None:
    fake = FakeSynthesiser(stall_after=1)
    rig = Rig([Engine(fake)])
    hard = [ClauseFrame(token("aabb")), ClauseFrame(token("ccdd"))]
    async with rig.running() as (head, tail):
        for clause in hard:
            clause.interruptible = False
            await head.send(clause)
        await fake.stalled.wait()
        await head.send(InterruptionFrame())
        fake.go_on.set()
        frames = await until_closed(tail, 2)
    assert said(frames, hard[0].cleared) == "<fake:aa><fake:bb>"
    assert said(frames, hard[1].cleared) == "<fake:cc><fake:dd>"
    assert all(not f.interruptible for f in audio(frames))
    assert [f for f in frames if isinstance(f, InterruptionFrame)]


async def test_a_storm_of_interruptions_loses_no_clause() -> None:
    fake = FakeSynthesiser()
    rig = Rig([Engine(fake)])
    clauses = [token(f"clause {i}") for i in range(60)]
    async with rig.running() as (head, tail):
        for i, cleared in enumerate(clauses):
            await head.send(ClauseFrame(cleared))
            if i % 3 == 1:
                await head.send(InterruptionFrame())
            for _ in range(i % 7):
                await asyncio.sleep(0)
        frames = await until_closed(tail, len(clauses))
    assert closed(frames) == [c.id for c in clauses]
    assert fake.open == 0


async def test_a_call_that_ends_mid_clause_leaves_no_synthesis_behind() -> None:
    fake = FakeSynthesiser(stall_after=1)
    async with Rig([Engine(fake)]).running() as (head, _):
        await head.send(ClauseFrame(token()))
        await fake.stalled.wait()
    assert fake.open == 0


# --- fixed phrases --------------------------------------------------------------------------------


async def test_phrases_are_synthesised_once_and_by_their_exact_words() -> None:
    fake, cache = FakeSynthesiser(), PhraseCache()
    phrases = {"fallback": {"en-US": "Sorry.", "es-US": "Perdón."}, "goodbye": {"en-US": "Bye."}}
    assert await cache.fill(phrases, fake, voice="warm") == 3
    assert await cache.fill(phrases, fake, voice="warm") == 0
    assert len(fake.asked) == 3
    assert cache.speech("fallback", "en-US", "warm", "Sorry.") is not None
    assert cache.speech("fallback", "en-US", "warm", "Another agent's words.") is None
    assert cache.speech("fallback", "es-US", "warm", "Sorry.") is None
    assert cache.speech("fallback", "en-US", "cold", "Sorry.") is None


async def test_a_phrase_with_other_words_than_the_cached_ones_is_synthesised() -> None:
    fake = FakeSynthesiser()
    rig = Rig([Engine(fake)])
    await rig.phrases.fill({"fallback": {"en-US": "Sorry."}}, FakeSynthesiser("cache"), voice="warm")
    other = token("Ours.", phrase="fallback")
    async with rig.running() as (head, tail):
        await head.send(ClauseFrame(other))
        frames = await until_closed(tail, 1)
    assert said(frames, other) == "<fake:Ou><fake:rs.>"


@pytest.mark.parametrize("broken", [{"fail_after": 1}, {"mute": True}, {"stall_after": 0}])
async def test_a_phrase_that_cannot_be_synthesised_is_an_error_at_start(broken: dict[str, int]) -> None:
    fake = FakeSynthesiser(**broken)  # type: ignore[arg-type]
    with pytest.raises(ProviderError):
        await PhraseCache().fill({"fallback": {"en-US": "Sorry."}}, fake, voice="warm", deadline_s=0.05)
    assert fake.open == 0
