"""Labelled pauses by their words alone: no voice, no audio, seconds instead of minutes.

``python -m loadtests.pauses.by_words FILE …`` drives our turn policy as ``loadtests.pauses``
does, with the true words and pauses of the stated lengths (each of them), and a turn model that
says the same of every pause: ``--turn-model 1`` (the default) always takes the turn for
complete, the worst case, in which nothing but the words keeps it open. Two or more files, or
both halves of one (``--halves``), stand side by side; without any, they are the development sets.
Words over the agent are scored likewise, one word after another, where a file has any.
``--show`` names what was cut, never of a held-out set. Spanish is scored here alone: flite has no voice.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from zlib import crc32

from controls.errors import SayError
from loadtests.arguments import Parser
from loadtests.pauses.lines import LEAD_MS, TAIL_MS, Line, Rendered, Word
from loadtests.pauses.ours import Ours
from loadtests.pauses.overlaps import Overlap, judge_overlap
from loadtests.pauses.score import Verdict, decisions, judge, summarise
from loadtests.pauses.utterances import (
    DEVELOPMENT,
    HELD_OUT,
    HELD_OUT_ES,
    INTERRUPTIONS,
    LISTENING,
    OVER_AGENT_ES,
    Interjection,
    Utterance,
    load_labelled,
)
from voice_runtime.events import CHUNK_MS, RATE_HZ

#: How long a letter takes, ms; a piece takes whole chunks.
_LETTER_MS = 80
#: How often every utterance is said, with its pauses' lengths in turn.
_VARIANTS = 4
#: A turn that ends later took the longer waits.
_SOON_MS = 400
_PER_MS = RATE_HZ // 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, and print; 1 or 2 where a file is missing or broken."""
    parser = Parser(prog="python -m loadtests.pauses.by_words", description=__doc__)
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        default=(*DEVELOPMENT, *OVER_AGENT_ES),
        help="labelled sets (YAML); default: the development sets",
    )
    parser.add_argument("--turn-model", type=float, default=1.0, metavar="P", help="its answer, always")
    parser.add_argument("--halves", action="store_true", help="score the two halves of each file apart")
    parser.add_argument(
        "--show", action="store_true", help="name what was cut, and what ended late; never of a held-out set"
    )
    given = parser.parse_args(arguments)
    try:
        for file in given.files:
            labelled = load_labelled(file)
            for name, said in _parts(file.name, labelled.utterances, given) if labelled.utterances else ():
                print("\n".join(_printed(name, said, labelled.language, given, shown=not _held_out(file))))
            over = [one for one in labelled.interjections if one.text is not None]
            if over:
                print("\n".join(_printed_over(file, over, labelled.language, given)))
    except SayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def half_of(utterance: Utterance) -> int:
    """Which half of its file an utterance is in, by its name: 0 or 1."""
    return crc32(utterance.id.encode()) // 2 % 2


def verdicts(said: Sequence[Utterance], language: str, complete: float) -> list[Verdict]:
    """Our policy on every utterance with every variant of its pauses.

    Args:
        complete: what the turn model says of every pause, 0 to 1.
    """
    policy = Ours(_Constant(complete), language=language, speech=_speech)
    lines = [
        line_of_words(one, variant) for one in said for variant in range(_VARIANTS if one.pieces[1:] else 1)
    ]
    return asyncio.run(_judged(policy, lines))


