"""What a caller's utterance asks of the runtime itself: a person, a stop, yes, no. Pure.

Looked at before the model is. Word lists per language stand in
``configs/rules/intents.yaml``, emergencies in the emergency packs. Recognised
speech has no case or punctuation and misspells; lists are written for that.
Order: emergency, opting out, a person, taking consent back, stop, what may be opting out,
what-are-you, a receipt, once more, then answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import rfc8785
from pydantic import ValidationError

from controls.beside import Beside, outside
from controls.documents import MAX_BYTES, line_of, read, validate
from controls.emergency import Emergencies, Emergency
from controls.errors import ConfigurationError, Problem
from controls.intent_file import IntentFile, IntentWords, LanguageWords
from controls.quick_yaml import quickly
from controls.rules.compiled import compiled
from controls.rules.matchers import Words, compile_phrase, words
from controls.rules.model import Pack
from controls.rules.pack_files import emergency_names, load_packs
from controls.rules.phrase_index import PhraseIndex

#: Read when nothing else was given to ``use``: the checkout's own lists.
_FOLDER = Path(__file__).resolve().parents[1] / "configs" / "rules"


#: A yes begins within so many words.
_FIRST_FEW = 4


class Intent(StrEnum):
    """What an utterance asks of the runtime, in the order they are looked for."""

    EMERGENCY = "emergency"
    OPT_OUT = "opt_out"
    PERSON = "person"
    NO_TRAINING = "no_training"
    NO_LISTENING = "no_listening"
    NO_SUPPLIER = "no_supplier"
    NO_CALLBACK = "no_callback"
    NO_RECORDING = "no_recording"
    STOP = "stop"
    MAYBE_OPT_OUT = "maybe_opt_out"
    ROBOT_QUESTION = "robot_question"
    RECEIPT = "receipt"
    AGAIN = "again"
    NO = "no"
    YES = "yes"
    BACKCHANNEL = "backchannel"


#: What takes consent back.
OBJECTIONS = frozenset((
    Intent.NO_TRAINING, Intent.NO_LISTENING, Intent.NO_SUPPLIER, Intent.NO_CALLBACK, Intent.NO_RECORDING,
))  # fmt: skip
#: What acts where it is all that stands beside the question whether this is a machine.
_BESIDE = OBJECTIONS | {Intent.OPT_OUT, Intent.PERSON, Intent.MAYBE_OPT_OUT}


class _Compiled:
    def __init__(self, given: IntentWords, all_words: LanguageWords, fillers: PhraseIndex) -> None:
        def index(phrases: Iterable[str]) -> PhraseIndex:
            return PhraseIndex((0, compile_phrase(p, all_words.lists)) for p in phrases)

        self._anywhere, self._unless = index(given.anywhere), index(given.unless)
        self._whole, self._begins = index(given.whole), index(given.begins)
        self._at_most = given.at_most
        self._fillers = fillers

    @classmethod
    def agreement(cls, given: LanguageWords, fillers: PhraseIndex) -> _Compiled:
        agrees = IntentWords(whole=given.agrees, catches=given.agrees, lets_pass=given.agrees)
        return cls(agrees, given, fillers)

    def meant(self, said: Words) -> bool:
        return bool(self.spans(said))

    def spans(self, said: Words) -> list[tuple[int, int]]:
        """Where it is said, as (first word, after last word); empty where it is not meant."""
        masks = self._unless.find(said).get(0, [])
        spans = self._anywhere.find(said).get(0, [])
        if len(said) <= self._at_most:
            spans = spans + [
                s for s in self._begins.find(said).get(0, []) if self._only_fillers(said, (0, s[0]))
            ]
        if found := [s for s in spans if not any(m[0] <= s[0] and s[1] <= m[1] for m in masks)]:
            return found
        whole = self._whole.find(said).get(0, [])
        return whole if whole and not masks and self._covered(said, whole) else []

    def _covered(self, said: Words, spans: list[tuple[int, int]]) -> bool:
        """Every word belongs to a whole phrase or to a filler."""
        covered = {i for a, b in (*spans, *self._fillers.find(said).get(0, [])) for i in range(a, b)}
        return len(covered) == len(said)

    def _only_fillers(self, said: Words, part: tuple[int, int]) -> bool:
        covered = {i for a, b in self._fillers.find(said).get(0, []) for i in range(a, b)}
        return all(i in covered for i in range(*part))


def _index(*phrases: Iterable[str]) -> PhraseIndex:
    return PhraseIndex((0, compile_phrase(p)) for each in phrases for p in each)


def _beside_question(given: LanguageWords) -> Beside:
    """What may stand around the question whether this is a machine, and asks nothing more."""
    lists = (given.lists.get(name, ()) for name in ("machine", "being", "kind", "maquina", "ser", "algo"))
    return Beside(_index(given.fillers, given.insists, *lists))


def _beside_objection(given: LanguageWords) -> Beside:
    fillers = _index(given.fillers, given.objects, given.objected)
    return Beside(fillers, _index(given.objects), _index(given.objected))


#: Words that join what is repeated.
_JOINS = frozenset(
    ("at", "on", "for", "in", "with", "the", "a", "an", "and", "el", "la", "las", "los", "en", "con")
)
#: Whoever is asked, and the same as they say it themselves.
_YOU, _ME = frozenset(("you", "your")), frozenset(("me", "my", "us", "our"))
#: Words that turn an answer round.
_TURNS = frozenset(("no", "not", "but", "pero", "sino", "instead", "rather", "mejor"))


def _without(text: str, asked: str) -> str:
    """An answer without the words that repeat the question; "" where something turns it round."""
    said, known = words(text).tokens, set(words(asked).tokens) | _JOINS
    if known & _YOU:  # "may we call you back?" – "yes, call me back"
        known |= _ME
    return "" if _TURNS & set(said) else " ".join(word for word in said if word not in known)


class Intents:
    """Compiled word lists; immutable, one for the process.

    Attributes:
        canonical: the lists in canonical form (RFC 8785), emergencies' not among them.
        digest: ``sha256:…`` of that.
    """

    def __init__(self, lists: IntentFile, emergencies: Emergencies) -> None:
        self.canonical = rfc8785.dumps(lists.model_dump(mode="json"))
        self.digest = "sha256:" + hashlib.sha256(self.canonical).hexdigest()
        self.emergencies = emergencies
        fillers = {
            language: PhraseIndex((0, compile_phrase(p, given.lists)) for p in given.fillers)
            for language, given in lists.languages.items()
        }
        self._by_language: dict[str, list[tuple[Intent, _Compiled]]] = {
            str(language): [
                (intent, _Compiled(getattr(given, intent.value), given, fillers[language]))
                for intent in Intent
                if intent is not Intent.EMERGENCY
            ]
            for language, given in lists.languages.items()
        }
        self._question = {str(k): _beside_question(given) for k, given in lists.languages.items()}
        self._objection = {str(k): _beside_objection(given) for k, given in lists.languages.items()}
        self._affirms = {str(k): _index(v.affirms) for k, v in lists.languages.items()}
        self._acts = {
            str(k): PhraseIndex((i, compile_phrase(p)) for i, p in enumerate(v.acts))
            for k, v in lists.languages.items()
        }
        self._agrees = {str(k): _Compiled.agreement(v, fillers[k]) for k, v in lists.languages.items()}

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(self._by_language)

    def of(self, text: str, language: str) -> Intent | None:
        """The intent of one utterance, or None when it is for the model.

        Emergencies are looked for in every language; the rest only where lists for
        ``language`` exist.
        """
        said = words(text)
        if not said.tokens:
            return None
        if self.emergency(text, language) is not None:
            return Intent.EMERGENCY
        meant = next((i for i, c in self._by_language.get(language, ()) if c.meant(said)), None)
        if meant is Intent.ROBOT_QUESTION and (beside := self.beside_robot_question(text, language)):
            other = self.of(beside, language)
            return other if other in _BESIDE else meant
        return meant

    def yes_or_no(self, text: str, language: str, asked: str = "") -> bool | None:
        """The answer to a question asked for a yes or a no; None when it is neither.

        "okay" and "right" agree here; "mhm" does not carry an effect. A yes with anything else behind it is
        neither ("yes i'm twelve"), unless that only repeats what was asked; one that names an act is one only
        where the question named it ("you may record" is none to "shall I book it?").

        Args:
            asked: the question's words, which may be repeated ("yes, Tuesday at ten"); "" where nobody knows
                them, and then a yes names no act.
        """
        meant = self.of(text, language)
        if meant is None and asked and (short := _without(text, asked)):
            meant = self.of(short, language)
            meant = meant if meant is Intent.YES else None
        if meant is Intent.NO:
            return False
        if meant is Intent.YES:
            return True if self._names(text, language) <= self._names(asked, language) else None
        agrees = self._agrees.get(language)
        if meant in (None, Intent.BACKCHANNEL) and agrees is not None and agrees.meant(words(text)):
            return True
        return None

    def affirms(self, text: str, language: str) -> bool:
        """Whether words have a yes among their first few, whatever stands beside it ("oh god yes hurry")."""
        found = self._affirms.get(language)
        spans = found.find(words(text)).get(0, ()) if found is not None else ()
        return any(first < _FIRST_FEW for first, _ in spans)

    def _names(self, text: str, language: str) -> frozenset[int]:
        """Acts that the words name, such as booking: a yes to one is none to another."""
        acts = self._acts.get(language)
        return frozenset(acts.find(words(text))) if acts is not None else frozenset()

    def listening(self, text: str, language: str) -> bool:
        """Whether words may be no more than listening: "mhm", or an "okay" that answers nothing."""
        meant = self.of(text, language)
        agrees = self._agrees.get(language)
        agreeing = meant is None and agrees is not None and agrees.meant(words(text))
        return meant is Intent.BACKCHANNEL or agreeing

    def beside_robot_question(self, text: str, language: str) -> str | None:
        """What else an utterance asks that asks whether this is a machine or a person.

        Returns:
            None where it asks nothing of the kind; "" where it asks nothing else; otherwise the words outside
            the question, unchanged (see ``controls.beside``).
        """
        said = words(text)
        spans = self._spans(Intent.ROBOT_QUESTION, said, language)
        return self._question[language].of(said, spans) if spans else None

    def beside_objections(self, text: str, language: str) -> tuple[tuple[Intent, ...], str]:
        """What an utterance objects to, and what else it asks; "" where it asks nothing else."""
        found: list[Intent] = []
        while (meant := self.of(text, language)) in OBJECTIONS and meant is not None:
            found.append(meant)
            said = words(text)
            if spans := self._spans(meant, said, language):
                text = self._objection[language].of(said, spans)
            else:  # it is all that stands beside a question, which is left
                asked = self._spans(Intent.ROBOT_QUESTION, said, language)
                text = outside(said, set(range(len(said))).difference(*(range(*span) for span in asked)))
        return tuple(found), text

    def objections(self, text: str, language: str) -> tuple[Intent, ...]:
        """What an utterance objects to, whatever else it means first."""
        said = words(text)
        return tuple(i for i in Intent if i in OBJECTIONS and self._spans(i, said, language))

    def _spans(self, intent: Intent, said: Words, language: str) -> list[tuple[int, int]]:
        found = dict(self._by_language.get(language, ())).get(intent)
        return found.spans(said) if found is not None and said.tokens else []

    def emergency(self, text: str, language: str) -> Emergency | None:
        """The gravest emergency named in ``text``, or None."""
        return self.emergencies.find(text, language)


def parse_intents(text: str, file: str, packs: Iterable[Pack]) -> Intents:
    """Read the word lists and hold them to their own examples.

    Raises:
        ConfigurationError: with file, line, field and remedy.
    """
    emergencies = Emergencies(packs)
    try:
        lists = IntentFile.model_validate(quickly(text) if len(text) <= MAX_BYTES else None)
        return _held_to_examples(lists, emergencies, file, None)
    except (ValidationError, ConfigurationError):  # then with the lines of what is wrong
        data = read(text, file)
        return _held_to_examples(validate(data, file, IntentFile), emergencies, file, data)


def _held_to_examples(lists: IntentFile, emergencies: Emergencies, file: str, data: object) -> Intents:
    problems = [p for la, given in lists.languages.items() for p in _phrase_problems(file, data, la, given)]
    if problems:
        raise ConfigurationError(problems)
    intents = Intents(lists, emergencies)
    problems = [
        problem
        for language, given in lists.languages.items()
        for intent in Intent
        if intent is not Intent.EMERGENCY
        for problem in _example_problems(intents, file, data, language, given, intent)
    ]
    if problems:
        raise ConfigurationError(problems)
    return intents


def load_intents(folder: Path, packs: Iterable[Pack] | None = None) -> Intents:
    """Read ``intents.yaml`` of ``folder``.

    Args:
        packs: those of the releases that are served, of which the emergencies count; without them every
            pack of ``folder`` with ``kind: emergency`` does.

    Raises:
        ConfigurationError: a file is missing or cannot be used.
    """
    known = load_packs(folder, emergency_names(folder)) if packs is None else packs
    emergencies = {pack.pack: pack for pack in known if pack.kind == "emergency"}
    path = folder / "intents.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        raise ConfigurationError(
            [Problem(str(path), 0, "", "the file cannot be read", "restore it, or name the right folder")]
        ) from None
    return _once(text, str(path), tuple(emergencies.values()))


#: What was compiled last, by the lists' text and the packs: agents of a house share both.
_compiled: dict[tuple[str, ...], Intents] = {}
_MOST_COMPILED = 8


def _once(text: str, file: str, packs: tuple[Pack, ...]) -> Intents:
    key = (text, *(compiled(pack).digest for pack in packs))
    found = _compiled.get(key)
    if found is None:
        found = parse_intents(text, file, packs)
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.pop(next(iter(_compiled)))
        _compiled[key] = found
    return found


@lru_cache(maxsize=1)
def _default() -> Intents:
    return load_intents(_FOLDER)


_given: list[Intents] = []


def use(intents: Intents | None) -> None:
    """Set the lists that ``intent`` and ``emergency`` use, once at start; None for the checkout's own."""
    _given[:] = [] if intents is None else [intents]


