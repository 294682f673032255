"""Runs as a reader compares them: blocks of one system under one load put together, by setting. Pure.

A *setting* is what must be equal before two figures may stand in one chart or be pooled: engines,
transport and network, and the machine and the commit they were measured on. Mock and real
engines are different settings and never meet; nor do two machines, or two commits.
"""

from __future__ import annotations

import statistics as of_blocks
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loadtests.ramp import OURS
from loadtests.results import (
    Achieved,
    Call,
    Completeness,
    Environment,
    Measure,
    Network,
    Profile,
    Row,
    Run,
    SystemName,
    Tier,
    Transport,
    Turn,
)
from loadtests.shapes import Histogram, Spread, pooled
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
#: Outcomes of the test itself: no finding about a server.
OF_THE_TEST = tuple(sorted(OURS))
#: What an engine's line says when its model was never trained.
RANDOM_WEIGHTS = "random weights"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What was offered: engines, transport and network. Runs and ratios both have these."""

    profile: Profile
    tier: Tier
    transport: Transport
    network: Network
    variant: str

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
        return slug(
            f"{self.profile}-{self.variant}-{self.transport}" + (impaired if network.by != "none" else "")
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware a figure holds for, and which of its cores served and called."""

    cpu: str
    cores: int
    accelerator: str
    server_cores: tuple[int, ...]
    generator_cores: tuple[int, ...]

    @property
    def words(self) -> str:
        """Processor, cores, accelerator and what was pinned where."""
        parts = [self.cpu, cores_words(self.cores), *([self.accelerator] if self.accelerator else [])]
        if self.server_cores or self.generator_cores:
            server, callers = listed(self.server_cores), listed(self.generator_cores)
            parts.append(f"server on {server}, callers on {callers}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Setting:
    """What figures in one chart have in common.

    Attributes:
        of: what was offered.
        machine, commit: where, and what was measured.
        apart: machine, commit or both in words, where that tells this setting from others shown with it.
    """

    of: Conditions
    machine: Machine
    commit: str
    apart: str = field(default="", compare=False)

    @property
    def profile(self) -> Profile:
        """Which load profile."""
        return self.of.profile

    @property
    def tier(self) -> Tier:
        """Mock suppliers, or engines that compute."""
        return self.of.tier

    @property
    def transport(self) -> Transport:
        """Telephone or browser."""
        return self.of.transport

    @property
    def title(self) -> str:
        """What was offered; machine and commit only where there are several."""
        return f"{self.of.title}, {self.apart}" if self.apart else self.of.title

    @property
    def key(self) -> str:
        """For ids of a page: letters, digits and hyphens."""
        return f"{self.of.key}-{slug(self.apart)}" if self.apart else self.of.key


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
        """Calls that were to be made; those the test itself spoilt are no finding about a server."""
        spoilt = sum(self.outcomes[outcome] for outcome in OF_THE_TEST)
        return sum(run.offered for run in self.runs) - spoilt

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
        """Commit, and whether files differed from it: the same for all its blocks."""
        return self.setting.commit

    @property
    def achieved(self) -> Achieved | None:
        """How many calls really went on, over all blocks that tell: mean by time, most at any time."""
        told = [run.achieved for run in self.runs if run.achieved is not None]
        seconds = sum(found.to_s - found.from_s for found in told)
        if not told or seconds <= 0:
            return None
        return Achieved(
            mean=sum(found.mean * (found.to_s - found.from_s) for found in told) / seconds,
            most=max(found.most for found in told),
            from_s=min(found.from_s for found in told),
            to_s=max(found.to_s for found in told),
        )

    @property
    def at(self) -> float:
        """Where it stands on an axis of calls at once: as achieved where that is known, else as offered."""
        return self.achieved.mean if self.achieved else float(self.concurrency)

    @property
    def at_once(self) -> str:
        """Calls at once as offered, and as they really went on where that is known."""
        achieved = self.achieved
        if achieved is None:
            return str(self.concurrency)
        return f"{self.concurrency} ({achieved.mean:.1f} on average, at most {achieved.most})"

    @property
    def completeness(self) -> tuple[Completeness, ...]:
        """Of the calls whose record could be read."""
        return tuple(call.completeness for call in self.calls if call.completeness is not None)

    @property
    def governance(self) -> Histogram | None:
        """What each clause's verdict and record took, over all blocks that tell."""
        return pooled(run.governance for run in self.runs if run.governance is not None)

    def cost(self, key: str) -> float | None:
        """The median over blocks of one of ``Resources``' figures."""
        found = [value for run in self.runs if (value := getattr(run.resources, key)) is not None]
        return of_blocks.median(found) if found else None


def loads(runs: Sequence[Run]) -> dict[Setting, tuple[Load, ...]]:
    """Settings in the order they were run in; within one, by system and then by concurrency."""
    groups: dict[Setting, dict[tuple[SystemName, int], list[Run]]] = {}
    settings = {setting: setting for setting in told_apart([setting_of(run) for run in runs])}
    for run in runs:
        setting = settings[setting_of(run)]
        groups.setdefault(setting, {}).setdefault((run.system, run.concurrency), []).append(run)
    order = list(SYSTEMS)
    return {
        setting: tuple(
            _load(setting, by_load[key]) for key in sorted(by_load, key=lambda k: (order.index(k[0]), k[1]))
        )
        for setting, by_load in groups.items()
    }


def conditions_of(one: Run | Row) -> Conditions:
    """What was offered in a run, or in the runs that a ratio rests on."""
    return Conditions(one.profile, one.tier, one.transport, one.network, one.variant)


def setting_of(run: Run) -> Setting:
    """What a run's figures may be compared within."""
    where = run.environment
    machine = Machine(where.cpu, where.cores, where.accelerator, where.server_cores, where.generator_cores)
    return Setting(conditions_of(run), machine, commit_words(where))


def told_apart(settings: Sequence[Setting]) -> list[Setting]:
    """The same, each saying its machine, or its commit, where there is more than one among them."""
    machines, commits = {s.machine for s in settings}, {s.commit for s in settings}
    found = []
    for setting in settings:
        words = [f"on {setting.machine.words}"] if len(machines) > 1 else []
        words += [f"commit {setting.commit}"] if len(commits) > 1 else []
        found.append(replace(setting, apart=", ".join(words)))
    return found


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


def where_words(environment: Environment | None) -> str:
    """Machine and commit, of what has no runs of its own."""
    if environment is None:
        return "a machine and commit that were not kept"
    return f"{machine_words(environment)}, commit {commit_words(environment)}"


def machine_words(environment: Environment) -> str:
    """Processor, cores and accelerator."""
    device = f", {environment.accelerator}" if environment.accelerator else ""
    return f"{environment.cpu}, {cores_words(environment.cores)}{device}"


def cores_words(n: int) -> str:
    """A number of cores in words."""
    return f"{n} core{'' if n == 1 else 's'}"


def listed(cores: Sequence[int]) -> str:
    """Numbers of cores; "any" where nothing was pinned."""
    return " and ".join(map(str, cores)) or "any"


def slug(text: str) -> str:
    """Text as letters, digits and hyphens."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text)
