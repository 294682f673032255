"""What the stand-in answers: an agent's ``offline.yaml``, ordered patterns with slots, and no more.

A file is::

    slots: {doctor: [Patel, Okafor], day: [Monday, Tuesday], number: digits}
    patterns:
      - when: {said: "can i see doctor {doctor} on {day}"}      # or a list of alternatives
        call: {tool: find_slots, arguments: {doctor: "{doctor}", day: "{day}"}}
      - when: {tool_result: find_slots, slots: []}              # further keys: fields of the result
        say: "There is nothing left on {day}."
      - when: {tool_result: find_slots}
        say: "{day} at {slots}. Which suits you?"
      - otherwise: true
        say: "I did not understand that."

A slot of ``digits`` takes a telephone number, said digit by digit or typed. The first
pattern that applies answers. ``said`` is compared word by word, without
case and punctuation, and may stand anywhere in what the caller said. Slots are
remembered through the conversation, the newest value counting; in a ``tool_result``
pattern the result's fields come first, lists joined with ", or " (``or: o`` in Spanish). A pattern that needs
a slot nobody has filled does not apply. Everything is computed from the messages of
the request: the same messages give the same answer.

An agent of several languages has a file for each (``offline.yaml``,
``offline.es-US.yaml``); which one answers is read from the system prompt, where
a language model would read it too.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from controls.errors import ConfigurationError, Problem
from voice_runtime.agent import answered_in
from voice_runtime.yaml_file import Document, load_document, parse_document

_SLOT = re.compile(r"[a-z][a-z0-9_]*\Z")
#: What a slot of numbers is declared as, and the words of its digits in the languages served so far.
DIGITS = "digits"
_DIGIT_WORDS = {
    word: str(i % 10)
    for names in (
        "zero one two three four five six seven eight nine",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
    )
    for i, word in enumerate(names.split())
} | {"oh": "0"}
_NUMBER = r"[0-9]{7,15}"


@dataclass(frozen=True, slots=True)
class Say:
    """The stand-in answers with words."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """The stand-in asks for a tool."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One entry. Exactly one of ``said``, ``tool_result`` and neither (otherwise) is set."""

    said: tuple[re.Pattern[str], ...] = ()
    tool_result: str = ""
    fields: tuple[tuple[str, Any], ...] = ()
    say: str = ""
    tool: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()


def words(text: str) -> str:
    """Lower-case words with single spaces: no case, accents or punctuation, ``can't`` as ``cant``."""
    folded = unicodedata.normalize("NFKD", text).casefold().replace("'", "").replace("’", "")
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


def said_words(text: str) -> str:
    """As ``words``, telephone numbers (7 to 15 digits, E.164) in one piece however they were said."""
    out: list[str] = []
    run: list[str] = []
    for word in [*words(text).split(), ""]:
        if word and (word in _DIGIT_WORDS or (word.isascii() and word.isdigit())):
            run.append(word)
            continue
        number = "".join(_DIGIT_WORDS.get(digit, digit) for digit in run)
        out += [number] if 7 <= len(number) <= 15 else run
        run = []
        out += [word] if word else []
    return " ".join(out)


class Scripts:
    """One agent's scripts: one for each language it serves."""

    def __init__(self, first: Script, further: Mapping[str, Script] | None = None) -> None:
        """Take the first language's script, and the others by language tag."""
        self._first = first
        self._further = dict(further or {})

    def answer(self, messages: Sequence[Mapping[str, Any]], tools: set[str] | None = None) -> Say | Call:
        """As ``Script.answer``, from the script of the language that the system prompt asks for."""
        prompts = [_text(m) for m in messages if m.get("role") in ("system", "developer")]
        language = next((found for prompt in prompts if (found := answered_in(prompt))), "")
        return self._further.get(language, self._first).answer(messages, tools)


