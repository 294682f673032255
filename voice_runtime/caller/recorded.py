"""Sentences flite has spoken already, kept in the package: the demo needs no flite.

``recorded/<voice>.json`` gives each sentence's samples (µ-law, base64, made by
flite at its own pace) and the indices of its first and last audible one. Made by
``python -m voice_runtime.caller.recorded slt "can i see doctor patel" …``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from functools import lru_cache
from pathlib import Path

from voice_runtime.caller.speech import LEVEL, Flite, Spoken

FOLDER = Path(__file__).parent / "recorded"


@lru_cache(maxsize=8)
def _voice(voice: str) -> dict[str, Spoken]:
    path = FOLDER / f"{voice}.json"
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        text: Spoken(base64.b64decode(entry["ulaw"]), entry["first"], entry["last"], text)
        for text, entry in found.items()
    }


class RecordedFlite(Flite):
    """flite's voice, with the sentences at hand first; flite itself is only needed for others.

    What is at hand has flite's own pace and level: at any other, flite speaks everything.
    """

    async def say(self, text: str) -> Spoken:
        """As ``Flite.say``.

        Raises:
            FliteMissing: the sentence is not at hand, and there is no flite.
        """
        at_hand = (self.rate, self.level) == (1.0, LEVEL)
        spoken = _voice(self.voice).get(text) if at_hand else None
        return spoken if spoken is not None else await super().say(text)


async def _make(voice: str, texts: list[str]) -> None:
    flite = Flite(voice)
    made = {text: await flite.say(text) for text in texts}
    entries = {
        text: {"first": s.first, "last": s.last, "ulaw": base64.b64encode(s.ulaw).decode()}
        for text, s in sorted(made.items())
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{voice}.json").write_text(json.dumps(entries, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_make(sys.argv[1], sys.argv[2:]))
