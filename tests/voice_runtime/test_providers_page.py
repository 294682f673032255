"""Every entry that docs/providers.md shows loads as a profile, and fits the class it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from controls.errors import ConfigurationError
from voice_runtime import engine_settings
from voice_runtime.providers import Kind, resolve
from voice_runtime.settings import Settings
from voice_runtime.speak.piper_http import PiperSpeech
from voice_runtime.speak.supplier_voice import VoiceNames
from voice_runtime.yaml_file import parse_document

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
#: Shown although their package is not installed here; the page says so.
CONFIGURED_ONLY = {"pipecat.services.deepgram.stt.DeepgramSTTService": "pipecat-ai[deepgram]"}
STAGES: list[tuple[Kind, str]] = [("recogniser", "engines"), ("model", "endpoints"), ("voice", "engines")]


def profile(block: dict[str, Any]) -> Settings:
    base: dict[str, Any] = {
        "format": 1,
        "environment": "staging",
        "model": {"endpoints": [{"name": "m", "base_url": "http://127.0.0.1:1/v1", "model": "m"}]},
        "voice": {"voices": {"warm": {}}},
    }
    return Settings.model_validate(base | block)


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_an_entry_of_the_page_loads_and_fits_its_class(text: str) -> None:
    block = parse_document(text, "docs/providers.md").data
    for entry in block.get("voice", {}).get("engines", []):
        if entry["engine"] == "piper":
            options = {k: v for k, v in entry.items() if k not in ("engine", "name", "base_url", "voices")}
            PiperSpeech(
                entry["name"], base_url=entry["base_url"], names=VoiceNames(entry["voices"]), **options
            )
            if not hasattr(engine_settings, "PiperEngine"):  # not an engine of profiles yet
                return
    settings = profile(block)
    for kind, entries in STAGES:
        for n, entry in enumerate(getattr(getattr(settings, kind), entries)):
            if entry.engine != "pipecat":
                continue
            at = (kind, entries, n)
            if missing := CONFIGURED_ONLY.get(entry.use):
                with pytest.raises(ConfigurationError, match=re.escape(missing)):
                    resolve(entry, kind, settings.providers.allow, at=at)
            else:
                resolve(entry, kind, settings.providers.allow, at=at)


def test_the_page_shows_every_kind() -> None:
    assert len(BLOCKS) >= 6
    for engine in ("openai", "piper", "pipecat"):
        assert any(f"engine: {engine}" in block for block in BLOCKS)
