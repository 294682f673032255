"""What stands beside a question of the runtime's own goes on unchanged: each word once, none of them lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.beside import Beside, outside
from controls.intents import Intent, beside_objections, beside_robot_question, intent, objections
from controls.rules.matchers import compile_phrase, words
from controls.rules.phrase_index import PhraseIndex

QUESTIONS = {
    "en-US": ["are you a robot", "am i talking to a machine", "is this a recording", "Are you human?"],
    "es-US": ["es usted un robot", "¿Estoy hablando con una máquina?", "oiga es una grabación"],
}
#: Words a cut may damage: several tokens in one written word, figures, marks, other alphabets.
WORDS = st.sampled_from([
    "don't", "I'll", "10:30", "14th", "202", "555-0143", "march", "4,", "1985", "cannot", "$50", "50%",
    "o'clock", "twenty", "five", "cita", "mañana", "über", "nine.", "eleven", "haircut", "(blue)", "a.m.",
])  # fmt: skip


@given(
    st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=8), st.sampled_from(["en-US", "es-US"]), st.data()
)
def test_words_beside_the_question_come_back_each_once_and_unchanged(
    before: list[str], behind: list[str], language: str, data: st.DataObject
) -> None:
    question = data.draw(st.sampled_from(QUESTIONS[language]))
    said = " ".join([*before, question, *behind])
    beside = beside_robot_question(said, language)
    assert beside is not None
    left = beside.split()
    for word in [*before, *behind]:
        assert left.count(word) == (before + behind).count(word)
    assert subsequence(beside, said)


@given(st.text(alphabet="ab'1: .,?$%ñ", max_size=40), st.data())
def test_what_is_outside_a_cut_is_a_subsequence_and_keeps_every_other_word(
    text: str, data: st.DataObject
) -> None:
    said = words(text)
    indices = st.integers(0, max(0, len(said) - 1))
    cut = data.draw(st.frozensets(indices, max_size=len(said))) if len(said) else frozenset()
    left = outside(said, cut)
    assert subsequence(left, said.text)
    gone = {said.spans[i] for i in cut}
    kept = [said.text[a:b] for a, b in dict.fromkeys(said.spans) if (a, b) not in gone]
    at = 0
    for word in kept:  # each of them, in order
        at = left.index(word, at) + len(word)


@pytest.mark.parametrize(
    ("said", "beside"),
    [
        ("are you a robot move my visit to the 14th at 10:30", "move my visit to the 14th at 10:30"),
        ("are you a robot call me on 202 555 0143", "call me on 202 555 0143"),
        ("are you a robot my date of birth is march 4 1985", "my date of birth is march 4 1985"),
        ("are you a robot i don't see why", "i don't see why"),
        ("are you a robot and what are your hours", "and what are your hours"),
        ("are you a robot cancel my appointment", "cancel my appointment"),
        ("are you a robot my son is sick", "my son is sick"),
        ("are you a robot and my card is 4111 1111 1111 1111", "and my card is 4111 1111 1111 1111"),
        ("Are you a robot? What are your hours?", "What are your hours?"),
        ("What are your hours? Are you a robot?", "What are your hours?"),
        ("can i come are you a robot at nine", "can i come at nine"),
        ("aren't you a robot", ""),
        ("are you a real estate agent or are you a robot", "are you a real estate agent"),
    ],
)  # fmt: skip
def test_words_beside_a_robot_question_are_neither_doubled_nor_swallowed(said: str, beside: str) -> None:
    """Found by reading: figures and contractions came back once for each of their parts, or nothing did."""
    assert beside_robot_question(said, "en-US") == beside


@pytest.mark.parametrize(
    ("language", "said", "objection", "beside"),
    [
        ("en-US", "don't record this what are your hours", Intent.NO_RECORDING, "what are your hours"),
        ("en-US", "Don't record this, what are your hours?", Intent.NO_RECORDING, "what are your hours?"),
        ("en-US", "what do you charge i'd rather not be recorded", Intent.NO_RECORDING, "what do you charge"),
        ("en-US", "please do not record this call", Intent.NO_RECORDING, ""),
        ("en-US", "i'd rather not be recorded", Intent.NO_RECORDING, ""),
        ("en-US", "don't use my call for training book me at nine", Intent.NO_TRAINING, "book me at nine"),
        ("en-US", "are you a robot i don't want to be recorded", Intent.NO_RECORDING, "are you a robot"),
        ("es-US", "no graben esta llamada a qué hora abren", Intent.NO_RECORDING, "a qué hora abren"),
        ("es-US", "por favor no me grabe", Intent.NO_RECORDING, ""),
    ],
)  # fmt: skip
def test_what_is_asked_beside_an_objection(language: str, said: str, objection: Intent, beside: str) -> None:
    """Found by reading: a question in the same breath as an objection was swallowed."""
    assert beside_objections(said, language) == ((objection,), beside)


def test_every_objection_of_an_utterance_counts_and_a_question_is_left_beside_them() -> None:
    said = "don't record this and don't use my call for training are you a robot"
    assert beside_objections(said, "en-US") == (
        (Intent.NO_TRAINING, Intent.NO_RECORDING), "are you a robot",
    )  # fmt: skip
    assert beside_objections("are you a robot i object", "en-US") == (
        (Intent.NO_RECORDING,),
        "are you a robot",
    )
    assert beside_objections("what are your hours", "en-US") == ((), "what are your hours")


def test_an_objection_is_found_behind_whatever_comes_first() -> None:
    assert intent("get me a real person and don't record this", "en-US") is Intent.PERSON
    assert objections("get me a real person and don't record this", "en-US") == (Intent.NO_RECORDING,)
    assert objections("get me a real person", "en-US") == ()
    assert objections("don't record this", "xx") == ()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("are you a robot operator please", Intent.PERSON),
        ("are you a robot or can i talk to a person", Intent.PERSON),
        ("are you a robot never call me again", Intent.OPT_OUT),
        ("are you a robot leave me alone", Intent.MAYBE_OPT_OUT),
        ("are you a robot i object", Intent.NO_RECORDING),
        ("are you a robot and can i have a receipt", Intent.ROBOT_QUESTION),
        ("are you a robot wait", Intent.ROBOT_QUESTION),
    ],
)
def test_what_acts_at_once_is_found_beside_a_robot_question(said: str, meant: Intent) -> None:
    assert intent(said, "en-US") is meant
    assert beside_robot_question(said, "en-US") is not None


def test_a_cut_takes_the_words_that_belong_to_it_and_no_others() -> None:
    fillers, before, behind = (PhraseIndex([(0, compile_phrase(p))]) for p in ("um", "i would", "this call"))
    beside = Beside(fillers, before, behind)
    said = words("i would um i would stop this call this call um i would")
    assert said.tokens[5] == "stop"
    assert beside.of(said, [(5, 6)]) == "i would um um i would"
    assert beside.of(words("um stop this call"), [(1, 2)]) == ""
    assert beside.of(words("um"), []) == ""


def subsequence(part: str, whole: str) -> bool:
    """Whether every character of ``part`` but its spaces stands in ``whole``, in that order."""
    letters = iter(whole)
    return all(c in letters for c in part if not c.isspace())
