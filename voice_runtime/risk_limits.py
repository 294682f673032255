"""From which risk score on something is blocked, or waits for a person: of a profile, lowered by an agent."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from controls.risk import NEVER, Limits
from voice_runtime.yaml_file import Closed

#: The features a score is made of.
RISK_FILE = Path("configs/risk.yaml")


class RiskLimits(Closed):
    """Scores of 1 to 100 (``configs/risk.yaml`` says what they are made of)."""

    block_at: int | None = Field(
        default=None, ge=1, le=100, description="from this score on nothing is said or done, such as 95"
    )
    approve_at: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="from this score on a tool's use waits for a person, such as 80",
    )

    def limits(self) -> Limits:
        """As the gate takes them; what is left out is never reached."""
        return Limits().tightened(self.block_at, self.approve_at)

    def looser_than(self, other: RiskLimits) -> list[str]:
        """Names of the limits written here that are above the other's."""
        return [
            name
            for name in ("block_at", "approve_at")
            if (mine := getattr(self, name)) is not None and mine > (getattr(other, name) or NEVER)
        ]


#: Of a profile that says nothing else.
DEFAULT_LIMITS = RiskLimits(block_at=95, approve_at=80)
