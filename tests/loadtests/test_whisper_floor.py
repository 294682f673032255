"""How short Whisper's window may be: errors counted, floors chosen; made-up weights prove no accuracy.

The model here is written from scratch: these tests prove the command, not any floor.
"""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.whisper_floor import (
    LONGEST_WINDOW_S,
    Floor,
    Said,
    chosen,
    compare,
    main,
    recorded,
    verdict,
    word_errors,
)
from tests.simulators import whisper_model as said
from voice_runtime.listen.whisper_decoder import WhisperDecoder, Window

BOOK, THANKS = "can i see doctor patel on tuesday", "no thank you"


def write_wav(path: Path, pcm: bytes, rate_hz: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return said.speaking_model(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """Two recordings with their words, and one without."""
    folder = tmp_path / "audio"
    folder.mkdir()
    write_wav(folder / "a.wav", said.tone(said.BOOK, 1.2))
    (folder / "a.txt").write_text("Can I see Doctor Patel on Tuesday?\n")
    write_wav(folder / "b.wav", said.tone(said.THANKS, 2.3))
    (folder / "b.txt").write_text("No, thank you.")
    write_wav(folder / "c.wav", said.tone(said.THANKS, 0.6))
    return folder


# --- word errors ------------------------------------------------------------------------------------

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("expected", "recognised", "errors"),
    [(BOOK, BOOK, 0), (THANKS, "no you", 1), ("on tuesday", "on a tuesday", 1), ("at ten", "a tent", 2),
     ("", "made up", 2), ("yes", "", 1)],
)  # fmt: skip
def test_word_errors(expected: str, recognised: str, errors: int) -> None:
    assert word_errors(expected, recognised) == errors


@given(TEXTS, TEXTS, TEXTS)
def test_word_errors_are_a_distance(a: str, b: str, c: str) -> None:
    assert word_errors(a, b) == word_errors(b, a)
    assert (word_errors(a, b) == 0) == (a.split() == b.split())
    assert word_errors(a, c) <= word_errors(a, b) + word_errors(b, c)


# --- choosing -----------------------------------------------------------------------------------------


def floors(*percents: float) -> list[Floor]:
    """Floors of 1, 2, 3 … s with so many word errors of 1000, the full window last."""
    seconds = [*(float(n) for n in range(1, len(percents))), LONGEST_WINDOW_S]
    return [Floor(s, 1000, round(10 * p), 0, 100, 100) for s, p in zip(seconds, percents, strict=True)]


@pytest.mark.parametrize(
    ("percents", "best_s"),
    [
        ((9.0, 5.3, 5.0, 5.0), 2.0),
        ((5.0, 5.0, 5.0), 1.0),
        ((9.0, 9.0, 5.0), LONGEST_WINDOW_S),
        # better at 1 s by chance: 2 s is not safe, so 1 s is not either
        ((5.0, 9.0, 5.0, 5.0), 3.0),
        ((3.0, 5.0, 5.0), 1.0),  # fewer errors than the full window are welcome
    ],
)
def test_the_floor_is_the_shortest_that_nothing_longer_refutes(
    percents: tuple[float, ...], best_s: float
) -> None:
    assert chosen(floors(*percents)) == best_s


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0, 5))
def test_whatever_is_chosen_makes_no_more_errors(percents: list[float], most_more: float) -> None:
    found = floors(*percents)
    best_s = chosen(found, most_more)
    for floor in found:
        if floor.floor_s >= best_s:
            assert floor.error_percent - found[-1].error_percent <= most_more


def test_a_floor_that_costs_words_is_refused_and_few_words_judge_nothing() -> None:
    found = floors(9.0, 5.0, 5.0)
    assert verdict(found, 2.0, None, made_up=False) == ""
    assert verdict(found, 2.0, 2.0, made_up=False) == ""
    assert verdict(found, 2.0, 1.0, made_up=False) == (
        "a floor of 1 s costs words: write shortest_window_s: 2, or more"
    )
    few = [Floor(1.0, 60, 0, 0, 10, 10), Floor(30.0, 60, 0, 0, 10, 0)]
    assert "60 words are too few" in verdict(few, 1.0, 2.0, made_up=False)
    assert verdict(few, 1.0, 2.0, made_up=True) == ""


