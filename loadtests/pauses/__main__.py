"""Turn policies on labelled pauses: how often each cuts a caller off, and how long it lets them wait.

``python -m loadtests.pauses`` has every utterance of ``utterances.yaml`` said by several
synthetic voices, plays the lines to our policy, to pipecat's Smart Turn and to fixed
silences, in virtual time, and prints two numbers for each. ``--keep`` writes them to
``loadtests/results/pauses``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from controls.errors import OperatorError
from loadtests.pauses.lines import SNR_DB, TAIL_MS, VOICES
from loadtests.pauses.measure import Settings, Verdicts, measure_all
from loadtests.pauses.ours import TEXT_MS, Patience
from loadtests.pauses.score import Verdict, by_kind, percent, summarise
from loadtests.pauses.utterances import FILE, KINDS, load_utterances
from loadtests.results import PausePolicy, Results, write_results

KEPT = Path(__file__).resolve().parents[1] / "results" / "pauses"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep; 2 when something is missing or a file is broken."""
    options = _options(arguments)
    try:
        settings = Settings(
            voices=tuple(options.voices.split(",")),
            snr_db=options.snr,
            text_ms=options.text_ms,
            patience=options.patience,
        )
        utterances = load_utterances(options.file)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        verdicts = measure_all(utterances, settings, processes=options.processes, progress=_progress)
    except OperatorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    about = notes(settings, len(utterances))
    summary = tuple(summarise(name, found) for name, found in verdicts.items())
    print("\n".join(table(summary, verdicts)))
    if options.kinds:
        print("\n" + "\n".join(kinds_table(verdicts)))
    print("\n" + "\n".join(about))
    if options.keep:
        results = Results(
            command=" ".join(
                ["python -m loadtests.pauses", *(sys.argv[1:] if arguments is None else arguments)]
            ),
            started_at=started,
            pauses=summary,
            notes=(*about, *kinds_table(verdicts)),
        )
        print(f"\nkept in {write_results(results, KEPT)}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.pauses", description=__doc__)
    parser.add_argument("--keep", action="store_true", help=f"write results.json to {KEPT.name}/")
    parser.add_argument(
        "--kinds", action="store_true", help="cut-offs and delays of each kind of utterance, too"
    )
    parser.add_argument("--voices", default=",".join(VOICES), help="of flite (default: %(default)s)")
    parser.add_argument("--snr", type=float, default=SNR_DB, help="of the line, dB (default: %(default)s)")
    parser.add_argument(
        "--text-ms",
        type=int,
        default=TEXT_MS,
        help="how late our policy gets the words (default: %(default)s)",
    )
    parser.add_argument(
        "--patience",
        choices=get_args(Patience),
        default="normal",
        help="of our policy (default: %(default)s)",
    )
    parser.add_argument("--processes", type=int, default=None, help="default: one for each core")
    parser.add_argument("--file", type=Path, default=FILE, help="another labelled set")
    return parser.parse_args(arguments)


def notes(settings: Settings, utterances: int) -> tuple[str, ...]:
    """What the figures are, and what they are not."""
    return (
        f"{utterances} utterances, each said by {len(settings.voices)} synthetic voices of flite"
        f" ({', '.join(settings.voices)}) with pauses of several lengths, 8 kHz µ-law, noise at"
        f" {settings.snr_db:g} dB SNR. Synthetic speech: its tone says less about what is to come than a"
        " person's does, and Smart Turn was made for people. Compare policies, not products.",
        f"ours: the profile's default waits, patience {settings.patience}; the true words,"
        f" {settings.text_ms} ms late, in place of a recogniser. Smart Turn alone: pipecat's detector,"
        " model and defaults; no words, and no waiting for them. Fixed silence: our detector's.",
        "Virtual time: what models and detectors cost in processor time is not counted, for anybody."
        " The agent is silent meanwhile.",
        "cut-offs: open pauses in which the turn was ended. Delay: from the last audible sample of the"
        f" clean speech to the decision; a turn not ended in {TAIL_MS} ms counts as that. mid-speech:"
        " decisions within a piece, at the voice's own gaps.",
    )


def table(summary: Iterable[PausePolicy], verdicts: Verdicts) -> list[str]:
    """The two numbers of each policy, in Markdown."""
    head = (
        "policy",
        "cut-offs",
        "delay p50",
        "delay p95",
        "open pauses",
        "ends",
        "never ended",
        "mid-speech",
    )
    rows = [
        (
            row.policy, f"{row.cut_off_percent:.1f} %",
            f"{row.delay_p50_ms:.0f} ms", f"{row.delay_p95_ms:.0f} ms",
            str(row.thinking_pauses), str(row.ends), str(row.never_ended),
            str(sum(v.early for v in verdicts[row.policy])),
        )
        for row in summary
    ]  # fmt: skip
    return _markdown(head, rows)


def kinds_table(verdicts: Verdicts) -> list[str]:
    """Cut-offs and median delay of each policy, kind by kind, in Markdown."""

    def cell(name: str, found: Sequence[Verdict]) -> str:
        row = summarise(name, found)
        cut = f"{percent(x for v in found for x in v.cut):.0f} %" if row.thinking_pauses else "–"
        return f"{cut} / {row.delay_p50_ms:.0f} / {row.delay_p95_ms:.0f} ms"

    rows = [
        (name, *(cell(name, kinds[kind]) for kind in KINDS if kind in kinds))
        for name, found in verdicts.items()
        for kinds in (by_kind(found),)
    ]
    present = [kind for kind in KINDS if any(kind in by_kind(found) for found in verdicts.values())]
    return _markdown(("cut-offs / delay p50 / p95", *present), rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    every = [head, *rows]
    widths = [max(len(row[n]) for row in every) for n in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in every]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {of} parts", end="\n" if done == of else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
