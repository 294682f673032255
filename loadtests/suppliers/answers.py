"""What a mock model answers to what is said, and which answer a clause of speech belongs to: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from controls.errors import OperatorError
from loadtests.suppliers.tones import IDS

#: Said to whatever is not in the book. Its id is 0.
NOT_CAUGHT = "Sorry, that was not clear to me. Please say it once more."


def normalised(text: str) -> str:
    """Lower case, letters, digits and apostrophes only, one space between words."""
    return " ".join(re.findall(r"[\w']+", text.lower()))


class AnswerBook:
    """Answers by what is said. Ids count distinct answers from 1, in order.

    Args:
        answers: what is said → what is answered.

    Raises:
        OperatorError: more answers than there are ids, or one without words.
    """

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._by_said = {normalised(said): answer for said, answer in answers.items()}
        texts = list(dict.fromkeys(answers.values()))
        if len(texts) >= IDS:
            raise OperatorError(f"a scenario has at most {IDS - 1} different answers")
        self._ids = {normalised(text): n for n, text in enumerate(texts, 1)}
        if "" in self._ids or "" in self._by_said:
            raise OperatorError("an answer, and what it answers, needs words")

    def answer(self, said: str) -> str:
        """What is answered to ``said``; words before what is in the book do not matter."""
        found = self._found(said)
        return NOT_CAUGHT if found is None else found

    def id_for(self, said: str) -> int:
        """The id of the answer to ``said``; 0 when it is not in the book."""
        found = self._found(said)
        return 0 if found is None else self._ids[normalised(found)]

    def id_of(self, clause: str) -> int:
        """The id of the one answer ``clause`` is a part of; 0 when it is of none, or of several."""
        words = f" {normalised(clause)} "
        if not words.strip():
            return 0
        found = [n for text, n in self._ids.items() if words in f" {text} "]
        return found[0] if len(found) == 1 else 0

    def _found(self, said: str) -> str | None:
        words = normalised(said)
        if words in self._by_said:
            return self._by_said[words]
        ends = [known for known in self._by_said if f" {words}".endswith(f" {known}")]
        return self._by_said[max(ends, key=len)] if ends else None
