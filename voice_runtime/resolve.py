"""From an agent folder and its configuration to one frozen, digested release.

1. Everything is read (``agent_folder``) and checked against everything else
   (``agent_checks``); all problems are reported at once.
2. What a call needs is put together into a ``Release``.
3. Its digest is SHA-256 over the canonical JSON (RFC 8785) of all of it: agent
   file, prompt, facts, phrases and templates in every language, rules,
   disclosures, tools with schemas, routes, thresholds, retention, engines,
   models and voices. ``offline.yaml`` and the evals are outside, so what is
   only for trying out never changes a version.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rfc8785

from controls.decision import Ask
from controls.errors import ConfigurationError, Problem
from controls.rules import meaning
from controls.tool_limits import AmountLimit
from voice_runtime.agent import ByKeys, DeskRoute, Known, McpTool, Release, Silence, Tool, answer_in
from voice_runtime.agent_checks import SpokenSeconds, check_parts, questions, warn
from voice_runtime.agent_file import ToolEntry
from voice_runtime.agent_folder import RETENTION_FILE, RULES_FOLDER, Parts, in_root, read_parts
from voice_runtime.desks import hours_text
from voice_runtime.lines import Lines
from voice_runtime.pack_floor import left_out
from voice_runtime.phrases import CAPTURE, CLINICAL, SAID_ALOUD, WORDS_KEPT, known_phrases, plain
from voice_runtime.sentence_model import use_sentence_model
from voice_runtime.services import Operation, Service
from voice_runtime.settings import Settings
from voice_runtime.urgent_phrases import urgent_sentences

__all__ = ["RETENTION_FILE", "load_release", "resolve", "validate_agent"]

#: Whose an agent is that no line reaches.
NO_TENANT = "local"


def load_release(root: Path, name: str, settings: Settings, lines: Lines | None = None) -> Release:
    """Resolve one agent.

    Args:
        root: the project's root, with ``agents`` and ``configs``.
        settings: the profile it is to run with.
        lines: who its tenant is; without lines (or none to it) the tenant is ``local``.

    Raises:
        ConfigurationError: with every error found in any of its files.
    """
    release, problems = resolve(root, name, settings, lines)
    if release is None:
        raise ConfigurationError([p for p in problems if p.severity == "error"])
    return release


def validate_agent(
    root: Path,
    name: str,
    settings: Settings,
    lines: Lines | None = None,
    *,
    spoken_s: SpokenSeconds | None = None,
    today: datetime.date | None = None,
) -> list[Problem]:
    """Every error and warning of one agent, in the order of its files; never raises for them.

    Args:
        spoken_s: how long words truly take, (words, language, voice) → s.
        today: the day on which disclosure rules must count; the present one (UTC) when None.
    """
    return resolve(root, name, settings, lines, spoken_s=spoken_s, today=today)[1]


def resolve(
    root: Path,
    name: str,
    settings: Settings,
    lines: Lines | None = None,
    *,
    spoken_s: SpokenSeconds | None = None,
    today: datetime.date | None = None,
) -> tuple[Release | None, list[Problem]]:
    """As ``load_release`` and ``validate_agent`` in one; the release is None when there are errors."""
    root = Path(root)
    try:
        use_sentence_model(settings)
        parts = read_parts(root, name, settings, lines, today or datetime.datetime.now(datetime.UTC).date())
    except ConfigurationError as error:
        return None, [in_root(p, root) for p in error.problems]
    check_parts(parts)
    warn(parts, spoken_s)
    problems = _tidy(parts)
    if any(p.severity == "error" for p in problems):
        return None, problems
    return _release(parts), problems


def _tidy(parts: Parts) -> list[Problem]:
    """By file (agent.yaml first) and line, without repeats."""
    unique = list(dict.fromkeys(parts.problems))
    files = list(dict.fromkeys([parts.document.file, *(p.file for p in unique)]))
    return sorted(unique, key=lambda p: (files.index(p.file), p.line, p.severity))


# --- putting it together --------------------------------------------------------------------------


def _release(parts: Parts) -> Release:
    agent, settings = parts.agent, parts.settings
    # There were no errors, so all of it was read.
    assert parts.rules is not None
    assert parts.schedule is not None
    assert parts.risk is not None
    schedule = parts.schedule
    talk = agent.conversation
    resolved = rfc8785.dumps(_content(parts))
    known = _known(parts)
    first = known[parts.language]
    shorter = {str(k): v for k, v in agent.retention.shorter.items()}
    return Release(
        name=parts.name,
        title=agent.title,
        digest="sha256:" + hashlib.sha256(resolved).hexdigest(),
        tenant=_tenant(parts),
        operator_of_record=agent.operator_of_record,
        language=parts.language,
        languages=parts.languages,
        voice=talk.voice,
        patience=talk.patience,
        prompt=_prompt(parts),
        phrases=_phrases(parts),
        tools=_tools(parts),
        handoff=_routes(parts),
        silence=Silence(talk.silence.ask_after_s, talk.silence.end_after_s),
        longest_call_s=talk.longest_call_min * 60,
        known_phrases=first.phrases,
        known_words=first.words,
        known=known,
        say_as={str(k): dict(v) for k, v in talk.say_as.items()},
        misheard_in_a_row=agent.handoff.also_when.misheard_in_a_row,
        retention_days={name: shorter.get(name, c.days) for name, c in schedule.classes.items()},
        engines=_engines(settings),
        templates=_templates(parts),
        rules=parts.rules,
        intents=parts.intents,
        redaction=parts.redaction,
        purpose=agent.purpose,
        refuses=agent.refuses,
        owner=agent.owner,
        facts=parts.facts,
        pronunciations=dict(first.pronunciations),
        handoff_after_s=(agent.handoff.also_when.call_lasts_min or 0) * 60,
        moment_after_s=talk.moment_after_s,
        pass_on=agent.handoff.pass_on,
        objectives=agent.objectives.model_dump(),
        disclosure_meets=agent.disclosure.meets,
        recording=agent.disclosure.recording,
        asks=agent.disclosure.asks,
        clinical=agent.disclosure.clinical,
        jurisdictions=parts.jurisdictions,
        retention_schedule=agent.retention.schedule,
        retention=schedule,
        retention_shorter=shorter,
        model=settings.model.endpoints[0].model if settings.model.endpoints else "standin",
        risk=parts.risk,
        context_tokens=settings.model.context_tokens,
        nobody_there=settings.desks == "nobody_there",
        left_out=tuple(entry.pack for entry in left_out(parts)),
        resolved=resolved,
    )


def _content(parts: Parts) -> dict[str, Any]:
    """What the digest is taken over. Whatever a call can depend on belongs in here."""
    settings, talk = parts.settings, parts.agent.conversation
    assert parts.rules is not None
    assert parts.intents is not None
    assert parts.schedule is not None
    assert parts.risk is not None
    assert parts.redaction is not None
    turn = settings.turn
    return {
        "format": 1,
        "name": parts.name,
        "tenant": _tenant(parts),
        "agent": parts.agent.model_dump(mode="json", by_alias=True),
        "prompt": _prompt(parts),
        "answer_in": {language: answer_in(language) for language in parts.languages},
        "facts": parts.facts,
        "phrases": _phrases(parts),
        "templates": _templates(parts),
        "rules": parts.rules.digest,
        "intents": parts.intents.digest,
        "meaning": None if (encoder := meaning.current()) is None else encoder.digest,
        "left_out": [entry.model_dump(mode="json") for entry in left_out(parts)],
        "risk": {"features": parts.risk.digest, "limits": asdict(parts.risk.limits)},
        "redaction": parts.redaction.as_plain(),
        "disclosures": [rule.model_dump(mode="json") for rule in parts.wordings],
        "jurisdictions": _law(parts),
        "tools": [asdict(tool) for tool in _tools(parts)],
        "handoff": [{k: v for k, v in asdict(r).items() if k != "open_now"} for r in _routes(parts)],
        "retention": parts.schedule.model_dump(mode="json"),
        "thresholds": {
            "turn": turn.model_dump(mode="json", exclude={"patience"}),
            "patience": turn.patience[talk.patience].model_dump(mode="json"),
            "model": settings.model.model_dump(
                mode="json", include={"first_token_s", "total_s", "retries", "context_tokens"}
            ),
            "recogniser_deadline_s": settings.recogniser.deadline_s,
            "voice_deadline_s": settings.voice.deadline_s,
            "receipt_deadline_ms": settings.ledger.receipt_deadline_ms,
        },
        "engines": _engines(settings),
        "models": _models(settings),
        "recognisers": [_entry(e) for e in settings.recogniser.engines],
        "voices": [_entry(e) for e in settings.voice.engines],
        "voice": settings.voice.voices[talk.voice].model_dump(mode="json"),
    }


def _law(parts: Parts) -> list[dict[str, Any]]:
    """What decides which questions a call opens with: of every file that counts."""
    keep = {"disclosure", "jurisdictions", "effective", "expires", "consent"}
    return [rule.model_dump(mode="json", include=keep) for rule in parts.jurisdictions.rules]


def _tenant(parts: Parts) -> str:
    lines = parts.lines.of(parts.name) if parts.lines is not None else ()
    return lines[0].tenant if lines else NO_TENANT


def _engines(settings: Settings) -> dict[str, str]:
    model = "standin" if settings.model.standin else "openai"
    return {
        "recogniser": ", ".join(e.name for e in settings.recogniser.engines),
        "model": model,
        "voice": ", ".join(e.name for e in settings.voice.engines),
    }


def _models(settings: Settings) -> list[dict[str, Any]]:
    """The models as their suppliers call them; a key is no part of a version."""
    judges = [_entry(e) | {"note": "asked by rules"} for e in settings.model.judges]
    if settings.model.standin:
        return [{"name": "standin", "note": "not a language model"}, *judges]
    return [_entry(e) for e in settings.model.endpoints] + judges


def _entry(engine: Any) -> dict[str, Any]:
    """An engine of the profile; its keys, and how much machine it may use, are no part of a version."""
    without = {
        "api_key",
        "keys",
        "processes",
        "threads",
        "workers",
        "batch",
        "batch_wait_ms",
        "download",
        "folder",
    }
    return dict(engine.model_dump(mode="json", exclude=without))


def _prompt(parts: Parts) -> str:
    """The system prompt: the same bytes for every call, so that a model server can keep it."""
    agent = parts.agent
    never = "\n".join(f"- {what}" for what in agent.refuses)
    return (
        f"{parts.prompt}\n\n# Purpose\n\n{agent.purpose}\n\n"
        f"# What you never do\n\nRefuse these in one sentence and offer a person:\n{never}\n\n"
        f"# Facts\n\nState nothing about the house that is not here.\n\n{parts.facts}\n"
    )


def _phrases(parts: Parts) -> dict[str, dict[str, str]]:
    """Every fixed phrase in every language: the defaults, the agent's own words, the rules'."""
    assert parts.rules is not None
    words: dict[str, dict[str, str]] = {}
    for language in parts.languages:
        found: dict[str, str] = dict(parts.phrases[language].phrases)
        found |= {str(name): said[language] for name, said in parts.agent.phrases.items()}
        found |= {name: said[language] for name, said in parts.rules.phrases.items() if language in said}
        found["disclosure"] = _disclosure(parts, language, found.pop(WORDS_KEPT))
        if not parts.agent.disclosure.clinical:
            found = {name: text for name, text in found.items() if name not in CLINICAL}
        found = _keyed(parts, found)
        found |= questions(parts, language)
        for name, text in found.items():
            words.setdefault(name, {})[language] = text
    return dict(sorted(words.items()))


def _disclosure(parts: Parts, language: str, kept: str) -> str:
    """The first words; who is asked nothing about recording is told that the text is kept, and how to object.

    The two are one phrase: it counts as played once all of it was, and is on record with its exact words.
    """
    say = parts.agent.disclosure.say[language]
    return say if parts.agent.disclosure.recording == "ask" else f"{say} {kept}"


def _keyed(parts: Parts, found: dict[str, str]) -> dict[str, str]:
    """Who may key a card in is told so when they say it; who may not is never told to key anything."""
    kinds = {tool.capture.what for tool in parts.agent.tools.values() if tool.capture is not None}
    if not kinds:
        return {name: text for name, text in found.items() if name not in CAPTURE}
    if not kinds & {"card", "card-code"}:
        return found
    return {n: found["capture-not-aloud"] if SAID_ALOUD.match(n) else text for n, text in found.items()}


def _templates(parts: Parts) -> dict[str, dict[str, str]]:
    names = sorted(parts.phrases[parts.language].templates)
    return {str(n): {la: parts.phrases[la].templates[n] for la in parts.languages} for n in names}


def _known(parts: Parts) -> dict[str, Known]:
    """What callers may say, per language: outside the digest but for the words the agent names."""
    found = {}
    for language in parts.languages:
        words = [k for k in parts.agent.conversation.known_words if k.language in (None, language)]
        found[language] = Known(
            known_phrases(
                parts.offline.get(language),
                parts.root / RULES_FOLDER,
                language,
                _listened_for(parts, language),
            ),
            tuple(dict.fromkeys(plain(k.word, language) for k in words)),
            {plain(k.word, language): k.sounds for k in words if k.sounds},
            urgent_sentences(parts.root / RULES_FOLDER, language),
        )
    return found


def _listened_for(parts: Parts, language: str) -> list[str]:
    """What rules of the agent's own are to catch of what callers say."""
    ours = [pack for pack in parts.rules.packs if pack.pack == "ours"] if parts.rules is not None else []
    return [
        plain(example.text, language)
        for pack in ours
        for rule in pack.rules
        if rule.when == "caller_says"
        for example in rule.catches
        if (example.language or parts.languages[0]) == language
    ]


