"""A soak: arrivals that keep about so many calls going, and what it says of its two ends."""

from __future__ import annotations

from loadtests.run import Offer
from loadtests.scenario import load_scenario
from loadtests.soak import Edge, Soak, arrivals
from tests.loadtests import made_up

BASE = Offer("twilio", 1, load_scenario("short"), "short", (), seed=3)


def test_arrivals_keep_about_the_asked_number_of_calls_going():
    offer = arrivals(BASE, 10, 20.0, 4000.0)
    busy = sum(min(20.0, 4000.0 - start.at_s) for start in offer.starts) / 4000.0
    assert 9 < busy < 11
    assert offer.concurrency == 10
    assert offer.starts == arrivals(BASE, 10, 20.0, 4000.0).starts


def test_both_ends_are_told():
    run = made_up.run(calls=2)
    told = str(Soak(run, Edge(210.04, 1.5), Edge(213.0, 2.0)))
    assert told.startswith("soak: memory 210.0 MB → 213.0 MB, loop lag p99 1.5 ms → 2.0 ms")
    assert "unknown" in str(Soak(run, Edge(None, None), Edge(None, None)))
