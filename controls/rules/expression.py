"""CEL expressions of rules, compiled with their patterns. Pure.

CEL's ``matches`` is defined over RE2 (https://github.com/google/cel-spec/blob/master/doc/langdef.md). The CEL
library compiles a pattern anew each time it is asked, which takes up to 1 ms; here RE2 itself is asked, with
patterns compiled once and checked when the pack is. It takes time linear in the text, whatever is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cel
import re2

#: String literals of CEL, and between them whatever follows the word "matches".
_PIECES = re.compile(
    r"""(?P<text>[rR]?[bB]?[rR]?(?:\"\"\".*?\"\"\"|'''.*?'''))"""
    r"""|(?P<raw>[bB]?[rR][bB]?(?:"[^"\n]*"|'[^'\n]*'))"""
    r"""|(?P<plain>[bB]?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))"""
    r"""|(?P<call>\bmatches(?=\s*\())""",
    re.DOTALL,
)
#: What stands between the word and its pattern: ``text.matches('…')`` or ``matches(text, '…')``.
_FIRST = re.compile(r"\s*\(\s*(?:\w+\s*,\s*)?")
_ALL = re.compile(r"\s*\)")
#: What ``matches`` is called in the program: a function of ours, as the library's own cannot be replaced.
_FOUND = "found_by_re2"
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # they are ours to tell


class Expression:
    """One expression. Immutable.

    Attributes:
        source: as it was written.
        names: what it asks for, functions not among them.
    """

    def __init__(self, source: str) -> None:
        """Compile an expression and the patterns written in it.

        Raises:
            ValueError: it is no CEL, or a pattern is none of RE2's; the message is one line.
        """
        self.source = source
        try:
            self._program = cel.compile(_PIECES.sub(_renamed, source))
        except Exception as error:  # noqa: BLE001  # the extension raises ValueError, but a panic must not pass either
            raise ValueError(_first_line(error)) from None
        self.names = frozenset(self._program.variables())
        for literal in _patterns(source):
            _compiled(literal)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds, given the values of its ``names``.

        Raises:
            TypeError: it yields neither true nor false.
            Exception: whatever evaluating it raises.
        """
        answer = self._program.execute({**values, _FOUND: _found})
        if not isinstance(answer, bool):
            raise TypeError("the expression yields neither true nor false")
        return answer


def _renamed(piece: re.Match[str]) -> str:
    return _FOUND if piece["call"] else piece[0]


def _patterns(source: str) -> list[str]:
    """The literals that ``matches`` is asked with; one that is put together is compiled when it is asked."""
    found, asked = [], -1
    for piece in _PIECES.finditer(source):
        if piece["call"]:
            asked = piece.end()
        elif (
            asked >= 0 and _FIRST.fullmatch(source, asked, piece.start()) and _ALL.match(source, piece.end())
        ):
            found.append(str(cel.evaluate(piece[0])))
    return found


def _found(text: str, pattern: str) -> bool:
    return _compiled(pattern).search(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        message = error.args[0] if error.args else error
        told = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
        raise ValueError(f"the pattern {pattern[:40]!r} cannot be read: {told}"[:160]) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
