"""What a caller says that is nobody's business stands in no sink of a call, and its masking is on record."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from controls.decision import Receipt
from controls.errors import LedgerError
from controls.ledger import records as r
from controls.redaction import sealed
from controls.redaction.file import Redaction, unconfigured
from controls.rules.engine import Rules
from controls.rules.matchers import words
from controls.rules.pack_files import load_packs
from tests.controls.redaction import planted
from tests.simulators.house import PHRASES, booking, on_the_line
from tests.simulators.model_server import call, say
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.agent import Tool
from voice_runtime.events import TurnEnd
from voice_runtime.inline.redaction import WITHHELD, CallRedaction, Redacting

pytestmark = pytest.mark.anyio
WITH_CARDS = Rules.compile(load_packs(Path("configs/rules"), ["cards", "emergency-us"]))
ONLY_EMERGENCIES = Rules.compile(load_packs(Path("configs/rules"), ["emergency-us"]))


def ruled(rules: Rules) -> dict[str, Any]:
    return {"rules": rules, "phrases": {k: {"en-US": v} for k, v in PHRASES.items()} | rules.phrases}


REDIRECTED = ruled(WITH_CARDS)
ANSWERED = ruled(ONLY_EMERGENCIES)

CARD = "four one one one" + " one one one one" * 3
SSN = "my social security number is two one nine zero nine nine nine nine nine"
P = r.PersonalData


def made(line: Any) -> Counter[tuple[str, str, str]]:
    return Counter((m.sink, m.of, m.what.value) for m, _ in line.of("redaction.made"))


def sealed_text(line: Any) -> str:
    return " ".join(p.model_dump_json() for _, p in line.recorder.records if p is not None)


def figures(text: str) -> str:
    return "".join(t for t in words(text).tokens if t.isdigit())


async def test_a_spoken_card_reaches_neither_model_nor_record() -> None:
    async with on_the_line(say("Sure."), **REDIRECTED) as line:
        await line.opened()
        await line.say(f"i want to pay my card is {CARD}")
        assert line.played()[-1] == "rule.cards.caller-gives-card"
        assert line.addressed() == [("i want to pay my card is [card]", "model")]
        assert line.model.requests == [], "the rule redirects the caller before the model is asked"
        assert "41111111" not in figures(sealed_text(line))
        assert made(line) == {("record", "caller", "card"): 1}
        [(told, _)] = line.of("redaction.made")
        assert (told.turn, told.found) == (1, 1)
        assert told.version == unconfigured().before("record").version


async def test_what_the_model_needs_stays_and_the_record_is_masked() -> None:
    async with on_the_line(say("Thank you."), **ANSWERED) as line:
        await line.opened()
        await line.say(SSN)
        assert line.model.requests[0].json["messages"][-1]["content"] == SSN
        assert line.addressed() == [("my social security number is [national-id]", "model")]
        assert made(line) == {("record", "caller", "national-id"): 1}


async def test_an_agent_may_keep_more_from_its_model() -> None:
    file = unconfigured()
    strict = Redaction(_file_of(file), {"model": [P.NATIONAL_ID, P.TELEPHONE]})
    async with on_the_line(say("Thank you."), redaction=strict, **ANSWERED) as line:
        await line.opened()
        await line.say(SSN + " and call me at two zero two five five five zero one four three")
        content = line.model.requests[0].json["messages"][-1]["content"]
        assert content == "my social security number is [national-id] and call me at [telephone]"
        assert made(line)["model", "caller", "telephone"] == 1


def _file_of(redaction: Redaction) -> Any:
    from controls.redaction.file import RedactionFile, SinkEntry

    sinks = {
        sink: SinkEntry(mask=tuple(sorted(types)), because="for a test of ours")
        for sink, types in redaction.types.items()
    }
    return RedactionFile(format=1, reviewed="2026-11-22", regions=("us",), sinks=sinks)


async def test_a_card_said_in_pieces_is_stopped_once_it_is_one() -> None:
    async with on_the_line(*[say("Go on.")] * 4, **REDIRECTED) as line:
        await line.opened()
        await line.say("i would like to pay by credit card", "four one one one", "one one one one")
        await line.say("one one one one", "one one one one")
        said = [text for text, _ in line.addressed()]
        assert said == ["i would like to pay by credit card", "[card]", "[card]", "[card]", "[card]"]
        assert line.played()[-1] == "rule.cards.caller-gives-card", "as a whole it is a card"
        assert len(line.model.requests) == 4
        for request in line.model.requests:
            assert figures(json.dumps(request.json["messages"][1:])) == ""


async def test_a_tools_arguments_and_result_are_masked_where_the_record_and_the_model_see_them() -> None:
    plans = [call(("book", json.dumps({"day": "Monday, dni 12345678Z"}))), say("Booked.")]

    def tools(base: str) -> tuple[Tool, ...]:
        return (booking(base, read_back=(), read_back_say={}),)

    async with on_the_line(*plans, tools=tools) as line:
        line.service.result = {"note": "paid with 4111 1111 1111 1111"}
        await line.opened()
        await line.say("book monday please")
        [(_, requested)] = line.of("tool.requested")
        assert requested.arguments == {"day": "Monday, dni [national-id]"}
        sent = line.service.uses[-1].json
        assert "12345678Z" in json.dumps(sent), "the tool itself gets what it was asked to do"
        assert "41111111" not in figures(sealed_text(line))
        assert "12345678" not in sealed_text(line)
        told = json.dumps(line.model.requests[-1].json["messages"])
        assert "41111111" not in told


async def test_pieces_nobody_called_a_card_are_stopped_with_the_last_one() -> None:
    async with on_the_line(*[say("Yes?")] * 4, **REDIRECTED) as line:
        await line.opened()
        await line.say("four one one one", "one one one one", "one one one one", "one one one one")
        assert [text for text, _ in line.addressed()][-1] == "[card]"
        assert line.played()[-1] == "rule.cards.caller-gives-card"


async def test_a_telephone_number_after_talk_of_a_card_reaches_the_model() -> None:
    asked = "What number can we call you back on?"
    async with on_the_line(say(asked), say("Thank you."), **REDIRECTED) as line:
        await line.opened()
        await line.say("can i pay by credit card", "two zero two five five five zero one four three")
        number = "two zero two five five five zero one four three"
        assert line.model.requests[-1].json["messages"][-1]["content"] == number
        assert line.addressed()[-1] == (number, "model")


async def test_a_clause_and_what_was_played_of_it_are_masked_alike() -> None:
    """The verifier holds the one against the other, and a fixed phrase against the release's digest."""
    phrases = {**PHRASES, "greeting": "Ask for 12345678Z."}
    changes: dict[str, Any] = {
        "rules": WITH_CARDS,
        "phrases": {k: {"en-US": v} for k, v in phrases.items()} | WITH_CARDS.phrases,
    }
    async with on_the_line(say("Your code is one two three four five six seven eight z."), **changes) as line:
        await line.opened()
        await line.say("what is my code")
        [(_, cleared)] = line.of("clause.cleared")
        played = [p for _, p in line.of("agent.played")]
        assert cleared.text == played[-1].text == played[-1].played_text == "Your code is [national-id]."
        assert [p.text for p in played if p.phrase == "greeting"] == ["Ask for 12345678Z."]


