"""``sayso rules …``: what the rules are, whether they hold, what they would do, and what they did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import ConfigurationError, OperatorError, Problem
from voice_runtime.cli.rules_asked import ask_models, keep_asked, question_row
from voice_runtime.cli.rules_explained import asked_lines, explained, finding_lines
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table

if TYPE_CHECKING:
    from controls.rules.engine import Rules
    from controls.rules.examples import Tried
    from controls.rules.judges import JudgeAnswer, Key
    from controls.rules.model import Pack
    from voice_runtime.cli.rules_asked import Asked
    from voice_runtime.settings import Profile

app = typer.Typer(
    no_args_is_help=True, help="Rules: list them, hold them to their examples, see why they decided."
)

_UNKNOWN = "the rules of this release were not kept here: only what is on record is shown"


@app.command("list", epilog="Example: sayso rules list")
def list_(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List the packs: for which languages, how many rules, and which agents use them."""
    from controls.rules.pack_files import load_packs, pack_names
    from voice_runtime.agent_folder import RULES_FOLDER
    from voice_runtime.cli.text import profile_of

    root = profile_of(config).root
    packs = load_packs(root / RULES_FOLDER, pack_names(root / RULES_FOLDER))
    users = _users(root)
    rows: list[dict[str, Any]] = [
        {
            "pack": pack.pack, "title": pack.title, "kind": pack.kind, "languages": list(pack.languages),
            "rules": len(pack.rules), "owner": pack.owner, "reviewed": pack.reviewed.isoformat(),
            "agents": users.get(pack.pack, []),
        }
        for pack in packs
    ]  # fmt: skip
    if as_json:
        emit_json({"packs": rows})
        return
    emit_table(
        ["pack", "rules", "languages", "owner", "reviewed", "agents", "what"],
        [
            [
                row["pack"], str(row["rules"]), " ".join(row["languages"]), row["owner"], row["reviewed"],
                " ".join(row["agents"]) or "none", row["title"],
            ]
            for row in rows
        ],
        empty="no packs: configs/rules holds none",
    )  # fmt: skip


