"""The page: what a tired reader needs, nothing that runs or is fetched, no word of a caller's that acts."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from itertools import count, pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.decision import Verdict
from controls.errors import IntegrityError
from controls.evidence import shape as s
from controls.evidence.markup import Html, joined, shown, table, tag, words
from controls.evidence.page import FORMAT, render
from controls.evidence.page_sections import Proof
from controls.evidence.rebuild import fixed_files, trace_bytes
from controls.evidence.release_facts import release_facts
from controls.evidence.trace import trace
from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.evidence import calls
from tests.controls.evidence.packets import RESOLVED

PROOF = Proof(
    log="sayso.dev/log/o_0123456789ABCDEF", register=None, registered=False, node_key="sha256:" + "1" * 64,
    made_by="0.1.0",
)  # fmt: skip


def page(script: calls.CallScript, *, release: bytes | None = RESOLVED) -> str:
    found = trace(
        script.opened, origin="o_0123456789ABCDEF", checkpoint=s.Checkpoint(size=200, root="sha256:00")
    )
    return render(found, release_facts(release) if release is not None else None, PROOF).decode()


class Outline(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in ("meta", "br"):
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        if not self.open or self.open.pop() != name:
            self.unbalanced.append(name)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def tight(text: str) -> str:
    """Without the spaces that ``Outline`` puts between two elements and punctuation."""
    return re.sub(" (?=[;,.”])|(?<=“) ", "", text)


def test_the_first_screen_answers_the_questions():
    text = Outline(page(calls.clinic_call())).words
    brief = tight(text[text.index("In one minute") : text.index("The conversation")])
    for answer in (
        "healthcare", "Riverside Clinic (fictional)", "NOT approved",
        "ended with a call-back promised, by the agent",
        "played in full yes 6.0 s from 0.4 s on, in en-US, first attempt",
        "evidence: the carrier's marks say so",
        "yes, 1 1 sentence of the agent, never spoken: “It is probably just eczema.”; by "
        "health-boundaries/no-diagnosis",
        "asked for, call-back promised asked for by the caller, in words; nobody was reached in 12 s "
        "(nobody there); reception is to call back by 2026-09-21 16:00:00 UTC, number confirmed",
        "1 tool use book_appointment executed", "Did the caller get a receipt none on record",
        "Did a control fail none on record", "Is the record whole yes", "numbered without a gap",
        "no witness leaves 100 to 122, under a checkpoint over 200 leaves. Check it with the verifier",
    ):  # fmt: skip
        assert answer in brief, answer


def test_the_conversation_tells_said_decided_and_played():
    text = Outline(page(calls.clinic_call())).words
    assert "“ is this rash serious ”" in text and "“ It is probably just eczema. ”" in text
    assert "BLOCK health-boundaries/no-diagnosis : a diagnosis risk 80, A.9.4" in text
    assert "cut off by the caller; it was sent; nothing says it was played" in text
    assert "end of speech to first word 310 ms, end of speech to first sound 480 ms" in text
    assert "A.9.4 Intended use of the AI system" in text
    assert "tamper-evident to holders of an earlier checkpoint, no more" in text
    assert "It cannot show a call that was never logged" in text


def test_what_there_is_to_check_is_named_and_left_to_the_verifier():
    script = calls.clinic_call()
    seen = [s.Cosignature(witness=f"witness.example/{x}", at="2026-09-21T14:00:00Z") for x in "ab"]
    covered = s.Checkpoint(size=200, root="sha256:00")
    found = trace(
        script.opened,
        checkpoint=covered,
        witnessed=covered.model_copy(update={"size": 150, "cosigned": seen}),
    )
    text = Outline(render(found, None, PROOF).decode()).words
    assert (
        "cosigned by 2 witnesses leaves 100 to 122, under a checkpoint over 200 leaves; the first 150 "
        "leaves cosigned by witness.example/a at 2026-09-21 14:00:00 UTC, "
        "witness.example/b at 2026-09-21 14:00:00 UTC. "
    ) in tight(text)
    text = Outline(render(trace(script.opened), None, PROOF).decode()).words
    assert "no witness leaves 100 to 122, under no checkpoint yet. Check it with the verifier" in text


def test_a_receipt_is_told_without_its_code():
    script = calls.CallScript()
    calls.opening(script)
    calls.said(script, 2, "give me a receipt")
    for how, turn in (("spoken", 2), ("shown", 3)):
        script.add(r.ReceiptIssued, r.ReceiptDetails(code="7K2-M9Q-X4R"), turn=turn, how=how)
    text = Outline(page(script)).words
    assert "yes A receipt was given: spoken, in turn 2; shown on a screen, in turn 3" in text
    assert "Turn 3 Receipt A receipt was given: shown on a screen." in text
    assert "7K2" not in text


def test_what_the_caller_meant_is_told_in_words():
    meant = {
        "model": None, "question": "answer to the agent's question", "person": "request for a person",
        "emergency": "emergency", "opt_out": "wish not to talk to an AI", "stop": "order to stop speaking",
        "receipt": "request for a receipt", "consent": "objection to being recorded",
        "nobody": "not meant for the agent, left unanswered",
        "maybe_opt_out": "perhaps opting out of all calls, asked back",
        "ai_question": "question whether this is a machine",
    }  # fmt: skip
    assert set(meant) == set(get_args(r.CallerSaid.model_fields["addressed"].annotation))
    for addressed, told in meant.items():
        script = calls.CallScript()
        calls.opening(script)
        details = r.SaidDetails(text="yes", confidence=1, started_s=1, ended_s=2)
        script.add(r.CallerSaid, details, turn=1, engine="typed", addressed=addressed)
        calls.played(script, 1, new_id("k"), "Fine.", latency=r.Latency(first_audio_out=3.0))
        text = Outline(page(script)).words
        assert "words received to first sound 3 ms" in text  # typed words have no end of speech
        assert (f"taken as: {told}" in text) if told else "taken as" not in text


def asked_for(script: calls.CallScript, turn: int, time: str) -> None:
    tool = r.ToolUse(name="book", arguments={"time": time})
    script.add(
        r.TurnDecided,
        r.DecidedDetails(model="m", candidate="", tools=(tool,)),
        turn=turn,
        supplier="standin",
        outcome="tools",
    )


def test_what_is_read_back_and_used_later_stands_once_among_the_tools():
    script = calls.CallScript()
    calls.opening(script)
    asked_for(script, 1, "09:00")  # nothing came of it
    asked_for(script, 2, "10:00")
    use, details = new_id("u"), r.ToolDetails(name="book", arguments={"time": "10:00"})
    script.add(
        r.ToolRequested, details, turn=3, use=use, risk="medium", read_back="confirmed", idempotent=True
    )
    script.add(r.ToolExecuted, details, turn=3, use=use, ok=True, status=200, duration_ms=5)
    for _ in range(2):
        refused = r.ToolDetails(name="pay")
        script.add(r.ToolRefused, refused, turn=4, use=new_id("u"), reason="caller_said_no")
    text = Outline(page(script)).words
    table_of = text[text.index("Every use of a tool.") : text.index("No person was asked for")]
    assert "book 1 – – asked for; no such use on record" in table_of
    assert "book 3 medium confirmed executed 5 ms" in table_of and table_of.count("book") == 2
    assert text.count("book asked for, not used in this turn") == 2
    assert "1 tool use book executed" in text
    assert "yes, 2 2 uses of a tool: pay (caller said no) (2 times)" in text


def test_of_many_and_long_refused_sentences_the_first_are_quoted_and_cut():
    script = calls.CallScript()
    calls.opening(script)
    for i in range(5):
        found = (calls.found("r", Verdict.BLOCK, "A.9.4"),)
        details = r.ClauseDetails(text=f"{i}" + "x" * 200, verdicts=found)
        script.add(
            r.ClauseRefused, details, turn=1, clause=new_id("k"), verdict=Verdict.BLOCK, risk=1
        )  # fmt: skip
    text = Outline(page(script)).words
    brief = text[: text.index("The conversation")]
    assert f"“ 2{'x' * 78}… ” and 2 more" in brief and "“ 3x" not in brief


def test_what_is_kept_is_told_by_class_and_each_identifier_at_the_end():
    script = calls.clinic_call()
    script.erase(r.CallerSaid)
    text = Outline(page(script)).words
    order = ["Who opened this record", "Proof", "What is kept, and until when", "How to check it",
             "Every sealed piece of content"]  # fmt: skip
    assert sorted(order, key=text.rindex) == order
    kept = text[text.index("What is kept, and until when") : text.index("What this cannot prove")]
    pieces = [record.sealed.artifact for _, record, _ in script.opened if record.sealed]
    assert f"transcript {len(pieces)} contract service us 2027-01-15 3 none" in kept
    assert all(text.rindex(piece) > text.rindex("Every sealed piece of content") for piece in pieces)


def test_it_says_what_asks_for_attention():
    script = calls.CallScript()
    calls.opening(script)
    script.opened = [o for o in script.opened if not isinstance(o[1], r.DisclosurePlayed)]
    calls.said(script, 1, "my chest hurts")
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="emergency-us/chest", said="x"), turn=1)
    script.add(r.ControlFailed, control="model", reason="deadline", attempt=1)
    details = r.ToolDetails(name="book")
    use = new_id("u")
    script.add(r.ToolRequested, details, turn=1, use=use, risk="low", read_back="none", idempotent=False)
    script.add(r.ToolUnknown, details, turn=1, use=use, reason="timeout")
    script.opened.pop(3)
    text = page(script, release=None)
    brief = text[text.index("In one minute") : text.index("The conversation")]
    flagged = re.findall(r'<tr class="no"><th scope="row">(.*?)</th>', brief)
    assert flagged == [
        "When", "Was this version approved", "Was “this is an AI” played in full", "Emergency",
        "What did the agent do", "Did a control fail", "Is the record whole",
    ]  # fmt: skip
    assert "was not archived on this machine" in text


def test_it_is_one_whole_document_that_runs_and_fetches_nothing():
    text = page(calls.clinic_call())
    outline = Outline(text)
    assert (
        text.startswith('<!DOCTYPE html>\n<html lang="en">') and not outline.unbalanced and not outline.open
    )
    names = {name for name, _ in outline.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "embed", "form", "a", "svg", "base"}
    attributes = {key for _, found in outline.elements for key in found}
    assert not any(key.startswith("on") for key in attributes) and not attributes & {"src", "href", "style"}
    assert "url(" not in text and "@import" not in text and "http://" not in text
    policy = next(a["content"] for n, a in outline.elements if a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_it_can_be_read_without_seeing_it():
    outline = Outline(page(calls.clinic_call()))
    levels = [int(n[1]) for n, _ in outline.elements if re.fullmatch("h[1-6]", n)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    every = [n for n, _ in outline.elements]
    assert every.count("caption") == every.count("table") > 5
    assert all(a.get("scope") for n, a in outline.elements if n == "th")
    assert {"header", "main", "footer"} <= set(every)
    assert {a["lang"] for n, a in outline.elements if n == "bdi" and "lang" in a} == {"en-US"}


def test_what_was_begun_early_is_told_and_never_passed_off_as_spoken():
    text = Outline(page(hostile_call("so long"))).words
    assert "at a pause, on “ so long ”; never spoken: “ so long ” withdrawn; 5 + 1 tokens" in text
    script = calls.CallScript()
    calls.opening(script)
    paused = r.SaidDetails(text="at ten", confidence=1, started_s=1, ended_s=2)
    script.add(r.TurnProvisional, paused, turn=1, engine="test")
    calls.said(script, 1, "at ten")
    latency = r.Latency(eager=120.0, first_audio_out=480.0)
    calls.played(script, 1, new_id("k"), "Fine.", latency=latency)
    text = Outline(page(script)).words
    assert "at a pause, on “ at ten ”: the turn ended so." in text
    assert "model at work before the turn was over 120 ms" in text


HOSTILE = (
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", '" onmouseover="x', "<!--", "]]>",
    "&lt;b&gt;",
    "\u202eslaw fo tuo\u202c", "a\u200bb\ufeff", "\x00\x1b[31m", "w" * 5000, "🙂 مرحبا שלום नमस्ते",
)  # fmt: skip


def hostile_call(text: str) -> calls.CallScript:
    script = calls.CallScript()
    calls.opening(script)
    paused = r.SaidDetails(text=text, confidence=1, started_s=1, ended_s=2)
    script.add(r.TurnProvisional, paused, turn=1, engine="test")
    script.add(
        r.TurnDecided, r.DecidedDetails(model=text, candidate=text), turn=1, supplier="standin",
        outcome="withdrawn", provisional=True,
    )  # fmt: skip
    script.add(r.TurnWithdrawn, turn=1, reason="eager", tokens_in=5, tokens_out=1)
    calls.said(script, 1, text)
    script.add(
        r.TurnDecided,
        r.DecidedDetails(model=text, candidate=text, tools=(r.ToolUse(name=text, arguments={text: text}),)),
        turn=1, supplier="standin", outcome="answered",
    )  # fmt: skip
    verdicts = (calls.found(text, Verdict.BLOCK, text, reason=text),)
    script.add(
        r.ClauseRefused, r.ClauseDetails(text=text, verdicts=verdicts), turn=1, clause=new_id("k"),
        verdict=Verdict.BLOCK, risk=1,
    )  # fmt: skip
    script.add(r.HandoffRequested, r.HandoffDetails(to=text, reason=text, summary=text), handoff=new_id("h"),
               requested_by="caller_voice")  # fmt: skip
    script.add(r.AccessViewed, r.AccessDetails(who=text, purpose=text), what="audit")
    return script


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_caller_says_stays_text(text: str):
    made, plain = page(hostile_call(text)), page(hostile_call("x"))
    assert [n for n, _ in Outline(made).elements if n != "span"] == [
        n for n, _ in Outline(plain).elements if n != "span"
    ]
    assert not Outline(made).unbalanced
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\x00\x1b]", made)
    if text.isascii() and text.isprintable():
        assert text in Outline(made).words


def test_marks_nobody_sees_are_shown_by_number():
    assert shown("a\u202eb") == 'a<span class="mark">U+202E</span>b'
    assert shown("\u200d\u200c") == "\u200d\u200c"  # joiners of scripts


@settings(deadline=None)
@given(st.text(max_size=60))
def test_escaped_text_comes_back_as_it_was(text: str):
    outline = Outline(tag("p", shown(text)))
    marks = len(re.findall('class="mark"', shown(text)))
    assert "".join(outline.text).replace("\r\n", "\n").count("U+") - text.count("U+") == marks
    if not marks:
        assert "".join(outline.text) == text


def test_only_markup_of_our_own_passes_unescaped():
    assert tag("p", "<b>", Html("<i></i>"), class_="x", title=None) == '<p class="x">&lt;b&gt;<i></i></p>'
    assert joined(["a", "<"], "&") == "a&amp;&lt;"
    assert words(None) == '<span class="erased">(erased)</span>'
    assert table("c", ["<x>"], []) == '<p class="small">None on record.</p>'
    assert "&lt;x&gt;" in table("c", ["<x>"], [["1"]])


def test_a_call_of_300_turns():
    script = calls.CallScript()
    calls.opening(script)
    for turn in range(1, 301):
        calls.said(script, turn, f"question {turn}")
        clause = calls.cleared(script, turn, f"Answer {turn}.")
        calls.played(script, turn, clause, f"Answer {turn}.")
    text = page(script)
    assert text.count('class="turn"') == 301 and "Answer 300." in text
    assert not Outline(text).unbalanced


def test_the_same_trace_gives_the_same_bytes():
    script = calls.clinic_call()
    assert page(script) == page(script)


def test_a_release_is_told_part_by_part():
    facts = release_facts(RESOLVED)
    assert ("Rules", "truthful-ai, health-boundaries", "sha256:" + "ab" * 32) in facts.parts
    assert [name for part, name, _ in facts.parts if part == "Tool"] == [
        "book_appointment (appointments/book)"
    ]
    assert [name for part, name, _ in facts.parts if part == "Model"] == ["standin: not a language model"]
    release_facts(
        b'{"tools": 7, "agent": [], "models": [1]}'
    )  # whatever it holds, it is told as far as it goes
    for junk in (b"", b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(IntegrityError):
            release_facts(junk)


#: Page format → SHA-256 of the trace and the page of one fixed call. Whoever changes either makes a new
#: format (``page.FORMAT``): packets out there are rendered again by later verifiers, and compared.
GOLDEN = {
    1: (
        "535e2f776cb146e761aaa3227b65ae5c7efaa85796d39ed3a12e26abe1b06f92",
        "0be5318e6feae14bf69393d5ea0d082ef9429ea57b4dd6ad24f2ad493688538d",
    ),
    2: (
        "6c31316b9c6647e2eb55de48fe139995c27fb8260edcdefa4f424a0b55948695",
        "a11e439c00981025adc7e73d4d1c8eb355bc8a1f495b07eec5611cbb0faca123",
    ),
    3: (
        "c2b406c11d884f5362f6656b5509945fc873e330099a2ca1709c3d6be1ccde28",
        "985887cc1652eed1e21c18a0170370f6615c42fef1ee57f1ad4fbb5557b01d21",
    ),
    4: (
        "4b8f2d40afd596857135ef1fc1ccfcf1a85f7e3b7eeb76057f77737526a448cf",
        "6d977aa90282dcf67c5cd7787d7dec8ba27b40bb340a75d82b607a48baed3cc8",
    ),
}


def test_a_changed_page_is_a_new_format(monkeypatch: pytest.MonkeyPatch):
    numbers = count()
    monkeypatch.setattr(calls, "new_id", lambda kind: f"{kind}_{next(numbers):016d}")
    script = calls.clinic_call()
    covered = s.Checkpoint(size=200, root="sha256:00")
    found = trace(script.opened, origin="o_0123456789ABCDEF", checkpoint=covered)
    texts = b"".join([*fixed_files("audit").values(), *fixed_files("receipt").values()])
    made = render(found, release_facts(RESOLVED), PROOF) + texts
    digests = (hashlib.sha256(trace_bytes(found)).hexdigest(), hashlib.sha256(made).hexdigest())
    assert digests == GOLDEN[FORMAT]
