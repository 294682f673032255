"""The data channel's messages: a closed list each way, bounded in size and rate; the rest is dropped.

JSON text on one reliable, ordered channel that the caller's page opens under
the label ``sayso``. Errors: ``read`` never raises, ``write`` never either; what
is not on the list is counted by kind and never logged, as it may hold words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

LABEL = "sayso"
#: Longest message taken, UTF-8 bytes.
MOST_BYTES = 4096
#: Messages taken in a second.
MOST_A_SECOND = 50
#: After so many refused messages the other end is not our page.
MOST_REFUSED = 500

#: Why the server ends a call, as the page knows it.
Reason = Literal["ended", "person", "failed", "capacity", "timed_out"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# --- from the caller ------------------------------------------------------------------------------


class Ping(_Message):
    type: Literal["ping"]


class Ready(_Message):
    """The page plays our audio, or goes on without sound: the call may begin."""

    type: Literal["ready"]
    echo_cancellation: Literal["on", "off", "unknown"]
    microphone: bool


class Key(_Message):
    type: Literal["key"]
    key: Annotated[str, StringConstraints(pattern=r"^[0-9*#]$")]


class Person(_Message):
    type: Literal["person"]


def _one_line(text: str) -> str:
    """Control characters and runs of blanks become one blank."""
    line = " ".join("".join(c if c >= " " and c != "\x7f" else " " for c in text).split())
    if not line:
        raise ValueError("blank")
    return line


class AskReceipt(_Message):
    """The caller wants to see the call's receipt."""

    type: Literal["receipt"]


class Say(_Message):
    """Words the caller typed."""

    type: Literal["say"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_one_line)]


class Playing(_Message):
    """RTP timestamp (48 kHz) of the newest audio the caller's device has played.

    When a page sends it: once its sound plays on a connection, and then every 200 ms; but no more
    behind a report that is at or past the ``until`` of the newest ``state``, and at once when what
    plays gets there. So it reports always until it is told an end, each speech is reported to its
    last sample, and every ``state`` brings one report. More of them do no harm.
    """

    type: Literal["playing"]
    rtp: Annotated[int, Field(ge=0, le=0xFFFFFFFF)]


class Bye(_Message):
    type: Literal["bye"]


FromCaller = Annotated[
    Ping | Ready | Key | Person | AskReceipt | Say | Playing | Bye,
    Field(discriminator="type"),
]
_FROM_CALLER: TypeAdapter[FromCaller] = TypeAdapter(FromCaller)


# --- to the caller --------------------------------------------------------------------------------


class Opened(_Message):
    type: Literal["opened"] = "opened"
    call: str
    language: str


class Caption(_Message):
    """Words of a clause that begins to sound, or those that were played of one that was cut."""

    type: Literal["caption"] = "caption"
    who: Literal["agent", "caller"]
    id: str
    text: str
    state: Literal["begin", "cut"]


class Receipt(_Message):
    """The code with which this call can later be shown to be on record."""

    type: Literal["receipt"] = "receipt"
    code: Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{3}(-[0-9A-HJKMNP-TV-Z]{3}){2}$")]


class State(_Message):
    """Who has the floor; when it has changed, and once on each new connection.

    ``until``: RTP timestamp (48 kHz, modulo 2**32) of this connection. A report at or past it proves
    everything the agent has said so far; null when more is to be reported than can be named.
    """

    type: Literal["state"] = "state"
    agent: Literal["speaking", "listening", "thinking"]
    until: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] | None = None


class Pong(_Message):
    type: Literal["pong"] = "pong"


class Closed(_Message):
    type: Literal["closed"] = "closed"
    reason: Reason


ToCaller = Annotated[Opened | Caption | Receipt | State | Pong | Closed, Field(discriminator="type")]
_TO_CALLER: TypeAdapter[ToCaller] = TypeAdapter(ToCaller)


def write(message: Mapping[str, Any] | BaseModel) -> str | None:
    """The text of a message to the caller; None when it is not on the list."""
    try:
        found = message if isinstance(message, _Message) else _TO_CALLER.validate_python(dict(message))
    except ValidationError:
        return None
    return found.model_dump_json()


# --- bounds ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class MessageStats:
    """Messages of one call's channel. ``dropped_out``: ours, that were not on the list.

    The names are those of Twilio's ``MediaStats`` where the same is meant.
    """

    taken: int = 0
    malformed: int = 0
    oversized: int = 0
    unknown: int = 0
    flooded: int = 0
    reports: int = 0
    bad_reports: int = 0
    sent: int = 0
    dropped_out: int = 0

    @property
    def refused(self) -> int:
        """Messages of the caller's that were not taken."""
        return self.malformed + self.oversized + self.unknown + self.flooded


class Reader:
    """Takes one call's incoming messages, as many as the rate allows.

    Args:
        now_ns: monotonic clock.
        stats: where refusals are counted.
    """

    def __init__(self, now_ns: Callable[[], int], stats: MessageStats) -> None:
        self.stats = stats
        self._now_ns = now_ns
        self._room = float(MOST_A_SECOND)
        self._since_ns = now_ns()

    def read(self, data: str | bytes) -> FromCaller | None:
        """The message in ``data``; None when it is not on the list, too long, or one too many."""
        stats = self.stats
        if not self._has_room():
            stats.flooded += 1
            return None
        if not isinstance(data, str):
            stats.malformed += 1
            return None
        if len(data) > MOST_BYTES or len(data.encode("utf-8", "surrogatepass")) > MOST_BYTES:
            stats.oversized += 1
            return None
        try:
            message = _FROM_CALLER.validate_json(data)
        except ValidationError as error:
            if any(problem["type"] == "union_tag_invalid" for problem in error.errors(include_input=False)):
                stats.unknown += 1
            else:
                stats.malformed += 1
            return None
        except ValueError:  # lone surrogates
            stats.malformed += 1
            return None
        stats.taken += 1
        return message

    def _has_room(self) -> bool:
        now = self._now_ns()
        self._room = min(MOST_A_SECOND, self._room + (now - self._since_ns) * MOST_A_SECOND / 1e9)
        self._since_ns = now
        if self._room < 1:
            return False
        self._room -= 1
        return True
