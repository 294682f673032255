"""Our shortest wait: the silence of ``equal_silence``, read where our server reads its own.

Ours ends no turn before its VAD says that speech has paused (``turn.vad_stop_ms`` of the
profile) nor before ``complete_wait_ms`` of the patience that the agent asks for; words that are
a complete question, or a turn model that is sure, end it then. In doubt it waits longer
(``voice_runtime.listen.turn``). A fixed rule knows no doubt: given the shortest of our
waits it is never slower than ours by its rule, and cuts off whoever pauses to think
(``loadtests.pauses`` counts those).
"""

from __future__ import annotations

from loadtests.ours.profiles import Recipe
from loadtests.ours.system import ROOT, merged
from voice_runtime.agent_file import AgentFile
from voice_runtime.settings import Turn, load_profile
from voice_runtime.yaml_file import load_model


def shortest_wait_ms(recipe: Recipe, agent: str) -> int:
    """From the end of speech to the earliest end of a turn of ours, ms.

    Args:
        recipe: what our server's profile is made of.
        agent: whom the calls are for.

    Raises:
        ConfigurationError: the profile or the agent is broken, or not there.
    """
    base = load_profile(ROOT / "configs" / "profiles" / f"{recipe.base}.yaml", root=ROOT)
    turn = Turn.model_validate(merged({"turn": base.turn.model_dump()}, recipe.changes)["turn"])
    called = load_model(AgentFile, ROOT / "agents" / agent / "agent.yaml", ROOT, what="agent")
    return max(turn.vad_stop_ms, turn.patience[called.conversation.patience].complete_wait_ms)
