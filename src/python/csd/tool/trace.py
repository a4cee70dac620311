# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd trace: the lines that a slot's program wrote with bpf_printk().

They may hold any host's data, so no drive gives them over NVMe: they are read on the target's machine, over its RPC
socket.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import LabError
from ..jsonrpc import Client

Data = dict[str, Any]
_POLL_S = 0.2


def trace(options: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Show what there is, or clear it; with ``--follow``, go on until somebody interrupts."""
    with Client(options.rpc_socket, timeout=options.timeout) as client:
        name = options.name or _only_namespace(client)
        if options.clear:
            client.call("csd_clear_trace", {"name": name, "pind": options.slot})
            return
        for part in _parts(client, name, options):
            write(json.dumps(part) + "\n" if options.json else show(part))


def _parts(client: Client, name: str, options: argparse.Namespace) -> Iterator[Data]:
    """What is there, and what comes. A target that has no more is asked again after a moment."""
    following = 0
    lost = 0
    while True:
        answer = client.call("csd_get_trace", {"name": name, "pind": options.slot, "from": following})
        # What is gone before anybody asked is not missed.
        part = {
            "text": answer["text"],
            "missed": answer["missed"] if following else 0,
            "lost": max(answer["lost"] - lost, 0),
        }
        following, lost = answer["next"], answer["lost"]
        if any(part.values()) or not options.follow:
            yield part
        if not options.follow:
            return
        time.sleep(_POLL_S)


def show(part: Data) -> str:
    """The lines as they are, and between brackets what is not there."""
    notes = []
    if part["missed"]:
        notes.append(f"[{part['missed']} characters went by before they were read]\n")
    if part["lost"]:
        notes.append(f"[{part['lost']} bytes more were written at a time than there is room for]\n")
    return "".join([*notes, part["text"]])


def _only_namespace(client: Client) -> str:
    names = [str(one["name"]) for one in client.call("csd_get_programs")]
    if len(names) != 1:
        raise LabError(
            f"the compute namespace at {client.path}",
            f"there {'are several: ' + ', '.join(names) if names else 'is none'}",
            "name one with --name, as csd_get_programs lists it",
        )
    return names[0]
