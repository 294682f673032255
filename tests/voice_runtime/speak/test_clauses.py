"""Clauses: nothing lost, nothing split inside a word or figure, early where it is safe."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.speak.clauses import LONGEST, ClauseSplitter


def split(text: str, language: str = "en-US", sizes: list[int] | None = None) -> list[str]:
    """Feed ``text`` in pieces of ``sizes`` characters (repeated), all at once without."""
    splitter = ClauseSplitter(language)
    out: list[str] = []
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)] if sizes else len(text)
        out += splitter.push(text[at : at + size])
        at += size
        turn += 1
    return out + splitter.finish()


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        (
            "On Tuesday I have ten, or half past two. Which suits you?",
            ["On Tuesday I have ten,", "or half past two.", "Which suits you?"],
        ),
        (
            "Tuesday at ten, or half past two. Which suits you?",
            ["Tuesday at ten, or half past two.", "Which suits you?"],
        ),
        ("Dr. Patel is free. Shall I book?", ["Dr. Patel is free.", "Shall I book?"]),
        ("At 10 a.m. on Friday. Fine?", ["At 10 a.m. on Friday.", "Fine?"]),
        ("It costs 2.5 dollars, or 1,000.50 in all.", ["It costs 2.5 dollars, or 1,000.50 in all."]),
        (
            "See www.example.com. Or example.org/x?y=1 now.",
            ["See www.example.com.", "Or example.org/x?y=1 now."],
        ),
        ("J. R. Okafor, not S. Okafor.", ["J. R. Okafor, not S. Okafor."]),
        ("Call ext. 5 or No. 7. I said no. Then go!", ["Call ext. 5 or No. 7.", "I said no.", "Then go!"]),
        ("At 10:30. Not at 10:45.", ["At 10:30.", "Not at 10:45."]),
        ("Room 5. Second floor.", ["Room 5.", "Second floor."]),
        ("1. Bring a card\n2. Come early", ["1. Bring a card", "2. Come early"]),
        ('He said "Really?" Then left.', ['He said "Really?"', "Then left."]),
        ("What?! No way.", ["What?!", "No way."]),
        ("Well... let me see.", ["Well...", "let me see."]),
        ("Mail us at desk@example.org. Thanks.", ["Mail us at desk@example.org.", "Thanks."]),
        ("It is $5.50. Not $6.", ["It is $5.50.", "Not $6."]),
        ("Come at 10.30. Or 10.45?", ["Come at 10.30.", "Or 10.45?"]),
        (
            "We can see you on November 24, 2026 at ten.",
            ["We can see you on November 24, 2026 at ten."],
        ),
        ("We can meet on Nov. 24, 2026. Fine?", ["We can meet on Nov. 24, 2026.", "Fine?"]),
        ("Apt. 5, Bldg. 2. Ring twice.", ["Apt. 5, Bldg. 2.", "Ring twice."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("  spaced \t out  \r\n words ", ["spaced out", "words"]),
        ("Hi", ["Hi"]),
        ("", []),
        (" … --- ?! 😀 ", []),
        ("😀 Hello. 😀", ["😀 Hello."]),
    ],
)
def test_where_clauses_end(text: str, clauses: list[str]) -> None:
    assert split(text) == clauses
    assert split(text, sizes=[len(text) or 1]) == clauses


@pytest.mark.parametrize(
    ("language", "text", "clauses"),
    [
        (
            "es-US",
            "¿Qué día le viene bien? ¡Perfecto! La Dra. López, el 3.",
            ["¿Qué día le viene bien?", "¡Perfecto!", "La Dra. López, el 3."],
        ),
        (
            "es-US",
            "A las 10:30 a. m. con el Sr. Gil. Vive en EE. UU. ¿No?",
            ["A las 10:30 a. m. con el Sr. Gil.", "Vive en EE. UU. ¿No?"],
        ),
        ("es-US", "P. ej. té. Aprox. 5 min. Sí.", ["P. ej. té.", "Aprox. 5 min.", "Sí."]),
        ("de-DE", "Das kostet ca. 5 Euro. Gut?", ["Das kostet ca. 5 Euro.", "Gut?"]),
        ("xx", "No language. Still fine.", ["No language.", "Still fine."]),
    ],
)
def test_other_languages(language: str, text: str, clauses: list[str]) -> None:
    assert split(text, language) == clauses


def pushed(*tokens: str) -> list[list[str]]:
    splitter = ClauseSplitter("en-US")
    return [splitter.push(token) for token in tokens]


def test_an_ordinary_word_and_a_stop_do_not_wait_for_the_next_sentence() -> None:
    assert pushed("We", " open", " at", " nine", ".")[-1] == ["We open at nine."]
    assert pushed("Shall", " I", " book", " it", "?")[-1] == ["Shall I book it?"]
    assert pushed(" At", " 10:30", ".")[-1] == ["At 10:30."]


def test_the_first_clause_goes_at_its_first_comma() -> None:
    assert pushed("On", " Tuesday", " I", " have", " ten", ",")[-1] == ["On Tuesday I have ten,"]
    assert pushed("Tuesday", " at", " ten", ",")[-1] == []  # three words would sound chopped
    later = pushed("Good.", " Tuesday", " at", " ten", ",", " or", " two", ".")
    assert later == [["Good."], [], [], [], [], [], [], ["Tuesday at ten, or two."]]


@pytest.mark.parametrize("tokens", [("at 10 a.m", "."), ("see Dr", "."), ("it costs 2", "."), ("plan B", "."),
                                    ("at www.example", "."), ("I said no", "."), ("wait", "..")])  # fmt: skip
def test_what_is_ambiguous_waits(tokens: tuple[str, ...]) -> None:
    splitter = ClauseSplitter("en-US")
    assert [c for t in tokens for c in splitter.push(t)] == []
    assert splitter.finish() == [" ".join("".join(tokens).split())]


def test_finish_makes_it_ready_for_the_next_answer() -> None:
    splitter = ClauseSplitter("en-US")
    splitter.push("An answer cut in the mid")
    assert splitter.finish() == ["An answer cut in the mid"]
    assert splitter.push("One two three four five,") == ["One two three four five,"]
    assert splitter.finish() == []


def test_a_long_sentence_is_cut_at_a_comma_and_never_inside_a_number() -> None:
    sentence = "We have " + "many free places on the list of the week, " * 12 + "and 555 0100 is the number."
    clauses = split(sentence)
    assert " ".join(clauses) == sentence
    assert all(len(c) <= LONGEST for c in clauses)
    assert all(c.endswith(",") for c in clauses[:-1])
    date = (
        "We have "
        + "many free places on the list of that week " * 4
        + "and there is one on 24 November 2026 too"
    )
    assert [c for c in split(date) if "24 November 2026" in c]
    number = "x" * 200 + " call 555 010 01 02 03 04 05"
    assert split(number) == ["x" * 200, "call 555 010 01 02 03 04 05"]
    digits = "55 " * 200  # nothing but a number: then it must be cut somewhere
    assert " ".join(split(digits)) == digits.strip()
    assert all(len(c) <= LONGEST for c in split(digits))


def test_one_endless_word_is_bounded() -> None:
    splitter = ClauseSplitter("en-US")
    out: list[str] = []
    for _ in range(100):
        out += splitter.push("x" * 100)
    out += splitter.finish()
    assert "".join(out) == "x" * 10_000
    assert max(map(len, out)) <= 1001
    assert ClauseSplitter("en-US").push("-" * 10_000) == []


PIECES = st.sampled_from(
    [
        *(
            "Dr. Patel",
            "$5.50",
            "10.30",
            "November 24, 2026",
            "at",
            "ten",
            "10:30",
            "a.m.",
            "2.5",
            "1,000",
            "no.",
            "No. 5",
            "www.example.com",
            "Which?",
        ),
        *(
            "Fine!",
            ",",
            ";",
            ". ",
            "? ",
            "¿Qué",
            "¡Sí!",
            "\n",
            "  ",
            "é",
            "😀",
            "...",
            "end.",
            "J. ",
            "x",
            "0",
        ),
        *("'quoted.'", "(so)", "—", "word, ", "U.S."),
    ]
)
TEXTS = st.one_of(
    st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), max_size=60).map(
        lambda parts: "".join(a + b for a, b in parts)
    ),
    st.text(max_size=300),
)


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_nothing_is_lost_changed_or_empty(text: str, sizes: list[int]) -> None:
    clauses = split(text, sizes=sizes)
    assert all(any(c.isalnum() for c in clause) for clause in clauses)
    assert all(clause == " ".join(clause.split()) for clause in clauses)
    # what may be missing is a rest that nobody can speak
    given_signs = "".join(text.split())
    spoken = "".join("".join(clauses).split())
    rest = given_signs.removeprefix(spoken)
    assert given_signs.startswith(spoken)
    assert not any(c.isalnum() for c in rest)


def _joined(text: str, cuts: list[int]) -> list[str]:
    """Cut ``text`` at ``cuts``, except between a mark and a non-blank right after it."""
    out, at = [], 0
    for cut in sorted({c % (len(text) + 1) for c in cuts} | {len(text)}):
        before, after = text[cut - 1 : cut], text[cut : cut + 1]
        if cut < len(text) and not after.isspace() and re.match(r"[^\w\s]", before):
            continue
        out.append(text[at:cut])
        at = cut
    return out


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=20))
def test_any_chunking_gives_the_same_clauses(text: str, cuts: list[int]) -> None:
    splitter = ClauseSplitter("en-US")
    out = [clause for token in _joined(text, cuts) for clause in splitter.push(token)]
    assert out + splitter.finish() == split(text)


WHOLE = [
    "2.5",
    "$5.50",
    "10.30",
    "p.m.",
    "10:30",
    "1,000.75",
    "www.a.example/b?c=d",
    "a.m.",
    "desk@x.example",
    "so",
]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(WHOLE), min_size=1, max_size=80),
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_never_inside_a_word_or_figure(words: list[str], sizes: list[int]) -> None:
    """Words whole, whatever the tokens: figures, times, addresses, abbreviations."""
    text = " ".join(words)
    clauses = split(text, sizes=sizes)
    assert [w for c in clauses for w in c.split()] == words
