"""A real server in a process of its own, on a copy of the checkout's agents and configuration."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controls.evidence.shape import Trace
from controls.ledger.records import Record
from tests.needs import needs_system
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import Script
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
NUMBER, CALLER = "+12025550142", "+12025550143"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes, for who starts a server or two: each start takes half a minute where a machine is shared."""
    for item in items:
        if "journeys" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))


def unhurried(settings: Settings) -> Settings:
    """The same with 3 s for a record to be durable: no test is of how fast a shared disk is."""
    return settings.model_copy(
        update={"ledger": settings.ledger.model_copy(update={"receipt_deadline_ms": 3000})}
    )


@dataclass
class Server:
    """One house under test. ``profile`` may be changed between ``stop`` and ``start``."""

    root: Path
    profile: dict[str, Any]
    address: str = ""
    ready: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    log: str = "info"

    @property
    def profile_file(self) -> Path:
        return self.root / "configs" / "profiles" / "test.yaml"

    @property
    def settings(self) -> Settings:
        return load_settings(self.profile_file)

    @property
    def ledger(self) -> Path:
        return self.settings.data_dir / "ledger"

    def start(self) -> None:
        self.profile_file.write_text(json.dumps(self.profile), encoding="utf-8")  # JSON is YAML
        self.process = subprocess.Popen(
            [sys.executable, "-m", "voice_runtime.cli.app", "--log", self.log, "serve", "--json",
             "--port", "0", "--config", str(self.profile_file)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the server did not start"
        self.ready = json.loads(line)
        self.address = self.ready["address"]

    def stop(self, signum: int = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(signum)
        code = process.wait(timeout=90)
        assert process.stdout is not None
        process.stdout.close()
        return code

    async def up(self) -> Server:
        """``start``, off the loop."""
        await asyncio.to_thread(self.start)
        return self

    async def down(self, signum: int = signal.SIGTERM) -> int:
        """``stop``, off the loop."""
        return await asyncio.to_thread(self.stop, signum)

    async def until(self, kind: type[Record], patience_s: float = 60.0) -> None:
        """Wait until a record of that kind is durable."""
        async with asyncio.timeout(patience_s):
            while not any(isinstance(x, kind) for x in await asyncio.to_thread(self.records)):
                await asyncio.sleep(0.05)

    def caller(self, **options: Any) -> TwilioCaller:
        twilio = self.settings.carrier.twilio
        assert twilio is not None
        options.setdefault("voice", RecordedFlite("rms"))
        return TwilioCaller(self.address, twilio.auth_token.reveal(), CALLER, NUMBER, **options)

    async def call(self, *steps: Any, **options: Any) -> CallResult:
        return await self.caller(**options).run(Script(steps=steps))

    def traces(self) -> list[Trace]:
        """Every call's trace, newest first."""
        from controls.ledger.reader import Reader
        from voice_runtime.cli.records import read_trace

        with Reader.open(self.ledger) as reader:
            calls = [info.call for info in reader.calls()]
        return [read_trace(self.settings, call, who="test", purpose="test") for call in calls]

    async def ended(self) -> Trace:
        """The newest call's trace, once the server has closed its record; read off the loop."""
        async with asyncio.timeout(60):
            while (trace := (await asyncio.to_thread(self.traces))[0]).call.ended_at is None:
                await asyncio.sleep(0.1)
        return trace

    def records(self) -> list[Record]:
        from controls.ledger.reader import Reader

        with Reader.open(self.ledger) as reader:
            return [entry.record for entry in reader.records()]


@pytest.fixture(scope="module")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Makes servers; ``make_server(admission={"calls": 1})`` changes the offline profile."""
    needs_system("flite")
    made: list[Server] = []

    def make(*, start: bool = True, **changes: Any) -> Server:
        from ruamel.yaml import YAML

        root = tmp_path_factory.mktemp("house")
        for folder in ("agents", "configs"):
            shutil.copytree(ROOT / folder, root / folder)
        yaml = YAML(typ="safe").load((ROOT / "configs/profiles/offline.yaml").read_text(encoding="utf-8"))
        yaml["server"] = {**yaml.get("server", {}), "drain_s": 1}
        # No test is of how fast a shared machine is; those of headroom say so.
        yaml["admission"] = {**yaml["admission"], "headroom": None}
        for name, value in changes.items():
            yaml[name] = {**yaml[name], **value} if isinstance(yaml.get(name), dict) else value
        server = Server(root, yaml)
        made.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in made:
        server.stop(signal.SIGKILL)
