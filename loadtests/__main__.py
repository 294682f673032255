"""The command ``python -m loadtests run|compare|report|calibrate|pauses``; ``--help`` has examples."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from loguru import logger

from controls.errors import SayError
from loadtests.options import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, and do what it says.

    What a load test needs is imported only then: ``--help`` is quick, and quiet.
    """
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parse(given)
    except SayError as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return 2
    from loadtests.command import carry_out

    return carry_out(options, shlex.join(["python", "-m", "loadtests", *given]))


if __name__ == "__main__":
    sys.exit(main())
