"""The baseline: bare pipecat 1.14 in a process of its own, with the suppliers and the audio that ours has.

Two of them. ``defaults`` is what its documentation recommends; ``equal_silence`` ends a turn after
a fixed silence equal to our shortest wait (``loadtests.baseline.silence``), so that ours does not
win by Smart Turn's misjudging a synthetic voice. What was chosen, and from which page:
``loadtests.baseline.call``.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from controls.errors import OperatorError
from loadtests.baseline.settings import VAD_STOP_MS, BaselineSettings
from loadtests.results import Profile, SystemName, Tier, Transport
from loadtests.served import ServerProcess
from loadtests.systems import Door, Evidence, ServerTurn, TwilioDoor, WebRtcDoor
from voice_runtime.caller.results import CallResult

#: A call's line is written when its pipeline has come down; longer than this it is not waited for, s.
_NOTED_S = 10.0
_LOOK_S = 0.05


class BarePipecat:
    """Implements ``systems.System``.

    Args:
        name: ``defaults``, or ``equal_silence``.
        suppliers: base address of recogniser, model and voice, up to and including ``/v1``.
        greeting: the words our own agent opens with.
        silence_ms: of ``equal_silence``: from the end of speech to the end of the turn, as
            ``silence.shortest_wait_ms`` has it; at least 200.
        profile, tier, engines: of the suppliers: what is measured with them, and where they compute.
        cores: its CPUs; () leaves them as they are.

    Raises:
        OperatorError: a silence shorter than its VAD's.
    """

    def __init__(
        self,
        name: Literal["defaults", "equal_silence"],
        *,
        suppliers: str,
        greeting: str,
        silence_ms: int = VAD_STOP_MS,
        profile: Profile = "mock",
        tier: Tier = "mock",
        engines: Sequence[str] = (),
        cores: Sequence[int] = (),
    ) -> None:
        if silence_ms < VAD_STOP_MS:
            raise OperatorError(f"pipecat's VAD needs {VAD_STOP_MS} ms of silence: silence_ms is no less")
        self.name: SystemName = name
        self.profile: Profile = profile
        self.tier: Tier = tier
        self.engines = (
            f"bare pipecat {version('pipecat-ai')}: Silero, turns by {_rule(name, silence_ms)}",
            "recogniser, model and voice: outside its process, each over OpenAI's protocol",
            *engines,
        )
        self.server_cores = tuple(cores)
        self.doors: Mapping[Transport, Door] = {}
        self._settings: dict[str, Any] = {
            "name": name, "suppliers": suppliers.rstrip("/"), "greeting": greeting, "silence_ms": silence_ms,
        }  # fmt: skip
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: ServerProcess | None = None
        self._address = ""

    @property
    def pid(self) -> int | None:
        """Of the server; None while it is not running."""
        return None if self._server is None else self._server.pid

    async def start(self) -> None:
        """Come up, ready to be called.

        Raises:
            OperatorError: it does not come up.
        """
        await self.stop()
        self._folder = tempfile.TemporaryDirectory(prefix="sayso-baseline-")
        told = BaselineSettings(**self._settings, notes=self._notes)
        self._server = ServerProcess(
            "loadtests.baseline.server", told.model_dump(mode="json"), cores=self.server_cores
        )
        try:
            self._address = await self._server.start()
        except BaseException:
            await self.stop()
            raise
        self.doors = {
            "twilio": TwilioDoor(self._address),
            "webrtc": WebRtcDoor(self._address, dialect="pipecat"),
        }

    async def stop(self) -> None:
        """Go down. Harmless when repeated."""
        server, self._server = self._server, None
        folder, self._folder = self._folder, None
        self.doors, self._address = {}, ""
        try:
            if server is not None:
                await server.stop()
        finally:
            if folder is not None:
                folder.cleanup()

    async def evidence(self, calls: Sequence[CallResult]) -> Mapping[str, Evidence]:
        """By ``call_sid``: when each answer's first token came. It keeps no record of what it played."""
        wanted = {call.call_sid for call in calls if call.answered_ns}
        noted: dict[str, Evidence] = {}
        for _ in range(round(_NOTED_S / _LOOK_S)):
            noted = self._read()
            if wanted <= noted.keys():
                break
            await asyncio.sleep(_LOOK_S)
        return {sid: evidence for sid, evidence in noted.items() if sid in wanted}

    async def loop_lag_p99_ms(self) -> float | None:
        """Of its event loop since the last question; None when it does not tell."""
        if not self._address:
            return None
        try:  # in a thread: a proxy may run on this loop
            return await asyncio.to_thread(_p99_ms, self._address + "/loop-lag")
        except (OSError, HTTPException, ValueError):
            return None

    @property
    def _notes(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "calls.jsonl"

    def _read(self) -> dict[str, Evidence]:
        if self._folder is None or not self._notes.exists():
            return {}
        found = {}
        for line in self._notes.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may still be on its way
                call = json.loads(line)
                turns = [ServerTurn(said_ended_ms=said, first_token_at_ms=at) for said, at in call["turns"]]
                found[str(call["call"])] = Evidence(turns)
        return found


def _p99_ms(url: str) -> float | None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=5) as answer:
        p99 = json.load(answer).get("p99_ms")
    return float(p99) if isinstance(p99, int | float) else None


def _rule(name: Literal["defaults", "equal_silence"], silence_ms: int) -> str:
    if name == "defaults":
        return f"Smart Turn v3 after {VAD_STOP_MS} ms of silence, as pipecat sets it by itself"
    return (
        f"fixed silence of {silence_ms} ms, which is our shortest wait (ours waits longer when Smart Turn "
        "and the text say unfinished)"
    )
