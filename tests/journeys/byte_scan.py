"""Looks for what a caller said in bytes: plain, escaped, encoded, digested, numbers however written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import numpy as np

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: How often what is found encoded is decoded once more: a payload in an envelope in a bundle.
_DEPTH = 3
#: A run of this many zero bytes, as the spool is made of, stands for longer ones.
_RUN = 64
_ZEROS = re.compile(rb"\0{%d,}" % _RUN)
#: Shorter words are found in random bytes by chance.
SHORTEST = 6


def written(text: str) -> set[bytes]:
    """A text as bytes, in the ways it may be written out; lower case."""
    low = text.lower()
    forms = {low.encode(), low.encode("utf-16-le"), low.encode("latin-1", "replace")}
    forms |= {json.dumps(low)[1:-1].encode(), quote(low).lower().encode(), quote_plus(low).lower().encode()}
    forms |= {re.sub(r"\W+", mark, low).encode() for mark in ("-", "_", "")}
    return {form for form in forms if len(form) >= SHORTEST}


def encoded(data: bytes) -> set[bytes]:
    """Pieces that any base64 or hexadecimal of bytes around ``data`` would hold."""
    found = {data.hex().encode(), data.hex().upper().encode()}
    for shift in range(3):  # base64 sees the data at one of three places
        whole = base64.b64encode(b"\0" * shift + data)
        core = whole[-(-shift * 8 // 6) : len(whole) - len(whole) % 4 - 4]
        found |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    return {piece for piece in found if len(piece) >= 2 * SHORTEST - 4}


def digested(data: bytes) -> set[bytes]:
    """Bare digests, which whoever can guess the words can compare."""
    found: set[bytes] = set()
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, data).digest()
        found |= {digest, digest.hex().encode(), base64.b64encode(digest)[:-2], digest[:16].hex().encode()}
    return found


def number_pattern(digits: str) -> bytes:
    """The digits with anything short between them, or spoken one by one."""
    apart = rb"[^0-9A-Za-z]{0,3}"
    plain = apart.join(d.encode() for d in digits)
    spoken = rb"[^a-z]{1,3}".join(rb"(?:oh|o|zero)" if d == "0" else _DIGITS[int(d)].encode() for d in digits)
    # Not amid other digits: 64 of them in a row, as a digest has, hold any ten now and then.
    return rb"(?<![0-9a-f])(?:0{0,2}1" + apart + rb")?" + plain + rb"(?![0-9a-f])|" + spoken


class Needles:
    """What must not be found: texts, and telephone numbers by their digits."""

    def __init__(self, texts: Iterable[str], numbers: Iterable[str] = ()) -> None:
        low: dict[bytes, str] = {}
        exact: dict[bytes, str] = {}
        self._patterns = [(re.compile(number_pattern(n)), n) for n in numbers]
        for number in numbers:
            for form in (number, "1" + number, "+1" + number):
                exact |= dict.fromkeys(digested(form.encode()) | encoded(form.encode()), number)
        for text in texts:
            if len(text) < SHORTEST:
                continue
            low |= dict.fromkeys(written(text), text)
            for data in {text.encode(), text.lower().encode()}:
                exact |= dict.fromkeys(digested(data) | encoded(data), text)
        self._low, self._exact = _Pieces(low), _Pieces(exact)
        self._count = len(set(low.values())) + len(self._patterns)

    def __len__(self) -> int:
        return self._count

    def found_in(self, data: bytes) -> set[str]:
        """Which of them stand in ``data``, in whatever form."""
        found: set[str] = set()
        layer, depth = _ZEROS.sub(bytes(_RUN), data), 0
        while layer and depth <= _DEPTH:
            low = layer.lower()
            found |= self._low.found_in(low) | self._exact.found_in(layer)
            found |= {number for pattern, number in self._patterns if pattern.search(low)}
            layer, depth = b"\n".join(decoded(layer)), depth + 1
        return found


class _Pieces:
    """Many byte strings looked for at once, by their first eight bytes."""

    def __init__(self, pieces: dict[bytes, str]) -> None:
        self._short = {p: text for p, text in pieces.items() if len(p) < 8}
        self._long: dict[int, list[tuple[bytes, str]]] = {}
        for piece, text in pieces.items():
            if len(piece) >= 8:
                self._long.setdefault(int.from_bytes(piece[:8], "little"), []).append((piece, text))
        self._starts = np.array(sorted(self._long), dtype=np.uint64)

    def found_in(self, data: bytes) -> set[str]:
        found = {text for piece, text in self._short.items() if piece in data}
        if len(data) < 8:
            return found
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), 8)
        values = np.ascontiguousarray(windows).view(np.uint64)[:, 0]
        for at in np.flatnonzero(np.isin(values, self._starts)):
            for piece, text in self._long[int(values[at])]:
                if data.startswith(piece, int(at)):
                    found.add(text)
        return found


def decoded(data: bytes) -> Iterator[bytes]:
    """What stands in ``data`` as base64."""
    for match in _BASE64.finditer(data):
        piece = match[0].translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        yield base64.b64decode(piece + b"=" * (-len(piece) % 4) if len(piece) % 4 != 1 else piece[:-1] + b"")


def places(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under ``root``: its name, its bytes, and of a database each value in each row."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        yield f"the name {name}", name.encode()
        if not path.is_file():
            continue
        yield name, path.read_bytes()
        if path.suffix == ".db":
            yield f"rows of {name}", b"\n".join(rows(path))


def rows(path: Path) -> Iterator[bytes]:
    """Every value of every table: in the file a long one lies in pieces, on several pages."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in tables:
            for row in db.execute(f'SELECT * FROM "{table}"'):
                yield from (v if isinstance(v, bytes) else str(v).encode() for v in row)
