"""Turn policies' results: the sets they were scored on, what the figures are and are not, what was cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loadtests.environment import environment
from loadtests.pauses.figures import LabelledSet
from loadtests.pauses.lines import TAIL_MS
from loadtests.pauses.measure import Judged, Said, joined, measure_each
from loadtests.pauses.options import PauseOptions, SetName
from loadtests.pauses.overlaps import summarise_overlaps
from loadtests.pauses.score import summarise
from loadtests.pauses.settings import Settings
from loadtests.pauses.utterances import (
    FILE,
    HELD_OUT,
    OVER_AGENT,
    OVER_AGENT_SECOND,
    Interjection,
    Utterance,
    load_labelled,
)
from loadtests.pauses.worst import worst
from loadtests.results import Results

_SETS: dict[SetName, tuple[Path, LabelledSet]] = {
    "first": (FILE, "development"),
    "held_out": (HELD_OUT, "held_out"),
    "listening": (OVER_AGENT, "listening"),
    "listening_second": (OVER_AGENT_SECOND, "listening_second"),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """What a run found.

    Attributes:
        results: to be kept.
        cut: lines for whoever writes rules, to be shown and not kept.
    """

    results: Results
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Set:
    """One labelled set, and whether what it cut may be shown."""

    labelled: LabelledSet
    said: tuple[Said, ...]
    shown: bool


def measured(
    options: PauseOptions, command: str, progress: Callable[[int, int], object] = lambda done, of: None
) -> Scored:
    """Compare the policies (some minutes on two cores); Ctrl-C ends it with what was done until then.

    Args:
        command: reruns it.
        progress: called with the number of utterances done and of all, some twenty times.

    Raises:
        OperatorError: flite is missing, or a set of utterances is broken.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    sets = tuple(_sets(options))
    every = [one for labelled in sets for one in labelled.said]
    done: dict[int, Judged] = {}
    interrupted = False
    try:
        with closing(measure_each(every, options.settings, processes=options.processes)) as coming:
            for n, judged in coming:
                done[n] = judged
                if len(done) % max(1, len(every) // 20) == 0 or len(done) == len(every):
                    progress(len(done), len(every))
    except KeyboardInterrupt:
        interrupted = True
    found: list[tuple[_Set, dict[int, Judged]]] = []
    first = 0
    for labelled in sets:
        end = first + len(labelled.said)
        found.append((labelled, {n - first: judged for n, judged in done.items() if first <= n < end}))
        first = end
    return Scored(_results(found, options.settings, command, began, interrupted), _cut(found, options))


def _sets(options: PauseOptions) -> Iterator[_Set]:
    """Those asked for; or the file named, which may be one of them, and is shown then."""
    named = [(*_SETS[name], name != "held_out") for name in options.sets]
    if options.file is not None:
        named = [(options.file, _labelled(options.file), True)]
    for path, labelled, shown in named:
        document = load_labelled(path)
        utterances = document.utterances if options.only != "interjections" else ()
        interjections = document.interjections if options.only != "utterances" else ()
        yield _Set(labelled, (*utterances, *interjections), shown)


def _labelled(file: Path) -> LabelledSet:
    """Whose labels a file has; one that is not there will be said to be missing."""
    known = (of for of in _SETS.values() if file.exists() and file.samefile(of[0]))
    return next((name for _, name in known), "file")


def _results(
    found: Sequence[tuple[_Set, dict[int, Judged]]],
    settings: Settings,
    command: str,
    began: str,
    interrupted: bool,
) -> Results:
    judged = [(labelled.labelled, joined(done)) for labelled, done in found]
    anything = any(done for _, done in found)
    return Results(
        command=command,
        started_at=began,
        interrupted=interrupted,
        environment=environment(),
        pauses=tuple(
            summarise(name, verdicts, labelled)
            for labelled, one in judged
            for name, verdicts in one.turns.items()
        ),
        barge_in=tuple(
            summarise_overlaps(name, overlaps, labelled)
            for labelled, one in judged
            for name, overlaps in one.overlaps.items()
        ),
        notes=notes(settings, [_extent(labelled, done) for labelled, done in found]) if anything else (),
    )


_NAMES: dict[LabelledSet, str] = {
    "development": "the first set",
    "held_out": "the held-out set",
    "listening": "the listening set, first half",
    "listening_second": "the listening set, second half",
    "file": "a set of its own",
}


def _extent(labelled: _Set, done: dict[int, Judged]) -> str:
    """How much of a set was measured."""

    def some(kind: type[Utterance] | type[Interjection], what: str) -> str:
        of = [n for n, one in enumerate(labelled.said) if isinstance(one, kind)]
        measured = sum(n in done for n in of)
        return f"{measured}{'' if measured == len(of) else f' of {len(of)}'} {what}"

    parts = [some(Utterance, "utterances"), some(Interjection, "interjections")]
    stopped = "" if len(done) == len(labelled.said) else " (interrupted)"
    return f"{_NAMES[labelled.labelled]}: {', '.join(parts)}{stopped}"


def notes(settings: Settings, extents: Sequence[str]) -> tuple[str, ...]:
    """What the figures are, and what they are not.

    Args:
        extents: of each set, how much of it was measured.
    """
    return (
        f"{'; '.join(extents)}. Each is said by {_voices(settings)} with pauses of several lengths,"
        f" 8 kHz µ-law, noise at {settings.snr_db:g} dB SNR. Synthetic speech: its tone says less about what"
        " is to come than a person's does, and Smart Turn was made for people. Compare policies, not"
        " products.",
        "Rules are written by the first set, and by others that are scored by their words alone; none may be"
        " tuned to the held-out one. What a rule is worth to a caller nobody has thought of is the second"
        " figure, and the distance between the two is what was learnt by heart. Both sets were written by"
        " those who made this: neither is a sample of real calls.",
        f"ours: the profile's default waits, patience {settings.patience}; the true words,"
        f" {settings.text_ms} ms late, in place of a recogniser. Smart Turn alone: pipecat's detector,"
        " model and defaults; no words, and no waiting for them. Fixed silence: our detector's. pipecat's"
        " defaults: any speech its detector finds interrupts the agent at once.",
        "Virtual time: what models and detectors cost in processor time is not counted, for anybody.",
        "cut-offs: open pauses in which the turn was ended. Delay: from the last audible sample of the"
        f" clean speech to the decision; a turn not ended in {TAIL_MS} ms counts as that. mid-speech:"
        " decisions within a piece, at the voice's own gaps, counted apart from cut-offs. The agent is"
        " silent meanwhile.",
        "Interjections are said while the agent speaks. Delays run from the caller's first audible sample to"
        " the decision: the way to the caller that follows it is in none of them (what lies at a carrier is"
        " taken back, not played out), nor is any echo.",
        "Intervals: 95 %, Wilson's, as if each different pause or interjection had been tried once: voices"
        " that say the same words are no independent trials.",
    )


def _voices(settings: Settings) -> str:
    voices = settings.voices
    many = f"{len(voices)} synthetic voices" if len(voices) > 1 else "one synthetic voice"
    return f"{many} of flite ({', '.join(voices)})"


def _cut(found: Sequence[tuple[_Set, dict[int, Judged]]], options: PauseOptions) -> tuple[str, ...]:
    """What was cut, set by set, where that may be shown; where it may not, that it is not."""
    if not options.show_cut:
        return ()
    lines: list[str] = []
    for labelled, done in found:
        lines += ["", f"Cut off or mistaken, {_NAMES[labelled.labelled]}:"]
        if labelled.shown:
            lines += worst(joined(done))
        else:
            lines.append(
                "  not shown: rules must not be tuned to it (name it with --file to look all the same)"
            )
    return tuple(lines)
