# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd: the command line in, one connection, text or JSON out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..device import StatusError
from ..errors import LabError
from .actions import ACTIONS
from .arguments import parser
from .connect import connect
from .show import show
from .trace import trace

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 3, 130
ROLE_CONFIGURATION = Path("/opt/hello_ebpf/csd_host.json")  # where the role csd_host writes it by default


def main(arguments: Sequence[str] | None = None, installed_with: Path = ROLE_CONFIGURATION) -> int:
    """Run one command.

    Args:
        arguments: the command line; None: the process's own.
        installed_with: names the drive that is meant where neither the command line nor the administrator's
            configuration does.

    Returns:
        The exit code.
    """
    options = parser().parse_args(arguments)
    try:
        if options.action == "trace":
            trace(options, _write)
            return DONE
        device = connect(options, installed_with)
        try:
            data = ACTIONS[options.action](device, options)
        finally:
            device.close()
        # With the result itself on standard output, what is said about it goes beside it.
        out = sys.stderr if getattr(options, "output", None) == "-" else sys.stdout
        print(json.dumps(data, indent=1) if options.json else show(options.action, data), file=out, flush=True)
    except LabError as error:
        return _report(error, as_json=options.json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads our output has had enough (csd ... | head); Python must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return DONE


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _report(error: LabError, *, as_json: bool) -> int:
    status = getattr(error, "status", None)
    if as_json:
        told = {"asked": error.asked, "found": error.found, "do": error.fix, "status": status}
        print(json.dumps({"error": told}, indent=1))
    else:
        print(f"asked: {error.asked}\nfound: {error.found}\ndo:    {error.fix}", file=sys.stderr)
    return REFUSED if isinstance(error, StatusError) else FAILED
