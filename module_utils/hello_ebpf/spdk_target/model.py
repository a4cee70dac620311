# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The objects of a target.

The same classes hold what is declared and what was found. In a declaration None means 'not told': such a field is
neither compared nor changed. In a found tree None means that SPDK does not report it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from .options import BDEVS

MIB = 1024 * 1024
# Reserved for the lab's own measurements (rpc_bench), which one that was cut off may have left behind.
SCRATCH_NQN = "nqn.2026-11.io.hello-ebpf:rpc-bench"
SCRATCH_BDEV = "rpc_bench_data"

# The types of bdev that can be declared.
TYPES = tuple(BDEVS["options"]["type"]["choices"])
# csd_ram and these are csd_tgt's; these stand for namespaces of other command sets than NVM.
CSD_TYPES = ("csd_slm", "csd_compute")
# Memory: what such bdevs hold ends with the target's process. The second have memory of their own, which is not part of
# what the target takes at its start (-s).
MEMORY_TYPES = ("malloc", "csd_ram", "csd_slm")
OWN_MEMORY_TYPES = ("csd_ram", "csd_slm")
# What is gone with a bdev of this type.
LOST = {**dict.fromkeys(MEMORY_TYPES, "data"), "csd_compute": "programs"}
SLM_BLOCK = 4096
RAM_BLOCKS = (512, 4096)
RAM_MEGABYTES = 32768  # as much as a worker maps of one bdev
# What a host may do with programs: bring them in and take them out, or only run what is there.
LOAD, RUN = "load", "run"
# A compute namespace's numbers, and what each can be: the width of its field in NVMe, where nothing else limits it.
COMPUTE_LIMITS = {
    "slots": (1, 65535),
    "max_active": (1, 65535),
    "max_range_sets": (1, 65535),
    "max_program_bytes": (1, MIB),
    "max_total_bytes": (MIB, 1024 * MIB),
    "program_type": (0, 255),
}


# What a subsystem is made with, and SPDK cannot alter.
FIXED = ("serial", "model", "max_namespaces")


def uuid_text(text: str) -> str:
    """A UUID as it is compared."""
    return text.lower()


def hex_text(text: str) -> str:
    """An NGUID or EUI-64 as SPDK reports it."""
    return text.replace("-", "").upper()


# What hosts know a namespace by, and how each is written.
IDENTIFIERS = {"uuid": uuid_text, "nguid": hex_text, "eui64": hex_text}


def _named(name: str, **more: Any) -> Any:
    """A field that SPDK's RPCs call otherwise."""
    return field(metadata={"spdk": name}, **more)


@dataclass(frozen=True)
class Bdev:
    """A block device. ``type`` is one that is declared (TYPES), or SPDK's product name for all others.

    ``options`` are a compute namespace's own: those that were told, or all of them in a found tree.
    """

    name: str
    type: str
    block_size: int | None = None
    num_blocks: int | None = None
    uuid: str | None = None
    filename: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    claimed: bool | None = None

    @property
    def size(self) -> str:
        """Its size in words."""
        if self.type == "csd_compute":
            return (
                ", ".join(f"{name} {_scalar(value)}" for name, value in self.options.items()) or "as csd_tgt makes it"
            )
        if self.block_size is None or self.num_blocks is None:
            return "as large as its file"
        octets = self.block_size * self.num_blocks
        amount = f"{octets // MIB} MiB" if octets % MIB == 0 else f"{octets} bytes"
        return f"{amount} ({self.num_blocks} blocks of {self.block_size})"


@dataclass(frozen=True)
class Namespace:
    """A bdev under a number inside a subsystem, with the identifiers that hosts see."""

    nsid: int
    bdev: str = _named("bdev_name")
    uuid: str | None = None
    nguid: str | None = None
    eui64: str | None = None


@dataclass(frozen=True, order=True)
class Listener:
    """An address at which a subsystem is reached."""

    transport: str = _named("trtype")
    family: str = _named("adrfam")
    address: str = _named("traddr")
    service_id: str = _named("trsvcid")

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.transport} {address}:{self.service_id}"


