"""One TLS context for all callers."""

from __future__ import annotations

import ssl

from voice_runtime.caller.tls import context_for


def test_it_is_built_once_and_checks_certificates() -> None:
    context = context_for("https://one.example")
    assert isinstance(context, ssl.SSLContext)
    assert context is context_for("https://two.example")
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_plain_address_needs_none() -> None:
    assert context_for("http://127.0.0.1:1") is False
