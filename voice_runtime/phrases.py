"""Fixed phrases by language, and the sentences an offline recogniser is to expect.

Fixed phrases come from ``configs/phrases/<language>.yaml``; an agent may word
each of them its own way. Expected sentences come from the agent's offline
patterns, from the lists of intents and emergencies, and from spoken digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, product
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError
from controls.ledger.records import Language, Slug
from controls.quick_yaml import quickly
from controls.rules.pack_files import emergency_names
from voice_runtime.agent_file import Sentence, placeholders
from voice_runtime.offline_file import OfflineFile
from voice_runtime.yaml_file import Closed, check, load_document

FOLDER = Path("configs/phrases")

#: Ids every release has words for; the rules add ``rule.<pack>.<name>``, the agent ``disclosure``.
FIXED = (
    "greeting", "fallback", "not-understood", "emergency", "still-there", "goodbye", "handoff",
    "no-one-free", "nobody-reached", "nobody", "ask-number", "callback-promised", "callback-cancelled",
    "capacity", "opted-out", "moment", "no-receipt", "waiting-for-approval", "still-waiting-for-approval",
    "approval-called-off",
    "stopped", "not-recorded", "ai-again", "clinical-start", "clinical-end",
    "capture-enter", "capture-again", "capture-not-taken", "capture-not-aloud", "capture-keys-only",
    "ask-callback", "emergency-nobody", "ask-emergency",
    "ai-answer", "ask-opt-out", "objection-noted", "words-kept",
)  # fmt: skip
#: Of those, what only agents with ``disclosure.clinical`` say.
CLINICAL = frozenset(("clinical-start", "clinical-end"))
#: Said with the disclosure, where no question about recording tells callers that the text is kept.
WORDS_KEPT = "words-kept"
#: What only agents with a tool that captures figures say.
CAPTURE = frozenset(
    ("capture-enter", "capture-again", "capture-not-taken", "capture-not-aloud", "capture-keys-only")
)
#: What rules say to a caller who says a card's figures, where the agent can be given them by keys instead.
SAID_ALOUD = re.compile(r"rule\.(payment|cards)\.caller-")
#: Spoken while a tool takes long, before anybody knows what comes of it.
HOLDING = "moment"
#: Spoken while a use of a tool waits for a person: at first, and then every while.
WAITING, STILL_WAITING = "waiting-for-approval", "still-waiting-for-approval"
#: Spoken when the caller wants something else while it waits: nobody refused it, and nothing was done.
CALLED_OFF = "approval-called-off"
#: Spoken on a running call when what it talks to was stopped.
STOPPED = "stopped"
#: It bridges a wait of a second or two, no more.
MOST_HOLDING_WORDS = 12
#: Template id → the values it must name.
TEMPLATES: Mapping[str, frozenset[str]] = {
    "confirm-number": frozenset({"number"}),
    "callback-by": frozenset({"desk", "by"}),
    "receipt": frozenset({"code"}),
    "privacy": frozenset({"operator", "days"}),
    "privacy-outside": frozenset({"suppliers"}),
}
#: More sentences than this make a recogniser slow and guess.
MOST_PHRASES = 6000
_MOST_OF_ONE = 600
_DIGITS: Mapping[str, tuple[str, ...]] = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh"),
    "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
}


class PhrasesFile(Closed):
    """``configs/phrases/<language>.yaml``: every fixed phrase and template in one language."""

    format: Literal[1] = Field(description="1")
    language: Language = Field(description="the language of the words, as in the file's name")
    phrases: dict[Slug, Sentence] = Field(description="phrase id → words")
    templates: dict[Slug, Sentence] = Field(description="template id → words with {values}")

    @field_validator("phrases")
    @classmethod
    def _every_phrase(cls, value: dict[str, str]) -> dict[str, str]:
        return _exactly(value, FIXED, "phrase")

    @field_validator("templates")
    @classmethod
    def _every_template(cls, value: dict[str, str]) -> dict[str, str]:
        _exactly(value, TEMPLATES, "template")
        for name, words in value.items():
            if placeholders(words) != TEMPLATES[name]:
                wanted = ", ".join(f"{{{v}}}" for v in sorted(TEMPLATES[name]))
                raise PydanticCustomError(
                    "template", "has the wrong values in '{name}'", {"name": name, "remedy": f"name {wanted}"}
                )
        return value


def _exactly(value: dict[str, str], wanted: Iterable[str], what: str) -> dict[str, str]:
    missing, strange = sorted(set(wanted) - set(value)), sorted(set(value) - set(wanted))
    if missing or strange:
        remedy = "; ".join(
            f"{verb} {', '.join(names)}" for verb, names in (("add", missing), ("remove", strange)) if names
        )
        raise PydanticCustomError(
            "phrases", "do not have exactly the known {what} ids", {"what": what, "remedy": remedy}
        )
    return value


def load_phrases(root: Path, language: str) -> PhrasesFile:
    """Read the defaults of one language.

    Raises:
        ConfigurationError: with every problem found; the file is missing when nobody
            reviewed that language's words.
    """
    document = load_document(
        root / FOLDER / f"{language}.yaml", root, what=f"file of fixed phrases in {language}"
    )
    found, problems = check(PhrasesFile, document)
    if found is not None and found.language != language:
        problems = [document.problem(("language",), "is not the file's own", f"write {language}")]
    if found is None or problems:
        raise ConfigurationError(problems)
    return found


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Words that say that something was done, or is so: nobody knows that yet, so it could be untrue.
_CLAIMS: Mapping[str, frozenset[str]] = {
    "en": _each(
        "have has had i've we've did done was were is are it's that's there's yes no booked cancelled"
        " canceled confirmed reserved scheduled changed moved found sent paid ready success successful"
        " successfully available free"
    ),
    "es": _each(
        "he ha han hemos hay es son está están sí fue era reservé reservado reservada cancelé cancelado"
        " cancelada confirmé confirmado confirmada cambié cambiado cambiada encontré encontrado hecho hecha"
        " listo lista enviado pagado disponible libre"
    ),
}


#: What somebody has yet to do, is not said to be done.
_STILL_TO_DO = re.compile(r"\b(?:have|has) to\b")


def holding_fault(text: str, language: str) -> str:
    """Why ``text`` cannot be a holding phrase, which may claim nothing; "" when it can."""
    words = text.casefold().replace("’", "'").split()
    length = len(words)
    words = _STILL_TO_DO.sub("must", " ".join(words)).split()
    claims = _CLAIMS.get(language.partition("-")[0], frozenset())
    if claimed := sorted(claims & {word.strip('.,;:!?¡¿…"') for word in words}):
        return f"claims something before it is known: {', '.join(claimed)}"
    if any(c.isdigit() for c in text):
        return "names a figure before anything is known"
    if "?" in text:
        return "asks something, and the caller's answer would cut the agent's own"
    if length > MOST_HOLDING_WORDS:
        return f"is longer than {MOST_HOLDING_WORDS} words"
    return ""


# --- what the recogniser is to expect -------------------------------------------------------------


def plain(text: str, language: str = "en-US") -> str:
    """As a recogniser writes it: lower case, words and apostrophes only, digits in words."""
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    digits = _DIGITS.get(language.partition("-")[0])
    folded = re.sub(r"\d", lambda m: f" {digits[int(m.group())]} " if digits else " ", folded)
    kept = "".join(c if c.isalpha() or c == "'" else " " for c in folded)
    return " ".join(w for w in (word.strip("'") for word in kept.split()) if w)


def expand(sentence: str, slots: Mapping[str, Sequence[str]], language: str = "en-US") -> list[str]:
    """Every form of ``sentence`` with its ``{slots}`` filled, at most 600, in a fixed order.

    A slot without values (a number) is left out.
    """
    parts = [(literal, name) for literal, name, _, _ in Formatter().parse(sentence)]
    names = list(dict.fromkeys(name for _, name in parts if name is not None))
    combinations = islice(product(*(slots[name] or ("",) for name in names)), _MOST_OF_ONE)
    forms = []
    for values in combinations:
        chosen = dict(zip(names, values, strict=True))
        filled = "".join(lit + (f" {chosen[name]} " if name else "") for lit, name in parts)
        forms.append(plain(filled, language))
    return forms


def combinations(sentence: str, slots: Mapping[str, Sequence[str]]) -> int:
    """How many forms ``sentence`` has."""
    count = 1
    for name in placeholders(sentence):
        count *= len(slots.get(name, ())) or 1
    return count


def offline_phrases(offline: OfflineFile, language: str = "en-US") -> list[str]:
    """What an agent's own patterns expect callers to say, without repeats."""
    said = [s for p in offline.patterns if p.when is not None for s in p.when.said]
    found = [form for s in (*said, *offline.phrases) for form in expand(s, offline.spoken, language)]
    # A slot's value is often the whole answer ("at ten" → "ten").
    found += [plain(value, language) for values in offline.spoken.values() for value in values]
    return list(dict.fromkeys(f for f in found if f))


