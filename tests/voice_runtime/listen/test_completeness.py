"""Which words make a whole, which ask for more, which only listen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.completeness import Whole, backchannel, whole

COMPLETE = """
can i see doctor patel on tuesday
when are you open
what time do you open
where are you
is this rash serious
are you a robot
um can you tell me your address
yes
yes please
no thank you
okay
that's right
at ten
at three thirty please
half past two
a quarter past three is fine
on thursday
tomorrow at nine
let me talk to a person
i would like to speak to someone
person please
operator
stop
thank you
cancel it
five five five one two three four five six seven
my number is one five five five one two three four five six seven
can i see a doctor
"""
OPEN = """
can i see doctor
i would like an appointment with
i want to book an appointment and
i need to
um
my number is five five five
five five
where is the
can i see doctor patel on
i'm
what is
"""
UNSURE = """
i would like an appointment
five five five one two three four
nine
i have been waiting since monday
patel
"""
BACKCHANNELS = ["mhm", "uh huh", "okay", "right", "okay right", "yeah yeah", "i see", "oh okay", "um"]
NOT_BACKCHANNELS = ["", "no", "stop", "okay stop", "i see doctor patel", "yes", "uh huh no", "what"]


@pytest.mark.parametrize("text", COMPLETE.strip().splitlines())
def test_complete(text: str) -> None:
    assert whole(text, "en-US") is Whole.COMPLETE


@pytest.mark.parametrize("text", OPEN.strip().splitlines())
def test_breaks_off(text: str) -> None:
    assert whole(text, "en-US") is Whole.OPEN


@pytest.mark.parametrize("text", UNSURE.strip().splitlines())
def test_unsure(text: str) -> None:
    assert whole(text, "en-US") is Whole.UNSURE


@pytest.mark.parametrize("text", BACKCHANNELS)
def test_only_listens(text: str) -> None:
    assert backchannel(text, "en-US")


@pytest.mark.parametrize("text", NOT_BACKCHANNELS)
def test_wants_something(text: str) -> None:
    assert not backchannel(text, "en-US")


@given(st.text(max_size=60), st.sampled_from(["en-US", "en-GB", "es-US", "", "xx"]))
def test_any_text_is_judged(text: str, language: str) -> None:
    assert (whole(text, language) is Whole.EMPTY) == (not text.split())
    backchannel(text, language)


def test_a_language_without_lists_is_never_sure() -> None:
    assert whole("yes", "es-US") is Whole.UNSURE
    assert not backchannel("mhm", "es-US")
