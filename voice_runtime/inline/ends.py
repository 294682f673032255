"""Whether the agent may end its call, on the line: enacts ``controls.moments``.

The facts of the call are folded from its own records as they are written, so that what a rule goes by is what
the log holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import get_args

from controls.decision import Recorder
from controls.gate import Gate
from controls.ledger import records as r
from controls.moments import Moments
from controls.rules.moments import CallFacts, EndedBy
from voice_runtime.clock import Clock
from voice_runtime.events import SayFrame
from voice_runtime.inline.journal import Journal


class SoFar:
    """The facts of one call, as its records tell them. Called with every record that is written."""

    def __init__(self, follow: Callable[[r.Record, r.Personal | None], None]) -> None:
        """Make it; ``follow`` is told of every record as well."""
        self.facts = CallFacts()
        self._follow = follow

    def __call__(self, record: r.Record, personal: r.Personal | None) -> None:
        self._follow(record, personal)
        self.facts = self.facts.after(record, personal)


class CallEnds:
    """One call's ends."""

    def __init__(
        self,
        recorder: Recorder,
        gate: Gate,
        journal: Journal,
        so_far: SoFar,
        clock: Clock,
        *,
        language: str,
        say: Callable[[SayFrame], Awaitable[None]],
        fetch_a_person: Callable[[str, str], None],
    ) -> None:
        """Make it.

        Args:
            fetch_a_person: given who wants one and why.
        """
        #: The rules of these moments, for the way to a person as well.
        self.moments = Moments(
            recorder,
            gate.rules,
            tenant=journal.tenant,
            call=journal.call,
            language=language,
            bound=gate.bound,
        )
        self._journal, self._so_far, self._clock = journal, so_far, clock
        self._say, self._fetch_a_person = say, fetch_a_person
        #: How the call was to end when a rule had a person fetched: it does, once nobody can be reached.
        self.owed: tuple[str, str] | None = None

    async def may_end(self, ended_by: str, reason: str) -> bool:
        """Whether the call may end now. If not, what a rule wants first is under way: its words, or a person.

        Each rule keeps a call on the line once. Nobody but the agent is ever refused.
        """
        if ended_by != "agent":
            return True  # what rules find of it is entered as the call closes
        end = self.moments.end(self._facts(ended_by, reason), self._journal.turn)
        if not end.refused:
            return True
        if reason == "too_long":
            self.owed = (ended_by, reason)
        if end.phrase:
            # Behind it the call ends, and this is asked again; or a person is on the way meanwhile.
            tag = "" if end.person else f"end:{ended_by}:{reason}"
            frame = SayFrame(phrase=end.phrase, turn=self._journal.turn, tag=tag, answers=False)
            frame.interruptible = False
            await self._say(frame)
        if end.person:
            self._fetch_a_person("rule", end.rule)
        return False

    def over(self, ended_by: str, reason: str) -> None:
        """The call closes, whoever ended it: enter what rules find of it."""
        self.moments.end(self._facts(ended_by, reason), self._journal.turn, over=True)

    def closed(self, ended_by: EndedBy, reason: str, records: int) -> r.CallClosed:
        """``call.closed`` as of now; a call that nobody answered took no time.

        Args:
            records: the call's own, before this one.
        """
        facts = self._facts(ended_by, reason)
        return r.CallClosed.model_validate(
            {
                "tenant": self._journal.tenant, "call": self._journal.call, "ended_by": ended_by,
                "reason": reason, "duration_s": facts.duration_s, "records": records,
            }
        )  # fmt: skip

    def _facts(self, ended_by: str, reason: str) -> CallFacts:
        known: EndedBy = ended_by if ended_by in get_args(EndedBy) else "unknown"  # type: ignore[assignment]
        answered = bool(self._journal.answered_ns)
        lasted_s = self._journal.seconds(self._clock.monotonic_ns()) if answered else 0.0
        return self._so_far.facts.model_copy(
            update={"ended_by": known, "reason": reason, "duration_s": max(0, round(lasted_s))}
        )
