"""Ours under load: a real server, in a process of its own, on a copy of the checkout's agents and settings.

The server is the product as shipped, started by its own command. What a load
profile changes is its engines and how many calls it admits. Its records lie under the
checkout, on the disk everything else lies on: a temporary folder may be memory, and
what is durable there costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from controls.errors import OperatorError
from loadtests.child import Child
from loadtests.ours.controls_off import noted_turns
from loadtests.ours.evidence_join import LedgerEvidence
from loadtests.ours.profiles import SUPPLIER, Recipe
from loadtests.ours.vital_signs import VitalSigns
from loadtests.results import Profile, SystemName, Tier, Transport
from loadtests.shapes import Histogram
from loadtests.systems import Door, Evidence, Stalls, TwilioDoor, WebRtcDoor
from voice_runtime.caller.results import CallResult
from voice_runtime.lines import load_lines

ROOT = Path(__file__).resolve().parents[2]
#: Where houses lie while they run, below the checkout.
HOUSES = ROOT / ".sayso" / "loadtests"
#: Calls whose ends overlap with the next one's beginning.
_OVERLAP = 4


class Ours:
    """Our runtime as a system under test; a ``loadtests.systems.System``."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        agent: str,
        calls: int,
        server_cores: Sequence[int] = (),
        controls: bool = True,
        keep: Path | None = None,
        headroom: bool = False,
    ) -> None:
        """Prepare; nothing runs before ``start``.

        Args:
            agent: whom the calls are for.
            calls: most at a time.
            server_cores: what the server and all it starts are pinned to; () nothing.
            controls: False starts the launcher that clears everything and records nothing
                (``loadtests.ours.controls_off_server``), for measurement only.
            keep: the ledger is copied here, into a folder of its own, before the house is removed.
            headroom: it turns calls away by its measured headroom, as shipped; else it takes all that come,
                up to the number.
        """
        self.name: SystemName = "ours" if controls else "controls_off"
        self.profile: Profile = recipe.profile
        self.tier: Tier = recipe.tier
        off = () if controls else ("controls: OFF, for measurement only",)
        self.engines: tuple[str, ...] = (*recipe.engines, *off)
        self.pid: int | None = None
        self.doors: Mapping[Transport, Door] = {}
        self.server_cores = tuple(server_cores)
        self._recipe, self._agent, self._calls, self._keep = recipe, agent, calls, keep
        self._headroom = headroom
        self._folder: Path | None = None
        self._server: Child | None = None
        self._evidence: LedgerEvidence | None = None
        self._vitals: VitalSigns | None = None

    @property
    def controls(self) -> bool:
        """Whether its controls are on."""
        return self.name == "ours"

    @property
    def ledger(self) -> Path:
        """Where its records lie while it runs.

        Raises:
            OperatorError: it was not started.
        """
        return self._made() / ".sayso" / "ledger"

    # -- up and down ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the house and come up, ready to be called; nothing when it runs already.

        Raises:
            OperatorError: it does not come up; says why.
        """
        if self._server is not None:
            return
        try:
            folder = self._folder = _new_house()
            config = await _to_its_end(lambda: self._furnished(folder))
            server = self._server = Child(
                self._command(config, folder), cores=self.server_cores, log=folder / "server.log", cwd=ROOT
            )
            address = str((await server.start())["address"])
            self.pid, self.doors = server.pid, self._doors(folder, address)
            self._vitals = VitalSigns(address)
            self._evidence = LedgerEvidence(self.ledger) if self.controls else None
            await self.loop_lag_p99_ms()  # from here on
        except BaseException:
            await self.stop()
            raise

    def _furnished(self, folder: Path) -> Path:
        return furnish(folder, self._recipe, self._agent, self._calls, headroom=self._headroom)

    async def stop(self) -> None:
        """Drain, go down with every child, and remove the house. Harmless when repeated."""
        self.pid, self.doors = None, {}
        server, self._server = self._server, None
        folder, self._folder = self._folder, None
        if server is not None:
            await server.stop()
        if folder is not None:
            await asyncio.to_thread(self._remove, folder)

    def _command(self, config: Path, folder: Path) -> list[str]:
        if not self.controls:
            return [
                sys.executable,
                "-m",
                "loadtests.ours.controls_off_server",
                str(config),
                str(_turns(folder)),
            ]
        options = ["--log", "warning", "serve", "--json", "--port", "0", "--config", str(config)]
        return [sys.executable, "-m", "voice_runtime.cli.app", *options]

    def _made(self) -> Path:
        if self._folder is None:
            raise OperatorError(f"{self.name} is not running")
        return self._folder

    def _remove(self, folder: Path) -> None:
        ledger = folder / ".sayso" / "ledger"
        if self._keep is not None and ledger.is_dir():
            shutil.copytree(ledger, self._keep / f"{self.name}-{folder.name}")
        shutil.rmtree(folder, ignore_errors=True)

    def _doors(self, folder: Path, address: str) -> dict[Transport, Door]:
        doors: dict[Transport, Door] = {}
        lines = load_lines(folder).of(self._agent)
        token = folder / ".sayso" / "secrets" / "carrier-twilio-auth_token"
        number = next((line.number for line in lines if line.number), "")
        if number and token.exists():
            auth_token = token.read_text(encoding="ascii").strip()
            doors["twilio"] = TwilioDoor(address, auth_token, to_number=number)
        if any(line.kind == "web" for line in lines):
            doors["webrtc"] = WebRtcDoor(address, self._agent)
        return doors

    # -- afterwards -------------------------------------------------------------------------------

    async def evidence(self, calls: Sequence[CallResult]) -> Mapping[str, Evidence]:
        """By ``call_sid``, for calls that are over: from the ledger, read while its writer runs.

        With controls off there is none: turns are what the launcher noted, and no
        completeness is claimed.

        Raises:
            SayError: the records cannot be read.
        """
        if self._folder is None:
            return {}
        if self._evidence is not None:
            return await asyncio.to_thread(self._evidence.of, calls)
        return await asyncio.to_thread(noted_turns, _turns(self._folder), calls)

    async def loop_lag_p99_ms(self) -> float | None:
        """Of its event loop since the last question, or since it came up."""
        if self._vitals is None or self._server is None:
            return None
        return await asyncio.to_thread(self._vitals.p99_ms)

    async def governance(self) -> Histogram | None:
        """What each clause's verdict and record took since the last question; None: it does not tell."""
        if self._vitals is None or self._server is None:
            return None
        return await asyncio.to_thread(self._vitals.governance)

    async def tasks(self) -> int | None:
        """Tasks of its event loop now, as it tells."""
        if self._vitals is None or self._server is None:
            return None
        found = await asyncio.to_thread(self._vitals.sample, "sayso_tasks")
        return None if found is None else round(found)

    async def stalls(self) -> Stalls | None:
        """What it counted of its own standing still since it came up, as it tells."""
        if self._vitals is None or self._server is None:
            return None
        return await asyncio.to_thread(self._vitals.stalls)


