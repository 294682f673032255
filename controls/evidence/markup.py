"""Text into HTML: whatever is not markup of our own making is escaped, and nothing stays invisible.

What a caller said and what a model wrote is hostile input. A character that
would hide, reorder or break what a reader sees is shown by its number instead.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

#: Control characters, and the format characters that hide or reorder text (Unicode, section 23.2;
#: UAX #9). By number, not by property, so that every Python writes the same page. The joiners
#: U+200C and U+200D stay: some languages are written with them.
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
#: Elements without content.
_VOID = frozenset({"meta", "br"})


class Html(str):
    """Markup that may stand in a page as it is; every other string is escaped first."""

    __slots__ = ()


def shown(text: object) -> Html:
    """Any value as escaped text; characters nobody would see stand there by number."""
    if isinstance(text, Html):
        return text
    escaped = html.escape(str(text), quote=True)
    return Html(_UNSEEN.sub(lambda m: f'<span class="mark">U+{ord(m[0]):04X}</span>', escaped))


def tag(name: str, /, *children: object, **attributes: str | None) -> Html:
    """One element. ``class_`` and ``http_equiv`` are written as HTML writes them; None leaves one out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value, quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{''.join(shown(c) for c in children)}</{name}>")


def joined(children: Iterable[object], between: str = "") -> Html:
    """Several pieces in a row."""
    return Html(shown(between).join(shown(c) for c in children))


def words(text: str | None, *, lang: str | None = None, class_: str | None = None) -> Html:
    """Somebody's words, set apart so that their direction of writing moves nothing around them."""
    if text is None:
        return tag("span", "(erased)", class_="erased")
    return tag("bdi", text, lang=lang, class_=class_)


def quoted(text: str | None, *, lang: str | None = None, class_: str | None = None) -> Html:
    """As ``words``, in quotation marks."""
    return (
        words(text) if text is None else joined(["\u201c", words(text, lang=lang, class_=class_), "\u201d"])
    )


def table(
    caption: str,
    columns: Iterable[str],
    rows: Iterable[Iterable[object]],
    *,
    empty: str = "None on record.",
    class_: str | None = None,
) -> Html:
    """A table with a caption and column headings; ``empty`` in its place when there are no rows."""
    body = [
        tag("tr", *(tag("th", c, scope="row") if i == 0 else tag("td", c) for i, c in enumerate(row)))
        for row in rows
    ]
    if not body:
        return tag("p", empty, class_="small")
    head = tag("thead", tag("tr", *(tag("th", c, scope="col") for c in columns)))
    return tag("table", tag("caption", caption), head, tag("tbody", *body), class_=class_)