# --- comparing ----------------------------------------------------------------------------------------


def test_the_full_window_is_the_measure_where_nobody_noted_the_words() -> None:
    windows: list[float] = []

    def decode(pcm: bytes, seconds: float) -> str:
        windows.append(seconds)
        return "No, thank you." if seconds >= 3 else "No, you."

    one = Said("one", bytes(2 * 8000), "")
    short, full = compare(decode, [one], [2.0])
    assert (short.words, short.errors, short.differing, short.shorter) == (3, 1, 1, 1)
    assert (full.floor_s, full.errors, full.differing, full.shorter) == (LONGEST_WINDOW_S, 0, 0, 0)
    assert windows == [LONGEST_WINDOW_S, 2.0]  # the full one once


def test_a_made_up_model_hears_the_same_in_every_window(model: Path, audio: Path) -> None:
    decoder = WhisperDecoder(model, device="cpu", compute="int8", threads=1, workers=1, shortest_window_s=0.5)
    prompt = decoder.prompt("en", ())

    def decode(pcm: bytes, seconds: float) -> str:
        return decoder.decode([Window(pcm, seconds, prompt)])[0].text

    found = compare(decode, recorded(audio), [0.5, 2.0])
    decoder.close()
    assert [(f.floor_s, f.words, f.errors, f.differing) for f in found] == [
        (0.5, 13, 0, 0), (2.0, 13, 0, 0), (LONGEST_WINDOW_S, 13, 0, 0),
    ]  # fmt: skip


def test_recordings_are_read_at_any_rate_and_without_words(audio: Path) -> None:
    write_wav(audio / "d.wav", bytes(2 * 16000), 16000)
    found = recorded(audio)
    assert [(one.name, one.words) for one in found] == [("a", BOOK), ("b", THANKS), ("c", ""), ("d", "")]
    assert len(found[3].pcm) == 2 * 8000


# --- the command ----------------------------------------------------------------------------------------


def test_the_command_says_that_made_up_weights_prove_no_accuracy(
    model: Path, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "floor.json"
    asked = [str(model), "--audio", str(audio), "--floors", "1", "2", "--threads", "1"]
    assert main([*asked, "--shortest", "1", "--out", str(out)]) == 0
    said_, warned = capsys.readouterr()
    assert "NOTHING about accuracy" in said_ and "NOTHING about accuracy" in warned
    assert "| 1 s " in said_ and "| 30 s (full)" in said_
    kept = json.loads(out.read_text())
    assert kept["chosen_s"] is None and kept["weights"].startswith("made up")
    assert [f["floor_s"] for f in kept["floors"]] == [1.0, 2.0, LONGEST_WINDOW_S]
    assert {c["window_s"] for c in kept["encoding"]} == {1.0, 2.0, LONGEST_WINDOW_S}


def test_the_gate_closes_when_short_windows_cost_words(
    model: Path, audio: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = WhisperDecoder.decode

    def misbehaves(decoder: WhisperDecoder, batch: list[Window]) -> list[object]:
        found = original(decoder, batch)
        short = batch[0].seconds < 2
        return [type(f)(f.tokens, "thanks for watching", -0.1, 0.0) for f in found] if short else found  # type: ignore[misc]

    monkeypatch.setattr(WhisperDecoder, "decode", misbehaves)
    asked = [str(model), "--audio", str(audio), "--floors", "1", "2", "--threads", "1"]
    assert main([*asked, "--shortest", "1"]) == 1
    assert "a floor of 1 s costs words: write shortest_window_s: 2, or more" in capsys.readouterr().out
    assert main([*asked, "--shortest", "2"]) == 0


def test_what_is_missing_is_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(model), "--audio", str(tmp_path)]) == 2
    assert "no .wav files in" in capsys.readouterr().err
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    assert main([str(model), "--audio", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main([str(tmp_path / "none")]) == 2
