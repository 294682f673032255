"""The adapter to Presidio, over an engine that answers as its documentation says."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import pytest

from controls.ledger.records import PersonalData as P
from controls.redaction.redactor import Redactor
from voice_runtime.presidio import Presidio, installed


@dataclass
class Result:
    entity_type: str
    start: int
    end: int
    score: float = 0.85


@dataclass
class Engine:
    """As ``AnalyzerEngine.analyze``: what it was asked is kept."""

    asked: list[dict[str, Any]] = field(default_factory=list)

    def analyze(self, **asked: Any) -> list[Result]:
        self.asked.append(asked)
        text = asked["text"]
        return [
            Result(kind, text.index(word), text.index(word) + len(word))
            for kind, word in (("PERSON", "Maria Lopez"), ("LOCATION", "Springfield"), ("URL", "x.org"))
            if word in text
        ]


def test_names_and_places_are_masked_in_its_languages() -> None:
    engine = Engine()
    redactor = Redactor([P.NAME, P.ADDRESS], recognisers=[Presidio(engine, ["en"], "presidio 1")])
    said = "Maria Lopez of Springfield, x.org"
    assert redactor.redact(said, "en-US").text == "[name] of [address], x.org"
    assert engine.asked[0]["entities"] == ["PERSON", "LOCATION"]
    assert engine.asked[0]["language"] == "en"
    assert redactor.redact(said, "es-US").text == said
    assert redactor.version != Redactor([P.NAME, P.ADDRESS]).version


@pytest.mark.skipif(find_spec("presidio_analyzer") is not None, reason="presidio is installed here")
def test_without_it_there_is_none() -> None:
    assert installed() == ()
