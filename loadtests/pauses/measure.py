"""Every policy on every line, in virtual time, spread over the machine's cores."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from zlib import crc32

from loadtests.pauses.lines import Line, interjection_of, line_of
from loadtests.pauses.ours import both, speech_of
from loadtests.pauses.overlaps import Interruptible, Overlap, judge_overlap
from loadtests.pauses.policies import FixedSilence, Policy
from loadtests.pauses.score import Verdict, decisions, judge
from loadtests.pauses.settings import FIXED_MS, Settings
from loadtests.pauses.smart_turn import SmartTurnAlone
from loadtests.pauses.speech_cuts import SpeechCuts
from loadtests.pauses.utterances import Interjection, Utterance
from loadtests.pauses.worker import begin_work
from voice_runtime.caller.speech import FliteMissing

#: In which order utterances are measured.
_SEED = 1

Said = Utterance | Interjection


@dataclass(slots=True)
class Judged:
    """What was measured, by policy.

    Attributes:
        turns: of utterances, which every policy takes.
        overlaps: of interjections, by those that know of an agent that speaks: a fixed silence does not.
    """

    turns: dict[str, list[Verdict]] = field(default_factory=dict)
    overlaps: dict[str, list[Overlap]] = field(default_factory=dict)

    def add(self, more: Judged) -> None:
        """Append what was measured later."""
        for name, verdicts in more.turns.items():
            self.turns.setdefault(name, []).extend(verdicts)
        for name, overlaps in more.overlaps.items():
            self.overlaps.setdefault(name, []).extend(overlaps)


@contextmanager
def compared(settings: Settings) -> Iterator[tuple[Policy, ...]]:
    """The policies, in the order they are shown."""
    with both(settings.text_ms, settings.patience) as ours:
        yield (*ours, SmartTurnAlone(), *(FixedSilence(ms, speech_of) for ms in FIXED_MS))


def measure(said: Sequence[Said], settings: Settings) -> Judged:
    """Every policy on every line of these, in this process; the same every time.

    Raises:
        OperatorError: flite is missing or cannot say one of them.
    """
    found = Judged()
    utterances = [one for one in said if isinstance(one, Utterance)]
    interjections = [one for one in said if isinstance(one, Interjection)]
    if utterances:
        with compared(settings) as made:
            for utterance in utterances:
                found.add(_turns(utterance, settings, made))
    if interjections:
        with both(settings.text_ms, settings.patience) as ours:
            for interjection in interjections:
                found.add(_overlaps(interjection, settings, (*ours, SpeechCuts())))
    return found


def _turns(utterance: Utterance, settings: Settings, made: Sequence[Policy]) -> Judged:
    found = Judged()
    for nth, voice in enumerate(settings.voices):
        line = line_of(utterance, variant_of(utterance, nth), voice, snr_db=settings.snr_db)
        found.add(asyncio.run(_judged(line, made)))
    return found


async def _judged(line: Line, made: Sequence[Policy]) -> Judged:
    return Judged(turns={policy.name: [judge(line, await decisions(policy, line))] for policy in made})


def _overlaps(interjection: Interjection, settings: Settings, made: Sequence[Interruptible]) -> Judged:
    found = Judged()
    for nth, voice in enumerate(settings.voices):
        line = interjection_of(interjection, variant_of(interjection, nth), voice, snr_db=settings.snr_db)
        for policy in made:
            events = asyncio.run(policy.over_agent(line))
            overlap = judge_overlap(interjection, line, events, voice)
            found.add(Judged(overlaps={policy.name: [overlap]}))
    return found


def variant_of(said: Said, nth: int) -> int:
    """Which of its lengths the ``nth`` voice says it with.

    One after another, from another one on for each utterance: were it the first length for the first voice
    throughout, a policy's figures on one voice would be those of short pauses, on another those of long ones.
    """
    return crc32(said.id.encode()) + nth


def measure_each(
    said: Sequence[Said], settings: Settings, *, processes: int | None = None
) -> Generator[tuple[int, Judged]]:
    """As ``measure``, in several processes of their own: which one it was, what was found, as they come.

    In ``drawn_order``, so that what was done by any moment has all kinds in it. Closed early, or
    interrupted, it begins no further one and waits for those at work, some seconds.

    Args:
        processes: None: one for each core.

    Raises:
        OperatorError: as ``measure``.
    """
    if shutil.which("flite") is None:
        raise FliteMissing
    workers = min(processes or os.cpu_count() or 1, len(said))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin_work) as pool:
        jobs = {pool.submit(measure, [said[n]], settings): n for n in drawn_order(said)}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def drawn_order(said: Sequence[Said]) -> list[int]:
    """Indices, drawn kind by kind and spread: of any beginning each kind has its share, give or take one."""
    drawn = random.Random(_SEED)
    kinds: dict[str, list[int]] = {}
    for n, one in enumerate(said):
        kinds.setdefault(one.kind, []).append(n)
    placed: list[tuple[float, int]] = []
    for mine in kinds.values():
        drawn.shuffle(mine)
        placed += [((at + drawn.random()) / len(mine), n) for at, n in enumerate(mine)]
    return [n for _, n in sorted(placed)]


def joined(done: Mapping[int, Judged]) -> Judged:
    """What was found, in order, whichever was done first."""
    found = Judged()
    for n in sorted(done):
        found.add(done[n])
    return found
