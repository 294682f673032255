"""What a load test leaves behind: ``results.json``, one closed and validated model of it.

A *run* is one system under one load: its calls, its turns, what they sum up to, what
they cost, and whether it counts. Every figure in ms is from the waveform at the
caller unless its name says otherwise. A turn that was not answered in time stays in,
*censored*: its figure is the cap. Percentiles that the number of turns cannot
carry are null (``MIN_P95``, ``MIN_P99``); the maximum stands beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from controls.errors import ConfigurationError, Problem
from loadtests.pauses.figures import BargeIn, PausePolicy
from loadtests.shapes import Histogram, Shape, Spread

#: Turns a p95, and a p99, needs.
MIN_P95, MIN_P99 = 200, 1000
#: Blocks a side that an interval of a cost needs: with fewer it is only their range.
MIN_BLOCKS = 5
#: The targets at the caller, ms at p95: ASR to first token, first audio out.
TARGETS_MS = {"asr_to_first_token_ms": 800.0, "first_audio_out_ms": 1400.0}

SystemName = Literal["ours", "defaults", "equal_silence", "controls_off", "remote"]
Profile = Literal["mock", "cpu-offline", "cpu-whisper", "gpu", "remote"]
Transport = Literal["twilio", "webrtc"]
#: Never in one chart: what the runtime costs, and what it costs with engines that compute.
Tier = Literal["mock", "real"]
Measure = Literal[
    "asr_to_first_token_ms",
    "first_audio_out_ms",
    "barge_in_pause_ms",
    "barge_in_commit_ms",
    "disclosure_ms",
    "governance_ms",
]
#: What became of a call. Only ``completed`` went as its script says; the rest are findings about the server.
Outcome = Literal[
    "completed",
    "refused",  # an answer without a stream, or a status that says no
    "unreachable",  # nothing listens there
    "stalled",  # connected, and then nothing came of it in time
    "out_of_protocol",  # messages no carrier, or no page, would take
    "closed_early",  # the server ended the call before the script did
    "no_answer",  # a turn was never answered
    "spoke_over",  # the agent spoke on over the caller
    "cut_short",  # the test was stopped, not the call
    "harness_failed",  # the test's own code broke: no finding about the server, and the run does not count
]
Ms = Annotated[float, Field(ge=-60_000, le=3_600_000)]


class Turn(Shape):
    """One turn of one call.

    Attributes:
        call: index of its call in the run.
        kind: what the caller did.
        answer_correct: the answer was the one the scenario expects; null where nothing can tell.
        governance_ms: verdict and durable append of its first clause, as the server tells.
        filler_audio_ms: first sample of words that were no answer and came before it, counted from t0 as the
            answer is; null: there were none, or no record tells.
        audible_pause_ms: a backchannel made the agent fall silent for so long; null when it did not.
        stages: the server's own spans (``latency_ms`` of its trace), for the waterfall only.
        never_said: its call was lost before it came about (``loadtests.censoring``); censored.
        barge_in_censored: the agent spoke on through it: ``barge_in_pause_ms`` stands at the cap.
        cold: the first turn a server had ever answered; not in the summary.
        edge: it began before the load stood or after it had begun to fall (``Achieved``); not in the summary.
    """

    call: int
    n: int
    kind: Literal["say", "interrupt", "backchannel", "press", "type"]
    text: str = ""
    asr_to_first_token_ms: Ms | None = None
    first_audio_out_ms: Ms | None = None
    filler_audio_ms: Ms | None = None
    barge_in_pause_ms: Ms | None = None
    barge_in_commit_ms: Ms | None = None
    audible_pause_ms: Ms | None = None
    governance_ms: Ms | None = None
    answer_correct: bool | None = None
    censored: bool = False
    never_said: bool = False
    barge_in_censored: bool = False
    cold: bool = False
    edge: bool = False
    stages: dict[str, float | None] | None = None


class Gap(Shape):
    """Nothing to play in the middle of speech: an underrun at the caller's playout."""

    at_ms: Ms
    ms: Ms


