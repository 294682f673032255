"""How short a window Whisper may be given: what each costs to encode, and whether it costs words.

``python -m loadtests.whisper_floor models/whisper-base`` decodes the same audio with windows of
every floor and with the full 30 s that the model was trained on, counts word errors of each, and
names the shortest floor that makes no more of them. That is the number for ``shortest_window_s`` in
the profile. With ``--shortest 2`` it is a gate: it exits 1 when that floor costs words.

The audio: a folder of WAV files, each with its words in a ``.txt`` of the same name (``--audio``;
your own callers are what counts), or else sentences said by flite's voices, which are no callers.
Without words beside it, a file counts what differs from the full window's text.

On a model written from scratch (``loadtests.whisper_model``) it proves the code and the cost and
**nothing about accuracy**, and says so: such a model recognises nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import wave
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soxr

from controls.errors import OperatorError, SayError
from loadtests import markdown
from loadtests.arguments import Parser, count, percent
from loadtests.environment import environment
from loadtests.whisper import Cost, costs
from loadtests.whisper_model import MADE_UP
from voice_runtime.caller.audible import to_pcm
from voice_runtime.caller.speech import Flite
from voice_runtime.events import RATE_HZ
from voice_runtime.listen.whisper_audio import LONGEST_WINDOW_S, speech_s, window_s
from voice_runtime.listen.whisper_decoder import WhisperDecoder, Window
from voice_runtime.phrases import plain

FLOORS_S = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
#: A floor may make so many more errors in 100 words than the full window; fewer words judge none.
MOST_MORE_PERCENT, MIN_WORDS = 0.5, 500
VOICES = ("slt", "awb", "rms", "kal")
#: What callers say, short and long; several are shorter than any floor worth having.
SENTENCES = (
    "yes", "no thank you", "at ten", "on tuesday", "yes please", "half past two", "never mind",
    "what time do you open", "when do you close on friday", "can i see doctor patel on tuesday",
    "i would like to see doctor okafor on thursday at ten", "let me talk to a person please",
    "how long is the wait today", "do you take my insurance", "i need to cancel my appointment",
    "could i get a haircut with jenny next week", "is the smaller apartment on harbor road still free",
    "my number is five five five zero one two three", "i am calling about the apartment on cedar avenue",
    "the doctor said that i should come back in two weeks",
    "what about the one on maple street and is there parking near it",
    "i was there last monday and i think that i left my umbrella in the waiting room",
    "please move my appointment from wednesday morning to friday afternoon if that is possible",
)  # fmt: skip
_MADE_UP_WORDS = (
    "These weights are made up: this proves that the code runs and what it costs. It says NOTHING about "
    "accuracy, and no floor can be chosen by it."
)


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance: 8 kHz s16le samples, and its plain words; "" when nobody noted them."""

    name: str
    pcm: bytes
    words: str = ""


@dataclass(frozen=True, slots=True)
class Floor:
    """What a floor costs in words.

    Attributes:
        errors: substituted, missing and added words, of ``words``.
        differing: utterances whose text is not that of the full window, of ``utterances``.
        shorter: utterances it gives a shorter window than the full one.
    """

    floor_s: float
    words: int
    errors: int
    differing: int
    utterances: int
    shorter: int

    def __post_init__(self) -> None:
        if self.errors < 0 or not 0 <= self.differing <= self.utterances:
            raise ValueError("a figure that cannot be right must not be reported")

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / max(1, self.words)


