"""What Whisper is told before it decodes: language, task, no timestamps, and the house's own words.

The order of the tokens is OpenAI's (https://arxiv.org/abs/2212.04356, figure 1):
previous text, start of transcript, language, task, no timestamps. Hotwords stand
where previous text would: names spelled there are more likely to be written so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from controls.errors import OperatorError

#: Every token of the prompt costs decoding time, and long lists are followed less and repeated more.
MOST_HOTWORD_TOKENS = 64
#: Subtags of BCP 47 that Whisper calls otherwise.
_OTHER_NAMES = {"nb": "no", "iw": "he", "in": "id", "fil": "tl", "jv": "jw", "cmn": "zh", "ji": "yi"}
#: Languages whose words are few tokens each. For others nothing tighter than Whisper's own limit is safe.
_FEW_TOKENS = frozenset(("en", "es", "fr", "de", "it", "pt", "nl", "ca", "sv", "da", "no", "pl", "id", "ms"))
#: Fast speech has 5 words a second, a word of these languages 1.3 tokens, names and numbers spelled out
#: twice that: 12 a second, and some for punctuation.
_TOKENS_A_SECOND, _TOKENS_AT_LEAST, MOST_TOKENS = 12, 16, 224


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of one release and language.

    Attributes:
        language: as Whisper calls it, such as ``en``.
        hotwords: tokens of ``terms``; empty without any.
        terms: the hotwords that fit, in order.
        left_out: how many did not.
    """

    language: str
    hotwords: tuple[int, ...] = ()
    terms: tuple[str, ...] = ()
    left_out: int = 0

    def limit(self, seconds: float) -> int:
        """The most tokens that ``seconds`` of speech are worth: what bounds a decoding that loops."""
        if self.language not in _FEW_TOKENS:
            return MOST_TOKENS
        return min(MOST_TOKENS, _TOKENS_AT_LEAST + round(_TOKENS_A_SECOND * seconds))


def whisper_language(tag: str, *, multilingual: bool) -> str:
    """Whisper's name for a BCP 47 tag: ``en`` for ``en-US``.

    Raises:
        OperatorError: the model does not know the language.
    """
    subtags = tag.lower().replace("_", "-").split("-")
    code = _OTHER_NAMES.get(subtags[0], subtags[0])
    if code == "zh" and "hk" in subtags[1:]:
        code = "yue"
    if code not in _LANGUAGE_CODES:
        raise OperatorError(f"Whisper does not know the language {tag}: give the agent another recogniser")
    if not multilingual and code != "en":
        raise OperatorError(
            f"these Whisper weights are English only and the agent speaks {tag}: "
            "name a model without .en in the profile"
        )
    return code


def make_prompt(tokenizer: Tokenizer, language: str, words: Sequence[str]) -> Prompt:
    """The prompt for a language of Whisper's and the house's words; those that do not fit are counted."""
    terms: list[str] = []
    tokens: list[int] = []
    wanted = list(dict.fromkeys(w for word in words if (w := " ".join(word.split()))))
    for word in wanted:
        longer = tokenizer.encode(" " + ", ".join([*terms, word]))
        if len(longer) > MOST_HOTWORD_TOKENS:
            break
        terms, tokens = [*terms, word], longer
    return Prompt(language, tuple(tokens), tuple(terms), len(wanted) - len(terms))


def prompt_tokens(tokenizer: Tokenizer, prompt: Prompt, language: str) -> list[int]:
    """Token ids of a prompt; ``language`` may be another than its own, where it was detected."""
    ids = [tokenizer.sot_prev, *prompt.hotwords] if prompt.hotwords else []
    ids.append(tokenizer.sot)
    if tokenizer.language is not None:  # multilingual
        ids += [tokenizer.tokenizer.token_to_id(f"<|{language}|>"), tokenizer.transcribe]
    return [*ids, tokenizer.no_timestamps]


def suppressed(tokenizer: Tokenizer) -> list[int]:
    """Tokens that are never text: annotations such as (LAUGHS), and everything that steers the model."""
    steering = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *(t for t in steering if t is not None)})
