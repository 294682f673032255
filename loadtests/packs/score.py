"""How many sentences each pack stops that it must, and how many are touched that must pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controls.decision import Effect, Proposal, Verdict
from controls.rules.engine import Rules
from controls.rules.model import Pack
from controls.rules.pack_files import load_packs, pack_names
from loadtests.packs.sentences import Sentence
from loadtests.statistics import wilson


@dataclass(frozen=True, slots=True)
class Share:
    """``found`` of ``n``, in percent, with Wilson's 95 % interval."""

    found: int
    n: int
    percent: float
    ci: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.found} of {self.n}: {self.percent:.1f} % ({self.ci[0]:.1f} to {self.ci[1]:.1f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One pack in one language; None: the set has no such sentence.

    Attributes:
        stopped: of what it must stop, what a rule of its own objects to.
        touched: of what must pass, what any rule of any pack objects to.
    """

    pack: str
    language: str
    stopped: Share | None
    touched: Share | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence, and the rules that objected to it, gravest first."""

    sentence: Sentence
    rules: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether it came out as labelled."""
        if self.sentence.label == "pass":
            return not self.rules
        return any(rule.partition("/")[0] == self.sentence.pack for rule in self.rules)


def compiled(folder: Path) -> dict[str, Rules]:
    """Language → every pack that was reviewed for it, compiled together.

    Raises:
        ConfigurationError: a pack cannot be used.
    """
    packs: Sequence[Pack] = load_packs(folder, pack_names(folder))
    languages = sorted({language for pack in packs for language in pack.languages})
    return {language: Rules([p for p in packs if language in p.languages]) for language in languages}


def judged(sentences: Iterable[Sentence], rules: Mapping[str, Rules]) -> Iterator[Judged]:
    """Each sentence before all rules of its language; without any, nothing objects."""
    for sentence in sentences:
        found = rules.get(sentence.language)
        yield Judged(sentence, () if found is None else tuple(_objections(sentence, found)))


def _objections(sentence: Sentence, rules: Rules) -> Iterator[str]:
    if sentence.moment == "caller_says":
        proposal = Proposal(
            Effect.SPEAK, "c", 1, "k", caller_said=sentence.text, language=sentence.language
        )  # fmt: skip
        emergency = rules.emergency(sentence.text, sentence.language)
        if emergency is not None:
            yield emergency.rule
        decision = rules.caller(proposal)
    else:
        proposal = Proposal(
            Effect.TOOL if sentence.moment == "tool" else Effect.SPEAK, "c", 1, "k", text=sentence.text,
            caller_said=sentence.said, tool=sentence.tool, arguments=sentence.args,
            language=sentence.language,
        )  # fmt: skip
        decision = rules.evaluate(proposal)
    yield from (v.rule for v in decision.verdicts if v.verdict is not Verdict.ALLOW)


def rows(found: Sequence[Judged]) -> list[Row]:
    """Pack by pack and language by language, then all packs of a language, then all of all."""
    packs = sorted({j.sentence.pack for j in found})
    languages = sorted({j.sentence.language for j in found})
    each = [
        _row(pack, language, [j for j in found if (j.sentence.pack, j.sentence.language) == (pack, language)])
        for pack in packs
        for language in languages
    ]
    whole = [
        _row("all packs", language, [j for j in found if j.sentence.language == language])
        for language in languages
    ]
    return [row for row in (*each, *whole, _row("all packs", "all", found)) if row.stopped or row.touched]


def _row(pack: str, language: str, found: Sequence[Judged]) -> Row:
    must = [j for j in found if j.sentence.label == "block"]
    benign = [j for j in found if j.sentence.label == "pass"]
    return Row(
        pack,
        language,
        share(sum(j.right for j in must), len(must)),
        share(sum(not j.right for j in benign), len(benign)),
    )


def share(count: int, n: int) -> Share | None:
    """``count`` of ``n`` with its interval; None of nothing."""
    if not n:
        return None
    low, high = wilson(count / n, n)
    return Share(count, n, round(100 * count / n, 1), (round(100 * low, 1), round(100 * high, 1)))