class Script:
    """One language's patterns. Stateless: the conversation is in the request."""

    def __init__(
        self, patterns: Sequence[_Pattern], slots: Mapping[str, Mapping[str, str]], either: str = "or"
    ) -> None:
        """Take compiled patterns, and slot → plain value → the value as written (empty for digits).

        Args:
            either: the word between alternatives, such as ``or``.
        """
        self._either = either
        self._patterns = tuple(patterns)
        self._slots = slots

    def answer(self, messages: Sequence[Mapping[str, Any]], tools: set[str] | None = None) -> Say | Call:
        """Answer a conversation.

        Args:
            messages: as in ``/v1/chat/completions``.
            tools: names offered in the request; a tool not among them is not asked for.
        """
        memory = self._remember(messages)
        result = _newest_result(messages)
        said = "" if result else _newest_said(messages)
        for pattern in self._patterns:
            values: dict[str, Any] = dict(memory)
            if pattern.tool_result:
                if result is None or not _applies(pattern, *result):
                    continue
                values |= result[1]
            elif pattern.said and not any(p.search(said) for p in pattern.said):
                continue
            if pattern.tool and tools is not None and pattern.tool not in tools:
                continue
            try:
                return _fill(pattern, values, f", {self._either} ")
            except KeyError:  # it needs a slot nobody has filled
                continue
        raise AssertionError("a script ends with otherwise, which needs nothing")

    def _remember(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        memory: dict[str, str] = {}
        for message in messages:
            if message.get("role") != "user":
                continue
            said = said_words(_text(message))
            found = (p.search(said) for pattern in self._patterns for p in pattern.said)
            match = next((m for m in found if m), None)
            if match:
                memory |= {slot: self._slots[slot].get(v, v) for slot, v in match.groupdict().items()}
        return memory


def _newest_result(messages: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Any]] | None:
    """Name and fields of the tool's result, when it is the newest message."""
    if not messages or messages[-1].get("role") != "tool":
        return None
    wanted = messages[-1].get("tool_call_id")
    name = str(messages[-1].get("name") or "")
    for message in messages:
        for call in message.get("tool_calls") or ():
            if call.get("id") == wanted:
                name = str(call.get("function", {}).get("name") or name)
    try:
        fields = json.loads(_text(messages[-1]))
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return name, {"ok": False}
    data = fields.pop("data", None)  # what the service itself answered
    return name, fields | data if isinstance(data, dict) else fields


def _newest_said(messages: Sequence[Mapping[str, Any]]) -> str:
    newest = messages[-1] if messages else {}
    return said_words(_text(newest)) if newest.get("role") == "user" else ""


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(p.get("text") or "") for p in content if isinstance(p, Mapping))
    return content if isinstance(content, str) else ""


def _applies(pattern: _Pattern, tool: str, fields: Mapping[str, Any]) -> bool:
    return pattern.tool_result == tool and all(_same(fields.get(k), v) for k, v in pattern.fields)


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return words(found) == words(wanted)
    return type(found) is type(wanted) and bool(found == wanted)


def _fill(pattern: _Pattern, values: Mapping[str, Any], between: str) -> Say | Call:
    if pattern.tool:
        return Call(
            pattern.tool,
            {k: _insert(v, values, between) if isinstance(v, str) else v for k, v in pattern.arguments},
        )
    text = _insert(pattern.say, values, between)
    return Say(text[:1].upper() + text[1:])


def _insert(template: str, values: Mapping[str, Any], between: str) -> str:
    """Put values into ``{slot}``; raises ``KeyError`` for one that is not there."""
    return "".join(
        literal + ("" if name is None else _spoken(values[name], between))
        for literal, name, _, _ in Formatter().parse(template)
    )


def _spoken(value: Any, between: str) -> str:
    if isinstance(value, list):
        if not value:
            raise KeyError("nothing to say")
        return between.join(str(item) for item in value)
    if value is None or isinstance(value, dict):
        raise KeyError("nothing to say")
    return str(value)


