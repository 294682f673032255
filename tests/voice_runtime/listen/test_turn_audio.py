"""What the ear counts beside turns."""

from __future__ import annotations

from voice_runtime.listen.turn_audio import Silence


def test_silence_begins_anew_when_the_call_goes_on() -> None:
    """A rule had a person fetched in place of the end: after that nobody ever asked the caller again."""
    silence = Silence(0.1, 0.2)
    assert [silence.chunk() for _ in range(20)] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 2] * 2
    silence.chunk()
    silence.broken()
    assert [silence.chunk() for _ in range(5)] == [0, 0, 0, 0, 1]
