"""Service classes by import path: from a profile's ``use:`` to instances, or to what is wrong with it.

Only what the profile's ``providers.allow`` lists is ever imported. Everything an
entry says is held against the class before the first call: that it is a service
of the kind wanted, that it has each argument and each setting, and that their
values have the types it declares.

In ``arguments`` and ``settings`` three values are filled in for each use:
``"{language}"`` (BCP 47), ``"{voice}"`` (the supplier's own name for it) and
``"{words}"`` (a list: names and terms of the house, for keyterms and the like).
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.metadata
import importlib.util
import inspect
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, Protocol, cast

from loguru import logger
from pipecat.services.ai_service import AIService
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from controls.errors import ConfigurationError, OperatorError, Problem
from voice_runtime.secret import Secret
from voice_runtime.yaml_file import Document, dotted

Kind = Literal["recogniser", "voice", "model"]
At = tuple[str | int, ...]

#: What a class must derive from, by kind.
_BASES: dict[Kind, tuple[str, str]] = {
    "recogniser": ("pipecat.services.stt_service", "STTService"),
    "voice": ("pipecat.services.tts_service", "TTSService"),
    "model": ("pipecat.services.llm_service", "LLMService"),
}
#: Arguments that are Sayso's to give.
_OURS = {
    "settings": "write its fields under settings, beside arguments",
    "aiohttp_session": "remove it; Sayso brings the session",
    "http_client": "remove it; the service brings its own",
    "name": "remove it",
    "metrics": "remove it",
    "enable_direct_mode": "remove it",
}
_FILLED_IN = ("{language}", "{voice}", "{words}")
_PIPECAT = "pipecat.services."


class Entry(Protocol):
    """What is needed of a profile's entry with ``engine: pipecat``."""

    @property
    def name(self) -> str: ...
    @property
    def use(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def keys(self) -> Mapping[str, Secret]: ...


@dataclass(frozen=True, slots=True)
class Provider:
    """A service class held against what the profile says of it.

    Attributes:
        name: the supplier's, on record.
        service: the class.
        arguments, settings: as the profile has them, in the types the class declares.
        keys: argument → secret.
        accepts: names of the constructor's arguments.
        sets: names of the fields of its ``Settings``; empty when it has none.
    """

    name: str
    kind: Kind
    service: type[AIService]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    accepts: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()

    @property
    def rate_hz(self) -> int | None:
        """The sample rate the entry asks for, Hz; None: the service's own."""
        rate = self.arguments.get("sample_rate")
        return rate if isinstance(rate, int) else None

    def make(
        self,
        mixin: type | None = None,
        *,
        language: str = "",
        voice: str = "",
        words: Sequence[str] = (),
        defaults: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> AIService:
        """One instance. It connects to nothing before it is in a pipeline.

        Args:
            mixin: stands before the class, to be told what the service does.
            language, voice: go to the settings of these names where the profile leaves them open.
            words: fill ``"{words}"``.
            defaults: further settings, where the class has them and the profile leaves them open.
            resources: arguments that Sayso gives, where the class has them (``aiohttp_session``).

        Raises:
            OperatorError: the class refuses what it is given.
        """
        fill = {"{language}": language, "{voice}": voice, "{words}": list(words)}
        arguments = {name: _filled(value, fill) for name, value in self.arguments.items()}
        arguments |= {name: value for name, value in (resources or {}).items() if name in self.accepts}
        secrets = {name: secret.reveal() for name, secret in self.keys.items()}
        arguments |= {name: value for name, value in secrets.items() if value}
        if "api_key" in self.accepts and "api_key" not in arguments and not _has_own(self.service, "api_key"):
            # Without one, clients take OPENAI_API_KEY and its kin from the environment
            # and send them to whatever server they were pointed at.
            arguments["api_key"] = "none"
        if self.sets:
            wanted: dict[str, Any] = {**(defaults or {})}
            wanted |= {"language": language} if language else {}
            wanted |= {"voice": voice} if voice else {}
            given = {name: _filled(value, fill) for name, value in self.settings.items()}
            arguments["settings"] = self._settings_class()(
                **({name: value for name, value in wanted.items() if name in self.sets} | given)
            )
        made = self.service
        if mixin is not None:
            made = cast(
                "type[AIService]", type(made.__name__, (mixin, made), {"__module__": made.__module__})
            )
        try:
            with logger.contextualize(supplier=self.name):  # as in sub_pipeline.py: it may quote anything
                return made(**arguments)
        except OperatorError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's constructor may raise anything
            why = _without(error, secrets)
            raise OperatorError(
                f"provider {self.name}: {self.service.__name__} refuses its arguments: {why}"
            ) from None

    def _settings_class(self) -> type[Any]:
        return cast("type[Any]", self.service.Settings)  # type: ignore[attr-defined]  # every service names its own


def resolve(
    entry: Entry, kind: Kind, allow: Collection[str], *, at: At = (), document: Document | None = None
) -> Provider:
    """Import an entry's class and hold the entry against it.

    Args:
        allow: the profile's ``providers.allow``.
        at: path of the entry in the profile, such as ``("voice", "engines", 1)``.
        document: the profile as read, for line numbers.

    Raises:
        ConfigurationError: with every problem found, where it is and what mends it.
    """
    problems = _Problems(at, document)
    if entry.use not in allow:
        problems.add(
            ("use",),
            f"{entry.use} is not on this profile's list of providers",
            f"see what it sends where, then add {entry.use} under providers.allow",
        )
        problems.throw()
    service = _imported(entry.use, kind, problems)
    problems.throw()
    assert service is not None
    parameters, hints = _parameters(service)
    fields, field_hints = _fields(service) if "settings" in parameters else (frozenset[str](), {})
    arguments = _arguments(entry, service, parameters, hints, problems)
    settings = _settings(entry, service, fields, field_hints, problems)
    problems.throw()
    return Provider(
        entry.name, kind, service, arguments, settings, dict(entry.keys), frozenset(parameters), fields
    )


class _Problems:
    def __init__(self, at: At, document: Document | None) -> None:
        self._at, self._document = at, document
        self._found: list[Problem] = []

    def add(self, path: At, message: str, remedy: str) -> None:
        at = (*self._at, *path)
        if self._document is not None:
            self._found.append(self._document.problem(at, message, remedy))
        else:
            self._found.append(Problem("profile", 0, dotted(at), message, remedy))

    def throw(self) -> None:
        if self._found:
            raise ConfigurationError(self._found)


# --- the class ------------------------------------------------------------------------------------


def _imported(use: str, kind: Kind, problems: _Problems) -> type[AIService] | None:
    path, _, name = use.rpartition(".")
    module = _module(path, problems)
    if module is None:
        return None
    base_module, base_name = _BASES[kind]
    base = getattr(importlib.import_module(base_module), base_name)
    found = getattr(module, name, None)
    if found is None:
        fitting = [n for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, base)]
        near = difflib.get_close_matches(name, fitting, n=1, cutoff=0.4)
        remedy = f"did you mean {path}.{near[0]}?" if near else "correct the name of the class"
        problems.add(("use",), f"{path} has no {name}", remedy)
        return None
    if not inspect.isclass(found) or not issubclass(found, base):
        problems.add(("use",), f"{name} is no {kind} of pipecat's", f"name a subclass of {base_name}")
        return None
    if inspect.isabstract(found) or found is base:
        problems.add(("use",), f"{name} is only a base for services", "name the class of a supplier")
        return None
    return cast("type[AIService]", found)


def _module(path: str, problems: _Problems) -> ModuleType | None:
    try:
        return importlib.import_module(path)
    except ImportError as error:
        message, remedy = _why_not_imported(path, error)
        problems.add(("use",), message, remedy)
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything
        problems.add(
            ("use",), f"{path} breaks on import ({type(error).__name__})", "mend or update the package"
        )
    return None


def _why_not_imported(path: str, error: ImportError) -> tuple[str, str]:
    """What to tell an operator: a wrong path, or a package that pipecat leaves to an extra."""
    try:
        there = importlib.util.find_spec(path) is not None
    except (ImportError, ValueError, AttributeError):
        there = False
    if not there:
        return f"there is no module {path}", "correct the path, or install the package it belongs to"
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, ModuleNotFoundError) and cause.name):
        cause = cause.__cause__ or cause.__context__
    missing = str(getattr(cause, "name", "") or "a package")
    remedy = f"pip install the package that brings {missing}"
    if path.startswith(_PIPECAT):
        vendor = path.removeprefix(_PIPECAT).split(".", 1)[0]
        extras = importlib.metadata.metadata("pipecat-ai").get_all("Provides-Extra") or []
        if extra := next((e for e in extras if e.replace("_", "-") == vendor.replace("_", "-")), None):
            remedy = f"pip install 'pipecat-ai[{extra}]'"
            if vendor == "piper":
                remedy = (
                    "write engine: piper, which speaks to Piper's server and imports nothing of it; "
                    f"this class needs {remedy}, which is GPL-3.0 and would run inside the server"
                )
    return f"{path} needs {missing}, which is not installed", remedy


