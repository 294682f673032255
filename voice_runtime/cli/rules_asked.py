"""Commands that ask the models rules ask: by the profile's own clients, and only who is in the register."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controls.rules.judges import JudgeAnswer, Key, Question
    from voice_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a question; ``ms`` is what the answer took."""

    answer: JudgeAnswer
    model: str
    ms: int


def ask_models(config: Path, questions: Sequence[Question]) -> dict[Key, Asked]:
    """Ask each question, one after the other, each within its own deadline.

    Raises:
        ConfigurationError: the profile, or the register of suppliers.
    """
    from voice_runtime.cli.text import settings_of

    return asyncio.run(_ask_all(settings_of(config), questions)) if questions else {}


async def _ask_all(settings: Settings, questions: Sequence[Question]) -> dict[Key, Asked]:
    from voice_runtime.binding import bound_judges, read_suppliers
    from voice_runtime.think.endpoints import Endpoint, Endpoints

    suppliers = read_suppliers(settings.root)
    settings = settings.model_copy(update={"model": _named(settings, questions)})
    async with AsyncExitStack() as stack:
        unasked = Endpoints((Endpoint("standin", "http://127.0.0.1:9/v1", "none"),))
        stack.push_async_callback(unasked.aclose)
        judges = bound_judges(settings, unasked, stack)
        found = {}
        for question in questions:
            endpoint = judges.endpoint(question.spec.supplier)
            if endpoint is not None:
                suppliers.check("model", endpoint.name, endpoint.region)
            found[question.key] = await _asked(judges, question)
        return found


def _named(settings: Settings, questions: Sequence[Question]) -> Any:
    """The profile's models, as judges only: those that the questions name and that speak the protocol."""
    from voice_runtime.engine_settings import Endpoint

    names = {question.spec.supplier for question in questions}
    every = (*settings.model.judges, *settings.model.endpoints)
    mine = tuple(e for e in every if isinstance(e, Endpoint) and e.name in names)
    return settings.model.model_copy(update={"judges": mine})


async def _asked(judges: Any, question: Question) -> Asked:
    from controls.errors import ProviderError
    from controls.rules.judges import JudgeAnswer

    endpoint = judges.endpoint(question.spec.supplier)
    if endpoint is None:
        return Asked(JudgeAnswer(None, "not_asked"), "", 0)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(question.spec.within_ms / 1000):
            judgement = await judges.ask(question, question.shown)
        answer = JudgeAnswer(judgement.yes, "" if judgement.yes is not None else "nonsense")
    except TimeoutError:
        answer = JudgeAnswer(None, "deadline")
    except ProviderError:
        answer = JudgeAnswer(None, "failed")
    return Asked(answer, endpoint.model, round((time.perf_counter() - started) * 1000))


def keep_asked(root: Path, asked: Mapping[Key, Asked]) -> None:
    """Write what was answered beside the packs, with what is kept there and still is an answer."""
    from controls.rules.answer_files import FOLDER, kept_beside, written
    from controls.rules.pack_files import load_packs
    from voice_runtime.agent_folder import RULES_FOLDER

    folder = root / RULES_FOLDER
    names = {rule.partition("/")[0] for (rule, _), found in asked.items() if found.answer.yes is not None}
    for pack in load_packs(folder, sorted(names - {"ours"})):
        given = {**kept_beside(folder, pack)}
        for key, found in asked.items():
            if found.answer.yes is not None:
                given[key] = (found.answer.yes, found.model)
        path = folder / FOLDER / f"{pack.pack}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(written(pack, given, datetime.now(UTC).date()), encoding="utf-8")


def question_row(question: Question, asked: Asked | None) -> dict[str, Any]:
    """A question and its answer, for a report; one that was not asked has none."""
    answer = asked.answer if asked is not None else None
    said = "not asked" if answer is None else answer.why or ("yes" if answer.yes else "no")
    return {
        "rule": question.rule, "asks": question.spec.asks, "supplier": question.spec.supplier,
        "mode": question.spec.mode, "answer": said, "ms": asked.ms if asked is not None else None,
    }  # fmt: skip
