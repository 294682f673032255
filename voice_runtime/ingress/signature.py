"""Twilio's request signature: does this webhook come from the owner of the auth token?

Twilio signs the address *it* requested followed by every form field, name and
value, sorted by name: HMAC-SHA1 under the account's auth token, base64
(Twilio's "Validating requests are coming from Twilio"). Tunnels and proxies
change host, scheme and port on the way here, so the address is built from the
configured ``public_url`` and never from the ``Host`` header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

HEADER = "X-Twilio-Signature"


def sign(auth_token: str, url: str, fields: Iterable[tuple[str, str]] = ()) -> str:
    """Return the base64 signature of a request to ``url`` with these form fields.

    A field given twice counts once per distinct value, values in sorted order,
    as Twilio does.
    """
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    # SHA-1 is Twilio's choice; as the hash of an HMAC it is not broken.
    mac = hmac.new(auth_token.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode("ascii")


def holds(auth_token: str, url: str, fields: Iterable[tuple[str, str]], signature: str) -> bool:
    """Whether ``signature`` is Twilio's for that request; False for an empty token.

    Twilio is inconsistent about signing the port, so the address with and
    without it are both tried (as its own validator does), in constant time.
    """
    if not auth_token or not signature:
        return False
    pairs = list(fields)
    given = signature.encode("utf-8", "surrogatepass")
    results = [
        hmac.compare_digest(sign(auth_token, candidate, pairs).encode(), given)
        for candidate in _with_and_without_port(url)
    ]
    return any(results)


def _with_and_without_port(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    host = parts.netloc.rsplit("@", 1)[-1]
    bare = host.rsplit(":", 1)[0] if parts.port else host
    return parts._replace(netloc=bare).geturl(), parts._replace(netloc=f"{bare}:{port}").geturl()
