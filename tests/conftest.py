"""Shared by every test: the asyncio backend, and nothing left behind.

A test fails when it leaves a task, a thread, a child process or a socket, or
when one step of an event loop takes longer than a call could bear
(``tests/leftovers.py``). Warnings are errors (``pyproject.toml``).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from inspect import iscoroutinefunction
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from loguru import logger

from controls import intents
from controls.intents import current
from tests import leftovers
from tests.needs import needs_system as _needs_system

# Hypothesis gives an example 200 ms: one stall of a shared machine fails a property that holds. Nor is how
# long it took to make examples up a property of ours. Which examples it tries follows from the test itself,
# so that a change is judged by what it changes; ``--hypothesis-profile=search`` looks for others.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", _UNHURRIED)
settings.register_profile("steady", _UNHURRIED, derandomize=True, database=None)
settings.load_profile("steady")

_BEFORE = pytest.StashKey[leftovers.Snapshot]()
_SINKS = pytest.StashKey[set[int]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Freeze what was imported and collected: it stays, and is most of the heap (300,000 objects).

    A collection that looks at all of it takes most of SLOW_STEP_S on a slow machine, and one that
    happens to come in a step of an event loop is that test's step.
    """
    _freeze_what_stays()


def _freeze_what_stays() -> None:
    """Take what outlives a module (packs compiled once, modules imported late) out of further collections.

    They would add up: after 8,000 tests one collection took 0.7 s, whoever's step it came in.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _intents_are_read() -> None:
    """As a server reads them when it starts: whichever test's loop came first would stand still over them."""
    current()


@pytest.fixture(autouse=True)
def _intents_of_its_own() -> Iterator[None]:
    """A house that a test starts sets them for the process: the next test found its emergencies."""
    before = list(intents._given)
    yield
    intents._given[:] = before


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def needs_system() -> Callable[..., None]:
    """``needs_system("flite")``: skip, naming the package, or fail under REQUIRE_ALL=1."""
    return _needs_system


def _allowed(item: pytest.Item) -> set[str]:
    kinds: set[str] = set()
    for mark in item.iter_markers("leaves"):
        if not mark.kwargs.get("why"):
            raise pytest.UsageError(f"{item.nodeid}: leaves(…) needs why=")
        kinds.update(mark.args)
    return kinds


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    item.stash[_BEFORE] = leftovers.Snapshot.take()
    item.stash[_SINKS] = _sinks()
    yield


def _sinks() -> set[int]:
    """Where loguru writes; it has no public word for it."""
    return set(logger._core.handlers)  # type: ignore[attr-defined]


def _put_back(before: set[int]) -> None:
    """Let loguru write to standard error again when a test has configured it, as every command does.

    What it configured was captured for that test alone, and is closed: whoever logged next failed to.
    """
    if _sinks() != before:
        logger.remove()
        logger.add(sys.stderr)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    if fixturedef.scope == "function":
        return (yield)
    before = leftovers.Snapshot.take()
    try:
        return (yield)
    finally:  # a wider scope's things outlive the test that happened to be first
        item = request.session._setupstate.stack
        started = leftovers.Snapshot.take() - before
        for node in item:
            if isinstance(node, pytest.Item):
                node.stash[_BEFORE] = node.stash.get(_BEFORE, before) | started


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    original = pyfuncitem.obj
    hypothesis = getattr(original, "hypothesis", None)
    inner = hypothesis.inner_test if hypothesis else original
    with leftovers.slow_steps() as steps:
        if iscoroutinefunction(inner) and "task" not in _allowed(pyfuncitem):
            if hypothesis:
                hypothesis.inner_test = leftovers.watch_tasks(inner)
            else:
                pyfuncitem.obj = leftovers.watch_tasks(inner)
        try:
            result = yield
        finally:
            if hypothesis:
                hypothesis.inner_test = inner
            pyfuncitem.obj = original
    if steps.slow and "step" not in _allowed(pyfuncitem):
        pytest.fail("blocked the event loop:\n  " + "\n  ".join(steps.slow), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    yield
    if nextitem is not None and nextitem.path != item.path:
        _freeze_what_stays()
    if (sinks := item.stash.get(_SINKS, None)) is not None:
        _put_back(sinks)
    before = item.stash.get(_BEFORE, None)
    if before is not None:
        del item.stash[_BEFORE]  # an item lasts as long as the session
    if before is not None and (lines := leftovers.left_over(before, _allowed(item))):
        pytest.fail("left behind after the test:\n  " + "\n  ".join(lines), pytrace=False)


def _nothing_is_skipped(report: Any) -> Any:
    """Under REQUIRE_ALL=1 a skipped test has failed: there, everything a test may need is installed."""
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"REQUIRE_ALL=1: {why}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _nothing_is_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _nothing_is_skipped((yield))