async def test_captions_and_logs_hold_no_card() -> None:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="TRACE")
    try:
        async with on_the_line(say("No.")) as line:
            await line.opened()
            await line.say(f"my card is {CARD}")
    finally:
        logger.remove(sink)
    assert "41111111" not in figures(" ".join(lines))


# --- the writer -----------------------------------------------------------------------------------


class Broken(Redaction):
    """Fails whatever it is asked for."""

    def __init__(self) -> None:
        super().__init__(_file_of(unconfigured()))

    def before(self, sink: Any) -> Any:
        return _Nothing(super().before(sink).version)


class _Nothing:
    """Knows its version, and can do nothing."""

    def __init__(self, version: str) -> None:
        self.version = version

    def redact(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("four one one one")


def writer(redaction: Redaction, recorder: Any, spool: Any = None) -> tuple[CallRedaction, Redacting]:
    mine = CallRedaction(redaction, "en-US")
    return mine, Redacting(recorder, spool, mine, tenant="clinic", call="c_" + "A" * 16)


def said(text: str) -> tuple[r.CallerSaid, r.SaidDetails]:
    record = r.CallerSaid(tenant="clinic", call="c_" + "A" * 16, turn=1, engine="test")
    return record, r.SaidDetails(text=text, confidence=1, started_s=0, ended_s=1)


async def test_a_caller_is_answered_though_nothing_can_be_redacted() -> None:
    async with on_the_line(say("At nine."), redaction=Broken()) as line:
        await line.opened()
        await line.say("when do you open")
        assert line.addressed() == [(WITHHELD, "model")]
        assert line.of("control.failed")[0][0].control == "redaction"
        await line.say("i have chest pain")
        assert line.of("handoff.requested")[0][0].requested_by == "emergency"


def test_what_cannot_be_redacted_is_not_written_and_the_failure_is() -> None:
    recorder = MemoryRecorder()
    mine, end = writer(Broken(), recorder)
    assert mine.begins_masked("hello", "")
    assert end.shown("4111 1111 1111 1111") == WITHHELD
    end.append(*said("my card is 4111 1111 1111 1111"))
    (_, details), (failed, _) = recorder.records
    assert details.text == WITHHELD
    assert (failed.control, failed.reason) == ("redaction", "broken")
    assert end.for_model("4111 1111 1111 1111", 1, "caller") == WITHHELD


def test_the_spool_gets_what_the_log_would_have_got() -> None:
    spooled: list[tuple[r.Record, r.Personal | None]] = []

    def spool(record: r.Record, personal: r.Personal | None) -> Receipt:
        spooled.append((record, personal))
        return Receipt("o", -1, record.type, 1, spooled=True)

    _, end = writer(unconfigured(), MemoryRecorder(), spool)
    assert end.spool is not None
    end.spool(*said("4111 1111 1111 1111"))
    assert [record.type for record, _ in spooled] == ["caller.said", "redaction.made"]
    assert isinstance(spooled[0][1], r.SaidDetails)
    assert spooled[0][1].text == "[card]"
    assert writer(unconfigured(), MemoryRecorder())[1].spool is None


def test_a_redaction_that_is_lost_does_not_lose_what_it_is_about() -> None:
    class Full(MemoryRecorder):
        def append(self, record: Any, personal: Any = None) -> Any:
            if isinstance(record, r.RedactionMade):
                raise LedgerError("full")
            return super().append(record, personal)

    recorder = Full()
    _, end = writer(unconfigured(), recorder)
    assert end.append(*said("4111 1111 1111 1111")).done()
    assert [record.type for record, _ in recorder.records] == ["caller.said"]


def test_half_a_number_that_was_played_is_masked_as_the_whole_is() -> None:
    recorder = MemoryRecorder()
    _, end = writer(unconfigured(), recorder)
    record = r.AgentPlayed(
        tenant="clinic", call="c_" + "A" * 16, turn=1, clause="k_" + "A" * 16, samples=1, of_samples=2,
        rate_hz=8000, interrupted=True, evidence=r.Evidence.SENT_ONLY,
    )  # fmt: skip
    text = "It is 4111 1111 1111 1111, yes."
    end.append(record, r.PlayedDetails(text=text, played_text=text[:15]))
    details = recorder.records[0][1]
    assert (details.text, details.played_text) == ("It is [card], yes.", "It is [card]")


def test_every_kind_of_content_was_decided_on() -> None:
    """A new model of personal content is entered in ``controls.redaction.sealed``: masked, or left."""
    every = {model.personal for model in r.RECORDS.values() if model.personal is not None}
    assert every == sealed.WORDS.keys() | sealed.LEFT.keys()
    assert not sealed.WORDS.keys() & sealed.LEFT.keys()
    for model, (_, fields) in sealed.WORDS.items():
        assert set(fields) <= set(model.model_fields)


def test_every_record_that_may_quote_the_caller_says_whether_it_does() -> None:
    """A consent is judged by it, whichever record the words are sealed beside."""
    of_their_own = {
        r.DecidedDetails, r.ClauseDetails, r.PlayedDetails, r.JudgeAskedDetails, r.JudgeAnsweredDetails,
        r.ToolDetails,
    }  # fmt: skip  # what the agent says and does
    assert sealed.QUOTES.keys() == sealed.WORDS.keys() - of_their_own
    for kind in r.RECORDS.values():
        if kind.personal in sealed.QUOTES:
            assert "kept" in kind.model_fields, kind.type
    for model, quoting in sealed.QUOTES.items():
        assert set(quoting) <= set(sealed.WORDS[model][1])


PIECES = st.lists(
    st.one_of(planted.CHAFF.filter(bool), planted.cards().flatmap(planted.aloud)), min_size=1, max_size=6
)


@given(PIECES)
@settings(max_examples=100, deadline=None)
def test_no_planted_card_leaves_a_figure_in_record_or_model(pieces: list[str]) -> None:
    recorder = MemoryRecorder()
    mine, end = writer(unconfigured(), recorder)
    for text in pieces:
        mine.caller(text, "How can I help you?")
        end.append(*said(text))
        shown = end.for_model(text, 1, "caller")
        assert figures(shown) == ""
        end.append(
            r.ToolRefused(
                tenant="clinic", call="c_" + "A" * 16, turn=1, use="u_" + "A" * 16, reason="bad_arguments"
            ),
            r.ToolDetails(name="pay", arguments={"note": text, "deep": [{"x": text}]}, result={text: 1}),
        )
    for record, personal in recorder.records:
        shown = "" if personal is None else " ".join(_strings(personal.model_dump()))
        assert figures(shown) == ""
        assert isinstance(record, r.RedactionMade | r.CallerSaid | r.ToolRefused)


@given(PIECES)
@settings(max_examples=100, deadline=None)
def test_what_a_person_signs_is_what_is_sealed(pieces: list[str]) -> None:
    """It is masked before it is shown, and once more on its way to the record: that must change nothing."""
    recorder = MemoryRecorder()
    _, end = writer(unconfigured(), recorder)
    arguments: dict[str, Any] = {"note": pieces[0], "deep": [{"x": piece} for piece in pieces]}
    shown = end.kept("pay: Pays.\n" + "\n".join(f"caller: {piece}" for piece in pieces))
    asked = r.ApprovalRequested(
        tenant="clinic", call="c_" + "A" * 16, use="u_" + "A" * 16, nonce="n_" + "0" * 64, role="owner",
        expires_at=1, risk=1,
    )  # fmt: skip
    end.append(asked, r.ApprovalDetails(tool="pay", arguments=arguments, shown=shown))
    details = recorder.records[0][1]
    assert isinstance(details, r.ApprovalDetails)
    assert details.shown == shown == end.kept(shown)
    assert details.arguments == end.kept(arguments) == end.kept(details.arguments)
    assert figures(shown) == ""


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [s for pair in value.items() for part in pair for s in _strings(part)]
    if isinstance(value, list | tuple):
        return [s for part in value for s in _strings(part)]
    return [value] if isinstance(value, str) else []


async def test_it_waits_for_nothing() -> None:
    """Masking is a function: the event loop is never left while a record is masked."""
    _, end = writer(unconfigured(), MemoryRecorder())
    loop = asyncio.get_running_loop()
    ran: list[bool] = []
    loop.call_soon(ran.append, True)
    end.append(*said("4111 1111 1111 1111"))
    assert ran == []
    assert TurnEnd.SILENCE
