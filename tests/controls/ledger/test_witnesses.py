"""A house's witnesses, over all of its logs."""

from __future__ import annotations

from controls.ledger.witnesses import Witnesses
from tests.controls.ledger.witnessing import LONG
from tests.simulators.witness import GrowingLog, WitnessHouse


def test_a_house_tells_each_of_its_logs_and_forgets_those_that_closed() -> None:
    house = WitnessHouse(GrowingLog())
    told: list[str] = []
    witnesses = Witnesses([house.address], 3600.0, timeout_s=LONG, on_conflict=lambda o, w, n: told.append(o))
    assert witnesses.readings() == [("witness.example/w1", "unasked", 0, 0, {}, None, None, 0, 0)]
    good, forked = GrowingLog(5), GrowingLog(5, name="b.example/log", said="other")
    forked.origin = "o_BBBBBBBBBBBBBBBB"
    house.logs.append(forked)
    house.witness.add_checkpoint(GrowingLog(5, name="b.example/log").request(0))
    first, second = witnesses(good), witnesses(forked)
    first.start()
    assert first.ask_now(LONG)
    at = 1_900_000_000
    [found] = witnesses.readings()  # of the second log nothing is known yet, which hides nothing of the first
    assert found[1:7] == ("unasked", 2, 1, {forked.origin: "unasked"}, at, at)
    second.start()
    assert second.ask_now(LONG) is None
    [found] = witnesses.readings()
    assert found[1:7] == ("conflict", 2, 1, {forked.origin: "conflict"}, at, at)
    assert (found.conflicts, told) == (1, [forked.origin])
    assert found.failures >= 1
    second.close()
    assert witnesses.readings() == [("witness.example/w1", "ok", 1, 1, {}, at, at, 0, 0)]
    first.close()
    house.close()