@app.command("test", epilog="Example: sayso rules test health-boundaries")
def keep(
    packs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACK]…", help="All of them, `intents` and `must-say`, by default."),
    ] = None,
    agent: Annotated[
        str, typer.Option(metavar="AGENT", help="The packs and own rules of an agent, all together.")
    ] = "",
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the models that rules ask about examples not tried yet.")
    ] = False,
    keep_answers: Annotated[
        bool, typer.Option("--keep", help="With --ask: keep what they answered beside the packs.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Hold every rule to its own examples; exit 1 when one does not hold, 2 when a file cannot be used.

    So are the lists of what callers ask of the runtime itself (`intents`), and what fixed phrases must say
    (`must-say`).

    A rule that asks a model is tried by the answers kept in configs/rules/answers; an example without one is
    not tried, and told to be so.
    """
    from voice_runtime.cli.text import profile_of
    from voice_runtime.sentence_model import use_sentence_model

    if packs and agent:
        raise OperatorError("name packs or --agent, not both")
    profile = profile_of(config)
    root = profile.root
    use_sentence_model(profile)
    tried = _of_agent(config, root, agent) if agent else _of_packs(root, packs or [])
    if ask:
        asked = ask_models(config, [example.asks for example in tried if example.asks is not None])
        if keep_answers:
            keep_asked(root, asked)
        tried = _of_agent(config, root, agent, asked) if agent else _of_packs(root, packs or [], asked)
    broken = [example for example in tried if example.fault]
    if as_json:
        rows = [_example_row(example) for example in tried]
        emit_json({"ok": not broken, "rules": len({e.rule for e in tried}), "examples": rows})
    else:
        for line in _account(tried, root):
            typer.echo(line)
    raise typer.Exit(1 if broken else 0)


@app.command("try", epilog='Example: sayso rules try healthcare "It is probably just eczema."')
def try_(
    agent: Annotated[str, typer.Argument(help="An agent's folder, such as healthcare.")],
    text: Annotated[str, typer.Argument(help="What is said.")],
    caller: Annotated[bool, typer.Option("--caller", help="The caller says it, not the agent.")] = False,
    said: Annotated[str, typer.Option(metavar="TEXT", help="What the caller said just before.")] = "",
    language: Annotated[str, typer.Option(help="The call's language; the agent's first by default.")] = "",
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the models that its rules ask; it leaves here.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """What an agent's rules would make of one sentence, and which words they go by. Nothing is recorded.

    Of a caller's words, what the runtime itself does comes first, as on a call on which nothing is asked or
    under way; the rules then judge what is left of them.
    """
    from controls.decision import Effect, Proposal
    from voice_runtime.cli.rules_tried import tried

    release = _release(config, agent)
    rules = _rules_of(release)
    spoken = language or release.language
    runtime = tried(release, text, spoken) if caller else None
    words = (runtime.left or text) if runtime is not None else text
    proposal = Proposal(
        Effect.SPEAK,
        "",
        0,
        "",
        text="" if caller else text,
        caller_said=words if caller else said,
        language=spoken,
    )
    questions = () if caller else rules.questions(proposal)
    asked = ask_models(config, questions) if ask else {}
    answers = {key: found.answer for key, found in asked.items()}
    decision = rules.caller(proposal) if caller else rules.evaluate(proposal, answers=answers)
    emergency = rules.emergency(text, spoken) if caller else None
    found = [*([emergency] if emergency else []), *decision.verdicts]
    rows = [
        {
            "rule": v.rule, "verdict": v.verdict, "risk": v.risk, "annex_a": list(v.annex_a),
            "reason": v.reason, "words": [asdict(g) for g in rules.why(v.rule, proposal)],
        }
        for v in found
    ]  # fmt: skip
    verdict = found[0].verdict
    phrase = emergency.say if emergency else decision.phrase
    instead = rules.phrases.get(phrase, {}).get(spoken) if phrase else decision.text or None
    if as_json:
        emit_json(
            {
                "agent": agent, "language": spoken, "verdict": verdict, "spoken": instead, "rules": rows,
                "asked": [question_row(question, asked.get(question.key)) for question in questions],
            }
            | ({} if runtime is None else {"runtime": runtime.rows(), "left": runtime.left})
        )  # fmt: skip
        return
    for line in runtime.lines(text) if runtime is not None else ():
        typer.echo(line)
    for question in questions:
        told = question_row(question, asked.get(question.key))
        answer = f"{told['answer']}, {told['ms']} ms" if ask else "not asked: give --ask"
        typer.echo(f"asked   {told['asks']}\n        {answer} ({told['supplier']}, for {told['rule']})")
    shown = f"{verdict}" + (f": {instead}" if instead and instead != text else "")
    if runtime is not None:
        shown = f"rules   {shown}" if runtime.left or emergency else f"rules   by themselves: {shown}"
    typer.echo(shown)
    for row in rows:
        typer.echo("\n".join(finding_lines(row)))


@app.command(epilog="Example: sayso rules explain c_7Q2MZ0G4D9RWX3KA 3")
def explain(
    call: Annotated[str, typer.Argument(metavar="CALL", help="A call's id, from `sayso calls`.")],
    turn: Annotated[int, typer.Argument(metavar="TURN", min=0, help="The turn's number in `sayso trace`.")],
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who looks; goes on record.")] = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Why the rules decided as they did in one turn: each verdict, and the words it went by.

    Judged again by the very rules of the call's release, as kept when its server started. Opens
    personal content: that you looked, and why, is on record before it is opened.
    """
    from voice_runtime.cli.records import read_trace
    from voice_runtime.cli.text import profile_of

    profile = profile_of(config)
    found = read_trace(profile, call, who=who, purpose=purpose, verify=False)
    chosen = next((t for t in found.turns if t.n == turn), None)
    if chosen is None:
        have = f"it has {found.turns[0].n} to {found.turns[-1].n}" if found.turns else "it has none"
        raise OperatorError(f"call {call} has no turn {turn}: {have}")
    rules = _archived(profile, found.call.release)
    rows = [asdict(row) for row in explained(found, chosen, rules)]
    if as_json:
        emit_json(
            {
                "call": call,
                "turn": turn,
                "release": found.call.release,
                "rules": rules is not None,
                "judged": rows,
                "asked": [a.model_dump() for a in found.judges if a.turn == turn],
            }
        )
        return
    typer.echo(f"call {call}, turn {turn}, release {found.call.release[:19]}…")
    if chosen.said is not None:
        typer.echo(f"caller  {chosen.said.text or '(erased)'}")
    if rules is None:
        typer.echo(_UNKNOWN)
    for line in asked_lines(found, turn):
        typer.echo(line)
    for row in rows:
        shown = row["text"] if row["what"] == "ending" else row["text"] or "(erased)"
        typer.echo(f"\n{row['what']:<7} {shown}{row['effect']}")
        typer.echo("\n".join(finding_lines(row)))
        if row["instead"]:
            typer.echo(f"        spoken instead: {row['instead']}")
    if not rows:
        typer.echo("nothing was judged in this turn")


# --- where rules come from --------------------------------------------------------------------------


def _archived(profile: Profile, release: str) -> Rules | None:
    """The rules of a release as kept when its server started, or None."""
    from controls.rules.engine import Rules
    from controls.rules.model import Pack
    from voice_runtime.release_archive import archived_release, archived_rules
    from voice_runtime.sentence_model import use_sentence_model

    resolved = archived_release(profile.data_dir, release)
    digest = json.loads(resolved).get("rules") if resolved is not None else None
    kept = archived_rules(profile.data_dir, digest) if digest else None
    use_sentence_model(profile)
    return None if kept is None else Rules([Pack.model_validate(pack) for pack in json.loads(kept)])


def _release(config: Path, agent: str) -> Any:
    from voice_runtime.cli.text import settings_of
    from voice_runtime.lines import load_lines
    from voice_runtime.resolve import load_release

    settings = settings_of(config)
    return load_release(settings.root, agent, settings, load_lines(settings.root))


def _rules_of(release: Any) -> Rules:
    rules: Rules | None = release.rules
    assert rules is not None  # a release that resolved has them
    return rules


def _of_agent(config: Path, root: Path, agent: str, asked: Mapping[Key, Asked] | None = None) -> list[Tried]:
    from controls.rules.answer_files import answers_beside
    from voice_runtime.agent_folder import RULES_FOLDER

    rules = _rules_of(_release(config, agent))
    folder = root / RULES_FOLDER
    held = rules.examples(answers_beside(folder, rules.packs) | _answers(asked))
    return [*held, *_of_intents(folder, rules.packs), *_of_phrases(root)]


def _of_intents(folder: Path, packs: Iterable[Pack]) -> Iterator[Tried]:
    """The lists of intents by their own examples, emergencies first as on a call."""
    from controls.intent_examples import INTENTS, tried_intents

    path = folder / f"{INTENTS}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        problem = Problem(str(path), 0, "", "the file cannot be read", "restore it, or name the right folder")
        raise ConfigurationError([problem]) from None
    return tried_intents(text, str(path), [pack for pack in packs if pack.kind == "emergency"])


def _of_phrases(root: Path) -> Iterator[Tried]:
    """What fixed phrases must say, by its own examples."""
    from controls.must_say import tried_phrases
    from voice_runtime.agent_folder import MUST_SAY_FILE
    from voice_runtime.yaml_file import read_text

    return tried_phrases(read_text(root / MUST_SAY_FILE, root), str(root / MUST_SAY_FILE))


def _answers(asked: Mapping[Key, Asked] | None) -> dict[Key, JudgeAnswer]:
    return {key: found.answer for key, found in (asked or {}).items()}


def _of_packs(root: Path, names: list[str], asked: Mapping[Key, Asked] | None = None) -> list[Tried]:
    """Each pack alone, so that a broken one does not hide what the others say.

    Raises:
        ConfigurationError: files that cannot be used, and phrases of rules that rules refuse.
    """
    from controls.intent_examples import INTENTS
    from controls.must_say import MUST_SAY
    from controls.rules.answer_files import answers_beside
    from controls.rules.engine import Rules
    from controls.rules.pack_files import emergency_names, load_packs, pack_names
    from voice_runtime.agent_folder import RULES_FOLDER

    folder = root / RULES_FOLDER
    ours = [name for name in names if name not in (INTENTS, MUST_SAY)]
    found = load_packs(folder, ours if names else pack_names(folder))
    problems: list[Problem] = []
    tried: list[Tried] = []
    for pack in found:
        rules = Rules([pack])
        tried += rules.examples(answers_beside(folder, [pack]) | _answers(asked))
        problems += rules.objections(rules.phrases)
    if problems:
        raise ConfigurationError(problems)
    if not names or INTENTS in names:
        tried += _of_intents(folder, load_packs(folder, emergency_names(folder)))
    if not names or MUST_SAY in names:
        tried += _of_phrases(root)
    return tried


def _users(root: Path) -> dict[str, list[str]]:
    """Pack → the agents that name it, as far as their files can be read."""
    from controls.documents import read
    from voice_runtime.lines import known_agents

    users: dict[str, list[str]] = {}
    for agent in known_agents(root):
        try:
            data = read((root / "agents" / agent / "agent.yaml").read_text(encoding="utf-8"), agent)
            named = [str(name) for name in data["rules"]["packs"]]
        except (OSError, ValueError, KeyError, TypeError, ConfigurationError):
            continue
        for name in named:
            users.setdefault(name, []).append(agent)
    return users


def _account(tried: list[Tried], root: Path) -> Iterator[str]:
    """One line a rule, its examples counted, and what did not hold in full."""
    by_rule: dict[str, list[Tried]] = {}
    for example in tried:
        by_rule.setdefault(example.rule, []).append(example)
    for rule, examples in by_rule.items():
        broken = [e for e in examples if e.fault]
        catches = sum(e.wanted for e in examples)
        yield (
            f"{'FAIL' if broken else 'ok':<6}{_at(examples[0], root)}  {rule}  "
            f"catches {catches}, lets {len(examples) - catches} pass"
        )
        for example in broken:
            yield f"        {_at(example, root)}: {example.fault}: {example.shown}"
        for example in examples:
            if example.asks:
                yield f"        {_at(example, root)}: not tried: needs the model: {example.shown}"
    faults, untried = sum(bool(e.fault) for e in tried), sum(bool(e.asks) for e in tried)
    end = f"{faults} do not hold" if faults else "all hold" if not untried else "all others hold"
    more = f", {untried} not tried (they need the model)" if untried else ""
    yield f"{len(by_rule)} rules, {len(tried)} examples{more}: {end}"


def _example_row(example: Tried) -> dict[str, Any]:
    file, line, field = example.place
    return {
        "rule": example.rule, "wanted": example.wanted, "shown": example.shown, "file": file, "line": line,
        "field": field, "fault": example.fault, "tried": example.asks is None,
    }  # fmt: skip


def _at(example: Tried, root: Path) -> str:
    file, line, _ = example.place
    return f"{file.removeprefix(f'{root}/')}:{line}"
