"""A line's edges are exact, its noise as loud as stated, its samples always the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from controls.errors import OperatorError
from loadtests.pauses.lines import LEAD_MS, TAIL_MS, Line, interjection_of, line_of
from loadtests.pauses.settings import VOICES
from loadtests.pauses.utterances import FILE, HELD_OUT, Utterance, load_labelled, load_utterances
from voice_runtime.caller import audible
from voice_runtime.caller.background import NOMINAL_RMS
from voice_runtime.events import CHUNK_BYTES

UTTERANCES = {utterance.id: utterance for utterance in load_utterances()}
PER_MS = 8


@pytest.fixture(autouse=True)
def flite(needs_system: Callable[..., None]) -> None:
    needs_system("flite")


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2").astype(np.int32)


def rendered(name: str = "phone-three-groups", variant: int = 1, voice: str = "slt") -> Line:
    return line_of(UTTERANCES[name], variant, voice)


@pytest.mark.parametrize("voice", VOICES)
def test_every_piece_lies_exactly_where_it_says(voice: str) -> None:
    line = rendered(voice=voice)
    clean = np.abs(samples(line.clean))
    outside = np.ones(len(clean), dtype=bool)
    for first, last in line.pieces:
        assert clean[first] >= audible.AUDIBLE_RMS
        assert clean[last] >= audible.AUDIBLE_RMS
        outside[first : last + 1] = False
    assert not clean[outside].any()
    assert line.pieces[0][0] == LEAD_MS * PER_MS
    assert len(clean) - line.end >= TAIL_MS * PER_MS
    lengths = [(b[0] - a[1] - 1) / PER_MS for a, b in pairwise(line.pieces)]
    assert tuple(lengths) == line.utterance.pauses_ms(1)
    assert [(p.end - p.start) / PER_MS for p in line.pauses] == lengths
    assert [p.open for p in line.pauses] == [True, True]


def test_words_follow_one_another_inside_their_pieces() -> None:
    line = rendered()
    said = [word.text for word in line.words]
    assert said == [w for piece in line.utterance.pieces for w in piece.text.split()]
    assert all(a.end <= b.start for a, b in pairwise(line.words))
    assert all(word.start < word.end for word in line.words)
    assert line.words[0].start == line.pieces[0][0]
    assert line.words[-1].end == line.end


def test_what_the_telephone_delivers_are_whole_chunks_with_noise_at_the_stated_level() -> None:
    line = line_of(UTTERANCES["see-patel-tuesday"], 0, "rms", snr_db=30)
    heard = b"".join(line.chunks())
    assert len(heard) == 2 * len(line.ulaw) == len(line.clean)
    assert not len(heard) % CHUNK_BYTES
    first, last = line.pieces[0]
    clean, noise = samples(line.clean), samples(heard)[: LEAD_MS * PER_MS]
    snr_db = 10 * np.log10(np.mean(clean[first : last + 1] ** 2.0) / np.mean(noise**2.0))
    assert snr_db == pytest.approx(30, abs=0.5)


def test_the_same_line_twice_is_the_same_and_another_variant_is_not() -> None:
    assert rendered().ulaw == rendered().ulaw
    assert rendered().ulaw != rendered(variant=2).ulaw


def test_a_voice_that_pauses_elsewhere_is_refused() -> None:
    bad = Utterance.model_construct(
        id="bad",
        kind="answer",
        pieces=(UTTERANCES["at-ten"].pieces[0].model_copy(update={"text": "yes, no"}),),
    )
    with pytest.raises(OperatorError, match="pauses 1 times"):
        line_of(bad, 0, "slt")
    with pytest.raises(OperatorError, match="voices are"):
        rendered(voice="nobody")


INTERJECTIONS = {one.id: one for one in load_labelled().interjections}


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("name", ["mhm", "stop", "laugh", "cough-short"])
def test_an_interjection_lies_exactly_where_it_says(name: str, voice: str) -> None:
    line = interjection_of(INTERJECTIONS[name], 0, voice)
    clean = np.abs(samples(line.clean))
    ((first, last),) = line.pieces
    assert (line.start, line.end) == (first, last + 1)
    assert clean[first] >= audible.AUDIBLE_RMS
    assert not clean[:first].any()
    assert not clean[last + 1 :].any()
    assert first == LEAD_MS * PER_MS
    assert len(clean) - line.end >= TAIL_MS * PER_MS
    assert not sum(map(len, line.chunks())) % CHUNK_BYTES
    assert [word.text for word in line.words] == (INTERJECTIONS[name].text or "").split()


@pytest.mark.parametrize("voice", VOICES)
def test_a_hum_is_hummed_and_not_spelled_out(voice: str) -> None:
    """flite's dictionary says "em aitch em", which nobody takes for listening: 1.3 s of it."""
    line = interjection_of(INTERJECTIONS["mhm"], 0, voice)
    assert 100 <= (line.end - line.start) / PER_MS <= 800


def test_a_noise_has_its_own_length_and_each_voice_another_one_of_its_kind() -> None:
    cough = INTERJECTIONS["cough-long"]
    lengths = [interjection_of(cough, n, "slt") for n in range(4)]
    lasting = [(line.end - line.start) / PER_MS for line in lengths]
    assert lasting == sorted(lasting)
    assert all(ms <= wanted for ms, wanted in zip(lasting, cough.sound_ms, strict=True))
    assert interjection_of(cough, 0, "slt").ulaw == interjection_of(cough, 0, "slt").ulaw
    assert interjection_of(cough, 0, "slt").clean != interjection_of(cough, 0, "awb").clean


def test_under_a_noise_lies_what_lies_under_speech_of_nominal_level() -> None:
    line = interjection_of(INTERJECTIONS["knock"], 0, "slt", snr_db=30)
    quiet = samples(b"".join(line.chunks()))[: LEAD_MS * PER_MS]
    level_db = 10 * np.log10(np.mean(quiet**2.0) / NOMINAL_RMS**2)
    assert level_db == pytest.approx(-30, abs=0.5)


@pytest.mark.parametrize("path", [FILE, HELD_OUT])
def test_hums_are_given_in_phones(path: Path) -> None:
    """flite spells hums out, letter by letter: they must not be said as text."""
    for one in load_labelled(path).interjections:
        hums = {"mhm", "mhmm", "mm", "mmm", "hm", "hmm"} & set((one.text or "").split())
        assert not hums or one.phones, one.id
