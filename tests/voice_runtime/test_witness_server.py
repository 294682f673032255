"""The witness as a process of its own: every status over a real socket, limits, kill -9, a log's life."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from controls.errors import IntegrityError, LedgerError
from controls.ledger.cosign import Cosigner
from controls.ledger.log import Log
from controls.ledger.notes import Checkpoint, VerifierKey, cosigned_at, parse_checkpoint, with_signatures
from controls.ledger.witness import MAX_BODY, Witness
from controls.ledger.witness_client import WitnessAddress
from controls.ledger.witness_state import WitnessState, origin_hash, read_conflicts
from tests.controls.ledger.support import open_log, small_call
from tests.simulators.witness import GrowingLog, Listed
from voice_runtime.cli.app import run
from voice_runtime.witness_server import build_witness_server

ROOT = Path(__file__).parents[2]
LONG = 60.0


@dataclass
class Running:
    """A witness's process."""

    process: subprocess.Popen[str]
    url: str
    key: VerifierKey

    @property
    def address(self) -> WitnessAddress:
        return WitnessAddress(self.url, self.key)

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=LONG)

    def ask(self, body: bytes, *, method: str = "POST", path: str = "/add-checkpoint", **headers: str):
        """Status, content type and body of one request."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()


@contextmanager
def running(state: Path, *listed: Any) -> Iterator[Running]:
    logs = state.with_suffix(".keys")
    if listed:
        logs.write_text("".join(f"{log.verifier}\n" for log in listed))
    command = [sys.executable, "-m", "tests.voice_runtime.witness_process", str(state), str(logs)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield Running(process, ready["address"], VerifierKey.parse(ready["key"]))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def log() -> GrowingLog:
    return GrowingLog(7)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory, log: GrowingLog) -> Iterator[Running]:
    """One that has cosigned the log's seven leaves."""
    with running(tmp_path_factory.mktemp("witness") / "w", log) as found:
        status, kind, line = found.ask(log.request(0))
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        assert cosigned_at(with_signatures(log.checkpoint(), line), found.key)
        yield found


# --- every status ------------------------------------------------------------------------------------


def test_the_same_checkpoint_is_cosigned_again(witness: Running, log: GrowingLog) -> None:
    status, _, line = witness.ask(log.request(7))
    assert status == 200
    assert cosigned_at(with_signatures(log.checkpoint(), line), witness.key)


def test_another_old_size_is_told_as_the_specification_says(witness: Running, log: GrowingLog) -> None:
    assert witness.ask(log.request(3)) == (409, "text/x.tlog.size", b"7\n")


def test_refusals_have_their_status(witness: Running, log: GrowingLog) -> None:
    longer = log.fork(7, "leaf")
    longer.grow(3)
    assert witness.ask(b"nonsense")[0] == 400
    assert witness.ask(log.request(8))[0] == 400
    assert witness.ask(GrowingLog(7, key="somebody else's").request(7))[0] == 403
    assert witness.ask(GrowingLog(7, name="another.example/log").request(0))[0] == 404
    assert witness.ask(log.fork(2, "other").request(7))[0] == 422
    assert witness.ask(longer.request(7, proof=[bytes(32)]))[0] == 422


def test_nothing_else_is_served(witness: Running, log: GrowingLog) -> None:
    assert witness.ask(b"", method="GET", path="/healthz")[0] == 200
    assert witness.ask(b"", method="GET")[0] == 405
    for path in ("/", "/docs", "/openapi.json", "/metrics", f"/{origin_hash(log.name)}/checkpoint"):
        assert witness.ask(b"", method="GET", path=path)[0] == 404
    assert witness.ask(log.request(7), path="/sign-subtree")[0] == 404


def test_a_connection_can_be_kept(witness: Running, log: GrowingLog) -> None:
    connection = witness.connect()
    for _ in range(3):
        connection.request("POST", "/add-checkpoint", log.request(7))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read()
    connection.close()


