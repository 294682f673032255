"""The budget of stalls: how long the process may stand still before a caller gets silence, in named numbers.

What pays for a stall is audio that lies at the caller unplayed. Egress keeps ``LEAD_MS`` of it there, sends
up to ``MESSAGE_MS`` at a time on top, and ``ANNOUNCED_MS`` more before a collection of garbage that is
announced. The rest follows: what may be late how long (admission's defaults, ``voice_runtime.settings``), and
what a soak holds a server to (``loadtests.steadiness``). ``docs/operate.md`` tells whoever runs it.
"""

from __future__ import annotations

#: Least audio of a speaking agent that lies at the caller, and the most that egress adds in one message, ms:
#: 100 to 160 ms lie ahead.
LEAD_MS, MESSAGE_MS = 100, 60
#: Audio that is sent ahead of an announced collection, on top of it, ms: then 340 to 400 ms lie ahead.
ANNOUNCED_MS = 240
#: An announced collection may take as long as what then surely lies ahead, ms.
ANNOUNCED_PAUSE_MS = LEAD_MS + ANNOUNCED_MS
#: Any other lateness of the event loop, 99th percentile, ms: less than half of the lead, so that two
#: in a row are no silence.
LOOP_LAG_P99_MS = 40
#: Silences of at least 40 ms within the agent's speech, at the caller, for each hundred answers.
GAPS_PER_100_ANSWERS = 1.0
#: Silences of the server's own making that it counted itself, for each hundred answers.
UNDERRUNS_PER_100_ANSWERS = 1.0


def uncovered_s(pause_s: float, *, announced: bool) -> float:
    """The part of a pause that no audio at the caller pays for, s."""
    return max(0.0, pause_s - (ANNOUNCED_PAUSE_MS if announced else LEAD_MS) / 1000)
