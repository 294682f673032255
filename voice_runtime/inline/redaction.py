"""One call's redaction: what is masked before the record, before the model, and on the caller's screen.

Everything a call writes goes through ``Redacting``, the end of the ledger its stages are given, on its way to
the log and to the spool alike. What was masked is told by ``redaction.made`` behind it. A text that cannot be
redacted is not written: its words are left out, and the record says that the control failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from loguru import logger

from controls.decision import PendingReceipt, Receipt, Recorder
from controls.errors import InternalError, LedgerError
from controls.ledger import records as r
from controls.redaction.file import Redaction, Sink
from controls.redaction.marked import Seen, marked
from controls.redaction.redactor import Found, Redacted, applied, united
from controls.redaction.sealed import WORDS, Whose, masked, masked_value, told
from controls.redaction.trail import Trail
from controls.rules.matchers import numbers, words
from voice_runtime.inline.counted import Spool

#: Texts of one call whose masking is remembered: a clause is recorded when it is cleared and when played.
_REMEMBERED = 16
#: A number of so many digits may be the beginning of one that the rules keep from the model (a card's).
_LONG_NUMBER = 6
#: In place of words that could not be redacted.
WITHHELD = "[withheld]"


class CallRedaction:
    """What one call masks. It remembers the caller's newest words, and the figures they go on with."""

    def __init__(self, redaction: Redaction, language: str) -> None:
        self._redaction = redaction
        self._language = language
        self._trail = Trail()
        self._said = self._figures = ""
        self._seen: Seen | None = None
        self._asked = ""
        self._extra: tuple[Found, ...] = ()
        self._known: dict[tuple[Sink, str, str], Redacted] = {}

    def version(self, sink: Sink) -> str:
        """Of the rules by which that sink is masked."""
        return self._redaction.before(sink).version

    def caller(self, text: str, asked: str) -> None:
        """The caller said something: from now on the newest words, to which the trail applies.

        Args:
            asked: what they heard just before.
        """
        before = self._trail.digits
        self._said, self._asked, self._figures = text, asked, before
        self._seen, self._extra = None, ()
        self._known.clear()
        try:
            self._seen = marked(text, asked)
            self._trail, self._extra = self._trail.step(self._seen)
        except Exception as error:  # noqa: BLE001  # a caller is not kept waiting for it; each sink finds out
            logger.error("the trail of figures was lost: {}", type(error).__name__)
            self._trail = Trail()

    def whole(self, text: str) -> str:
        """The caller's words as they are to be judged: with the figures before them, if all are a card's.

        So too where only part of what they said is judged: the rest was answered by the runtime itself.
        For rules alone. Neither recorded nor shown to anybody.
        """
        return f"{self._figures} {text}" if self._extra and len(text) <= len(self._said) else text

    def begins_masked(self, text: str, asked: str) -> bool:
        """Whether words of a turn that is not over would be masked: then nobody is to begin on them.

        Nor on a number so long that it may be the beginning of a card's.
        """
        try:
            if any(len(run) >= _LONG_NUMBER for run in numbers(words(text))):
                return True
            seen = marked(text, asked)
            _, found = self._trail.step(seen)
            sinks: tuple[Sink, ...] = ("record", "model")
            return bool(found) or any(self._found(sink, text, asked, seen).found for sink in sinks)
        except Exception as error:  # noqa: BLE001  # beginning early is a convenience
            logger.error("words of a pause were not redacted: {}", type(error).__name__)
            return True

    def before(self, sink: Sink, text: str, whose: Whose, name: str = "") -> Redacted:
        """``text`` as it may go there.

        Args:
            whose: whose words they are; the trail, and what was asked, are the caller's.
            name: what the text is said to be, such as an argument's name.
        """
        if whose == "caller" and text == self._said:
            return self._caller(sink, text)
        return self._found(sink, text, name)

    # -- inside -----------------------------------------------------------------------------------

    def _found(self, sink: Sink, text: str, context: str, seen: Seen | None = None) -> Redacted:
        key = (sink, text, context)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._redaction.before(sink).redact(text, self._language, context, seen)
        return self._known[key]

    def _caller(self, sink: Sink, text: str) -> Redacted:
        alone = self._found(sink, text, self._asked, self._seen)
        if not self._extra:
            return alone
        every = united((*alone.found, *self._extra))
        return Redacted(applied(text, every), tuple(every), alone.version)


