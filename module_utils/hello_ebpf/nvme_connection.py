"""What can be asked of an NVMe/TCP connection, and what a refused one means."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace

from . import names
from .errors import LabError, refuse
from .nvme_host import Namespace, Settings, normal_address
from .nvme_kernel import MODULE

# Ansible's own namespace for names turned into UUIDs (its filter to_uuid).
UUID_NAMESPACE = uuid.UUID("361e6d51-faec-444a-9079-341386da8e2e")
PROGRAM = "/usr/sbin/nvme"


@dataclass(frozen=True)
class WantedNamespace:
    """A namespace that the connection must show, by its id, its UUID, or both."""

    nsid: int | None
    uuid: str | None

    def __str__(self) -> str:
        if self.nsid is None:
            return f"the namespace with UUID {self.uuid}"
        return f"namespace {self.nsid}" + (f" with UUID {self.uuid}" if self.uuid else "")

    def named_by(self, namespace: Namespace) -> bool:
        """Whether this is the namespace meant; its UUID may still be another than the declared one."""
        return namespace.nsid == self.nsid if self.nsid is not None else namespace.uuid == self.uuid


@dataclass(frozen=True)
class Connection(Settings):
    """What is asked of a connection. None: not asked, the kernel's default or what is there will do."""

    state: str = "present"
    namespaces: tuple[WantedNamespace, ...] = ()
    wait_seconds: int = 30
    boot: bool = False
    boot_after: tuple[str, ...] = ()
    unmounted_before: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"the connection to {self.subsystem_nqn} at {self.address}:{self.service_id} as {self.host_nqn}"

    def command(self) -> tuple[str, ...]:
        """The nvme connect that makes it.

        --duplicate-connect: nvme-cli takes a connection of another host NQN to the same subsystem for this one.
        """
        options = {
            "--nqn": self.subsystem_nqn,
            "--traddr": self.address,
            "--trsvcid": self.service_id,
            "--hostnqn": self.host_nqn,
            "--hostid": self.host_id or host_id_of(self.host_nqn),
            "--reconnect-delay": self.reconnect_delay,
            "--ctrl-loss-tmo": self.ctrl_loss_tmo,
            "--keep-alive-tmo": self.keep_alive_tmo,
            "--nr-io-queues": self.nr_io_queues,
            "--queue-size": self.queue_size,
        }
        given = (f"{name}={value}" for name, value in options.items() if value is not None)
        return (PROGRAM, "connect", "--transport=tcp", *given, "--duplicate-connect")


def host_id_of(host_nqn: str) -> str:
    """A host identifier that belongs to the host NQN: newer kernels refuse one identifier under two NQNs."""
    if host_nqn.startswith(names.UUID_NQN):
        return host_nqn.removeprefix(names.UUID_NQN)
    return str(uuid.uuid5(UUID_NAMESPACE, host_nqn))


def validated(asked: Connection) -> Connection:
    """The request with address and UUIDs in their usual spelling.

    Raises:
        LabError: something in it cannot be a connection.
    """
    for name, rule in (
        ("subsystem_nqn", names.nqn),
        ("host_nqn", names.nqn),
        ("address", names.address),
        ("service_id", names.service_id),
    ):
        refuse(f"{name} {getattr(asked, name)!r}", rule(getattr(asked, name)))
    for unit in asked.boot_after:
        refuse(f"boot_after {unit!r}", names.unit(unit))
    host_id = None if asked.host_id is None else _uuid("host_id", asked.host_id)
    namespaces = tuple(validated_namespace(namespace) for namespace in asked.namespaces)
    return replace(asked, address=normal_address(asked.address), host_id=host_id, namespaces=namespaces)


def validated_namespace(asked: WantedNamespace) -> WantedNamespace:
    """A declared namespace with its UUID in the usual spelling; LabError where it names none."""
    if asked.nsid is None and asked.uuid is None:
        raise LabError("a namespace", "it has neither nsid nor uuid", "give one of them or both")
    return asked if asked.uuid is None else replace(asked, uuid=_uuid("uuid", asked.uuid))


def _uuid(name: str, text: str) -> str:
    refuse(f"{name} {text!r}", names.uuid(text))
    return text.lower()


def refusal(asked: Connection, said: str, kernel_log: str) -> LabError:
    """Why nvme connect failed. The kernel's log tells what its error number (often EIO) does not."""
    portal = f"{asked.address}:{asked.service_id}"
    both = f"{said}\n{kernel_log}"
    evidence = f"nvme connect: {_flat(said)}" + (f"; kernel: {kernel_log}" if kernel_log else "")
    for sign, found, fix in (
        (
            "is not allowed, hostnqn",
            f"the subsystem does not allow the host NQN {asked.host_nqn}",
            "declare this host NQN among the subsystem's hosts, or connect with one that it allows",
        ),
        (
            "Invalid Data Parameter, subsysnqn",
            f"the target at {portal} has no subsystem {asked.subsystem_nqn} on that listener",
            "declare the subsystem and its listener on the target, or correct the NQN",
        ),
        (
            "onnection refused",
            f"nobody listens at {portal}",
            "start the target, or correct address and service_id",
        ),
        (
            "imed out",
            f"no answer from {portal}",
            "see that the address is right and that no firewall drops its packets",
        ),
        (
            "o route to host|etwork is unreachable",
            f"this machine has no way to {asked.address}",
            "correct the address, or see to the route",
        ),
        (
            "same hostid",
            f"another connection uses the host identifier of {asked.host_nqn} under another host NQN",
            "give each host NQN a host_id of its own",
        ),
        (
            "nvme-fabrics: No such file|nvme-fabrics: Invalid argument|nvalid argument",
            f"the kernel refuses: the module {MODULE} is not loaded, or an option is out of its range",
            f"run `modprobe {MODULE}`, and read the kernel's log for the option it names",
        ),
    ):
        if re.search(sign, both):
            return LabError(asked=str(asked), found=f"{found} ({evidence})", fix=fix)
    return LabError(asked=str(asked), found=evidence, fix="read the target's log for its reason")


def _flat(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
