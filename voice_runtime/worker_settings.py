"""What a profile says of a house with several workers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.ledger.records import Slug
from voice_runtime.secret import Secret
from voice_runtime.yaml_file import Closed

RedisUrl = Annotated[
    str, StringConstraints(pattern=r"^(rediss?://[^\s/@]+(/[0-9]{1,3})?|unix:///[^\s]+)$", max_length=300)
]


class WorkerSettings(Closed):
    """Several server processes that are stopped together, and whose approvals any of them reaches."""

    redis: RedisUrl = Field(description="redis://host:port/n, rediss://… for TLS, or unix:///path")
    password: Secret | None = Field(default=None, description="{env: NAME} of Redis's password")
    key: Secret = Field(
        description="{env: NAME}: seals what they share; the same in every worker, 32+ letters"
    )
    house: Slug = Field(default="sayso", description="tells two houses on one Redis apart")

    @model_validator(mode="after")
    def _one_key(self) -> WorkerSettings:
        if self.key.generate or self.key.optional:
            raise PydanticCustomError(
                "workers", "needs one key for all of them", {"remedy": "write key: {env: SAYSO_HOUSE_KEY}"}
            )
        return self

    def secrets(self) -> list[tuple[tuple[str | int, ...], Secret]]:
        """Those named here, with the path of each."""
        found: list[tuple[tuple[str | int, ...], Secret]] = [(("workers", "key"), self.key)]
        return found if self.password is None else [*found, (("workers", "password"), self.password)]
