"""`sayso opt-outs`: a mistaken opt-out can be found and lifted, and nothing of that goes unrecorded."""

from __future__ import annotations

import pytest

from controls.ledger import records as r
from controls.ledger.reader import Reader
from tests.controls.evidence.counted import whole
from tests.voice_runtime.cli.records_house import House, serving
from voice_runtime.store.opt_outs import OptOutBook

NUMBER = "+12025550123"


@pytest.fixture
def book(house: House) -> OptOutBook:
    script = whole()
    house.fill(script)
    book = OptOutBook(house.data_dir)
    book.remember("clinic", NUMBER, script.call)
    book.remember("salon", "+12025550124")
    return book


def lifted(house: House) -> list[r.LiftedDetails]:
    with Reader.open(house.ledger) as reader:
        found = [e.record for e in reader.records() if isinstance(e.record, r.OptOutLifted)]
        return [reader.personal(record) for record in found]  # type: ignore[misc]


def test_the_list_says_when_and_in_which_call_and_no_number(house: House, book: OptOutBook) -> None:
    found = house.json("opt-outs", "list", "--tenant", "clinic")["opt_outs"]
    assert [(x["tenant"], x["call"][:2], x["at_s"] > 0) for x in found] == [("clinic", "c_", True)]
    assert len(house.json("opt-outs", "list")["opt_outs"]) == 2
    code, out, _ = house.sayso("opt-outs", "list")
    assert code == 0
    assert found[0]["id"] in out
    assert NUMBER[2:] not in out


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("by", ["number", "id"])
def test_lifting_is_on_record_and_done(house: House, book: OptOutBook, by: str, served: bool) -> None:
    [entry] = house.json("opt-outs", "list", "--tenant", "clinic")["opt_outs"]
    whose = ["--number", "+1 202 555 0123"] if by == "number" else [entry["id"]]
    asked = ("opt-outs", "lift", "--tenant", "clinic", *whose, "--as", "r.okafor", "--why", "meant a list")
    if served:
        with serving(house):
            told = house.json(*asked)
    else:
        told = house.json(*asked)
    assert told["id"] == entry["id"]
    assert not book.known("clinic", NUMBER)
    assert book.known("salon", "+12025550124")
    [details] = lifted(house)
    assert details == r.LiftedDetails(
        who="r.okafor", why="meant a list", entry=entry["id"], call=entry["call"]
    )


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--number", "+12025550199", "--why", "x"], "no such opt-out"),
        (["0123456789abcdef", "--why", "x"], "no such opt-out"),
        (["--number", NUMBER], "say why"),
        (["--why", "x"], "say whose"),
        (["0123456789abcdef", "--number", NUMBER, "--why", "x"], "say whose"),
    ],
)
def test_what_is_not_clear_is_refused_and_nothing_lifted(
    house: House, book: OptOutBook, args: list[str], told: str
) -> None:
    code, _, err = house.sayso("opt-outs", "lift", "--tenant", "clinic", *args)
    assert code == 2
    assert told in err
    assert book.known("clinic", NUMBER)
    assert lifted(house) == []
