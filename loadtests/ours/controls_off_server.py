"""Our runtime WITHOUT its controls, for measurement only: what do rules and record cost?

``python -m loadtests.ours.controls_off_server PROFILE NOTES`` serves on loopback what
``sayso serve`` would, but for two things: every clause and tool use is cleared
unseen, and records go nowhere (their receipts complete at once; nothing is sealed,
signed or written). Everything else is the product's: the gate still mints the tokens
without which nothing is spoken, so no stage runs another way. No setting of the product
leads here; only demo and development profiles are served. ``NOTES`` gets each
call's turns once it is over (``loadtests.ours.controls_off``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import queue
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import uvloop

from controls.decision import Decision, PendingReceipt, Proposal, Receipt, RuleVerdict, Verdict
from controls.errors import OperatorError, SayError
from controls.evidence.turns import Opened
from controls.ledger import records as r
from controls.rules.engine import Rules
from loadtests.ours.controls_off import Note
from loadtests.ours.evidence_join import server_turns
from voice_runtime import serving
from voice_runtime.agent import Release
from voice_runtime.app import App
from voice_runtime.house import Agent
from voice_runtime.settings import Settings, load_settings
from voice_runtime.telemetry import CountingRecorder, configure_logging

WARNING = "controls are OFF: nothing is judged, nothing is on record; for measurement only"
_HOST = "127.0.0.1"
_MAY = (r.Environment.DEMO, r.Environment.DEVELOPMENT)


class NoRules(Rules):
    """Clears whatever is proposed, in the languages and with the phrases of the rules it replaces."""

    def __init__(self, replaced: Rules) -> None:
        super().__init__(())
        self.languages, self.phrases = replaced.languages, replaced.phrases

    def evaluate(self, proposal: Proposal, before: object = None, answers: object = None) -> Decision:
        """Allowed, unseen."""
        return _allowed(proposal)

    def caller(self, proposal: Proposal) -> Decision:
        """Allowed, unseen."""
        return _allowed(proposal)

    def emergency(self, text: str, language: str) -> RuleVerdict | None:
        """None is looked for."""
        return None


_ALLOWED = (RuleVerdict("loadtest/controls-off", Verdict.ALLOW, (), 0, "controls are off"),)


def _allowed(proposal: Proposal) -> Decision:
    return Decision(proposal, Verdict.ALLOW, _ALLOWED, 0, proposal.text)


class NoRecord:
    """A ``controls.decision.Recorder`` whose receipts are there at once, and which keeps nothing.

    Until a call is over its records are held in memory; then its turns are noted, in a thread.
    """

    def __init__(self, notes: Path) -> None:
        self._open: dict[str, list[Opened]] = {}
        self._over: queue.SimpleQueue[list[Opened] | None] = queue.SimpleQueue()
        self._notes = notes
        self._thread = threading.Thread(target=self._note, name="notes")

    def start(self) -> None:
        """Begin to take records."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left."""
        self._over.put(None)
        self._thread.join()

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        """Receipt at once."""
        if isinstance(record, r.CallRecord):
            records = self._open.setdefault(record.call, [])
            records.append((len(records), record, personal))
            if isinstance(record, r.CallClosed):
                self._over.put(self._open.pop(record.call))
        future: Future[Receipt] = Future()
        future.set_result(Receipt("controls-off", 0, record.type, time.monotonic_ns()))
        return future

    def _note(self) -> None:
        with self._notes.open("w", encoding="utf-8") as file:
            while (records := self._over.get()) is not None:
                file.write(_noted(records).model_dump_json() + "\n")
                file.flush()


def _noted(records: list[Opened]) -> Note:
    details = next((p for _, _, p in records if isinstance(p, r.CallDetails)), None)
    call = next(record.call for _, record, _ in records if isinstance(record, r.CallRecord))
    sid = (details.carrier_call if details is not None else "") or call
    return Note(call_sid=sid, turns=server_turns(records))


class ControlsOff(App):
    """The house with nothing in the place of its rules and of its record."""

    #: Where it notes turns; set by ``main`` before it is made.
    notes: Path

    def __init__(self, settings: Settings, *, embedded_dir: Path | None = None) -> None:
        super().__init__(settings, embedded_dir=embedded_dir)
        self._record = NoRecord(self.notes)

    async def _start_engines(self, releases: dict[str, Release]) -> None:
        await super()._start_engines(releases)
        assert self.house is not None  # made just now
        self._record.start()
        self._stack.callback(self._record.close)
        recorder = CountingRecorder(self._record, self.telemetry)
        self.house = dataclasses.replace(self.house, recorder=recorder, spool=None)
        self.agents = _unruled(self.agents)


def _unruled(agents: Mapping[str, Agent]) -> dict[str, Agent]:
    return {name: dataclasses.replace(agent, rules=NoRules(agent.rules)) for name, agent in agents.items()}


def settings_of(profile: Path) -> Settings:
    """A profile's settings, if its calls are nobody's.

    Raises:
        OperatorError: its environment takes real calls.
        ConfigurationError: the profile is broken.
    """
    settings = load_settings(profile)
    if settings.environment not in _MAY:
        raise OperatorError("a server without controls takes no real calls: set environment: demo")
    return settings


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.ours.controls_off_server", description=__doc__)
    parser.add_argument("profile", type=Path)
    parser.add_argument("notes", type=Path)
    options = parser.parse_args()
    configure_logging("WARNING")
    print(WARNING, file=sys.stderr, flush=True)
    try:
        settings = settings_of(options.profile)
        ControlsOff.notes = options.notes
        serving.App = ControlsOff  # type: ignore[attr-defined]  # no setting does this

        def ready(app: App, address: str) -> None:
            print(json.dumps({"ready": "controls off", "address": address}), flush=True)

        uvloop.run(serving.serve(settings, host=_HOST, port=0, on_ready=ready))
    except SayError as error:
        print(f"controls_off_server: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
