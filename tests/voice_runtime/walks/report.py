"""Walks many calls, and writes what came of it into docs/measuring.md.

``python -m tests.voice_runtime.walks.report --walks 10000 --workers 2`` walks seeds 0 to 9999 and exits 1 if
one shows anything wrong, naming the seed; whatever came of it goes into ``loadtests/results/walks.json`` and
the page. ``--table`` only makes the page's table anew from what is kept. ``--first 500`` begins elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from loguru import logger

from controls.ledger import records as r
from loadtests.environment import commit_of
from loadtests.markdown import table
from tests.voice_runtime.walks.invariants import wrong
from tests.voice_runtime.walks.seen import Seen
from tests.voice_runtime.walks.way import Way

ROOT = Path(__file__).parents[3]
KEPT, PAGE = ROOT / "loadtests/results/walks.json", ROOT / "docs/measuring.md"
BEGIN = "<!-- walks: made by `python -m tests.voice_runtime.walks.report` -->"
END = "<!-- /walks -->"
#: Seeds that one process walks before it tells.
_EACH = 20
#: A call that takes longer has got stuck, s.
_STUCK_S = 150.0
#: What is counted of what happened, as a table names it.
_COUNTED: dict[str, tuple[type[r.Record], ...]] = {
    "clauses judged and cleared": (r.ClauseCleared,),
    "clauses refused": (r.ClauseRefused,),
    "tools used": (r.ToolRequested,),
    "uses of tools refused": (r.ToolRefused,),
    "outcomes of tools unknown": (r.ToolUnknown,),
    "approvals granted": (r.ApprovalGranted,),
    "approvals edited": (r.ApprovalEdited,),
    "approvals refused": (r.ApprovalRefused,),
    "approvals taken over": (r.ApprovalTakenOver,),
    "approvals that nobody decided": (r.ApprovalExpired, r.ApprovalAbandoned),
    "decisions that came too late": (r.ApprovalLate,),
    "entries by keys": (r.CaptureStarted,),
    "emergencies": (r.EmergencyDetected,),
    "consents given or withdrawn": (r.ConsentRecorded, r.ConsentWithdrawn),
    "ways to a person": (r.HandoffRequested,),
    "calls stopped": (r.CallStopped,),
    "controls that failed": (r.ControlFailed,),
}
#: Steps of a walk that are none of the caller's, as a table names them.
_AROUND = {
    "ledger late": "ledger late", "ledger down": "ledger down", "voice": "voice fails or recovers",
    "mood": "service or carrier fails or recovers", "stop tool": "tool stopped", "barge": "speech paused",
    "freeze": "carrier plays no more", "expire": "a minute passes", "hang up": "hung up in mid-turn",
}  # fmt: skip


@dataclass
class Tally:
    """What came of walks; ``problems`` name their seeds."""

    first: int
    walks: int = 0
    commit: str = ""
    problems: list[str] = field(default_factory=list)
    wrong: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Put another part's beside it."""
        self.walks += other.walks
        self.problems += other.problems
        self.wrong += other.wrong
        self.happened += other.happened


async def _part(first: int, walks: int) -> Tally:
    tally = Tally(first, walks)
    with tempfile.TemporaryDirectory() as people:
        for seed in range(first, first + walks):
            way = Way(seed)
            try:
                async with asyncio.timeout(_STUCK_S):
                    seen = await way.walked(Path(people))
            except Exception as error:  # one more thing that is wrong with this seed
                found = [f"it ended in {type(error).__name__}"]
            else:
                found = wrong(seen)
                _count(tally.happened, way, seen)
            tally.wrong += bool(found)
            tally.problems += [f"seed {seed} ({', '.join(way.way)}): {problem}" for problem in found]
    return tally


def _count(happened: Counter[str], way: Way, seen: Seen) -> None:
    for name, kinds in _COUNTED.items():
        happened[name] += len(seen.of(*kinds))
    for step, name in _AROUND.items():
        happened[name] += way.way.count(step)
    happened["turns of the caller"] += len(seen.said)
    happened["words begun on the wire"] += sum(chunk.place == 0 for chunk in seen.sent)


def part(bounds: tuple[int, int]) -> Tally:
    """Walk some seeds, in a process of their own."""
    logger.remove()
    return asyncio.run(_part(*bounds))


def walk(first: int, walks: int, workers: int) -> Tally:
    """Walk them all."""
    commit, changed = commit_of(ROOT)
    tally = Tally(first, commit=commit + (" and changes" if changed else ""))
    parts = [(at, min(_EACH, first + walks - at)) for at in range(first, first + walks, _EACH)]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in pool.map(part, parts):
            tally.add(done)
            for problem in done.problems:
                print(problem)
            print(f"{tally.walks} of {walks} walked, {tally.wrong} wrong", file=sys.stderr)
    return tally


def block(tally: Tally) -> list[str]:
    """The page's lines between the marks."""
    seeds = f"{tally.first} to {tally.first + tally.walks - 1}"
    head = f"{tally.walks:,} calls walked (seeds {seeds}, commit {tally.commit}): **{tally.wrong} wrong**."
    rows = [(name, f"{n:,}") for name, n in sorted(tally.happened.items()) if n]
    return [BEGIN, "", head, "", *table(("what happened in them", "times"), rows), "", END]


def written(page: str, tally: Tally) -> str:
    """The page with its table made anew.

    Raises:
        ValueError: the page has no place for it.
    """
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"{PAGE.name} has no {BEGIN} and {END}: put them where the table belongs")
    return before + "\n".join(block(tally)) + after


def kept() -> Tally:
    """What was walked last."""
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    return Tally(**(found | {"happened": Counter(found["happened"]), "problems": []}))


def main(given: Sequence[str] | None = None) -> int:
    """The command."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.voice_runtime.walks.report", description=__doc__
    )
    arguments.add_argument("--walks", type=int, default=200)
    arguments.add_argument("--first", type=int, default=0)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--table", action="store_true")
    asked = arguments.parse_args(given)
    if not asked.table:
        tally = walk(asked.first, asked.walks, asked.workers)
        kept_of = {k: v for k, v in vars(tally).items() if k != "problems"}
        KEPT.write_text(json.dumps(kept_of, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    tally = kept()
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), tally), encoding="utf-8")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
