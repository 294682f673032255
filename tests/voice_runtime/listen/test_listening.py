"""The grammar of listening: what only tells a speaker to go on, in any composition, and what wants more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.completeness import backchannel, listened, words_of
from voice_runtime.listen.listening import Listening, Stance
from voice_runtime.listen.words_en_listening import ENGLISH_LISTENING
from voice_runtime.listen.words_es_listening import SPANISH_LISTENING

SMALL = Listening(
    lists={"fine": "good|all right", "very": "very really"},
    openers="yes",
    tails="doctor|my friend",
    tokens="mhm|i see|that's <very>* <fine>|thank you? so_much?|no problem/worries",
)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("", Stance.MAY_LISTEN),
        ("mhm", Stance.LISTENS),
        ("mhm mhm", Stance.LISTENS),
        ("i", Stance.MAY_LISTEN),
        ("mhm i", Stance.MAY_LISTEN),
        ("i see", Stance.LISTENS),
        ("i need", Stance.WANTS),
        ("that's very really very all", Stance.MAY_LISTEN),
        ("that's very really very all right", Stance.LISTENS),
        ("yes", Stance.MAY_LISTEN),
        ("yes mhm", Stance.LISTENS),
        ("yes doctor", Stance.WANTS),
        ("doctor", Stance.WANTS),
        ("i see my", Stance.MAY_LISTEN),
        ("i see my friend", Stance.LISTENS),
        ("thank", Stance.LISTENS),
        ("no", Stance.MAY_LISTEN),
        ("no problem", Stance.LISTENS),
        ("mhm no", Stance.MAY_LISTEN),
        ("mhm no worries doctor", Stance.LISTENS),
        ("no problem but", Stance.WANTS),
    ],
)
def test_words_are_weighed_by_the_grammar(text: str, heard: Stance) -> None:
    assert SMALL.weigh(text.split()) is heard


@pytest.mark.parametrize(
    ("text", "language", "heard"),
    [
        ("no", "en-US", Stance.WANTS),
        ("mhm no", "en-US", Stance.WANTS),
        ("no problem", "en-US", Stance.LISTENS),
        ("that's", "en-US", Stance.MAY_LISTEN),
        ("no", "es-US", Stance.WANTS),
        ("no hay", "es-US", Stance.MAY_LISTEN),
    ],
)
def test_an_objection_with_nothing_behind_it_is_one(text: str, language: str, heard: Stance) -> None:
    assert listened(text, language, over=True) is heard


def test_a_pattern_names_lists_that_are_there() -> None:
    with pytest.raises(KeyError):
        Listening(lists={}, openers="", tails="", tokens="that's <fine>")


@pytest.mark.parametrize("grammar", [ENGLISH_LISTENING, SPANISH_LISTENING], ids=["en", "es"])
def test_its_words_are_written_as_texts_are_read(grammar: Listening) -> None:
    assert {word for word in grammar.words if words_of(word) != [word]} == set()


# -- English ----------------------------------------------------------------------------------------------

# fmt: off
TOKENS = st.sampled_from([
    "mhm", "uh huh", "yeah", "okay", "right", "oh", "i see", "got it", "of course", "sure thing", "exactly",
    "that makes sense", "that's right", "that's very kind of you", "sounds good to me", "fair enough",
    "lovely",
    "really", "oh my goodness", "i totally understand", "i know what you mean", "good to know",
    "thank you so much",
    "is that so", "go on", "carry on", "you're right", "what a relief", "no problem",
    "thanks for letting me know",
    "that's a good point", "very interesting", "makes perfect sense", "wow", "take your time",
    "no worries at all",
])
STARTERS = st.sampled_from([
    "stop", "wait", "but", "actually", "sorry", "hold", "when", "where", "why", "can", "could", "excuse",
    "listen to me", "because", "need", "tuesday", "and",
])
#: What mostly begins an interruption, and may begin a "no problem", a "how nice": waited for.
AMBIGUOUS = st.sampled_from(["no", "what", "who", "how", "please", "don't", "just"])
SPANISH_TOKENS = st.sampled_from([
    "mhm", "ajá", "claro", "ya veo", "sí claro", "de acuerdo", "entiendo", "perfecto", "muy bien", "qué bien",
    "por supuesto", "así es", "es verdad", "está bien", "no me digas", "muchas gracias", "eso es",
    "ya entiendo",
    "me parece muy bien", "tiene razón", "órale", "vale", "ah",
])
SPANISH_STARTERS = st.sampled_from([
    "pare", "espere", "no", "pero", "perdón", "oiga", "cuándo", "dónde", "quién", "cómo", "cuánto", "quiero",
    "necesito", "disculpe", "martes", "porque",
])
# fmt: on
ADDRESS = st.sampled_from(["", "doctor", "ma'am", "mate", "then", "my friend"])


@given(st.lists(TOKENS, min_size=1, max_size=4), ADDRESS)
def test_any_composition_of_tokens_listens(tokens: list[str], address: str) -> None:
    assert backchannel(" ".join([*tokens, address]), "en-GB")


@given(st.lists(TOKENS, max_size=3), STARTERS)
def test_what_begins_an_interruption_is_one_at_once_whatever_stood_before(
    tokens: list[str], starter: str
) -> None:
    assert listened(" ".join([*tokens, starter]), "en-US") is Stance.WANTS


@given(st.lists(TOKENS, max_size=3), AMBIGUOUS)
def test_what_may_begin_either_does_not_listen_yet(tokens: list[str], starter: str) -> None:
    if (*tokens[-1:], starter) != ("yeah", "no"):
        assert listened(" ".join([*tokens, starter]), "en-US") is Stance.MAY_LISTEN


@given(st.lists(SPANISH_TOKENS, min_size=1, max_size=4))
def test_any_composition_of_spanish_tokens_listens(tokens: list[str]) -> None:
    assert backchannel(" ".join(tokens), "es-US")


@given(st.lists(SPANISH_TOKENS, max_size=3), SPANISH_STARTERS)
def test_a_spanish_interruption_is_one_at_once(tokens: list[str], starter: str) -> None:
    if (*tokens[-1:], starter) != ("no", "me"):
        assert listened(" ".join([*tokens, starter]), "es-US") is not Stance.LISTENS


@given(st.lists(st.one_of(TOKENS, STARTERS), min_size=1, max_size=5))
def test_what_wants_more_never_listens_again(parts: list[str]) -> None:
    words = [word for part in parts for word in part.split()]
    heard = [SMALL.weigh(words[: n + 1]) for n in range(len(words))]
    assert heard == sorted(heard, key=lambda one: one is Stance.WANTS)


@pytest.mark.parametrize("text", ["yes", "yes please", "no", "no thank you", "thanks bye", "i do", "nine"])
def test_an_answer_is_no_backchannel(text: str) -> None:
    assert not backchannel(text, "en-US")


@pytest.mark.parametrize(
    "text",
    ["yeah but", "okay can", "right so when", "i see but", "that's not", "that's wrong", "oh i forgot",
     "sure what about", "okay wait", "you already", "i need", "it's for my", "that was the last", "okay and",
     "good morning", "no not that", "how much is", "please stop"],
)  # fmt: skip
def test_what_goes_beyond_an_acknowledgement_wants_the_floor(text: str) -> None:
    assert listened(text, "en-US") is Stance.WANTS