# --- its arguments and settings -------------------------------------------------------------------


def _parameters(service: type) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    """The constructor's arguments, those it hands on to its bases too, and their types."""
    found: dict[str, inspect.Parameter] = {}
    hints: dict[str, Any] = {}
    for cls in service.__mro__:
        init = vars(cls).get("__init__")
        if init is None:
            continue
        signature = inspect.signature(init)
        known = _type_hints(init)
        for name, parameter in list(signature.parameters.items())[1:]:
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                found.setdefault(name, parameter)
                if name in known:
                    hints.setdefault(name, known[name])
        if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            break
    return found, hints


def _has_own(service: type, name: str) -> bool:
    """Whether the argument is required, or has a default of its own other than None."""
    parameter = _parameters(service)[0][name]
    return parameter.default is not None


def _fields(service: type) -> tuple[frozenset[str], dict[str, Any]]:
    settings = getattr(service, "Settings", None)
    if settings is None or not dataclasses.is_dataclass(settings):
        return frozenset(), {}
    names = frozenset(f.name for f in dataclasses.fields(settings) if f.init)
    return names, _type_hints(settings)


def _type_hints(of: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(of)
    except Exception:  # noqa: BLE001 - names only a type checker sees: the values are taken as they are
        return {}


def _arguments(
    entry: Entry, service: type, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any],
    problems: _Problems,
) -> dict[str, Any]:  # fmt: skip
    taken: dict[str, Any] = {}
    for section, names in (("arguments", entry.arguments), ("keys", entry.keys)):
        for name in names:
            if name in _OURS:
                problems.add((section, name), "is not the profile's to give", _OURS[name])
            elif name not in parameters:
                problems.add(
                    (section, name), f"{service.__name__} has no such argument", _near(name, parameters)
                )
    for name in set(entry.arguments) & set(entry.keys):
        problems.add(("keys", name), "is given twice", "keep it under keys when it is a secret")
    for name, value in entry.arguments.items():
        if name in parameters and name not in _OURS:
            taken[name] = _typed(("arguments", name), value, hints.get(name, Any), problems)
    for name, parameter in parameters.items():
        required = parameter.default is parameter.empty and name not in _OURS
        if required and name not in entry.arguments and name not in entry.keys:
            where = "keys" if "key" in name or "token" in name or "secret" in name else "arguments"
            problems.add((where, name), f"{service.__name__} needs it", f"add {name} under {where}")
    return taken


