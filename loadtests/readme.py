"""Fills the tables of README and docs/measuring from kept results.

``python -m loadtests.readme`` reads ``loadtests/results/demo.txt`` (the output of
``sayso demo --once``), ``loadtests/results/steady/results.json`` (of
``python -m loadtests.steady --calls 20 --out loadtests/results/steady``) and the load tests
kept in ``loadtests/results/load/*/results.json`` and ``loadtests/results/pauses/results.json``.
``--check`` changes nothing, names the page that is out of date and exits 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from loadtests.reporting import load_table

RESULTS = Path("loadtests/results")
README = Path("README.md")
MEASURING = Path("docs/measuring.md")


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


def pages() -> dict[Path, str]:
    """Both pages as they should be.

    Raises:
        ConfigurationError: a kept load test cannot be read.
    """
    demo = (RESULTS / "demo.txt").read_text(encoding="utf-8")
    steady = json.loads((RESULTS / "steady" / "results.json").read_text(encoding="utf-8"))["summary"]
    found = load_table.kept(RESULTS)
    readme = filled(README.read_text(encoding="utf-8"), demo, steady)
    measuring = MEASURING.read_text(encoding="utf-8")
    return {
        README: replaced(readme, "load", load_table.short(found)),
        MEASURING: replaced(measuring, "load", load_table.long(found)),
    }


def main() -> int:
    """Fill the pages, or check them."""
    stale = {page: text for page, text in pages().items() if page.read_text(encoding="utf-8") != text}
    if "--check" in sys.argv[1:]:
        for page in stale:
            print(f"{page} is out of date: python -m loadtests.readme", file=sys.stderr)
        return int(bool(stale))
    for page, text in stale.items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
