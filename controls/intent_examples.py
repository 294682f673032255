"""The lists of intents held to their own examples, one by one, as rules are (``sayso rules test``). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from controls.documents import dotted, line_of, read, validate
from controls.emergency import Emergencies
from controls.intent_file import IntentFile, IntentWords
from controls.intents import Intent, Intents
from controls.rules.examples import Tried
from controls.rules.model import Pack

#: What stands where a rule has its pack: ``intents/opt-out.en-US``.
INTENTS = "intents"


def tried_intents(text: str, file: str, packs: Iterable[Pack]) -> Iterator[Tried]:
    """Every example of ``intents.yaml``, tried.

    Args:
        packs: those whose emergencies come before everything.

    Raises:
        ConfigurationError: it is no such file, or a phrase of it cannot be read.
    """
    data = read(text, file)
    lists = validate(data, file, IntentFile)
    intents = Intents(lists, Emergencies(packs))
    for language, given in lists.languages.items():
        for intent in Intent:
            listed = getattr(given, intent.value, None)
            if isinstance(listed, IntentWords):
                yield from _tried(intents, data, file, str(language), intent, listed)


def _tried(
    intents: Intents, data: Any, file: str, language: str, intent: Intent, listed: IntentWords
) -> Iterator[Tried]:
    name = f"{INTENTS}/{intent.value.replace('_', '-')}.{language}"
    for field, wanted in (("catches", True), ("lets_pass", False)):
        for i, example in enumerate(getattr(listed, field)):
            where = partial(_place, data, file, ("languages", language, intent.value, field, i))
            holds = (intents.of(example, language) is intent) is wanted
            fault = "" if holds else f"the lists {'miss' if wanted else 'catch'} their own example"
            yield Tried(name, wanted, example, where, fault)


def _place(data: Any, file: str, where: tuple[int | str, ...]) -> tuple[str, int, str]:
    return file, line_of(data, where), dotted(where)