def _settings(
    entry: Entry, service: type, fields: Collection[str], hints: Mapping[str, Any], problems: _Problems
) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for name, value in entry.settings.items():
        if not fields:
            problems.add(("settings", name), f"{service.__name__} has no settings", "remove it")
        elif name not in fields:
            problems.add(("settings", name), f"{service.__name__} has no such setting", _near(name, fields))
        else:
            taken[name] = _typed(("settings", name), value, hints.get(name, Any), problems)
    return taken


def _near(name: str, known: Collection[str]) -> str:
    shown = sorted(n for n in known if n not in _OURS)
    near = difflib.get_close_matches(name, shown, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"remove it; known here: {', '.join(shown)}"


def _typed(path: At, value: Any, hint: Any, problems: _Problems) -> Any:
    """``value`` in the declared type (an enum's member for its name); as it is where none can be checked."""
    if any(part in _FILLED_IN for part in _leaves(value)):
        return value
    adapter = _adapter(hint)
    if adapter is None:
        return value
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problems.add(path, f"has the wrong type or value: {first['msg'][:200]}", f"write {_shown(hint)}")
    except Exception:  # noqa: BLE001 - a type of a stranger's that cannot be checked
        return value
    return value


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    for config in (ConfigDict(arbitrary_types_allowed=True), None):
        try:
            return TypeAdapter(hint, config=config)
        except PydanticUserError:
            continue
        except Exception:  # noqa: BLE001 - a type of a stranger's that cannot be checked
            return None
    return None


def _shown(hint: Any) -> str:
    if inspect.isclass(hint):
        return hint.__name__
    return str(hint).replace("typing.", "").replace(" | pipecat.utils.types.NotGiven", "")[:200]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value] if isinstance(value, str) else []


def _filled(value: Any, fill: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return fill.get(value, value)
    if isinstance(value, dict):
        return {name: _filled(part, fill) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, fill) for part in value]
    return value


def _without(error: Exception, secrets: Mapping[str, str]) -> str:
    message = f"{type(error).__name__}: {error}"
    for secret in secrets.values():
        if secret:
            message = message.replace(secret, "***")
    return message[:300]
