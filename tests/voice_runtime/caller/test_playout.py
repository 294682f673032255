"""The caller's playout clock: nothing lost, nothing played twice, marks as Twilio returns them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.caller import audible
from voice_runtime.caller import playout as playout_module
from voice_runtime.caller.playout import Gap, MarkBack, Onset, Playout, loud_windows

LOUD = audible.to_ulaw((b"\x00\x20" + b"\x00\xe0") * 4000)  # ±8192, 1 s
QUIET = audible.ULAW_SILENCE * 8000


def loud(samples: int) -> bytes:
    return LOUD[:samples]


STEPS = st.lists(
    st.one_of(
        st.integers(1, 700).map(lambda n: ("audio", n)),
        st.just(("mark", 0)),
        st.just(("tick", 0)),
        st.just(("tick", 0)),
        st.just(("clear", 0)),
    ),
    max_size=80,
)


@given(STEPS)
def test_every_sample_is_played_or_discarded_and_every_mark_returns_once(
    steps: list[tuple[str, int]],
) -> None:
    playout, placed, back, count = Playout(), [], [], 0
    owed: list[tuple[str, int]] = []  # mark and samples that must be played or discarded before it
    for kind, n in steps:
        if kind == "audio":
            playout.audio(loud(n))
        elif kind == "mark":
            name = f"m{count}"
            count += 1
            placed.append(name)
            owed.append((name, playout.received))
            back += playout.mark(name)
        elif kind == "tick":
            back += playout.tick()
        else:
            back += playout.clear()
            assert playout.pending_marks == playout.buffered == 0
        assert playout.received == playout.played + playout.discarded + playout.buffered
        assert len(playout.timeline) == playout.now
        for name, before in owed:
            if name in back:
                assert playout.played + playout.discarded >= before
    for _ in range(700 * len(steps) // 160 + 2):
        back += playout.tick()
    assert back == placed
    assert [m.name for m in playout.marks] == placed
    assert playout.received == playout.played + playout.discarded
    assert playout.pending_marks == 0


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_what_arrives_in_time_plays_without_a_gap(sizes: list[int]) -> None:
    playout = Playout()
    data = (LOUD * 2)[: sum(sizes)]
    at = 0
    for size in sizes:
        playout.audio(data[at : at + size])
        at += size
    while playout.buffered:
        playout.tick()
    assert playout.timeline[: len(data)] == data
    assert set(playout.timeline[len(data) :]) <= {0xFF}
    assert playout.gaps == []


def test_a_mark_returns_when_the_audio_before_it_has_sounded() -> None:
    playout = Playout()
    playout.audio(loud(160))
    assert playout.mark("a") == []
    playout.audio(loud(80))
    assert playout.mark("b") == []
    assert playout.tick() == []  # the first 20 ms have only begun
    assert playout.tick() == ["a"]
    assert playout.tick() == ["b"]
    assert playout.marks == [MarkBack("a", 160, False), MarkBack("b", 240, False)]


def test_a_mark_on_an_empty_buffer_returns_at_once_or_when_the_sounding_20_ms_end() -> None:
    playout = Playout()
    assert playout.mark("a") == ["a"]
    playout.audio(loud(160))
    playout.tick()
    assert playout.mark("b") == []
    assert playout.tick() == ["b"]


def test_clear_returns_every_pending_mark_in_order() -> None:
    playout = Playout()
    playout.audio(loud(160))
    playout.mark("sounding")
    playout.audio(loud(800))
    playout.mark("a")
    playout.mark("b")
    playout.tick()
    assert playout.clear() == ["sounding", "a", "b"]
    assert [m.cleared for m in playout.marks] == [False, True, True]
    assert (playout.played, playout.discarded) == (160, 800)
    assert playout.tick() == []
    assert playout.timeline[160:] == audible.ULAW_SILENCE * 160


def test_gaps_are_silence_between_pieces_but_not_pauses_or_clears() -> None:
    playout = Playout()
    playout.audio(loud(100))  # ends inside a tick
    playout.tick()
    playout.tick()
    playout.audio(loud(160))
    playout.tick()
    assert playout.gaps == [Gap(100, 220)]
    for _ in range(60):  # 1.2 s: a pause
        playout.tick()
    playout.audio(loud(320))
    playout.tick()
    playout.clear()
    playout.tick()
    playout.audio(loud(160))
    playout.tick()
    assert len(playout.gaps) == 1


def test_onset_and_silence_are_found_to_the_sample() -> None:
    playout = Playout()
    playout.audio(QUIET[:1003] + loud(800) + QUIET[:2000])
    while playout.buffered:
        playout.tick()
    assert playout.first_audible() == 1003
    assert playout.first_audible(1500) == 1500
    assert playout.first_audible(1804) is None
    end = playout.silent_from(1003, for_samples=400)
    assert end is not None
    assert 1803 <= end < 1803 + audible.WINDOW_SAMPLES
    assert playout.silent_from(0, for_samples=400) == 0
    assert playout.silent_from(1003, for_samples=40_000) is None
    assert playout.onsets(pause=400) == [Onset(1003, end)]
    assert playout.last_loud == end


def test_the_kept_timeline_is_bounded_and_the_clock_goes_on() -> None:
    playout = Playout(keep=1600)
    playout.audio(loud(4000))
    for _ in range(30):
        playout.tick()
    assert len(playout.timeline) == 1600
    assert playout.now == 4800
    assert playout.played == 4000


@given(st.binary(max_size=320))
def test_the_quick_look_at_loudness_sees_what_the_threshold_says(ulaw: bytes) -> None:
    ulaw = ulaw[: len(ulaw) // 40 * 40]
    expected = audible.windows(audible.to_pcm(ulaw)).tobytes() if ulaw else b""
    assert loud_windows(ulaw) == expected


def test_a_window_that_is_just_audible_is_so_for_both() -> None:
    for amplitude in range(80, 120):
        ulaw = audible.to_ulaw(amplitude.to_bytes(2, "little", signed=True) * 40)
        assert loud_windows(ulaw) == audible.windows(audible.to_pcm(ulaw)).tobytes()


def test_a_flood_of_marks_and_clears_is_answered_and_no_longer_written_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(playout_module, "_MOST_NOTED", 10)
    playout = Playout()
    playout.audio(loud(160))
    assert [playout.mark(str(n)) for n in range(20)] == [[]] * 20
    playout.tick()
    assert playout.tick() == [str(n) for n in range(20)]
    for _ in range(20):
        playout.clear()
    assert (len(playout.marks), len(playout.clears), playout.pending_marks) == (10, 10, 0)


def test_what_waits_is_counted_in_pieces_and_marks() -> None:
    playout = Playout()
    playout.audio(loud(100))
    playout.audio(loud(100))
    playout.mark("m")
    assert (playout.queued, playout.buffered, playout.pending_marks) == (3, 200, 1)
    playout.tick()
    assert (playout.queued, playout.buffered, playout.pending_marks) == (2, 40, 1)
    playout.tick()
    assert (playout.queued, playout.buffered, playout.pending_marks) == (0, 0, 1)
    assert playout.tick() == ["m"]
    assert playout.pending_marks == 0
