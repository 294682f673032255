"""One question to a witness: wrong, oversized, silent and dribbling answers cost that witness's line only."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from controls.errors import OperatorError
from controls.ledger import cosign, witness_client
from controls.ledger.notes import Checkpoint, cosigned_at, parse_note, signature_line
from controls.ledger.witness_client import MAX_ANSWER, WitnessAddress
from tests.controls.ledger.witnessing import LONG, Logged, cosigner, states
from tests.simulators.witness import GrowingLog, MemoryState, Reply, WitnessHouse


@pytest.fixture
def logged() -> Iterator[Logged]:
    with Logged.listening() as found:
        yield found


@pytest.fixture
def house() -> Iterator[WitnessHouse]:
    made = WitnessHouse(GrowingLog())
    yield made
    made.close()


BAD = (1_900_000_000).to_bytes(8, "big") + bytes(64)


def by(state: MemoryState, log: GrowingLog, at: int) -> bytes:
    return state.key.cosign(parse_note(log.checkpoint().note)[0], at)


WRONG: list[tuple[str, Callable[[WitnessHouse, GrowingLog], Reply]]] = [
    ("refused", lambda h, log: (200, b"", {})),
    ("refused", lambda h, log: (200, b"nonsense\n", {})),
    ("refused", lambda h, log: (200, signature_line(h.address.key, BAD), {})),
    ("refused", lambda h, log: (200, h.state.key.cosign(b"another text\n1\n", 5), {})),
    ("refused", lambda h, log: (200, by(h.state, log, 0), {})),
    ("refused", lambda h, log: (200, by(MemoryState("x.example/y"), log, 5), {})),
    ("refused", lambda h, log: (409, b"", {})),
    ("refused", lambda h, log: (409, b"nonsense\n", {})),
    ("refused", lambda h, log: (409, b"2\n", {})),  # again and again
    ("refused", lambda h, log: (400, b"", {})),
    ("refused", lambda h, log: (403, b"", {})),
    ("refused", lambda h, log: (404, b"", {})),
    ("refused", lambda h, log: (302, b"", {"Location": h.url + "/elsewhere"})),
    ("unreachable", lambda h, log: (503, b"", {})),
    ("unreachable", lambda h, log: (200, b"x" * (MAX_ANSWER + 1), {})),
    ("unreachable", lambda h, log: (200, b"cut", {"Content-Length": "9"})),
]  # fmt: skip


@pytest.mark.parametrize(("state", "reply"), WRONG)
def test_a_wrong_answer_is_not_used_and_told_once(
    house: WitnessHouse, logged: Logged, state: str, reply: Callable[[WitnessHouse, GrowingLog], Reply]
) -> None:
    log = GrowingLog(5)
    house.answer = lambda _: reply(house, log)
    with cosigner(log, house.address) as made:
        for _ in range(3):
            assert made.ask_now(LONG) is None
        assert states(made) == [state]
        assert made.standings[0].failures >= 3
        house.answer = None
        assert made.ask_now(LONG) is not None
        assert states(made) == ["ok"]
    assert len(logged.at("WARNING")) == 1
    assert state in logged.at("WARNING")[0]
    assert len(logged.at("INFO")) == 1
    assert not logged.at("ERROR")
    assert len(log.stored) == 1


def test_a_question_that_was_answered_is_over(house: WitnessHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread may take a while to end behind its answer: the witness is asked again all the same."""

    class Answers(queue.SimpleQueue[object]):
        def put(self, item: object, *args: object, **kwargs: object) -> None:
            super().put(item)
            threading.Event().wait(0.05)

    monkeypatch.setattr(cosign.queue, "SimpleQueue", Answers)
    log = GrowingLog(5)
    house.answer = lambda _: (503, b"", {})
    with cosigner(log, house.address) as made:
        made.ask_now(LONG)
        house.answer = None
        assert made.ask_now(LONG) is not None


def test_nobody_at_the_address_is_unreachable(logged: Logged) -> None:
    log = GrowingLog(5)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = WitnessAddress(f"http://127.0.0.1:{port}", MemoryState().key.verifier)
    with cosigner(log, address) as made:
        assert made.ask_now(LONG) is None
        assert made.ask_now(LONG) is None
        assert states(made) == ["unreachable"]
    assert len(logged.lines) == 1


