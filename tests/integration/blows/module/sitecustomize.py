# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Python loads this at its start in a module that a test strikes: it stops the module at each thing that it does.

At each it tells the test what that is, through the socket that HELLO_EBPF_BLOW_MEET names, and goes on when the test
ends the connection:

- ``{"step": k, "of": n}``: of the steps that ``plan.converge`` takes, k of n are taken;
- ``{"runs": argv, "pid": pid, "asks": bool, "pipes": [path, ...]}``: a command was started, and runs; whether the
  module has yet to give it its input, and the pipes from which the module will read what it says;
- ``{"places": [from, to]}``: a file is about to be renamed, or a link to be made.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

# What the module starts is not stopped.
PLACE = os.environ.pop("HELLO_EBPF_BLOW_MEET")
os.environ.pop("PYTHONPATH", None)

_steps = [0, 0]
_started = subprocess.Popen.__init__


def _meet(seen: dict[str, Any]) -> None:
    # Where the blow is dealt, the test waits for nobody any more.
    with suppress(OSError), socket.socket(socket.AF_UNIX) as meeting:
        meeting.connect(PLACE)
        meeting.sendall(json.dumps(seen).encode() + b"\n")
        meeting.recv(1)


def _popen(self: subprocess.Popen[Any], args: Any, *others: Any, **named: Any) -> None:
    _started(self, args, *others, **named)
    words = [args] if isinstance(args, str | bytes | os.PathLike) else args
    pipes = [f"/proc/{os.getpid()}/fd/{said.fileno()}" for said in (self.stdout, self.stderr) if said]
    runs = [os.fsdecode(word) for word in words]
    _meet({"runs": runs, "pid": self.pid, "asks": self.stdin is not None, "pipes": pipes})


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"os.rename", "os.symlink"}:
        _meet({"places": [os.fsdecode(path) for path in arguments[:2]]})


def _profile(frame: FrameType, event: str, argument: Any) -> None:
    """``_take`` of plan.py appends each step that it has taken to a list."""
    code = frame.f_code
    if code.co_name != "_take" or not code.co_filename.endswith("hello_ebpf/plan.py"):
        return
    if event == "call":
        _steps[:] = 0, len(frame.f_locals["steps"])
    elif event == "c_call" and argument.__name__ == "append":
        _steps[0] += 1
    else:
        return
    _meet({"step": _steps[0], "of": _steps[1]})


subprocess.Popen.__init__ = _popen  # type: ignore[method-assign]
sys.addaudithook(_audit)
sys.setprofile(_profile)
