"""A redactor that counts what it masks, for sinks that no record of a call stands behind. For any thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from controls.ledger.records import PersonalData
from controls.redaction.redactor import Redacted, Redacts


class Counting:
    """Masks as the redactor it stands before, and remembers how often it found something of each type."""

    def __init__(self, redactor: Redacts) -> None:
        self._redactor = redactor
        self._counts: Counter[PersonalData] = Counter()
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """Of the rules it masks by."""
        return self._redactor.version

    def redact(self, text: str, language: str = "en-US", context: str = "") -> Redacted:
        """As ``Redactor.redact``."""
        redacted = self._redactor.redact(text, language, context)
        if redacted.found:
            self.add(Counter(found.type for found in redacted.found))
        return redacted

    def mask(self, text: str) -> str:
        """``redact(text).text``."""
        return self.redact(text).text

    def take(self) -> Counter[PersonalData]:
        """What was masked since it was last asked."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def add(self, counts: Mapping[PersonalData, int]) -> None:
        """Count these as well: what was taken, and could not be told."""
        with self._lock:
            self._counts.update(counts)
