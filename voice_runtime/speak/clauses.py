"""Model tokens to clauses: pieces of an answer that are judged and spoken whole.

Pure and incremental. A clause ends at the end of a sentence, at a line break, or
at a blank when it grows too long. The first clause of an answer is small, so that
the caller hears something soon; where it may end besides is said in
``first_clause``. Nothing is changed but white space: a clause is what the model
wrote, and ``spoken`` reads it whole, so no clause ends inside a date, a time or an
amount.

When a full stop ends a sentence is decided by what stands before it
(abbreviations, initials, figures and addresses do not) and after it. A token
that ends in a full stop or question mark after an ordinary word ends the clause
at once, without waiting for the next token: tokenisers keep ".com" and ".5"
together with what follows. Whatever else is ambiguous waits for the next token.
So two chunkings of one text give the same clauses as long as neither cuts
between a mark and a non-blank directly after it.
"""

from __future__ import annotations

import re

from voice_runtime.speak.first_clause import FirstClause

#: Characters after which a clause is cut at the best blank before.
LONGEST = 220
#: Characters without a single blank after which a cut inside the run is accepted.
_LONGEST_RUN = 1000
#: When a long clause is cut, a comma after this many characters is preferred to a later blank.
_COMMA_FROM = 80

_CLOSERS = "\"')]}»”’*_"
_OPENERS = "\"'([{«“‘¿¡*_-–—•"
_SOFT = ",;:–—"
_WIDE_STOPS = "。！？"
_STOPPED = re.compile(rf"[.?!…]+[{re.escape(_CLOSERS)}]*$")
_ORDINARY = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
#: An amount, or the year of a date ("de 2026"), begins here.
_FIGURE_AFTER = re.compile(r"[(+$€£#-]?\d|(?:de|del|of) \d")
_LIST_NUMBER = re.compile(r"\(?\d{1,2}")

_ABBREVIATIONS = {
    "": "dr mr mrs ms prof st jr sr vs etc approx tel vol ca www",
    "en": "rev hon gen capt lt sgt ave blvd rd ln hwy pkwy bldg apt ste dept min max hr hrs appt mon tue"
    " tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec inc ltd corp co"
    " est mt ft",
    "es": "sra srta dra dres sres d dña ud uds vd vds av avda pza izq dcha aprox pág págs núm nro apto depto"
    " dpto profa teléf ee uu ee.uu ej máx mín sto sta lun mié jue vie sáb ene abr ago dic",
    "de": "hr fr nr bzw ca usw str z.b d.h ggf",
    "fr": "m mm mme mlle me av bd env",
}
#: "November 24," waits for its year.
_DAY_OF_MONTH = re.compile(r"\b[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,$")
#: Abbreviations only where a figure follows; elsewhere ordinary words that may end a sentence.
_BEFORE_FIGURE = frozenset(["no", "nos", "nr", "fig", "ext", "núm", "art", "pp", "sec"])


