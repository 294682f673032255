"""A caller acting out a script on a running stream, one step after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from voice_runtime.caller import measure
from voice_runtime.caller.background import Background
from voice_runtime.caller.live import Live
from voice_runtime.caller.results import Kind, TurnKind, TurnResult, played_at_ms, sent_at_ms
from voice_runtime.caller.script import (
    LONGEST_SPEECH_S,
    Backchannel,
    HangUp,
    Interrupt,
    MakeSound,
    Noise,
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


class Emit(Protocol):
    """Where events go."""

    def __call__(self, kind: Kind, at_ms: float, **data: object) -> None: ...


class Steps:
    """Acts out one script.

    Args:
        stream: running, or about to.
        speech: every line of the script, synthesised.
        noises: every noise of the script that is none of ``off``, made.
        turns: where results go.
        emit: where events go.
    """

    def __init__(
        self,
        stream: Live,
        speech: Mapping[str, Spoken],
        noises: Mapping[Noise, Background],
        turns: list[TurnResult],
        emit: Emit,
    ) -> None:
        self._stream = stream
        self._speech = speech
        self._noises = noises
        self._turns = turns
        self._emit = emit
        self._step = 0

    async def run(self, script: Script) -> None:
        """Act until the script or the stream ends; hangs up when through.

        Raises:
            StreamEnded: the other side ended the call first.
        """
        if script.begins_with is not None:
            self._noise(script.begins_with)
        for self._step, step in enumerate(script.steps):
            await self._act(step)
            if isinstance(step, HangUp):
                return
        await self._act(HangUp())

    async def _act(self, step: Step) -> None:
        match step:
            case Wait():
                await self._wait_for_agent(self._since(), step)
            case Say():
                turn = await self._say(step.text, step.text, "say")
                await self._wait_for_answer(turn, step)
            case Interrupt():
                await self._until_agent_has_spoken(step.after_ms, step.timeout_s)
                turn = await self._say(step.text, step.text, "interrupt")
                await self._wait_for_answer(turn, step)
            case Backchannel():
                if await self._until_agent_has_spoken(step.after_ms, step.timeout_s):
                    await self._say(step.line, step.text, "backchannel")
            case Press():
                turn = await self._press(step)
                await self._wait_for_answer(turn, step)
            case TypeWords():
                turn = self._type(step.text)
                await self._wait_for_answer(turn, step)
            case Silence():
                await self._stream.until(lambda: False, step.seconds)
            case MakeSound():
                await self._sound(step)
            case Noise():
                self._noise(step)
            case HangUp():
                if step.how == "abrupt":
                    self._stream.abort()
                else:
                    await self._stream.stop()

    # -- speaking ---------------------------------------------------------------------------------

    async def _say(self, line: str, text: str, kind: TurnKind) -> TurnResult:
        spoken = self._speech[line]
        start = self._stream.say(spoken)
        turn = self._turn(kind, text=text)
        turn.first_sample, turn.last_sample = start + spoken.first, start + spoken.last
        self._time(turn)
        at = sent_at_ms(turn.first_sample)
        self._emit("said_started", at, turn=turn.n, text=text, interrupts=turn.interrupts)
        await self._until_sent()
        self._emit("said", sent_at_ms(turn.last_sample), turn=turn.n, text=text)
        return turn

    async def _press(self, step: Press) -> TurnResult:
        turn = self._turn("press", keys=step.keys)
        for i, key in enumerate(step.keys):
            if i:
                await self._stream.until(lambda: False, step.gap_ms / 1000)
            turn.last_sample = self._stream.press(key)
            turn.first_sample = turn.first_sample or turn.last_sample
            self._emit("key", sent_at_ms(turn.last_sample), key=key, turn=turn.n)
        self._time(turn)
        return turn

    def _type(self, text: str) -> TurnResult:
        turn = self._turn("type", text=text)
        turn.first_sample = turn.last_sample = self._stream.type(text)
        self._time(turn)
        self._emit("typed", sent_at_ms(turn.last_sample), turn=turn.n, text=text)
        return turn

    def _turn(self, kind: TurnKind, *, text: str = "", keys: str = "") -> TurnResult:
        """Begin a turn."""
        turn = TurnResult(
            len(self._turns) + 1, kind, self._step, text, keys,
            typed=kind == "type", interrupts=kind == "interrupt",
        )  # fmt: skip
        self._turns.append(turn)
        return turn

    def _time(self, turn: TurnResult) -> None:
        turn.t0_ns = self._stream.answered_ns + int(sent_at_ms(turn.last_sample) * 1e6)

    async def _sound(self, step: MakeSound) -> None:
        made = sound(step.kind, step.seconds, level=step.level)
        start = self._stream.say(made)
        self._emit("sound", sent_at_ms(start + made.first), sound=step.kind)
        await self._until_sent()

    def _noise(self, noise: Noise) -> None:
        self._stream.background = self._noises.get(noise)
        at = sent_at_ms(self._stream.sent)
        self._emit("noise", at, noise=noise.kind, snr_db=noise.snr_db)

    async def _until_sent(self) -> None:
        await self._stream.until(lambda: not self._stream.saying, LONGEST_SPEECH_S)

    # -- listening --------------------------------------------------------------------------------

    def _since(self) -> int:
        """Where the newest turn that expects an answer ended."""
        awaited = (turn for turn in reversed(self._turns) if turn.kind != "backchannel")
        turn = next(awaited, None)
        return measure.place(turn.last_sample) if turn is not None else 0

    async def _wait_for_answer(self, turn: TurnResult, step: Say | Interrupt | Press | TypeWords) -> None:
        if step.wait:
            turn.timed_out = not await self._wait_for_agent(measure.place(turn.last_sample), step)

    async def _wait_for_agent(self, since: int, step: Wait | Say | Interrupt | Press | TypeWords) -> bool:
        """Wait until the agent has spoken after ``since`` and fallen silent; False if it did not."""
        playout = self._stream.playout

        def answers() -> bool:  # looked at in every tick: closely only once anything sounds
            end = playout.last_loud
            return end is not None and end > since and measure.answer_start(playout, since) is not None

        if not await self._stream.until(answers, step.timeout_s):
            self._emit("no_answer", played_at_ms(playout.now))
            return False
        quiet = step.quiet_ms * RATE_HZ // 1000
        return await self._stream.until(
            lambda: not playout.buffered and playout.now - (playout.last_loud or 0) >= quiet,
            step.longest_s,
        )

    async def _until_agent_has_spoken(self, after_ms: int, timeout_s: float) -> bool:
        """Wait until the agent's newest stretch of speech has lasted ``after_ms`` and goes on.

        What was said during that stretch (a backchannel) starts the count anew. False if it never came.
        """
        playout, wanted = self._stream.playout, after_ms * RATE_HZ // 1000
        since = self._since()
        newest = measure.place(self._turns[-1].last_sample) if self._turns else 0
        not_before = 0  # looked at in every tick: only as closely as it can matter

        def spoken_long_enough() -> bool:
            nonlocal not_before
            end = playout.last_loud
            if end is None or playout.now < not_before or playout.now - end > measure.PAUSE:
                return False
            first = measure.answer_start(playout, since)
            if first is None:
                return False
            stretches = playout.onsets(pause=measure.PAUSE, since=first)
            not_before = max(stretches[-1].first, newest) + wanted
            return playout.now >= not_before

        return await self._stream.until(spoken_long_enough, timeout_s)
