"""Consent on a call: really asked, answered by voice or key, on record, and lived by."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from controls.disclosures import parse_disclosure
from controls.jurisdiction import Jurisdictions
from tests.controls.rules.packs import ROOT
from tests.simulators.house import DESK, PHRASES, RULES, OnTheLine, on_the_line
from tests.simulators.model_server import say
from voice_runtime.events import CallerSaidFrame
from voice_runtime.house import Supplier
from voice_runtime.store.opt_outs import OptOutBook

pytestmark = pytest.mark.anyio

FILES = sorted((ROOT / "configs" / "disclosures").glob("*.yaml"))
LAW = Jurisdictions.of(
    [parse_disclosure(p.read_text(encoding="utf-8"), p.name) for p in FILES], date(2026, 11, 22)
)
ASK, ASK_SUPPLIER = "ask.us-all-party.record", "ask.us-ca.supplier"
WORDS = {
    question.phrase: {"en-US": question.words}
    for scope in ("record", "supplier")
    if (question := LAW.at("us-ca").wording(scope, "en-US")) is not None  # type: ignore[arg-type]
}
CLINICAL = {"clinical-start": "This is no advice.", "clinical-end": "That was no advice."}
OUTSIDE = (Supplier("recogniser", "far-away", "ears-1", "us", outside=True),)


@asynccontextmanager
async def asking(
    *plans: Any, where: str = "us-il", clinical: bool = False, **changes: Any
) -> AsyncIterator[OnTheLine]:
    """A call to an agent that asks whether it may record."""
    own = PHRASES | (CLINICAL if clinical else {})
    phrases = {k: {"en-US": v} for k, v in own.items()} | RULES.phrases | WORDS
    fields = {"recording": "ask", "jurisdictions": LAW, "phrases": phrases, "clinical": clinical} | changes
    async with on_the_line(*plans, jurisdiction=where, **fields) as line:
        yield line


def consents(line: OnTheLine) -> list[tuple[str, bool, str]]:
    return [(r.scope, r.given, r.how) for r, _ in line.of("consent.recorded")]


def texts(line: OnTheLine) -> list[str]:
    return [said.text for _, said in line.of("caller.said")]


async def test_a_yes_by_voice_is_on_record_with_the_exact_words_asked() -> None:
    async with asking(say("At nine.")) as line:
        await line.opened()
        assert line.played() == ["disclosure", ASK]
        await line.say("yes")
        assert line.played() == ["disclosure", ASK, "greeting"]
        assert consents(line) == [("record", True, "voice"), ("transcript", True, "voice")]
        [asked] = {r.asked for r, _ in line.of("consent.recorded")}
        words = WORDS[ASK]["en-US"].encode()
        assert asked == "sha256:" + hashlib.sha256(words).hexdigest()
        bound = {f.phrase: f.digest for r, _ in line.of("release.bound") for f in r.fixed}
        assert bound[ASK] == asked
        await line.say("when do you open")
        assert line.played()[-1] == "At nine."
        assert line.addressed() == [("", "question"), ("when do you open", "model")]  # kept from the yes on


@pytest.mark.parametrize(("key", "given"), [("1", True), ("2", False)])
async def test_a_key_answers(key: str, given: bool) -> None:
    async with asking() as line:
        await line.opened()
        await line.press(key)
        assert consents(line) == [("record", given, "keypad"), ("transcript", given, "keypad")]
        assert line.played()[-1] == "greeting"


async def test_refusing_goes_on_and_no_word_of_the_caller_is_kept() -> None:
    async with asking(say("At nine.")) as line:
        await line.opened()
        await line.say("no", "when do you open")
        assert consents(line) == [("record", False, "voice"), ("transcript", False, "voice")]
        assert line.played()[-2:] == ["greeting", "At nine."]
        assert line.model.requests[-1].json["messages"][-1]["content"] == "when do you open"
        assert texts(line) == ["", ""]
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


async def test_a_person_is_given_no_summary_of_words_that_may_not_be_kept() -> None:
    async with asking() as line:
        await line.opened()
        await line.say("no", "let me talk to a person")
        [(_, details)] = line.of("handoff.requested")
        assert details.summary == ""


async def in_the_question(line: OnTheLine) -> None:
    """The question is being asked for the second time, and a part of it has been played."""
    await line.opened()
    line.carrier.freeze(300)
    await line.carrier.say("well i wonder")
    assert await line.carrier.frozen()


def from_before(text: str) -> CallerSaidFrame:
    """Words that were over before anything sounded, and are understood only now."""
    now = time.monotonic_ns()
    return CallerSaidFrame(text, 0.2, 1.0, 1.2, now, now, now, "test")


@pytest.mark.parametrize("words", ["okay", "yes"])
async def test_an_okay_to_the_disclosure_is_no_consent(words: str) -> None:
    """It stood on record with the digest of a question that had not begun to sound."""
    async with asking(say("At nine.")) as line:
        early = from_before(words)
        await line.opened()
        await line.carrier.send(early)
        await line.settled()
        assert line.played() == ["disclosure", ASK]
        assert consents(line) == []
        assert line.addressed() == [("", "nobody")]
        await line.say("yes")
        assert consents(line) == [("record", True, "voice"), ("transcript", True, "voice")]
        assert line.played()[-1] == "greeting"


async def test_a_broken_recogniser_has_the_question_put_anew_and_nothing_behind_it() -> None:
    async with asking() as line:
        await line.opened()
        line.call.ear_failed("crash")
        await line.settled()
        assert line.played() == ["disclosure", ASK, ASK]


async def test_a_no_counts_whenever_it_is_said() -> None:
    async with asking() as line:
        early = from_before("no")
        await line.opened()
        await line.carrier.send(early)
        await line.settled()
        assert consents(line) == [("record", False, "voice"), ("transcript", False, "voice")]


async def test_an_okay_while_the_question_sounds_is_listening() -> None:
    async with asking(say("At nine.")) as line:
        await in_the_question(line)
        await line.say("okay")
        assert consents(line) == []
        await line.say("okay")
        assert consents(line) == [("record", True, "voice"), ("transcript", True, "voice")]


async def test_a_yes_pressed_into_the_question_waits_for_its_end() -> None:
    async with asking(say("At nine.")) as line:
        await in_the_question(line)
        await line.press("1")
        assert line.played()[:4] == ["disclosure", ASK, ASK, "greeting"]
        assert consents(line) == [("record", True, "keypad"), ("transcript", True, "keypad")]
        played = [d.phrase for _, d in line.of("agent.played")]
        assert line.types().index("consent.recorded") > _nth(line, "agent.played", played.index(ASK) + 1)


async def test_a_no_pressed_into_the_question_cuts_it() -> None:
    async with asking(say("At nine.")) as line:
        await in_the_question(line)
        await line.press("2")
        assert line.played()[:4] == ["disclosure", ASK, f"{ASK}…", "greeting"]
        assert consents(line) == [("record", False, "keypad"), ("transcript", False, "keypad")]


def _nth(line: OnTheLine, kind: str, n: int) -> int:
    """Where the record of a kind with that place among its kind stands."""
    return [i for i, found in enumerate(line.types()) if found == kind][n]


async def test_neither_nor_is_asked_once_more_and_then_is_a_no_and_what_was_said_is_answered() -> None:
    async with asking(say("At nine.")) as line:
        await line.opened()
        await line.say("when do you open", "well i am not sure about that")
        assert line.played() == ["disclosure", ASK, ASK, "greeting", "At nine."]
        assert consents(line) == [("record", False, "default"), ("transcript", False, "default")]
        assert line.model.requests[0].json["messages"][-1]["content"] == (
            "when do you open well i am not sure about that"
        )


async def test_silence_grants_nothing() -> None:
    async with asking() as line:
        await line.opened()
        await line.carrier.stay_silent(9)
        assert line.played() == ["disclosure", ASK, ASK]
        line.carrier._silent_s = 0.0  # the ear counts on from the first silence; a second one comes later
        await line.carrier.stay_silent(9)
        assert line.played() == ["disclosure", ASK, ASK, "greeting"]
        assert [given for _, given, _ in consents(line)] == [False, False]


async def test_what_is_not_understood_is_no_answer() -> None:
    async with asking() as line:
        await line.opened()
        line.call.ear_failed("misheard")
        await line.settled()
        assert line.played() == ["disclosure", ASK, ASK]
        line.call.ear_failed("misheard")
        await line.settled()
        assert line.played()[-1] == "greeting"
        assert line.of("handoff.requested") == []  # nobody is fetched for it


@pytest.mark.parametrize(
    ("text", "by"), [("i have chest pain", "emergency"), ("let me talk to a person", "caller_voice")]
)
async def test_an_emergency_and_a_person_pass_ahead_of_the_question(text: str, by: str) -> None:
    async with asking() as line:
        await line.opened()
        await line.say(text)
        assert line.of("handoff.requested")[0][0].requested_by == by
        assert line.control.transfers == [DESK]
        assert consents(line) == []


async def test_key_zero_passes_ahead_of_the_question() -> None:
    async with asking() as line:
        await line.opened()
        await line.press("0")
        assert line.control.transfers == [DESK]
        assert consents(line) == []


async def test_hanging_up_on_the_question_leaves_a_whole_record_and_no_consent() -> None:
    async with asking() as line:
        await line.opened()
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert consents(line) == []


async def test_an_objection_in_mid_conversation_ends_nothing() -> None:
    async with asking(say("At nine."), say("On Mill Street.")) as line:
        await line.opened()
        await line.say("yes", "when do you open", "please stop recording", "where are you")
        withdrawn = [(r.scope, r.how) for r, _ in line.of("consent.withdrawn")]
        assert withdrawn == [("record", "voice"), ("transcript", "voice")]
        assert line.played()[-3:] == ["At nine.", "not-recorded", "On Mill Street."]
        assert texts(line) == ["", "when do you open", "", ""]
        assert line.addressed()[2][1] == "consent"
        assert not line.carrier.over


async def test_key_two_takes_back_what_was_given_and_nothing_else() -> None:
    async with asking() as line:
        await line.opened()
        await line.press("1")
        await line.press("2")
        assert [(r.scope, r.how) for r, _ in line.of("consent.withdrawn")] == [
            ("record", "keypad"), ("transcript", "keypad"),
        ]  # fmt: skip
        assert line.played()[-1] == "not-recorded"
        await line.press("2")
        assert len(line.of("consent.withdrawn")) == 2
        assert line.played()[-1] == "not-recorded"
        assert line.played().count("not-recorded") == 1


async def test_an_agent_that_does_not_record_asks_nothing_and_still_takes_an_objection() -> None:
    async with on_the_line(jurisdiction="us-ca", jurisdictions=LAW) as line:
        await line.opened()
        assert line.played() == ["disclosure", "greeting"]
        await line.say("i don't want to be recorded")
        assert line.played()[-1] == "not-recorded"
        assert [r.scope for r, _ in line.of("consent.withdrawn")] == ["record", "transcript"]
        await line.say("stop")
        assert texts(line) == ["", ""]


async def test_before_another_company_hears_the_caller_they_are_asked() -> None:
    async with asking(where="us-ca", suppliers=OUTSIDE) as line:
        assert not line.call.opening.supplier_may_hear
        await line.opened()
        assert line.played() == ["disclosure", ASK_SUPPLIER]
        assert not line.call.opening.supplier_may_hear
        await line.press("1")
        assert line.call.opening.supplier_may_hear
        assert line.played()[-1] == ASK
        await line.press("2")
        assert consents(line) == [
            ("supplier", True, "keypad"), ("record", False, "keypad"), ("transcript", False, "keypad"),
        ]  # fmt: skip
        assert line.played()[-1] == "greeting"


async def test_who_does_not_want_another_company_to_listen_gets_a_person() -> None:
    async with asking(where="us-ca", suppliers=OUTSIDE) as line:
        await line.opened()
        await line.press("2")
        assert line.control.transfers == [DESK]
        assert line.of("handoff.requested")[0][0].requested_by == "rule"
        assert not line.call.opening.supplier_may_hear
        assert "greeting" not in line.played()


async def test_where_the_law_does_not_ask_first_another_company_may_hear_at_once() -> None:
    async with asking(where="us-il", suppliers=OUTSIDE) as line:
        assert line.call.opening.supplier_may_hear
        await line.opened()
        assert line.played() == ["disclosure", ASK]


async def test_opting_out_is_remembered_for_the_next_call(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    async with asking(opt_outs=book) as line:
        await line.opened()
        await line.say("yes", "take me off your list")
        await line.ended()
        withdrawn = [r.scope for r, _ in line.of("consent.withdrawn")]
        assert withdrawn == ["record", "transcript", "callback"]
        assert line.closed() == ("caller", "opted_out")
    async with asking(say("At nine."), opt_outs=book) as line:
        await line.opened()
        assert line.played() == ["disclosure", "greeting"]
        assert {(given, how) for _, given, how in consents(line)} == {(False, "stored")}
        await line.say("when do you open")
        assert texts(line) == [""]
    async with asking(opt_outs=book, caller="+12025550199") as line:
        await line.opened()
        assert line.played() == ["disclosure", ASK]


async def test_whoever_cannot_be_looked_up_is_taken_for_one_who_opted_out(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    (tmp_path / "opt-outs.db").write_bytes(b"damaged " * 200)
    async with asking(opt_outs=book) as line:
        await line.opened()
        assert line.played() == ["disclosure", "greeting"]
        # what no earlier call left behind must not be on record as if it had been
        assert {(given, how) for _, given, how in consents(line)} == {(False, "default")}
        assert [(f.control, f.reason) for f, _ in line.of("control.failed")] == [("disclosure", "disk")]
        await line.say("take me off your list")
        await line.ended()
        assert [(f.control, f.reason) for f, _ in line.of("control.failed")] == [("disclosure", "disk")] * 2
        assert line.closed() == ("caller", "opted_out")


async def test_the_clinical_disclaimer_is_the_first_and_the_last_word() -> None:
    async with asking(clinical=True, recording="off") as line:
        await line.opened()
        assert line.played() == ["disclosure", "clinical-start", "greeting"]
        await line.carrier.stay_silent(9)
        await line.carrier.stay_silent(22)
        await line.ended()
        assert line.played()[-2:] == ["clinical-end", "goodbye"]
        assert line.closed() == ("agent", "silence")


async def test_a_promised_call_back_ends_with_the_clinical_disclaimer() -> None:
    async with asking(clinical=True, recording="off") as line:
        line.control.failing = True
        await line.opened()
        await line.say("let me talk to a person", "yes", "yes")
        await line.ended()
        assert line.played()[-1] == "clinical-end"
        assert line.closed() == ("agent", "callback")


async def test_after_nobody_was_reached_the_question_is_asked_again() -> None:
    async with asking(handoff=()) as line:
        await line.opened()
        await line.say("let me talk to a person")
        assert line.played() == ["disclosure", ASK, "nobody-reached", "ai-again", ASK]
        await line.say("yes")
        assert line.played()[-1] == "greeting"
        assert consents(line)[0] == ("record", True, "voice")
