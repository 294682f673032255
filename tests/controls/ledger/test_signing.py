"""The signing process over real sockets: what it signs for whom, its limits, its death and its return."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from controls.errors import LedgerError, OperatorError
from controls.ids import new_id
from controls.ledger import signing, signing_wire
from controls.ledger.envelope import (
    STATEMENT_TYPE,
    canonical,
    envelope_of,
    pae,
    statement_of,
    verify_envelope,
)
from controls.ledger.keys import FileKeys, Signer
from controls.ledger.notes import checkpoint_text, key_digest, public_text
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid, OriginOpened
from controls.ledger.signing import MEMORY, SigningServer, SigningService
from controls.ledger.signing_client import ProcessKeys
from controls.ledger.signing_rules import PACKET_TYPE, SignedMemory
from controls.ledger.signing_wire import Answer, Request, frame
from tests.controls.ledger.support import TENANT, closed, faulty, open_log, said

ROOT = Path(__file__).parents[3]
LOG = "o_0000000000000000"


@contextlib.contextmanager
def serving(tmp_path: Path) -> Iterator[ProcessKeys]:
    """The real server on a real socket, in a thread: the process without its process."""
    directory, path = tmp_path / "keys", tmp_path / "signing.sock"
    directory.mkdir(mode=0o700, exist_ok=True)
    with (
        contextlib.closing(SignedMemory(directory / MEMORY)) as memory,
        mock.patch.object(signing, "_LOOK_S", 0.02),
    ):
        server = SigningServer(SigningService(FileKeys(directory), memory), path, clients=[])
        thread = threading.Thread(target=server.serve, args=(None,))
        thread.start()
        try:
            with contextlib.closing(ProcessKeys(path, directory)) as keys:
                yield keys
        finally:
            path.unlink(missing_ok=True)  # it ends when its socket is gone
            thread.join()
            server.close()


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[ProcessKeys]:
    with serving(tmp_path) as found:
        yield found


def leaves(signer: Signer, count: int, *, first: int = 0) -> list[bytes]:
    record, digest = closed("c_0000000000000000", 3), key_digest(signer.verifier.public)
    return [statement_of(record, origin=LOG, key=digest, leaf=first + i) for i in range(count)]


def text(signer: Signer, size: int, root: bytes = bytes(32)) -> bytes:
    return checkpoint_text(signer.verifier.name, size, root)


def test_leaves_and_checkpoints_are_signed_by_a_key_this_process_does_not_have(keys: ProcessKeys) -> None:
    signer = keys.log_signer(LOG, create=True)
    for payload in leaves(signer, 2):
        (signature,) = signer.sign_statements([payload])
        envelope = envelope_of(payload, key_digest(signer.verifier.public), signature)
        assert verify_envelope(envelope, signer.verifier).payload == payload
    assert signer.verifier.holds(text(signer, 2), signer.sign_note(text(signer, 2)))
    assert signer.sign_statements([]) == []
    assert keys.log_signer(LOG, create=False).verifier == signer.verifier


def test_a_thousand_signatures_a_round_trip_and_more_in_several(
    keys: ProcessKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = keys.log_signer(LOG, create=True)
    asked: list[int] = []
    ask = keys.ask

    def count(request: Request, parts: list[bytes]) -> tuple[Answer, list[bytes]]:
        asked.append(len(parts))
        return ask(request, parts)

    monkeypatch.setattr(keys, "ask", count)
    payloads = leaves(signer, 1001)
    found = signer.sign_statements(payloads)
    assert asked == [1000, 1]  # a group commit of 256 is one round trip
    assert all(signer.verifier.holds(pae(p), s) for p, s in zip(payloads[::200], found[::200], strict=True))
    with pytest.raises(OperatorError, match="beyond the limits"):
        ask(Request(op="statements", origin=LOG, key=key_digest(signer.verifier.public)), payloads)


def test_one_bad_statement_refuses_its_whole_request(
    keys: ProcessKeys, capfd: pytest.CaptureFixture[str]
) -> None:
    signer = keys.log_signer(LOG, create=True)
    good, other = leaves(signer, 1)[0], new_id("o")
    digest = key_digest(signer.verifier.public)
    bad = statement_of(closed("c_0000000000000000", 3), origin=other, key=digest, leaf=1)
    for _ in range(3):
        with pytest.raises(OperatorError, match="another log"):
            signer.sign_statements([good, bad])
    assert len(signer.sign_statements([good])) == 1
    # Whoever asked may keep quiet about it: the signing process says it itself, and does not flood.
    assert capfd.readouterr().err == "signing: not signed: it names another log, key or role\n"


def test_a_rewind_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    for again in range(2):
        with serving(tmp_path) as keys:
            signer = keys.log_signer(LOG, create=True)
            if again == 0:
                signer.sign_note(text(signer, 10))
            with pytest.raises(OperatorError, match="rewind"):
                signer.sign_note(text(signer, 9))
            with pytest.raises(OperatorError, match="fork"):
                signer.sign_note(text(signer, 10, b"x" * 32))
            with pytest.raises(OperatorError, match="below a checkpoint"):
                signer.sign_statements(leaves(signer, 1, first=9))
            assert signer.sign_note(text(signer, 10))
            assert signer.sign_statements(leaves(signer, 1, first=10))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_commit_that_failed_is_no_rewind(keys: ProcessKeys, tmp_path: Path, after: bool) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", keys=keys, storage=make, checkpoint_every_s=0.0)
    call = new_id("c")
    for turn in range(3):
        assert log.append(*said(call, turn)).result(60)
        made[0].after = after
        made[0].full()
        failed = [log.append(*said(call, 100 + turn + i)) for i in range(4)]
        assert all(isinstance(future.exception(20), LedgerError) for future in failed)
        made[0].fault = None
    last = log.append(*said(call, 3)).result(60)
    log.close()
    assert log.checkpoint().size > last.leaf


def test_the_next_key_signs_takes_over_and_the_one_before_is_gone(keys: ProcessKeys) -> None:
    first = keys.log_signer(LOG, create=True)
    first.sign_note(text(first, 10))
    following = keys.next_log_signer(LOG)
    assert following.verifier != first.verifier
    assert keys.next_log_signer(LOG).verifier == following.verifier
    assert following.sign_note(text(following, 11))
    keys.promote(LOG)
    assert keys.log_signer(LOG, create=False).verifier == following.verifier
    with pytest.raises(OperatorError, match="does not lie here"):
        first.sign_note(text(first, 12))
    with pytest.raises(OperatorError, match="rewind"):  # what the first key signed binds the next one
        following.sign_note(text(following, 10))
    with pytest.raises(OperatorError, match="is missing"):
        keys.promote(LOG)
    # The key that is gone can still be named: a register that was lost is written anew.
    opened = OriginOpened(
        tenant=TENANT, origin=LOG, key=key_digest(first.verifier.public),
        public=public_text(first.verifier.public),
    )  # fmt: skip
    digest = key_digest(following.verifier.public)
    assert following.sign_statements([statement_of(opened, origin=LOG, key=digest, leaf=11)])
    done = Request(op="promote", origin=LOG, key=digest)
    keys.ask(done)  # its answer was lost, so it is asked again: nothing more happens
    with pytest.raises(OperatorError, match="not the key that was to follow"):
        keys.next_log_signer(LOG)
        keys.ask(Request(op="promote", origin=LOG, key=key_digest(first.verifier.public)))


def test_the_nodes_key_signs_packets_and_no_checkpoint(keys: ProcessKeys) -> None:
    node = keys.node_signer(create=True)
    digest = key_digest(node.verifier.public)
    manifest = canonical({
        "_type": STATEMENT_TYPE, "predicateType": PACKET_TYPE, "subject": [],
        "predicate": {"signer": {"role": "node", "key": digest}},
    })  # fmt: skip
    (signature,) = node.sign_statements([manifest])
    assert node.verifier.holds(pae(manifest), signature)
    with pytest.raises(OperatorError, match="one log at a time"):
        node.sign_note(checkpoint_text("sayso.dev/log/" + LOG, 1, bytes(32)))
    log = keys.log_signer(LOG, create=True)
    with pytest.raises(OperatorError, match="record of ours"):
        log.sign_statements([manifest])
    replacing = keys.next_node_signer().verifier
    keys.promote_node()
    assert keys.node_signer(create=False).verifier == replacing != node.verifier


def test_keys_are_described_and_wrapping_stays_here(keys: ProcessKeys) -> None:
    log = keys.log_signer(LOG, create=True)
    secret = keys.wrapping(create=True).wrap(b"k" * 32, name="c_1")
    assert keys.next_wrapping().unwrap(secret, name="c_1") == b"k" * 32
    assert [(x.role, x.state) for x in keys.describe()] == [
        ("log", "present"), ("wrapping", "present"), ("wrapping", "next"),
    ]  # fmt: skip
    assert keys.describe()[0].vkey == str(log.verifier)
    keys.promote_wrapping()
    assert len(keys.describe()) == 2


@pytest.mark.parametrize("origin", ["../../etc/o", "o_x", "node", f"{LOG}/.."])
def test_no_name_reaches_another_file(keys: ProcessKeys, tmp_path: Path, origin: str) -> None:
    with pytest.raises(OperatorError, match="no key has such a name"):
        keys.log_signer(origin, create=True)
    header = b'{"op":"open","create":true,"origin":"%s"}' % origin.encode()
    assert raw(tmp_path, body(header)) == b""
    assert [p.name for p in (tmp_path / "keys").iterdir() if p.suffix == ".key"] == []


# --- limits ----------------------------------------------------------------------------------------


def raw(tmp_path: Path, sent: bytes) -> bytes:
    """What comes back for these bytes until the server closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(tmp_path / "signing.sock"))
        with contextlib.suppress(OSError):  # it may close before all is sent
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                received += piece
        return received