def test_one_silent_witness_does_not_keep_the_others_cosignature_back(house: WitnessHouse) -> None:
    log, silent = GrowingLog(5), WitnessHouse(GrowingLog(), name="silent.example/w")
    silent.answer = lambda _: None
    stored = threading.Event()
    keep = log.add_cosigned

    def add_cosigned(checkpoint: Checkpoint):
        stored.set()
        return keep(checkpoint)

    log.add_cosigned = add_cosigned  # type: ignore[method-assign]
    try:
        with cosigner(log, silent.address, house.address):  # whose patience is LONG
            assert stored.wait(LONG / 2)
    finally:
        silent.close()
    assert cosigned_at(log.stored[0], house.address.key)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-More: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_witness_that_dribbles_is_given_up_after_a_bound(house: WitnessHouse, head: bytes) -> None:
    """A byte now and then resets every timeout of a socket; the whole question has a bound too."""
    stop = threading.Event()

    def dribble(server: socket.socket) -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(head)
                    while not stop.wait(0.02):
                        connection.sendall(head or b"H")
                except OSError:
                    pass

    log = GrowingLog(5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=dribble, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        slow = WitnessAddress(url, MemoryState("slow.example/w").key.verifier)
        with cosigner(log, slow, house.address, timeout_s=1.0) as made:
            found = made.ask_now(LONG)
            assert found is not None
            assert states(made) == ["unreachable", "ok"]
            for question in [t for t in threading.enumerate() if t.name == "ask slow.example/w"]:
                question.join(LONG)  # its connection was cut, so it ends by itself
                assert not question.is_alive()
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_closing_gives_up_a_question_under_way() -> None:
    silent, asked = WitnessHouse(GrowingLog()), threading.Event()

    def answer(_: bytes) -> None:
        asked.set()

    silent.answer = answer
    with cosigner(GrowingLog(5), silent.address) as made:
        assert asked.wait(LONG)
        made.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("ask ")]
        made.close()
        assert made.ask_now(LONG) is None
    silent.close()


# --- addresses ---------------------------------------------------------------------------------------


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate of its own for 127.0.0.1, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "witness.example")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


def test_over_https_only_a_certificate_that_holds_is_believed(
    tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, trusting = certificate(tmp_path)
    log, house = GrowingLog(5), WitnessHouse(GrowingLog(), tls=server)
    try:
        with cosigner(log, house.address) as made:
            assert made.ask_now(LONG) is None
            assert states(made) == ["unreachable"]
            assert logged.at("WARNING")[0].endswith("unreachable: its certificate does not hold")
            assert not house.requests
            monkeypatch.setattr(witness_client, "_tls", lambda: trusting)
            assert made.ask_now(LONG) is not None
    finally:
        house.close()


def test_a_question_over_https_can_be_given_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, trusting = certificate(tmp_path)
    monkeypatch.setattr(witness_client, "_tls", lambda: trusting)
    silent, asked = WitnessHouse(GrowingLog(), tls=server), threading.Event()
    silent.answer = lambda _: asked.set()
    with cosigner(GrowingLog(5), silent.address):
        assert asked.wait(LONG)
    silent.close()


@pytest.mark.parametrize(
    "url",
    ["ftp://w.example", "https://", "https://w.example/?a=b", "https://u:p@w.example/", "https://w:99999"],
)
def test_an_address_that_cannot_be_one_is_the_operators_fault(url: str) -> None:
    with pytest.raises(OperatorError, match="url is not of the form"):
        WitnessAddress.parse(url, str(MemoryState().key.verifier))


def test_only_a_witnesss_key_makes_an_address() -> None:
    key = MemoryState().key.verifier
    assert WitnessAddress.parse("https://w.example/prefix", str(key)).key == key
    with pytest.raises(OperatorError, match="this is a log's key"):
        WitnessAddress.parse("https://w.example", str(GrowingLog().verifier))
    with pytest.raises(OperatorError, match=r"witness w\.example: not an Ed25519 verifier key"):
        WitnessAddress.parse("https://w.example", "nonsense")
