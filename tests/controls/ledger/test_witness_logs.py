"""A witness's list of logs: line by line, and read anew when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError, OperatorError
from controls.ledger.witness_logs import KnownLogs, parse_logs
from tests.simulators.witness import LOG, GrowingLog, MemoryState


def test_the_list_of_logs_is_read_line_by_line() -> None:
    one, two, rotated = GrowingLog(), GrowingLog(name="b.example/log"), GrowingLog(key="next")
    text = f"# logs\n\n{one.verifier}\n  {two.verifier}  \n{rotated.verifier}\n{one.verifier}\n"
    assert parse_logs(text, "logs.keys") == {
        LOG: (one.verifier, rotated.verifier), "b.example/log": (two.verifier,),
    }  # fmt: skip
    witness = MemoryState().key.verifier
    with pytest.raises(ConfigurationError) as caught:
        parse_logs(f"{one.verifier}\nnonsense\n{witness}\n", "logs.keys")
    assert [p.line for p in caught.value.problems] == [2, 3]
    with pytest.raises(ConfigurationError, match="names no log"):
        parse_logs("# nothing yet\n", "logs.keys")


def test_the_list_is_read_anew_when_it_changes_and_kept_when_it_breaks(tmp_path: Path) -> None:
    path, log, rotated = tmp_path / "logs.keys", GrowingLog(), GrowingLog(key="next")
    with pytest.raises(OperatorError, match="cannot be read"):
        KnownLogs(path)
    path.write_text(f"{log.verifier}\n")
    known = KnownLogs(path)
    assert list(known.keys_of(LOG)) == [log.verifier]
    assert not known.keys_of("another.example/log")
    path.write_text(f"{log.verifier}\n{rotated.verifier}\n")
    assert list(known.keys_of(LOG)) == [log.verifier, rotated.verifier]
    for broken in ("nonsense, and longer than before, so that its size differs\n" * 9, None):
        path.write_text(broken) if broken else path.unlink()
        assert list(known.keys_of(LOG)) == [log.verifier, rotated.verifier]
    path.write_text(f"{rotated.verifier}\n")
    assert list(known.keys_of(LOG)) == [rotated.verifier]
