"""What an agent's parts must agree on: tools with services, desks with handoffs, words with languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from controls import disclosures
from controls.disclosures import AskedScope
from controls.errors import Problem
from controls.jurisdiction import Terms, asked_scopes
from voice_runtime import dictionary
from voice_runtime.agent import Release
from voice_runtime.agent_folder import RULES_FOLDER, Parts
from voice_runtime.offline_file import FILE, offline_name
from voice_runtime.pack_floor import check_floor
from voice_runtime.phrase_checks import check_phrases
from voice_runtime.phrases import FIXED, combinations, offline_phrases, plain
from voice_runtime.rule_checks import check_rules
from voice_runtime.settings import Settings
from voice_runtime.tool_checks import check_tools
from voice_runtime.yaml_file import Path_

#: A disclosure longer than this loses its listener (s).
LONGEST_DISCLOSURE_S = 7.0

#: A file of disclosure rules that expires within so many days is warned about.
EXPIRES_SOON_DAYS = 30

#: Recogniser engines that know certain languages only; any other engine is believed.
ENGINE_LANGUAGES: Mapping[str, frozenset[str]] = {"pocketsphinx": frozenset({"en-US"})}

#: How long a text takes to speak: (words, language, voice) → s.
SpokenSeconds = Callable[[str, str, str], float]


def check_parts(parts: Parts) -> None:
    """Note every disagreement in ``parts.problems``."""
    _languages(parts)
    check_tools(parts)
    _approvals(parts)
    check_phrases(parts)
    _handoff(parts)
    _emergencies(parts)
    _rules(parts)
    check_rules(parts)
    _disclosure(parts)
    _jurisdictions(parts)
    _retention(parts)
    _risk(parts)
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
    for tag in served:
        if parts.intents is not None and tag not in parts.intents.languages:
            there = ", ".join(sorted(parts.intents.languages))
            message = f"holds no lists in {tag}, which agent '{parts.name}' serves"
            file = f"{RULES_FOLDER.as_posix()}/intents.yaml"
            parts.problems.append(Problem(file, 0, "languages", message, f"write them, or serve: {there}"))
    for i, language in enumerate(served):
        unreviewed = [p.pack for p in parts.packs if p.kind == "guard" and language not in p.languages]
        urgent = [p for p in parts.packs if p.kind == "emergency"]
        if not any(language in p.languages for p in urgent):
            unreviewed += [p.pack for p in urgent]
        if unreviewed:
            names = ", ".join(unreviewed)
            at = ("languages", "also", i - 1) if i else ("languages", "first")
            remedy = "serve a language they were reviewed for, or have them reviewed"
            parts.wrong(at, f"nobody reviewed these packs for it: {names}", remedy)


def _approvals(parts: Parts) -> None:
    """Whoever is asked has a role here; the agent may ask besides the rules, not somebody else."""
    if parts.people is None:
        return
    roles = ", ".join(parts.people.roles)
    for name, tool in parts.agent.tools.items():
        for rule, ask in parts.rules.asks(name) if parts.rules is not None else ():
            if ask.role not in parts.people.roles:
                message = f"the rule {rule} asks '{ask.role}' about this tool, which is no role"
                parts.wrong(("tools", name), message, f"roles in configs/people.yaml: {roles}")
            elif tool.approval is not None and tool.approval.by != ask.role:
                message = f"the rule {rule} asks '{ask.role}' about this tool"
                parts.wrong(("tools", name, "approval", "by"), message, f"write by: {ask.role}")
        if tool.approval is not None and tool.approval.by not in parts.people.roles:
            at = ("tools", name, "approval", "by")
            remedy = f"roles in configs/people.yaml: {roles}"
            parts.wrong(at, f"there is no role '{tool.approval.by}'", remedy)


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


def _emergencies(parts: Parts) -> None:
    """Who has an emergency hears the numbers of the place, and somebody may be reached at any hour."""
    packs = [p for p in parts.packs if p.kind == "emergency"]
    for line in parts.lines.of(parts.name) if parts.lines is not None and packs else ():
        here = [p for p in packs if p.speaks_for(line.jurisdiction)]
        worded = {la for p in here for rule in p.rules for la in rule.say}
        lacking = [la for la in parts.languages if la not in worded]
        if here and lacking:  # without any, ``pack_floor`` says so
            message = f"no emergency pack for {line.jurisdiction} (line '{line.name}') speaks {lacking[0]}"
            parts.wrong(("rules", "packs"), message, f"word its scripts in {', '.join(lacking)}")
    if not any(to.desk and to.during != "opening-hours" for to in parts.agent.handoff.to):
        parts.wrong(
            ("handoff", "to"),
            "outside opening hours an emergency reaches nobody: callers are told what to dial, no more",
            "add {desk: …, during: emergencies}, or always, where somebody answers at any hour",
            severity="warning",
        )


def _rules(parts: Parts) -> None:
    check_floor(parts)
    if parts.people is not None:
        roles = ", ".join(parts.people.roles)
        for pack in parts.packs:
            for role in sorted({pack.owner_of(rule) for rule in pack.rules} - set(parts.people.roles)):
                message = f"pack '{pack.pack}' is owned by '{role}', which is no role"
                parts.wrong(("rules", "packs"), message, f"roles in configs/people.yaml: {roles}")
    if parts.rules is not None:
        ours = parts.agent.phrases
        words: dict[str, dict[str, str]] = {"disclosure": dict(parts.agent.disclosure.say)}
        for language, found in parts.phrases.items():
            for name, text in found.phrases.items():
                words.setdefault(name, {})[language] = ours.get(name, {}).get(language, text)
            for name, text in questions(parts, language).items():
                words.setdefault(name, {})[language] = text
        for problem in parts.rules.objections(words):
            name, language = problem.file.removeprefix("phrase "), problem.field
            at: Path_ = ("phrases", name)
            if name == "disclosure" or name.startswith("ask."):
                at = ("disclosure", "say") if name == "disclosure" else ("disclosure", "recording")
            parts.wrong((*at, language), problem.message, problem.remedy)


def _disclosure(parts: Parts) -> None:
    say = {str(language): words for language, words in parts.agent.disclosure.say.items()}
    for problem in disclosures.check(parts.wordings, say, operator=parts.agent.operator_of_record):
        if problem.severity == "error":  # its length is judged below, at the voice's own rate
            language = problem.field.rpartition(".")[2]
            parts.wrong(("disclosure", "say", language), problem.message, problem.remedy)


def asked_in(parts: Parts, terms: Terms) -> tuple[AskedScope, ...]:
    """What callers of a line in that jurisdiction are asked before a conversation, in order."""
    return asked_scopes(
        terms,
        recording=parts.agent.disclosure.recording,
        outside=any(engine.outside for engine in parts.settings.recogniser.engines),
        also=parts.agent.disclosure.asks,
    )


def _terms(parts: Parts, jurisdiction: str) -> list[Terms]:
    """What holds there today, and from each later day on which a further file begins to count."""
    law = parts.jurisdictions
    return [law.on(day).at(jurisdiction) for day in law.days(parts.today)]


def questions(parts: Parts, language: str) -> dict[str, str]:
    """Phrase id → words of every question that a call may open with in one language.

    A call whose jurisdiction nobody named (a rehearsed one) takes the strictest, so that is among them.
    """
    found = {}
    for terms in [t for name in ("", *_jurisdictions_of(parts)) for t in _terms(parts, name)]:
        for scope in asked_in(parts, terms):
            if (wording := terms.wording(scope, language)) is not None:
                found[wording.phrase] = wording.words
    return found


def _jurisdictions_of(parts: Parts) -> dict[str, str]:
    """Jurisdiction → the first of the agent's lines that is in it."""
    found: dict[str, str] = {}
    for line in parts.lines.of(parts.name) if parts.lines is not None else ():
        found.setdefault(line.jurisdiction, line.name)
    return found


