"""From which score on a topic applies: told by its own examples, each judged by the others.

``python -m loadtests.packs.thresholds`` splits every topic's sentences into parts, judges each part by a
topic made of the rest, and names the score that the stated share of what must pass stays below. Write it
as ``at_least``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controls.errors import SayError
from controls.rules.matchers import Words, words
from controls.rules.pack_files import load_packs, pack_names
from controls.rules.topic_files import Examples
from controls.rules.topics import Topic
from loadtests import markdown

RULES = Path("configs/rules")
#: Sentences in every part but one make the topic that judges the one.
PARTS = 5
#: Of a thousand sentences that must pass, so many may be touched.
FALSE_PER_THOUSAND = 5


@dataclass(frozen=True, slots=True)
class Suggested:
    """A score, and what it would come to on examples the topic was not made of, in percent."""

    at_least: float
    like_percent: float
    unlike_percent: float


def suggested(examples: Examples, per_thousand: int = FALSE_PER_THOUSAND) -> Suggested:
    """The lowest score, in tenths, that at most ``per_thousand`` of what must pass reach."""
    like, unlike = [], []
    for part in range(PARTS):
        topic = Topic(_others(examples.like, part), _others(examples.unlike, part))
        like += [topic.score(words(t)) for i, t in enumerate(examples.like) if i % PARTS == part]
        unlike += [topic.score(words(t)) for i, t in enumerate(examples.unlike) if i % PARTS == part]
    ranked = sorted(unlike, reverse=True)
    limit = ranked[min(len(ranked) - 1, len(ranked) * per_thousand // 1000)]
    at_least = max(0.1, round(limit + 0.1, 1))
    return Suggested(at_least, _share(like, at_least), _share(unlike, at_least))


def _others(texts: Sequence[str], part: int) -> list[Words]:
    """All but one part; where that leaves nothing, the first."""
    return [words(text) for i, text in enumerate(texts) if i % PARTS != part] or [words(texts[0])]


def _share(scores: Sequence[float], at_least: float) -> float:
    return round(100 * sum(score >= at_least for score in scores) / len(scores), 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line a topic and language; 2 when a pack cannot be used."""
    options = argparse.ArgumentParser(
        prog="python -m loadtests.packs.thresholds",
        description="From which score on a topic applies, told by its own examples.",
        epilog="Example: python -m loadtests.packs.thresholds health-boundaries",
    )
    options.add_argument("packs", nargs="*", help="all of them by default")
    options.add_argument("--rules", type=Path, default=RULES, metavar="DIR", help="where the packs lie")
    options.add_argument(
        "--false-per-thousand", type=int, default=FALSE_PER_THOUSAND, metavar="N",
        help="of a thousand sentences that must pass, so many may be touched",
    )  # fmt: skip
    given = options.parse_args(arguments)
    try:
        packs = load_packs(given.rules, given.packs or pack_names(given.rules))
    except SayError as error:
        print(f"packs: {error}", file=sys.stderr)
        return 2
    columns = ("pack", "topic", "language", "sentences like it", "not", "at_least", "found, %", "touched, %")
    lines = []
    for pack in packs:
        for topic, languages in pack.topics.items():
            for language, examples in languages.items():
                found = suggested(examples, given.false_per_thousand)
                lines.append(
                    (
                        pack.pack, topic, language, str(len(examples.like)), str(len(examples.unlike)),
                        f"{found.at_least:g}", f"{found.like_percent:.0f}", f"{found.unlike_percent:.1f}",
                    )
                )  # fmt: skip
    if not lines:
        print("no pack goes by a topic: docs/rules.md, By example, shows how one does")
        return 0
    print("\n".join(markdown.table(columns, lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
