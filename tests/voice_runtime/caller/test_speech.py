"""The caller's voice and ear: exact edges, real speech, named absence."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.speech import Flite, FliteMissing, sound


def pcm(samples: list[int]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


@given(st.integers(0, 900), st.integers(40, 900), st.integers(0, 900))
def test_bounds_are_exact_on_a_square_wave(before: int, length: int, behind: int) -> None:
    burst = [8000 if i % 2 else -8000 for i in range(length)]
    assert audible.bounds(pcm([0] * before + burst + [0] * behind)) == (before, before + length - 1)


def test_silence_and_what_is_softer_than_the_threshold_is_not_audible() -> None:
    assert audible.bounds(b"") is None
    assert audible.bounds(bytes(3200)) is None
    assert audible.bounds(audible.to_pcm(audible.ULAW_SILENCE * 800)) is None
    assert audible.bounds(pcm([90, -90] * 400)) is None
    click = [0] * 400 + [600] + [0] * 400  # one sample: 95 in a window of 40
    assert audible.bounds(pcm(click)) is None


def test_mulaw_keeps_level_within_its_step() -> None:
    tone = [int(8000 * math.sin(i / 5)) for i in range(800)]
    back = struct.unpack("<800h", audible.to_pcm(audible.to_ulaw(pcm(tone))))
    assert max(abs(a - b) for a, b in zip(tone, back, strict=True)) <= 260


@pytest.mark.parametrize("voice", ["slt", "kal"])
def test_flite_speaks_once_and_knows_where_speech_begins_and_ends(
    voice: str, needs_system: Callable[..., None]
) -> None:
    needs_system("flite")

    async def act() -> None:
        flite = Flite(voice)
        spoken = await flite.say("Can I see Doctor Patel on Tuesday?")
        assert await flite.say("Can I see Doctor Patel on Tuesday?") is spoken
        assert 1.0 < spoken.duration_s < 4.0
        assert audible.bounds(audible.to_pcm(spoken.ulaw)) == (spoken.first, spoken.last)
        assert spoken.first <= 120
        assert len(spoken.ulaw) - spoken.last <= 121
        slower = await Flite(voice, rate=0.7).say("Can I see Doctor Patel on Tuesday?")
        assert slower.duration_s > spoken.duration_s * 1.2

    asyncio.run(act())


def test_text_is_never_an_option_or_a_file(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    assert asyncio.run(Flite().say("--help")).duration_s > 0.1


def test_without_flite_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(FliteMissing, match="make system-deps") as missing:
        asyncio.run(Flite().say("hello"))
    assert "apt-get install flite" in str(missing.value)
    assert missing.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "  ", "x" * 3000, "a\0b"])
def test_what_cannot_be_said_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        asyncio.run(Flite().say(text))


@pytest.mark.parametrize("options", [{"rate": 0.1}, {"rate": 9}, {"level": 0}, {"voice": "nobody"}])
def test_impossible_voices_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OperatorError):
        Flite(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["cough", "noise", "tone"])
def test_sounds_are_audible_bounded_and_repeatable(kind: object) -> None:
    made = sound(kind, 0.3)  # type: ignore[arg-type]
    assert made == sound(kind, 0.3)  # type: ignore[arg-type]
    assert 0.05 < made.duration_s <= 0.33
    assert made.text == ""


def test_a_sound_nobody_could_hear_is_refused() -> None:
    with pytest.raises(OperatorError):
        sound("noise", 1, level=0.001)
    with pytest.raises(OperatorError):
        sound("noise", 1000)


@pytest.mark.parametrize("text", ["mhmm", "Mm-hmm.", "hmm"])
def test_a_hum_is_hummed_and_not_spelled(text: str, needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    hummed = asyncio.run(Flite("rms").say(text))
    assert 0.2 < (hummed.last - hummed.first) / 8000 < 0.8  # "em aitch em em" takes more than a second
    assert hummed.text == text


def test_what_is_recorded_is_used_at_its_own_pace_and_level_only(needs_system: Callable[..., None]) -> None:
    needs_system("flite")

    async def act() -> None:
        recorded = await RecordedFlite("rms").say("at ten")
        faster = await RecordedFlite("rms", rate=1.4).say("at ten")
        softer = await RecordedFlite("rms", level=0.1).say("at ten")
        assert faster.duration_s < recorded.duration_s
        assert softer.ulaw != recorded.ulaw

    asyncio.run(act())
