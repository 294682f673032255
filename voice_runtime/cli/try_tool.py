"""``sayso agents try-tool``: what would become of one use of a tool. Nothing is sent or recorded."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import OperatorError
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json

if TYPE_CHECKING:
    from controls.decision import Decision, PendingReceipt
    from voice_runtime.agent import Release, Tool

_CALL = "c_0000000000000000"
_USE = "u_0000000000000000"


class _Nowhere:
    """A recorder that keeps nothing; every receipt is there at once."""

    def __init__(self) -> None:
        self._leaf = itertools.count()

    def append(self, record: Any, personal: Any = None) -> PendingReceipt:
        from controls.decision import Receipt

        done: Future[Receipt] = Future()
        done.set_result(Receipt("dry", next(self._leaf), record.type, 0))
        return done


def try_tool(
    agent: Annotated[str, typer.Argument(help="An agent's folder, such as healthcare.")],
    tool: Annotated[str, typer.Argument(help="One of its tools, such as book_appointment.")],
    args: Annotated[str, typer.Option(metavar="JSON", help="The arguments, as a model would write them.")],
    said: Annotated[str, typer.Option(metavar="TEXT", help="What the caller said just before.")] = "",
    language: Annotated[str, typer.Option(help="The call's language; the agent's first by default.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """What would become of one use of a tool, and the request that would leave.

    Nothing is sent, asked, counted or recorded. Exit code 1: it would be refused.
    """
    from voice_runtime.cli.text import settings_of
    from voice_runtime.lines import load_lines
    from voice_runtime.resolve import load_release

    settings = settings_of(Path(config))
    release = load_release(settings.root, agent, settings, load_lines(settings.root))
    spoken = language or release.language
    if spoken not in release.languages:
        raise OperatorError(f"agent {agent} serves {', '.join(release.languages)}, not {spoken}")
    report = tried(release, tool, _arguments(args), said, spoken)
    if as_json:
        emit_json(report)
    else:
        for line in _lines(report):
            typer.echo(line)
    raise typer.Exit(1 if report["outcome"] == "refused" else 0)


def tried(release: Release, name: str, arguments: Any, said: str, language: str) -> dict[str, Any]:
    """All that is known of one use before it would leave."""
    from controls.tool_limits import NoAmount, amount_of, over
    from voice_runtime.think.read_back import read_as, rendered, sentence
    from voice_runtime.think.tool_arguments import Ready, compiled, fault

    report: dict[str, Any] = {"agent": release.name, "tool": name, "language": language}
    tool = next((t for t in release.tools if t.name == name), None)
    if tool is None:
        known = ", ".join(t.name for t in release.tools) or "none"
        return report | _refused("unknown_tool", f"there is no such tool; tools of {release.name}: {known}")
    wrong = fault(Ready(tool, compiled(tool, language)), arguments if isinstance(arguments, dict) else None)
    if wrong:
        return report | _refused("bad_arguments", wrong)
    try:
        broken = over(None, tool.amount, amount_of(tool.amount, arguments))
    except NoAmount as error:
        return report | _refused("bad_arguments", f"{error}: not a number of nought or more")
    report["limits"] = _limits(tool)
    if broken is not None:
        return report | _refused(*broken)
    if tool.read_back:
        values = {n: rendered(arguments.get(n), read_as(tool.parameters, n)) for n in tool.read_back}
        report["read_back"], _ = sentence(tool.read_back_say[language], values)
    decision = _decided(release, tool, arguments, said, language)
    report |= _judged(decision)
    if decision.ask is None and decision.verdict.value != "allow":
        return report | _refused("rule", decision.verdicts[0].reason)
    request: dict[str, Any] = {
        "method": tool.method, "url": tool.url, "timeout_s": tool.timeout_s, "body": arguments,
        "headers": {"Idempotency-Key": "the use's id", "Sayso-Signature": "HMAC under the service's key"},
    }  # fmt: skip
    if tool.mcp is not None:
        request = {"method": "tools/call", "url": f"{tool.service}/{tool.mcp.tool}", "body": arguments}
    outcome = "asks" if decision.ask is not None else "dry" if tool.dry_run else "sends"
    return report | {"outcome": outcome, "dry_run": tool.dry_run, "request": request}


def _decided(release: Release, tool: Tool, arguments: Any, said: str, language: str) -> Decision:
    """What the gate of a call would decide; its records go nowhere."""
    from controls.gate import Gate
    from voice_runtime.binding import rules_of

    gate = Gate(
        recorder=_Nowhere(), tenant="dry", call=_CALL, rules=rules_of(release), language=language,
        risk=release.risk,
    )  # fmt: skip
    outcome = gate.tool(
        _USE, tool.name, arguments, 1, risk=tool.risk, read_back="confirmed" if tool.read_back else "none",
        idempotent=tool.idempotent, caller_said=said, ask=tool.approval,
        undoable=bool(tool.undo_with) or tool.risk == "low", dry=True,
    )  # fmt: skip
    return outcome.decision


def _refused(reason: str, why: str) -> dict[str, Any]:
    return {"outcome": "refused", "reason": reason, "why": why}


def _limits(tool: Tool) -> dict[str, Any]:
    amount = tool.amount
    found: dict[str, Any] = {"per_call": tool.per_call, "per_day": tool.per_day}
    if amount is not None:
        found |= {f"{amount.argument}_at_most": amount.at_most, f"{amount.argument}_per_day": amount.per_day}
    return {name: limit for name, limit in found.items() if limit is not None}


def _judged(decision: Decision) -> dict[str, Any]:
    ask = decision.ask
    return {
        "rules": [
            {"rule": v.rule, "verdict": v.verdict, "risk": v.risk, "reason": v.reason}
            for v in decision.verdicts
        ],
        "risk": decision.risk,
        "risk_of": {reason.feature: reason.points for reason in decision.reasons},
        "approval": None
        if ask is None
        else {"by": ask.role, "within_s": ask.within_s, "else": ask.otherwise},
    }


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise OperatorError('--args is no JSON: write an object, such as \'{"day": "Monday"}\'') from None


def _lines(report: dict[str, Any]) -> list[str]:
    """The report for a reader, a line for each thing that is known."""
    said = {
        "refused": f"refused: {report.get('reason')}: {report.get('why')}",
        "asks": "waits for a person",
        "dry": "judged and recorded, not sent: a dry run",
        "sends": "would be sent",
    }
    found = [f"{report['tool']}  {said[report['outcome']]}"]
    if limits := report.get("limits"):
        found.append("limits    " + ", ".join(f"{name} {limit:g}" for name, limit in limits.items()))
    if "read_back" in report:
        found.append(f"asks      {report['read_back']}")
    if "risk" in report:
        points = ", ".join(f"{name} {n}" for name, n in report["risk_of"].items())
        found.append(f"risk      {report['risk']}" + (f" ({points})" if points else ""))
        found += [f"rule      {v['verdict']} {v['rule']}: {v['reason']}" for v in report["rules"]]
    if ask := report.get("approval"):
        found.append(f"approval  {ask['by']} within {ask['within_s']} s, else {ask['else']}")
    if request := report.get("request"):
        body = json.dumps(request["body"], ensure_ascii=False)
        found.append(f"request   {request['method']} {request['url']}  {body}")
    return found