def line_of_words(utterance: Utterance, variant: int) -> Line:
    """A line without sound: the pieces' times, and those of their words by their letters."""
    at = LEAD_MS
    pieces: list[tuple[int, int]] = []
    words: list[Word] = []
    for piece, pause_ms in zip(utterance.pieces, (*utterance.pauses_ms(variant), TAIL_MS), strict=True):
        texts = piece.text.split()
        ends = list(accumulate((at + _LETTER_MS * n for n in accumulate(map(len, texts))), max, initial=at))
        words += [Word(t, a * _PER_MS, b * _PER_MS) for t, (a, b) in zip(texts, pairwise(ends), strict=True)]
        pieces.append((at * _PER_MS, ends[-1] * _PER_MS - 1))
        at = ends[-1] + -(-pause_ms // CHUNK_MS) * CHUNK_MS
    return Line(b"", bytes(at * _PER_MS), tuple(pieces), tuple(words), utterance, f"pauses {variant + 1}")


def overlaps(said: Sequence[Interjection], language: str) -> list[Overlap]:
    """Our policy on words over the agent; those of ``sound`` have none and are left out."""
    policy = Ours(_Constant(1.0), language=language, speech=_speech)

    async def each() -> list[Overlap]:
        lines = [(one, _over_agent(one.text)) for one in said if one.text is not None]
        return [judge_overlap(one, line, await policy.over_agent(line)) for one, line in lines]

    return asyncio.run(each())


def _over_agent(text: str) -> Rendered:
    """A line without sound: words one after another."""
    texts = text.split()
    ends = list(accumulate((_LETTER_MS * len(t) for t in texts), initial=LEAD_MS))
    words = tuple(Word(t, a * _PER_MS, b * _PER_MS) for t, (a, b) in zip(texts, pairwise(ends), strict=True))
    piece = (LEAD_MS * _PER_MS, ends[-1] * _PER_MS - 1)
    return Rendered(b"", bytes((ends[-1] + TAIL_MS) * _PER_MS), (piece,), words)


class _Constant:
    """A turn model that says the same of everything."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    async def complete(self, pcm: bytes) -> float:
        return self._probability


def _speech(line: Rendered) -> Sequence[bool]:
    samples = CHUNK_MS * _PER_MS
    inside = bytearray(len(line.ulaw) // samples)
    for first, last in line.pieces:
        inside[first // samples : (last + 1) // samples] = b"\x01" * ((last + 1 - first) // samples)
    return tuple(map(bool, inside))


async def _judged(policy: Ours, lines: Sequence[Line]) -> list[Verdict]:
    return [judge(line, await decisions(policy, line)) for line in lines]


def _parts(
    name: str, said: Sequence[Utterance], given: argparse.Namespace
) -> Iterator[tuple[str, list[Utterance]]]:
    if not given.halves:
        yield name, list(said)
        return
    for half in (0, 1):
        yield f"{name}, half {'AB'[half]}", [one for one in said if half_of(one) == half]


def _held_out(file: Path) -> bool:
    return any(file.samefile(path) for path in (HELD_OUT, HELD_OUT_ES))


def _printed(
    name: str, said: Sequence[Utterance], language: str, given: argparse.Namespace, *, shown: bool
) -> Iterator[str]:
    found = verdicts(said, language, given.turn_model)
    row = summarise("words", found)
    yield f"{name} ({language}), the turn model always says {given.turn_model:g}"
    for kind, figures in (("all", row.overall), *row.kinds.items()):
        low, high = figures.cut_off_ci or (0.0, 0.0)
        cut = (
            f"cut {figures.cut_off_percent:5.1f} % [{low:.1f}, {high:.1f}]"
            f" of {figures.labelled_pauses} pauses"
            if figures.cut_off_percent is not None
            else "no open pause"
        )
        late = sum(v.delay_ms is None or v.delay_ms > _SOON_MS for v in found if kind in ("all", v.kind))
        of = sum(kind in ("all", v.kind) for v in found)
        yield (
            f"  {kind:<12} {cut:<48} delay p50 {figures.delay_p50_ms:5.0f} ms,"
            f" {late} of {of} later than {_SOON_MS} ms"
        )
    if given.show and not shown:
        yield "  not shown: rules must not be tuned to it"
    elif given.show:
        for said_once in said:
            of_it = [v for v in found if v.id == said_once.id]
            cuts = {c.said: c.why for v in of_it for c in v.cuts}
            yield from (f"  CUT  {said_once.kind}: {text} … {why}" for text, why in cuts.items())
            if (delay := of_it[0].delay_ms) is None or delay > _SOON_MS:
                yield f"  LATE {said_once.kind}: {' / '.join(p.text for p in said_once.pieces)} {delay}"


def _printed_over(
    file: Path, said: Sequence[Interjection], language: str, given: argparse.Namespace
) -> Iterator[str]:
    found = overlaps(said, language)
    taken = [o for o in found if o.kind in LISTENING and o.commit_ms is not None]
    missed = [o for o in found if o.kind in INTERRUPTIONS and o.commit_ms is None]
    interruptions = sum(o.kind in INTERRUPTIONS for o in found)
    yield (
        f"{file.name} ({language}), over the agent: {len(taken)} of {len(found) - interruptions} backchannels"
        f" taken for interruptions, {len(missed)} of {interruptions} interruptions missed"
    )
    if given.show and not _held_out(file):
        texts = {one.id: one.text for one in said}
        yield from (f"  TAKEN {texts[o.id]}" for o in taken)
        yield from (f"  MISSED {texts[o.id]}" for o in missed)


if __name__ == "__main__":
    sys.exit(main())
