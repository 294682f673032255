"""What Whisper costs on this machine, by shape, window and batch. Random weights: cost, not accuracy.

``python -m loadtests.whisper --shapes tiny base`` builds models of the published
shapes (``loadtests.whisper_model``), which compute in full and say a sentence
that was fixed before, and times CTranslate2 with them: encoding a short window
against the padded 30 s, decoding, and the same for several callers at once, one
by one and in a batch. It prints a table, and with ``--out`` writes it as JSON.

``python -m loadtests.whisper --write models/whisper-base --shapes base --say "…"``
only writes such a model, for a profile whose recogniser is to cost what a real one does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from tokenizers import Tokenizer as Tokens

from loadtests.environment import environment
from loadtests.statistics import percentile
from loadtests.whisper_model import SHAPES, Sentence, build

_SAY = "can i see doctor patel on tuesday"
_ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall-clock median and least, and least processor time, of ``rounds`` runs, ms.

    ``window_s`` is encoded. On a machine that others use too, only the least figures mean anything.
    """

    shape: str
    what: str
    window_s: float
    callers: int
    median_ms: float
    least_ms: float
    cpu_ms: float
    rounds: int

    def __post_init__(self) -> None:
        if not 0 < self.least_ms <= self.median_ms or self.rounds < 3:
            raise ValueError("a figure that cannot be right must not be reported")


def _timed(run: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    run()
    took, cpu = [], []
    for _ in range(rounds):
        begun, before = time.perf_counter(), time.process_time()
        run()
        took.append(1000 * (time.perf_counter() - begun))
        cpu.append(1000 * (time.process_time() - before))
    return round(percentile(took, 50), 1), round(min(took), 1), round(min(cpu), 1)


def costs(
    folder: Path, shape: str, windows: list[float], batches: list[int], threads: int, compute: str
) -> Iterator[Cost]:
    """Time one model: encoding each window, decoding, and both together for several callers."""
    model = ctranslate2.models.Whisper(str(folder), compute_type=compute, intra_threads=threads)
    tokens = Tokens.from_file(str(folder / "tokenizer.json"))
    tokenizer = Tokenizer(tokens, model.is_multilingual, task="transcribe", language="en")
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    random = np.random.default_rng(1)

    def mel(callers: int, seconds: float) -> ctranslate2.StorageView:
        noise = random.normal(0.0, 0.5, (callers, model.n_mels, round(100 * seconds)))
        return ctranslate2.StorageView.from_array(noise.astype(np.float32))

    def decode(features: ctranslate2.StorageView, callers: int) -> list[str]:
        found = model.generate(features, [prompt] * callers, beam_size=1, return_scores=True)
        return [tokenizer.decode(one.sequences_ids[0]) for one in found]

    def each_alone(features: Any, callers: int) -> list[list[str]]:
        return [decode(model.encode(features), 1) for _ in range(callers)]

    def all_at_once(features: Any, callers: int) -> list[str]:
        return decode(model.encode(features), callers)

    for seconds in windows:
        features = mel(1, seconds)
        encoded = model.encode(features)
        yield Cost(shape, "encode", seconds, 1, *_timed(partial(model.encode, features), _ROUNDS), _ROUNDS)
        yield Cost(shape, "decode", seconds, 1, *_timed(partial(decode, encoded, 1), _ROUNDS), _ROUNDS)
    for callers in batches:
        seconds = windows[0]
        together, alone = mel(callers, seconds), mel(1, seconds)
        one_by_one = _timed(partial(each_alone, alone, callers), 5)
        batch = _timed(partial(all_at_once, together, callers), 5)
        yield Cost(shape, "one by one", seconds, callers, *one_by_one, 5)
        yield Cost(shape, "batch", seconds, callers, *batch, 5)


def report(found: list[Cost]) -> str:
    """The table, and the gains it says: short windows against 30 s, a batch against one by one."""
    lines = ["shape  what        window  callers  median ms  least ms  processor ms"]
    lines += [
        f"{c.shape:6} {c.what:10} {c.window_s:5.1f} s {c.callers:8} "
        f"{c.median_ms:10} {c.least_ms:9} {c.cpu_ms:13}"
        for c in found
    ]
    for shape in dict.fromkeys(c.shape for c in found):
        encodes = [c for c in found if c.shape == shape and c.what == "encode"]
        short, full = encodes[0], encodes[-1]
        part = f"1/{full.cpu_ms / short.cpu_ms:.0f} of the processor time of {full.window_s} s"
        lines.append(f"{shape}: encoding {short.window_s} s takes {part}")
        for c in found:
            if c.shape == shape and c.what == "batch":
                alone = next(
                    o for o in found if (o.shape, o.what, o.callers) == (shape, "one by one", c.callers)
                )
                share = 100 * c.cpu_ms / alone.cpu_ms
                lines.append(f"{shape}: {c.callers} callers in a batch: {share:.0f} % of the processor time")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--shapes", nargs="+", default=["tiny", "base"], choices=sorted(SHAPES))
    parser.add_argument("--windows", nargs="+", type=float, default=[2.0, 3.0, 5.0, 30.0], help="s")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compute", default="int8")
    parser.add_argument("--say", default=_SAY, help="the sentence; a word may occur once")
    parser.add_argument("--write", type=Path, help="only write the first shape's model into this folder")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    asked = parser.parse_args()
    print("random weights: cost, not accuracy", file=sys.stderr)
    if asked.write:
        build(asked.write, [Sentence(asked.say)], shape=asked.shapes[0])
        return
    found: list[Cost] = []
    for shape in asked.shapes:
        with tempfile.TemporaryDirectory() as folder:
            built = build(Path(folder), [Sentence(asked.say)], shape=shape)
            found += costs(built, shape, asked.windows, asked.batches, asked.threads, asked.compute)
    print(report(found))
    if asked.out:
        about = {
            "weights": "random: cost, not accuracy",
            "environment": environment().model_dump(),
            "load": os.getloadavg(),
            "compute": asked.compute,
            "threads": asked.threads,
            "costs": [asdict(c) for c in found],
        }
        asked.out.write_text(json.dumps(about, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
