"""What requests of the shipped agents begin with, as digests: run as a program, as another process has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from tests.voice_runtime.project import ROOT
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release
from voice_runtime.settings import load_settings
from voice_runtime.think.chat import tool_schemas


def prefixes() -> Iterator[str]:
    """Agent, language and digest of the prefix (system message and tools), one line each."""
    profile, lines = load_settings(ROOT / "configs/profiles/offline.yaml", environ={}), load_lines(ROOT)
    for name in ("healthcare", "real_estate", "salon"):
        release = load_release(ROOT, name, profile, lines)
        told = json.dumps([schema.to_default_dict() for schema in tool_schemas(release.tools)])
        for language in release.languages:
            prefix = release.prompt_in(language) + told
            yield f"{name} {language} {hashlib.sha256(prefix.encode()).hexdigest()}"


if __name__ == "__main__":
    print(*prefixes(), sep="\n")
