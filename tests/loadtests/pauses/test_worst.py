"""What rule writers are shown: what was cut, soonest first, and what was mistaken; of ours alone."""

from __future__ import annotations

from loadtests.pauses.measure import Judged
from loadtests.pauses.overlaps import Overlap
from loadtests.pauses.score import Cut, Verdict
from loadtests.pauses.worst import worst


def cut(name: str, *cuts: Cut) -> Verdict:
    return Verdict(name, "conjunction", tuple(True for _ in cuts), 0, 100.0, "slt", cuts)


def test_the_soonest_cut_comes_first_and_says_by_what() -> None:
    late, soon = Cut("made up and", 1300, 1220, "silence"), Cut("made up but", 400, 310, "turn_model")
    lines = worst(Judged(turns={"ours": [cut("one", late), cut("two", soon)]}))
    assert lines == [
        "  conjunction, two (slt): 'made up but …' cut 310 ms into a pause of 400 ms: turn_model",
        "  conjunction, one (slt): 'made up and …' cut 1220 ms into a pause of 1300 ms: silence",
    ]


def test_what_was_mistaken_over_the_agent_is_named_and_what_was_not_is_not() -> None:
    overlaps = [
        Overlap("stop", "command", 90, 400, 310, "slt"),
        Overlap("wait", "command", None, None, 0, "slt"),
        Overlap("hold-on", "command", 90, None, 640, "slt"),
        Overlap("okay", "backchannel", 90, None, 400, "slt"),
        Overlap("cough", "sound", 90, 560, 470, "slt"),
    ]
    assert worst(Judged(overlaps={"ours": overlaps})) == [
        "  command, hold-on (slt): missed, the agent paused for 640 ms",
        "  command, wait (slt): missed, the agent spoke on",
        "  sound, cough (slt): taken for an interruption after 560 ms",
    ]


def test_other_policies_are_not_ours_to_mend() -> None:
    found = Judged(turns={"Smart Turn alone": [cut("one", Cut("made up and", 1300, 220, "the turn model"))]})
    assert worst(found) == ["  nothing"]
