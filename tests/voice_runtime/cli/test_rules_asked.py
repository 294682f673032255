"""`sayso rules` and rules that ask a model: plain about what was not tried, and asking only when told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.decision import Verdict
from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.evidence.calls import clinic_call, found
from tests.simulators.judge_server import NO, YES, JudgeServer
from tests.simulators.model_server import serving
from tests.voice_runtime.cli.records_house import House
from tests.voice_runtime.cli.test_rules import WHO, own  # noqa: F401  # a fixture

PACK = """\
format: 1
pack: prices
title: Prices
owner: compliance
reviewed: 2026-11-02
languages: [en-US, es-US]
rules:
  - name: no-price
    when: agent_says
    if:
      phrases: [dollars]
      judge: {asks: Does the clause promise a price?, supplier: local, within_ms: 2000}
    then: block
    say: {en-US: I can't say what it costs., es-US: No puedo decir el precio.}
    risk: 50
    annex_a: [A.9.4]
    because: a reason of the test's own, with a source.
    catches: [It costs fifty dollars.]
    lets_pass: [We open at nine., "Fifty dollars? I can't say."]
"""
FILE = Path("configs/rules/prices.yaml")


@contextmanager
def judge(house: House, *says: str | int) -> Iterator[JudgeServer]:
    """A judge on a real socket, in a loop of its own; the profile names it."""
    server = JudgeServer(says=list(says))
    ready, done = threading.Event(), threading.Event()

    async def run() -> None:
        async with serving(server):
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(60)
        text = house.profile.read_text()
        entry = f"  judges: [{{name: local, base_url: '{server.url}/v1', model: judge-1, outside: false}}]\n"
        assert "model:\n" in text
        house.profile.write_text(text.replace("model:\n", f"model:\n{entry}", 1))
        yield server
        house.profile.write_text(text)
    finally:
        done.set()
        thread.join(60)


@pytest.fixture
def prices(own: House) -> House:  # noqa: F811 - a fixture of that name is imported
    """A house with a pack that asks a model, used by one agent."""
    FILE.write_text(PACK)
    agent = Path("agents/healthcare/agent.yaml")
    agent.write_text(agent.read_text().replace("personal-data", "prices, personal-data", 1))
    profile = own.profile.read_text()
    own.profile.write_text(profile)
    return own


def test_examples_that_need_the_model_are_said_not_to_be_tried(prices: House):
    code, out, _ = prices.sayso("rules", "test", "prices")
    assert code == 0
    assert "not tried: needs the model: It costs fifty dollars." in out
    assert "1 rules, 3 examples, 2 not tried (they need the model): all others hold" in out
    rows = prices.json("rules", "test", "prices")["examples"]
    assert [row["tried"] for row in rows] == [False, True, False]


def test_asked_and_kept_they_are_tried_without_the_model(prices: House):
    with judge(prices, YES, NO) as server:
        code, out, err = prices.sayso("rules", "test", "prices", "--ask", "--keep")
        assert (code, err) == (0, "")
        assert "3 examples: all hold" in out
        assert [asked["clause"] for asked in server.asked] == [
            "It costs fifty dollars.", "Fifty dollars? I can't say.",
        ]  # fmt: skip
    kept = Path("configs/rules/answers/prices.yaml").read_text()
    assert 'model: "judge-1"' in kept
    code, out, _ = prices.sayso("rules", "test", "prices")
    assert code == 0 and "3 examples: all hold" in out
    FILE.write_text(PACK.replace("promise a price", "name a price"))
    assert "2 not tried" in prices.sayso("rules", "test", "prices")[1], "it is another question now"


def test_a_judge_that_is_wrong_about_an_example_is_named(prices: House):
    with judge(prices, NO):
        code, out, _ = prices.sayso("rules", "test", "prices", "--ask")
    assert code == 1
    assert "the model says no to what the rule is to catch: It costs fifty dollars." in out
    assert not Path("configs/rules/answers").exists()


def test_a_kept_file_with_an_error_is_a_usage_error(prices: House):
    Path("configs/rules/answers").mkdir()
    Path("configs/rules/answers/prices.yaml").write_text("format: 1\nmade: 2026-11-02\nwhat: no\n")
    code, _, err = prices.sayso("rules", "test", "prices")
    assert code == 2 and "prices.yaml:3" in err


def test_a_sentence_is_tried_with_and_without_asking(prices: House):
    code, out, err = prices.sayso("rules", "try", "healthcare", "It costs fifty dollars.")
    assert code == 0, err
    assert "not asked: give --ask" in out and out.startswith("block: I can't say what it costs.") is False
    assert "block" in out and "no answer from the judge" in out
    with judge(prices, NO):
        asked = prices.json("rules", "try", "healthcare", "It costs fifty dollars.", "--ask")
    assert asked["asked"][0]["answer"] == "no" and asked["asked"][0]["supplier"] == "local"
    assert "prices/no-price" not in [row["rule"] for row in asked["rules"]]
    with judge(prices, 500):
        failed = prices.json("rules", "try", "healthcare", "It costs fifty dollars.", "--ask")
    assert failed["asked"][0]["answer"] == "failed"
    assert "prices/no-price" in [row["rule"] for row in failed["rules"]]


def test_validation_warns_of_a_judge_nobody_can_ask_and_of_one_asked_about_everything(prices: House):
    FILE.write_text(PACK.replace("      phrases: [dollars]\n", ""))
    code, out, err = prices.sayso("agents", "validate", "healthcare")
    assert code == 0, err
    shown = out + err
    assert "this profile cannot ask 'local'" in shown
    assert "asked about every clause" in shown
    assert "prices.yaml:" in shown


def test_validation_names_a_desk_the_agent_has_not(prices: House):
    rule = PACK.replace("agent_says", "handoff").replace("then: block", "then: handoff\n    to: billing")
    rule = rule.replace(', "Fifty dollars? I can\'t say."', "")
    lines = [line for line in rule.splitlines() if "judge:" not in line and "say:" not in line]
    FILE.write_text("\n".join(lines) + "\n")
    code, out, err = prices.sayso("agents", "validate", "healthcare")
    assert code == 2
    assert "this agent has no desk 'billing'" in out + err


def test_a_turn_is_explained_with_what_was_asked_and_what_the_end_came_to(house: House):
    script = clinic_call()
    closed = script.opened.pop()
    clause = next(c.clause for _, c, _ in script.opened if isinstance(c, r.ClauseRefused) and c.turn == 2)
    of = {"turn": 2, "of": clause, "mode": "before", "supplier": "local", "question": "sha256:" + "0" * 64}
    script.add(
        r.JudgeAsked,
        r.JudgeAskedDetails(rule="prices/no-price", model="judge-1", asks="Does it promise a price?"),
        **of,
    )
    script.add(
        r.JudgeAnswered, r.JudgeAnsweredDetails(rule="prices/no-price", model="judge-1", text=NO), **of,
        answer="no", why="answered", ms=312,
    )  # fmt: skip
    finding = found("desk/no-cards", Verdict.BLOCK, "A.9.4", risk=60, reason="cards stay out")
    script.add(
        r.HandoffJudged, r.HandoffWordsDetails(text="caller: my card", verdicts=(finding,)), turn=2,
        handoff=new_id("h"), withheld=True, routed=False, risk=60,
    )  # fmt: skip
    finding = found("ends/person-first", Verdict.HANDOFF, "A.9.2", risk=40, reason="somebody asked")
    script.add(
        r.EndingJudged, r.EndingDetails(verdicts=(finding,), facts={"turns": 2}), turn=2, ended_by="agent",
        refused=True, verdict=Verdict.HANDOFF, risk=40,
    )  # fmt: skip
    record = closed[1]
    assert isinstance(record, r.CallClosed)
    script.add(r.CallClosed, ended_by=record.ended_by, reason=record.reason, duration_s=record.duration_s,
               records=record.records + 4)  # fmt: skip
    house.fill(script)
    code, out, err = house.sayso("rules", "explain", script.call, "2", *WHO)
    assert code == 0, err
    assert "asked   Does it promise a price?" in out
    assert "no by local judge-1, 312 ms, before the decision, for prices/no-price" in out
    assert "handoff caller: my card" in out and "block by desk/no-cards, risk 60" in out
    assert "ending  refused" in out and "handoff by ends/person-first" in out
    rows = house.json("rules", "explain", script.call, "2", *WHO)
    assert rows["asked"][0]["answer"] == "no"
    assert [(row["what"], row["effect"]) for row in rows["judged"]][-2:] == [
        ("handoff", "withheld"), ("ending", "refused"),
    ]  # fmt: skip
