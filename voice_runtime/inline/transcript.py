"""What was said in a call so far, in the words the record holds: what people are shown, and nothing else.

Masked as ``redaction`` masks the record, and without whatever the caller does not let be kept. Once they take
that back, nothing said before is shown to anybody either.
"""

from __future__ import annotations

from collections.abc import Callable

from controls.ledger import records as r

#: Who, and what.
Line = tuple[str, str]
#: Personal content as it is sealed.
AsSealed = Callable[[r.Personal], r.Personal]


class Transcript:
    """One call's words, and the agent's newest ones as they sounded."""

    def __init__(self, as_sealed: AsSealed = lambda personal: personal) -> None:
        """Begin with nothing said.

        Args:
            as_sealed: what a record holds of personal content; it never raises.
        """
        self._as_sealed = as_sealed
        self._keeps = True
        self._lines: list[Line] = []
        self._sounded: list[str] = []
        self._answered = False

    @property
    def keeps(self) -> bool:
        """Whether what the caller says may be kept."""
        return self._keeps

    @keeps.setter
    def keeps(self, keeps: bool) -> None:
        self._keeps = keeps
        if not keeps:
            self._lines.clear()

    def caller(self, said: r.SaidDetails) -> None:
        """The caller said something, as it goes on record."""
        self._answered = True
        self._add("caller", said, "text")

    def agent(self, played: r.PlayedDetails) -> None:
        """Words of the agent's sounded, as they go on record."""
        if self._answered:
            self._sounded.clear()
        self._answered = False
        self._sounded.append(played.played_text)
        self._add("agent", played, "played_text")

    def newest(self, most: int) -> list[Line]:
        """The newest words of both, who and what, at most so many; none where no words are kept."""
        return self._lines[-most:] if most > 0 else []

    def newly_played(self) -> str:
        """The agent's newest words as they sounded, up to where the caller last spoke before them; or "".

        For whoever has to know what the caller answers. Neither recorded nor shown to anybody.
        """
        return " ".join(self._sounded)

    def _add(self, who: str, personal: r.Personal, field: str) -> None:
        if self._keeps and (words := getattr(self._as_sealed(personal), field)):
            self._lines.append((who, words))
