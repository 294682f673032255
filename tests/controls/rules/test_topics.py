"""Topics made of examples, and the files they stand in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.decision import Effect, Proposal, Verdict
from controls.errors import ConfigurationError
from controls.rules.engine import Rules
from controls.rules.matchers import words
from controls.rules.pack_files import load_packs
from controls.rules.topic_files import parse_examples, topics_of
from controls.rules.topics import Topic
from tests.controls.rules.packs import pack, rule

LIKE = ("You'll win that lawsuit.", "The court is going to side with you.", "You have a strong legal case.")
UNLIKE = ("We open at nine.", "You have an appointment on Tuesday.", "The doctor is going to call you.")
TOPIC = Topic([words(text) for text in LIKE], [words(text) for text in UNLIKE])
VOCABULARY = ("you", "will", "win", "the", "case", "a", "doctor", "court", "opens", "at", "nine", "legal")
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=12)


def test_what_is_worded_alike_scores_high_and_what_is_not_low():
    assert TOPIC.score(words("I think the court will side with your case.")) > 1
    assert TOPIC.score(words("The doctor will call at nine.")) < 0
    assert TOPIC.score(words("")) == 0
    assert TOPIC.score(words("xyzzy")) == 0


def test_who_asks_why_is_shown_the_words_that_speak_for_it_most():
    likeness = TOPIC.likeness(words("It is a strong legal case."))
    assert likeness.score > 1
    assert "strong legal case" in likeness.traits and len(likeness.traits) <= 5
    assert not [t for t in likeness.traits if t.startswith("·")]


@given(WORDS)
def test_the_order_of_examples_and_repeated_questions_change_nothing(tokens: list[str]):
    text = words(" ".join(tokens))
    turned = Topic([words(t) for t in reversed(LIKE)], [words(t) for t in reversed(UNLIKE)])
    assert TOPIC.score(text) == pytest.approx(turned.score(text))
    swapped = Topic([words(t) for t in UNLIKE], [words(t) for t in LIKE])
    assert swapped.score(text) == pytest.approx(-TOPIC.score(text))


def test_only_what_is_judged_counts_not_what_was_cleared_before():
    text = words("You'll win that lawsuit. We open at nine.")
    start = len(words("You'll win that lawsuit."))
    assert TOPIC.score(text) > TOPIC.score(text, start)


@pytest.mark.parametrize(("like", "unlike"), [((), UNLIKE), (LIKE, ())])
def test_a_topic_needs_both_kinds(like: tuple[str, ...], unlike: tuple[str, ...]):
    with pytest.raises(ValueError, match="both kinds"):
        Topic([words(t) for t in like], [words(t) for t in unlike])


# --- in a rule --------------------------------------------------------------------------------------


def by_example(**more: object) -> Rules:
    topics = {"law": {"en-US": {"like": LIKE, "unlike": UNLIKE}}}
    condition = {"like": {"topic": "law", "at_least": 1.0}, **more}
    made = rule(**{"if": condition, "catches": [LIKE[0]], "lets_pass": [UNLIKE[0]]})
    return Rules.compile([pack(made, topics=topics)])


def verdict(rules: Rules, text: str, language: str = "en-US") -> Verdict:
    return rules.evaluate(Proposal(Effect.SPEAK, "c", 1, "k", text=text, language=language)).verdict


def test_a_rule_by_example_judges_sentences_it_was_not_shown():
    rules = by_example()
    assert verdict(rules, "The court will be on your side, you will win.") is Verdict.BLOCK
    assert verdict(rules, "The doctor is going to see you at nine.") is Verdict.ALLOW


def test_beside_phrases_both_must_hold():
    rules = by_example(phrases=["win", "side with"])
    assert verdict(rules, "You will win that case.") is Verdict.BLOCK
    assert verdict(rules, "You have a strong legal case.") is Verdict.ALLOW
    assert verdict(rules, "The doctor will win at nine on Tuesday.") is Verdict.ALLOW


def test_why_shows_score_threshold_and_words():
    [ground] = by_example().why(
        "made-up/a-rule", Proposal(Effect.SPEAK, "c", 1, "k", text="a strong legal case")
    )
    assert ground.line.startswith("like law: ") and ground.line.endswith("from 1 on")
    assert "strong legal case" in ground.words


def test_a_language_without_examples_is_named():
    with pytest.raises(
        ConfigurationError, match=r"no examples of law in en-US.*examples/abuse/law\.en-US\.txt"
    ):
        load_with("if: {like: {topic: law, at_least: 1}}")


def load_with(condition: str, folder: Path | None = None) -> None:
    from controls.rules.pack_files import parse_pack

    parse_pack(
        f"""format: 1
pack: abuse
title: made up
owner: compliance
reviewed: 2026-01-01
languages: [en-US]
rules:
  - name: a-rule
    when: agent_says
    {condition}
    then: block
    say: {{en-US: No.}}
    risk: 50
    annex_a: [A.9.4]
    because: a reason of the test's own
    catches: [foo]
    lets_pass: [bar]
""",
        "abuse.yaml",
        None if folder is None else topics_of(folder, "abuse"),
    )


# --- the files --------------------------------------------------------------------------------------


def write(folder: Path, text: str, name: str = "law.en-US.txt") -> Path:
    path = folder / "examples" / "abuse" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_beside_a_pack_are_its_topics_and_count_for_the_digest(tmp_path: Path):
    shipped = (Path(__file__).parents[3] / "configs/rules/abuse.yaml").read_text()
    (tmp_path / "abuse.yaml").write_text(shipped)
    before = Rules(load_packs(tmp_path, ["abuse"])).digest
    write(tmp_path, "# a remark\n+ You will win.\n\n- We open at nine.\n")
    [found] = load_packs(tmp_path, ["abuse"])
    assert found.topics["law"]["en-US"].like == ("You will win.",)
    assert Rules([found]).digest != before


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("You will win.", 1, "neither + nor -"),
        ("+ a\n- b\n+", 3, "1 to 400 characters"),
        ("+ a\n- a", 2, "the other kind in line 1"),
        ("+ a\n- b\n\n+ a", 4, "stands in line 1"),
        ("+ a", 0, "no sentences with -"),
        ("+ a\n- " + "b" * 401, 2, "1 to 400 characters"),
        ("x" * 600_000, 0, "too large"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, problem: str):
    with pytest.raises(ConfigurationError) as raised:
        parse_examples(text, "law.en-US.txt")
    found = raised.value.problems[0]
    assert problem in found.message and found.line == line and found.remedy


@pytest.mark.parametrize("name", ["law.txt", "law.en-US.yaml", "Law.en-US.txt", "law.english.txt"])
def test_a_file_of_another_name_is_no_topic(tmp_path: Path, name: str):
    write(tmp_path, "+ a\n- b\n", name)
    with pytest.raises(ConfigurationError, match="no file of examples"):
        topics_of(tmp_path, "abuse")


def test_bytes_that_are_no_text_are_named(tmp_path: Path):
    write(tmp_path, "").write_bytes(b"+ \xff\n")
    with pytest.raises(ConfigurationError, match=r"law\.en-US\.txt.*cannot be read"):
        topics_of(tmp_path, "abuse")
