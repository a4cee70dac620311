"""module_utils/hello_ebpf/processes.py against real processes and real locks."""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

from ansible.module_utils.hello_ebpf.processes import find, lock_holder, reactors, running

PR_SET_NAME = 15


def test_find_tells_arguments_and_executable() -> None:
    # The shell speaks when the kernel has set up its arguments; right after the start they can still be missing.
    with subprocess.Popen(
        ["/bin/sh", "-c", "echo; read x", "name"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process = find(child.pid)
        child.kill()
    assert process is not None
    assert process.argv == ("/bin/sh", "-c", "echo; read x", "name")
    assert Path(process.executable).resolve() == Path("/bin/sh").resolve()
    assert str(process) == f"pid {child.pid} (/bin/sh -c echo; read x name)"


def test_find_does_not_see_the_dead() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        child.wait()
    assert find(child.pid) is None


def test_running_holds_this_process() -> None:
    assert os.getpid() in {process.pid for process in running()}


def test_reactors_are_found_by_the_name_of_their_thread() -> None:
    named, over = threading.Event(), threading.Event()

    def pose_as_reactor() -> None:
        ctypes.CDLL(None).prctl(PR_SET_NAME, b"reactor_977", 0, 0, 0)
        named.set()
        over.wait()

    thread = threading.Thread(target=pose_as_reactor)
    thread.start()
    named.wait()
    try:
        assert [process.pid for process in reactors(977)] == [os.getpid()]
        assert reactors(97) == []
    finally:
        over.set()
        thread.join()


def test_lock_holder_names_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        holder = lock_holder(path)
        child.kill()
    assert holder is not None
    assert holder.pid == child.pid


def test_a_stale_lock_has_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
    assert lock_holder(path) is None
    assert lock_holder(tmp_path / "missing") is None
