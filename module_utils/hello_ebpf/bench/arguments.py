# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The arguments that csd_dataset and csd_bench share: what they mean, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import names
from ..errors import LabError, refuse
from .program import Place, Program, is_unavailable

MAX_RECORDS = 2**32 - 1
MAX_SEED = 2**63 - 1

PLACE_RULES = {
    "address": names.address,
    "service_id": names.service_id,
    "subsystem_nqn": names.nqn,
    "host_nqn": names.nqn,
}


def program_of(asked: Mapping[str, Any]) -> Program:
    """The program, with the place and the data set that the arguments name."""
    place = Place(**{field.name: asked[field.name] for field in fields(Place)})
    return Program(Path(asked["program"]), place, asked["records"], asked["seed"], timeout=asked["timeout"])


@contextmanager
def errors_told(module: AnsibleModule, **unavailable: Any) -> Iterator[None]:
    """End the module with the words of a LabError; with these values where what is unavailable is only reported."""
    try:
        yield
    except LabError as error:
        if module.params["if_unavailable"] == "report" and is_unavailable(error):
            module.exit_json(changed=False, actions=[], unavailable=str(error), **unavailable)
        module.fail_json(msg=str(error))


def check_dataset(asked: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant, before anything is read.

    Raises:
        LabError: with the limit.
    """
    for name, least, most in (("records", 1, MAX_RECORDS), ("seed", 0, MAX_SEED)):
        if not least <= asked[name] <= most:
            raise LabError(f"{name}: {asked[name]}", f"possible are {least} to {most}", "correct the number")
    if asked["initiator"] == "spdk":
        missing = [name for name in ("address", "subsystem_nqn", "host_nqn") if not asked[name]]
        if missing:
            found, fix = f"empty: {', '.join(missing)}", "say to what it connects, and as whom"
            raise LabError("initiator: spdk", found, fix)
        for name, rule in PLACE_RULES.items():
            refuse(f"{name}: {asked[name]!r}", rule(asked[name]))
    elif not asked["path"] and not asked["subsystem_nqn"]:
        raise LabError(asked="initiator: kernel", found="empty: path", fix="name a block device or a file")
