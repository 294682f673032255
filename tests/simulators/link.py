"""A carrier's link whose marks come back when the test says so."""

from __future__ import annotations

from collections.abc import Callable

from controls.ledger.records import Evidence


class FakeLink:
    """Implements ``ports.MediaLink``. ``evidence`` and ``marks`` may be changed before use."""

    def __init__(
        self, evidence: Evidence = Evidence.CARRIER_MARK, *, marks: bool = True, captions: bool = False
    ) -> None:
        self.evidence = evidence
        self._captions = captions
        self.placed: list[str] = []
        self._marks = marks
        self._callback: Callable[[str, int], None] = lambda name, at: None

    def mark_message(self, name: str) -> dict[str, object] | None:
        self.placed.append(name)
        return {"event": "mark", "mark": {"name": name}} if self._marks else None

    def clear_message(self) -> dict[str, object] | None:
        return {"event": "clear"} if self._marks else None

    def caption(self, who: str, text: str, *, id: str, state: str) -> dict[str, object] | None:
        return {"caption": text, "who": who, "id": id, "state": state} if self._captions else None

    def receipt(self, code: str) -> dict[str, object] | None:
        return {"receipt": code} if self._captions else None

    def on_mark(self, callback: Callable[[str, int], None]) -> None:
        self._callback = callback

    def give_back(self, count: int | None = None, at_ns: int = 0) -> None:
        """Return the oldest ``count`` marks (all when None)."""
        names = self.placed[: count if count is not None else len(self.placed)]
        del self.placed[: len(names)]
        for name in names:
            self._callback(name, at_ns)