def _jurisdictions(parts: Parts) -> None:
    """What the law of each line's jurisdiction wants, the agent says or asks."""
    agent = parts.agent
    for jurisdiction, line in _jurisdictions_of(parts).items():
        each = _terms(parts, jurisdiction)
        terms = each[0]  # the words are held against what counts today
        if not terms.known:
            _unknown(parts, terms, line)
        elif parts.wordings and not any(rule in terms.rules for rule in parts.wordings):
            names = ", ".join(rule.disclosure for rule in terms.rules if rule.requires) or "none yet"
            message = f"none of these speaks for '{jurisdiction}' of line {line}"
            parts.wrong(("disclosure", "meets"), message, f"wording rules that do: {names}")
        if agent.disclosure.recording == "ask" and any(t.recording == "not_recorded" for t in each):
            message = f"calls are not recorded in '{jurisdiction}' of line {line}"
            parts.wrong(("disclosure", "recording"), message, "write recording: off")
        asked = {(scope, t.wording(scope, la) is None, la): None
                 for t in each for scope in asked_in(parts, t) for la in parts.languages}  # fmt: skip
        for scope, unworded, language in asked:
            if unworded:
                message = f"nobody worded the question on {scope} in {language}, for line {line}"
                remedy = f"add it to consent.questions of a file in configs/disclosures for {jurisdiction}"
                field = "asks" if scope in agent.disclosure.asks else "recording"
                parts.wrong(("disclosure", field), message, remedy)


def _unknown(parts: Parts, terms: Terms, line: str) -> None:
    """Nobody looked at the law there: the wording has to meet every file."""
    say = {str(language): words for language, words in parts.agent.disclosure.say.items()}
    for problem in disclosures.check(terms.rules, say, operator=parts.agent.operator_of_record):
        if problem.severity == "error":
            language = problem.field.rpartition(".")[2]
            message = f"no file speaks for '{terms.jurisdiction}' of line {line}, so every one counts: "
            parts.wrong(("disclosure", "say", language), message + problem.message, problem.remedy)


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


def _risk(parts: Parts) -> None:
    allowed = parts.settings.risk
    for name in parts.agent.risk.looser_than(allowed):
        message = f"is above {getattr(allowed, name)}, the limit of profile '{parts.settings.name}'"
        parts.wrong(("risk", name), message, "an agent may lower a limit, never raise it")


# --- warnings -------------------------------------------------------------------------------------


def warn(parts: Parts, spoken_s: SpokenSeconds | None = None) -> None:
    """Note what works but will not please, as warnings.

    Args:
        spoken_s: how long a text truly takes; estimated from the voice's rate without it.
    """
    _disclosure_length(parts, spoken_s)
    _expires_soon(parts)
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


def _expires_soon(parts: Parts) -> None:
    """Past that day the house is closed: whoever reviews the file wants to know before."""
    first = parts.jurisdictions.first_to_expire()
    if first is None or first.expires is None or (first.expires - parts.today).days > EXPIRES_SOON_DAYS:
        return
    file = f"configs/disclosures/{first.disclosure}.yaml"
    message = f"expires on {first.expires}; from the next day on no agent is served"
    remedy = f"have {first.reviewer} hold it against the law again and set a new date"
    parts.problems.append(Problem(file, 0, "expires", message, remedy, "warning"))


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