class Redacting:
    """The end of the ledger that a call's stages are given: nothing personal passes it unmasked.

    Ordering, loss and closing as ``controls.decision.Recorder``; ``redaction.made`` stands behind what it is
    about. Costs a few tenths of a millisecond a sentence, on the event loop, and waits for nothing.
    """

    def __init__(
        self, recorder: Recorder, spool: Spool | None, redaction: CallRedaction, *, tenant: str, call: str
    ) -> None:
        self._recorder = recorder
        self._spool = spool
        self._redaction = redaction
        self._tenant, self._call = tenant, call

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        """As ``controls.decision.Recorder``, with the personal content masked."""
        clean, made = self._masked(record, personal)
        receipt = self._recorder.append(told(record, clean), clean)
        for redaction in made:
            try:
                self._recorder.append(redaction)
            except LedgerError:  # what it is about is on its way, and masked
                logger.error("call {}: record {} is lost", self._call, redaction.type)
        return receipt

    @property
    def spool(self) -> Spool | None:
        """The fallback spool, masked as well."""
        return self._into_spool if self._spool is not None else None

    def _into_spool(self, record: r.Record, personal: r.Personal | None) -> Receipt:
        assert self._spool is not None
        clean, made = self._masked(record, personal)
        receipt = self._spool(told(record, clean), clean)
        for redaction in made:
            self._spool(redaction, None)
        return receipt

    def shown(self, text: str) -> str:
        """The caller's newest words, as they may be shown at their own screen. Never raises."""
        try:
            return self._redaction.before("record", text, "caller").text
        except Exception as error:  # noqa: BLE001  # as below
            logger.error("call {}: redaction failed: {}", self._call, type(error).__name__)
            return WITHHELD

    def as_sealed(self, personal: r.Personal) -> r.Personal:
        """Personal content as it stands on record, and as people may be shown it. Never raises."""
        return self._clean(personal)[0]

    def kept(self, value: Any) -> Any:
        """A tool's arguments, or what a person is shown, as the record will hold it.

        Raises:
            InternalError: it cannot be redacted, and so goes nowhere.
        """
        try:
            return masked_value(value, partial(self._before, "record", "tool"))[0]
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody is shown what could not be masked
            raise InternalError(f"redaction failed: {type(error).__name__}") from None

    def _masked(
        self, record: r.Record, personal: r.Personal | None
    ) -> tuple[r.Personal | None, list[r.Record]]:
        if personal is None or type(personal) not in WORDS:
            return personal, []
        clean, counted = self._clean(personal)
        if counted is None:
            failed = r.ControlFailed(
                tenant=self._tenant, call=self._call, control="redaction", reason="broken"
            )
            return clean, [failed]
        turn, (whose, _) = int(getattr(record, "turn", 0)), WORDS[type(personal)]
        return clean, [*self._redaction_made(turn, "record", whose, counted)]

    def _clean(self, personal: r.Personal) -> tuple[r.Personal, Counter[r.PersonalData] | None]:
        """Content masked for the record, and what was found; None where it could not be masked."""
        if type(personal) not in WORDS:
            return personal, Counter()
        whose, _ = WORDS[type(personal)]
        try:
            return masked(personal, partial(self._before, "record", whose))
        except Exception as error:  # noqa: BLE001  # what cannot be redacted is not written
            logger.error("call {}: redaction failed: {}", self._call, type(error).__name__)
            return withheld(personal), None

    def for_model(self, value: Any, turn: int, whose: Whose) -> Any:
        """A text, or a tool's result, as the model may see it; what was masked is on record. Never raises."""
        try:
            clean, counted = masked_value(value, partial(self._before, "model", whose))
        except Exception as error:  # noqa: BLE001  # as above
            logger.error("call {}: redaction failed: {}", self._call, type(error).__name__)
            return WITHHELD
        for redaction in self._redaction_made(turn, "model", whose, counted):
            try:
                self._recorder.append(redaction)
            except LedgerError:
                logger.error("call {}: record {} is lost", self._call, redaction.type)
        return clean

    def _before(self, sink: Sink, whose: Whose, text: str, name: str) -> Redacted:
        return self._redaction.before(sink, text, whose, name)

    def _redaction_made(
        self, turn: int, sink: Literal["record", "model"], whose: Whose, counted: Counter[r.PersonalData]
    ) -> Iterator[r.RedactionMade]:
        for what, found in sorted(counted.items()):
            yield r.RedactionMade(
                tenant=self._tenant, call=self._call, turn=turn, sink=sink, of=whose, what=what, found=found,
                version=self._redaction.version(sink),
            )  # fmt: skip


def withheld(personal: r.Personal) -> r.Personal:
    """The same content without its words."""
    _, fields = WORDS[type(personal)]
    empty: dict[type, Any] = {str: WITHHELD, dict: {}, tuple: ()}
    update = {field: empty.get(type(getattr(personal, field))) for field in fields}
    return personal.model_copy(update=update)
