"""What of the configuration is weaker than it comes, or was declared: on record before the first call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from controls.decision import Recorder
from voice_runtime.agent import Release
from voice_runtime.bypass_confirmed import record_confirmed
from voice_runtime.bypasses import record_bypasses, weakened
from voice_runtime.declared import read_declared, record_served
from voice_runtime.record_keeping import DIRECTORY
from voice_runtime.settings import Settings


async def record_what_is_weaker(settings: Settings, recorder: Recorder, releases: Sequence[Release]) -> None:
    """Put it on record, with who confirmed it, and what is served from now on; returns once that is durable.

    Raises:
        OperatorError: staging or production, and two persons have not confirmed all of it.
        SayError: the record or a file cannot be read, or the record not be written: no call may be taken.
    """
    root = settings.data_dir / DIRECTORY
    declared = await asyncio.to_thread(read_declared, root, settings.data_dir)
    weak = await asyncio.to_thread(weakened, settings, releases, declared)
    await record_confirmed(settings.data_dir, root, recorder, weak, settings.environment)
    await record_bypasses(root, recorder, weak)
    await record_served(settings, recorder, releases, declared)
