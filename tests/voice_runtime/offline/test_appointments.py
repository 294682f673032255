"""The appointment book: rows change once, whoever asks twice; nobody without the key changes any."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from controls.errors import OperatorError
from controls.ids import new_id
from voice_runtime.agent import Tool
from voice_runtime.offline.appointments import build, main
from voice_runtime.offline.book import Book, Refused
from voice_runtime.offline.book_file import BookFile, load_book
from voice_runtime.think.services import Came, Service, ServiceClient, sign

pytestmark = pytest.mark.anyio

KEY = b"0123456789abcdef"
FILE = Path("configs/books/appointments.yaml")
CLINIC = load_book(FILE)
TEN = {"doctor": "Doctor Patel", "day": "tuesday", "time": "ten"}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "book.db", CLINIC)
    yield book
    book.close()


@pytest.fixture
async def http(book: Book) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(book, KEY))
    async with httpx.AsyncClient(transport=transport, base_url="http://book") as client:
        yield client


def headers(body: bytes, use: str, *, at: float | None = None, key: bytes = KEY) -> dict[str, str]:
    stamp = int(time.time() if at is None else at)
    return {
        "Idempotency-Key": use, "Sayso-Timestamp": str(stamp), "Sayso-Signature": sign(key, stamp, use, body)
    }  # fmt: skip


async def post(
    http: httpx.AsyncClient, operation: str, asked: object, use: str | None = None
) -> tuple[int, Any]:
    body = json.dumps(asked).encode()
    answer = await http.post(f"/tools/{operation}", content=body, headers=headers(body, use or new_id("u")))
    return answer.status_code, answer.json()


def rows(tmp_path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(tmp_path / "book.db") as db:
        found = db.execute("SELECT row, doctor, day, time, cancelled_at IS NULL FROM appointments").fetchall()
    db.close()
    return found


async def test_a_booking_is_a_row_and_takes_its_slot(http: httpx.AsyncClient, tmp_path: Path) -> None:
    assert await post(http, "find_slots", {"doctor": "patel", "day": "Tuesday"}) == (
        200, {"doctor": "Patel", "day": "Tuesday", "slots": ["ten", "half past two"]}
    )  # fmt: skip
    status, booked = await post(http, "book", TEN)
    assert (status, booked) == (200, {"row": 1, "doctor": "Patel", "day": "Tuesday", "time": "ten"})
    assert rows(tmp_path) == [(1, "Patel", "Tuesday", "ten", 1)]
    _, found = await post(http, "find_slots", {"doctor": "patel", "day": "Tuesday"})
    assert found["slots"] == ["half past two"]
    assert await post(http, "book", TEN) == (409, {"reason": "taken"})
    assert await post(http, "cancel", {"row": 1}) == (200, booked)
    assert rows(tmp_path) == [(1, "Patel", "Tuesday", "ten", 0)]
    assert await post(http, "cancel", {"row": 1}) == (404, {"reason": "no_such_appointment"})
    assert (await post(http, "book", TEN))[1]["row"] == 2
    assert (await post(http, "cancel", TEN))[0] == 200


async def test_the_same_key_books_once(http: httpx.AsyncClient, tmp_path: Path) -> None:
    use = new_id("u")
    first = await post(http, "book", TEN, use)
    assert await post(http, "book", TEN, use) == first
    assert len(rows(tmp_path)) == 1
    status, body = await post(http, "book", TEN | {"time": "half past two"}, use)
    assert (status, body["reason"]) == (422, "key_used_for_something_else")
    status, _ = await post(http, "cancel", TEN, use)
    assert status == 422
    refused = new_id("u")
    assert (await post(http, "book", TEN, refused))[0] == 409
    await post(http, "cancel", {"row": 1})
    assert (await post(http, "book", TEN, refused))[0] == 409, "the same key keeps its answer"


async def test_an_operation_can_be_asked_about(http: httpx.AsyncClient) -> None:
    async def about(use: str, signed_for: str | None = None) -> tuple[int, Any]:
        answer = await http.get(f"/operations/{use}", headers=headers(b"", signed_for or use))
        return answer.status_code, answer.json()

    use, late, never = new_id("u"), new_id("u"), new_id("u")
    _, booked = await post(http, "book", TEN, use)
    await post(http, "book", TEN, late)
    assert await about(use) == (200, {"done": True, "result": booked})
    assert await about(late) == (200, {"done": False, "result": {"reason": "taken"}})
    assert await about(never) == (200, {"done": False, "result": None})
    assert (await about(use, signed_for=never))[0] == 401


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("find_slots", {"doctor": "Patel"}),
        ("find_slots", {"doctor": "Smith", "day": "Monday"}),
        ("find_slots", {"doctor": "Patel", "day": "Sunday"}),
        ("find_slots", {"doctor": "Patel", "day": 3}),
        ("find_slots", {"doctor": "Patel", "day": "Monday", "x": 1}),
        ("find_slots", [1]),
        ("book", TEN | {"time": "midnight"}),
        ("book", TEN | {"time": "ten'; DROP TABLE appointments; --"}),
        ("cancel", {}),
        ("cancel", {"row": 0}),
        ("cancel", {"row": "1"}),
        ("cancel", {"row": 1} | TEN),
        ("cancel", {"doctor": "Patel"}),
    ],
)
async def test_nonsense_is_422_and_changes_nothing(
    http: httpx.AsyncClient, tmp_path: Path, operation: str, asked: object
) -> None:
    status, body = await post(http, operation, asked)
    assert status == 422
    assert body["reason"]
    assert rows(tmp_path) == []


async def test_without_a_true_signature_nothing_happens(http: httpx.AsyncClient, tmp_path: Path) -> None:
    body, use = json.dumps(TEN).encode(), new_id("u")
    true = headers(body, use)
    wrong: list[dict[str, str]] = [
        {},
        {k: v for k, v in true.items() if k != "Sayso-Signature"},
        headers(body, use, key=b"another key, 16+"),
        headers(b"{}", use),
        true | {"Idempotency-Key": new_id("u")},
        true | {"Sayso-Timestamp": str(int(true["Sayso-Timestamp"]) + 1)},
        true | {"Sayso-Timestamp": "soon"},
        true | {"Sayso-Signature": true["Sayso-Signature"][:-1]},
        true | {"Sayso-Signature": "v1=\u00e9".encode("latin-1").decode("latin-1")},
        headers(body, use, at=time.time() - 301),
        headers(body, use, at=time.time() + 302),
        headers(body, "x' OR 1=1"),
    ]
    for given in wrong:
        raw = [(k.encode(), v.encode("latin-1")) for k, v in given.items()]
        answer = await http.post("/tools/book", content=body, headers=raw)
        assert answer.status_code == 401, given
    assert rows(tmp_path) == []
    assert (await http.post("/tools/book", content=body, headers=true)).status_code == 200


async def test_too_much_or_unknown_is_refused(http: httpx.AsyncClient) -> None:
    body = b" " * 20_000
    answer = await http.post("/tools/book", content=body, headers=headers(body, new_id("u")))
    assert answer.status_code == 413
    assert (await post(http, "drop", TEN))[0] == 404
    assert (await http.get("/healthz")).json() == {"ok": True}


def test_twenty_at_once_book_one_slot_once(book: Book, tmp_path: Path) -> None:
    body = json.dumps(TEN).encode()
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: book.once(new_id("u"), "book", body)[0], range(20)))
    assert sorted(statuses) == [200] + [409] * 19
    assert len(rows(tmp_path)) == 1


def test_twenty_at_once_with_one_key_get_one_answer(book: Book, tmp_path: Path) -> None:
    body, use = json.dumps(TEN).encode(), new_id("u")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: book.once(use, "book", body), range(20)))
    assert all(answer == (200, answers[0][1]) for answer in answers)
    assert len(rows(tmp_path)) == 1


def test_the_week_is_seeded_once_and_kept(tmp_path: Path) -> None:
    first = Book(tmp_path / "book.db", CLINIC)
    first.once(new_id("u"), "book", json.dumps(TEN).encode())
    first.close()
    again = Book(tmp_path / "book.db", CLINIC)
    for doctor in ("Patel", "Okafor"):
        for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"):
            body = json.dumps({"doctor": doctor, "day": day}).encode()
            assert again.once(new_id("u"), "find_slots", body)[1]["slots"]
    with pytest.raises(Refused):
        again.once(new_id("u"), "book", b"{}")
    assert again.once(new_id("u"), "book", json.dumps(TEN).encode())[0] == 409
    again.close()


SALON: dict[str, Any] = {
    "format": 1, "title": "A salon (fictional)", "slot": ["service", "day", "time"],
    "values": {
        "service": [{"en-US": ["haircut", "cut"], "es-US": ["corte", "corte de pelo"]}, "balayage"],
        "day": [{"en-US": "Monday", "es-US": "lunes"}, {"en-US": "Saturday", "es-US": "sábado"}],
        "time": [{"en-US": "ten", "es-US": "diez"}, {"en-US": "noon", "es-US": "mediodía"}],
    },
    "before": ["a", "un"], "free": [{"service": "haircut"}, {"service": "balayage", "day": "Monday"}],
    "lookups": {
        "find_people": {"among": "people", "by": ["service", "floor"], "gives": "person"},
        "person": {"among": "people", "by": ["person"]},
    },
    "tables": {"people": [
        {"person": "Ines", "service": "haircut", "floor": {"en-US": "first", "es-US": "primer"}},
        {"person": "Bo", "service": "balayage", "floor": {"en-US": "first", "es-US": "primer"}},
    ]},
    "requests": {"leave_note": ["service", "note"]},
}  # fmt: skip


@pytest.fixture
async def salon(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    book = Book(tmp_path / "book.db", BookFile.model_validate(SALON))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build(book, KEY)), base_url="http://book"
    ) as client:
        yield client
    book.close()


async def test_it_answers_in_the_language_it_is_asked_in(salon: httpx.AsyncClient) -> None:
    asked = {"service": "Un corte de pelo", "day": "SABADO"}
    _, free = await post(salon, "find_slots", asked)
    assert free == {"service": "corte", "day": "sábado", "slots": ["diez", "mediodía"]}
    _, booked = await post(salon, "book", asked | {"time": "mediodia"})
    assert booked == {"row": 1, "service": "corte", "day": "sábado", "time": "mediodía"}
    _, free = await post(salon, "find_slots", {"service": "cut", "day": "saturday"})
    assert free == {"service": "haircut", "day": "Saturday", "slots": ["ten"]}, "one book in both languages"
    assert (await post(salon, "cancel", {"service": "cut", "day": "saturday", "time": "noon"}))[0] == 200


async def test_an_appointment_is_moved_in_one_step(salon: httpx.AsyncClient) -> None:
    monday = {"service": "haircut", "day": "Monday", "time": "ten"}
    await post(salon, "book", monday)
    await post(salon, "book", monday | {"time": "noon"})
    assert await post(salon, "move", monday | {"new_time": "noon"}) == (409, {"reason": "taken"})
    status, moved = await post(salon, "move", monday | {"new_day": "Saturday"})
    assert (status, moved) == (200, {"row": 1, "service": "haircut", "day": "Saturday", "time": "ten"})
    assert (await post(salon, "find_slots", {"service": "haircut", "day": "Monday"}))[1]["slots"] == ["ten"]
    assert (await post(salon, "move", monday | {"new_day": "Saturday"}))[0] == 404
    assert (await post(salon, "move", monday))[1] == {"reason": "nothing_new"}
    saturday = monday | {"day": "Saturday"}
    assert (await post(salon, "move", saturday | {"new_service": "balayage"}))[1] == {
        "reason": "no_such_time"
    }
    assert (await post(salon, "book", {"service": "balayage", "day": "Saturday", "time": "ten"}))[1] == {
        "reason": "no_such_time"
    }


async def test_tables_are_looked_up_by_some_of_their_fields(salon: httpx.AsyncClient) -> None:
    assert (await post(salon, "find_people", {"floor": "First"}))[1]["found"] == ["Ines", "Bo"]
    assert (await post(salon, "find_people", {"floor": "first", "service": "corte"}))[1] == {
        "floor": "first", "service": "corte", "found": ["Ines"]
    }  # fmt: skip
    assert (await post(salon, "find_people", {"floor": "second"}))[1]["found"] == []
    assert (await post(salon, "person", {"person": "bo"}))[1] == {
        "person": "Bo", "service": "balayage", "floor": "first"
    }  # fmt: skip
    assert await post(salon, "person", {"person": "Cy"}) == (404, {"reason": "not_found"})
    assert (await post(salon, "find_people", {"person": "Bo"}))[0] == 422
    assert (await post(salon, "find_people", {}))[0] == 422


async def test_a_request_is_noted_once_for_people(salon: httpx.AsyncClient, tmp_path: Path) -> None:
    use, asked = new_id("u"), {"service": "corte", "note": "please call"}
    assert await post(salon, "leave_note", asked, use) == (200, {"row": 1, **asked})
    assert await post(salon, "leave_note", asked, use) == (200, {"row": 1, **asked})
    shave = {"service": "shave", "note": "x"}
    assert (await post(salon, "leave_note", shave))[1] == {"reason": "no_such_service"}
    assert (await post(salon, "leave_note", {"note": "x"}))[0] == 422
    assert (await post(salon, "leave_note", asked | {"note": "x" * 81}))[0] == 422
    with sqlite3.connect(tmp_path / "book.db") as db:
        found = db.execute("SELECT operation, asked FROM requests").fetchall()
    db.close()
    assert [(operation, json.loads(noted)) for operation, noted in found] == [("leave_note", asked)]


def test_a_book_or_key_that_cannot_be_used_is_an_operators_error(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no.db").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(OperatorError):
        Book(tmp_path / "no.db", CLINIC)
    with pytest.raises(OperatorError, match="16"):
        build(book, b"short")
    monkeypatch.delenv("SAYSO_APPOINTMENTS_KEY", raising=False)
    book_file = ["--book", str(FILE)]
    assert main(["--db", str(tmp_path / "other.db"), *book_file]) == 2
    assert main(["--db", str(tmp_path / "nowhere" / "other.db"), *book_file, "--key", KEY.decode()]) == 2
    assert main(["--db", str(tmp_path / "nobodys.db"), "--key", KEY.decode()]) == 2, "no book of that name"


def appointment_tool(url: str, operation: str, timeout_s: float = 30.0) -> Tool:
    return Tool(
        name=operation, does="", risk="low", service="appointments", operation=operation, method="POST",
        url=f"{url}/tools/{operation}", timeout_s=timeout_s, parameters={},
    )  # fmt: skip


async def test_the_runtimes_client_and_the_service_agree(tmp_path: Path) -> None:
    """In its own process, over a socket; and a use whose answer was lost is found by its key."""
    command = [
        sys.executable, "-m", "voice_runtime.offline.appointments", "--db", str(tmp_path / "book.db"),
        "--book", str(FILE),
    ]  # fmt: skip
    environment = os.environ | {"SAYSO_APPOINTMENTS_KEY": KEY.decode()}
    process = await asyncio.to_thread(
        subprocess.Popen, command, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        url = json.loads(await asyncio.to_thread(process.stdout.readline))["address"]
        client = ServiceClient({"appointments": Service("appointments", KEY)})
        use = new_id("u")
        booked = await client.call(appointment_tool(url, "book"), TEN, use)
        assert (booked.came, booked.status) == (Came.DONE, 200)
        assert (await client.call(appointment_tool(url, "book"), TEN, new_id("u"))).came is Came.REFUSED
        asked = await client.reconcile(appointment_tool(url, "book"), use)
        assert (asked.state, asked.result) == ("done", booked.body)
        assert (await client.reconcile(appointment_tool(url, "book"), new_id("u"))).state == "not_done"
        await client.aclose()
        stranger = ServiceClient({"appointments": Service("appointments", b"another key, 16+")})
        assert (await stranger.call(appointment_tool(url, "book"), TEN, new_id("u"))).status == 401
        await stranger.aclose()
    finally:
        process.terminate()
        process.stdout.close()
        await asyncio.to_thread(process.wait, 60)
    assert len(rows(tmp_path)) == 1
