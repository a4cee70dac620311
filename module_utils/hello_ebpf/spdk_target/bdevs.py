# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Block devices: as they are declared, as a running target tells them, and as its saved configuration makes them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import names
from ..errors import LabError, refuse
from .options import BDEVS

MIB = 1024 * 1024
# The types of bdev that can be declared, and SPDK's name for each.
TYPES = tuple(BDEVS["options"]["type"]["choices"])
_PRODUCTS = {
    "Malloc disk": "malloc",
    "CSD RAM disk": "csd_ram",
    "AIO disk": "aio",
    "Null disk": "null",
    "CSD SLM": "csd_slm",
    "CSD compute": "csd_compute",
}
CREATES = frozenset(f"bdev_{kind}_create" for kind in TYPES)
# csd_ram and these are csd_tgt's; these stand for namespaces of other command sets than NVM.
CSD_TYPES = ("csd_slm", "csd_compute")
# Memory: what such bdevs hold ends with the target's process. The second have memory of their own, which is not part of
# what the target takes at its start (-s).
MEMORY_TYPES = ("malloc", "csd_ram", "csd_slm")
OWN_MEMORY_TYPES = ("csd_ram", "csd_slm")
# What is gone with a bdev of this type.
LOST = {**dict.fromkeys(MEMORY_TYPES, "data"), "csd_compute": "programs"}
DEFAULT_BLOCK_SIZE = 512
SLM_BLOCK = 4096
RAM_BLOCKS = (512, 4096)
RAM_MEGABYTES = 32768  # as much as a worker maps of one bdev
# A compute namespace's numbers, and what each can be: the width of its field in NVMe, where nothing else limits it.
COMPUTE_LIMITS = {
    "slots": (1, 65535),
    "max_active": (1, 65535),
    "max_range_sets": (1, 65535),
    "max_program_bytes": (1, MIB),
    "max_total_bytes": (MIB, 1024 * MIB),
    "program_type": (0, 255),
}
# Which bdevs have a field; a field that is not here, all have.
_FIELD_TYPES = {
    "filename": ("aio",),
    "block_size": ("malloc", "csd_ram", "aio", "null"),
    "blocks": ("malloc", "csd_ram", "aio", "null"),
    "size_megabytes": ("malloc", "csd_ram", "aio", "null", "csd_slm"),
    **dict.fromkeys(COMPUTE_LIMITS, ("csd_compute",)),
}


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
            return ", ".join(f"{name} {value}" for name, value in self.options.items()) or "as csd_tgt makes it"
        if self.block_size is None or self.num_blocks is None:
            return "as large as its file"
        octets = self.block_size * self.num_blocks
        amount = f"{octets // MIB} MiB" if octets % MIB == 0 else f"{octets} bytes"
        return f"{amount} ({self.num_blocks} blocks of {self.block_size})"


def uuid_text(text: str) -> str:
    """A UUID as it is compared."""
    return text.lower()


def declared_bdev(item: Mapping[str, Any], *, check: bool, removing: bool) -> Bdev:
    """A bdev as it is declared; ``check`` and the errors as ``tree.declared`` has them."""
    name, kind = item["name"], item["type"]
    what = f"bdev {name}"
    refuse(f"bdev {name!r}", names.bdev(name))
    if removing:
        # A bdev is removed by its name; what it was made of need no longer be there.
        return Bdev(name, kind)
    _only_its_own(item, what)
    if kind in CSD_TYPES:
        return _csd(item, what)
    block_size = item["block_size"] or DEFAULT_BLOCK_SIZE
    if block_size < 512 or block_size & (block_size - 1):
        raise LabError(
            f"{what} with block_size {block_size}",
            "a block size that is not a power of two of at least 512",
            "use 512 or 4096",
        )
    if kind == "csd_ram" and block_size not in RAM_BLOCKS:
        raise LabError(
            f"{what} of type csd_ram with block_size {block_size}",
            f"its blocks have {' or '.join(map(str, RAM_BLOCKS))} bytes",
            "use one of these",
        )
    blocks = _blocks(item, block_size, what)
    if kind == "csd_ram" and (blocks or 0) * block_size > RAM_MEGABYTES * MIB:
        raise LabError(
            f"{what} of type csd_ram of {(blocks or 0) * block_size} bytes",
            f"one can have {RAM_MEGABYTES} MiB at most",
            "declare several of them",
        )
    identifier = declared_uuid(item, what)
    if kind == "aio":
        return _aio(item, what, blocks, identifier, check=check)
    return Bdev(name, kind, block_size, blocks, identifier)


def _only_its_own(item: Mapping[str, Any], what: str) -> None:
    """Refuse a field that a bdev of another type has."""
    for name, types in _FIELD_TYPES.items():
        if item["type"] not in types and item.get(name) is not None:
            asked = f"{what} of type {item['type']} with {name} {item[name]}"
            raise LabError(asked, f"{name} is for {' and '.join(types)}", "drop it")