def body(header: bytes, parts: bytes = b"") -> bytes:
    content = struct.pack(">I", len(header)) + header + parts
    return struct.pack(">I", len(content)) + content


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0",
        struct.pack(">I", 0),
        struct.pack(">I", signing_wire.MAX_FRAME + 1) + b"x" * 100,
        struct.pack(">I", 2**32 - 1),
        frame(Request(op="list"))[:-1],
        body(b"{}"),
        body(b"not json"),
        body(b'{"op":"list","more":1}'),
        body(b'{"op":"sign everything"}'),
        body(b'{"op":"list"}', b"\0"),
        body(b'{"op":"list"}', struct.pack(">I", 5) + b"four"),
        body(b'{"op":"list"}', struct.pack(">I", signing_wire.MAX_PART + 1)),
        body(b'{"op":"list"}', struct.pack(">I", 0) * 1001),
    ],
    ids=range(14),
)
def test_a_malformed_request_ends_its_connection_and_nobody_elses(
    keys: ProcessKeys, tmp_path: Path, sent: bytes
) -> None:
    signer = keys.log_signer(LOG, create=True)
    assert raw(tmp_path, sent) == b""
    assert len(signer.sign_statements(leaves(signer, 3))) == 3


def test_a_request_that_never_ends_is_cut_off(
    keys: ProcessKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_wire, "DEADLINE_S", 0.05)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(tmp_path / "signing.sock"))
        connection.sendall(b"\0\0")
        assert connection.recv(1) == b""


