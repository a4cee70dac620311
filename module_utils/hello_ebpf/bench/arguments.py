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
    if not 1 <= asked["records"] <= MAX_RECORDS:
        raise LabError(f"records: {asked['records']}", f"possible are 1 to {MAX_RECORDS}", "correct the number")
    if not 0 <= asked["seed"] <= MAX_SEED:
        raise LabError(f"seed: {asked['seed']}", f"possible are 0 to {MAX_SEED}", "correct the number")
    missing = [name for name in ("address", "subsystem_nqn", "host_nqn") if not asked[name]]
    if asked["initiator"] == "spdk" and missing:
        raise LabError(
            asked="initiator: spdk", found=f"empty: {', '.join(missing)}", fix="say to what it connects, and as whom"
        )
    for name, rule in PLACE_RULES.items():
        if asked["initiator"] == "spdk":
            refuse(f"{name}: {asked[name]!r}", rule(asked[name]))
    if asked["initiator"] == "kernel" and not asked["path"] and not asked["subsystem_nqn"]:
        raise LabError(asked="initiator: kernel", found="empty: path", fix="name a block device or a file")
