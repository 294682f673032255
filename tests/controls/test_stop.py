"""The newest record of an agent decides whether it is stopped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controls.ledger.records import AgentResumed, AgentStopped, CallRefused, Record
from controls.stop import Stopped, replay

SWITCHES = st.lists(
    st.tuples(st.sampled_from([AgentStopped, AgentResumed]), st.sampled_from("ab"), st.sampled_from("xy"))
)


@given(SWITCHES)
def test_the_newest_decides_for_each_tenant(switches: list[tuple[type[Record], str, str]]) -> None:
    records = [kind.model_validate({"tenant": tenant, "agent": agent}) for kind, tenant, agent in switches]
    state = replay(records)
    for tenant in "ab":
        for agent in "xy":
            own = [kind for kind, t, a in switches if (t, a) == (tenant, agent)]
            assert state.stopped(tenant, agent) == (bool(own) and own[-1] is AgentStopped)


def test_other_records_change_nothing() -> None:
    state = Stopped(frozenset({("a", "x")}))
    assert state.apply(CallRefused(tenant="a", reason="stopped")) == state