class Completeness(Shape):
    """Audible events against records. ``missing``: heard, no record; ``silent``: a record, not heard."""

    heard: int
    recorded: int
    missing: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Every event has its record, every record its event."""
        return not (self.missing or self.silent or self.unsettled)


class Call(Shape):
    """One call of a run.

    Attributes:
        intended_at_s: when it was to start, drawn in advance, s since the run began.
        started_late_ms: how much later it did: the generator's fault, never the server's.
        disclosure_first_ms, disclosure_last_ms: of the agent's opening, since answered.
        gaps: of at least 40 ms.
        jitter_ms: 95th percentile of the deviation of arriving audio from its pace.
        completeness: null where the server keeps no record that could be read.
    """

    n: int
    call_sid: str = ""
    scenario: str = ""
    intended_at_s: float
    started_late_ms: Ms = 0
    outcome: Outcome
    error: str = ""
    duration_s: float = 0
    answered_ms: Ms | None = None
    disclosure_first_ms: Ms | None = None
    disclosure_last_ms: Ms | None = None
    gaps: tuple[Gap, ...] = ()
    jitter_ms: float | None = None
    lost_packets: int = 0
    bad_messages: int = 0
    late_p99_ms: float = 0
    completeness: Completeness | None = None


class Resources(Shape):
    """Of the server's process tree while calls ran.

    Attributes:
        cpu_ms_per_call_s: CPU time of the tree per second of a call, ms; null without calls.
        rss_mb_per_call: (``peak_mb`` - ``idle_mb``) / the most calls at one time, MB (10^6 bytes, PSS without
            pages of files). Over several loads the report fits one line instead.
        idle_mb: of this server once, after its first call and before any load: the same in all its runs.
        loop_lag_p99_ms: of the server's event loop, where it tells.
        steal_percent: CPU time the hypervisor gave to others.
    """

    cpu_ms_per_call_s: float | None = None
    rss_mb_per_call: float | None = None
    idle_mb: float | None = None
    peak_mb: float | None = None
    cpu_percent: float | None = None
    loop_lag_p99_ms: float | None = None
    steal_percent: float | None = None
    processes: int | None = None


class Achieved(Shape):
    """How many calls really went on at one time.

    Attributes:
        mean: weighted by time, over the steady stretch.
        most: at any time.
        from_s, to_s: the steady stretch, s since the run began: after the last line's first call had begun
            and before the first line had no further call.
    """

    mean: float
    most: int
    from_s: float
    to_s: float


class Beside(Shape):
    """What worked beside the server under test (suppliers, a proxy), and how late its event loop was, ms.

    Late ones make every system look slow: beyond a limit the run does not count.
    """

    what: Literal["suppliers", "proxy"]
    late_p99_ms: float
    late_max_ms: float


class Generator(Shape):
    """What the generator itself was able to do: beyond its limits a run does not count."""

    cpu_percent: float
    tick_late_p99_ms: float
    tick_late_max_ms: float


class Environment(Shape):
    """Where it ran. Nothing in it names a machine or a person."""

    cpu: str
    cores: int
    memory_gb: float
    accelerator: str = ""
    system: str
    python: str
    packages: dict[str, str] = Field(default_factory=dict)
    commit: str
    changed: bool = False
    generator_cores: tuple[int, ...] = ()
    server_cores: tuple[int, ...] = ()


class Network(Shape):
    """What stood between caller and server. ``by``: nothing, the kernel's netem, or a proxy in user space."""

    by: Literal["none", "netem", "proxy"] = "none"
    loss_percent: float = 0
    delay_ms: float = 0
    jitter_ms: float = 0


class Gate(Shape):
    """One thing a soak must show (``loadtests.steadiness``). ``met`` null: it could not be told.

    Attributes:
        tolerance: what ``found`` is held to, in words.
    """

    name: str
    met: bool | None = None
    found: str
    tolerance: str = ""


class Run(Shape):
    """One system under one load.

    Attributes:
        engines: what answered, one line each, with "random weights" wherever that is so.
        variant: what tells two loads of one profile apart: the engines' shape and device, the scenario.
        concurrency: simultaneous calls that were meant to go on; ``achieved`` tells how many did.
        offered, completed: calls.
        block: position among the blocks of a comparison.
        governance: each clause from before its verdict to its record durable, of every clause that was judged
            and cleared while the run went on, edges included; null where the server does not tell.
        gates: of a soak; () of all else.
    """

    valid: bool
    invalid_because: tuple[str, ...] = ()
    system: SystemName
    profile: Profile
    tier: Tier
    transport: Transport
    network: Network = Network()
    engines: tuple[str, ...] = ()
    variant: str = ""
    concurrency: int
    block: int = 0
    offered: int
    completed: int
    seconds: float
    seed: int
    environment: Environment
    generator: Generator | None = None
    beside: tuple[Beside, ...] = ()
    achieved: Achieved | None = None
    resources: Resources = Resources()
    outcomes: dict[str, int] = Field(default_factory=dict)
    summary: dict[Measure, Spread] = Field(default_factory=dict)
    governance: Histogram | None = None
    cold: Turn | None = None
    calls: tuple[Call, ...] = ()
    turns: tuple[Turn, ...] = ()
    gates: tuple[Gate, ...] = ()


