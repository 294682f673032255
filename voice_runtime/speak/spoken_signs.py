"""Signs between words and figures: in every language at the same places, in its own words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from voice_runtime.speak.spoken_grammar import Rule


def sign_rules(
    signs: Mapping[str, str],
    *,
    letters: str,
    either: str,
    slash: str,
    star: str,
    pound: str,
    times: str,
    plus: str,
    and_more: str,
) -> list[Rule]:
    """Rules that put signs in words.

    Args:
        signs: sign → its word, wherever only the sign decides.
        letters: the language's small letters, as inside a pattern's brackets.
        either: ``/`` between words; ``slash`` between figures.
        star, pound: the telephone's keys.
        times: ``*`` between figures.
        plus, and_more: ``+`` before a figure, and behind one.
    """

    def sign(match: re.Match[str]) -> str:
        return f" {signs[match.group().strip()]} "

    return [
        (rf"(?<=[{letters}])/(?=[{letters}])", lambda m: f" {either} "),
        (r"(?<=[0-9])/(?=[0-9])", lambda m: f" {slash} "),
        (r"(?<![0-9])\*(?=[0-9])", lambda m: f"{star} "),
        (r"(?<=[0-9])\*(?=[0-9])", lambda m: f" {times} "),
        (r"\s&\s|(?<=\w)&(?=\w)", sign),
        (r"(?<!\S)[#*](?![^\s.,;:!?])", lambda m: pound if m.group() == "#" else star),
        (r"(?<!\S)[=@](?!\S)", lambda m: signs[m.group()]),
        (r"(?<=[\w)])\s?[±×÷]\s?(?=[\w(])", sign),
        (r"(?<=[0-9])\s?[+=]\s?(?=[0-9])|(?<=\w)\s[+]\s(?=\w)", sign),
        (r"(?<![\w+])[#№~≈±≤≥]\s?(?=[$€£]?[0-9])", lambda m: sign(m).lstrip()),
        (r"(?<!\w)\+(?=[0-9])", lambda m: f"{plus} "),
        (r"(?<=[0-9])\+(?!\w)", lambda m: f" {and_more}"),
    ]
