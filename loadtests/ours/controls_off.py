"""What a server without controls notes of each call's turns, so that its column has the same measures.

Written by ``loadtests.ours.controls_off_server``, read by ``loadtests.ours.system``: one JSON
object a line. It is no record: nothing in it is sealed, signed or durable, and no
completeness is claimed from it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from loadtests.shapes import Shape
from loadtests.systems import Evidence, ServerTurn
from voice_runtime.caller.results import CallResult

#: For the notes of calls that are over to be written, s; and between two looks.
_SETTLE_S, _LOOK_S = 5.0, 0.1


class Note(Shape):
    """One call that is over. ``call_sid``: as the caller knows it."""

    call_sid: str
    turns: tuple[ServerTurn, ...]


def noted_turns(
    path: Path, calls: Sequence[CallResult], *, settle_s: float = _SETTLE_S
) -> dict[str, Evidence]:
    """The turns of these calls, by ``call_sid``; waits until they are noted. Blocks."""
    wanted = {result.call_sid for result in calls if result.answered_ns}
    until = time.monotonic() + settle_s
    while True:
        found = {sid: note for sid, note in _read(path).items() if sid in wanted}
        if len(found) == len(wanted) or time.monotonic() >= until:
            return {sid: Evidence(turns=note.turns) for sid, note in found.items()}
        time.sleep(_LOOK_S)


def _read(path: Path) -> Mapping[str, Note]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        try:
            note = Note.model_validate_json(line)
        except ValidationError:
            continue  # its end is still being written
        found[note.call_sid] = note
    return found