class Row(Shape):
    """Ours against theirs: one measure. ``ratio`` is ours / theirs, ``ci`` its interval.

    Attributes:
        measure: a summary measure with its percentile ("first_audio_out_ms.p95") or a resource's key.
        profile, tier, transport, network, variant: as of the runs it rests on.
        ci: 95 %, drawn by call. Of a cost, which is one number a block: 95 %, drawn by block, from
            ``MIN_BLOCKS`` blocks a side on; with fewer the range over the blocks (``ci_is``).
        n: turns, or blocks, of the smaller side.
    """

    measure: str
    profile: Profile
    tier: Tier
    transport: Transport
    network: Network = Network()
    variant: str = ""
    concurrency: int
    baseline: Literal["defaults", "equal_silence", "controls_off"]
    ours: float
    theirs: float
    ratio: float
    ci: tuple[float, float]
    ci_is: Literal["95 %", "range"] = "95 %"
    n: int


class Block(Shape):
    """One block of a comparison: which system at which load, ``n``-th of all, against which baseline."""

    n: int
    system: SystemName
    baseline: SystemName
    concurrency: int


class Comparison(Shape):
    """Rows, and whether the blocks they rest on count."""

    valid: bool
    invalid_because: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    rows: tuple[Row, ...] = ()


class Calibration(Shape):
    """The harness's own error: an echo agent of known delay, read as any agent is; ms.

    ``bias_ms`` is inside every figure and never taken off; ``error_p95_ms`` is what is left around it.
    Trials without an echo are in ``unanswered`` and in none of the errors.

    Attributes:
        handed_over_p95_ms: the same error against when the agent handed its packet over, whatever the
            caller's ticks. The echo agent keeps step with them; one that does not is read up to
            10 ms sooner or later, which is in neither error. None: not measured.
    """

    transport: Transport = "twilio"
    delay_ms: float
    bias_ms: float
    error_p50_ms: float
    error_p95_ms: float
    error_max_ms: float
    n: int
    unanswered: int = 0
    handed_over_p95_ms: float | None = None


class Results(Shape):
    """``results.json``.

    Attributes:
        command: reruns it.
        interrupted: stopped by hand; what was done until then is here.
        network_allowance_ms: what a telephone network adds between carrier and caller, stated, not measured.
        objectives: of the agent called: measure → ms.
        environment: where it ran, of what has no runs (calibration, pauses); each run has its own.
    """

    format: Literal[1] = 1
    command: str
    started_at: str
    environment: Environment | None = None
    interrupted: bool = False
    network_allowance_ms: float = 0
    agent: str = ""
    objectives: dict[str, float] = Field(default_factory=dict)
    calibrations: tuple[Calibration, ...] = ()
    runs: tuple[Run, ...] = ()
    comparison: Comparison | None = None
    pauses: tuple[PausePolicy, ...] = ()
    barge_in: tuple[BargeIn, ...] = ()
    notes: tuple[str, ...] = ()

    def calibration(self, transport: Transport) -> Calibration | None:
        """The harness's error on that transport, where it was measured."""
        return next((found for found in self.calibrations if found.transport == transport), None)


def write_results(results: Results, folder: Path) -> Path:
    """Write ``results.json`` into ``folder`` (made when missing)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def read_results(path: Path) -> Results:
    """Read a ``results.json``, or the one in a folder.

    Raises:
        ConfigurationError: not there, or not one of these.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        return Results.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            [Problem(str(file), 0, "", f"cannot be read: {error.strerror}", "")]
        ) from None
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            [Problem(str(file), 0, where, first["msg"], "run the load test again")]
        ) from None
