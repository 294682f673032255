"""A question of the runtime's own on the line: what of it has sounded, and what can answer it."""

from __future__ import annotations

from controls.question import Question
from voice_runtime.events import CallerSaidFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.journal import Journal


def stretch(frame: CallerSaidFrame, journal: Journal) -> tuple[float, float]:
    """When the caller's words were said, first and last sample, s since the call was answered."""
    until = journal.seconds(frame.t0_ns)
    return until - max(0.0, frame.ended_s - frame.started_s), until


class AskedAloud:
    """The question that one part has open: enacts ``controls.question``.

    Attributes:
        words: the question, as far as it was played; "" while it sounds.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.drop()

    def put(self, tag: str) -> None:
        """It is asked from now on, in the phrase with this tag. None before it is open any more."""
        self._tag, self._question, self.words = tag, Question(), ""

    def drop(self) -> None:
        """None is open: nothing answers it."""
        self.put("")

    @property
    def begun(self) -> bool:
        """It has begun to sound: a key may answer it."""
        return self._question.began_s is not None

    @property
    def over(self) -> bool:
        """It was played, or cut."""
        return self._question.over

    @property
    def full(self) -> bool:
        """All of it was played, in the words that were to be said."""
        return self._question.full

    def is_it(self, frame: SpokenFrame | SoundsFrame) -> bool:
        """Whether a frame is about it."""
        return bool(self._tag) and frame.tag == self._tag

    def sounds(self, frame: SoundsFrame) -> None:
        """A phrase begins to sound: it, or another."""
        if self.is_it(frame):
            self._question = self._question.begins(frame.started_s)

    def spoken(self, frame: SpokenFrame, *, as_asked: bool = True) -> None:
        """A phrase was played, or cut. ``as_asked``: in the words that were to be said."""
        if self.is_it(frame):
            lasted_s = frame.played_ms / 1000
            self._question = self._question.ends(frame.started_s, lasted_s, full=frame.full and as_asked)
            self.words = frame.text

    def answered(self, frame: CallerSaidFrame, *, certain: bool) -> bool:
        """Whether the caller's words can answer it: as ``Question.answered``."""
        return self._question.answered(*stretch(frame, self._journal), certain=certain)
