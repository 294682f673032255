"""The gates of a soak: what is met, what is missed, and what cannot be told."""

from __future__ import annotations

import pytest

from loadtests.results import Call, Completeness, Gap, Gate, Resources, Run, Turn
from loadtests.steadiness import FEWEST_CALLS, Edge, Footprint, gates
from loadtests.steady_stretch import Stretch
from loadtests.systems import Stalls
from tests.loadtests import made_up
from voice_runtime.budget import LOOP_LAG_P99_MS

STRETCH = Stretch(60.0, 3660.0)
IDLE = Footprint(tasks=40, threads=20, descriptors=80)
EDGE = Edge(memory_mb=200.0, loop_lag_p99_ms=2.0, threads=24)


STOOD = Stalls(uncovered_s=0.0, underruns=3)
ALL = (
    "memory", "tasks", "threads", "descriptors", "p95", "ledger", "loop lag", "garbage", "gaps", "underruns",
)  # fmt: skip


def run(
    *,
    first_ms: float = 500.0,
    last_ms: float = 500.0,
    each: int = 200,
    whole: bool = True,
    lag_ms: float | None = 2.0,
    gaps: int = 0,
) -> Run:
    """A MADE-UP hour: a call every 9 s with four turns, faster or slower in its last ten minutes."""
    calls, turns = [], []
    for n in range(400):
        at_s = 60.0 + 9.0 * n
        found = Completeness(heard=1, recorded=1, missing=() if whole or n else ("made up",))
        heard = (Gap(at_ms=900.0, ms=60.0),) if n < gaps else ()
        calls.append(Call(n=n, intended_at_s=at_s, outcome="completed", completeness=found, gaps=heard))
        ms = last_ms if at_s >= 3060.0 else first_ms
        turns += [Turn(call=n, n=i, kind="say", first_audio_out_ms=ms) for i in range(1, each // 50 + 1)]
    made = made_up.run(calls=1, resources=Resources(loop_lag_p99_ms=lag_ms))
    return made.model_copy(update={"calls": tuple(calls), "turns": tuple(turns), "offered": len(calls)})


def found(
    soaked: Run | None = None,
    *,
    last: Edge = EDGE,
    after: Footprint = IDLE,
    first: Edge = EDGE,
    before: Footprint = IDLE,
    stood: tuple[Stalls | None, Stalls | None] = (STOOD, STOOD),
) -> dict[str, bool | None]:
    made = gates(soaked or run(), STRETCH, (first, last), (before, after), stood)
    assert all(isinstance(gate, Gate) and gate.found and gate.tolerance for gate in made)
    return {gate.name: gate.met for gate in made}


def test_a_server_that_stands_as_it_did_meets_them_all() -> None:
    assert found() == dict.fromkeys(ALL, True)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("memory", {"last": Edge(memory_mb=211.0, threads=24)}),
        ("threads", {"last": Edge(memory_mb=200.0, threads=29)}),
        ("tasks", {"after": Footprint(tasks=44, threads=20, descriptors=80)}),
        ("descriptors", {"after": Footprint(tasks=40, threads=20, descriptors=91)}),
        ("p95", {"soaked": run(last_ms=571.0)}),
        ("ledger", {"soaked": run(whole=False)}),
        ("loop lag", {"soaked": run(lag_ms=LOOP_LAG_P99_MS + 0.1)}),
        ("garbage", {"stood": (STOOD, Stalls(uncovered_s=0.001, underruns=3))}),
        ("gaps", {"soaked": run(gaps=17)}),
        ("underruns", {"stood": (STOOD, Stalls(uncovered_s=0.0, underruns=20))}),
    ],
)
def test_what_grew_is_missed_and_nothing_else(name: str, changed: dict[str, object]) -> None:
    told = found(**changed)  # type: ignore[arg-type]
    assert [gate for gate, met in told.items() if met is False] == [name]
    assert [gate for gate, met in told.items() if met is None] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"last": Edge(memory_mb=210.0, threads=28)},
        {"after": Footprint(tasks=43, threads=99, descriptors=90)},
        {"soaked": run(last_ms=570.0)},
        {"soaked": run(first_ms=900.0)},
        {"soaked": run(lag_ms=float(LOOP_LAG_P99_MS))},
        {"soaked": run(gaps=16)},
        {"stood": (STOOD, Stalls(uncovered_s=0.0, underruns=19))},
        {"first": Edge(memory_mb=1000.0, threads=24), "last": Edge(memory_mb=1050.0, threads=3)},
    ],
)
def test_what_is_within_its_tolerance_is_met(changed: dict[str, object]) -> None:
    assert set(found(**changed).values()) == {True}  # type: ignore[arg-type]


def test_what_cannot_be_told_is_neither_met_nor_missed() -> None:
    few = run().model_copy(update={"offered": FEWEST_CALLS - 1})
    of_calls = ("memory", "tasks", "threads", "descriptors")
    assert found(few) == dict.fromkeys(ALL, True) | dict.fromkeys(of_calls)
    assert found(few, after=Footprint(tasks=99, descriptors=80))["tasks"] is False, "few calls left many"
    elsewhere = found(
        run(lag_ms=None), first=Edge(), last=Edge(), before=Footprint(), after=Footprint(),
        stood=(None, None),
    )  # fmt: skip
    assert [name for name in ALL if elsewhere[name] is None] == [
        *of_calls,
        "loop lag",
        "garbage",
        "underruns",
    ]
    unanswered = run().model_copy(update={"turns": run().turns[:99]})
    assert (found(unanswered)["gaps"], found(unanswered)["underruns"]) == (None, None), "99 answers"
    assert found(run(each=50))["p95"] is None, "67 turns at an end carry no p95"
    unread = run()
    calls = tuple(call.model_copy(update={"completeness": None}) for call in unread.calls)
    assert found(unread.model_copy(update={"calls": calls}))["ledger"] is None


def test_195_turns_at_an_end_of_an_hour_told_no_p95() -> None:
    def p95(each: int) -> Gate:
        made = gates(run(each=each), STRETCH, (EDGE, EDGE), (IDLE, IDLE), (STOOD, STOOD))
        return next(gate for gate in made if gate.name == "p95")

    assert (p95(200).met, p95(200).found) == (True, "500 ms → 500 ms, 10 min at either end")
    assert (p95(150).met, p95(150).found) == (True, "500 ms → 500 ms, 11 min at either end")
    assert p95(50).met is None, "a third of the time is the most"


def test_turns_that_were_cold_or_at_an_edge_count_at_neither_end() -> None:
    made = run()
    slow = tuple(
        turn.model_copy(update={"first_audio_out_ms": 9000.0, "edge": turn.n == 1, "cold": turn.n == 2})
        if turn.call > 380 and turn.n < 3
        else turn
        for turn in made.turns
    )
    assert found(made.model_copy(update={"turns": slow}))["p95"] is True
