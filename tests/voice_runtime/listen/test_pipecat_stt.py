"""pipecat's own services inside the ear, against servers speaking their protocols."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from loguru import logger

from controls.errors import InternalError, OperatorError, ProviderError
from tests.simulators.model_server import serving
from tests.simulators.speech_server import SpeechServer, level_of, levels, samples_of
from tests.simulators.speech_sockets import SpeechSockets, suppliers
from voice_runtime.engine_settings import PipecatRecogniserEngine
from voice_runtime.listen.pipecat_stt import PipecatRecogniser
from voice_runtime.ports import Hints, Recognition
from voice_runtime.providers import Provider, resolve
from voice_runtime.secret import Secret

pytestmark = pytest.mark.anyio

CARTESIA = "pipecat.services.cartesia.stt.CartesiaSTTService"
SONIOX = "pipecat.services.soniox.stt.SonioxSTTService"
OPENAI = "pipecat.services.openai.stt.OpenAISTTService"
for _path in (CARTESIA, SONIOX, OPENAI):  # some seconds of importing, which no loop should wait for
    importlib.import_module(_path.rpartition(".")[0])
HINTS = Hints("en-US", words=("Patel", "Okafor"))


def provider(use: str, **entry: Any) -> Provider:
    entry = {"keys": {"api_key": _key()}, **entry}
    checked = PipecatRecogniserEngine(engine="pipecat", name="supplier", use=use, **entry)
    return resolve(checked, "recogniser", [use])


def _key() -> Secret:
    secret = Secret(env="A_KEY")
    secret._value = "k3y-of-the-supplier"
    return secret


def at(sockets: SpeechSockets, use: str, **entry: Any) -> Provider:
    where = {"base_url": sockets.url} if use == CARTESIA else {"url": f"{sockets.url}/transcribe-websocket"}
    return provider(use, arguments={**where, **entry.pop("arguments", {})}, **entry)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@asynccontextmanager
async def running(of: Provider, **options: Any) -> AsyncIterator[PipecatRecogniser]:
    options = {"deadline_s": 60.0, "settle_s": 0.02, **options}
    recogniser = PipecatRecogniser(of, **options)
    await recogniser.start()
    try:
        await recogniser.load("k", HINTS)
        yield recogniser
    finally:
        await recogniser.close()


async def recognised(recogniser: PipecatRecogniser, samples: bytes = bytes(16_000)) -> Recognition:
    utterance = recogniser.open("k")
    for start in range(0, len(samples), 320):
        utterance.feed(samples[start : start + 320])
    return await utterance.finish()


# --- what a service recognises --------------------------------------------------------------------


@pytest.mark.parametrize("use", [CARTESIA, SONIOX])
async def test_a_streaming_service_gets_the_samples_and_gives_the_text(use: str) -> None:
    said = samples_of("a caller", 1000, 8000)
    async with (
        suppliers(SpeechSockets(says=["can i see doctor patel"])) as sockets,
        running(at(sockets, use)) as recogniser,
    ):
        result = await recognised(recogniser, said)
    assert result.text == "can i see doctor patel"
    assert bytes(sockets.connections[0].audio) == said
    sent = sockets.connections[0]
    assert "k3y-of-the-supplier" in "".join(sent.headers.values())
    if use == CARTESIA:
        assert sent.query["sample_rate"] == ["8000"]
        assert sent.query["language"] == ["en-US"]
        assert result.confidence == 0.75  # assumed: it does not say
    else:
        assert sent.messages[0]["sample_rate"] == 8000
        assert sent.messages[0]["language_hints"] == ["en"]
        assert result.confidence == pytest.approx(0.9)


async def test_a_segmented_service_uploads_the_utterance() -> None:
    said = samples_of("a caller", 700, 8000)
    server = SpeechServer(keep_alive=True, transcripts=[{"text": " On Tuesday. "}])
    async with serving(server):
        of = provider(OPENAI, arguments={"base_url": f"{server.url}/v1"}, settings={"model": "whisper-1"})
        async with running(of) as recogniser:
            result = await recognised(recogniser, said)
    assert result.text == "On Tuesday."
    upload = server.uploads[0]
    assert upload.rate_hz == 8000
    assert upload.samples.startswith(said)
    assert upload.fields["model"] == "whisper-1"
    assert upload.fields["language"] == "en"


async def test_confidence_is_the_suppliers_own_where_it_gives_one() -> None:
    body = {"text": "yes", "task": "transcribe", "language": "english", "duration": 1.0}
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": "yes", "tokens": [1], "temperature": 0.0}
    segment |= {"avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    server = SpeechServer(keep_alive=True, transcripts=[body | {"segments": [segment]}])
    async with serving(server):
        of = provider(
            OPENAI,
            arguments={"base_url": f"{server.url}/v1", "include_prob_metrics": True},
            settings={"model": "whisper-1"},
        )
        async with running(of) as recogniser:
            result = await recognised(recogniser)
    assert result.confidence == pytest.approx(0.905, abs=0.001)


async def test_pieces_of_text_are_joined_and_partial_text_is_known() -> None:
    sockets = SpeechSockets(early=["can i see"], interims=["doctor"], says=["doctor patel"])
    async with suppliers(sockets), running(at(sockets, CARTESIA)) as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(bytes(320))
        async with asyncio.timeout(30):
            while utterance.partial != "can i see doctor":
                await asyncio.sleep(0)
        assert (await utterance.finish()).text == "can i see doctor patel"


async def test_a_service_that_works_at_16_khz_gets_16_khz() -> None:
    async with (
        suppliers(SpeechSockets(says=["yes"])) as sockets,
        running(at(sockets, CARTESIA, arguments={"sample_rate": 16_000})) as recogniser,
    ):
        await recognised(recogniser, samples_of("a caller", 500, 8000))
    assert sockets.connections[0].query["sample_rate"] == ["16000"]
    assert len(sockets.connections[0].audio) == 2 * 16_000 * 0.5


async def test_names_of_the_house_go_where_the_profile_wants_them() -> None:
    async with suppliers(SpeechSockets(says=["yes"])) as sockets:
        of = at(sockets, CARTESIA, settings={"model": "ink-2", "keyterm": "{words}"})
        async with running(of) as recogniser:
            await recognised(recogniser)
    assert sockets.connections[0].query["keyterm"] == ["Patel", "Okafor"]


async def test_samples_from_before_the_connection_are_not_lost() -> None:
    """A fallback is opened in mid-speech and handed everything at once."""
    said = samples_of("a caller", 3000, 8000)
    async with suppliers(SpeechSockets(says=["yes"])) as sockets, running(at(sockets, SONIOX)) as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(said)
        await utterance.finish()
    assert bytes(sockets.connections[0].audio) == said


# --- whose text it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("use", [CARTESIA, SONIOX])
async def test_late_text_of_one_caller_reaches_nobody_else(use: str) -> None:
    first, second = samples_of("first", 2500, 8000), samples_of("second", 300, 8000)
    sockets = SpeechSockets(hears={level_of("first"): "the first caller's", level_of("second"): "second"})
    async with suppliers(sockets), running(at(sockets, use), deadline_s=0.3) as recogniser:
        sockets.go.clear()
        with pytest.raises(ProviderError, match="in time"):
            await recognised(recogniser, first)
        recogniser.deadline_s = 60.0
        utterance = recogniser.open("k")
        utterance.feed(second)
        sockets.go.set()
        assert (await utterance.finish()).text == "second"


async def test_each_utterance_has_a_websocket_of_its_own() -> None:
    async with (
        suppliers(SpeechSockets(says=["one", "two", "three"])) as sockets,
        running(at(sockets, SONIOX)) as recogniser,
    ):
        texts = [(await recognised(recogniser, samples_of(t, 200, 8000))).text for t in "abc"]
        used = [c for c in sockets.connections if c.audio]
        assert texts == ["one", "two", "three"]
        assert len(used) == 3
        assert all(len(levels(bytes(c.audio))) == 1 for c in used)
        assert recogniser.sessions == (0, 1)  # one ahead for the next
        await asyncio.gather(*(c.gone.wait() for c in used))


async def test_a_spare_session_is_ready_before_the_next_utterance_and_closed_when_nobody_comes() -> None:
    async with (
        suppliers(SpeechSockets(says=["one", "two"])) as sockets,
        running(at(sockets, SONIOX), idle_s=0.05) as recogniser,
    ):
        await recognised(recogniser)
        await sockets.until(lambda: len(sockets.connections) == 2)
        await sockets.connections[1].gone.wait()
        assert recogniser.sessions == (0, 0)
        assert (await recognised(recogniser)).text == "two"


async def test_no_spare_for_suppliers_that_charge_for_time() -> None:
    async with (
        suppliers(SpeechSockets(says=["one"])) as sockets,
        running(at(sockets, SONIOX), spare=0) as recogniser,
    ):
        await recognised(recogniser)
        assert recogniser.sessions == (0, 0)
    assert len(sockets.connections) == 1


async def test_a_segmented_service_is_used_again_but_not_after_an_interruption() -> None:
    server = SpeechServer(keep_alive=True)
    async with (
        serving(server),
        running(provider(OPENAI, arguments={"base_url": f"{server.url}/v1"})) as recogniser,
    ):
        await recognised(recogniser, samples_of("first", 300, 8000))
        assert recogniser.sessions == (0, 1)
        again = recogniser.open("k")
        assert recogniser.sessions == (1, 0)  # the same one
        again.feed(samples_of("second", 300, 8000))
        again.cancel()
        assert recogniser.sessions == (0, 0)
        await recognised(recogniser, samples_of("third", 300, 8000))
    heard = [levels(u.samples) for u in server.uploads]
    assert heard == [levels(samples_of(t, 300, 8000)) for t in ("first", "third")]


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [CARTESIA, SONIOX])
async def test_a_server_that_is_not_there_fails_at_once(use: str, free_port: int) -> None:
    sockets = SpeechSockets(port=free_port)
    async with running(at(sockets, use), deadline_s=60.0) as recogniser:
        with pytest.raises(ProviderError) as caught:
            async with asyncio.timeout(30):
                await recognised(recogniser)
    assert caught.value.supplier == "supplier"
    assert caught.value.transient


async def test_a_connection_lost_in_mid_speech_is_a_failure_not_a_shorter_text() -> None:
    async with (
        suppliers(SpeechSockets(early=["can i see"], refuse=False)) as sockets,
        running(at(sockets, CARTESIA), deadline_s=60.0) as recogniser,
    ):
        utterance = recogniser.open("k")
        utterance.feed(bytes(320))
        async with asyncio.timeout(30):
            while not utterance.partial:
                await asyncio.sleep(0)
        await sockets.drop()
        with pytest.raises(ProviderError):
            async with asyncio.timeout(30):
                await utterance.finish()


async def test_a_refused_upload_is_a_failure_and_the_next_one_is_asked_afresh() -> None:
    server = SpeechServer(keep_alive=True, transcripts=[400, {"text": "yes"}])
    async with (
        serving(server),
        running(provider(OPENAI, arguments={"base_url": f"{server.url}/v1"})) as recogniser,
    ):
        with pytest.raises(ProviderError) as caught:
            await recognised(recogniser)
        assert "SECRET" not in str(caught.value)
        assert (await recognised(recogniser)).text == "yes"


async def test_noise_is_no_failure_but_a_mute_service_is_one() -> None:
    cough, yes = samples_of("a cough", 300, 8000), samples_of("yes", 300, 8000)
    sockets = SpeechSockets(hears={level_of("yes"): "yes"})
    async with suppliers(sockets), running(at(sockets, SONIOX), deadline_s=0.2) as recogniser:
        assert await recognised(recogniser, cough) == Recognition("", 0.0)
        with pytest.raises(ProviderError):
            await recognised(recogniser, cough)
        recogniser.deadline_s = 60.0
        assert (await recognised(recogniser, yes)).text == "yes"
        recogniser.deadline_s = 0.2
        assert (await recognised(recogniser, cough)).text == ""


async def test_long_speech_without_text_is_a_failure() -> None:
    async with suppliers() as sockets, running(at(sockets, SONIOX), deadline_s=0.2) as recogniser:
        with pytest.raises(ProviderError):
            await recognised(recogniser, bytes(16_000 * 3))


async def test_text_that_is_still_changing_at_the_deadline_is_not_taken_for_the_final_one() -> None:
    sockets = SpeechSockets(early=["not"], interims=["on monday"])
    async with suppliers(sockets), running(at(sockets, CARTESIA), deadline_s=0.3) as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(bytes(320))
        async with asyncio.timeout(30):
            while utterance.partial != "not on monday":
                await asyncio.sleep(0)
        with pytest.raises(ProviderError):
            await utterance.finish()


async def test_places_are_bounded() -> None:
    async with (
        suppliers(SpeechSockets(says=["one", "two"])) as sockets,
        running(at(sockets, SONIOX), most=1) as recogniser,
    ):
        first = recogniser.open("k")
        with pytest.raises(ProviderError, match="free"):
            recogniser.open("k")
        first.cancel()
        assert (await recognised(recogniser)).text == "one"


async def test_an_utterance_without_end_fails_and_takes_no_more() -> None:
    async with suppliers() as sockets, running(at(sockets, SONIOX)) as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(bytes(16_000 * 61))
        with pytest.raises(ProviderError, match="too long"):
            await utterance.finish()


async def test_closing_fails_what_is_under_way() -> None:
    async with suppliers() as sockets, running(at(sockets, SONIOX)) as recogniser:
        utterance = recogniser.open("k")
        finishing = asyncio.create_task(utterance.finish())
        await sockets.until(lambda: sockets.connections)
        await recogniser.close()
        with pytest.raises(ProviderError, match="closed"):
            await finishing
        with pytest.raises(ProviderError):
            recogniser.open("k")


async def test_an_utterance_is_finished_once_and_may_be_cancelled_after() -> None:
    async with suppliers(SpeechSockets(says=["one"])) as sockets, running(at(sockets, SONIOX)) as recogniser:
        utterance = recogniser.open("k")
        await utterance.finish()
        with pytest.raises(InternalError):
            await utterance.finish()
        utterance.cancel()
        utterance.feed(bytes(320))
        with pytest.raises(InternalError):
            recogniser.open("unknown")


async def test_a_cancelled_finish_gives_the_session_back() -> None:
    """The chain gives up waiting and asks the next engine."""
    async with suppliers() as sockets, running(at(sockets, SONIOX)) as recogniser:
        utterance = recogniser.open("k")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await utterance.finish()
        assert recogniser.sessions[0] == 0


async def test_arguments_the_class_refuses_are_found_before_the_first_call() -> None:
    of = provider("pipecat.services.groq.stt.GroqSTTService", keys={}, arguments={"api_key": ""})
    recogniser = PipecatRecogniser(of)
    with pytest.raises(OperatorError, match="GroqSTTService"):
        await recogniser.load("k", HINTS)


async def test_what_pipecat_logs_of_it_can_be_told_apart() -> None:
    records: list[Any] = []
    sink = logger.add(lambda message: records.append(message.record), level="TRACE")
    try:
        server = SpeechServer(keep_alive=True, transcripts=[400, {"text": "yes"}])
        async with (
            serving(server),
            running(provider(OPENAI, arguments={"base_url": f"{server.url}/v1"})) as recogniser,
        ):
            with pytest.raises(ProviderError):
                await recognised(recogniser)
            await recognised(recogniser)
    finally:
        logger.remove(sink)
    from_pipecat: Callable[[Any], bool] = lambda r: r["name"].startswith("pipecat")  # noqa: E731 - a name for it
    inside = [r for r in records if from_pipecat(r)]
    assert any(r["level"].name == "ERROR" for r in inside)
    assert [r["message"] for r in inside if r["extra"].get("supplier") != "supplier"] == []