class ClauseSplitter:
    """Splits one answer, fed as it is produced. After ``finish`` it is ready for the next."""

    def __init__(self, language: str = "en-US") -> None:
        """Choose abbreviations by the primary subtag of a BCP 47 tag; unknown ones get the common list."""
        primary = language.partition("-")[0].lower()
        self._abbreviations = frozenset((_ABBREVIATIONS[""] + " " + _ABBREVIATIONS.get(primary, "")).split())
        self._beginning = FirstClause(primary)
        self._text = ""
        self._first = True
        self._out: list[str] = []

    def push(self, text: str) -> list[str]:
        """Take the next token or tokens; return the clauses that are complete, in order."""
        for char in text:
            if char.isspace():
                self._blank(char)
            else:
                self._sign(char)
        if self._text and not self._text[-1].isspace() and self._ends_at_once():
            self._emit()
        return self._taken()

    def finish(self) -> list[str]:
        """The answer is complete: return what is left, unless it holds no letter or figure."""
        self._emit()
        self._text = ""
        self._first = True
        return self._taken()

    def _taken(self) -> list[str]:
        out, self._out = self._out, []
        return out

    # --- one character ----------------------------------------------------------------------------

    def _blank(self, char: str) -> None:
        line_break = char in "\n\r\u2028\u2029"
        if not self._text:
            return
        if self._text[-1] == " ":
            if line_break:
                self._emit()
            return
        if line_break or self._ends_before_blank():
            self._emit()
        elif self._first and (at := self._beginning.ends(self._text)) is not None:
            self._split(at)
        if self._text:
            self._text += " "
            self._bound()

    def _sign(self, char: str) -> None:
        if self._text.endswith(" ") and self._awaits_figure() and not char.isdigit():
            self._emit()
        self._text += char
        if char in _WIDE_STOPS:
            self._emit()
        self._bound()

    def _emit(self) -> None:
        """Hand out what has gathered; signs without a letter or figure wait for the next clause."""
        clause = self._text.strip()
        if any(c.isalnum() for c in clause):
            self._out.append(clause)
            self._text = ""
            self._first = False

    def _bound(self) -> None:
        if len(self._text) <= LONGEST:
            return
        cut = self._cut()
        if cut is None:
            return
        self._split(cut)

    def _split(self, at: int) -> None:
        rest = self._text[at:].lstrip()
        self._text = self._text[:at]
        self._emit()
        self._text = rest  # a run of signs as long as ``LONGEST`` is dropped: nothing in it can be spoken

    def _cut(self) -> int | None:
        """Where to cut a clause that is too long: after a comma, else at a blank, not inside a number."""
        text = self._text
        blanks = [i for i, c in enumerate(text[: LONGEST + 1]) if c == " " and i]
        if not blanks:
            return _LONGEST_RUN if len(text) > _LONGEST_RUN else None
        outside = [i for i in blanks if not (text[i - 1].isdigit() and text[i + 1 : i + 2].isdigit())]
        clear = [i for i in outside if not (text[i - 1].isdigit() or _FIGURE_AFTER.match(text, i + 1))]
        commas = [i for i in clear if i >= _COMMA_FROM and text[i - 1] in _SOFT]
        return (commas or clear or outside or blanks)[-1]

    # --- is this an end? --------------------------------------------------------------------------

    def _last_word(self) -> str:
        word = self._text.rstrip().rpartition(" ")[2]
        return _STOPPED.sub("", word).lstrip(_OPENERS)

    def _mark(self) -> str:
        """The stop that ends the text: "." full stop, ".." several, "?" any stronger one, else ""."""
        found = _STOPPED.search(self._text.rstrip())
        if found is None:
            return ""
        stops = found.group().rstrip(_CLOSERS)
        if stops.strip("."):
            return "?"
        return "." if stops == "." else ".."

    def _ends_before_blank(self) -> bool:
        mark = self._mark()
        if mark in ("?", ".."):
            return True
        if mark == ".":
            word = self._last_word()
            listed = bool(_LIST_NUMBER.fullmatch(word)) and " " not in self._text.strip()
            return not listed and not self._abbreviated(word) and word.lower() not in _BEFORE_FIGURE
        return self._first_comma()

    def _ends_at_once(self) -> bool:
        """Whether the end of a token here is the end of a clause, whatever comes."""
        word = self._last_word()
        mark = self._mark()
        if mark == "..":
            return False
        if mark:
            plain = bool(_ORDINARY.fullmatch(word) or _CLOCK.fullmatch(word))
            if mark == "?":
                return plain or word.isalnum()
            return plain and not self._abbreviated(word) and word.lower() not in _BEFORE_FIGURE
        comma = self._text[-1] in ",;" and bool(_ORDINARY.fullmatch(word.rstrip(_SOFT)))
        return comma and self._first_comma()

    def _awaits_figure(self) -> bool:
        return self._mark() == "." and self._last_word().lower() in _BEFORE_FIGURE

    def _abbreviated(self, word: str) -> bool:
        """Initials, "a.m.", and the language's abbreviations. A lone figure is not one."""
        return bool(_INITIALS.fullmatch(word)) or word.lower() in self._abbreviations

    def _first_comma(self) -> bool:
        text = self._text.rstrip()
        if not self._first or text[-1:] not in tuple(_SOFT):
            return False
        return self._beginning.may_end_at(text) and not _DAY_OF_MONTH.search(text)
