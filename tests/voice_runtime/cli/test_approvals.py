"""`sayso approvals` against a running server: listed, shown, decided, and how people decide."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from controls.approvals import Request, UseFacts
from controls.decision import Ask
from controls.gate import Gate
from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.rules.engine import Rules
from tests.controls.rules.packs import pack
from tests.voice_runtime.cli.records_house import House, serving
from voice_runtime.approvals import ApprovalDesk, Waiting
from voice_runtime.cli.approvals import pairs
from voice_runtime.clock import SystemClock
from voice_runtime.local import Question
from voice_runtime.people import People

TENANT, RELEASE = "riverside", "sha256:" + "a" * 64


@dataclass
class Desk:
    """What waits in the served house: one use for each day."""

    requests: dict[str, Request] = field(default_factory=dict)

    def use(self, day: str) -> str:
        return self.requests[day].approval.use


@contextmanager
def waiting(house: House, *days: str, decoys: tuple[str, ...] = ()) -> Iterator[Desk]:
    desk = Desk()
    clock = SystemClock()

    async def questions(ledger: Ledger) -> Mapping[str, Question]:
        offered = ApprovalDesk(ledger, People(house.data_dir))
        rules = Rules.compile([pack()])
        gate = Gate(recorder=ledger, tenant=TENANT, call=new_id("c"), rules=rules, language="en-US")
        gate.approvals.release = RELEASE
        for day in days:
            outcome = gate.tool(
                new_id("u"), "book", {"day": day, "hour": 10}, 1, risk="low", read_back="none",
                idempotent=True, ask=Ask("compliance", 300),
            )  # fmt: skip
            request = gate.approvals.request(
                outcome.decision, UseFacts("low", "none", True), shown=f"caller: {day} please",
                now_s=clock.unix_s(), decoy=day in decoys,
            )  # fmt: skip
            request.receipt.result(20)
            offered.put(
                Waiting(
                    request,
                    gate.approvals,
                    TENANT,
                    "healthcare",
                    clock.unix_s,
                    lambda arguments: "hour: 25 is too late" if arguments["hour"] == 25 else "",
                )
            )
            desk.requests[day] = request
        return offered.questions

    with serving(house, questions=questions):
        yield desk


def test_what_waits_is_listed_without_opening_it(house: House) -> None:
    with waiting(house, "monday") as desk:
        [row] = house.json("approvals", "list")["waiting"]
        assert (row["use"], row["role"], row["state"]) == (desk.use("monday"), "compliance", "requested")
        assert 290 < row["left_s"] <= 300
        code, out, _ = house.sayso("approvals", "list")
        assert code == 0
        assert desk.use("monday") in out
        assert "monday" not in out
        assert house.access() == []


def test_showing_it_is_on_record(house: House) -> None:
    with waiting(house, "monday") as desk:
        shown = house.json("approvals", "show", desk.use("monday"), "--as", "Anna Berg")
        assert shown["arguments"] == {"day": "monday", "hour": 10}
        assert shown["shown"] == "caller: monday please"
        code, out, _ = house.sayso("approvals", "show", desk.use("monday"), "--as", "Anna Berg")
        assert code == 0
        assert "book" in out
    assert [(x.what, y.who, y.purpose) for x, y in house.access()] == [
        ("approvals", "Anna Berg", "to decide")
    ] * 2


def test_grant_refuse_edit_take_over_and_too_late(house: House) -> None:
    with waiting(house, "mon", "tue", "wed", "thu") as desk:
        told = house.json("approvals", "grant", desk.use("mon"), "--as", "Anna Berg", "--why", "as agreed")
        assert (told["counts"], told["state"], told["decided"]) == (True, "granted", "granted")
        code, out, _ = house.sayso("approvals", "refuse", desk.use("mon"), "--as", "Ben Oduya")
        assert code == 1
        assert "too late: it is granted already" in out
        code, out, _ = house.sayso("approvals", "refuse", desk.use("tue"), "--as", "Ben Oduya")
        assert (code, out) == (0, "on record: refused\n")
        code, out, _ = house.sayso("approvals", "take-over", desk.use("wed"), "--as", "Ben Oduya")
        assert (code, out) == (0, "on record: taken over\n")
        code, _, err = house.sayso(
            "approvals", "edit", desk.use("thu"), "--set", "hour=25", "--as", "Ben Oduya"
        )
        assert code == 2
        assert "hour: 25 is too late" in err
        edited = house.json("approvals", "edit", desk.use("thu"), "--set", "hour=11", "--as", "Ben Oduya")
        assert edited["becomes"].startswith("u_")
        assert house.json("approvals", "list")["waiting"] == []
    with Reader.open(house.ledger) as reader:
        types = [e.record.type for e in reader.records() if e.record.type.startswith("approval.")]
        [details] = [
            reader.personal(e.record) for e in reader.records() if e.record.type == "approval.edited"
        ]
    assert types == [
        *["approval.requested"] * 4, "approval.granted", "approval.late", "approval.refused",
        "approval.taken_over", "approval.edited",
    ]  # fmt: skip
    assert details is not None
    assert (details.edited, details.who) == ({"day": "thu", "hour": 11}, "Ben Oduya")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["grant", "u_0000000000000000", "--as", "A"], "nothing waits as"),
        (["grant", "nonsense", "--as", "A"], "cannot be asked like this: use"),
        (["edit", "u_0000000000000000", "--set", "day", "--as", "A"], "is not FIELD=VALUE"),
    ],
)
def test_what_cannot_be_decided_is_named(house: House, arguments: list[str], match: str) -> None:
    with waiting(house):
        code, _, err = house.sayso("approvals", *arguments)
        assert code == 2
        assert match in err


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", "u_0"], ["grant", "u_0"], ["decoy", "--role", "r", "--tool", "t", "--shown", "s"]],
)
def test_without_a_server_there_is_a_named_error(house: House, arguments: list[str]) -> None:
    code, _, err = house.sayso("approvals", *arguments)
    assert code == 2
    assert "no server runs" in err


def test_in_production_nobody_decides_without_a_name(house: House) -> None:
    house.environment("staging")
    code, _, err = house.sayso("approvals", "grant", "u_0000000000000000")
    assert code == 2
    assert "say who you are: --as NAME" in err


def test_how_people_decide_with_decoys_opened_on_record(house: House) -> None:
    with waiting(house, "mon", "tue", "wed", "thu", decoys=("wed", "thu")) as desk:
        for day, word, who in (
            ("mon", "grant", "Anna Berg"), ("tue", "grant", "Anna Berg"), ("wed", "grant", "Anna Berg"),
            ("thu", "refuse", "Ben Oduya"), ("mon", "refuse", "Ben Oduya"),
        ):  # fmt: skip
            house.sayso("approvals", word, desk.use(day), "--as", who)
        found = house.json("approvals", "stats", "--as", "Olga Head")
        code, out, _ = house.sayso("approvals", "stats", "--as", "Olga Head")
        assert code == 0
        assert "everybody" in out
        assert "Anna" not in out, "people by their opaque ids"
    everybody, people = found["everybody"], found["people"]
    assert (everybody["decided"], everybody["approval_rate"]) == (2, 1.0)
    assert (everybody["decoys"], everybody["caught"], everybody["late"]) == (2, 1, 1)
    assert sorted((x["decoys"], x["caught"], x["late"]) for x in people.values()) == [(1, 0, 0), (1, 1, 1)]
    assert [(x.what, y.who) for x, y in house.access()] == [("approvals", "Olga Head")] * 2


def test_how_people_decided_is_told_without_a_server(house: House) -> None:
    """A16: `stats` was refused unless a server ran, though all of it is on record."""
    with waiting(house, "mon") as desk:
        house.sayso("approvals", "show", desk.use("mon"), "--as", "Anna Berg")
        house.sayso("approvals", "grant", desk.use("mon"), "--as", "Anna Berg")
    found = house.json("approvals", "stats", "--as", "Olga Head")
    assert found["everybody"]["decided"] == 1
    assert [(x.what, y.who) for x, y in house.access()][-1] == ("approvals", "Olga Head")


def test_a_decoy_is_left_for_a_role(house: House) -> None:
    with waiting(house):
        told = house.json(
            "approvals", "decoy", "--role", "compliance", "--tool", "refund", "--shown", "urgent", "--set",
            "amount=9000", "--as", "Olga Head",
        )  # fmt: skip
        assert told == {"seeded": 1, "role": "compliance"}


def test_values_are_json_or_text() -> None:
    assert pairs(["a=1", "b=true", 'c="1"', "d=tuesday", "e=", "f=x=y"]) == {
        "a": 1, "b": True, "c": "1", "d": "tuesday", "e": "", "f": "x=y",
    }  # fmt: skip
    assert json.dumps(pairs(["g=[1]"])) == '{"g": [1]}'
