"""`sayso witness`: the key for others' files, and conflicts with their exit code."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from controls.ledger.notes import COSIGNER, VerifierKey, parse_checkpoint
from controls.ledger.trust import Trust
from controls.ledger.witness import Refused, Witness
from controls.ledger.witness_client import WitnessAddress
from controls.ledger.witness_state import WitnessState
from tests.simulators.witness import LOG, GrowingLog
from voice_runtime.cli.app import run


@pytest.mark.parametrize("command", ["serve", "key", "conflicts"])
def test_each_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["witness", command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Example: sayso witness {command} --state" in out
    assert "--state" in out


def test_the_key_is_made_once_and_told_in_the_forms_others_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(tmp_path / "w")]
    assert run(["witness", "key", *state, "--name", "witness.example/w1", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    key = VerifierKey.parse(made["key"])
    assert (key.kind, key.name, made["name"]) == (COSIGNER, "witness.example/w1", "witness.example/w1")
    assert run(["witness", "key", *state]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == str(key)
    policy = f"  witness witness.example/w1 {key}\n  quorum witness.example/w1\n"
    assert policy in out
    for text in (str(key), policy):
        (tmp_path / "trust").write_text(text)
        assert list(Trust.read(tmp_path / "trust").witnesses.values()) == [key]
    assert f"        key: {key}\n" in out
    assert WitnessAddress.parse("https://w.example", out.splitlines()[0]).key == key
    assert run(["witness", "key", *state, "--name", "another.example"]) == 2
    assert "belongs to witness.example/w1" in capsys.readouterr().err


def test_the_private_key_is_never_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["witness", "key", "--state", str(tmp_path / "w")]) == 0
    out = capsys.readouterr().out
    secret = (tmp_path / "w" / "witness.key").read_text().strip().split("+", 4)[4]
    assert len(secret) == 44
    assert secret not in out
    assert "PRIVATE" not in out


def test_a_taken_port_is_said_and_the_state_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs.keys").write_text(f"{GrowingLog().verifier}\n")
    where = ["--state", str(tmp_path / "w"), "--logs", str(tmp_path / "logs.keys")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["witness", "serve", *where, "--port", str(taken.getsockname()[1])]) == 2
    assert "try --port 0" in capsys.readouterr().err
    WitnessState(tmp_path / "w").close()


def test_conflicts_are_listed_with_both_notes_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["witness", "conflicts", "--state", str(tmp_path / "w")]
    assert run(where) == 2  # nobody's state yet
    capsys.readouterr()
    log = GrowingLog(7)
    state = WitnessState(tmp_path / "w")
    witness = Witness(state, lambda _: [log.verifier], unix_s=lambda: 1_900_000_000.0)
    witness.add_checkpoint(log.request(0))
    assert run(where) == 0  # also while it serves
    assert capsys.readouterr().out == "no conflicts\n"
    other = log.fork(3, "other")
    for request in (other.request(7), GrowingLog(4).request(4)):
        with pytest.raises(Refused):
            witness.add_checkpoint(request)
    state.close()

    assert run(where) == 1
    out = capsys.readouterr().out
    assert [line.split()[:4] for line in out.splitlines()[1:]] == [
        [LOG, "fork", "7", "7"],
        [LOG, "rewind", "7", "4"],
    ]
    assert "2030-03-17 17:46:40 UTC" in out
    assert [line.rstrip().endswith("yes") for line in out.splitlines()[1:]] == [True, False]

    assert run([*where, "--json"]) == 1
    fork, rewind = json.loads(capsys.readouterr().out)["conflicts"]
    assert (fork["proves"], rewind["proves"]) == (True, False)
    assert fork["contradicting"].encode() == other.checkpoint().note
    assert parse_checkpoint(fork["cosigned"].encode()).root == log.checkpoint().root
