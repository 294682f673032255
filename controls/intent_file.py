"""``configs/rules/intents.yaml``: how each intent of a caller's sounds, by language. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from controls.documents import Document
from controls.ledger.records import Language
from controls.rules.model import Name, Sentence


class IntentWords(Document):
    """How one intent sounds.

    Attributes:
        anywhere: phrases that mean it wherever they stand (see ``controls.rules.matchers``).
        whole: phrases that mean it only when nothing but ``fillers`` stands around them.
        begins: phrases that mean it at the start of a short utterance.
        unless: a phrase found inside one of these does not count.
        at_most: words an utterance may have for ``begins``.
    """

    anywhere: tuple[Sentence, ...] = ()
    whole: tuple[Sentence, ...] = ()
    begins: tuple[Sentence, ...] = ()
    unless: tuple[Sentence, ...] = ()
    at_most: int = Field(default=6, ge=1, le=20)
    catches: tuple[Sentence, ...] = Field(min_length=1)
    lets_pass: tuple[Sentence, ...] = Field(min_length=1)


class LanguageWords(Document):
    """One language's lists; every intent but the emergencies' must be there.

    Attributes:
        fillers: words that change nothing around a ``whole`` phrase.
        agrees: backchannels that are a yes once a yes or no was asked for.
        insists: words around the question whether this is a machine that ask for nothing else.
        affirms: words that begin a yes, whatever follows: a yes to "is this an emergency?" needs no more.
        acts: what a yes may name only where the question did ("change it" is none to "shall I book it?").
        objects: words right before an objection that belong to it.
        objected: words right behind an objection that belong to it.
    """

    fillers: tuple[Sentence, ...]
    agrees: tuple[Sentence, ...]
    insists: tuple[Sentence, ...] = ()
    affirms: tuple[Sentence, ...] = ()
    acts: tuple[Sentence, ...] = ()
    objects: tuple[Sentence, ...] = ()
    objected: tuple[Sentence, ...] = ()
    lists: dict[Name, tuple[Sentence, ...]] = Field(default_factory=dict)
    opt_out: IntentWords
    person: IntentWords
    no_recording: IntentWords
    no_training: IntentWords
    no_listening: IntentWords
    no_supplier: IntentWords
    no_callback: IntentWords
    stop: IntentWords
    maybe_opt_out: IntentWords
    robot_question: IntentWords
    receipt: IntentWords
    again: IntentWords
    no: IntentWords
    yes: IntentWords
    backchannel: IntentWords


class IntentFile(Document):
    """``configs/rules/intents.yaml``."""

    format: Literal[1]
    languages: dict[Language, LanguageWords] = Field(min_length=1)
