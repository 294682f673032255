"""Callers' voices, and every sentence they say, synthesised before anybody is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loadtests.scenario import Scenario
from voice_runtime.caller.acting import prepare
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.speech import Flite, Spoken

#: Voices and rates rotate over the calls: so many calls show every pair that comes up.
_CALLS = 60

Voices = Mapping[tuple[str, float], Flite]


async def voices_for(scenario: Scenario, calls: Iterable[int]) -> tuple[Voices, list[Spoken]]:
    """The voices of these calls by name and rate, and all they say.

    Raises:
        OperatorError: flite is missing, or cannot say one of them.
    """
    voices: dict[tuple[str, float], Flite] = {}
    spoken: dict[tuple[str, float, str], Spoken] = {}
    for n in calls:
        script = scenario.script_for(n)
        voice = voices.setdefault((script.voice, script.rate), RecordedFlite(script.voice, rate=script.rate))
        for line, said in (await prepare(script, voice)).items():  # its noise, too
            spoken.setdefault((script.voice, script.rate, line), said)
    return voices, list(spoken.values())


async def every_sentence(scenario: Scenario) -> list[Spoken]:
    """Everything that callers of a scenario ever say, in every voice and rate they say it in.

    Raises:
        OperatorError: flite is missing, or cannot say one of them.
    """
    return (await voices_for(scenario, range(_CALLS)))[1]