# --- reading the file ------------------------------------------------------------------------------


def load_script(path: Path, root: Path | None = None) -> Script:
    """Read an ``offline.yaml``.

    Raises:
        ConfigurationError: with file, line, field and remedy of every problem.
    """
    return _Reading(load_document(path, root, what="script of the stand-in")).script()


def load_scripts(path: Path, root: Path | None = None) -> Scripts:
    """Read an agent's ``offline.yaml`` and the scripts of its further languages beside it.

    Raises:
        ConfigurationError: as ``load_script``.
    """
    stem = path.name.removesuffix(".yaml")
    further = {
        other.name.removeprefix(f"{stem}.").removesuffix(".yaml"): load_script(other, root)
        for other in sorted(path.parent.glob(f"{stem}.*.yaml"))
    }
    return Scripts(load_script(path, root), further)


def parse_script(text: str, file: str = "offline.yaml") -> Script:
    """As ``load_script``, from text."""
    return _Reading(parse_document(text, file)).script()


_Where = tuple[str | int, ...]


class _Reading:
    """Checks one document, and collects every problem before it refuses."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[Problem] = []
        self._slots: dict[str, dict[str, str]] = {}

    def script(self) -> Script:
        data = self._mapping(self._document.data, (), {"slots", "patterns", "format", "phrases", "or"})
        for name, values in self._mapping(data.get("slots") or {}, ("slots",), None).items():
            self._slot(name, values)
        patterns: list[_Pattern] = []
        entries = data.get("patterns")
        if not isinstance(entries, list) or not entries:
            self._wrong(("patterns",), "is missing or empty", "write a list of patterns")
            entries = []
        for i, entry in enumerate(entries):
            if (pattern := self._pattern(entry, ("patterns", i), last=i == len(entries) - 1)) is not None:
                patterns.append(pattern)
        either = self._words(data.get("or", "or"), ("or",), set())
        if self._problems:
            raise ConfigurationError(self._problems)
        return Script(patterns, self._slots, either)

    def _wrong(self, at: _Where, message: str, remedy: str) -> None:
        self._problems.append(self._document.problem(at, message, remedy))

    def _mapping(self, value: Any, at: _Where, known: set[str] | None) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(at, "is not a mapping", "write keys and values")
            return {}
        for key in value:
            if known is not None and key not in known:
                self._wrong((*at, key), "is not a known key", f"known here: {', '.join(sorted(known))}")
        return value

    def _slot(self, name: str, values: Any) -> None:
        at = ("slots", name)
        if not _SLOT.match(name):
            self._wrong(at, "is no slot name", "write a lower-case word")
        if values == DIGITS:
            self._slots[name] = {}
            return
        if not isinstance(values, list) or not values:
            self._wrong(at, "has no values", "write a list of words, such as [Monday, Tuesday], or digits")
            return
        taken: dict[str, str] = {}
        for i, value in enumerate(values):
            if not isinstance(value, str) or not words(value):
                self._wrong((*at, i), "is not a word", 'write words, numbers in words or quotes: "ten"')
            elif words(value) in taken:
                self._wrong((*at, i), "is written twice", "keep one")
            else:
                taken[words(value)] = value
        self._slots[name] = taken

    def _pattern(self, entry: Any, at: _Where, *, last: bool) -> _Pattern | None:
        entry = self._mapping(entry, at, {"when", "if", "otherwise", "say", "call"})
        if ("say" in entry) == ("call" in entry):
            self._wrong(at, "needs one answer", "write say or call, not both")
        otherwise = "otherwise" in entry
        if otherwise == ("when" in entry) or (otherwise and entry["otherwise"] is not True):
            self._wrong(at, "needs one condition", "write when, or otherwise: true")
            return None
        if otherwise != last:
            self._wrong(at, "stands in the wrong place", "write otherwise: true once, as the last pattern")
        said, tool, fields = ((), "", ()) if otherwise else self._when(entry, at)
        known = None if tool else set(self._slots)
        if otherwise:
            known = set()  # it must always apply, so it can need nothing
        call = self._mapping(entry["call"], (*at, "call"), {"tool", "arguments"}) if "call" in entry else {}
        if otherwise and call:
            self._wrong((*at, "call"), "cannot be the last resort", "write say")
        return _Pattern(
            said=said,
            tool_result=tool,
            fields=fields,
            say=self._words(entry["say"], (*at, "say"), known) if "say" in entry else "",
            tool=self._words(call.get("tool"), (*at, "call", "tool"), set()) if call else "",
            arguments=self._arguments(call.get("arguments") or {}, (*at, "call", "arguments"), known),
        )

    def _when(
        self, entry: dict[str, Any], at: _Where
    ) -> tuple[tuple[re.Pattern[str], ...], str, tuple[tuple[str, Any], ...]]:
        when = self._mapping(entry["when"], (*at, "when"), None)
        at = (*at, "when")
        if ("said" in when) == ("tool_result" in when):
            self._wrong(at, "needs one condition", "write said or tool_result")
            return (), "", ()
        if "tool_result" in when:
            tool = self._words(when["tool_result"], (*at, "tool_result"), set())
            fields = {k: v for k, v in when.items() if k not in ("tool_result", "if")}
            fields |= self._mapping(when.get("if") or entry.get("if") or {}, at, None)
            return (), tool, tuple(fields.items())
        for key in [k for k in when if k != "said"] + (["if"] if "if" in entry else []):
            self._wrong((*at, key), "is for tool_result only", "remove it")
        said = when["said"] if isinstance(when["said"], list) else [when["said"]]
        found = [self._said(text, (*at, "said")) for text in said]
        return tuple(p for p in found if p is not None), "", ()

    def _said(self, text: Any, at: _Where) -> re.Pattern[str] | None:
        if not isinstance(text, str) or not words(text):
            self._wrong(at, "has no words", "write what the caller says, in quotes")
            return None
        names = self._names(text, at)
        if names is None:
            return None
        if len(set(names)) != len(names) or not set(names) <= set(self._slots):
            self._wrong(at, "names a slot twice or one that is not declared", "declare it once under slots")
            return None
        parts = []
        for literal, name, _, _ in Formatter().parse(text):
            if words(literal):
                parts.append(re.escape(words(literal)))
            if name is not None:
                values = sorted(self._slots[name], key=len, reverse=True)
                options = "|".join(re.escape(v) for v in values) or _NUMBER
                parts.append(f"(?P<{name}>{options})")
        return re.compile(rf"(?:^|(?<= )){' '.join(parts)}(?= |$)")

    def _words(self, value: Any, at: _Where, known: set[str] | None) -> str:
        if not isinstance(value, str) or not value.strip():
            self._wrong(at, "has no words", "write text in quotes")
            return ""
        unknown = set(self._names(value, at) or ()) - known if known is not None else set()
        if unknown:
            remedy = f"declare it under slots: {', '.join(sorted(unknown))}" if known else "write plain words"
            self._wrong(at, "needs a slot that may not be filled", remedy)
        return value

    def _arguments(self, value: Any, at: _Where, known: set[str] | None) -> tuple[tuple[str, Any], ...]:
        found = self._mapping(value, at, None)
        for name, argument in found.items():
            if isinstance(argument, str):
                self._words(argument, (*at, name), known)
        return tuple(found.items())

    def _names(self, text: str, at: _Where) -> list[str] | None:
        """The slots in braces; None when the braces are wrong, which is noted."""
        try:
            parsed = [(name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None]
        except ValueError:
            self._wrong(at, "has a loose brace", "write {slot}, or no braces")
            return None
        if any(spec or how or not _SLOT.match(name) for name, spec, how in parsed):
            self._wrong(at, "has something other than a slot in braces", "write {slot}")
            return None
        return [name for name, _, _ in parsed]
