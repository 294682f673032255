"""Where the first clause of an answer may end early, so that the caller hears something soon. Pure.

Besides the ends that every clause has (``clauses``), the first one may end

- at a comma, once five words stand before it; sooner only after a courtesy that
  claims nothing ("Thank you,", "Let me see,"). "Yes," and "Of course," are no
  courtesies: they would stand even if the rest of the answer were refused;
- before words that begin a statement of their own ("but", "because", "and we"),
  once six words stand before them. Never before words that take back or narrow
  what was said ("if", "unless", "only", "when"): half a sentence may say its
  opposite;
- between two words past ``LONGEST`` characters, for an answer that has none of these.

Never next to a figure, a number's word, an abbreviation, or behind an article or a
preposition. Languages without word lists have only the comma.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Characters of a first clause, some 4 s of speech: time enough for a slow model to go on.
LONGEST = 70
#: Words before a comma; fewer sound chopped.
_BEFORE_A_COMMA = 5
#: Words before an end that no mark shows.
_BEFORE_AN_END = 6
_MARKS = "\"'“”‘’«»([{)]},;:–—*_¿¡"


@dataclass(frozen=True)
class _Words:
    """One language's words, lower case.

    Attributes:
        courtesies: whole beginnings of an answer that claim nothing.
        begin: words that begin a statement by themselves.
        joins, subjects: words that do so together, the second behind the first.
        never_last: words no clause ends with.
        never_first: words that belong to what stands before them, or take it back.
        numbers: parts of numbers and times that are spelled out.
    """

    courtesies: frozenset[str]
    begin: frozenset[str]
    joins: frozenset[str]
    subjects: frozenset[str]
    never_last: frozenset[str]
    never_first: frozenset[str]
    numbers: frozenset[str]


def _set(words: str, separator: str | None = None) -> frozenset[str]:
    return frozenset(words.split(separator))


_WORDS = {
    "en": _Words(
        courtesies=_set(
            "thank you|thanks|thank you very much|let me see|let me check|i see|i understand|hello|"
            "good morning|good afternoon|good evening|good question|one moment", "|",
        ),
        begin=_set("but because although whereas"),
        joins=_set("and so or then"),
        subjects=_set(
            "i i'm i'll i've we we're we'll we've you you're you'll it it's there there's they he she"
            " please"
        ),
        never_last=_set(
            "a an the my your his her its our their this that these those of at on in to for with and or"
            " but from by about into between as than very not no is are was were be been will would can"
            " could should may must have has had do does did i we you they he she it dr mr mrs ms doctor"
            " mister"
        ),
        never_first=_set(
            "of if unless until till only except when without provided not never or too either though"
        ),
        numbers=_set(
            "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
            " fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty"
            " ninety hundred thousand million half quarter noon midnight o'clock am pm first second third"
        ),
    ),
    "es": _Words(
        courtesies=_set(
            "gracias|muchas gracias|a ver|déjeme ver|entiendo|ya veo|comprendo|hola|buenos días|"
            "buenas tardes|buenas noches|buena pregunta|un momento", "|",
        ),
        begin=_set("pero porque aunque"),
        joins=_set("y entonces"),
        subjects=_set(
            "yo usted ustedes nosotros le les hay tenemos puedo podemos puede está están también"
        ),
        never_last=_set(
            "un una unos unas el la los las lo de del al a en con por para y o u e ni pero mi mis su sus"
            " nuestro nuestra que es son está están fue era muy más menos no se me le les ha han he puede"
            " sin sobre entre doctor doctora señor señora sr sra dr dra"
        ),
        never_first=_set(
            "de del si cuando salvo excepto solo sólo solamente hasta sin siempre no nunca o ni tampoco"
            " sino"
        ),
        numbers=_set(
            "cero uno una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
            " dieciséis diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta sesenta setenta"
            " ochenta noventa cien ciento mil millón media cuarto mediodía medianoche primero segundo"
            " tercero"
        ),
    ),
}  # fmt: skip


class FirstClause:
    """The rule for one language, by its primary subtag."""

    def __init__(self, primary: str) -> None:
        self._words = _WORDS.get(primary)

    def may_end_at(self, text: str) -> bool:
        """Whether the first clause may end with ``text``, which ends in a soft mark such as a comma."""
        if sum(any(c.isalnum() for c in word) for word in text.split(" ")) >= _BEFORE_A_COMMA:
            return True
        courtesies = self._words.courtesies if self._words is not None else frozenset()
        return text.endswith(",") and text[:-1].strip(_MARKS).lower() in courtesies

    def ends(self, text: str) -> int | None:
        """Where the first clause ends in ``text``, whose last word is complete; None: not yet.

        Args:
            text: words with single blanks between them.

        Returns:
            The place of a blank: the clause is what stands before it.
        """
        if self._words is None:
            return None
        words = text.split(" ")
        found = self._before_a_statement(words)
        if found is None and len(text) > LONGEST:
            found = self._between(words)
        return None if found is None else len(" ".join(words[:found]))

    def _before_a_statement(self, words: list[str]) -> int | None:
        """How many words stand before a statement that the newest words begin."""
        lists = self._words
        assert lists is not None
        count = len(words)
        last, before = words[-1].lower(), words[-2].lower() if count > 1 else ""
        if last in lists.begin:
            count -= 1
        elif last in lists.subjects and before in lists.joins:
            count -= 2
        else:
            return None
        return count if count >= _BEFORE_AN_END and self._parted(words[count - 1], words[count]) else None

    def _between(self, words: list[str]) -> int | None:
        """The most words within the bound after which nothing is torn apart."""
        fits = [n for n in range(_BEFORE_AN_END, len(words)) if len(" ".join(words[:n])) <= LONGEST]
        return next((n for n in reversed(fits) if self._parted(words[n - 1], words[n])), None)

    def _parted(self, last: str, first: str) -> bool:
        """Whether a clause may end with one word and the next begin with the other."""
        lists = self._words
        assert lists is not None
        if any(c.isdigit() for c in last + first) or last.endswith("."):
            return False
        a, b = last.strip(_MARKS).lower(), first.strip(_MARKS).lower()
        return not (
            a in lists.never_last or b in lists.never_first or a in lists.numbers or b in lists.numbers
        )
