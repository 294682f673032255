"""Which pages may call, by the browser's Origin header."""

from __future__ import annotations

import pytest

from voice_runtime.ingress.origins import Origins, origin_of

SITE = "https://clinic.example.com"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://clinic.example.com/a/b?c", SITE),
        ("https://CLINIC.example.com:443", SITE),
        ("http://10.0.0.1:7860/", "http://10.0.0.1:7860"),
        ("http://[::1]:80", "http://[::1]"),
        ("null", ""),
        ("", ""),
        ("file:///etc", ""),
        ("https://", ""),
        ("https://a:b", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_own_pages_and_listed_sites_may_call_and_nobody_else() -> None:
    origins = Origins(lambda: "https://voice.example:8443/base", [SITE])
    assert origins.allows("https://voice.example:8443")
    assert origins.allows(SITE)
    for other in (
        "https://voice.example",
        "http://voice.example:8443",
        "https://clinic.example.com.evil.example",
        "https://evil-clinic.example.com",
        "http://clinic.example.com",
        "null",
        "",
        "https://" + "a" * 400,
    ):
        assert not origins.allows(other), other
    assert origins.allows(None)  # no browser: the token decides


def test_the_names_of_the_loopback_are_one_server() -> None:
    origins = Origins("http://127.0.0.1:7860", [])
    for own in ("http://localhost:7860", "http://127.0.0.1:7860", "http://[::1]:7860"):
        assert origins.allows(own)
    for other in ("http://localhost:7861", "https://localhost:7860", "http://localhost.evil.example:7860"):
        assert not origins.allows(other)
    assert not Origins("https://voice.example:7860", []).allows("http://localhost:7860")


def test_only_an_allowed_site_may_read_the_answer() -> None:
    origins = Origins("https://voice.example", [SITE])
    assert origins.cors(SITE)["Access-Control-Allow-Origin"] == SITE
    for other in (None, "https://evil.example", "null"):
        assert "Access-Control-Allow-Origin" not in origins.cors(other)
    assert origins.cors(None)["Vary"] == "Origin"
