"""Figures a caller says or keys where a call-back number is asked for: which of them are one. Pure.

What is taken here is read back aloud, sealed in the record and given to a desk. So a card's number, a
national one or an account's is never taken, by whatever way it came: not where it passes its check (Luhn,
ISO/IEC 7812-1), not where the words call it one, and not where it is no number that can be dialled from
the line's country (ITU-T E.164, NANP, Ofcom, CNMC, Bundesnetzagentur). A caller abroad says "plus" first,
or dials out (00, 011).

Sources: PCI DSS 4.0.1, requirements 3.3.1 and 3.5.1; GDPR Art. 5(1)(c) and 87; 42 U.S.C. 405(c)(2)(C)(viii).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from controls.redaction.checks import holds_card, is_card, is_us_itin, is_us_ssn
from controls.redaction.marked import Marked, Run, marked
from controls.redaction.numbers import NATIONAL, dialled_in
from controls.redaction.tables import LABELS
from controls.rules.matchers import Words, compile_phrase, words
from controls.rules.phrase_index import PhraseIndex

#: Figures a number has (E.164 allows 15; a local one in North America has seven).
LEAST, MOST = 7, 15
#: Figures of a local number, where those are dialled without an area.
_LOCAL = {"us": 7}
#: Before a number that is dialled abroad.
_ABROAD = ("00", "011")
#: All that has rules of its own here (``controls.redaction.file.Region``).
REGIONS = frozenset(NATIONAL)
#: What figures are said to be that leaves them a telephone's.
_TELEPHONE = frozenset(("telephone", "number"))

#: What is said right before figures that are no telephone's, within so many words.
_NEAR = 5
_ELSE = frozenset(words(
    "account accounts routing member membership policy claim order reference case record invoice license "
    "licence passport patient "
    "cuenta poliza socio socia expediente pedido referencia pasaporte licencia paciente"
).tokens)  # fmt: skip
#: Beside one of these they are one all the same: "the phone on my account is …".
_A_TELEPHONE = frozenset(words("phone telephone cell mobile call reach telefono celular movil").tokens)
#: Words that ask for a call on the number beside them.
_CALLING = (
    "call/reach/ring/phone/text me/us", "call/reach/ring me/us back", "call back", "callback", "reached",
    "llameme", "llamame", "llamenme", "llamarme", "llamar", "marqueme", "marcarme",
)  # fmt: skip
#: Words that make nothing else of a number than a telephone's, and leave it bare.
_BARE = frozenset(words(
    "a ah and area at back best better call callback can cell code could dial eh er erm fine for ha here hm "
    "home i id is it its like line me mobile my no number numbers of oh ok okay on or phone plus please "
    "reach right ring s so sure telephone text thanks thank that thats the this to try uh um use well will "
    "with work would yeah yep yes you "
    "al anote bueno casa celular claro con de diga el es este esta la llame llamame llameme llamenme llamar "
    "mas me mi movil numero o para por favor pues puede pueden que seria si su telefono trabajo un use va "
    "vale y"
).tokens)  # fmt: skip
#: One of these stands before "you" in a wish.
_MAY = frozenset(words("can could will would please").tokens)
#: Words that turn a wish round.
_TURNS = frozenset(words("not never dont don't nunca jamás tampoco").tokens)


@dataclass(frozen=True, slots=True)
class Figures:
    """What an utterance, or keys, hold in figures.

    Attributes:
        number: the first that can be dialled and is nothing else, with a leading + where one was said; or "".
        agrees: the words around it say nothing but that this is the number, or ask to be called on it.
        others: figures long enough for a number that are none, in the order they came.
    """

    number: str = field(default="", repr=False)
    agrees: bool = False
    others: tuple[str, ...] = field(default=(), repr=False)


def regions_of(place: str, known: Iterable[str] = REGIONS) -> frozenset[str]:
    """Whose numbering plans hold on a line.

    Args:
        place: its jurisdiction, such as ``us-il``; "" is unknown.
        known: the regions the release serves, for a place that has no plan here.
    """
    country = place.partition("-")[0]
    return frozenset((country,)) if country in REGIONS else frozenset(known) or REGIONS


def said(text: str, regions: frozenset[str]) -> Figures:
    """What the caller's words hold."""
    seen, _ = marked(text)
    number, others = "", list[str]()
    for run in seen.runs:
        if not number and (found := _telephone(seen, run, regions)):
            number = found
        elif len(run.digits) >= LEAST:
            others.append(run.digits)
    return Figures(number, bool(number) and _agrees(seen), tuple(others))


def keyed(keys: str, regions: frozenset[str]) -> Figures:
    """What the caller entered by keys, which say of nothing what it is."""
    digits = "".join(key for key in keys if key.isascii() and key.isdigit())
    if _dialled(digits, "", regions):
        return Figures(digits, agrees=True)
    return Figures(others=(digits,) if len(digits) >= LEAST else ())


def goes_on_as_card(number: str, digits: str) -> bool:
    """Whether further figures make a card's number of what was taken for a telephone's."""
    return is_card("".join(c for c in number if c.isdigit()) + digits)


def _telephone(seen: Marked, run: Run, regions: frozenset[str]) -> str:
    """The number in ``run``, or ""."""
    if any(seen.said_to_be(name, run.first, run.last) for name in LABELS if name not in _TELEPHONE):
        return ""
    near = set(seen.tokens[max(0, run.first - _NEAR) : run.first])
    if near & _ELSE and not near & _A_TELEPHONE:
        return ""
    at = seen.spans[run.first][0]
    plus = seen.token(run.first - 1) in ("plus", "mas") or seen.text[max(0, at - 1) : at] == "+"
    sign = "+" if plus else ""
    if not _dialled(run.digits, sign, regions):
        return ""
    if not (plus or dialled_in(run.digits, regions)) and _is_national(seen, run):
        return ""
    return sign + run.digits


def _dialled(digits: str, plus: str, regions: frozenset[str]) -> bool:
    """Whether figures can be dialled, and are no card's and no national number."""
    if not LEAST <= len(digits) <= MOST or holds_card(digits):
        return False
    if plus:
        return len(digits) > LEAST
    if digits.startswith(_ABROAD) and len(digits) > LEAST + 2:
        return True
    if "us" in regions and (is_us_ssn(digits) or is_us_itin(digits)):
        return False
    return dialled_in(digits, regions) or any(_LOCAL.get(region) == len(digits) for region in regions)


def _is_national(seen: Marked, run: Run) -> bool:
    """Whether any country's recogniser takes some of it for a national number."""
    every = (found for known in NATIONAL.values() for find in known for found in find(seen, REGIONS))
    return any(first < run.last and run.first < last for first, last in every)


@lru_cache(maxsize=1)
def _calling() -> PhraseIndex:
    return PhraseIndex((0, compile_phrase(phrase)) for phrase in _CALLING)


def _agrees(seen: Marked) -> bool:
    if _TURNS & set(seen.tokens):
        return False
    figures = {i for run in seen.runs for i in range(run.first, run.last)}
    beside = [token for i, token in enumerate(seen.tokens) if i not in figures and not token.isdecimal()]
    if set(beside) <= _BARE:
        return True
    calls = _calling().find(Words("", seen.tokens, (), frozenset())).get(0, ())
    return any(_asks(seen.tokens[:first]) for first, _ in calls)


def _asks(before: Sequence[str]) -> bool:
    """Whether words before a wish to be called leave it one: "did you call me from …" tells of something."""
    return set(before) <= _BARE and ("you" not in before or not _MAY.isdisjoint(before))
