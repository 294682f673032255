"""Emergencies from audio: said by flite's voices over a telephone line, recognised offline, then judged.

``python -m loadtests.packs.audio`` shows beside each other what the rules find in the words as written and
in what the offline recogniser made of them. That recogniser expects an agent's own phrases, the examples of
its emergency packs among them, and knows few other words: what it makes of a sentence nobody expected is the
weak link, and this is its measure. flite's voices are no callers, and panic is not in them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from controls.errors import OperatorError, SayError
from controls.rules.engine import Rules
from loadtests import markdown
from loadtests.environment import environment
from loadtests.packs.score import Share, share
from loadtests.packs.sentences import Sentence, Set, sentences
from voice_runtime.agent import Release
from voice_runtime.caller.audible import to_pcm
from voice_runtime.caller.speech import Flite
from voice_runtime.lines import load_lines
from voice_runtime.listen.sphinx import SphinxRecogniser
from voice_runtime.ports import Hints
from voice_runtime.resolve import load_release
from voice_runtime.settings import DEFAULT_PROFILE, load_settings

VOICES = ("slt", "awb", "rms", "kal")
LANGUAGE = "en-US"
#: The only phrase model of a recogniser of its own.
_KEY = "agent"
#: Silence at either end of what is said: 300 ms of µ-law at 8 kHz.
_SILENCE = b"\xff" * 8 * 300


@dataclass(frozen=True, slots=True)
class Row:
    """One set and one voice ("text": the words as written).

    Attributes:
        found: of what must be found, what was.
        false: of what must pass, what was taken for an emergency.
        words_known: of the words said, those the recogniser gave back, in percent.
    """

    labelled: Set
    voice: str
    found: Share | None
    false: Share | None
    words_known: float | None = None


def agent_loaded(name: str) -> Release:
    """An agent of this checkout; seconds of computing, so not in an event loop.

    Raises:
        OperatorError: no such agent.
    """
    settings = load_settings(DEFAULT_PROFILE)
    return load_release(settings.root, name, settings, load_lines(settings.root))


async def measured(agent: Release, sets: Sequence[Set], voices: Sequence[str]) -> list[Row]:
    """Score the emergency sentences of an agent's packs, from text and from each voice.

    Raises:
        OperatorError: an agent without rules; no flite.
    """
    if agent.rules is None:
        raise OperatorError(f"agent {agent.name} has no rules")
    known = agent.known_in(LANGUAGE)
    recogniser = SphinxRecogniser()
    await recogniser.start()
    try:
        hints = Hints(LANGUAGE, known.phrases, known.words, known.pronunciations)
        await recogniser.load(_KEY, hints)
        rows = []
        for name in sets:
            asked = [s for s in sentences(name) if s.pack == "emergency-us" and s.language == LANGUAGE]
            rows.append(_row(name, "text", asked, [s.text for s in asked], agent.rules))
            for voice in voices:
                texts = await _recognised(recogniser, Flite(voice), [s.text for s in asked])
                rows.append(_row(name, voice, asked, texts, agent.rules))
        return rows
    finally:
        await recogniser.close()


async def _recognised(recogniser: SphinxRecogniser, voice: Flite, texts: Sequence[str]) -> list[str]:
    """What the recogniser made of each sentence, several at a time as its places allow."""
    places = asyncio.Semaphore(4)

    async def one(text: str) -> str:
        async with places:
            spoken = await voice.say(text)
            utterance = recogniser.open(_KEY)
            utterance.feed(to_pcm(_SILENCE + spoken.ulaw + _SILENCE))
            return (await utterance.finish()).text

    return list(await asyncio.gather(*map(one, texts)))


def _row(name: Set, voice: str, asked: Sequence[Sentence], texts: Sequence[str], rules: Rules) -> Row:
    judged = [(s, rules.emergency(text, LANGUAGE) is not None) for s, text in zip(asked, texts, strict=True)]
    must = [found for s, found in judged if s.label == "block"]
    benign = [found for s, found in judged if s.label == "pass"]
    said = [(set(s.text.split()), set(text.split())) for s, text in zip(asked, texts, strict=True)]
    words = sum(len(a) for a, _ in said)
    back = None if voice == "text" or not words else round(100 * sum(len(a & b) for a, b in said) / words, 1)
    return Row(name, voice, share(sum(must), len(must)), share(sum(benign), len(benign)), back)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as a table."""
    columns = (
        "sentences",
        "said by",
        "found of the emergencies (95 %)",
        "of the rest taken for one (95 %)",
        "words given back",
    )
    lines = [
        (
            row.labelled, row.voice, str(row.found or "–"), str(row.false or "–"),
            "–" if row.words_known is None else f"{row.words_known:.0f} %",
        )
        for row in rows
    ]  # fmt: skip
    yield from markdown.table(columns, lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 2 when something that is needed is missing."""
    options = argparse.ArgumentParser(
        prog="python -m loadtests.packs.audio",
        description="Emergencies from audio, through the offline recogniser.",
        epilog="Example: python -m loadtests.packs.audio --out loadtests/results/emergencies",
    )
    options.add_argument("--agent", default="healthcare", help="whose phrases the recogniser expects")
    options.add_argument("--set", choices=("held_out", "development"), help="one set only")
    options.add_argument("--voices", nargs="+", default=VOICES, help="flite's voices")
    options.add_argument("--out", type=Path, metavar="DIR", help="keep results.json there")
    given = options.parse_args(arguments)
    sets: list[Set] = [given.set] if given.set else ["held_out", "development"]
    try:
        rows = asyncio.run(measured(agent_loaded(given.agent), sets, given.voices))
    except SayError as error:
        print(f"packs: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(rows)))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        kept = {"environment": environment().model_dump(mode="json"), "rows": [asdict(row) for row in rows]}
        (given.out / "results.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