async def _to_its_end(work: Callable[[], Path]) -> Path:
    """Run ``work`` in a thread; when cancelled, only once it is through, so that nothing writes behind us."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def _turns(folder: Path) -> Path:
    """Where a launcher without controls notes what it measured of each call."""
    return folder / "turns.jsonl"


def furnish(folder: Path, recipe: Recipe, agent: str, calls: int, *, headroom: bool = False) -> Path:
    """Copy agents and settings into ``folder`` and write the recipe's profile; its path.

    Args:
        headroom: calls are turned away by measured headroom, too, as shipped; else by their number alone.

    Raises:
        OperatorError: no line reaches the agent.
    """
    for name in ("agents", "configs"):
        shutil.copytree(ROOT / name, folder / name)
    _register_supplier(folder / "configs" / "suppliers.yaml")
    _only_lines_of(agent, folder / "configs" / "lines.yaml")
    profiles = folder / "configs" / "profiles"
    profile = YAML(typ="safe").load((profiles / f"{recipe.base}.yaml").read_text(encoding="utf-8"))
    prepared = recipe.prepare(folder) if recipe.prepare is not None else {}
    admission = {"calls": calls + _OVERLAP, **({} if headroom else {"headroom": None})}
    for changes in (recipe.changes, prepared, {"admission": admission}):
        profile = merged(profile, changes)
    path = profiles / "loadtest.yaml"
    path.write_text(json.dumps(profile, indent=1), encoding="utf-8")  # JSON is YAML
    return path


def merged(into: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A profile with changes: mappings are merged, at the first level only; all else is replaced."""
    result = dict(into)
    for name, value in changes.items():
        known = result.get(name)
        result[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
    return result


def _new_house() -> Path:
    HOUSES.mkdir(parents=True, exist_ok=True)
    folder = HOUSES / secrets.token_hex(4)  # short: a Unix socket's path below it has 107 bytes
    folder.mkdir(mode=0o700)
    return folder


def _only_lines_of(agent: str, path: Path) -> None:
    """Serve the agent that is called, and none beside it: their phrases would be synthesised at each start.

    Raises:
        OperatorError: no line reaches it.
    """
    lines = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    lines["lines"] = [line for line in lines["lines"] if line["agent"] == agent]
    if not lines["lines"]:
        raise OperatorError(f"no line of configs/lines.yaml reaches agent {agent}")
    path.write_text(json.dumps(lines, indent=1), encoding="utf-8")  # JSON is YAML


def _register_supplier(path: Path) -> None:
    """Nobody is called who is not in the register of suppliers: neither are a load test's engines."""
    entry = f"""
  {SUPPLIER}:
    does: Stands in for a recogniser, a model and a voice under load.
    stages: [recogniser, model, voice]
    regions: [local]
    outside: false
    responsible: practice-manager
    reviewed: 2026-11-21
    note: a load test's engines
"""
    with path.open("a", encoding="utf-8") as register:
        register.write(entry)
