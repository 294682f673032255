"""The stop switch: which agents are stopped, from the records alone. Pure.

An agent stopped in one tenant takes no new call there until it is resumed. The
newest record of an agent decides; records are folded in the order of the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controls.ledger.records import AgentResumed, AgentStopped, Record


@dataclass(frozen=True, slots=True)
class Stopped:
    """Agents that are stopped, as (tenant, agent)."""

    agents: frozenset[tuple[str, str]] = frozenset()

    def apply(self, record: Record) -> Stopped:
        """State after ``record``; every record but ``agent.stopped|resumed`` changes nothing."""
        if isinstance(record, AgentStopped):
            return Stopped(self.agents | {(str(record.tenant), str(record.agent))})
        if isinstance(record, AgentResumed):
            return Stopped(self.agents - {(str(record.tenant), str(record.agent))})
        return self

    def stopped(self, tenant: str, agent: str) -> bool:
        """Whether new calls to ``agent`` are refused in ``tenant``."""
        return (tenant, agent) in self.agents


def replay(records: Iterable[Record]) -> Stopped:
    """State after all of ``records``, in the order of the log."""
    state = Stopped()
    for record in records:
        state = state.apply(record)
    return state
