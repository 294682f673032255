"""Names and places by Presidio, for exports, where it is installed with a model of spaCy's.

Not in our lock, which would grow by a machine-learning stack: whoever wants it installs ``presidio-analyzer``
and a model of spaCy's beside Sayso. Without it, or without a model for a language, names are not looked
for. It is slow and large, so nothing on the line ever asks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from controls.ledger.records import PersonalData
from controls.redaction.redactor import Found, Recogniser

#: Presidio's entities, as ours.
_ENTITIES: Mapping[str, PersonalData] = {"PERSON": PersonalData.NAME, "LOCATION": PersonalData.ADDRESS}
#: Models of spaCy's that are used where they are installed, by language; the first one found.
_MODELS: Mapping[str, tuple[str, ...]] = {
    "en": ("en_core_web_lg", "en_core_web_md", "en_core_web_sm"),
    "es": ("es_core_news_lg", "es_core_news_md", "es_core_news_sm"),
    "de": ("de_core_news_lg", "de_core_news_md", "de_core_news_sm"),
}
#: Findings below this confidence are left, 0 to 1.
_LEAST_SCORE = 0.5


class Presidio:
    """``controls.redaction.redactor.Recogniser`` over an ``AnalyzerEngine``."""

    def __init__(self, engine: Any, languages: Sequence[str], name: str) -> None:
        """Wrap an engine.

        Args:
            engine: a ``presidio_analyzer.AnalyzerEngine``, or what answers as one.
            languages: those it has a model for, without region.
            name: of it and its models with their versions; part of what a redaction is recorded with.
        """
        self._engine = engine
        self._languages = frozenset(languages)
        self._name = name

    @property
    def version(self) -> str:
        return self._name

    def find(self, text: str, language: str) -> list[Found]:
        """Names and places; none in a language it has no model for."""
        base = language.partition("-")[0]
        if base not in self._languages:
            return []
        results = self._engine.analyze(
            text=text, language=base, entities=list(_ENTITIES), score_threshold=_LEAST_SCORE
        )
        return [
            Found(_ENTITIES[result.entity_type], result.start, result.end)
            for result in results
            if result.entity_type in _ENTITIES and result.start < result.end
        ]


def installed() -> tuple[Recogniser, ...]:
    """Presidio with every model that is here; nothing where it, or every model, is missing."""
    models = {
        language: next((name for name in names if find_spec(name) is not None), "")
        for language, names in _MODELS.items()
    }
    found = {language: name for language, name in models.items() if name}
    if not found or find_spec("presidio_analyzer") is None:
        return ()
    analyzer = import_module("presidio_analyzer")
    engines = import_module("presidio_analyzer.nlp_engine")
    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": language, "model_name": name} for language, name in found.items()],
    }
    nlp = engines.NlpEngineProvider(nlp_configuration=configuration).create_engine()
    engine = analyzer.AnalyzerEngine(nlp_engine=nlp, supported_languages=sorted(found))
    packages = ("presidio-analyzer", *sorted(found.values()))
    return (Presidio(engine, sorted(found), " ".join(f"{p} {_version(p)}" for p in packages)),)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