def test_another_user_and_one_client_too_many_are_turned_away(
    keys: ProcessKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "peer_user", lambda connection: os.geteuid() + 1)
    with pytest.raises(LedgerError, match="does not answer"):
        keys.log_signer(LOG, create=True)
    monkeypatch.undo()
    with contextlib.ExitStack() as held:
        for _ in range(signing.CLIENTS):
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(tmp_path / "signing.sock"))
            client.sendall(frame(Request(op="list")))
            assert client.recv(4)  # it is being served
        with pytest.raises(LedgerError, match="does not answer"):
            keys.log_signer(LOG, create=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\0\0\0\1x", frame(Answer(), [b"short"]), frame(Answer()), frame(Answer(), [bytes(64)] * 2),
        body(b'{"vkey": 1}'),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_signing_process_that_answers_nonsense_is_a_ledger_error(tmp_path: Path, answer: bytes) -> None:
    signed = FileKeys(tmp_path / "keys").log_signer(LOG, create=True)

    def serve(listener: socket.socket) -> None:
        for reply in (frame(Answer(vkey=str(signed.verifier))), answer):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(reply)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "signing.sock"))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with contextlib.closing(ProcessKeys(tmp_path / "signing.sock", tmp_path / "keys")) as keys:
            signer = keys.log_signer(LOG, create=False)
            with pytest.raises(LedgerError, match="signing process"):
                signer.sign_note(b"text")
        thread.join()


def test_one_that_is_stuck_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_wire, "DEADLINE_S", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "signing.sock"))
        listener.listen()
        listener.settimeout(20)
        keys = ProcessKeys(tmp_path / "signing.sock", tmp_path / "keys")
        with pytest.raises(LedgerError, match="does not answer"):
            keys.log_signer(LOG, create=True)
        with listener.accept()[0]:
            listener.settimeout(0)
            with pytest.raises(BlockingIOError):  # nobody else called
                listener.accept()