def test_a_body_larger_than_any_request_is_refused_unread(witness: Running) -> None:
    for length in (MAX_BODY + 1, 1 << 80):
        connection = witness.connect()
        connection.putrequest("POST", "/add-checkpoint")
        connection.putheader("Content-Length", str(length))
        connection.endheaders()  # not a byte of it is sent
        assert connection.getresponse().status in (400, 413)
        connection.close()
    connection = witness.connect()
    chunks = (b"x" * 1000 for _ in range(MAX_BODY // 1000 + 1))
    connection.request("POST", "/add-checkpoint", chunks, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert witness.ask(b"x" * MAX_BODY)[0] == 400


# --- limits and faults, in this process --------------------------------------------------------------


async def answered(witness: Any, messages: list[dict[str, Any]], **options: float) -> tuple[int, bytes]:
    """Call the application as a server does; after ``messages`` the client stays silent."""
    import anyio

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/add-checkpoint", "headers": [], "query_string": b"",
        "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip
    await build_witness_server(witness, **options)(scope, receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent)


@pytest.mark.anyio
async def test_a_client_that_stops_in_mid_request_is_let_go() -> None:
    first = {"type": "http.request", "body": b"old 0", "more_body": True}
    status, _ = await answered(None, [first], body_s=0.01)
    assert status == 408


@pytest.mark.anyio
@pytest.mark.parametrize("error", [LedgerError("w: No space left on device"), IntegrityError("w: cut")])
async def test_a_state_that_fails_is_a_503_that_tells_nothing(error: Exception) -> None:
    class Failing(Witness):
        def __init__(self) -> None:
            pass

        def add_checkpoint(self, body: bytes) -> bytes:
            raise error

    status, body = await answered(Failing(), [{"type": "http.request", "body": b"x", "more_body": False}])
    assert (status, body) == (503, b"this witness cannot cosign now\n")


# --- processes ---------------------------------------------------------------------------------------


def test_kill_9_around_the_write_costs_an_answer_and_no_history(tmp_path: Path) -> None:
    state, log = tmp_path / "w", GrowingLog(5)

    def cosign(witness: Running) -> tuple[Checkpoint | None, str]:
        made = Cosigner(log, [witness.address], 3600.0, prove=log.prove, timeout_s=LONG)
        made.start()
        found = made.ask_now(LONG)
        made.close()
        return found, made.standings[0].state

    with running(state, log) as witness:
        assert witness.ask(log.request(0))[0] == 200
        (state / "die").write_text("before")
        log.grow(4)
        assert cosign(witness) == (None, "unreachable")
        assert witness.process.wait(LONG) == -signal.SIGKILL
    (state / "die").unlink()
    with running(state) as witness:  # what was not stored was never cosigned
        assert witness.ask(log.request(0)) == (409, "text/x.tlog.size", b"5\n")
        (state / "die").write_text("after")
        assert cosign(witness) == (None, "unreachable")
        assert witness.process.wait(LONG) == -signal.SIGKILL
    (state / "die").unlink()
    with running(state) as witness:  # what it had stored it stands by, although nobody was told
        other = log.fork(3, "other")
        assert witness.ask(other.request(0)) == (409, "text/x.tlog.size", b"9\n")
        assert witness.ask(other.request(9))[0] == 422
        found, reached = cosign(witness)
        assert found is not None
        assert (found.size, reached) == (9, "ok")
    assert [c.kind for c in read_conflicts(state)] == ["fork"]


def test_one_witness_serves_a_state_and_stops_in_order_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--state", str(tmp_path / "w"), "--logs", str(tmp_path / "w.keys")]
    with running(tmp_path / "w", GrowingLog(1)) as witness:
        assert run(["witness", "serve", *where, "--port", "0"]) == 2
        out, err = capsys.readouterr()
        assert (out, "in use by another witness" in err) == ("", True)
        witness.process.send_signal(signal.SIGTERM)
        assert witness.process.wait(LONG) == 0
    WitnessState(tmp_path / "w").close()


# --- a log's life ------------------------------------------------------------------------------------


def grow(log: Log, count: int = 1) -> None:
    for _ in range(count):
        for item in small_call():
            log.append(*item).result(LONG)


def test_a_log_grows_rotates_and_is_forked_under_a_witness_in_its_own_process(tmp_path: Path) -> None:
    log = open_log(tmp_path / "o_0000000000000000", checkpoint_every_s=0.01)
    state, listed = tmp_path / "w", tmp_path / "w.keys"
    try:
        with running(state, Listed(log.verifier)) as witness:
            made = Cosigner(log, [witness.address], 0.05, timeout_s=LONG)
            made.start()
            for _ in range(3):
                grow(log, 3)
                found = made.ask_now(LONG)
                assert found is not None
                assert cosigned_at(found, witness.key)
            following = log.rotate()
            with listed.open("a") as file:
                file.write(f"{following}\n")  # the running witness takes it up by itself
            grow(log, 3)
            found = made.ask_now(LONG)
            assert found is not None
            assert made.standings[0].state == "ok"
            made.close()
            path = state / "logs" / origin_hash(following.name) / "checkpoint"
            latest = parse_checkpoint(path.read_bytes())
            assert latest.size >= found.size
            assert not read_conflicts(state)
            witness.process.send_signal(signal.SIGINT)
            assert witness.process.wait(LONG) == 0
    finally:
        log.close()
