"""Every policy on every line, in virtual time, spread over the machine's cores."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import shutil
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from zlib import crc32

from loadtests.pauses.lines import Line, line_of
from loadtests.pauses.ours import both, speech_of
from loadtests.pauses.policies import FixedSilence, Policy
from loadtests.pauses.score import Verdict, decisions, judge
from loadtests.pauses.settings import FIXED_MS, Settings
from loadtests.pauses.smart_turn import SmartTurnAlone
from loadtests.pauses.utterances import Utterance
from loadtests.pauses.worker import begin_work
from voice_runtime.caller.speech import FliteMissing

#: In which order utterances are measured.
_SEED = 1

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
            for nth, voice in enumerate(settings.voices):
                line = line_of(utterance, variant_of(utterance, nth), voice, snr_db=settings.snr_db)
                for name, verdict in asyncio.run(_judged(line, made)).items():
                    found[name].append(verdict)
        return found


def variant_of(utterance: Utterance, nth: int) -> int:
    """Which of its pauses' lengths the ``nth`` voice says it with.

    One after another, from another one on for each utterance: were it the first length for the first voice
    throughout, a policy's figures on one voice would be those of short pauses, on another those of long ones.
    """
    return crc32(utterance.id.encode()) + nth


async def _judged(line: Line, made: Sequence[Policy]) -> dict[str, Verdict]:
    return {policy.name: judge(line, await decisions(policy, line)) for policy in made}


def measure_each(
    utterances: Sequence[Utterance], settings: Settings, *, processes: int | None = None
) -> Generator[tuple[int, Verdicts]]:
    """As ``measure``, in several processes of their own: which utterance it was, its verdicts, as they come.

    Their order is drawn, so that what was done by any moment has all kinds in it. Closed early, or
    interrupted, it begins no further one and waits for those at work, some seconds.

    Args:
        processes: None: one for each core.

    Raises:
        OperatorError: as ``measure``.
    """
    if shutil.which("flite") is None:
        raise FliteMissing
    order = random.Random(_SEED).sample(range(len(utterances)), len(utterances))
    workers = min(processes or os.cpu_count() or 1, len(utterances))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin_work) as pool:
        jobs = {pool.submit(measure, [utterances[n]], settings): n for n in order}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(cancel_futures=True)