def _csd(item: Mapping[str, Any], what: str) -> Bdev:
    """A namespace of csd_tgt: memory, or slots for programs."""
    identifier = declared_uuid(item, what)
    if item["type"] == "csd_slm":
        return Bdev(item["name"], "csd_slm", SLM_BLOCK, _blocks(item, SLM_BLOCK, what), identifier)
    options = {name: item[name] for name in COMPUTE_LIMITS if item.get(name) is not None}
    for name, value in options.items():
        least, most = COMPUTE_LIMITS[name]
        if not least <= value <= most:
            raise LabError(f"{what} with {name} {value}", f"it can be {least} to {most}", "choose one of these")
    if options.get("max_total_bytes", 0) % MIB:
        raise LabError(
            f"{what} with max_total_bytes {options['max_total_bytes']}",
            f"NVMe counts them in MiB ({MIB} bytes)",
            "give whole MiB",
        )
    if options.get("max_active", 1) > options.get("slots", COMPUTE_LIMITS["slots"][1]):
        raise LabError(
            f"{what} with max_active {options['max_active']} and slots {options['slots']}",
            "more programs that are active than there are slots",
            "make max_active at most slots",
        )
    return Bdev(item["name"], "csd_compute", uuid=identifier, options=options)


def _blocks(item: Mapping[str, Any], block_size: int, what: str) -> int | None:
    """The declared number of blocks; None for an aio bdev that leaves its size to the file."""
    megabytes, blocks = item.get("size_megabytes"), item.get("blocks")
    if megabytes is not None and blocks is not None:
        raise LabError(f"{what} with size_megabytes and blocks", "two sizes", "give one of them")
    if megabytes is None and blocks is None:
        if item["type"] == "aio":
            return None
        raise LabError(f"{what} of type {item['type']}", "no size", "give size_megabytes or blocks")
    size = megabytes * MIB if megabytes is not None else (blocks or 0) * block_size
    if size <= 0:
        raise LabError(f"{what} of {size} bytes", "a size that is not above 0", "give a size above 0")
    if size % block_size:
        raise LabError(
            f"{what} of {size} bytes in blocks of {block_size}",
            f"{size % block_size} bytes too many for whole blocks",
            "make the size a multiple of block_size",
        )
    return int(size // block_size)


def _aio(item: Mapping[str, Any], what: str, blocks: int | None, identifier: str | None, *, check: bool) -> Bdev:
    filename, block_size = item.get("filename"), item["block_size"] or DEFAULT_BLOCK_SIZE
    if identifier:
        raise LabError(
            f"{what} of type aio with uuid {identifier}",
            "SPDK 20.07 gives an aio bdev a new UUID at each start",
            "set the uuid on its namespace: that is the one that hosts see",
        )
    if not filename:
        raise LabError(f"{what} of type aio", "no filename", "give the absolute path of a file or device")
    refuse(f"{what} over {filename!r}", names.path(filename))
    size = _file_size(filename)
    if size is None and not check:
        raise LabError(
            f"{what} over {filename}",
            "no such file or block device (this module never makes one)",
            f"make it first, for example: truncate -s SIZE {filename}",
        )
    if size is not None and size % block_size:
        raise LabError(
            f"{what} over {filename} in blocks of {block_size}",
            f"{size} bytes, {size % block_size} too many for whole blocks",
            "make the file's size a multiple of block_size",
        )
    if size is not None and blocks is not None and size != blocks * block_size:
        raise LabError(
            f"{what} of {blocks * block_size} bytes over {filename}",
            f"{size} bytes",
            "declare the size that the file has, or none; this module never resizes a file",
        )
    return Bdev(item["name"], "aio", block_size, blocks, None, filename)


def _file_size(filename: str) -> int | None:
    """Bytes of a file or block device; None where there is none."""
    try:
        found = Path(filename).stat()
    except FileNotFoundError:
        return None
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    if stat.S_ISBLK(found.st_mode):
        with Path(filename).open("rb") as device:
            return device.seek(0, os.SEEK_END)
    raise LabError(f"an aio bdev over {filename}", "neither a file nor a block device", "name one of these")


def declared_uuid(item: Mapping[str, Any], what: str) -> str | None:
    """The UUID of a bdev or namespace as it is compared; None where none is declared."""
    text = item.get("uuid")
    if not text:
        return None
    refuse(f"{what}: UUID {text}", names.uuid(text))
    return uuid_text(text)


def reported_bdev(item: Mapping[str, Any]) -> Bdev:
    """A bdev as bdev_get_bdevs tells it."""
    kind = _PRODUCTS.get(item["product_name"], item["product_name"])
    specific = item.get("driver_specific") or {}
    # A compute namespace is a bdev without blocks to speak of.
    sized = kind != "csd_compute"
    return Bdev(
        name=item["name"],
        type=kind,
        block_size=item["block_size"] if sized else None,
        num_blocks=item["num_blocks"] if sized else None,
        uuid=uuid_text(item["uuid"]) if item.get("uuid") else None,
        filename=specific.get("aio", {}).get("filename"),
        options=_options(specific.get("csd_compute") or {}),
        claimed=item["claimed"],
    )


def saved_bdev(kind: str, params: Mapping[str, Any]) -> Bdev:
    """A bdev as the RPC that makes it has it."""
    if kind == "csd_slm":
        params = {**params, "block_size": SLM_BLOCK, "num_blocks": params["megabytes"] * MIB // SLM_BLOCK}
    return Bdev(
        name=params["name"],
        type=kind,
        block_size=params.get("block_size"),
        num_blocks=params.get("num_blocks"),
        uuid=uuid_text(params["uuid"]) if params.get("uuid") else None,
        filename=params.get("filename"),
        options=_options(params) if kind == "csd_compute" else {},
    )


def _options(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in COMPUTE_LIMITS if name in found}
