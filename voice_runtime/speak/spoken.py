"""A text in the form in which it is spoken: no markup, figures and signs in words, names as they sound. Pure.

"Dr. Okafor, 10:30 AM: $50" becomes "Doctor oh-kay-for, ten thirty AM: fifty
dollars". What is spoken is what the guard judges, the voice is given and the
record holds (docs/decisions/0007). Nothing that carries meaning is dropped;
signs that no rule knows are left for the engine.

1. ``tidy`` takes markup away: Markdown, tags, invisible characters.
2. The grammar of the language puts figures, signs and abbreviations into words
   (``spoken_en``, ``spoken_es``); other languages have none.
3. The lexicon respells words. Its entries that are not plain words ("A1C") are
   looked for before step 2, which would take them apart.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from voice_runtime.speak.spoken_en import ENGLISH
from voice_runtime.speak.spoken_es import SPANISH
from voice_runtime.speak.spoken_grammar import Grammar

#: Languages with a grammar, exactly: dates and figures are written otherwise in, say, en-GB.
GRAMMARS: Mapping[str, Grammar] = {"en-US": ENGLISH, "es-US": SPANISH}

#: Ends every loop to a fixed point; more than two rounds take a text made for it.
_MOST_READINGS = 4


@dataclass(frozen=True, slots=True)
class Spoken:
    """One text in its forms.

    Attributes:
        text: as it is spoken.
        unlexed: as it is spoken, but for the lexicon: "Doctor Okafor".
        shown: as a caption shows it: as written, without markup.
    """

    text: str
    unlexed: str
    shown: str


class Reader:
    """Puts texts of one language and one agent into their spoken form. Immutable."""

    def __init__(self, language: str, lexicon: Mapping[str, str] | None = None) -> None:
        """Compile the lexicon.

        Args:
            language: BCP 47 tag.
            lexicon: word → how it is written for the voice; whole words, without case, the longest first.
        """
        self._grammar = GRAMMARS.get(language)
        plain: dict[str, str] = {}
        other: dict[str, str] = {}
        for word, respelling in (lexicon or {}).items():
            if word.strip() and respelling.strip():
                kind = plain if all(c.isalpha() or c in " '’" for c in word.strip()) else other
                kind[_key(word)] = _lowered(respelling.strip())
        self._plain, self._plain_pattern = plain, _pattern(plain)
        self._other, self._other_pattern = other, _pattern(other)

    def read(self, text: str) -> Spoken:
        """``text`` in its forms."""
        shown = tidy(text)
        unlexed = self._worded(shown)
        early = _replaced(shown, self._other, self._other_pattern)
        spoken = unlexed if early == shown else self._worded(early)
        spoken = _replaced(spoken, self._plain, self._plain_pattern)
        return Spoken(spoken, unlexed, unlexed if _FOR_MACHINES.search(shown) else shown)

    def sounded(self, needed: str, played: str) -> bool:
        """Whether words that were played begin with all of ``needed``, a text as written."""
        return _bare(played).startswith(_bare(self.read(needed).text))

    def _worded(self, text: str) -> str:
        """Read until nothing changes, so that what is spoken is the same however often it is read."""
        for _ in range(_MOST_READINGS):
            before = text
            text = text if self._grammar is None else tidy(self._grammar.read(text))
            if text == before:
                break
        return text


def spoken_form(text: str, language: str, lexicon: Mapping[str, str]) -> str:
    """``text`` as it is spoken; see the module. For many texts, keep a ``Reader``."""
    return Reader(language, lexicon).read(text).text


def spoken_phrases(
    phrases: Mapping[str, Mapping[str, str]], say_as: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Fixed phrases as they are spoken: id → language → words.

    Args:
        say_as: language → word → how it is written for the voice.
    """
    readers = {
        language: Reader(language, say_as.get(language)) for said in phrases.values() for language in said
    }
    return {
        phrase: {language: readers[language].read(text).text for language, text in said.items()}
        for phrase, said in phrases.items()
    }


