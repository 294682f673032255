"""Work that may wait stands behind the loop: this thread only, that process only, and nothing elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from voice_runtime import priority
from voice_runtime.priority import BACKGROUND_NICE, background_process, background_thread

linux = pytest.mark.skipif(sys.platform != "linux", reason="nice values of threads are Linux's")


def nice_of(number: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, number)


@linux
def test_a_thread_steps_back_alone() -> None:
    before = nice_of(0)
    found: list[int] = []

    def work() -> None:
        background_thread()
        found.append(nice_of(threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [min(19, before + BACKGROUND_NICE)]
    assert nice_of(0) == before


@linux
def test_a_process_steps_back_alone_and_one_that_has_ended_is_no_error() -> None:
    before = nice_of(0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        background_process(child.pid)
        assert nice_of(child.pid) == min(19, before + BACKGROUND_NICE)
        child.communicate(b"\n")
    background_process(child.pid)
    assert nice_of(0) == before


def test_elsewhere_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[int] = []
    monkeypatch.setattr(priority.sys, "platform", "darwin")
    monkeypatch.setattr(priority.os, "setpriority", lambda *of: touched.append(1))
    background_thread()
    background_process(1)
    assert touched == []
