"""``sayso agents mcp-tools``: what an MCP server offers, for people to review, and whether its pins hold."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import OperatorError, ProviderError
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json

if TYPE_CHECKING:
    from voice_runtime.services import Operation, Service
    from voice_runtime.think.mcp_servers import Offered, Where


def mcp_tools(
    service: Annotated[str, typer.Argument(help="A service of configs/services.yaml with `mcp`.")],
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """What an MCP server offers, with the digest to pin once it was read. Exit code 1: a pin does not hold.

    Starts or connects to the server and asks for its list; uses none of its tools.
    """
    from voice_runtime.cli.text import settings_of
    from voice_runtime.services import load_services
    from voice_runtime.think.mcp_servers import Where, import_package

    settings = settings_of(Path(config))
    services, _ = load_services(settings.root)
    found = services.services.get(service)
    if found is None or found.mcp is None:
        known = ", ".join(name for name, of in services.services.items() if of.mcp is not None) or "none"
        raise OperatorError(f"configs/services.yaml has no MCP server '{service}'; servers there: {known}")
    import_package()
    address = settings.services.get(service)
    where = Where(
        service, found.mcp.command, (address.url if address else None) or found.mcp.url or "",
        address.key.reveal() if address and address.key else "", found.mcp.key_env or "",
    )  # fmt: skip
    offered = asyncio.run(_offered(where))
    rows = _rows(found, offered)
    if as_json:
        emit_json({"service": service, "tools": rows})
    else:
        for row in rows:
            typer.echo(f"{row['state']:<9} {row['tool']}  {row['digest'] or ''}")
            if row["description"]:
                typer.echo(f"          says of itself: {row['description']}")
    raise typer.Exit(1 if any(row["state"] in ("changed", "missing") for row in rows) else 0)


async def _offered(where: Where) -> list[Offered]:
    from voice_runtime.think.mcp_servers import McpServer

    server = McpServer(where)
    try:
        return await server.offers()
    except Exception as error:
        message = f"MCP server {where.name} does not answer ({type(error).__name__}): check its entry"
        raise ProviderError(message, supplier=where.name) from error
    finally:
        await server.aclose()


def _rows(service: Service, offered: list[Offered]) -> list[dict[str, Any]]:
    """Every tool offered, and every one pinned that is not."""
    from controls.result_text import cleaned

    operations: dict[str, list[Operation]] = {}
    for operation in service.operations.values():
        operations.setdefault(operation.tool or "", []).append(operation)
    rows: list[dict[str, Any]] = []
    for one in offered:
        pins = {operation.pinned for operation in operations.pop(one.name, [])}
        state = "unused" if not pins else "pinned" if pins == {one.digest} else "changed"
        rows.append(
            {
                "tool": cleaned(one.name), "state": state, "digest": one.digest,
                "description": cleaned(one.description), "arguments": cleaned(one.arguments),
                "result": cleaned(one.result),
            }
        )  # fmt: skip
    nothing = {"state": "missing", "digest": None, "description": "", "arguments": None, "result": None}
    return rows + [{"tool": name, **nothing} for name in operations]
