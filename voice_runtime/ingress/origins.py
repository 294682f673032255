"""Which web pages may call: the browser's ``Origin`` header against a list (RFC 6454, WHATWG Fetch)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 300


def origin_of(url: str) -> str:
    """Scheme, host and, where it is not the scheme's own, port of an address; "" when it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _DEFAULT_PORTS or not host:
        return ""
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


class Origins:
    """The pages that may call.

    Args:
        public_url: this server's own address; its pages always may. On a loopback address its other
            names (``localhost``) are the same server.
        allowed: origins of other sites.
    """

    def __init__(self, public_url: str | Callable[[], str], allowed: Iterable[str]) -> None:
        self._public_url = public_url
        self._allowed = frozenset(filter(None, map(origin_of, allowed)))

    def allows(self, origin: str | None) -> bool:
        """Whether a request with this header may be answered.

        Browsers send ``Origin`` with every POST and PATCH, and pages cannot forge it. Other programs
        need not send it; without the header there is no page to keep out, and the token decides.
        """
        if origin is None:
            return True
        found = origin_of(origin) if len(origin) <= _LONGEST else ""
        return bool(found) and (found in self._allowed or found in self._own())

    def cors(self, origin: str | None) -> Mapping[str, str]:
        """Headers that let a page of an allowed site read the answer; none for its own pages."""
        if origin is None or not self.allows(origin):
            return {"Vary": "Origin"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def _own(self) -> tuple[str, ...]:
        own = origin_of(self._public_url if isinstance(self._public_url, str) else self._public_url())
        for name in _LOOPBACK:
            head = f"http://{name}"
            if own == head or own.startswith(f"{head}:"):
                return tuple(f"http://{other}{own.removeprefix(head)}" for other in _LOOPBACK)
        return (own,)