@dataclass(frozen=True)
class Subsystem:
    """An NVM subsystem."""

    nqn: str
    serial: str | None = _named("serial_number", default=None)
    model: str | None = _named("model_number", default=None)
    max_namespaces: int | None = None
    allow_any_host: bool = False
    hosts: tuple[str, ...] | None = None
    namespaces: tuple[Namespace, ...] | None = None
    listeners: tuple[Listener, ...] | None = None


@dataclass(frozen=True)
class Tree:
    """A target's objects, by their names.

    Attributes:
        transports: type -> options.
        rights: subsystem -> host, "" for all others -> LOAD or RUN.
    """

    transports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bdevs: Mapping[str, Bdev] = field(default_factory=dict)
    subsystems: Mapping[str, Subsystem] = field(default_factory=dict)
    rights: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def rules(self) -> list[dict[str, str]]:
        """The rights as csd_tgt lists them, in a stable order; a rule without a host is for all others."""
        return [
            {"nqn": nqn, **({"host": host} if host else {}), "programs": programs}
            for nqn, rules in sorted(self.rights.items())
            for host, programs in sorted(rules.items())
        ]

    def users(self, bdev: str) -> list[tuple[str, Namespace]]:
        """The namespaces on a bdev, each with its subsystem's NQN."""
        return [
            (nqn, namespace)
            for nqn, subsystem in self.subsystems.items()
            for namespace in subsystem.namespaces or ()
            if namespace.bdev == bdev
        ]


def to_spdk(item: Namespace | Listener | Subsystem) -> dict[str, Any]:
    """An object as parameters of SPDK's RPCs. What is in it comes by RPCs of its own."""
    told = [(one.metadata.get("spdk", one.name), getattr(item, one.name)) for one in fields(item)]
    return {name: value for name, value in told if value is not None and not isinstance(value, tuple)}


def from_spdk(kind: type[Namespace | Listener | Subsystem], found: Mapping[str, Any]) -> dict[str, Any]:
    """What SPDK says of such an object, under our names; what is in it apart."""
    names = {one.metadata.get("spdk", one.name): one.name for one in fields(kind)}
    return {names[name]: value for name, value in found.items() if name in names and not isinstance(value, list)}


def differences(asked: object, found: object, *names: str) -> list[tuple[str, Any, Any]]:
    """The named fields that were told and are otherwise: (name, asked, found)."""
    pairs = [(name, getattr(asked, name), getattr(found, name)) for name in names]
    return [(name, wanted, real) for name, wanted, real in pairs if wanted is not None and wanted != real]


def render(tree: Tree) -> str:
    """The tree as YAML-like text, one fact a line, in a stable order."""
    ordered = replace(
        tree,
        transports=dict(sorted(tree.transports.items())),
        bdevs=dict(sorted(tree.bdevs.items())),
        subsystems=dict(sorted(tree.subsystems.items())),
    )
    data = as_data(ordered)
    return "\n".join(line for name, items in data.items() for line in _field_lines(name, items, ""))


def as_data(value: Any) -> Any:
    """A tree, or a part of it, as a module returns it: what is not known is left out."""
    if isinstance(value, Tree):
        return {
            "transports": [{"type": kind, **options} for kind, options in value.transports.items()],
            "bdevs": [as_data(item) for item in value.bdevs.values()],
            "subsystems": [as_data(item) for item in value.subsystems.values()],
            **({"rights": value.rules} if value.rights else {}),
        }
    if is_dataclass(value) and not isinstance(value, type):
        pairs = [(item.name, getattr(value, item.name)) for item in fields(value) if item.name != "options"]
        return {name: as_data(item) for name, item in pairs if item is not None} | dict(getattr(value, "options", {}))
    return [as_data(item) for item in value] if isinstance(value, tuple) else value


def _field_lines(name: str, value: Any, indent: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{indent}{name}: {_scalar(value)}"]
    if not value:
        return [f"{indent}{name}: []"]
    return [f"{indent}{name}:", *(line for item in value for line in _item_lines(item, indent + "  "))]


def _item_lines(item: Any, indent: str) -> list[str]:
    """A list's item: its first line carries the dash."""
    if not isinstance(item, Mapping):
        return [f"{indent}- {_scalar(item)}"]
    # Whether a bdev is claimed follows from the namespaces: it is no fact of its own.
    shown = [(name, value) for name, value in item.items() if name != "claimed"]
    lines = [line for name, value in shown for line in _field_lines(name, value, indent + "  ")]
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
