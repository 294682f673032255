"""Which words make a whole, which ask for more, which only listen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voice_runtime.listen.judged_texts import (
    BACKCHANNELS,
    COMPLETE,
    LIKELY,
    NOT_BACKCHANNELS,
    OPEN,
    SPANISH,
    UNSURE,
    cases,
)
from voice_runtime.listen.completeness import Whole, asks_for_time, backchannel, whole, words_of
from voice_runtime.listen.expected import FOUR, TELEPHONE, ZIP, Expected, Wanted


@pytest.mark.parametrize("text", cases(COMPLETE))
def test_complete(text: str) -> None:
    assert whole(text, "en-US") is Whole.COMPLETE


@pytest.mark.parametrize("text", cases(OPEN))
def test_breaks_off(text: str) -> None:
    assert whole(text, "en-US") is Whole.OPEN


@pytest.mark.parametrize("text", cases(LIKELY))
def test_likely(text: str) -> None:
    assert whole(text, "en-US") is Whole.LIKELY


@pytest.mark.parametrize("text", cases(UNSURE))
def test_unsure(text: str) -> None:
    assert whole(text, "en-US") is Whole.UNSURE


MAY_GO_ON = """
what about the early one
the ones i have on friday
so i ordered the repeat prescription
so my husband took the car back
i called yesterday
i want to pay
"""


@pytest.mark.parametrize("text", cases(MAY_GO_ON))
def test_may_go_on(text: str) -> None:
    assert whole(text, "en-US") is Whole.MAY_GO_ON


# -- thinking aloud, and after it --------------------------------------------------------------------------

ALOUD = """
hang on
hang on my dog's barking
give me a sec
i'm just getting my card out
it's on the card somewhere
i wrote it on the back of something
it was doctor what was his name
now where did i put it
let me see if i can find it
hold on let me get my reading glasses
there was something else
how do i put this
oh what's the word
just double checking my notes
i don't know how to explain it
"""


@pytest.mark.parametrize("text", cases(ALOUD))
def test_who_thinks_aloud_is_waited_for(text: str) -> None:
    assert whole(text, "en-US") is Whole.OPEN


@pytest.mark.parametrize(
    "text",
    [
        "what's his name",
        "when was that",
        "which one is it",
        "how much is it",
        "i forgot",
    ],
)
def test_a_question_to_the_agent_is_no_thinking(text: str) -> None:
    """The same words behind others ("it was doctor …") are."""
    assert whole(text, "en-US") is not Whole.OPEN


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("let me see it says october fourth", Whole.LIKELY),
        ("let me pull up my calendar wednesday's good", Whole.LIKELY),
        ("hang on my dog's barking okay go ahead", Whole.COMPLETE),
        ("one second here it is tuesday at nine", Whole.COMPLETE),
        ("i'm trying to remember it was in may", Whole.LIKELY),
        ("hold on i can't come because", Whole.OPEN),
        ("it's a q four let me see", Whole.OPEN),
    ],
)
def test_what_is_said_after_it_is_judged_for_itself(text: str, verdict: Whole) -> None:
    assert whole(text, "en-US") is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("it's for the no", Whole.OPEN),
        ("it was about i don't know", Whole.OPEN),
        ("do you have i mean is there", Whole.OPEN),
        ("on friday no sorry on saturday", Whole.COMPLETE),
        ("at nine no i mean at ten", Whole.COMPLETE),
    ],
)
def test_what_is_taken_back_counts_with_what_is_said_instead(text: str, verdict: Whole) -> None:
    assert whole(text, "en-US") is verdict


@pytest.mark.parametrize(
    ("asked", "verdict"), [(Expected(), Whole.OPEN), (Expected(Wanted.YES_NO), Whole.LIKELY)]
)
def test_what_only_leads_up_is_an_answer_where_something_was_asked(asked: Expected, verdict: Whole) -> None:
    assert whole("i have an appointment", "en-US", asked) is verdict


@pytest.mark.parametrize(
    ("verdict", "text"), [(verdict, text) for verdict, texts in SPANISH.items() for text in cases(texts)]
)
def test_spanish(verdict: Whole, text: str) -> None:
    assert whole(text, "es-US") is verdict


# -- what the agent asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "text", "verdict"),
    [
        (Expected(Wanted.YES_NO), "no", Whole.COMPLETE),
        (Expected(Wanted.YES_NO), "i do", Whole.COMPLETE),
        (Expected(Wanted.YES_NO), "uh huh", Whole.COMPLETE),
        (Expected(Wanted.YES_NO), "yes but", Whole.OPEN),
        (Expected(Wanted.NUMBER, TELEPHONE), "nine", Whole.OPEN),
        (Expected(Wanted.NUMBER, TELEPHONE), "sure", Whole.OPEN),
        (Expected(Wanted.NUMBER, TELEPHONE), "no", Whole.COMPLETE),
        (Expected(Wanted.NUMBER, TELEPHONE), "five five five oh one two nine eight seven", Whole.OPEN),
        (
            Expected(Wanted.NUMBER, TELEPHONE),
            "five five five oh one two nine eight seven six",
            Whole.COMPLETE,
        ),
        (
            Expected(Wanted.NUMBER, TELEPHONE),
            "it's five five five twelve thirty forty two nine",
            Whole.COMPLETE,
        ),
        (Expected(Wanted.NUMBER, ZIP), "nine four one one", Whole.OPEN),
        (Expected(Wanted.NUMBER, ZIP), "nine four one one oh", Whole.COMPLETE),
        (Expected(Wanted.NUMBER, FOUR), "oh nine one two", Whole.COMPLETE),
        (Expected(Wanted.NUMBER, FOUR), "twenty twelve", Whole.COMPLETE),
        (Expected(Wanted.NUMBER), "four four", Whole.OPEN),
        (Expected(Wanted.SPELLING), "s m i", Whole.OPEN),
        (Expected(Wanted.QUANTITY), "two", Whole.COMPLETE),
        (Expected(Wanted.QUANTITY), "about three bedrooms", Whole.COMPLETE),
        (Expected(Wanted.QUANTITY), "two and", Whole.OPEN),
        (Expected(Wanted.NAME), "rosa", Whole.COMPLETE),
        (Expected(Wanted.NAME), "it's rosa keller", Whole.COMPLETE),
        (Expected(Wanted.NAME), "doctor", Whole.OPEN),
        (Expected(Wanted.NAME), "yes", Whole.OPEN),
        (Expected(Wanted.NAME, least_words=2), "rosa", Whole.OPEN),
        (Expected(Wanted.NAME, least_words=2), "rosa keller", Whole.COMPLETE),
        (Expected(Wanted.WHEN), "nine", Whole.COMPLETE),
        (Expected(Wanted.WHEN), "the fourteenth", Whole.COMPLETE),
        (Expected(Wanted.BIRTH_DATE), "march fourteenth", Whole.OPEN),
        (Expected(Wanted.BIRTH_DATE), "march fourteenth eighty two", Whole.COMPLETE),
        (Expected(Wanted.BIRTH_DATE), "oh three one four eight two", Whole.COMPLETE),
        (Expected(Wanted.BIRTH_DATE), "oh three one four", Whole.OPEN),
        (Expected(Wanted.CHOICE, offered=frozenset(("patel", "or", "okafor"))), "okafor", Whole.COMPLETE),
        (Expected(Wanted.CHOICE, offered=frozenset(("at", "nine", "ten"))), "nine", Whole.COMPLETE),
        (Expected(Wanted.CHOICE), "the second one", Whole.COMPLETE),
        (Expected(Wanted.CHOICE, offered=frozenset(("patel",))), "somebody else", Whole.LIKELY),
    ],
)
def test_the_question_asked_decides_what_is_an_answer(wanted: Expected, text: str, verdict: Whole) -> None:
    assert whole(text, "en-US", wanted) is verdict


# -- listening ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", BACKCHANNELS)
def test_only_listens(text: str) -> None:
    assert backchannel(text, "en-US")


@pytest.mark.parametrize("text", NOT_BACKCHANNELS)
def test_wants_something(text: str) -> None:
    assert not backchannel(text, "en-US")


def test_listening_in_spanish() -> None:
    assert backchannel("ajá", "es-US")
    assert backchannel("ah ya veo", "es-US")
    assert backchannel("ah, ¡qué bien!", "es-US")
    assert not backchannel("no", "es-US")
    assert not backchannel("sí", "es-US")


def test_who_asks_for_time_says_so() -> None:
    assert asks_for_time("hang on", "en-US")
    assert asks_for_time("it's um", "en-US")
    assert asks_for_time("un momento por favor", "es-US")
    assert not asks_for_time("stop", "en-US")
    assert not asks_for_time("hang on", "xx")


# -- any text ---------------------------------------------------------------------------------------------

# fmt: off
WORDS = st.sampled_from([
    "i", "you", "can", "the", "a", "of", "on", "and", "um", "nine", "double", "b", "as", "in", "boy", "is",
    "it", "doctor",
    "patel", "if", "when", "so", "yes", "no", "please", "dash", "two", "tuesday", "at", "my", "number",
    "name", "what",
    "about", "think", "said", "want", "to", "see",
])
# fmt: on
EXPECTED = st.builds(Expected, st.sampled_from(Wanted), st.sampled_from([(), TELEPHONE, ZIP, FOUR]))


@given(st.text(max_size=60), st.sampled_from(["en-US", "en-GB", "es-US", "", "xx"]), EXPECTED)
def test_any_text_is_judged(text: str, language: str, expected: Expected) -> None:
    assert (whole(text, language, expected) is Whole.EMPTY) == (not words_of(text))
    backchannel(text, language)


@given(st.lists(WORDS, min_size=1, max_size=12), EXPECTED)
def test_a_conjunction_or_a_filler_at_the_end_always_leaves_it_open(
    said: list[str], wanted: Expected
) -> None:
    for ending in ("and", "um", "with the"):
        assert whole(" ".join([*said, ending]), "en-US", wanted) is Whole.OPEN


SPANISH_WHOLE = [text for verdict in (Whole.COMPLETE, Whole.LIKELY) for text in cases(SPANISH[verdict])]


@given(
    st.sampled_from([text for text in cases(COMPLETE) + cases(LIKELY) if "?" not in text]),
    st.sampled_from(
        [
            "and",
            "but",
            "because",
            "or",
            "if",
            "with the",
            "at my",
            "and it's",
            "because i",
            "and on the",
            "so that",
        ]
    ),
)
def test_a_whole_sentence_with_the_beginning_of_another_one_is_open(text: str, more: str) -> None:
    assert whole(f"{text.rstrip('.?')} {more}", "en-US") is Whole.OPEN


@given(
    st.sampled_from([text for text in SPANISH_WHOLE if "?" not in text]),
    st.sampled_from(["y", "pero", "porque", "con el", "en mi", "y además", "porque me", "que"]),
)
def test_likewise_in_spanish(text: str, more: str) -> None:
    assert whole(f"{text} {more}", "es-US") is Whole.OPEN


VERBS = ["investigate", "pronounce", "sublet", "rent", "replace", "bring", "schedule"]


@given(st.sampled_from(VERBS), st.sampled_from(["i need to", "could you", "i'd like to", "we want to"]))
def test_a_verb_that_wants_its_object_waits_for_it(verb: str, before: str) -> None:
    assert whole(f"{before} {verb}", "en-US") is Whole.OPEN
    assert whole(f"{before} {verb} the apartment", "en-US") is not Whole.OPEN


@given(
    st.sampled_from(["i need an appointment on", "my name is", "it's for the", "could you tell me the"]),
    st.sampled_from(["let me see", "hang on", "bear with me", "one second", "i'm just getting my card out"]),
)
def test_a_request_for_time_never_closes_what_was_open(before: str, request: str) -> None:
    assert whole(f"{before} {request}", "en-US") is Whole.OPEN


@given(
    st.sampled_from(
        ["let me see", "hang on", "let me check my calendar", "give me a second", "let me think"]
    ),
    st.sampled_from(["tuesday at nine", "when are you open", "it's for my mother", "next monday works"]),
    st.sampled_from(["", "okay", "here it is"]),
)
def test_what_follows_a_request_for_time_is_judged_as_if_it_were_all(
    request: str, said: str, back: str
) -> None:
    alone = whole(said, "en-US")
    assert alone in (Whole.COMPLETE, Whole.LIKELY)
    assert whole(" ".join(f"{request} {back} {said}".split()), "en-US") is alone


@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from(["no", "sorry", "i don't know", "i mean"]))
def test_taking_back_what_breaks_off_leaves_it_open(said: list[str], taken_back: str) -> None:
    text = " ".join([*said, "the"])
    assert whole(f"{text} {taken_back}", "en-US") is Whole.OPEN


@given(st.lists(WORDS, max_size=10))
def test_case_and_punctuation_change_no_word(said: list[str]) -> None:
    text = " ".join(said)
    assert words_of(text.title() + ".") == words_of(text)


def test_a_language_without_lists_is_never_sure() -> None:
    assert whole("yes", "fr-FR") is Whole.UNSURE
    assert not backchannel("mhm", "fr-FR")
