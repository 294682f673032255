"""tries the wiring of things here."""

import pytest

from tests.simulators.model_server import STALL, ModelServer, refuse, say, serving
from tests.voice_runtime.think.test_pipecat_llm import *
from voice_runtime.engine_settings import ModelSettings
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Endpoints

pytestmark = pytest.mark.anyio


async def test_w():
    bad, good = (
        ModelServer(keep_alive=True, plans=[STALL if False else refuse(401)]),
        ModelServer(keep_alive=True, plans=[say("Yes.")]),
    )
    async with serving(bad), serving(good):
        s = ModelSettings(
            endpoints=(
                {"engine": "pipecat", "name": "supplier", "use": OLLAMA, "settings": {"model": "m"}},
                {"name": "b", "base_url": good.url + "/v1", "model": "m"},
            )
        )
        chat = PipecatChat(provider(OLLAMA, bad.url), "small-model")
        await chat.start()
        e = Endpoints.of(s, sources={"supplier": chat})
        said = []

        async def on_text(t):
            said.append(t)

        r = Reply()
        await e.ask(PARAMS, r, on_first=lambda: None, on_text=on_text)
        assert (r.supplier, said) == ("b", ["Yes."])
        bad.plans = [say("Hi.")]
        r = Reply()
        await e.ask(PARAMS, r, on_first=lambda: None, on_text=on_text)
        assert (r.supplier, r.text, r.tokens_in) == ("supplier", "Hi.", 11)
        bad.plans = [[STALL]]
        e.deadlines = type(e.deadlines)(first_token_s=0.3, give_up_s=2, between_s=1, total_s=5, retries=0)
        r = Reply()
        await e.ask(PARAMS, r, on_first=lambda: None, on_text=on_text)
        assert r.supplier == "b"
        await e.aclose()
        await chat.close()
