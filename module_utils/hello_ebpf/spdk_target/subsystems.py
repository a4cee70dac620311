# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Subsystems with their namespaces, listeners, hosts and rights: as they are declared, and as SPDK tells them.

SPDK tells them in one form, whether a target runs or its saved configuration is read.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .. import names
from ..errors import LabError, refuse
from .bdevs import declared_uuid, uuid_text

# What a subsystem is made with, and SPDK cannot alter.
FIXED = ("serial", "model", "max_namespaces")
# What a host may do with programs: bring them in and take them out, or only run what is there.
LOAD, RUN = "load", "run"


def hex_text(text: str) -> str:
    """An NGUID or EUI-64 as SPDK reports it."""
    return text.replace("-", "").upper()


# What hosts know a namespace by, and how each is written.
IDENTIFIERS = {"uuid": uuid_text, "nguid": hex_text, "eui64": hex_text}


def _named(name: str, **more: Any) -> Any:
    """A field that SPDK's RPCs call otherwise."""
    return field(metadata={"spdk": name}, **more)


@dataclass(frozen=True)
class Namespace:
    """A bdev under a number inside a subsystem, with the identifiers that hosts see."""

    nsid: int
    bdev: str = _named("bdev_name")
    uuid: str | None = None
    nguid: str | None = None
    eui64: str | None = None

    @classmethod
    def declared(cls, item: Mapping[str, Any], what: str) -> Namespace:
        """What is declared of one; ``what`` is its subsystem in words."""
        nsid = item["nsid"]
        asked = f"{what}: namespace {nsid}"
        if not 1 <= nsid <= 0xFFFFFFFE:
            raise LabError(asked, "a namespace id outside 1 to 4294967294", "number namespaces from 1")
        return cls(
            nsid=nsid,
            bdev=item["bdev"],
            uuid=declared_uuid(item, asked),
            nguid=_hex(item, "nguid", names.nguid, asked),
            eui64=_hex(item, "eui64", names.eui64, asked),
        )

    @classmethod
    def reported(cls, item: Mapping[str, Any]) -> Namespace:
        """What SPDK says of one."""
        identifiers = {name: form(item[name]) for name, form in IDENTIFIERS.items() if item.get(name)}
        return cls(**from_spdk(Namespace, item) | dict.fromkeys(IDENTIFIERS) | identifiers)


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

    @classmethod
    def declared(cls, item: Mapping[str, Any], what: str) -> Listener:
        """What is declared of one; ``what`` is its subsystem in words."""
        transport, address, service = item["transport"], item["address"], item["service_id"]
        asked = f"{what}: listener {address}:{service}"
        refuse(asked, names.listener_address(address))
        refuse(asked, names.service_id(service))
        found = ipaddress.ip_address(address)
        family = item.get("family") or f"ipv{found.version}"
        if family != f"ipv{found.version}":
            raise LabError(f"{asked}, family {family}", f"an IPv{found.version} address", "drop family, or mend it")
        return cls(transport, family, str(found), service)

    @classmethod
    def reported(cls, item: Mapping[str, Any]) -> Listener:
        """What SPDK says of one."""
        found = from_spdk(Listener, {"adrfam": "ipv4", **item})
        return cls(**found | {"transport": found["transport"].upper(), "family": found["family"].lower()})


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

    @classmethod
    def declared(cls, item: Mapping[str, Any]) -> Subsystem:
        """What is declared of one."""
        nqn = item["nqn"]
        refuse(f"subsystem {nqn}", names.nqn(nqn))
        what = f"subsystem {nqn}"
        for name, rule in (("serial", names.serial), ("model", names.model)):
            if (text := item.get(name)) is not None:
                refuse(f"{what}: {name} {text!r}", rule(text))
        hosts = None if item.get("hosts") is None else [_host(host, what)[0] for host in item["hosts"]]
        namespaces = (
            None if item.get("namespaces") is None else [Namespace.declared(one, what) for one in item["namespaces"]]
        )
        listeners = (
            None if item.get("listeners") is None else [Listener.declared(one, what) for one in item["listeners"]]
        )
        no_duplicate(f"host of {what}", hosts or ())
        no_duplicate(f"namespace id of {what}", (namespace.nsid for namespace in namespaces or ()))
        no_duplicate(f"listener of {what}", listeners or ())
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
        return cls(
            nqn=nqn,
            serial=item.get("serial"),
            model=item.get("model"),
            max_namespaces=limit,
            allow_any_host=item["allow_any_host"],
            hosts=None if hosts is None else tuple(sorted(hosts)),
            namespaces=None if namespaces is None else tuple(sorted(namespaces, key=lambda one: one.nsid)),
            listeners=None if listeners is None else tuple(sorted(listeners)),
        )

    @classmethod
    def reported(cls, item: Mapping[str, Any]) -> Subsystem:
        """What SPDK says of one."""
        namespaces = [Namespace.reported(one) for one in item["namespaces"]]
        # SPDK leaves this field out where the subsystem was created without a limit.
        found = {"max_namespaces": 0, **from_spdk(Subsystem, item)}
        return cls(
            **found,
            hosts=tuple(sorted(host["nqn"] for host in item["hosts"])),
            namespaces=tuple(sorted(namespaces, key=lambda namespace: namespace.nsid)),
            listeners=tuple(sorted(map(Listener.reported, item["listen_addresses"]))),
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


def declared_rights(item: Mapping[str, Any]) -> dict[str, str]:
    """The fewest rules that say it: csd_tgt lets a host load that has none."""
    others = item.get("programs") or LOAD
    told = dict(_host(host, f"subsystem {item['nqn']}") for host in item.get("hosts") or ())
    rules = {host: programs for host, programs in told.items() if programs is not None and programs != others}
    return {**rules, **({"": others} if others != LOAD else {})}


def _hex(item: Mapping[str, Any], name: str, rule: names.Rule, what: str) -> str | None:
    text = item.get(name)
    if not text:
        return None
    refuse(f"{what}: {name} {text}", rule(text))
    return hex_text(text)


def no_duplicate(what: str, values: Iterable[Hashable]) -> None:
    """Refuse what is declared twice."""
    twice: Sequence[Hashable] = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise LabError(f"{what} {twice[0]}", "it is declared more than once", "declare each once")


def to_spdk(item: Namespace | Listener | Subsystem) -> dict[str, Any]:
    """An object as parameters of SPDK's RPCs. What is in it comes by RPCs of its own."""
    told = [(one.metadata.get("spdk", one.name), getattr(item, one.name)) for one in fields(item)]
    return {name: value for name, value in told if value is not None and not isinstance(value, tuple)}


def from_spdk(kind: type[Namespace | Listener | Subsystem], found: Mapping[str, Any]) -> dict[str, Any]:
    """What SPDK says of such an object, under our names; what is in it apart."""
    names = {one.metadata.get("spdk", one.name): one.name for one in fields(kind)}
    return {names[name]: value for name, value in found.items() if name in names and not isinstance(value, list)}
