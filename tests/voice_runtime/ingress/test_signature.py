"""Twilio's signature, against Twilio's own package."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from voice_runtime.ingress import signature

TOKEN = "token"
FIELDS = st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=30), max_size=8)


@given(FIELDS)
def test_what_twilio_signs_holds(fields: dict[str, str]) -> None:
    url = "https://voice.example/telephony/twilio/voice?a=1"
    theirs = RequestValidator(TOKEN).compute_signature(url, fields)
    assert signature.sign(TOKEN, url, fields.items()) == theirs
    assert signature.holds(TOKEN, url, fields.items(), theirs)


@given(FIELDS, st.text(min_size=1, max_size=8), st.text(max_size=8))
def test_any_further_field_breaks_it(fields: dict[str, str], name: str, value: str) -> None:
    url = "https://voice.example/x"
    theirs = RequestValidator(TOKEN).compute_signature(url, fields)
    changed = {**fields, name: fields.get(name, "") + value + "!"}
    assert not signature.holds(TOKEN, url, changed.items(), theirs)


@pytest.mark.parametrize("signed", ["https://h.example/p", "https://h.example:443/p"])
@pytest.mark.parametrize("checked", ["https://h.example/p", "https://h.example:443/p"])
def test_the_default_port_may_be_there_or_not(signed: str, checked: str) -> None:
    theirs = RequestValidator(TOKEN).compute_signature(signed, {"a": "b"})
    assert signature.holds(TOKEN, checked, [("a", "b")], theirs)


def test_another_port_host_scheme_path_or_query_is_another_request() -> None:
    good = RequestValidator(TOKEN).compute_signature("https://h.example:8443/p?q=1", {})
    assert signature.holds(TOKEN, "https://h.example:8443/p?q=1", [], good)
    for url in (
        "https://h.example/p?q=1",
        "https://h.example:8444/p?q=1",
        "https://other.example/p?q=1",
        "http://h.example/p?q=1",
        "https://h.example/p/?q=1",
        "https://h.example/p?q=2",
        "https://h.example/p",
    ):
        assert not signature.holds(TOKEN, url, [], good), url


@pytest.mark.parametrize("given_", ["", "x", "ü", "=" * 28, "\ud800"])
def test_nonsense_is_refused_and_does_not_raise(given_: str) -> None:
    assert not signature.holds(TOKEN, "https://h.example/p", [], given_)


def test_an_empty_token_signs_nothing() -> None:
    url = "https://h.example/p"
    assert not signature.holds("", url, [], signature.sign("", url))


def test_repeated_fields_count_once_per_value() -> None:
    class Many(dict[str, list[str]]):
        def getall(self, name: str) -> list[str]:
            return self[name]

    url = "https://h.example/p"
    theirs = RequestValidator(TOKEN).compute_signature(url, Many(a=["2", "1", "2"]))
    assert signature.holds(TOKEN, url, [("a", "2"), ("a", "1"), ("a", "2")], theirs)
