"""Fills the tables of README, docs/measuring and docs/load-results from kept results.

``python -m loadtests.readme`` reads ``loadtests/results/demo.txt`` (the output of
``sayso demo --once``), ``loadtests/results/steady/results.json`` (of
``python -m loadtests.steady --calls 20 --out loadtests/results/steady``), the load tests
kept in ``loadtests/results/load/*/results.json`` and ``loadtests/results/pauses/results.json``, the
calibrations in ``loadtests/results/calibrate-*/results.json``, the goals of ``loadtests/goals.yaml``, and the
rule packs' scores in ``loadtests/results/packs/results.json``.
A goal that was missed and has no words for it there is refused; words for one whose aim is met are named.
``--check`` changes nothing, names the page that is out of date and exits 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from controls.errors import SayError
from loadtests.packs import tables as pack_tables
from loadtests.reporting import goal_table, load_table
from loadtests.reporting.goal_figures import Kept
from loadtests.reporting.goal_file import FILE, read_goals

RESULTS = Path("loadtests/results")
README = Path("README.md")
MEASURING = Path("docs/measuring.md")
LOAD_RESULTS = Path("docs/load-results.md")
RULES = Path("docs/rules.md")


def demo_block(output: str) -> str:
    """The demo's output as a code block."""
    return f"```\n{output.rstrip()}\n```"


def numbers_block(output: str, steady: dict[str, object]) -> str:
    """The table of measured numbers."""
    worst = re.search(r"worst turn\s+(\d+)\s+(\d+)", output)
    disclosure = re.search(r"disclosure starts (\d+) ms", output)
    pause = re.search(r"turn 5\s+\S+\s+\S+\s+(\d+)", output)
    if worst is None or disclosure is None or pause is None:
        raise SystemExit("loadtests/results/demo.txt lacks figures: keep a whole run of sayso demo --once")
    tree = _pair(steady["tree_mb"])
    left = ", ".join(f"{name} {_pair(steady[name])}" for name in ("processes", "threads", "files", "tasks"))
    rows = [
        ("ASR to first token, worst turn", f"{worst[1]} ms", "800 ms", "`sayso demo --once`"),
        ("first audio out, worst turn", f"{worst[2]} ms", "1400 ms", "`sayso demo --once`"),
        ("disclosure starts after the answer", f"{disclosure[1]} ms", "1500 ms", "`sayso demo --once`"),
        ("agent falls silent when interrupted", f"{pause[1]} ms", "300 ms", "`sayso demo --once`"),
        (
            f"memory of all processes over {steady['calls']} calls, one after another",
            f"{tree} MB ({steady['growth_percent']} %)",
            "within 10 %",
            "`python -m loadtests.steady`",
        ),
        ("left behind by them", left, "nothing", "`python -m loadtests.steady`"),
    ]
    lines = ["| what | measured | target | command |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", f"Measured {steady['at']} on {steady['machine']} (shared, noisy)."])


def _pair(value: object) -> str:
    first, last = value if isinstance(value, list) else (value, value)
    return f"{first} → {last}"


def replaced(page: str, name: str, block: str) -> str:
    """A page with the block between the markers ``name`` replaced."""
    pattern = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda m: f"{m[1]}{block}\n{m[2]}", page)


def filled(readme: str, demo: str, steady: dict[str, object]) -> str:
    """The README with the demo's output and its numbers replaced."""
    return replaced(replaced(readme, "demo", demo_block(demo)), "numbers", numbers_block(demo, steady))


def pages(goals: Path = FILE) -> dict[Path, str]:
    """All pages as they should be.

    Raises:
        ConfigurationError: a kept load test, or the goals, cannot be read; a missed goal has no words.
    """
    demo = (RESULTS / "demo.txt").read_text(encoding="utf-8")
    steady = json.loads((RESULTS / "steady" / "results.json").read_text(encoding="utf-8"))["summary"]
    found, apart = load_table.kept(RESULTS), load_table.calibrations(RESULTS)
    rows = goal_rows(goals)
    packs = json.loads((RESULTS / "packs" / "results.json").read_text(encoding="utf-8"))
    readme = filled(README.read_text(encoding="utf-8"), demo, steady)
    short = f"{goal_table.counted(rows)}\n\n{load_table.short(found)}"
    measuring = MEASURING.read_text(encoding="utf-8")
    measuring = replaced(measuring, "goals", "\n".join(goal_table.page(rows)))
    return {
        README: replaced(readme, "load", short),
        MEASURING: replaced(measuring, "calibration", load_table.instrument(found, apart)),
        LOAD_RESULTS: replaced(LOAD_RESULTS.read_text(encoding="utf-8"), "load", load_table.long(found)),
        RULES: replaced(RULES.read_text(encoding="utf-8"), "packs", pack_tables.page(packs)),
    }


def goal_rows(goals: Path = FILE) -> list[goal_table.Row]:
    """Every goal against what is kept.

    Raises:
        ConfigurationError: a kept load test, or the goals, cannot be read.
    """
    apart = tuple(made for results in load_table.calibrations(RESULTS) for made in results.calibrations)
    return goal_table.judged(read_goals(goals), Kept(load_table.kept(RESULTS), apart))


def main() -> int:
    """Fill the pages, or check them; 2 when they cannot be made."""
    try:
        stale = {page: text for page, text in pages().items() if page.read_text(encoding="utf-8") != text}
        outlived = goal_table.outlived(goal_rows())
    except SayError as error:
        print(f"readme: {error}", file=sys.stderr)
        return 2
    for key in outlived:
        print(f"goals.{key}.rest is not shown: the aim is met", file=sys.stderr)
    if "--check" in sys.argv[1:]:
        for page in stale:
            print(f"{page} is out of date: python -m loadtests.readme", file=sys.stderr)
        return int(bool(stale))
    for page, text in stale.items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