def word_errors(expected: str, recognised: str) -> int:
    """Levenshtein's distance in words (Soviet Physics Doklady 10(8), 1966)."""
    row = list(range(len(recognised.split()) + 1))
    for i, word in enumerate(expected.split(), 1):
        before, row[0] = row[0], i
        for j, other in enumerate(recognised.split(), 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def compare(
    decode: Callable[[bytes, float], str], said: Sequence[Said], floors: Sequence[float]
) -> list[Floor]:
    """Decode everything with each floor and with the full window; the full one comes last.

    Args:
        decode: 8 kHz samples and a window, s, to what was said.
    """
    full = [plain(decode(one.pcm, LONGEST_WINDOW_S)) for one in said]
    expected = [one.words or text for one, text in zip(said, full, strict=True)]
    words = sum(len(text.split()) for text in expected)
    found = []
    for floor_s in [*sorted(floors), LONGEST_WINDOW_S]:
        windows = [window_s(speech_s(one.pcm), floor_s) for one in said]
        texts = [
            whole if window == LONGEST_WINDOW_S else plain(decode(one.pcm, window))
            for one, window, whole in zip(said, windows, full, strict=True)
        ]
        errors = sum(word_errors(*pair) for pair in zip(expected, texts, strict=True))
        differing = sum(a != b for a, b in zip(texts, full, strict=True))
        shorter = sum(window < LONGEST_WINDOW_S for window in windows)
        found.append(Floor(floor_s, words, errors, differing, len(said), shorter))
    return found


def chosen(found: Sequence[Floor], most_more: float = MOST_MORE_PERCENT) -> float:
    """The shortest floor such that it and every longer one make at most ``most_more`` % more errors."""
    full = found[-1]
    best = full.floor_s
    for floor in reversed(found):
        if floor.error_percent - full.error_percent > most_more:
            break
        best = floor.floor_s
    return best


def recorded(folder: Path) -> list[Said]:
    """The WAV files of a folder, in the order of their names, with their words.

    Raises:
        OperatorError: there are none, or one cannot be read.
    """
    found = []
    for path in sorted(folder.glob("*.wav")):
        words = path.with_suffix(".txt")
        text = words.read_text(encoding="utf-8") if words.is_file() else ""
        found.append(Said(path.stem, _samples(path), plain(text)))
    if not found:
        raise OperatorError(f"no .wav files in {folder}: put each with its words in a .txt beside it")
    return found


def _samples(path: Path) -> bytes:
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise OperatorError(f"{path} is not 16-bit: convert it, such as with sox -b 16")
            pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
            mono = pcm.reshape(-1, file.getnchannels()).mean(axis=1).astype(np.float32)
            rate = file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise OperatorError(f"{path} cannot be read: {error}") from error
    narrow = mono if rate == RATE_HZ else soxr.resample(mono, rate, RATE_HZ, quality="HQ")
    return bytes(np.clip(np.rint(narrow), -32768, 32767).astype("<i2").tobytes())


async def spoken(voices: Sequence[str] = VOICES, sentences: Sequence[str] = SENTENCES) -> list[Said]:
    """The sentences in each of flite's voices, through µ-law as a telephone delivers them.

    Raises:
        FliteMissing: there is no flite.
    """
    found = []
    for voice in voices:
        flite = Flite(voice)
        for n, text in enumerate(sentences):
            said = await flite.say(text)
            found.append(Said(f"{voice}-{n}", to_pcm(said.ulaw), plain(text)))
    return found


def table(found: Sequence[Floor], encoding: Sequence[Cost], best_s: float) -> list[str]:
    """The figures in Markdown."""
    least = {cost.window_s: cost.least_ms for cost in encoding if cost.what == "encode"}
    rows = [
        (
            f"{floor.floor_s:g} s{' (full)' if floor is found[-1] else ''}", f"{least[floor.floor_s]:.1f} ms",
            f"{floor.error_percent:.1f} %", f"{floor.errors} of {floor.words}",
            f"{floor.differing} of {floor.utterances}", "←" if floor.floor_s == best_s else "",
        )
        for floor in found
    ]  # fmt: skip
    head = ("floor", "encode, least", "word errors", "words", "other text than full", "shortest that passes")
    return markdown.table(head, rows)


def verdict(found: Sequence[Floor], best_s: float, shortest_s: float | None, *, made_up: bool) -> str:
    """Why ``shortest_s`` is refused; "" when it is not, or none was to be judged."""
    if shortest_s is None:
        return ""
    if not made_up and found[-1].words < MIN_WORDS:
        return f"{found[-1].words} words are too few to judge a floor by: give {MIN_WORDS} or more"
    if shortest_s < best_s:
        return f"a floor of {shortest_s:g} s costs words: write shortest_window_s: {best_s:g}, or more"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m loadtests.whisper_floor", description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("model", type=Path, help="folder of a converted model, as a profile names it")
    add("--audio", type=Path, help="folder of .wav files with .txt beside them (default: flite's voices)")
    add("--floors", nargs="+", type=float, default=list(FLOORS_S), metavar="S")
    add("--shortest", type=float, metavar="S", help="the floor to be judged: exit 1 when it costs words")
    add("--most-more", type=percent, default=MOST_MORE_PERCENT, metavar="PERCENT",
        help="more errors in 100 words than the full window may make (default: %(default)s)")  # fmt: skip
    add("--language", default="en", help="as Whisper calls it (default: %(default)s)")
    add("--words", nargs="*", default=[], help="names and terms of the agent, as hotwords")
    add("--compute", default="int8")
    add("--threads", type=count, default=2)
    add("--out", type=Path, help="also write the figures as JSON")
    return parser


def measured(asked: argparse.Namespace) -> int:
    """Measure, print, keep; 1 when the floor that was to be judged is refused.

    Raises:
        SayError: the model, the audio or flite is missing.
    """
    floors = sorted({floor for floor in asked.floors if 0 < floor < LONGEST_WINDOW_S})
    if asked.shortest is not None:
        floors = sorted({*floors, asked.shortest} - {LONGEST_WINDOW_S})
    decoder = WhisperDecoder(
        asked.model, device="cpu", compute=asked.compute, threads=asked.threads, workers=1,
        shortest_window_s=0.5,
    )  # fmt: skip
    made_up = (asked.model / MADE_UP).is_file()
    prompt = decoder.prompt(asked.language, asked.words)

    def decode(pcm: bytes, seconds: float) -> str:
        return decoder.decode([Window(pcm, seconds, prompt)])[0].text

    said = recorded(asked.audio) if asked.audio else asyncio.run(spoken())
    if made_up:
        print(_MADE_UP_WORDS, file=sys.stderr)
    found = compare(decode, said, floors)
    decoder.close()
    encoding = list(
        costs(asked.model, asked.model.name, [*floors, LONGEST_WINDOW_S], [], asked.threads, asked.compute)
    )
    best_s = chosen(found, asked.most_more)
    refused = verdict(found, best_s, asked.shortest, made_up=made_up)
    print("\n".join(table(found, encoding, best_s)))
    print(_MADE_UP_WORDS if made_up else f"shortest_window_s: {best_s:g}", refused, sep="\n")
    if asked.out:
        about = {
            "weights": "made up: code and cost, not accuracy" if made_up else "as in the folder",
            "audio": "recorded" if asked.audio else "flite, through mu-law: no callers",
            "environment": environment().model_dump(),
            "most_more_percent": asked.most_more,
            "chosen_s": None if made_up else best_s,
            "floors": [asdict(floor) for floor in found],
            "encoding": [asdict(cost) for cost in encoding],
        }
        asked.out.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return int(bool(refused))


def main(arguments: Sequence[str] | None = None) -> int:
    """As ``measured``; 2 when something is missing."""
    try:
        return measured(_parser().parse_args(arguments))
    except SayError as error:
        print(f"whisper_floor: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
