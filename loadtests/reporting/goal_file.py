"""The runtime's goals as ``goals.yaml`` has them: limits, and which kept result tells their figure.

::

    kept:                              # what makes each kept result, by its folder's name
      mock-twilio-questions: python -m loadtests run …
    goals:
      governance:                      # a key of letters, digits and hyphens
        what: what is measured, in words
        unit: ms                       # or ×, MB, calls, %
        must: 10                       # limits; neither of them: it is only reported
        aim: 2
        reads: {of: governance, kept: mock-twilio-questions, calls: 16, percent: 99}
        rest: >-                       # where the rest goes and what was tried; of a goal that was missed
          …
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from loadtests.pauses.figures import LabelledSet
from loadtests.ratios import Baseline
from loadtests.results import Measure, SystemName, Transport
from loadtests.shapes import Shape
from voice_runtime.yaml_file import load_model

#: The goals that come with this.
FILE = Path(__file__).resolve().parents[1] / "goals.yaml"
#: Turn policies are kept under this name, beside the load tests.
PAUSES = "pauses"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
Words = Annotated[str, StringConstraints(min_length=3, max_length=2000, strip_whitespace=True)]
Unit = Literal["×", "MB", "calls", "ms", "%"]


class Place(Shape):
    """One kept load test, ``load/KEPT``, and whose runs of it."""

    kept: Name
    system: SystemName = "ours"


class Percentile(Place):
    """A percentile of a measure at one load, and where it is of another measure too: both."""

    of: Literal["percentile"]
    measure: Measure
    percent: Literal[50, 95, 99]
    calls: int


class Ratio(Place):
    """What a comparison at one load says of a cost: ours divided by the baseline's, with its interval."""

    of: Literal["ratio"]
    measure: str
    against: Baseline
    calls: int


class BeyondRule(Place):
    """First audio out less the silence rule, ours divided by the baseline's.

    ``equal_silence`` ends a turn after a fixed silence, which is our own shortest wait: that is taken off the
    figure of either side. Where ours waits longer than its rule, in doubt, that stays in ours.
    """

    of: Literal["beyond_rule"]
    percent: Literal[50, 95]
    calls: int


class ControlsCost(Place):
    """First audio out in a comparison, ours less ours without controls, turn by turn, mean, ms.

    Callers play 20 ms at a time and say a few sentences only: a median lies on one of some ten steps,
    which are up to 28 ms apart, and tells no smaller difference.
    """

    of: Literal["controls"]
    calls: int


class Governance(Place):
    """A clause from before its verdict to its record durable, of every clause, by bounds."""

    of: Literal["governance"]
    percent: Literal[50, 95, 99]
    calls: int


class AddedMemory(Place):
    """What one more call adds, by one line through an idle server and its loads."""

    of: Literal["memory"]
    beside: Place | None = None


class Carried(Place):
    """The highest load that is carried, below the first that is not, on one core."""

    of: Literal["carried"]
    beside: Place | None = None


class CarriedRatio(Place):
    """The same as a multiple of another server's."""

    of: Literal["carried_ratio"]
    against: Place


class CutOffs(Shape):
    """Our cut-offs on a labelled set, where the median delay is at most so long, ms."""

    of: Literal["cut_offs"]
    labelled: LabelledSet
    delay_ms: float


class Backchannels(Shape):
    """Our policy on a labelled set's backchannels: taken for an interruption, or silent over for how long."""

    of: Literal["backchannels"]
    labelled: LabelledSet
    figure: Literal["committed", "pause"]


class AudiblePauses(Place):
    """At the caller: how often and how long the agent fell silent over a backchannel."""

    of: Literal["audible_pauses"]
    calls: int


class Gates(Place):
    """A soak's gates, all of which have to be met."""

    of: Literal["gates"]


Reads = Annotated[
    Percentile
    | Ratio
    | BeyondRule
    | ControlsCost
    | Governance
    | AddedMemory
    | Carried
    | CarriedRatio
    | CutOffs
    | Backchannels
    | AudiblePauses
    | Gates,
    Field(discriminator="of"),
]


class Goal(Shape):
    """One row of the table.

    Attributes:
        must, aim: limits in ``unit``; null: the figure is only reported, or its reading decides by itself.
        higher: more is better.
        below: the limit itself is not good enough.
        above_error: limits count from the instrument's own error, ms.
        transport: whose error that is.
        rest: where the rest of the time goes, and what was tried.
    """

    what: Words
    unit: Unit = "ms"
    must: float | None = None
    aim: float | None = None
    higher: bool = False
    below: bool = False
    above_error: bool = False
    transport: Transport = "twilio"
    reads: Reads
    rest: Words | None = None

    @model_validator(mode="after")
    def _aim_is_no_less(self) -> Goal:
        if (self.must is None) != (self.aim is None):
            raise ValueError("has must and aim, or neither of them")
        must, aim = self.must, self.aim
        if must is not None and aim is not None and must != aim and (aim > must) is not self.higher:
            raise ValueError("aims at less than it must: exchange them, or say higher")
        return self


class GoalFile(Shape):
    """``goals.yaml``. ``kept``: the command that makes each kept result, by its folder's name."""

    kept: dict[Name, Words] = Field(min_length=1)
    goals: dict[Name, Goal] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_made(self) -> GoalFile:
        wanted = {name for goal in self.goals.values() for name in kept_by(goal.reads)}
        if unknown := sorted(wanted - self.kept.keys()):
            raise ValueError(f"no command under kept makes {', '.join(unknown)}")
        return self

    def commands(self, goal: Goal) -> tuple[str, ...]:
        """What makes all that a goal rests on."""
        error = (f"calibrate-{goal.transport}",) if goal.above_error else ()
        return tuple(self.kept[name] for name in (*kept_by(goal.reads), *error) if name in self.kept)


def kept_by(reads: Reads) -> tuple[str, ...]:
    """Names of the folders a reading rests on."""
    match reads:
        case CutOffs() | Backchannels():
            return (PAUSES,)
        case CarriedRatio():
            return reads.kept, reads.against.kept
        case _:
            return (reads.kept,)


def read_goals(path: Path = FILE) -> GoalFile:
    """Limits, readings and commands.

    Raises:
        ConfigurationError: every problem, with its line and field.
    """
    return load_model(GoalFile, path, what="goals")
