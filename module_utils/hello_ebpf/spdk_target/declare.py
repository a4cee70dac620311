# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The declared tree, from a module's arguments; refuses what no target could ever hold, before any RPC."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import names
from ..errors import LabError, refuse
from .model import (
    COMPUTE_LIMITS,
    CSD_TYPES,
    IDENTIFIERS,
    LOAD,
    MIB,
    RAM_BLOCKS,
    RAM_MEGABYTES,
    RUN,
    SLM_BLOCK,
    Bdev,
    Listener,
    Namespace,
    Subsystem,
    Tree,
    hex_text,
    uuid_text,
)

DEFAULT_BLOCK_SIZE = 512
# Which bdevs have a field; a field that is not here, all have.
_FIELD_TYPES = {
    "filename": ("aio",),
    "block_size": ("malloc", "csd_ram", "aio", "null"),
    "blocks": ("malloc", "csd_ram", "aio", "null"),
    "size_megabytes": ("malloc", "csd_ram", "aio", "null", "csd_slm"),
    **dict.fromkeys(COMPUTE_LIMITS, ("csd_compute",)),
}


def declared(params: Mapping[str, Any], *, check: bool) -> Tree:
    """The declared tree.

    Args:
        params: ``transports``, ``bdevs``, ``subsystems`` and ``state`` of the module's arguments.
        check: in check mode the file behind an aio bdev may still be missing: an earlier task would have made it.

    Raises:
        LabError: the declaration contradicts itself, or NVMe, or SPDK.
    """
    transports = [_transport(item) for item in params.get("transports") or ()]
    removing = params.get("state") == "absent"
    bdevs = [_bdev(item, check=check, removing=removing) for item in params.get("bdevs") or ()]
    subsystems = [_subsystem(item) for item in params.get("subsystems") or ()]
    _no_duplicate("transport", (kind for kind, _ in transports))
    _no_duplicate("bdev name", (item.name for item in bdevs))
    _no_duplicate("subsystem NQN", (item.nqn for item in subsystems))
    _no_duplicate("file behind an aio bdev", (os.path.realpath(item.filename) for item in bdevs if item.filename))
    namespaces = [namespace for item in subsystems for namespace in item.namespaces or ()]
    for name in ("bdev", *IDENTIFIERS):
        values = (getattr(namespace, name) for namespace in namespaces)
        _no_duplicate(f"{name} of a namespace", (value for value in values if value is not None))
    return Tree(
        transports=dict(transports),
        bdevs={item.name: item for item in bdevs},
        subsystems={item.nqn: item for item in subsystems},
        rights={item["nqn"]: _rights(item) for item in params.get("subsystems") or ()},
    )


