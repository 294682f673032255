"""The delay and the gain of an echo are found; unlike sounds correlate little."""

from __future__ import annotations

import numpy as np
import pytest

from voice_runtime.listen.echo_match import LAGS, SILENT, History, RunningMatch, fit
from voice_runtime.listen.echo_spectra import BANDS, Powers


def syllables(frames: int, seed: int) -> Powers:
    """Log2 powers that come and go like speech, (frames, BANDS)."""
    random = np.random.default_rng(seed)
    loud = np.repeat(random.uniform(0, 1, frames // 5 + 1) > 0.4, 5)[:frames, None]
    colour = np.repeat(random.normal(0, 2, (frames // 5 + 1, BANDS)), 5, axis=0)[:frames]
    return np.asarray(np.where(loud, SILENT + 7 + colour, SILENT), dtype=np.float32)


def lagged(played: Powers, frame: int) -> Powers:
    """What was played 1 to LAGS frames before ``frame``, newest first, as the runtime keeps it."""
    rows = [
        played[frame - 1 - lag] if frame - 1 - lag >= 0 else np.full(BANDS, SILENT) for lag in range(LAGS)
    ]
    return np.asarray(rows, dtype=np.float32)


@pytest.mark.parametrize("lag", [0, 3, 17, LAGS - 1])
def test_the_running_match_finds_the_lag(lag: int) -> None:
    played, match = syllables(300, 1), RunningMatch()
    for frame in range(LAGS + 1, 300):
        match.add(played[frame - 1 - lag] - 6.0, lagged(played, frame))
    assert match.compare() == lag
    assert match.correlation[lag] > 0.9


def test_another_voice_correlates_little() -> None:
    played, other, match = syllables(300, 1), syllables(300, 2), RunningMatch()
    for frame in range(LAGS + 1, 300):
        match.add(other[frame], lagged(played, frame))
    match.compare()
    assert match.correlation.max() < 0.45


def test_silence_correlates_with_nothing() -> None:
    played, match = syllables(100, 1), RunningMatch()
    for frame in range(LAGS + 1, 100):
        match.add(np.full(BANDS, 8.0, dtype=np.float32), lagged(played, frame))
    match.compare()
    assert abs(match.correlation).max() < 1e-3


@pytest.mark.parametrize("lag", [0, 9, LAGS - 1])
def test_a_stretch_is_fitted(lag: int) -> None:
    played = syllables(LAGS + 120, 3)
    gain = np.linspace(-8, -4, BANDS).astype(np.float32)
    received = played[LAGS - lag : LAGS - lag + 120] + gain
    found = fit(received, played, np.ones(120, dtype=np.bool_))
    assert found.lag == lag
    assert found.correlation > 0.9
    assert np.allclose(found.gain, gain, atol=0.6)
    assert fit(received, played, np.ones(120, dtype=np.bool_), lag=lag).lag == lag


def test_nothing_played_fits_nothing() -> None:
    quiet = np.full((LAGS + 20, BANDS), SILENT, dtype=np.float32)
    found = fit(syllables(20, 4), quiet, np.ones(20, dtype=np.bool_))
    assert found.correlation < 0.1
    assert not found.frames.any()


def test_history_gives_back_what_it_was_given() -> None:
    history, played = History(), syllables(600, 5)
    for number in range(1, 600):
        history.add(number, played[number] - 3.0, played[number], speech=number % 2 == 0)
    found = history.stretch(500, 560)
    assert found is not None
    received, sounding, speech = found
    assert len(received) == len(speech) == 71, "ten frames from before come along"
    assert len(sounding) == 71 + LAGS
    assert np.allclose(received, played[490:561] - 3.0, atol=0.02)
    assert np.allclose(sounding, played[490 - LAGS : 561], atol=0.02)
    assert not speech[:10].any(), "what came before is no part of the speech to be judged"


def test_history_knows_what_it_does_not_know() -> None:
    history, frame = History(), np.full(BANDS, 9.0, dtype=np.float32)
    for number in [*range(1, 50), *range(60, 100)]:
        history.add(number, frame, frame, speech=True)
    assert history.stretch(200, 260) is None
    found = history.stretch(40, 99)
    assert found is not None
    assert len(found[0]) == 40, "only what follows the gap"
    assert np.all(found[1][:LAGS][-10:] == SILENT)
    silent = History()
    for number in range(1, 100):
        silent.add(number, frame, frame, speech=False)
    assert silent.stretch(1, 99) is None
