"""What every fixed phrase of an agent is held to: what it is for, the rules, and claiming nothing too early.

Part of ``agent_checks``. Words of the agent's own are named where they stand in agent.yaml, the
defaults where they stand in ``configs/phrases``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from controls.decision import Effect, Proposal, Verdict
from controls.errors import Problem
from controls.intents import Intent
from voice_runtime.agent_folder import MUST_SAY_FILE, Parts
from voice_runtime.phrases import FIXED, FOLDER, HOLDING, STILL_WAITING, TEMPLATES, WAITING, holding_fault
from voice_runtime.yaml_file import load_document

#: What answers "are you a robot?", and is judged as that answer.
AI_ANSWER = "ai-answer"
#: What is spoken before anybody knows what comes of something.
CLAIMS_NOTHING = (HOLDING, WAITING, STILL_WAITING)


def check_phrases(parts: Parts) -> None:
    """Note every phrase whose words do not say what it is for, or say what they may not."""
    _known(parts)
    for language in parts.phrases:
        for name, text in _words(parts, language):
            _says(parts, name, text, language)
        _as_the_answer(parts, language)


def _says(parts: Parts, name: str, text: str, language: str) -> None:
    """What is said while something is not decided claims nothing; every phrase says what it is for."""
    must_say = parts.must_say
    lacking = must_say.lacking(name, text, language) if must_say is not None else ()
    if name in CLAIMS_NOTHING and (fault := holding_fault(text, language)):
        shown = "One moment, please."
        if must_say is not None and name in must_say.phrases and language in must_say.languages:
            shown = must_say.example(name, language)
        _wrong(parts, name, language, fault, f'word it without any claim, such as "{shown}"')
        return
    for fault in lacking:
        assert must_say is not None
        remedy = f'word it such as: "{must_say.example(name, language)}"'
        _wrong(parts, name, language, fault, remedy)


def _words(parts: Parts, language: str) -> Iterator[tuple[str, str]]:
    """Every phrase and template with the words the agent has for it."""
    found = parts.phrases[language]
    for name, text in found.phrases.items():
        yield name, parts.agent.phrases.get(name, {}).get(language, text)
    yield from found.templates.items()


def _wrong(parts: Parts, name: str, language: str, message: str, remedy: str) -> None:
    """Note it where the words stand."""
    if language in parts.agent.phrases.get(name, {}):
        parts.wrong(("phrases", name, language), message, remedy)
        return
    document = load_document(parts.root / FOLDER / f"{language}.yaml", parts.root)
    kind = "templates" if name in TEMPLATES else "phrases"
    parts.problems.append(document.problem((kind, name), message, remedy))


def _known(parts: Parts) -> None:
    """The file holds every phrase there is to something, in every language that is served."""
    must_say, file = parts.must_say, MUST_SAY_FILE.as_posix()
    if must_say is None:
        return

    def note(field: str, message: str, remedy: str) -> None:
        parts.problems.append(Problem(file, 0, field, message, remedy))

    known = {*FIXED, *TEMPLATES}
    for name in sorted(known - set(must_say.phrases)):
        note("phrases", f"does not say what '{name}' is for", f"add `{name}: …` as the file comes with it")
    for name in sorted(set(must_say.phrases) - known):
        note(f"phrases.{name}", "is not a known phrase", "remove it")
    for language in parts.languages:
        if language not in must_say.languages:
            message = f"does not say what phrases must say in {language}, which agent '{parts.name}' serves"
            there = ", ".join(must_say.languages)
            note("languages", message, f"write it for each phrase and have it reviewed, or serve: {there}")
    if parts.people is not None and must_say.owner not in parts.people.roles:
        roles = ", ".join(parts.people.roles)
        note("owner", f"there is no role '{must_say.owner}'", f"roles in configs/people.yaml: {roles}")


def _as_the_answer(parts: Parts, language: str) -> None:
    """The rules that need the caller's question are asked about the one phrase that answers one."""
    rules, intents = parts.rules, parts.intents
    if rules is None or intents is None or language not in rules.languages:
        return
    text = dict(_words(parts, language))[AI_ANSWER]
    listed = json.loads(intents.canonical)["languages"].get(language, {})
    for asked in listed.get(Intent.ROBOT_QUESTION.value, {}).get("catches", ()):
        proposal = Proposal(Effect.SPEAK, "", 0, "", text=text, caller_said=asked, language=language)
        decision = rules.evaluate(proposal, answers=None)
        if decision.verdict is not Verdict.ALLOW:
            message = f"the rule {decision.verdicts[0].rule} would refuse it as the answer to '{asked}'"
            _wrong(parts, AI_ANSWER, language, message, "change its words: say that an AI speaks")
            return  # one question shows it
