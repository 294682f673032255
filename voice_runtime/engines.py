"""Engines a profile names, built and started: recognisers and voices, primary first.

Each is imported only when a profile names it, so that a profile without
Whisper never loads CTranslate2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loguru import logger

from controls.errors import OperatorError, ProviderError
from voice_runtime import engine_settings as e
from voice_runtime.agent import Release
from voice_runtime.at_once import at_once
from voice_runtime.breaker import Breaker
from voice_runtime.carrier import recogniser_key
from voice_runtime.listen.chain import Link, RecogniserChain
from voice_runtime.ports import Hints, Recogniser, Synthesiser
from voice_runtime.providers import resolve
from voice_runtime.settings import Settings
from voice_runtime.speak.supplier_voice import VoiceNames
from voice_runtime.speak.voice import Engine, PhraseCache

if TYPE_CHECKING:
    from voice_runtime.think.pipecat_llm import PipecatChat

#: Starts something and has it closed when the house is.
Enter = Callable[[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]], Awaitable[None]]


async def start_recogniser(settings: Settings, enter: Enter) -> RecogniserChain:
    """The profile's recognisers as one.

    Raises:
        SayError: one cannot be started as configured.
    """
    entries = settings.recogniser.engines
    share_s = settings.recogniser.deadline_s / len(entries)
    links = [
        Link(
            await _recogniser(entry, settings, enter),
            entry.deadline_s or share_s,
            Breaker(entry.name),
            entry.outside,
        )
        for entry in entries
    ]
    return RecogniserChain(links, settings.recogniser.deadline_s)


async def _recogniser(entry: e.RecogniserEngine, settings: Settings, enter: Enter) -> Recogniser:
    deadline_s = entry.deadline_s or settings.recogniser.deadline_s
    match entry:
        case e.PocketsphinxEngine():
            from voice_runtime.listen.sphinx import SphinxRecogniser

            sphinx = SphinxRecogniser(processes=entry.processes, deadline_s=deadline_s)
            await enter(sphinx.start, sphinx.close)
            return sphinx
        case e.WhisperEngine():
            from voice_runtime.listen.whisper import WhisperRecogniser  # imports CTranslate2: only here

            whisper = WhisperRecogniser(entry, deadline_s, root=settings.root)
            await enter(whisper.start, whisper.close)
            return whisper
        case e.TranscriptionsEngine():
            from voice_runtime.listen.transcriptions import TranscriptionsRecogniser

            server = TranscriptionsRecogniser(
                entry.name, base_url=entry.base_url, model=entry.model, outside=entry.outside,
                api_key=entry.api_key.reveal() if entry.api_key else "", deadline_s=deadline_s,
            )  # fmt: skip
            await enter(server.start, server.close)
            return server
        case e.PipecatRecogniserEngine():
            from voice_runtime.listen.pipecat_stt import PipecatRecogniser

            at = ("recogniser", "engines", settings.recogniser.engines.index(entry))
            provider = resolve(entry, "recogniser", settings.providers.allow, at=at)
            service = PipecatRecogniser(provider, deadline_s=deadline_s)
            await enter(service.start, service.close)
            return service


async def start_voices(settings: Settings, enter: Enter) -> list[Engine]:
    """The profile's voice engines, primary first.

    Raises:
        SayError: one cannot be started as configured.
    """
    found = []
    for entry in settings.voice.engines:
        deadline_s = entry.deadline_s or settings.voice.deadline_s
        synthesiser = await _voice(entry, settings, deadline_s, enter)
        breaker = Breaker(entry.name)
        found.append(Engine(synthesiser, entry.outside, deadline_s, deadline_s, breaker))
    return found


async def _voice(entry: e.VoiceEngine, settings: Settings, deadline_s: float, enter: Enter) -> Synthesiser:
    match entry:
        case e.EspeakEngine():
            from voice_runtime.speak.espeak import EspeakSynthesiser, VoiceSettings

            styles = {
                name: VoiceSettings(variant=v.variant, rate_wpm=v.rate_wpm, pitch=v.pitch)
                for name, v in settings.voice.voices.items()
            }
            espeak = EspeakSynthesiser(styles, deadline_s)
            await enter(espeak.start, espeak.close)
            return espeak
        case e.SpeechEngine():
            from voice_runtime.speak.openai_speech import OpenAISpeech

            speech = OpenAISpeech(
                entry.name, base_url=entry.base_url, model=entry.model, names=VoiceNames(entry.voices),
                rate_hz=entry.rate_hz, speed=entry.speed, outside=entry.outside,
                api_key=entry.api_key.reveal() if entry.api_key else "", deadline_s=deadline_s,
            )  # fmt: skip
            await enter(speech.start, speech.close)
            return speech
        case e.PiperEngine():
            from voice_runtime.speak.piper_http import PiperSpeech

            piper = PiperSpeech(
                entry.name, base_url=entry.base_url, names=VoiceNames(entry.voices), speed=entry.speed,
                outside=entry.outside, deadline_s=deadline_s,
            )  # fmt: skip
            await enter(piper.start, piper.close)
            return piper
        case e.PipecatVoiceEngine():
            from voice_runtime.speak.pipecat_tts import PipecatVoice

            at = ("voice", "engines", settings.voice.engines.index(entry))
            provider = resolve(entry, "voice", settings.providers.allow, at=at)
            service = PipecatVoice(provider, names=VoiceNames(entry.voices), deadline_s=deadline_s)
            await enter(service.start, service.close)
            return service
    raise OperatorError(f"voice engine {entry.engine} is not supported yet")


async def start_chats(settings: Settings, enter: Enter) -> dict[str, PipecatChat]:
    """The model services by import path, for ``Endpoints.of(…, sources=…)``; one for all agents.

    Raises:
        SayError: one cannot be started as configured.
    """
    found: dict[str, PipecatChat] = {}
    for n, entry in enumerate(settings.model.endpoints):
        if isinstance(entry, e.PipecatModel):
            from voice_runtime.think.pipecat_llm import PipecatChat

            at = ("model", "endpoints", n)
            chat = PipecatChat(resolve(entry, "model", settings.providers.allow, at=at), entry.model)
            await enter(chat.start, chat.close)
            found[entry.name] = chat
    return found


async def fill_phrases(
    phrases: PhraseCache, voices: Sequence[Engine], spoken: Mapping[str, Mapping[str, str]], voice: str
) -> None:
    """Synthesise fixed phrases, as they are spoken, by the first engine that can.

    Raises:
        ProviderError: no engine speaks them.
    """
    for at, engine in enumerate(voices, start=1):
        try:
            await phrases.fill(spoken, engine.synthesiser, voice=voice)
            return
        except ProviderError as error:
            engine.breaker.failed(str(error))
            logger.warning("voice {} cannot speak the fixed phrases: {}", engine.synthesiser.name, error)
            if at == len(voices):
                raise


async def prepare_speech(
    releases: Mapping[str, Release],
    spoken: Mapping[str, Mapping[str, Mapping[str, str]]],
    languages: Mapping[str, frozenset[str]],
    voices: Sequence[Engine],
    recogniser: Recogniser,
) -> tuple[PhraseCache, dict[str, tuple[str, ...]]]:
    """Have fixed phrases synthesised and, at the same time, the recogniser told what callers may say.

    Args:
        spoken: release → its phrases as they are spoken.
        languages: release → those of its lines, which must be served.

    Returns:
        The phrases, and release → the languages it can be served in.

    Raises:
        ProviderError: no engine speaks the phrases.
        SayError: the recogniser cannot serve a language that is required.
    """
    phrases, served = PhraseCache(), {}

    async def speak() -> None:
        for name, release in releases.items():
            await fill_phrases(phrases, voices, spoken[name], release.voice)

    async def listen() -> None:
        for name, release in releases.items():
            served[name] = await load_hints(recogniser, release, languages[name])

    await at_once(speak(), listen())
    return phrases, served


async def load_hints(recogniser: Recogniser, release: Release, required: frozenset[str]) -> tuple[str, ...]:
    """Tell the recogniser what a release's callers may say; the languages it serves.

    Raises:
        SayError: it cannot serve a language that is required.
    """
    served = []
    for language in release.languages:
        known = release.known_in(language)
        hints = Hints(language, known.phrases, known.words, known.pronunciations, known.urgent)
        try:
            await recogniser.load(recogniser_key(release, language), hints)
        except OperatorError:
            if language in required:
                raise
        else:
            served.append(language)
    return tuple(served)