def digit_phrases(language: str = "en-US") -> list[str]:
    """Spoken digits one by one and in pairs, so that a telephone number can be said."""
    digits = _DIGITS.get(language.partition("-")[0], ())
    return [*digits, *(f"{a} {b}" for a in digits for b in digits)]


def intent_phrases(rules: Path, language: str) -> list[str]:
    """What callers say to the runtime itself: the sentences in the lists of intents and emergencies.

    Args:
        rules: the folder ``configs/rules``. What cannot be read there is reported by
            whoever compiles it, and left out here.
    """
    return list(_intent_phrases(listened_for(rules), language))


def listened_for(rules: Path) -> tuple[str, ...]:
    """The files of intents and of emergencies, as text; what cannot be read is left out."""
    texts = []
    for name in sorted(("intents", *emergency_names(rules))):
        try:
            texts.append((rules / f"{name}.yaml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return tuple(texts)


@lru_cache(maxsize=1)  # half a second of reading, and every agent of a house has the same files
def read_lists(texts: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """What stands in them, not to be changed; what is no list is left out."""
    return tuple(data for data in map(quickly, texts) if isinstance(data, dict))


@lru_cache(maxsize=8)
def _intent_phrases(texts: tuple[str, ...], language: str) -> tuple[str, ...]:
    found: list[str] = []
    for data in read_lists(texts):
        if isinstance(data.get("languages"), dict):  # the intents
            found += _sentences(data["languages"].get(language), ("catches", "whole"), language)
        elif data.get("kind") == "emergency" and language in (data.get("languages") or ()):
            found += _sentences(in_language(data, language), ("catches",), language)
    return tuple(dict.fromkeys(p for s in found if (p := plain(s, language))))


def in_language(pack: dict[str, Any], language: str) -> list[Any]:
    """An emergency pack's rules with words of one language: a name ending in ``-es`` holds Spanish ones."""
    languages = [str(tag) for tag in pack.get("languages") or ()]
    endings = tuple(f"-{tag.partition('-')[0]}" for tag in languages[1:])
    mine = f"-{language.partition('-')[0]}"
    rules = [rule for rule in pack.get("rules") or () if isinstance(rule, dict)]
    if language == languages[0]:
        return [rule for rule in rules if not str(rule.get("name")).endswith(endings or ("\0",))]
    return [rule for rule in rules if str(rule.get("name")).endswith(mine)]


def _sentences(data: Any, fields: tuple[str, ...], language: str) -> Iterator[str]:
    """Plain sentences anywhere below ``data`` in lists of these names, no patterns, no other language's."""
    if isinstance(data, list):
        for item in data:
            yield from _sentences(item, fields, language)
    elif isinstance(data, dict):
        for name, value in data.items():
            if name in fields and isinstance(value, list):
                for item in value:
                    if isinstance(item, dict) and item.get("language", language) != language:
                        continue
                    text = item.get("said") or item.get("text") if isinstance(item, dict) else item
                    if isinstance(text, str) and not re.search(r"[<>/…]|\.\.\.", text):
                        yield text
            elif isinstance(value, dict | list):
                yield from _sentences(value, fields, language)


def known_phrases(
    offline: OfflineFile | None, rules: Path, language: str, own: Iterable[str] = ()
) -> tuple[str, ...]:
    """All of it, the agent's own first, without repeats, at most ``MOST_PHRASES``.

    Args:
        own: sentences that rules of the agent's own listen for.
    """
    found = [*(offline_phrases(offline, language) if offline is not None else []), *own]
    found += intent_phrases(rules, language) + digit_phrases(language)
    return tuple(dict.fromkeys(found))[:MOST_PHRASES]
