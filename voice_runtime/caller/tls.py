"""TLS for callers' requests: one context for all of them, and none where none is needed.

Building one reads every root certificate: some 20 ms of CPU in which no other caller of the process
ticks. What ``httpx`` imports only with its first client (150 ms) is imported here for the same reason.
"""

from __future__ import annotations

import functools
import ssl

import httpcore  # noqa: F401 - httpx would import it in the middle of the first call


def context_for(url: str) -> ssl.SSLContext | bool:
    """What ``httpx`` takes as ``verify`` for requests to ``url``."""
    return _context() if url.startswith("https://") else False


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
