"""Times as a trace tells them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(unix_s: int) -> str:
    """Whole Unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
