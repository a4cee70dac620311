"""Strikes a run: stops it at the asked moment, deals the blow, and demands that it was hit."""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from blows.choice import Blow, Moment
from lab import ROOT
from waiting import until

#: Ceilings: of a run until it is struck (the longest builds SPDK before), and of its end after that.
PATIENCE_SECONDS = 400
END_SECONDS = 60
LOOK_SECONDS = 0.002
CALLBACKS = f"{ROOT}/plugins/callback:{ROOT}/tests/integration/blows/callback"


def control_c(run: subprocess.Popen[bytes]) -> None:
    """What a terminal does: SIGINT to the foreground process group."""
    os.killpg(run.pid, signal.SIGINT)


def kill_controller(run: subprocess.Popen[bytes]) -> None:
    """SIGKILL to make and ansible-playbook alone: what they had started goes on by itself."""
    os.killpg(run.pid, signal.SIGKILL)


def kill_tree(run: subprocess.Popen[bytes]) -> None:
    """SIGKILL to every descendant: as if the machine's memory had run out."""
    for pid in [run.pid, *descendants(run.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


KIND: dict[str, Callable[[subprocess.Popen[bytes]], None]] = {
    kind.__name__: kind for kind in (control_c, kill_controller, kill_tree)
}


def descendants(pid: int) -> list[int]:
    """Every process below this one, as /proc tells it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


class MissedError(AssertionError):
    """A run that was not struck at the asked moment."""


def strike(blow: Blow, command: list[str], output: Path) -> None:
    """Start a run, cut it off at the asked moment, and see it end.

    Args:
        blow: when, and how.
        command: the run: what starts ansible-playbook.
        output: the file for what the run prints.

    Raises:
        MissedError: the run ended before, or the moment did not come.
    """
    with tempfile.TemporaryDirectory(prefix="blow-") as folder, closing(socket.socket(socket.AF_UNIX)) as meetings:
        meetings.bind(f"{folder}/at")
        meetings.listen()
        told = {
            "ANSIBLE_CALLBACK_PLUGINS": CALLBACKS,
            "ANSIBLE_CALLBACKS_ENABLED": "lab_run,lab_blow",
            "HELLO_EBPF_BLOW_TASK": json.dumps(blow.task.names),
            "HELLO_EBPF_BLOW_AT": f"{folder}/at",
            "HELLO_EBPF_BLOW_WITHIN": str(blow.moment.within),
            "LAB_RUN_FILE": f"{folder}/run.jsonl",
        }
        with output.open("wb") as said:
            run = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | told,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with _stopped(blow, run, meetings, output):
                KIND[blow.kind](run)
                code = run.wait(timeout=END_SECONDS)
        finally:
            if run.poll() is None:
                kill_tree(run)
                run.wait()
        if code == 0:
            raise MissedError(f"{blow}: the run ended with 0 although it was struck")


@contextmanager
def _stopped(blow: Blow, run: subprocess.Popen[bytes], meetings: socket.socket, output: Path) -> Iterator[None]:
    """The run, stopped at the asked moment. Who is still there when this ends goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for seen, meeting in _met(blow, run, meetings, output, deadline):
        with meeting:
            if _is(blow.moment, seen, deadline):
                if "starts" in seen:
                    _alone(meeting, deadline)
                yield
                return


def _alone(meeting: socket.socket, deadline: float) -> None:
    """Wait for the end of what ran the task before: its result is there a little earlier.

    A worker that SIGINT ends in between keeps the lock of ansible-core's queue, which then waits for a second Ctrl-C.
    """
    controller, _, _ = struct.unpack("3i", meeting.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    until(
        "what ran the task before has ended",
        lambda: all(map(_ended, descendants(controller))),
        deadline - time.monotonic(),
        every=LOOK_SECONDS,
    )


def _met(
    blow: Blow, run: subprocess.Popen[bytes], meetings: socket.socket, output: Path, deadline: float
) -> Iterator[tuple[dict[str, Any], socket.socket]]:
    """What the run tells, and the connection whose end lets it go on."""
    ended = os.pidfd_open(run.pid)
    try:
        with selectors.DefaultSelector() as ready:
            ready.register(meetings, selectors.EVENT_READ)
            ready.register(ended, selectors.EVENT_READ)
            while True:
                events = {key.fileobj for key, _ in ready.select(max(0.0, deadline - time.monotonic()))}
                if meetings not in events:
                    why = "the run ended before" if events else f"the moment did not come within {PATIENCE_SECONDS} s"
                    raise MissedError(f"{blow}: {why}\n{output.read_text(errors='replace')[-4000:]}")
                meeting, _ = meetings.accept()
                with meeting.makefile() as lines:
                    seen = json.loads(lines.readline())
                yield seen, meeting
    finally:
        os.close(ended)


def _is(moment: Moment, seen: dict[str, Any], deadline: float) -> bool:
    """Whether what a stopped run tells is the asked moment, or becomes it while the command that it runs goes on."""
    if "starts" in seen:
        return not moment.within
    if "step" in seen:
        return moment.half and seen["step"] == seen["of"] // 2
    if "places" in seen:
        return bool(moment.places) and moment.places in seen["places"][1]
    return bool(moment.runs) and _comes_to_run(moment.runs, seen, deadline)


def _comes_to_run(words: tuple[str, ...], seen: dict[str, Any], deadline: float) -> bool:
    """Whether the command that was started is the asked one, or starts it before it ends."""
    if _has(seen["runs"], words):
        return True
    # It does nothing before the module, which is stopped, has given it its input.
    if seen["asks"]:
        return False

    def look() -> str:
        if any(_has(_words(pid), words) for pid in descendants(seen["pid"])):
            return "runs"
        return "waits" if _ended(seen["pid"]) or any(_full(pipe) for pipe in seen["pipes"]) else ""

    what = f"{seen['runs']} comes to run {words}, or ends, or waits for the module"
    return until(what, look, deadline - time.monotonic(), every=LOOK_SECONDS) == "runs"


def _has(command: list[str], words: tuple[str, ...]) -> bool:
    return set(words) <= {Path(word).name for word in command}


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def _full(pipe: str) -> bool:
    """Whether a pipe takes no more before the module, which is stopped, has read from it."""
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    try:
        ready = select.poll()
        ready.register(writer, select.POLLOUT)
        return not ready.poll(0)
    finally:
        os.close(writer)


def _ended(pid: int) -> bool:
    """Whether a process has ended; its parent, which is stopped, has not waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