def current() -> Intents:
    """The lists in use.

    Raises:
        ConfigurationError: none were given and the checkout's own cannot be read.
    """
    return _given[0] if _given else _default()


def intent(text: str, language: str) -> Intent | None:
    """The intent of one utterance, or None when it is for the model."""
    return current().of(text, language)


def yes_or_no(text: str, language: str, asked: str = "") -> bool | None:
    """The answer to a question asked for a yes or a no; None when it is neither.

    Args:
        asked: as of ``Intents.yes_or_no``.
    """
    return current().yes_or_no(text, language, asked)


def yes_in_doubt(text: str, language: str) -> bool | None:
    """As ``yes_or_no``, where too many yeses do less harm than too few: whatever stands beside one."""
    return current().affirms(text, language) or yes_or_no(text, language)


def beside_robot_question(text: str, language: str) -> str | None:
    """What else is asked beside whether this is a machine: "" nothing; None where that is not asked."""
    return current().beside_robot_question(text, language)


def beside_objections(text: str, language: str) -> tuple[tuple[Intent, ...], str]:
    """What the caller objects to, and what else they ask; "" nothing."""
    return current().beside_objections(text, language)


def objections(text: str, language: str) -> tuple[Intent, ...]:
    """What the caller objects to, whatever else their words mean first."""
    return current().objections(text, language)


