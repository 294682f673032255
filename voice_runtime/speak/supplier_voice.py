"""What a supplier of a voice is asked with: plain text, and its own name for the voice an agent chose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controls.errors import ProviderError

#: Longest text of one request, in characters; a clause has some 220, a fixed phrase some 600.
LONGEST_TEXT = 4000
#: No clause sounds longer, s; a server that goes on is broken.
LONGEST_S = 300.0

# Control characters, and the brackets in which engines read commands of their own
# (<break/>, <spell>): what was cleared is words, and words are all that is sent.
_NOT_SPOKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff<>]")


def plain_text(text: str, supplier: str) -> str:
    """``text`` with a blank for each character that is no part of speech; offsets stay as they are.

    Raises:
        ProviderError: nothing to say, or too much for one request.
    """
    plain = _NOT_SPOKEN.sub(" ", text)
    if not plain.strip():
        raise ProviderError("nothing to say", supplier=supplier, transient=False)
    if len(plain) > LONGEST_TEXT:
        raise ProviderError("text too long for one clause", supplier=supplier, transient=False)
    return plain


@dataclass(frozen=True, slots=True)
class VoiceNames:
    """Our names of voices to a supplier's.

    Attributes:
        voices: our name → the supplier's, for every language.
        languages: language (BCP 47) → our name → the supplier's, where a voice speaks one language only.
    """

    voices: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, voice: str, language: str, supplier: str) -> str:
        """The supplier's name for a voice; "" when this engine has one voice only.

        Raises:
            ProviderError: the engine has voices, but not this one.
        """
        found = self.languages.get(language, {}).get(voice) or self.voices.get(voice)
        if found is None and (self.voices or self.languages):
            raise ProviderError("has no such voice", supplier=supplier, transient=False)
        return found or ""
