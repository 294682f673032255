"""Emergencies from audio: said by flite's voices over a telephone line, recognised offline, then judged.

``python -m loadtests.packs.audio`` shows beside each other what the rules find in the words as written and
in what the offline recogniser made of them: of its ordinary reading, which expects an agent's own phrases,
where it is sure enough to be acted on, and of both its readings (``voice_runtime.listen.urgent_model``).
Said are the emergency pack's sentences and, for false alarms, what callers may say of all other packs. Each
sentence is said by one voice, the next sentence by the next: the same ones every time. Some are said at the
pace of speech, and the time from the last sample of speech to the finding is taken, with the silence an ear
waits for.

flite's voices are no callers, and panic is not in them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from controls.errors import OperatorError, SayError
from controls.intents import Intent, intent
from controls.rules.engine import Rules
from loadtests import markdown
from loadtests.arguments import count
from loadtests.environment import environment
from loadtests.packs.score import Share, share
from loadtests.packs.sentences import Sentence, Set, sentences
from loadtests.resources import Tree
from voice_runtime.agent import Release
from voice_runtime.caller.audible import to_pcm
from voice_runtime.caller.speech import Flite, Spoken
from voice_runtime.lines import load_lines
from voice_runtime.listen.sphinx import SphinxRecogniser
from voice_runtime.ports import Hints, Recognition
from voice_runtime.resolve import load_release
from voice_runtime.settings import DEFAULT_PROFILE, load_settings

VOICES = ("slt", "awb", "rms", "kal")
LANGUAGE = "en-US"
PACK = "emergency-us"
#: Under this confidence the ear takes a text for not understood (``listen.ear.LEAST_CONFIDENCE``).
_LEAST_CONFIDENCE = 0.4
#: The only phrase model of a recogniser of its own.
_KEY = "agent"
#: Silence at either end of what is said: 300 ms of µ-law at 8 kHz.
_SILENCE = b"\xff" * 8 * 300
_CHUNK_S, _CHUNK_BYTES = 0.02, 320
#: Silence after which an ear asks for the final text, s (``settings.Turn``: 200 ms).
_STOP_S = 0.2


@dataclass(frozen=True, slots=True)
class Row:
    """One voice ("text": the words as written; "all": all voices together).

    Attributes:
        found, first: of the emergencies, what both readings and what the ordinary one alone found.
        near: of what sounds like one and is none (the pack's own sentences that must pass), what was taken
            for one.
        false, first_false: of what callers say beside (the other packs' sentences that must pass), what was
            taken for one by both readings and by the ordinary one alone.
        persons: of the sentences that must pass, of all packs, what the second reading alone took for
            asking for a person.
        words_known: of the words of emergencies, those the second reading gave back, in percent.
    """

    labelled: Set
    voice: str
    found: Share | None
    near: Share | None
    false: Share | None
    first: Share | None = None
    first_near: Share | None = None
    first_false: Share | None = None
    persons: Share | None = None
    words_known: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one measurement.

    Attributes:
        cpu_share: CPU the decoders took, in s for each s of sound.
        found_after_ms: from the last sample of speech to the finding, sorted, ms; those said at the pace of
            speech and found.
    """

    rows: tuple[Row, ...]
    cpu_share: float
    found_after_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """One sentence: what it is, whose voice says it, what was made of it."""

    sentence: Sentence
    voice: str
    heard: Recognition


def agent_loaded(name: str) -> Release:
    """An agent of this checkout; seconds of computing, so not in an event loop.

    Raises:
        OperatorError: no such agent.
    """
    settings = load_settings(DEFAULT_PROFILE)
    return load_release(settings.root, name, settings, load_lines(settings.root))


def asked(name: Set, every: int) -> list[Sentence]:
    """What is said of a set: each ``every``-th sentence of the emergency pack and of the benign others."""
    said = [s for s in sentences(name) if s.language == LANGUAGE and s.moment == "caller_says" and s.text]
    emergencies = [s for s in said if s.pack == PACK and s.label == "block"]
    near = [s for s in said if s.pack == PACK and s.label == "pass"]
    benign = [s for s in said if not s.pack.startswith("emergency-") and s.label == "pass"]
    return [s for part in (emergencies, near, benign) for s in part[::every]]


async def measured(
    agent: Release, name: Set, voices: Sequence[str], *, every: int = 1, paced: int = 0
) -> Measured:
    """Score an agent's emergencies, from text and from the voices.

    Args:
        every: take each so many-th sentence only.
        paced: say so many emergencies at the pace of speech, too.

    Raises:
        OperatorError: an agent without rules; no flite.
    """
    if agent.rules is None:
        raise OperatorError(f"agent {agent.name} has no rules")
    known = agent.known_in(LANGUAGE)
    recogniser = SphinxRecogniser(deadline_s=120.0)
    await recogniser.start()
    try:
        hints = Hints(LANGUAGE, known.phrases, known.words, known.pronunciations, known.urgent)
        await recogniser.load(_KEY, hints)
        wanted = [(s, voices[i % len(voices)]) for i, s in enumerate(asked(name, every))]
        says = {voice: Flite(voice) for voice in voices}
        spoken = [await says[voice].say(s.text) for s, voice in wanted]
        decoders = [Tree(pid) for pid in recogniser.pids]
        before = sum(tree.read(memory=False).cpu_s for tree in decoders)
        heard = await _recognised(recogniser, spoken)
        cpu_s = sum(tree.read(memory=False).cpu_s for tree in decoders) - before
        found = [_Said(s, voice, result) for (s, voice), result in zip(wanted, heard, strict=True)]
        rules = agent.rules
        hits = [i for i, f in enumerate(found) if f.sentence.label == "block" and _finds(f.heard, rules)]
        chosen = hits[:: max(1, len(hits) // paced)][:paced] if paced else []
        waited = [await _paced(recogniser, spoken[i], rules) for i in chosen]
        rows = [_text_row(name, [s for s, _ in wanted], agent.rules)]
        rows += [_row(name, v, [f for f in found if f.voice == v], agent.rules) for v in voices]
        rows.append(_row(name, "all", found, agent.rules))
        sound_s = sum(s.duration_s + 2 * len(_SILENCE) / 8000 for s in spoken)
        return Measured(
            tuple(rows), round(cpu_s / sound_s, 3), tuple(sorted(w for w in waited if w is not None))
        )
    finally:
        await recogniser.close()


async def _recognised(recogniser: SphinxRecogniser, spoken: Sequence[Spoken]) -> list[Recognition]:
    """What the recogniser made of each sentence, several at a time as its places allow."""
    places = asyncio.Semaphore(4)

    async def one(said: Spoken) -> Recognition:
        async with places:
            utterance = recogniser.open(_KEY)
            utterance.feed(to_pcm(_SILENCE + said.ulaw + _SILENCE))
            return await utterance.finish()

    return list(await asyncio.gather(*map(one, spoken)))


async def _paced(recogniser: SphinxRecogniser, said: Spoken, rules: Rules) -> int | None:
    """Say it at the pace of speech; from its last audible sample to the finding, ms. None: nothing found."""
    stop = b"\xff" * round(8000 * _STOP_S)
    pcm = to_pcm(_SILENCE + said.ulaw[: said.last + 1] + stop)
    utterance = recogniser.open(_KEY)
    begun = time.monotonic()
    for i in range(0, len(pcm), _CHUNK_BYTES):
        due = begun + (i // _CHUNK_BYTES + 1) * _CHUNK_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        utterance.feed(pcm[i : i + _CHUNK_BYTES])
    ended = begun + len(pcm) / _CHUNK_BYTES * _CHUNK_S - _STOP_S
    heard = await utterance.finish()
    return round(1000 * (time.monotonic() - ended)) if _finds(heard, rules) else None


def _first_finds(heard: Recognition, rules: Rules) -> bool:
    sure = heard.confidence >= _LEAST_CONFIDENCE
    return sure and rules.emergency(heard.text, LANGUAGE) is not None


def _finds(heard: Recognition, rules: Rules) -> bool:
    second = any(rules.emergency(text, LANGUAGE) is not None for text in heard.also)
    return second or _first_finds(heard, rules)


def _asks_for_person(heard: Recognition) -> bool:
    if heard.confidence >= _LEAST_CONFIDENCE and intent(heard.text, LANGUAGE) is not None:
        return False
    return any(intent(text, LANGUAGE) is Intent.PERSON for text in heard.also)


def _parts(said: Sequence[Sentence]) -> tuple[list[int], list[int], list[int]]:
    """Which sentences are emergencies, which nearly, and which nothing of the kind."""
    emergencies = [i for i, s in enumerate(said) if s.label == "block"]
    near = [i for i, s in enumerate(said) if s.label == "pass" and s.pack == PACK]
    return emergencies, near, [i for i, s in enumerate(said) if s.label == "pass" and s.pack != PACK]


def _share(found: Sequence[bool], part: Sequence[int]) -> Share | None:
    return share(sum(found[i] for i in part), len(part))


def _text_row(name: Set, said: Sequence[Sentence], rules: Rules) -> Row:
    found = [rules.emergency(s.text, LANGUAGE) is not None for s in said]
    emergencies, near, benign = _parts(said)
    return Row(name, "text", _share(found, emergencies), _share(found, near), _share(found, benign))


def _row(name: Set, voice: str, found: Sequence[_Said], rules: Rules) -> Row:
    emergencies, near, benign = _parts([f.sentence for f in found])
    first = [_first_finds(f.heard, rules) for f in found]
    both = [_finds(f.heard, rules) for f in found]
    persons = [_asks_for_person(f.heard) for f in found]
    words = [
        (set(found[i].sentence.text.split()), set(" ".join(found[i].heard.also).split())) for i in emergencies
    ]
    said = sum(len(a) for a, _ in words)
    return Row(
        name, voice, _share(both, emergencies), _share(both, near), _share(both, benign),
        _share(first, emergencies), _share(first, near), _share(first, benign),
        _share(persons, [*near, *benign]),
        round(100 * sum(len(a & b) for a, b in words) / said, 1) if said else None,
    )  # fmt: skip


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as a table."""
    columns = (
        "sentences", "said by", "emergencies found", "by the first reading alone", "near misses taken",
        "by the first alone", "of all else taken", "by the first alone", "persons nobody asked for", "words",
    )  # fmt: skip
    lines = [
        (
            row.labelled, row.voice, str(row.found or "–"), str(row.first or "–"), str(row.near or "–"),
            str(row.first_near or "–"), str(row.false or "–"), str(row.first_false or "–"),
            str(row.persons or "–"), "–" if row.words_known is None else f"{row.words_known:.0f} %",
        )
        for row in rows
    ]  # fmt: skip
    yield from markdown.table(columns, lines)


def summary(found: Measured) -> Iterator[str]:
    """The table, and what it took."""
    yield from table(found.rows)
    yield f"CPU: {found.cpu_share} s a second of sound (both readings)"
    if waited := found.found_after_ms:
        middle, most = waited[len(waited) // 2], waited[-1]
        yield f"found after the last sample of speech: median {middle} ms, most {most} ms (n = {len(waited)})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 2 when something that is needed is missing."""
    options = argparse.ArgumentParser(
        prog="python -m loadtests.packs.audio",
        description="Emergencies from audio, through the offline recogniser.",
        epilog="Example: python -m loadtests.packs.audio --set development --every 4",
    )
    options.add_argument("--agent", default="healthcare", help="whose phrases the recogniser expects")
    options.add_argument("--set", choices=("held_out", "development"), help="one set only")
    options.add_argument("--voices", nargs="+", default=VOICES, help="flite's voices, in turn")
    options.add_argument("--every", type=count, default=1, metavar="N", help="each Nth sentence only")
    options.add_argument(
        "--paced", type=count, default=20, metavar="N", help="emergencies said at the pace of speech"
    )
    options.add_argument("--out", type=Path, metavar="DIR", help="keep results.json there")
    given = options.parse_args(arguments)
    sets: list[Set] = [given.set] if given.set else ["held_out", "development"]
    try:
        agent = agent_loaded(given.agent)
        found = [
            asyncio.run(measured(agent, name, given.voices, every=given.every, paced=given.paced))
            for name in sets
        ]
    except SayError as error:
        print(f"packs: {error}", file=sys.stderr)
        return 2
    for one in found:
        print("\n".join(summary(one)))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        kept = {
            "environment": environment().model_dump(mode="json"),
            "agent": given.agent, "every": given.every, "sets": [asdict(one) for one in found],
        }  # fmt: skip
        (given.out / "results.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
