"""Whether a browser is still there, on a virtual clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.ingress.webrtc_presence import CLOSED_S, LOST_S, RESTART_S, SILENT_S, Watch

S = 1_000_000_000
NEVER = None


def at(seconds: float) -> int:
    return int(seconds * S)


def test_who_pings_is_present() -> None:
    watch = Watch(0)
    for second in range(60):
        watch.message(at(second))
        assert watch.verdict(at(second + 0.9), 0.0) == "present"


def test_a_dead_page_whose_microphone_still_sends_is_gone_after_five_seconds() -> None:
    watch = Watch(0)
    assert watch.verdict(at(LOST_S + 0.1), 0.02) == "lost"
    assert watch.verdict(at(SILENT_S), 0.02) == "lost"
    assert watch.verdict(at(SILENT_S + 0.1), 0.02) == "gone"


def test_a_broken_path_is_given_time_for_a_restart() -> None:
    watch = Watch(0)
    assert watch.verdict(at(SILENT_S + 2), SILENT_S + 2) == "lost"
    watch.connected(at(SILENT_S + 3))
    assert watch.verdict(at(SILENT_S + 3.1), 0.1) == "lost"  # nothing has come that way yet
    watch.message(at(SILENT_S + 3.2))
    assert watch.verdict(at(SILENT_S + 3.3), 0.1) == "present"
    assert watch.verdict(at(SILENT_S + 3.2 + RESTART_S + 0.1), 20.0) == "gone"


def test_a_typed_caller_without_audio_is_judged_by_pings_alone() -> None:
    watch = Watch(0)
    assert watch.verdict(at(RESTART_S - 0.1), NEVER) == "lost"
    assert watch.verdict(at(RESTART_S + 0.1), NEVER) == "gone"


def test_a_failed_connection_has_ten_seconds_even_when_messages_came_just_before() -> None:
    watch = Watch(0)
    watch.message(at(1))
    watch.failed(at(1))
    assert watch.verdict(at(2), 0.5) == "lost"
    watch.failed(at(8))  # told again: the first counts
    assert watch.verdict(at(11), 10.0) == "lost"
    assert watch.verdict(at(11.1), 10.0) == "gone"


def test_a_closed_connection_waits_for_another_and_not_for_long() -> None:
    watch = Watch(0)
    watch.closed(at(1))
    assert watch.verdict(at(1 + CLOSED_S), NEVER) == "lost"
    watch.connected(at(1 + CLOSED_S))
    watch.message(at(1.4 + CLOSED_S))
    assert watch.verdict(at(1.5 + CLOSED_S), NEVER) == "present"
    watch.closed(at(20))
    watch.message(at(21))  # the old page's last message, late
    assert watch.verdict(at(20 + CLOSED_S + 0.1), NEVER) == "gone"


def test_goodbye_is_at_once_and_gone_is_final() -> None:
    watch = Watch(0)
    watch.said_bye()
    assert watch.verdict(at(0.1), 0.0) == "gone"
    watch.connected(at(0.2))
    assert watch.verdict(at(0.3), 0.0) == "gone"


@given(st.lists(st.sampled_from(["message", "connected", "failed", "closed", "look"]), max_size=40))
def test_gone_stays_gone_and_nobody_silent_for_ever_stays_present(events: list[str]) -> None:
    watch, now, gone = Watch(0), 0.0, False
    for event in events:
        now += 1.0
        if event == "look":
            verdict = watch.verdict(at(now), NEVER)
            assert not gone or verdict == "gone"
            gone = verdict == "gone"
        else:
            getattr(watch, event)(at(now))
    assert watch.verdict(at(now + 11), NEVER) == "gone"
