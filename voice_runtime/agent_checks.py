"""What an agent's parts must agree on: tools with services, desks with handoffs, words with languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from controls import disclosures
from controls.errors import Problem
from voice_runtime import dictionary
from voice_runtime.agent import Release
from voice_runtime.agent_folder import Parts
from voice_runtime.offline_file import FILE, offline_name
from voice_runtime.phrases import FIXED, HOLDING, combinations, holding_fault, offline_phrases, plain
from voice_runtime.settings import Settings
from voice_runtime.yaml_file import Path_

#: Words of no agent's file, but of every agent: never to deny being an AI.
REQUIRED_PACKS = ("truthful-ai",)
#: A disclosure longer than this loses its listener (s).
LONGEST_DISCLOSURE_S = 7.0

#: Recogniser engines that know certain languages only; any other engine is believed.
ENGINE_LANGUAGES: Mapping[str, frozenset[str]] = {"pocketsphinx": frozenset({"en-US"})}

#: How long a text takes to speak: (words, language, voice) → s.
SpokenSeconds = Callable[[str, str, str], float]


def check_parts(parts: Parts) -> None:
    """Note every disagreement in ``parts.problems``."""
    _languages(parts)
    _tools(parts)
    _holding(parts)
    _handoff(parts)
    _rules(parts)
    _disclosure(parts)
    _retention(parts)
    agent = parts.agent
    voices = parts.settings.voice.voices
    if agent.conversation.voice not in voices:
        parts.wrong(
            ("conversation", "voice"),
            f"profile '{parts.settings.name}' has no voice '{agent.conversation.voice}'",
            f"voices there: {', '.join(voices)}",
        )
    if parts.people is not None and agent.owner not in parts.people.roles:
        roles = ", ".join(parts.people.roles)
        parts.wrong(("owner",), f"there is no role '{agent.owner}'", f"roles in configs/people.yaml: {roles}")
    if parts.lines is not None and not parts.lines.of(parts.name):
        parts.problems.append(
            Problem(
                "configs/lines.yaml", 0, "", f"no line reaches agent '{parts.name}'", "add one", "warning"
            )
        )


def _languages(parts: Parts) -> None:
    agent, served = parts.agent, parts.languages
    said: list[tuple[Path_, dict[str, str]]] = [(("disclosure", "say"), agent.disclosure.say)]
    said += [(("phrases", name), words) for name, words in agent.phrases.items()]
    said += [(("tools", name, "read_back_say"), t.read_back_say) for name, t in agent.tools.items()]
    said += [(("rules", "ours", i, "say"), rule.say) for i, rule in enumerate(agent.rules.ours)]
    for at, words in said:
        for language in served if words else ():
            if language not in words:
                parts.wrong(at, f"has no words in {language}", f"add {language}: …")
        for language in words:
            if language not in served:
                remedy = f"remove it, or add it to languages: {{first: {served[0]}, also: [{language}]}}"
                parts.wrong((*at, language), "is in a language this agent does not serve", remedy)
    for language in agent.conversation.say_as:
        if language not in served:
            at = ("conversation", "say_as", language)
            parts.wrong(at, "is in a language this agent does not serve", f"served: {', '.join(served)}")
    for i, known in enumerate(agent.conversation.known_words):
        if known.language is not None and known.language not in served:
            at = ("conversation", "known_words", i, "language")
            parts.wrong(at, "is in a language this agent does not serve", f"served: {', '.join(served)}")
    for name in agent.phrases:
        if name not in FIXED:
            parts.wrong(("phrases", name), "is not a known phrase", f"known: {', '.join(FIXED)}")
    for i, language in enumerate(served):
        unreviewed = [p.pack for p in parts.packs if language not in p.languages]
        if unreviewed:
            names = ", ".join(unreviewed)
            at = ("languages", "also", i - 1) if i else ("languages", "first")
            remedy = "serve a language they were reviewed for, or have them reviewed"
            parts.wrong(at, f"nobody reviewed these packs for it: {names}", remedy)


def _tools(parts: Parts) -> None:
    if parts.services is None:
        return
    for name, tool in parts.agent.tools.items():
        service, operation = tool.calls.split("/")
        found = parts.services.services.get(service)
        if found is None or operation not in found.operations:
            known = ", ".join(f"{s}/{o}" for s, d in parts.services.services.items() for o in d.operations)
            parts.wrong(("tools", name, "calls"), f"there is no operation '{tool.calls}'", f"known: {known}")
            continue
        if service not in parts.settings.services:
            parts.wrong(
                ("tools", name, "calls"),
                f"profile '{parts.settings.name}' has no address for service '{service}'",
                f"add services: {service}: … to that profile",
            )
        schema = found.operations[operation].arguments
        required = set(schema.get("required") or ())
        for i, argument in enumerate(tool.read_back):
            if argument not in schema["properties"] or argument not in required:
                options = ", ".join(sorted(required)) or "none"
                parts.wrong(
                    ("tools", name, "read_back", i),
                    f"'{argument}' is not an argument it always has",
                    f"arguments of {tool.calls}: {options}",
                )
        if tool.undo_with is not None and (tool.undo_with == name or tool.undo_with not in parts.agent.tools):
            others = ", ".join(t for t in parts.agent.tools if t != name) or "none"
            parts.wrong(("tools", name, "undo_with"), "is not another tool of this agent", f"tools: {others}")


def _holding(parts: Parts) -> None:
    """What is said while a tool runs must be true whatever comes of it."""
    ours = parts.agent.phrases.get(HOLDING, {})
    for language, found in parts.phrases.items():
        text = ours.get(language, found.phrases[HOLDING])
        if fault := holding_fault(text, language):
            remedy = 'word it without any claim, such as "One moment, please."'
            parts.wrong(("phrases", HOLDING, language), fault, remedy)


def _handoff(parts: Parts) -> None:
    if parts.desks is None:
        return
    desks = parts.desks.desks
    for i, to in enumerate(parts.agent.handoff.to):
        kind = "desk" if to.desk else "callback"
        name = to.desk or to.callback or ""
        at = ("handoff", "to", i, kind)
        if name not in desks:
            options = ", ".join(desks) or "none yet"
            parts.wrong(at, f"there is no desk '{name}'", f"desks in configs/desks.yaml: {options}")
        elif to.desk and desks[name].number is None:
            parts.wrong(
                at, f"desk '{name}' has no number", "give it one in configs/desks.yaml, or use callback"
            )
        elif lacking := [la for la in parts.languages[1:] if la not in desks[name].titles]:
            remedy = f"add titles: {{{lacking[0]}: …}} to it in configs/desks.yaml"
            parts.wrong(at, f"desk '{name}' has no title in {', '.join(lacking)}", remedy)
        elif not any(desks[name].hours.values()):
            parts.wrong(at, f"desk '{name}' never opens", "give it hours in configs/desks.yaml")


def _rules(parts: Parts) -> None:
    for name in REQUIRED_PACKS:
        if name not in parts.agent.rules.packs:
            parts.wrong(("rules", "packs"), f"pack '{name}' is missing", f"add {name}; every agent has it")
    if parts.packs and not any(p.kind == "emergency" for p in parts.packs):
        parts.wrong(("rules", "packs"), "no pack knows emergencies", "add one, such as emergency-us")
    if parts.rules is not None:
        ours = parts.agent.phrases
        words: dict[str, dict[str, str]] = {"disclosure": dict(parts.agent.disclosure.say)}
        for language, found in parts.phrases.items():
            for name, text in found.phrases.items():
                words.setdefault(name, {})[language] = ours.get(name, {}).get(language, text)
        for problem in parts.rules.objections(words):
            name, language = problem.file.removeprefix("phrase "), problem.field
            at: Path_ = ("disclosure", "say") if name == "disclosure" else ("phrases", name)
            parts.wrong((*at, language), problem.message, problem.remedy)


def _disclosure(parts: Parts) -> None:
    say = {str(language): words for language, words in parts.agent.disclosure.say.items()}
    for problem in disclosures.check(parts.wordings, say, operator=parts.agent.operator_of_record):
        if problem.severity == "error":  # its length is judged below, at the voice's own rate
            language = problem.field.rpartition(".")[2]
            parts.wrong(("disclosure", "say", language), problem.message, problem.remedy)


def _retention(parts: Parts) -> None:
    schedule, wanted = parts.schedule, parts.agent.retention
    if schedule is None:
        return
    for problem in schedule.objections(wanted.shorter):
        parts.wrong(("retention", *problem.field.split(".", 1)), problem.message, problem.remedy)
    for line in parts.lines.of(parts.name) if parts.lines is not None else ():
        if line.region not in schedule.regions:
            message = f"'{wanted.schedule}' was not reviewed for region '{line.region}' of line {line.name}"
            remedy = f"use a schedule for that region; this one covers {', '.join(schedule.regions)}"
            parts.wrong(("retention", "schedule"), message, remedy)


# --- warnings -------------------------------------------------------------------------------------


def warn(parts: Parts, spoken_s: SpokenSeconds | None = None) -> None:
    """Note what works but will not please, as warnings.

    Args:
        spoken_s: how long a text truly takes; estimated from the voice's rate without it.
    """
    _disclosure_length(parts, spoken_s)
    _pronunciations(parts)
    _recognised(parts)
    _offline_languages(parts)


def estimate_s(text: str, rate_wpm: float) -> float:
    """Seconds ``text`` takes at ``rate_wpm``, with a pause of 0.25 s after each sentence but the last."""
    sentences = max(1, len(re.findall(r"[.!?]+(?=\s|$)", text)))
    return len(text.split()) * 60.0 / rate_wpm + 0.25 * (sentences - 1)


def _disclosure_length(parts: Parts, spoken_s: SpokenSeconds | None) -> None:
    voice = parts.agent.conversation.voice
    style = parts.settings.voice.voices.get(voice)
    if style is None:
        return
    for language, text in parts.agent.disclosure.say.items():
        seconds = spoken_s(text, language, voice) if spoken_s else estimate_s(text, style.rate_wpm)
        if seconds > LONGEST_DISCLOSURE_S:
            kind = "takes" if spoken_s else "would take about"
            parts.wrong(
                ("disclosure", "say", language),
                f"{kind} {seconds:.1f} s to speak",
                f"shorten it to {LONGEST_DISCLOSURE_S:.0f} s, or callers will talk over it",
                severity="warning",
            )


def unserved_languages(release: Release, settings: Settings) -> tuple[str, ...]:
    """Languages of a release that the profile cannot recognise: a line in one of them is refused.

    The first recogniser of the profile's chain counts; the others only stand in for it.
    """
    return _unserved(release.languages, settings)


def _unserved(languages: Sequence[str], settings: Settings) -> tuple[str, ...]:
    serves = ENGINE_LANGUAGES.get(settings.recogniser.engines[0].engine)
    return tuple(name for name in languages if serves is not None and name not in serves)


def _recognised(parts: Parts) -> None:
    for language in _unserved(parts.languages, parts.settings):
        i = parts.languages.index(language)
        parts.wrong(
            ("languages", "also", i - 1) if i else ("languages", "first"),
            f"{language} is not served by this profile's recogniser; lines in {language} refuse calls",
            "use a profile whose first recogniser engine knows it, such as faster-whisper",
            severity="warning",
        )


def _offline_languages(parts: Parts) -> None:
    """An agent that can be tried without a model in one language is expected to be so in all."""
    if not (parts.folder / FILE).is_file():
        return
    for language in parts.languages[1:]:
        name = offline_name(language, parts.language)
        if not (parts.folder / name).is_file():
            message = f"there is no script of the stand-in in {language}"
            remedy = "write one, or the stand-in answers with its last resort in the first language"
            file = f"agents/{parts.name}/{name}"
            parts.problems.append(Problem(file, 0, "", message, remedy, "warning"))


def _pronunciations(parts: Parts) -> None:
    """English words that the phrase recogniser's dictionary lacks."""
    english = [name for name in parts.languages if name.startswith("en")]
    if not english:
        return
    sounds = {w for k in parts.agent.conversation.known_words if k.sounds for w in plain(k.word).split()}
    known_words = parts.agent.conversation.known_words
    for i, known in enumerate(known_words):
        if known.language is not None and known.language not in english:
            continue
        missing = (
            [] if known.sounds else [w for w in dictionary.lacking(plain(known.word)) if w not in sounds]
        )
        if missing:
            parts.wrong(
                ("conversation", "known_words", i),
                "the offline recogniser does not know how it sounds",
                f'write {{word: {known.word}, sounds: "…"}} with its sounds in ARPAbet',
                severity="warning",
            )
    for language in english:
        if language in parts.offline:
            _offline_words(parts, language, sounds)


def _offline_words(parts: Parts, language: str, sounds: set[str]) -> None:
    script = parts.offline[language]
    file = f"agents/{parts.name}/{offline_name(language, parts.language)}"
    text = " ".join(dict.fromkeys(w for phrase in offline_phrases(script) for w in phrase.split()))
    for word in dictionary.lacking(text):
        if word not in sounds:
            remedy = "add it with its sounds to conversation.known_words, or use another word"
            message = f"the offline recogniser does not know the word '{word}'"
            parts.problems.append(Problem(file, 0, "patterns", message, remedy, "warning"))
    for i, pattern in enumerate(script.patterns):
        for said in pattern.when.said if pattern.when else ():
            if combinations(said, script.spoken) > 600:
                message = "has more than 600 forms; the offline recogniser learns the first"
                field = f"patterns[{i}].when.said"
                parts.problems.append(Problem(file, 0, field, message, "use fewer slots", "warning"))
