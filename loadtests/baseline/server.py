"""The process of bare pipecat agents, started by ``baseline.system``: one for all calls, under uvicorn."""

from __future__ import annotations

import os
import sys

from loadtests.baseline.settings import BaselineSettings
from loadtests.served import begin, serve


def main() -> None:
    """Serve until whoever started this process closes its input."""
    settings = BaselineSettings.model_validate(begin())
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # the suppliers are on this machine
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="ERROR")  # it warns of every browser that has no camera
    from loadtests.baseline.app import create_app

    serve(create_app(settings))


if __name__ == "__main__":
    main()
