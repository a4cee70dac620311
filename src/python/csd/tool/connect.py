# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Which drive is meant, and which way leads to it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .. import names
from ..commands import CSI_COMPUTE
from ..device import Device
from ..errors import LabError, refuse
from ..kernel import SYSFS, KernelTransport, controllers
from ..spdk import Place, SpdkTransport
from .arguments import CONFIGURATION

_PLACE = {"traddr": names.address, "trsvcid": names.service_id, "subnqn": names.nqn, "hostnqn": names.nqn}


def connect(options: argparse.Namespace, installed_with: Path, sysfs: Path = SYSFS) -> Device:
    """The drive that the command line names, else the configuration's, else the kernel's only one."""
    given = {name: getattr(options, name) for name in _PLACE if getattr(options, name) is not None}
    if options.device and given:
        raise LabError(
            f"--device {options.device} together with --{next(iter(given))}",
            "the first is a drive that the kernel has connected, the other one that SPDK's initiator would connect",
            "give one of the two",
        )
    if options.device:
        return Device(KernelTransport(options.device, timeout_seconds=options.timeout))
    configured = _configuration(options.config, installed_with)
    if not given and configured.get("device"):
        return Device(KernelTransport(configured["device"], timeout_seconds=options.timeout))
    if not given:
        kernel = _kernel_drive(configured.get("subnqn"), options.timeout, sysfs)
        if kernel:
            return kernel
    wanted = {"trsvcid": "4420", **{name: configured[name] for name in _PLACE if configured.get(name)}, **given}
    missing = [f"--{name}" for name in _PLACE if name not in wanted]
    if missing:
        raise LabError(
            "a computational drive",
            f"this kernel has connected none, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} neither given nor in {options.config or CONFIGURATION}",
            "name the drive (--device, or --traddr and the others), or let the role csd_host write the file",
        )
    for name, rule in _PLACE.items():
        refuse(f"--{name} {wanted[name]}", rule(str(wanted[name])))
    return Device(
        SpdkTransport(
            Place(*(str(wanted[name]) for name in _PLACE)),
            program=configured.get("program", str(installed_with.with_suffix("") / "bin" / "csd_nvme")),
            memory_megabytes=int(configured.get("memory_megabytes", 64)),
            core=int(configured.get("core", -1)),
            timeout_seconds=options.timeout,
        )
    )


def _kernel_drive(subnqn: str | None, timeout: int, sysfs: Path) -> Device | None:
    """The drive with this NQN, or without an NQN the only one that computes, as far as the kernel has connected it."""
    found = []
    for controller in controllers(sysfs):
        nqn = (sysfs / "nvme" / controller / "subsysnqn").read_text().strip()
        if subnqn is not None and nqn != subnqn:
            continue
        device = Device(KernelTransport(f"/dev/{controller}", timeout_seconds=timeout))
        if subnqn is not None or any(namespace.csi == CSI_COMPUTE for namespace in device.namespaces):
            found.append(device)
        else:
            device.close()
    if len(found) > 1 and subnqn is None:
        several = ", ".join(device.name for device in found)
        for device in found:
            device.close()
        raise LabError("the computational drive", f"there are several: {several}", "name one with --device")
    return found[0] if found else None


def _configuration(named: str | None, installed_with: Path) -> dict[str, Any]:
    """The named file, else the administrator's, else what was installed."""
    administrators = Path(CONFIGURATION)
    path = Path(named) if named else administrators if administrators.exists() else installed_with
    if not named and not path.exists():
        return {}
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LabError(f"the connection in {path}", str(error), "mend it, or let the role csd_host write it") from None
    if not isinstance(read, dict):
        raise LabError(f"the connection in {path}", "it is no JSON object", "let the role csd_host write it")
    return read