def emergency(text: str, language: str) -> Emergency | None:
    """The gravest emergency named in ``text``, with the script to speak."""
    return current().emergency(text, language)


def _phrase_problems(file: str, data: object, language: str, given: LanguageWords) -> list[Problem]:
    problems = []
    for intent in Intent:
        if intent is Intent.EMERGENCY:
            continue
        listed: IntentWords = getattr(given, intent.value)
        for field in ("anywhere", "whole", "begins", "unless"):
            for i, phrase in enumerate(getattr(listed, field)):
                try:
                    compile_phrase(phrase, given.lists)
                except ValueError as error:
                    message, _, remedy = str(error).partition(" | ")
                    where = ("languages", language, intent.value, field, i)
                    problems.append(_at(file, data, where, message, remedy))
    return problems


def _example_problems(
    intents: Intents, file: str, data: object, language: str, given: LanguageWords, intent: Intent
) -> list[Problem]:
    listed: IntentWords = getattr(given, intent.value)
    problems = []
    wanted: Mapping[str, bool] = {"catches": True, "lets_pass": False}
    for field, expected in wanted.items():
        for i, example in enumerate(getattr(listed, field)):
            if (intents.of(example, language) is intent) is not expected:
                where = ("languages", language, intent.value, field, i)
                message = f"the lists {'miss' if expected else 'catch'} their own example"
                problems.append(_at(file, data, where, message, "change the lists until their examples hold"))
    return problems


def _at(file: str, data: object, where: tuple[int | str, ...], message: str, remedy: str) -> Problem:
    name = ".".join(str(part) for part in where)
    return Problem(file, line_of(data, where), name, message, remedy)