def _transport(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    options = {name: item[name] for name in sorted(item) if name != "type" and item[name] is not None}
    io_unit, max_io = options.get("io_unit_size"), options.get("max_io_size")
    if io_unit is not None and max_io is not None and max_io < io_unit:
        raise LabError(
            f"transport {item['type']} with io_unit_size {io_unit} and max_io_size {max_io}",
            "an I/O unit larger than the largest I/O",
            "make io_unit_size at most max_io_size",
        )
    return item["type"], options


def _bdev(item: Mapping[str, Any], *, check: bool, removing: bool) -> Bdev:
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
    identifier = _uuid(item, what)
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
    identifier = _uuid(item, what)
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


def _subsystem(item: Mapping[str, Any]) -> Subsystem:
    nqn = item["nqn"]
    refuse(f"subsystem {nqn}", names.nqn(nqn))
    what = f"subsystem {nqn}"
    for name, rule in (("serial", names.serial), ("model", names.model)):
        if (text := item.get(name)) is not None:
            refuse(f"{what}: {name} {text!r}", rule(text))
    hosts = None if item.get("hosts") is None else [_host(host, what)[0] for host in item["hosts"]]
    namespaces = None if item.get("namespaces") is None else [_namespace(one, what) for one in item["namespaces"]]
    listeners = None if item.get("listeners") is None else [_listener(one, what) for one in item["listeners"]]
    _no_duplicate(f"host of {what}", hosts or ())
    _no_duplicate(f"namespace id of {what}", (namespace.nsid for namespace in namespaces or ()))
    _no_duplicate(f"listener of {what}", listeners or ())
    limit = item.get("max_namespaces")
    if limit is not None and limit < 0:
        raise LabError(f"{what} with max_namespaces {limit}", "a negative number", "use 0 for no limit")
    for namespace in namespaces or ():
        if limit and namespace.nsid > limit:
            raise LabError(
                f"{what}: namespace {namespace.nsid}",
                f"max_namespaces is {limit}, which is also the highest namespace id",
                "raise max_namespaces",
            )
    return Subsystem(
        nqn=nqn,
        serial=item.get("serial"),
        model=item.get("model"),
        max_namespaces=limit,
        allow_any_host=item["allow_any_host"],
        hosts=None if hosts is None else tuple(sorted(hosts)),
        namespaces=None if namespaces is None else tuple(sorted(namespaces, key=lambda one: one.nsid)),
        listeners=None if listeners is None else tuple(sorted(listeners)),
    )


def _host(host: object, what: str) -> tuple[str, str | None]:
    """A host's NQN, and what it may do with programs where that is told."""
    if isinstance(host, str):
        refuse(f"{what}: host {host}", names.nqn(host))
        return host, None
    fix = f"write the host's NQN, or {{nqn: NQN, programs: {LOAD}}}, or {{nqn: NQN, programs: {RUN}}}"
    if not isinstance(host, Mapping) or not isinstance(host.get("nqn"), str):
        raise LabError(f"{what}: host {host}", "neither an NQN nor a mapping with one", fix)
    if unknown := sorted(str(name) for name in host if name not in {"nqn", "programs"}):
        raise LabError(f"{what}: host {host['nqn']} with {', '.join(unknown)}", "a host has nqn and programs", fix)
    programs = host.get("programs")
    if programs not in {None, LOAD, RUN}:
        raise LabError(f"{what}: host {host['nqn']} with programs {programs}", f"it can be {LOAD} or {RUN}", fix)
    refuse(f"{what}: host {host['nqn']}", names.nqn(host["nqn"]))
    return host["nqn"], programs


def _rights(item: Mapping[str, Any]) -> dict[str, str]:
    """The fewest rules that say it: csd_tgt lets a host load that has none."""
    others = item.get("programs") or LOAD
    told = dict(_host(host, f"subsystem {item['nqn']}") for host in item.get("hosts") or ())
    rules = {host: programs for host, programs in told.items() if programs is not None and programs != others}
    return {**rules, **({"": others} if others != LOAD else {})}


def _namespace(item: Mapping[str, Any], what: str) -> Namespace:
    nsid = item["nsid"]
    asked = f"{what}: namespace {nsid}"
    if not 1 <= nsid <= 0xFFFFFFFE:
        raise LabError(asked, "a namespace id outside 1 to 4294967294", "number namespaces from 1")
    return Namespace(
        nsid=nsid,
        bdev=item["bdev"],
        uuid=_uuid(item, asked),
        nguid=_hex(item, "nguid", names.nguid, asked),
        eui64=_hex(item, "eui64", names.eui64, asked),
    )


def _listener(item: Mapping[str, Any], what: str) -> Listener:
    transport, address, service = item["transport"], item["address"], item["service_id"]
    asked = f"{what}: listener {address}:{service}"
    refuse(asked, names.listener_address(address))
    refuse(asked, names.service_id(service))
    found = ipaddress.ip_address(address)
    family = item.get("family") or f"ipv{found.version}"
    if family != f"ipv{found.version}":
        raise LabError(f"{asked}, family {family}", f"an IPv{found.version} address", "drop family, or mend it")
    return Listener(transport, family, str(found), service)


def _uuid(item: Mapping[str, Any], what: str) -> str | None:
    text = item.get("uuid")
    if not text:
        return None
    refuse(f"{what}: UUID {text}", names.uuid(text))
    return uuid_text(text)


def _hex(item: Mapping[str, Any], name: str, rule: names.Rule, what: str) -> str | None:
    text = item.get(name)
    if not text:
        return None
    refuse(f"{what}: {name} {text}", rule(text))
    return hex_text(text)


def _no_duplicate(what: str, values: Iterable[Hashable]) -> None:
    twice: Sequence[Hashable] = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise LabError(f"{what} {twice[0]}", "it is declared more than once", "declare each once")
