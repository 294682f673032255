"""What an agent's rules must agree on with its desks and its profile; part of ``agent_checks``."""

from __future__ import annotations

from controls.errors import Problem
from controls.rules.judges import asks_about_everything
from voice_runtime.agent_folder import Parts
from voice_runtime.engine_settings import Endpoint


def check_rules(parts: Parts) -> None:
    """Name desks that rules send callers to and the agent has not, and warn of judges nobody can ask."""
    if parts.rules is None:
        return
    desks = {to.desk or to.callback or "" for to in parts.agent.handoff.to}
    models = (*parts.settings.model.judges, *parts.settings.model.endpoints)
    judges = {model.name for model in models if isinstance(model, Endpoint)}
    for pack in parts.rules.packs:
        for i, rule in enumerate(pack.rules):
            if rule.to is not None and rule.to not in desks:
                known = ", ".join(sorted(desks)) or "none"
                message = f"this agent has no desk '{rule.to}', which the rule tries first"
                parts.problems.append(
                    Problem(*pack.where(i, "to"), message, f"add it to its `handoff`, which has: {known}")
                )
            judge = rule.if_.judge
            if judge is None:
                continue
            if judge.supplier not in judges:
                message = f"this profile cannot ask '{judge.supplier}': {_then(rule.then)}"
                remedy = "name it under model.judges of the profile"
                at = pack.where(i, "if", "judge")
                parts.problems.append(Problem(*at, message, remedy, "warning"))
            if asks_about_everything(rule):
                message = "the model is asked about every clause, or every use, and each waits for it"
                remedy = "narrow it with `phrases`, `together`, `like`, `cel` or `tools`"
                at = pack.where(i, "if", "judge")
                parts.problems.append(Problem(*at, message, remedy, "warning"))


def _then(verdict: str) -> str:
    return "nothing is ever found" if verdict == "allow" else "whatever it would be asked about is refused"
