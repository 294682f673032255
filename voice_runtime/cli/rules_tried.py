"""What the runtime itself does with a caller's words, before any rule or model (``rules try --caller``).

Told in the order of a call on which nothing is asked or under way (``inline.attention``): what acts at
once, what is answered by a fixed phrase, then what is left for the rules and the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from controls.intents import OBJECTIONS, Intent, Intents
from controls.redaction.file import Redaction
from voice_runtime.agent import Release

#: Intent → what is done about it, and the fixed phrase that is spoken.
_DOES: Mapping[Intent, tuple[str, str]] = {
    Intent.OPT_OUT: ("the call ends, and the caller is not called again", "opted-out"),
    Intent.PERSON: ("a person is fetched", "handoff"),
    Intent.NO_RECORDING: ("recording ends, and the text is no longer kept", "not-recorded"),
    Intent.NO_TRAINING: ("the objection to training holds from here on", "objection-noted"),
    Intent.NO_LISTENING: ("the objection to listeners holds from here on", "objection-noted"),
    Intent.NO_SUPPLIER: ("the objection to other companies holds from here on", "objection-noted"),
    Intent.NO_CALLBACK: ("the objection to being called back holds from here on", "objection-noted"),
    Intent.STOP: ("whatever is being said is cut", ""),
    Intent.RECEIPT: ("the call's code is given", ""),
    Intent.MAYBE_OPT_OUT: ("it is asked back whether opting out was meant", "ask-opt-out"),
}
#: What these are depends on the call: where nothing is open, they are words like any others.
_ANSWERS: Mapping[Intent, str] = {
    Intent.AGAIN: "where the code was just given, it is given once more",
    Intent.NO: "where something is asked, it is the answer no",
    Intent.YES: "where something is asked, it is the answer yes",
    Intent.BACKCHANNEL: "where the agent speaks, it goes on",
}


@dataclass(frozen=True, slots=True)
class Done:
    """One thing the runtime does with the words.

    Attributes:
        what: an intent's name, ``personal_data``, or "words" where it is none.
        does: what is done about it, in words.
        spoken: what the caller hears, or None.
        rule: the rule that found an emergency, or "".
    """

    what: str
    does: str
    spoken: str | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What the runtime does, in order, and what is left for the rules and the model ("" when nothing)."""

    done: tuple[Done, ...]
    left: str

    def rows(self) -> list[dict[str, Any]]:
        """As values."""
        return [
            {"what": d.what, "does": d.does, "spoken": d.spoken, **({"rule": d.rule} if d.rule else {})}
            for d in self.done
        ]

    def lines(self, text: str) -> Iterator[str]:
        """As text, one line each."""
        for done in self.done:
            rule = f" ({done.rule})" if done.rule else ""
            yield f"runtime {done.what}: {done.does}{rule}"
            if done.spoken:
                yield f"        spoken: {done.spoken}"
        if not self.left:
            yield "left    nothing: the rules and the model are not asked"
        elif self.left != text:
            yield f"left    {self.left}"


def tried(release: Release, text: str, language: str) -> Tried:
    """What the runtime of one release does with a caller's words, on a call with nothing asked or under way.

    Args:
        text: as a recogniser writes it.
    """
    intents = release.intents
    assert intents is not None  # a release that resolved has them
    done, left = _intent(release, intents, text, language)
    masked = _masked(release.redaction, text, language)
    return Tried((*masked, *done), left)


def _intent(release: Release, intents: Intents, text: str, language: str) -> tuple[tuple[Done, ...], str]:
    urgent = intents.emergency(text, language)
    if urgent is not None:
        does = "the script is spoken and a person fetched, ahead of everything"
        return (Done("emergency", does, _said(release, urgent.script, language), urgent.rule),), ""
    meant = intents.of(text, language)
    beside = intents.beside_robot_question(text, language)
    asked = () if beside is None else (_answers_what_it_is(release, language),)
    if meant in (Intent.PERSON, Intent.OPT_OUT):
        objected = (_does(release, found, language) for found in intents.objections(text, language))
        quietly = (replace(done, spoken=None) for done in objected)  # what takes the caller away says enough
        return (*quietly, *asked, _does(release, meant, language)), ""
    if meant in OBJECTIONS:
        found, left = intents.beside_objections(text, language)
        done = tuple(_does(release, each, language) for each in found)
        more, left = _intent(release, intents, left, language) if left else ((), "")
        return (*done, *more), left
    if beside is not None:
        more, left = _intent(release, intents, beside, language) if beside else ((), "")
        return (*asked, *more), left
    if meant is not None and meant in _DOES:
        return (_does(release, meant, language),), ""
    if meant is not None and meant in _ANSWERS:
        return (Done(meant.value, f"{_ANSWERS[meant]}; else it goes on"),), text
    return (Done("words", "no intent of its own: they go to the rules, then to the model"),), text


def _does(release: Release, meant: Intent, language: str) -> Done:
    does, phrase = _DOES[meant]
    return Done(meant.value, does, _said(release, phrase, language))


def _answers_what_it_is(release: Release, language: str) -> Done:
    does = "whether this is a machine is answered by a fixed phrase, and the model is not asked it"
    return Done("robot_question", does, _said(release, "ai-answer", language))


def _said(release: Release, phrase: str, language: str) -> str | None:
    return release.phrases.get(phrase, {}).get(language)


def _masked(redaction: Redaction | None, text: str, language: str) -> Iterator[Done]:
    """What is masked of the words, before the model and before the record."""
    for sink in ("model", "record") if redaction is not None else ():
        assert redaction is not None
        made = redaction.before("model" if sink == "model" else "record").redact(text, language)
        if made.found:
            kinds = ", ".join(sorted({found.type for found in made.found}))
            yield Done("personal_data", f"{kinds} masked before the {sink}: {made.text}")
