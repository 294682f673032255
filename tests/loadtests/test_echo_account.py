"""When an echo agent's answers are due at the caller, from when its packets left it: pure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.echo_agent.account import Account, Onset
from loadtests.echo_agent.answers import Echo
from loadtests.results import Transport
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.speech import sound
from voice_runtime.caller.ticker import TICK_NS
from voice_runtime.caller.webrtc_wire import PACKET, PacketPlayout

ANSWERED_NS = 123_456_789


def left(late_ms: dict[int, float], packets: int = 60) -> dict[int, int]:
    """Each packet leaves 1 ms after the tick of its number, or as late as said."""
    return {n: ANSWERED_NS + n * TICK_NS + int(late_ms.get(n, 1) * 1_000_000) for n in range(packets)}


def due(account: Account, transport: Transport) -> list[int]:
    """The playout samples at which answers are due."""
    return [answer.sample for answer in account.due(ANSWERED_NS, transport)]


def test_an_answer_in_time_is_due_in_the_next_tick() -> None:
    account = Account([Onset(1605, 1700)], left({}))
    assert due(account, "twilio") == [1700 + 160]


def test_over_webrtc_it_is_due_two_ticks_after_that() -> None:
    account = Account([Onset(1605, 1700)], left({}))
    assert due(account, "webrtc") == [1700 + 480]


@pytest.mark.parametrize(("late_ms", "ticks"), [(19, 1), (21, 2), (75, 4)])
def test_a_packet_that_left_later_is_due_later(late_ms: float, ticks: int) -> None:
    account = Account([Onset(1600, 1620)], left({10: late_ms}))
    assert due(account, "twilio") == [1620 + 160 * ticks]


def test_what_is_queued_behind_a_late_packet_is_late_as_well() -> None:
    account = Account([Onset(1600, 1930)], left({10: 45}))  # audible in the third packet
    assert due(account, "twilio") == [1930 + 160 * 3]


def test_a_buffer_evens_out_what_is_late_by_less_than_itself() -> None:
    account = Account([Onset(1600, 1620)], left({10: 41}))
    assert due(account, "webrtc") == [1620 + 480]


def test_what_is_late_by_more_is_lost_and_the_next_packet_is_the_answers_first() -> None:
    account = Account([Onset(1600, 1620)], left({10: 90, 11: 61}))
    assert due(account, "webrtc") == [12 * 160 + 480]


def test_an_answer_that_never_left_is_not_due() -> None:
    account = Account([Onset(1600, 1620), Onset(99_000, 99_000)], left({}))
    assert due(account, "twilio") == [1780]
    assert due(account, "webrtc") == [2100]
    assert due(Account([Onset(0, 0)]), "webrtc") == []


@given(st.lists(st.floats(0, 90), min_size=12, max_size=12))
def test_a_queueing_playout_without_a_fault_plays_when_it_is_due(late_ms: list[float]) -> None:
    """Held against the caller's own playout, driven by a faultless clock."""
    tone = sound("tone", 0.1).ulaw  # begins in the third sample of packet 4
    at = sorted((4 + i, ANSWERED_NS + (4 + i) * TICK_NS + int(ms * 1e6) + 1) for i, ms in enumerate(late_ms))
    account = Account([Onset(640, 640 + 1)], dict(at))
    playout, tick = Playout(), 0
    for n, left_ns in at:  # a stream keeps its order: what is behind a late packet comes after it
        account.left_ns[n] = max(left_ns, account.left_ns.get(n - 1, 0))
        while ANSWERED_NS + tick * TICK_NS <= account.left_ns[n]:
            playout.tick()
            tick += 1
        playout.audio((b"\xff" + tone)[(n - 4) * 160 : (n - 3) * 160])
    for _ in range(20):
        playout.tick()
    first = playout.first_audible()
    assert first is not None
    assert abs(first - due(account, "twilio")[0]) <= 3


@given(st.lists(st.floats(0.1, 39), min_size=40, max_size=40))
def test_a_buffering_playout_without_a_fault_plays_when_it_is_due(late_ms: list[float]) -> None:
    """Packets no later than the buffer is long, the first one prompt: each plays in the tick it is due."""
    late = dict(enumerate([0.1, *late_ms]))
    account = Account([Onset(30 * 160, 30 * 160 + 7)], left(late, 41))
    order = sorted(account.left_ns, key=account.left_ns.__getitem__)
    packets, played = PacketPlayout(), dict[bytes | None, int]()
    for tick in range(60):
        while order and account.left_ns[order[0]] < ANSWERED_NS + tick * TICK_NS:
            n = order.pop(0)
            packets.put(n * PACKET, bytes([n]))
        played[packets.tick()] = tick
    assert due(account, "webrtc") == [played[bytes([30])] * 160 + 7]


def test_an_echo_writes_down_where_its_answers_begin() -> None:
    said, answer, account = sound("tone", 0.1), sound("tone", 0.2), Account()
    echo = Echo([300], answer, account)
    line = (said.ulaw + b"\xff" * 8000) * 2
    for start in range(0, len(line) - 159, 160):
        echo.take(line[start : start + 160])
    first = said.last + 2400
    assert [onset.audible for onset in account.onsets] == [first, first + len(line) // 2]
    assert all(onset.audible - onset.begins == answer.first for onset in account.onsets)


def test_an_account_is_told_whole() -> None:
    account = Account([Onset(1, 2)], {0: 5, 1: 7})
    assert Account.from_json(json.loads(json.dumps(account.as_json()))) == account


@pytest.mark.parametrize("late_ms", [1, 11, 19])
def test_when_an_answer_was_handed_over_knows_nothing_of_the_callers_ticks(late_ms: float) -> None:
    """Whenever its packet leaves between two ticks, it is due in the next; it was handed over then."""
    account = Account([Onset(1600, 1624)], left({10: late_ms}))
    [answer] = account.due(ANSWERED_NS, "twilio")
    assert answer.sample == 1624 + 160
    assert answer.handed_over_ms == pytest.approx(200 + late_ms + 3)