def _bare(words: str) -> str:
    return " ".join(words.casefold().split()).rstrip(" .,;:!?…")


# --- the lexicon ----------------------------------------------------------------------------------


def _key(word: str) -> str:
    return " ".join(word.casefold().replace("’", "'").split())


def _pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """Any of ``words``, whole; not inside a hyphenated word either, so that no respelling is respelled."""
    found = sorted(words, key=len, reverse=True)
    if not found:
        return None
    ways = "|".join(re.escape(w).replace(r"\ ", r"\s+").replace("'", "['’]") for w in found)
    return re.compile(rf"(?<![\w-])(?:{ways})(?![\w-])", re.IGNORECASE)


def _replaced(text: str, words: Mapping[str, str], pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        return text
    return pattern.sub(lambda m: words.get(_key(m.group()), m.group()), text)


def _lowered(respelling: str) -> str:
    """``oh-KAY-for`` → "oh-kay-for": engines read capitals inside a respelling letter by letter."""
    parts = respelling.split("-")
    if len(parts) < 2 or not any(p.islower() for p in parts):
        return respelling
    return "-".join(p.lower() if p.isupper() and len(p) > 1 else p for p in parts)


# --- markup ---------------------------------------------------------------------------------------

#: What a machine writes for machines; a caption shows it as it is spoken.
_FOR_MACHINES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|(?<=\\w)\u200d(?=\\w)"
)
_BLANKS = re.compile(r"\s+")
_TAG = re.compile(
    r"</?(?:a|b|i|u|s|p|em|br|hr|h[1-6]|li|ol|ul|div|pre|sub|sup|tr|td|th|table|span|code|mark|small|strong|"
    r"speak|break|phoneme|say-as|prosody|emphasis|voice|lang)"
    r"""(?:\s+[\w:-]{1,30}\s?=\s?(?:"[^"<>]{0,200}"|'[^'<>]{0,200}'|[^\s"'<>]{1,100})){0,6}\s?/?>""",
    re.IGNORECASE,
)
_LINK = re.compile(r"!?\[([^\[\]]{1,200})\]\([^()\s]{1,500}\)")
_START = re.compile(r"^(?:\s*(?:#{1,6}\s+|>+\s*|[-*+•▪◦‣·–—]\s+|\[[ xX]\]\s+)(?=\S))+")
_EMPHASIS = re.compile(
    r"(?<![0-9*])\*{2,3}|\*{2,3}(?![0-9*])"  # not 2**3
    r"|\*{1,3}(?=[^\W\d_\"'“(¿¡])|(?<=[^\W\d_])\*{1,3}|(?<=[\w.,!?:;)\"'”%])\*(?![^\W_*])"
    r"|(?<![^\W_])_{1,3}(?=[^\W_¿¡\"'“(])|(?<=[^\W_]|[.,!?:;)\"'”%])_{1,3}(?![^\W_])"
    r"|`{1,3}|~~"
)
_MARKUP = re.compile(r"[&<\[*_`~#>|+•▪◦‣·–—-]")
_CELLS = re.compile(r"\s?\|\s?")


def tidy(text: str) -> str:
    """``text`` without what is written for the eye alone; its words stay, a link keeps its label."""
    for _ in range(_MOST_READINGS):
        before = text
        text = _tidied(text)
        if text == before:
            break
    return text


def _tidied(text: str) -> str:
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    text = _BLANKS.sub(" ", text).strip()
    if not _MARKUP.search(text):
        return text
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(
            lambda m: "" if m.group()[1:3].lower() in ("b>", "i>", "u>", "/b", "/i", "/u") else " ", text
        )
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    text = _EMPHASIS.sub("", _START.sub("", text))
    if "|" in text:
        text = _CELLS.sub(", ", text.strip("| "))
    return _BLANKS.sub(" ", text).strip()
