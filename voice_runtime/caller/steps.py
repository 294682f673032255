"""A caller acting out a script on a running stream, one step after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from voice_runtime.caller import measure
from voice_runtime.caller.live import Live
from voice_runtime.caller.results import Kind, TurnResult, sent_at_ms
from voice_runtime.caller.script import (
    HangUp,
    Interrupt,
    MakeSound,
    Press,
    Say,
    Script,
    Silence,
    Step,
    TypeWords,
    Wait,
)
from voice_runtime.caller.speech import Spoken, sound
from voice_runtime.events import RATE_HZ

#: Longer than any sentence takes, s.
_LONGEST_SPEECH_S = 180.0


class Emit(Protocol):
    """Where events go."""

    def __call__(self, kind: Kind, at_ms: float, **data: object) -> None: ...


class Steps:
    """Acts out one script.

    Args:
        stream: running, or about to.
        speech: every sentence of the script, synthesised.
        turns: where results go.
        emit: where events go.
    """

    def __init__(
        self, stream: Live, speech: Mapping[str, Spoken], turns: list[TurnResult], emit: Emit
    ) -> None:
        self._stream = stream
        self._speech = speech
        self._turns = turns
        self._emit = emit

    async def run(self, script: Script) -> None:
        """Act until the script or the stream ends; hangs up when through.

        Raises:
            StreamEnded: the other side ended the call first.
        """
        for step in script.steps:
            await self._act(step)
            if isinstance(step, HangUp):
                return
        await self._act(HangUp())

    async def _act(self, step: Step) -> None:
        match step:
            case Wait():
                await self._wait_for_agent(self._since(), step.quiet_ms, step.timeout_s)
            case Say():
                turn = await self._say(step.text, interrupts=False)
                if step.wait:
                    await self._wait_for_answer(turn, step.quiet_ms, step.timeout_s)
            case Interrupt():
                await self._until_agent_has_spoken(step.after_ms, step.timeout_s)
                turn = await self._say(step.text, interrupts=True)
                if step.wait:
                    await self._wait_for_answer(turn, step.quiet_ms, step.timeout_s)
            case Press():
                turn = await self._press(step)
                if step.wait:
                    await self._wait_for_answer(turn, step.quiet_ms, step.timeout_s)
            case TypeWords():
                turn = self._type(step.text)
                if step.wait:
                    await self._wait_for_answer(turn, step.quiet_ms, step.timeout_s)
            case Silence():
                await self._stream.until(lambda: False, step.seconds)
            case MakeSound():
                await self._sound(step)
            case HangUp():
                if step.how == "abrupt":
                    self._stream.abort()
                else:
                    await self._stream.stop()

    # -- speaking ---------------------------------------------------------------------------------

    async def _say(self, text: str, *, interrupts: bool) -> TurnResult:
        spoken = self._speech[text]
        start = self._stream.say(spoken)
        turn = TurnResult(len(self._turns) + 1, text=text, interrupts=interrupts)
        turn.first_sample, turn.last_sample = start + spoken.first, start + spoken.last
        turn.t0_ns = self._stream.answered_ns + int(sent_at_ms(turn.last_sample) * 1e6)
        self._turns.append(turn)
        at = sent_at_ms(turn.first_sample)
        self._emit("said_started", at, turn=turn.n, text=text, interrupts=interrupts)
        await self._until_sent()
        self._emit("said", sent_at_ms(turn.last_sample), turn=turn.n, text=text)
        return turn

    async def _press(self, step: Press) -> TurnResult:
        turn = TurnResult(len(self._turns) + 1, keys=step.keys)
        self._turns.append(turn)
        for i, key in enumerate(step.keys):
            if i:
                await self._stream.until(lambda: False, step.gap_ms / 1000)
            turn.last_sample = self._stream.press(key)
            turn.first_sample = turn.first_sample or turn.last_sample
            self._emit("key", sent_at_ms(turn.last_sample), key=key, turn=turn.n)
        turn.t0_ns = self._stream.answered_ns + int(sent_at_ms(turn.last_sample) * 1e6)
        return turn

    def _type(self, text: str) -> TurnResult:
        turn = TurnResult(len(self._turns) + 1, text=text, typed=True)
        turn.first_sample = turn.last_sample = self._stream.type(text)
        turn.t0_ns = self._stream.answered_ns + int(sent_at_ms(turn.last_sample) * 1e6)
        self._turns.append(turn)
        self._emit("typed", sent_at_ms(turn.last_sample), turn=turn.n, text=text)
        return turn

    async def _sound(self, step: MakeSound) -> None:
        made = sound(step.kind, step.seconds, level=step.level)
        start = self._stream.say(made)
        self._emit("sound", sent_at_ms(start + made.first), sound=step.kind)
        await self._until_sent()

    async def _until_sent(self) -> None:
        await self._stream.until(lambda: not self._stream.saying, _LONGEST_SPEECH_S)

    # -- listening --------------------------------------------------------------------------------

    def _since(self) -> int:
        return measure.place(self._turns[-1].last_sample) if self._turns else 0

    async def _wait_for_answer(self, turn: TurnResult, quiet_ms: int, timeout_s: float) -> None:
        turn.timed_out = not await self._wait_for_agent(measure.place(turn.last_sample), quiet_ms, timeout_s)

    async def _wait_for_agent(self, since: int, quiet_ms: int, timeout_s: float) -> bool:
        """Wait until the agent has spoken after ``since`` and fallen silent; False if it did not."""
        playout = self._stream.playout
        if not await self._stream.until(lambda: measure.answer_start(playout, since) is not None, timeout_s):
            self._emit("no_answer", playout.now * 1000 / RATE_HZ)
            return False
        quiet = quiet_ms * RATE_HZ // 1000
        return await self._stream.until(
            lambda: not playout.buffered and playout.now - (playout.last_loud or 0) >= quiet,
            timeout_s + 60,
        )

    async def _until_agent_has_spoken(self, after_ms: int, timeout_s: float) -> None:
        """Wait until the agent's newest stretch of speech has lasted ``after_ms`` and goes on."""
        playout, wanted = self._stream.playout, after_ms * RATE_HZ // 1000
        since = self._since()

        def spoken_long_enough() -> bool:
            first = measure.answer_start(playout, since)
            end = playout.last_loud
            if first is None or end is None or playout.now - end > measure.PAUSE:
                return False
            stretches = playout.onsets(pause=measure.PAUSE, since=first)
            return bool(stretches) and playout.now - stretches[-1].first >= wanted

        await self._stream.until(spoken_long_enough, timeout_s)
