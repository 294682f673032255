"""What a person is shown besides a use's arguments: what it does, why they are asked, the newest words. Pure.

Cut from the oldest words, visibly: the newest ones are what the request is about.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Turns of the conversation that are shown.
TURNS = 6
#: Letters of all of it.
MOST = 2000
#: Stands where words were left out.
CUT = "…"
_MOST_HEAD = MOST // 2
_SPEAKERS = ("caller: ", "agent: ")


def shown_to_a_person(
    tool: str, does: str, reasons: Sequence[str], transcript: Sequence[tuple[str, str]]
) -> str:
    """At most ``MOST`` letters, one line for each part; the newest words are there whatever their length."""
    head = [f"{tool}: {does}", *(f"because: {reason}" for reason in dict.fromkeys(reasons))]
    said = [f"{who}: {_line(text)}" for who, text in transcript[-TURNS:]]
    return _together([_line(part) for part in head], said, len(transcript) > TURNS)


def with_other_words(shown: str, said: Sequence[str]) -> str:
    """The same request after another conversation: how a decoy looks like a request.

    Args:
        shown: of a real request, from ``shown_to_a_person``.
        said: lines of it, each with who spoke: ``is_said``.
    """
    first, *rest = shown.split("\n")
    head = [first]
    for line in rest:
        if is_said(line) or line == CUT:
            break
        head.append(line)
    return _together(head, [_line(text) for text in said[-TURNS:]], len(said) > TURNS)


def is_said(line: str) -> bool:
    """Whether a line says who spoke, and what."""
    return line.startswith(_SPEAKERS) and bool(line.partition(": ")[2].strip())


def _together(head: Sequence[str], said: Sequence[str], more: bool) -> str:
    above = "\n".join(head)
    if len(above) > _MOST_HEAD:
        above = above[: _MOST_HEAD - len(CUT)] + CUT
    room = MOST - len(above) - len(f"\n{CUT}")
    kept: list[str] = []
    for line in reversed(said):
        if len(line) + 1 > room:
            if not kept:  # one turn longer than all there is room for: its end
                who, _, text = line.partition(": ")
                kept.append(f"{who}: {CUT}{text[-(room - len(who) - 4) :]}")
            break
        kept.append(line)
        room -= len(line) + 1
    cut = [CUT] if more or len(kept) < len(said) else []
    return "\n".join([above, *cut, *reversed(kept)])


def _line(text: str) -> str:
    return " ".join(text.split())
