"""Limits of a tool as ``agent.yaml`` writes them: how often, and for how much."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from controls.tool_limits import MOST_AMOUNT
from voice_runtime.services import ArgumentName
from voice_runtime.yaml_file import Closed


class AtMost(Closed):
    """How often; at least one of the two."""

    per_call: int | None = Field(default=None, ge=1, le=100, description="uses in one call")
    per_day: int | None = Field(
        default=None, ge=1, le=1_000_000, description="uses in any 24 hours, of all calls of this agent"
    )

    @model_validator(mode="after")
    def _one(self) -> AtMost:
        if self.per_call is None and self.per_day is None:
            raise PydanticCustomError(
                "at_most", "limits nothing", {"remedy": "write per_call, per_day or both"}
            )
        return self


class Amount(Closed):
    """For how much; at least one of the two limits."""

    argument: ArgumentName = Field(description="a number it always has, such as total")
    at_most: float | None = Field(
        default=None, gt=0, le=MOST_AMOUNT, allow_inf_nan=False, description="of one use, in its own unit"
    )
    per_day: float | None = Field(
        default=None, gt=0, le=MOST_AMOUNT, allow_inf_nan=False,
        description="of all uses in any 24 hours together, of all calls of this agent",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one(self) -> Amount:
        if self.at_most is None and self.per_day is None:
            raise PydanticCustomError(
                "amount", "limits nothing", {"remedy": "write at_most, per_day or both"}
            )
        if self.at_most is not None and self.per_day is not None and self.at_most > self.per_day:
            raise PydanticCustomError(
                "amount", "allows more in one use than in a day", {"remedy": "make per_day at least at_most"}
            )
        return self
