"""What a tool's service offers: operations, deadlines and JSON Schemas of their arguments.

``configs/services.yaml`` describes services once for every agent; where each
answers, and its key, stand in the profile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import jsonschema_rs
from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError
from controls.ledger.records import Slug
from voice_runtime.yaml_file import Closed, Document, check, load_document

FILE = Path("configs/services.yaml")

ArgumentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
#: How an argument is read back (``x-read-back``); see ``voice_runtime.think.read_back``.
READ_AS = ("words", "digits", "spell")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Operation(Closed):
    """One thing a service does; the request's body is the arguments as JSON."""

    does: str = Field(min_length=1, max_length=200, description="what it does, in a sentence")
    method: Literal["POST"] = Field(default="POST", description="POST")
    path: Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9/_.~-]*$")] | None = Field(
        default=None, description="path below the service's address, such as /tools/book"
    )
    tool: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,128}$")] | None = Field(
        default=None, description="of an MCP server: the tool's name there, instead of path"
    )
    pinned: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="of an MCP server: digest of the tool as it was reviewed, from sayso agents mcp-tools",
    )
    timeout_s: float = Field(gt=0, le=30, description="s after which its outcome counts as unknown")
    idempotent: bool = Field(
        default=True, description="true: the same idempotency key never has its effect twice"
    )
    arguments: dict[str, Any] = Field(description="JSON Schema of the arguments, type: object")
    result: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema of what it answers, type: object; an answer that does not fit is not given "
        "to the model",
    )

    @field_validator("arguments")
    @classmethod
    def _schema(cls, value: dict[str, Any]) -> dict[str, Any]:
        remedy = {"remedy": "write type: object, properties: {…}, additionalProperties: false"}
        if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
            raise PydanticCustomError("schema", "is not a JSON Schema of an object", remedy)
        if value.get("additionalProperties") is not False:
            raise PydanticCustomError("schema", "lets unknown arguments pass", remedy)
        for name, schema in value["properties"].items():
            how = schema.get("x-read-back", "words") if isinstance(schema, dict) else "words"
            if how not in READ_AS:
                raise PydanticCustomError(
                    "schema",
                    "reads `{argument}` back in a way that does not exist",
                    {"argument": str(name), "remedy": f"write x-read-back: {', '.join(READ_AS)}"},
                )
        _valid(value)
        return value

    @field_validator("result")
    @classmethod
    def _result_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
            remedy = {"remedy": "write type: object, properties: {…}"}
            raise PydanticCustomError("schema", "is not a JSON Schema of an object", remedy)
        _valid(value)
        return value


def _valid(schema: dict[str, Any]) -> None:
    try:
        jsonschema_rs.validator_for(schema)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise PydanticCustomError(
            "schema", "is not a valid JSON Schema", {"remedy": str(error).splitlines()[0][:200]}
        ) from None


class McpAddress(Closed):
    """A server of the Model Context Protocol: a command of this machine, or a streamable HTTP address."""

    command: tuple[str, ...] = Field(
        default=(), max_length=40, description="program and arguments, such as [calendar-mcp, --stdio]"
    )
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=500)] | None = (
        Field(default=None, description="address of streamable HTTP; the profile may name another")
    )
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] | None = Field(
        default=None, description="variable in which the command is given the profile's key"
    )

    @model_validator(mode="after")
    def _one_place(self) -> McpAddress:
        if bool(self.command) == bool(self.url):
            raise PydanticCustomError("mcp", "needs one place", {"remedy": "write command, or url"})
        if self.key_env is not None and not self.command:
            raise PydanticCustomError(
                "mcp",
                "has key_env without command",
                {"remedy": "remove it: HTTP has a bearer token"},
            )
        return self


class Service(Closed):
    title: str = Field(min_length=1, max_length=120, description="what people call it")
    mcp: McpAddress | None = Field(
        default=None, description="it is a server of the Model Context Protocol; left out: HTTP, signed"
    )
    operations: dict[Name, Operation] = Field(min_length=1, description="operation name → how it is called")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Service:
        for name, operation in self.operations.items():
            of_mcp = operation.tool is not None and operation.pinned is not None
            fits = operation.path is None if of_mcp else operation.path is not None
            if of_mcp is not (self.mcp is not None) or not fits:
                remedy = "write path" if self.mcp is None else "write tool and pinned, and no path"
                raise PydanticCustomError(
                    "operation", "does not say where '{name}' is", {"name": name, "remedy": remedy}
                )
        return self


class ServicesFile(Closed):
    """``configs/services.yaml``."""

    format: Literal[1] = Field(description="1")
    services: dict[Slug, Service] = Field(description="service name → what it offers")


def stays_private(url: str) -> bool:
    """Whether what goes there is encrypted, or stays on this machine; "" is a service of our own."""
    to = urlsplit(url or "http://localhost")
    return to.scheme == "https" or to.hostname in ("localhost", "127.0.0.1", "::1")


def load_services(root: Path) -> tuple[ServicesFile, Document]:
    """Read ``configs/services.yaml``.

    Raises:
        ConfigurationError: with every problem found.
    """
    document = load_document(root / FILE, root, what="list of services")
    found, problems = check(ServicesFile, document)
    if found is None:
        raise ConfigurationError(problems)
    return found, document
