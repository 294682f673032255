"""A line's edges are exact, its noise as loud as stated, its samples always the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from controls.errors import OperatorError
from loadtests.pauses.lines import LEAD_MS, TAIL_MS, Line, line_of
from loadtests.pauses.settings import VOICES
from loadtests.pauses.utterances import Utterance, load_utterances
from voice_runtime.caller import audible
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
