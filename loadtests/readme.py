"""Fills the README's demo output and table of numbers from kept results.

``python -m loadtests.readme`` reads ``loadtests/results/demo.txt`` (the output of
``sayso demo --once``) and ``loadtests/results/steady/results.json`` (of
``python -m loadtests.steady --calls 20 --out loadtests/results/steady``).
``--check`` changes nothing and exits 1 when the README is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

RESULTS = Path("loadtests/results")
README = Path("README.md")


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


def filled(readme: str, demo: str, steady: dict[str, object]) -> str:
    """The README with both blocks replaced."""
    for name, block in (("demo", demo_block(demo)), ("numbers", numbers_block(demo, steady))):
        pattern = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        readme = pattern.sub(lambda m, block=block: f"{m[1]}{block}\n{m[2]}", readme)
    return readme


def main() -> int:
    """Fill the README, or check it."""
    demo = (RESULTS / "demo.txt").read_text(encoding="utf-8")
    steady = json.loads((RESULTS / "steady" / "results.json").read_text(encoding="utf-8"))["summary"]
    now = README.read_text(encoding="utf-8")
    wanted = filled(now, demo, steady)
    if "--check" in sys.argv[1:]:
        return int(wanted != now)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
