# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A computational drive from the host: its commands, its answers, and the ways in.

commands: every command as 64 bytes, pure. results: what comes back, pure. statuses: status codes in words. transport:
what a way in offers; kernel: Linux' passthrough; spdk: SPDK's initiator as a child process. device: one drive over
either. flows: what takes several commands. questions: which records match an expression. tool: the tool `csd`.

errors, jsonrpc and names are links to files that the lab's Ansible modules have too: they import nothing but each
other. Standard library only: the role csd_host installs these files on hosts that have only python3. numpy is imported
where its arrays are asked for, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .device import Device


def open(device: str | None = None) -> Device:
    """A drive, to be closed when done: ``/dev/nvme0`` or any node of it; None: the one that the tool csd would take."""
    from .tool.arguments import parser
    from .tool.connect import connect
    from .tool.main import ROLE_CONFIGURATION

    named = [] if device is None else ["--device", device]
    return connect(parser().parse_args([*named, "list"]), ROLE_CONFIGURATION)