def _tools(parts: Parts) -> tuple[Tool, ...]:
    return tuple(_tool(parts, name, entry) for name, entry in parts.agent.tools.items())


def _tool(parts: Parts, name: str, entry: ToolEntry) -> Tool:
    assert parts.services is not None
    service, operation = entry.calls.split("/")
    found = parts.services.services[service]
    offered = found.operations[operation]
    url = ""
    if found.mcp is None:
        base = parts.settings.services[service].url or f"http://{service}.invalid"
        url = base.rstrip("/") + (offered.path or "")
    return Tool(
        name=name,
        does=entry.does,
        risk=entry.risk,
        service=service,
        operation=operation,
        method=offered.method if found.mcp is None else "",
        url=url,
        timeout_s=offered.timeout_s,
        parameters=offered.arguments,
        read_back=entry.read_back,
        read_back_say={str(k): v for k, v in entry.read_back_say.items()},
        per_call=entry.at_most.per_call if entry.at_most else None,
        idempotent=offered.idempotent and found.mcp is None,  # that protocol has no question to ask later
        undo_with=entry.undo_with or "",
        capture=None if (keys := entry.capture) is None else ByKeys(keys.argument, keys.wanted),
        approval=None if (by := entry.approval) is None else Ask(by.by, by.within_s, by.else_),
        per_day=entry.at_most.per_day if entry.at_most else None,
        amount=None if (of := entry.amount) is None else AmountLimit(of.argument, of.at_most, of.per_day),
        result=offered.result,
        mcp=_mcp_tool(parts, service, found, offered),
        doubt_lasts_h=entry.doubt_lasts_h or 0,
        dry_run=entry.dry_run or parts.agent.dry_run or parts.settings.dry_run,
    )


def _mcp_tool(parts: Parts, name: str, service: Service, offered: Operation) -> McpTool | None:
    """Where the tool is, where its service is a server of the Model Context Protocol."""
    at = service.mcp
    if at is None or offered.tool is None or offered.pinned is None:
        return None
    address = parts.settings.services.get(name)
    url = (address.url if address is not None else None) or at.url or ""
    return McpTool(offered.tool, offered.pinned, at.command, "" if at.command else url, at.key_env or "")


def _routes(parts: Parts) -> tuple[DeskRoute, ...]:
    assert parts.desks is not None
    routes = []
    for to in parts.agent.handoff.to:
        name = to.desk or to.callback or ""
        desk = parts.desks.desks[name]
        routes.append(
            DeskRoute(
                kind="desk" if to.desk else "callback",
                desk=name,
                number=(desk.number or "") if to.desk else "",
                wait_s=to.wait_s,
                within_working_h=to.within_working_h,
                hours=hours_text(desk),
                title=desk.title,
                always=bool(to.desk) and to.during != "opening-hours",
                urgent_only=bool(to.desk) and to.during == "emergencies",
                titles={str(language): words for language, words in desk.titles.items()},
            )
        )
    return tuple(routes)
