"""Every policy on every line, in virtual time, spread over the machine's cores."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

from loguru import logger

from controls.errors import OperatorError
from loadtests.pauses.lines import SNR_DB, VOICES, Line, line_of
from loadtests.pauses.ours import TEXT_MS, Patience, both, speech_of
from loadtests.pauses.policies import FixedSilence, Policy
from loadtests.pauses.score import Verdict, decisions, judge, summarise
from loadtests.pauses.smart_turn import SmartTurnAlone
from loadtests.pauses.utterances import Utterance, load_utterances
from loadtests.results import PausePolicy
from voice_runtime.caller.speech import FliteMissing

FIXED_MS = (200, 400, 600, 800, 1000, 1500)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        voices: each says every utterance once, with pauses of another length.
        text_ms: how late our policy gets the words.
        patience: of our policy.
    """

    voices: tuple[str, ...] = tuple(VOICES)
    snr_db: float = SNR_DB
    text_ms: int = TEXT_MS
    patience: Patience = "normal"

    def __post_init__(self) -> None:
        """Refuse voices nobody has.

        Raises:
            OperatorError: names those there are.
        """
        if not self.voices or set(self.voices) - set(VOICES):
            raise OperatorError(f"the voices are {', '.join(VOICES)}")


Verdicts = dict[str, list[Verdict]]


@contextmanager
def compared(settings: Settings) -> Iterator[tuple[Policy, ...]]:
    """The policies, in the order they are shown."""
    with both(settings.text_ms, settings.patience) as ours:
        yield (*ours, SmartTurnAlone(), *(FixedSilence(ms, speech_of) for ms in FIXED_MS))


def measure(utterances: Sequence[Utterance], settings: Settings) -> Verdicts:
    """Every policy on every line of these, in this process; the same verdicts every time.

    Raises:
        OperatorError: flite is missing or cannot say one of them.
    """
    with compared(settings) as made:
        found: Verdicts = {policy.name: [] for policy in made}
        for utterance in utterances:
            for variant, voice in enumerate(settings.voices):
                line = line_of(utterance, variant, voice, snr_db=settings.snr_db)
                for name, verdict in asyncio.run(_judged(line, made)).items():
                    found[name].append(verdict)
        return found


async def _judged(line: Line, made: Sequence[Policy]) -> dict[str, Verdict]:
    return {policy.name: judge(line, await decisions(policy, line)) for policy in made}


def measure_all(
    utterances: Sequence[Utterance],
    settings: Settings,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Verdicts:
    """As ``measure``, in several processes of their own.

    Args:
        processes: None: one for each core.
        progress: called with the number of parts done and of all.

    Raises:
        OperatorError: as ``measure``.
    """
    if shutil.which("flite") is None:
        raise FliteMissing
    parts = [utterances[n::16] for n in range(min(16, len(utterances)))]
    workers = min(processes or os.cpu_count() or 1, len(parts))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_quiet) as pool:
        jobs = [pool.submit(measure, part, settings) for part in parts]
        for done, _ in enumerate(as_completed(jobs), 1):
            progress(done, len(parts))
        results = [job.result() for job in jobs]
    return {name: [v for result in results for v in result[name]] for name in results[0]}


def _quiet() -> None:
    """Pipecat tells every question and answer."""
    logger.disable("pipecat")


def policies(settings: Settings | None = None, *, processes: int | None = None) -> tuple[PausePolicy, ...]:
    """Compare the policies on the whole labelled set (some minutes on two cores).

    Raises:
        OperatorError: flite is missing.
    """
    verdicts = measure_all(load_utterances(), settings or Settings(), processes=processes)
    return tuple(summarise(name, found) for name, found in verdicts.items())
