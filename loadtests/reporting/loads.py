"""Runs as a reader compares them: blocks of one system under one load put together, by setting. Pure.

A *setting* is what must be equal before two figures may stand in one chart: engines,
transport and network. Mock and real engines are different settings and never meet.
"""

from __future__ import annotations

import statistics as of_blocks
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadtests.results import (
    Call,
    Completeness,
    Environment,
    Measure,
    Network,
    Profile,
    Run,
    Spread,
    SystemName,
    Tier,
    Transport,
    Turn,
)
from loadtests.summary import summarise

SYSTEMS: dict[SystemName, str] = {
    "ours": "ours",
    "remote": "the server tested",
    "controls_off": "ours, controls off",
    "equal_silence": "bare pipecat, our silence rule",
    "defaults": "bare pipecat, its defaults",
}
PROFILES: dict[Profile, str] = {
    "mock": "Mock suppliers with fixed delays",
    "cpu-offline": "Offline engines on CPU",
    "cpu-whisper": "Whisper on CPU",
    "gpu": "Models on a GPU",
    "remote": "A deployment by its address",
}
TRANSPORTS: dict[Transport, str] = {"twilio": "telephone (Twilio)", "webrtc": "browser (WebRTC)"}
#: Outcomes in which a caller got nothing: every turn of such a call counts as missed.
LOST = ("refused", "unreachable", "stalled", "out_of_protocol", "closed_early")
#: What an engine's line says when its model was never trained.
RANDOM_WEIGHTS = "random weights"


@dataclass(frozen=True, slots=True)
class Setting:
    """What figures in one chart have in common."""

    profile: Profile
    tier: Tier
    transport: Transport
    network: Network
    variant: str = ""

    @property
    def title(self) -> str:
        """Engines, transport and network in words."""
        of = f" ({self.variant})" if self.variant else ""
        words = f"{PROFILES[self.profile]}{of}, {TRANSPORTS[self.transport]}"
        return f"{words}, {network_words(self.network)}" if self.network.by != "none" else words

    @property
    def key(self) -> str:
        """For ids of a page: letters, digits and hyphens."""
        network = self.network
        impaired = f"-{network.by}-{network.loss_percent:g}-{network.delay_ms:g}-{network.jitter_ms:g}"
        variant = "".join(c if c.isalnum() else "-" for c in self.variant)
        return f"{self.profile}-{variant}-{self.transport}" + (
            impaired.replace(".", "-") if network.by != "none" else ""
        )


@dataclass(frozen=True, slots=True)
class Load:
    """One system under one load: the blocks that count, or all of them where none does.

    Attributes:
        valid: at least one block counts.
        why_not: reasons of the blocks that do not.
        calls, turns: of the blocks that count, calls numbered through.
        summary: of all their turns together.
    """

    system: SystemName
    setting: Setting
    concurrency: int
    valid: bool
    why_not: tuple[str, ...]
    runs: tuple[Run, ...]
    summary: Mapping[Measure, Spread]
    calls: tuple[Call, ...]
    turns: tuple[Turn, ...]

    @property
    def outcomes(self) -> Counter[str]:
        """What became of calls, by outcome."""
        total: Counter[str] = Counter()
        for run in self.runs:
            total.update(run.outcomes)
        return total

    @property
    def offered(self) -> int:
        """Calls that were to be made; those the test itself cut short are no finding about a server."""
        return sum(run.offered for run in self.runs) - self.outcomes["cut_short"]

    @property
    def completed(self) -> int:
        """Calls that went as their scripts say."""
        return sum(run.completed for run in self.runs)

    @property
    def lost(self) -> int:
        """Calls whose callers got nothing."""
        return sum(self.outcomes[outcome] for outcome in LOST)

    @property
    def engines(self) -> tuple[str, ...]:
        """What answered, one line each."""
        return self.runs[0].engines

    @property
    def random_weights(self) -> bool:
        """Some engine's model was never trained: it proves cost, not accuracy."""
        return any(RANDOM_WEIGHTS in line for line in self.engines)

    @property
    def environment(self) -> Environment:
        """Where it ran."""
        return self.runs[0].environment

    @property
    def commit(self) -> str:
        """Commit of the first block, with a plus when files differed from it."""
        return commit_words(self.environment)

    @property
    def completeness(self) -> tuple[Completeness, ...]:
        """Of the calls whose record could be read."""
        return tuple(call.completeness for call in self.calls if call.completeness is not None)

    def cost(self, key: str) -> float | None:
        """The median over blocks of one of ``Resources``' figures."""
        found = [value for run in self.runs if (value := getattr(run.resources, key)) is not None]
        return of_blocks.median(found) if found else None


def loads(runs: Sequence[Run]) -> dict[Setting, tuple[Load, ...]]:
    """Settings in the order they were run in; within one, by system and then by concurrency."""
    groups: dict[Setting, dict[tuple[SystemName, int], list[Run]]] = {}
    for run in runs:
        setting = Setting(run.profile, run.tier, run.transport, run.network, run.variant)
        groups.setdefault(setting, {}).setdefault((run.system, run.concurrency), []).append(run)
    order = list(SYSTEMS)
    return {
        setting: tuple(
            _load(setting, by_load[key]) for key in sorted(by_load, key=lambda k: (order.index(k[0]), k[1]))
        )
        for setting, by_load in groups.items()
    }


def tested(found: Iterable[Load]) -> list[Load]:
    """Those that verdicts are about: ours, or the server somebody named. Baselines have no targets."""
    return [load for load in found if load.system in {"ours", "remote"}]


def _load(setting: Setting, runs: Sequence[Run]) -> Load:
    counted = [run for run in runs if run.valid] or list(runs)
    calls: list[Call] = []
    turns: list[Turn] = []
    begun = 0
    for run in counted:
        calls += [call.model_copy(update={"n": begun + call.n}) for call in run.calls]
        turns += [turn.model_copy(update={"call": begun + turn.call}) for turn in run.turns]
        begun += 1 + max([call.n for call in run.calls] + [turn.call for turn in run.turns], default=0)
    whole = summarise(turns, calls) if len(counted) > 1 and turns else counted[0].summary
    return Load(
        system=runs[0].system,
        setting=setting,
        concurrency=runs[0].concurrency,
        valid=counted[0].valid,
        why_not=tuple(reason for run in runs if not run.valid for reason in _reasons(run)),
        runs=tuple(counted),
        summary=whole,
        calls=tuple(calls),
        turns=tuple(turns),
    )


def _reasons(run: Run) -> tuple[str, ...]:
    return run.invalid_because or ("no reason was kept",)


def network_words(network: Network) -> str:
    """What stood between caller and server."""
    if network.by == "none":
        return "clean network"
    how = "the kernel's netem" if network.by == "netem" else "a proxy in user space"
    return (
        f"{network.loss_percent:g} % loss, {network.delay_ms:g} ms delay, "
        f"{network.jitter_ms:g} ms jitter by {how}"
    )


def commit_words(environment: Environment) -> str:
    """The commit, and whether files differed from it."""
    return environment.commit + (" with changes" if environment.changed else "")
