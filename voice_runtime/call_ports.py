"""What a call needs of whatever carries it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameProcessor

from voice_runtime.house import Media
from voice_runtime.ports import CallControl, MediaLink
from voice_runtime.speak.underrun import Cause

if TYPE_CHECKING:
    from voice_runtime.call import Call


class Carrier(Protocol):
    """The two ends of the pipeline on one carrier, and what it can do besides."""

    link: MediaLink
    control: CallControl | None
    #: How much audio may lie at the carrier unplayed, ms: what a caller still hears after a pause.
    lead_ms: int
    #: The frame that says the caller can be spoken to.
    begins_with: type[Frame]
    #: Takes each chunk on its way to the caller and the monotonic time it sounds, ns; echo is found by it.
    on_sent: Callable[[bytes, int], None] | None
    #: Told why what egress sends next comes too late, just before it is sent.
    on_underrun: Callable[[Cause], None] | None

    @property
    def media(self) -> Media:
        """What carries the voice, once ``begins_with`` has come."""
        ...

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        """Processors before attention: the transport's input and the ear."""
        ...

    def exit(self) -> Sequence[FrameProcessor]:
        """Processors after egress: the transport's output."""
        ...