# --- a process --------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(tmp_path: Path, *more: str, path: str = "signing.sock") -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable, "-m", "controls.ledger.signing", "--keys", str(tmp_path / "ledger" / "keys"),
        "--socket", str(tmp_path / path), *more,
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as started:
        assert started.stdout is not None
        started.stdout.readline()  # it is ready, or has ended
        try:
            yield started
        finally:
            started.kill()


def test_kill_9_of_the_signing_process_loses_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    directory, call = tmp_path / "ledger" / "log", new_id("c")
    socket_path = tmp_path / "signing.sock"
    receipted: dict[int, int] = {}
    with contextlib.closing(ProcessKeys(socket_path, tmp_path / "ledger" / "keys")) as keys:
        with process(tmp_path) as first:
            log = open_log(directory, keys=keys, checkpoint_every_s=0.02)
            pending = [log.append(*said(call, turn)) for turn in range(2000)]
            pending[300].result(60)
            first.kill()
            for turn, future in enumerate(pending):
                if future.exception(20) is None:
                    receipted[turn] = future.result().leaf
            refused = log.append(*said(call, 3000)).exception(20)
            assert isinstance(refused, LedgerError)
            assert not log.healthy
            assert log.append_spooled(*said(call, 3500)).spooled  # this needs no signature
        with process(tmp_path):
            assert log.append(*said(call, 4000)).result(60).leaf >= len(receipted)
            assert log.healthy
            signer = keys.log_signer(log.origin, create=False)
            with pytest.raises(
                OperatorError, match="rewind"
            ):  # the new process knows what the old one signed
                signer.sign_note(text(signer, 1))
            log.close()
            assert log.checkpoint().size > len(receipted) > 300
    with Reader.open(tmp_path / "ledger") as reader:
        turns = [x.record.turn for x in reader.records(call) if isinstance(x.record, CallerSaid)]
    assert turns[: len(receipted)] == sorted(receipted)
    assert sorted(turns[len(receipted) :]) == [3500, 4000]


def test_it_is_its_owners_and_gives_up_what_it_does_not_need(tmp_path: Path) -> None:
    with process(tmp_path) as found:
        assert (tmp_path / "signing.sock").stat().st_mode & 0o777 == 0o600
        files = list((tmp_path / "ledger" / "keys").iterdir())
        assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
        if Path("/proc/self/status").exists():
            assert "NoNewPrivs:\t1" in Path(f"/proc/{found.pid}/status").read_text()
            limits = Path(f"/proc/{found.pid}/limits").read_text()
            assert "Max core file size 0 0 bytes" in " ".join(limits.split())
        with process(tmp_path / "more", "--client-uid", "12345"):  # asked of the kernel, not of the mode
            assert (tmp_path / "more" / "signing.sock").stat().st_mode & 0o777 == 0o666
        # A second one on the same keys could sign what the first has refused.
        with process(tmp_path, path="other.sock") as second:
            assert second.wait(20) == 2
            assert b"another signing process" in (second.stderr.read() if second.stderr else b"")


@pytest.mark.parametrize("end", ["input", "parent", "socket", "term", "interrupt"])
def test_it_ends_when_nobody_needs_it(tmp_path: Path, end: str) -> None:
    parent = {"input": ["--parent-pid", str(os.getpid())], "parent": ["--parent-pid", "1"]}.get(end, [])
    ways: dict[str, Callable[[subprocess.Popen[bytes]], object]] = {
        "input": lambda p: p.stdin and p.stdin.close(),
        "parent": lambda p: None,
        "socket": lambda p: (tmp_path / "signing.sock").unlink(),
        "term": lambda p: p.send_signal(signal.SIGTERM),
        "interrupt": lambda p: p.send_signal(signal.SIGINT),
    }
    with process(tmp_path, *parent) as found:
        ways[end](found)
        assert found.wait(20) == 0
        assert not (tmp_path / "signing.sock").exists()


def test_without_a_process_every_method_is_a_ledger_error(tmp_path: Path) -> None:
    keys = ProcessKeys(tmp_path / "signing.sock", tmp_path / "keys")
    for refused in (
        lambda: keys.log_signer(LOG, create=True),
        lambda: keys.promote(LOG),
        lambda: keys.node_signer(create=False),
        keys.describe,
    ):
        with pytest.raises(LedgerError, match="not running"):
            refused()
    keys.close()
    with pytest.raises(LedgerError, match="closed"):
        keys.describe()
