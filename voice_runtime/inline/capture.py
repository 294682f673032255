"""Figures entered by keys on the line: enacts ``controls.capture`` for one call.

A tool's use asks for them (``collect``), attention brings keys and what the caller means by their words, and
whoever ends a call or takes its caller says so (``gone``). While ``paused``:

* the ear keeps, records and recognises no sample, here or at another company's, and interrupts nobody;
* attention puts nothing the caller says on record, on a screen or before the model; what acts at once acts;
* nothing here is logged; keys are in the machine's state alone.

``capture.started`` is durable before the caller is asked for anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from controls import capture as c
from controls.errors import LedgerError
from controls.intents import Intent
from controls.ledger import records as r
from voice_runtime.events import SayFrame, SpokenFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.think.tool_ports import Speak

#: Tag of its phrases.
TAG = "capture"
#: What ends the entry of what the caller says meanwhile, and as what.
ENDS_ENTRY: Mapping[Intent | None, c.Meant] = {
    Intent.EMERGENCY: "emergency", Intent.PERSON: "person", Intent.OPT_OUT: "stop", Intent.STOP: "stop",
}  # fmt: skip
#: A phrase that has not been reported as spoken by then is not waited for any longer, s.
_SPOKEN_S = 20.0


class Recording(Protocol):
    """A recording of the call. Both return at once and put what they do on record."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class KeyCapture:
    """One call's; at most one at a time. Implements ``think.tool_ports.KeyEntry``.

    Ordering: events count in the order they come. Closing: ``gone`` ends what is under way.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        deadline_s: float,
        spawn: Callable[[Coroutine[Any, Any, Any]], None],
        fetch_a_person: Callable[[str, str], None],
        recording: Recording | None = None,
        barred: Callable[[], c.EndedFor | None] = lambda: None,
    ) -> None:
        """Make the key entry of one call.

        Args:
            deadline_s: of a receipt.
            spawn: runs what waits beside the call.
            fetch_a_person: as ``call.Call.fetch_a_person``; not called for what the caller said.
            recording: paused together with the rest, where there is one.
            barred: why none may begin now: the caller waits for somebody, or nobody is to ask them anything.
        """
        self._journal = journal
        self._deadline_s = deadline_s
        self._spawn = spawn
        self._fetch_a_person = fetch_a_person
        self._recording = recording
        self._barred = barred
        self._machine: c.Capture | None = None
        self._speak: Speak | None = None
        self._turn = 0
        #: The tool that figures are or were last entered for.
        self.tool = ""
        self._ended: asyncio.Future[c.Outcome] | None = None
        self._asked = False  # the record is durable: phrases may be spoken
        self._sounding = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- what others ask ------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether figures are being entered: nothing is recorded, logged or shown to the model."""
        return self._machine is not None and self._machine.paused

    @property
    def waiting(self) -> bool:
        """Whether the next thing is the caller's: they were asked, and nothing of ours sounds."""
        return self.paused and self._asked and not self._sounding

    async def collect(
        self, tool: str, use: str, token: str, wanted: c.Wanted, turn: int, speak: Speak
    ) -> c.Outcome:
        """As ``KeyEntry``; cancelling it ends the entry."""
        if self._machine is not None:
            return "failed"  # another use's figures are being entered: uses run one after another
        if (because := self._barred()) is not None:
            return because
        self._machine, self._speak, self._turn, self._asked = c.Capture(wanted), speak, turn, False
        self.tool = tool
        ended: asyncio.Future[c.Outcome] = asyncio.get_running_loop().create_future()
        self._ended = ended
        try:
            outputs = self._take(c.Begin(use, token))
            started = next(o for o in outputs if isinstance(o, c.RecordStarted))
            receipt = self._journal.append(r.CaptureStarted(**self._at(use), what=started.what))
            try:
                await self._journal.durable(receipt, self._deadline_s)
            except LedgerError:  # no record of the pause, no pause, and no figures
                self.gone("failed")
            if self.paused:
                self._asked = True
                self._enact([o for o in outputs if isinstance(o, c.Say | c.Wait)])
            return await ended
        except BaseException:
            self.gone("failed")
            raise
        finally:
            if ended.cancelled() or not ended.done() or ended.result() != "captured":
                self._machine = None

    def take(self, token: str) -> str:
        """As ``KeyEntry``."""
        if self._machine is None:
            raise PermissionError("nothing is kept")
        figures = self._machine.figures(token)
        self._step(c.Taken())
        self._machine = None
        return figures

    # -- events ---------------------------------------------------------------------------------

    def key(self, key: str) -> None:
        """A key was pressed."""
        if self._asked:  # before that nobody was asked for one
            self._step(c.Key(key))

    def said(self, wanted: c.Meant) -> None:
        """The caller spoke, and meant this."""
        self._step(c.Said(wanted))

    def spoke(self) -> None:
        """The caller goes on speaking and presses no key; what they say, nobody knows."""
        if self.waiting:
            self._step(c.Spoke())

    def silent(self) -> None:
        """The caller has done nothing for as long as one is patient."""
        self._step(c.Silent())

    def spoken(self, frame: SpokenFrame) -> None:
        """One of its phrases has been played, or cut: patience begins."""
        self._sounding = max(0, self._sounding - 1)
        if self.waiting:
            self._wait(c.PATIENCE_S)

    def gone(self, because: c.EndedFor) -> None:
        """The call ended, or somebody else has the caller. Harmless when nothing is under way."""
        self._step(c.Gone(because))
        if self._ended is not None and self._ended.done():
            self._machine = None  # also what was kept and not yet taken

    # -- enacting -------------------------------------------------------------------------------

    def _step(self, event: c.Event) -> None:
        if self._machine is not None:
            self._enact(self._take(event))

    def _take(self, event: c.Event) -> Sequence[c.Output]:
        assert self._machine is not None
        self._machine, outputs = self._machine.step(event)
        for output in outputs:  # before anything else can happen
            if isinstance(output, c.Pause) and self._recording is not None:
                self._recording.pause()
            elif isinstance(output, c.RecordEnded):
                self._over(output)
        return outputs

    def _enact(self, outputs: Sequence[c.Output]) -> None:
        for output in outputs:
            match output:
                case c.Resume() if self._recording is not None:
                    self._recording.resume()
                case c.Say(phrase):
                    self._say(phrase)
                case c.Wait(seconds):
                    self._wait(seconds + (_SPOKEN_S if self._sounding else 0.0))
                case c.ToPerson("caller_key" | "failure" as by):
                    self._fetch_a_person(by, "figures were to be entered by keys")
                case _:  # the caller's words: attention acts on them; the use is told how it ended
                    pass

    def _over(self, output: c.RecordEnded) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._sounding = 0
        self._journal.append(
            r.CaptureEnded(**self._at(output.use), outcome=output.outcome, attempts=output.attempts)
        )
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(output.outcome)

    def _say(self, phrase: str) -> None:
        assert self._speak is not None
        frame = SayFrame(phrase=phrase, turn=self._turn, tag=f"{TAG}:{phrase}", answers=False)
        frame.interruptible = False
        self._sounding += self.paused
        self._spawn(self._speak(frame))  # type: ignore[arg-type]  # a coroutine function's

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._patience_over)

    def _patience_over(self) -> None:
        self._sounding = 0  # whatever was to be said has not been reported for longer than it can take
        self.silent()

    def _at(self, use: str) -> dict[str, Any]:
        return {"tenant": self._journal.tenant, "call": self._journal.call, "turn": self._turn, "use": use}
