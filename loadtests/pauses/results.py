"""Turn policies' results: two numbers each, what they are and are not, and the same kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

from loadtests import markdown
from loadtests.environment import environment
from loadtests.pauses.lines import TAIL_MS
from loadtests.pauses.measure import Verdicts, measure_each
from loadtests.pauses.options import PauseOptions
from loadtests.pauses.score import Verdict, by_kind, delays_ms, percent, summarise
from loadtests.pauses.settings import Settings
from loadtests.pauses.utterances import KINDS, load_utterances
from loadtests.results import PausePolicy, Results
from loadtests.statistics import percentile


def measured(
    options: PauseOptions, command: str, progress: Callable[[int, int], object] = lambda done, of: None
) -> Results:
    """Compare the policies (some minutes on two cores); Ctrl-C ends it with what was done until then.

    Args:
        command: reruns it.
        progress: called with the number of utterances done and of all, some twenty times.

    Raises:
        OperatorError: flite is missing, or the set of utterances is broken.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    utterances = load_utterances(options.file) if options.file else load_utterances()
    done: dict[int, Verdicts] = {}
    interrupted = False
    try:
        with closing(measure_each(utterances, options.settings, processes=options.processes)) as coming:
            for n, verdicts in coming:
                done[n] = verdicts
                if len(done) % max(1, len(utterances) // 20) == 0 or len(done) == len(utterances):
                    progress(len(done), len(utterances))
    except KeyboardInterrupt:
        interrupted = True
    verdicts = joined(done)
    about = notes(options.settings, len(done), len(utterances)) if verdicts else ()
    return Results(
        command=command,
        started_at=began,
        interrupted=interrupted,
        environment=environment(),
        pauses=tuple(summarise(name, found) for name, found in verdicts.items()),
        notes=(*about, *kinds_table(verdicts)) if verdicts else (),
    )


def joined(done: Mapping[int, Verdicts]) -> Verdicts:
    """The verdicts of utterances in their order, whichever was done first; none of no utterances."""
    in_order = [done[n] for n in sorted(done)]
    return {name: [v for one in in_order for v in one[name]] for name in (in_order[0] if in_order else ())}


def notes(settings: Settings, utterances: int, of: int) -> tuple[str, ...]:
    """What the figures are, and what they are not.

    Args:
        utterances: measured, ``of`` so many.
    """
    some = "" if utterances == of else f" of {of} (interrupted)"
    return (
        f"{utterances}{some} utterances, each said by {_voices(settings)} with pauses of several lengths,"
        f" 8 kHz µ-law, noise at {settings.snr_db:g} dB SNR. Synthetic speech: its tone says less about what"
        " is to come than a person's does, and Smart Turn was made for people. Compare policies, not"
        " products.",
        f"ours: the profile's default waits, patience {settings.patience}; the true words,"
        f" {settings.text_ms} ms late, in place of a recogniser. Smart Turn alone: pipecat's detector,"
        " model and defaults; no words, and no waiting for them. Fixed silence: our detector's.",
        "Virtual time: what models and detectors cost in processor time is not counted, for anybody."
        " The agent is silent meanwhile.",
        "cut-offs: open pauses in which the turn was ended. Delay: from the last audible sample of the"
        f" clean speech to the decision; a turn not ended in {TAIL_MS} ms counts as that. mid-speech:"
        " decisions within a piece, at the voice's own gaps, counted apart from cut-offs.",
    )


def _voices(settings: Settings) -> str:
    voices = settings.voices
    many = f"{len(voices)} synthetic voices" if len(voices) > 1 else "one synthetic voice"
    return f"{many} of flite ({', '.join(voices)})"


def table(policies: Iterable[PausePolicy]) -> list[str]:
    """The two numbers of each policy, in Markdown."""
    head = (
        "policy", "cut-offs", "delay p50", "p95", "max", "open pauses", "ends", "never ended", "mid-speech",
    )  # fmt: skip
    rows = [
        (
            row.policy, f"{row.cut_off_percent:.1f} %",
            f"{row.delay_p50_ms:.0f} ms", "–" if row.delay_p95_ms is None else f"{row.delay_p95_ms:.0f} ms",
            f"{row.delay_max_ms:.0f} ms",
            str(row.thinking_pauses), str(row.ends), str(row.never_ended), str(row.mid_speech),
        )
        for row in policies
    ]  # fmt: skip
    return markdown.table(head, rows)


def kinds_table(verdicts: Verdicts) -> list[str]:
    """Cut-offs and delay of each policy, kind by kind, and its decisions in mid-speech, in Markdown.

    No kind has the 200 ends that a p95 needs: the maximum stands there.
    """

    def cell(found: Sequence[Verdict]) -> str:
        cut, delays = [x for verdict in found for x in verdict.cut], delays_ms(found)
        share = f"{percent(cut):.0f} %" if cut else "–"
        return f"{share} / {percentile(delays, 50):.0f} / {max(delays):.0f} ms"

    present = [kind for kind in KINDS if any(kind in by_kind(found) for found in verdicts.values())]
    rows = [
        (
            name,
            *(cell(by_kind(found)[kind]) for kind in present),
            str(sum(verdict.early for verdict in found)),
        )
        for name, found in verdicts.items()
    ]
    return markdown.table(("cut-offs / delay p50 / max", *present, "mid-speech"), rows)
