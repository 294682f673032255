"""Sharing out cores, and starting a process on its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.cores import Cores, available_cores, choose_cores, pin_thread, start_process


def test_one_core_is_nobodys():
    assert choose_cores([0], together=[(0,)]) == Cores()


def test_of_two_the_server_has_one_alone():
    found = choose_cores([0, 1], together=[(0,), (1,)])
    assert found == Cores(server=(1,), generator=(0,), suppliers=(0,))


def test_with_more_each_has_its_own():
    found = choose_cores([0, 1, 2, 3], together=[(0,), (1,), (2,), (3,)])
    assert found == Cores(server=(2, 3), generator=(0,), suppliers=(1,))


def test_a_server_may_be_given_one_core_only():
    assert choose_cores(range(8), server_most=1, together=[(n,) for n in range(8)]).server == (2,)


def test_generator_and_server_share_no_physical_core():
    """Logical CPUs 0 and 2 are one physical core, 1 and 3 the other."""
    found = choose_cores([0, 1, 2, 3], together=[(0, 2), (1, 3)])
    assert (found.generator, found.suppliers, found.server) == ((0,), (2,), (1, 3))


@given(st.integers(2, 64), st.integers(1, 2))
def test_no_core_serves_and_generates(count: int, threads: int):
    together = [tuple(range(n, count, -(-count // threads))) for n in range(-(-count // threads))]
    found = choose_cores(range(count), together=together)
    assert found.server
    assert len(found.generator) == 1
    assert not set(found.server) & {*found.generator, *found.suppliers}


def test_the_cores_of_this_machine_can_be_shared_out():
    found = choose_cores()
    assert {*found.server, *found.generator, *found.suppliers} <= set(available_cores())


def test_a_process_and_its_children_run_where_they_were_put():
    here = available_cores()
    wanted = here[-1:]
    grandchild = "import os; print(sorted(os.sched_getaffinity(0)))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    process = start_process([sys.executable, "-c", child], wanted, stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=60)
    assert said.strip() == str(list(wanted))
    assert available_cores() == here
    assert process.returncode == 0


def test_a_program_that_is_not_there_is_an_error_of_the_caller():
    with pytest.raises(FileNotFoundError):
        start_process(["/nowhere/at-all"], ())


def test_only_the_thread_that_asks_is_pinned():
    here = available_cores()
    seen: list[set[int]] = []

    def look() -> None:
        pin_thread(here[:1])
        seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [set(here[:1])]
    assert available_cores() == here
