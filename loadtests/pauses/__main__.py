"""Turn policies on labelled speech: how often each cuts a caller off, and how long it lets them wait.

``python -m loadtests.pauses`` has every utterance of ``utterances.yaml`` and of ``unseen.yaml`` said
by several synthetic voices, plays the lines to our policy, to pipecat's Smart Turn and to fixed
silences, in virtual time, and prints two numbers for each, set by set, overall and kind by kind;
and what callers say over an agent that speaks, to ours and to pipecat's default.
``--out FOLDER`` writes ``results.json``. ``python -m loadtests pauses`` measures the same,
with the same options, and makes a report.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from controls.errors import SayError
from loadtests.arguments import Parser
from loadtests.outputs import prepare
from loadtests.pauses.options import add_options, read_options
from loadtests.results import write_results


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep; 1 when it was interrupted, 2 when something is missing or a file is broken."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(prog="python -m loadtests.pauses", description=__doc__)
    add_options(parser)
    parser.add_argument("--out", type=Path, default=None, help="folder for results.json")
    options = parser.parse_args(given)
    logger.disable("pipecat")  # it greets when it is imported
    from loadtests.pauses.results import measured  # imports what measures
    from loadtests.reporting.pause_tables import printed

    try:
        asked = read_options(options)
        if options.out is not None:
            prepare(options.out)
        scored = measured(asked, shlex.join(["python", "-m", "loadtests.pauses", *given]), _progress)
    except SayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    found = scored.results
    print("\n".join([*printed(found), "", *found.notes, *scored.cut]))
    if options.out is not None and (found.pauses or found.barge_in):
        print(f"\nkept in {write_results(found, options.out)}")
    return int(found.interrupted)


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {of} utterances", end="\n" if done == of else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
