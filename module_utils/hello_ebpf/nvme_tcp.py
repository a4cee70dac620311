"""One NVMe/TCP connection of the kernel: made, adjusted, taken down, and brought back at boot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

from . import nvme_kernel
from .errors import LabError
from .nvme_boot import Boot, Files
from .nvme_connection import PROGRAM, Connection, WantedNamespace, refusal
from .nvme_host import OFF, Controller, Host, Namespace, Settings
from .plan import Step

POLL_SECONDS = 0.1
OWNER = "nvme_tcp"  # of the notes of connections
NEW = "(new)"  # the name of a predicted controller: the kernel gives it one


@dataclass(frozen=True)
class Found:
    """What is there: the controllers of this key (more than one only by accident) and the files for boot.

    ``noted``: the lab's note of this key, empty where the lab made the connection, else the boot in which it found it
    made by somebody else; None where there is no note.
    """

    controllers: tuple[Controller, ...]
    boot: Files
    noted: str | None = None


class NvmeTcp:
    """Reads, plans and predicts for ``plan.converge``."""

    def __init__(self, asked: Connection, host: Host, *, check: bool) -> None:
        self.asked = asked
        self.host = host
        self.check = check
        self.note = " ".join(asked.key)
        others = any(note != self.note for note in host.made.of(OWNER))
        self.boot = Boot(asked, host, others=others)

    # ---- read

    def read(self) -> Found:
        """The present state. A connection that is on its way (reconnecting, scanning) is given its time."""
        controllers = self._wait(self._settled) if self.asked.state == "present" else self._controllers()
        return Found(controllers, self.boot.found(), self.host.made.of(OWNER).get(self.note))

    def _controllers(self) -> tuple[Controller, ...]:
        found = self.host.controllers()
        return tuple(one for one in found if one.transport == "tcp" and one.key == self.asked.key)

    def _settled(self, controllers: Sequence[Controller]) -> bool:
        """Nothing to wait for: no connection, or one that is live and shows what is declared."""
        return all(controller.state == "live" and not list(self._missing(controller)) for controller in controllers)

    def _wait(self, done: Callable[[Sequence[Controller]], bool]) -> tuple[Controller, ...]:
        deadline = time.monotonic() + self.asked.wait_seconds
        while True:
            controllers = self._controllers()
            if done(controllers) or time.monotonic() >= deadline:
                return controllers
            time.sleep(POLL_SECONDS)

    # ---- plan

    def plan(self, found: Found) -> Sequence[Step]:
        """The missing steps.

        Raises:
            LabError: this kernel cannot, or what is there stands against what was asked.
        """
        if self.asked.state == "absent":
            steps = [*self._disconnections(found), *self._boot_steps(found, present=False)]
            return self._forgetting(steps) if found.noted is not None else steps
        if self.asked.boot:
            self.boot.refuse_foreign(found.boot, self.boot.wanted(present=True))
        if found.controllers:
            steps = [step for controller in found.controllers for step in self._adjustments(controller)]
        else:
            steps = self._connection()
        return [*steps, *self._boot_steps(found, present=self.asked.boot)]

    def _connection(self) -> list[Step]:
        support = self.host.support()
        if not support.usable:
            raise LabError(asked=str(self.asked), found=support.reason, fix=support.fix)
        if not self.check and not self.host.has(PROGRAM):
            raise LabError(
                asked=str(self.asked),
                found=f"{PROGRAM} is not there",
                fix="install the package nvme-cli (the role nvme_tcp does)",
            )
        load = Step(
            f"load the kernel module {nvme_kernel.MODULE}",
            lambda: self.host.run(["modprobe", nvme_kernel.MODULE]),
        )
        connect = Step(
            f"connect to {self.asked.subsystem_nqn} at {self.asked.address}:{self.asked.service_id}"
            f" as {self.asked.host_nqn}",
            self._connect,
            self._unconnect,
        )
        return [connect] if support.loaded else [load, connect]

    def _connect(self) -> None:
        """Connect, wait until it is live and shows its namespaces; when it does not, take it down again."""
        self.host.made.note(OWNER, self.note)
        with self.host.kernel_log() as kernel_log:
            status, out, err = self.host.run_command(list(self.asked.command()))
            if status != 0:
                self._forget()
                raise refusal(self.asked, (err or out).strip(), kernel_log())
        controllers = self._wait(lambda controllers: bool(controllers) and self._settled(controllers))
        try:
            for controller in controllers:
                self._check(controller)
        except LabError:
            self._unconnect()
            raise

    def _check(self, controller: Controller) -> None:
        """What no step of ours can mend.

        Raises:
            LabError: not live, another setting than the declared one, or not the declared namespaces.
        """
        asked = self.asked
        if controller.state != "live":
            lost = controller.ctrl_loss_tmo
            gives_up = "never gives up" if lost == OFF else f"gives up {lost} s after the loss"
            raise LabError(
                asked=f"{asked}, live",
                found=f"{controller.name} is there in state {controller.state} since {asked.wait_seconds} s or longer;"
                f" the kernel tries again every {controller.reconnect_delay} s and {gives_up}",
                fix=f"see whether the target listens at {asked.address}:{asked.service_id}; the connection comes back"
                " by itself when it does",
            )
        if differences := list(self._fixed(controller)):
            raise LabError(
                asked=str(asked),
                found=f"{controller.name} has {', '.join(differences)}, which a connection keeps for life",
                fix="take it down first (state: absent) when nothing uses it, then run again; or declare what it has",
            )
        for wanted, found in self._missing(controller):
            raise LabError(
                asked=f"{wanted} of {asked.subsystem_nqn} (connected as {controller.name})",
                found=found,
                fix="declare what the target has, or add the namespace there",
            )

    def _fixed(self, controller: Controller) -> Iterator[str]:
        """Settings that a connection keeps for life, where they are others than asked for.

        More queues than asked for are wrong; fewer are what the target or the number of processors granted.
        """
        for name in ("host_id", "keep_alive_tmo", "nr_io_queues", "queue_size"):
            wanted, found = getattr(self.asked, name), getattr(controller, name)
            if wanted is None or found is None or wanted == found:
                continue
            if name in ("host_id", "keep_alive_tmo") or found > wanted:
                yield f"{name} {found} instead of {wanted}"

    def _missing(self, controller: Controller) -> Iterator[tuple[WantedNamespace, str]]:
        """Declared namespaces that are not there as declared, each with what is there instead."""
        for wanted in self.asked.namespaces:
            named = next(filter(wanted.named_by, controller.namespaces), None)
            if named is None:
                there = ", ".join(f"{have.nsid} (UUID {have.uuid})" for have in controller.namespaces) or "none"
                yield wanted, f"it did not appear within {self.asked.wait_seconds} s; the namespaces there: {there}"
            elif wanted.uuid and named.uuid != wanted.uuid:
                yield wanted, f"namespace {named.nsid} has UUID {named.uuid}"
            elif named.block and not (self.host.root / "dev" / named.block).exists():
                yield wanted, f"sysfs shows {named.block}, but there is no /dev/{named.block} (a container's own /dev?)"

    def _adjustments(self, controller: Controller) -> Iterator[Step]:
        """Settings that the kernel lets change while connected.

        The loss time is kept in units of the delay, so the delay goes first.
        """
        self._check(controller)
        wanted = self._adjusted(controller)
        for name in ("reconnect_delay", "ctrl_loss_tmo"):
            now, then = getattr(controller, name), getattr(wanted, name)
            if now is not None and now != then:
                yield Step(
                    f"set {name} of {controller.name} from {_seconds(now)} to {_seconds(then)}",
                    partial(self._set, controller.name, name, then),
                    partial(self._set, controller.name, name, now),
                )

    def _adjusted(self, controller: Controller) -> Controller:
        """With the settings as asked. The kernel rounds the loss time up to whole reconnect delays."""
        delay = self.asked.reconnect_delay or controller.reconnect_delay
        loss = self.asked.ctrl_loss_tmo
        if loss is None:
            loss = controller.ctrl_loss_tmo
        elif delay:
            loss = OFF if loss < 0 else -(-loss // delay) * delay
        return replace(controller, reconnect_delay=delay, ctrl_loss_tmo=loss)

    def _set(self, controller: str, name: str, value: int) -> None:
        try:
            self.host.set_attribute(controller, name, value)
        except OSError as error:
            raise LabError(
                asked=f"set {name} of {controller} to {_seconds(value)}",
                found=f"the kernel refuses: {error}",
                fix="take the connection down (state: absent) when nothing uses it, then run again",
            ) from error

    def _unconnect(self) -> None:
        for controller in self._controllers():
            self._disconnect(controller.name)
        self._forget()

    def _forget(self) -> None:
        self.host.made.forget(OWNER, self.note)

    def _forgetting(self, steps: list[Step]) -> list[Step]:
        """The note goes with the last of what it tells of."""
        if not steps:
            return [Step(f"forget {self.asked}", self._forget)]

        def last() -> None:
            steps[-1].apply()
            self._forget()

        return [*steps[:-1], Step(steps[-1].summary, last, steps[-1].undo)]

    def _is_ours(self, found: Found) -> bool:
        """Whether the lab made the connection: now, or its unit at boot; not who made it before the lab in this one."""
        if found.noted is None:
            return self.boot.unit_of(found.boot) is not None
        return not found.noted or found.noted != self.host.boot_id()

    def _disconnections(self, found: Found) -> list[Step]:
        if not self._is_ours(found):
            return []
        # In check mode nothing was unmounted before; in a real run what is still mounted counts.
        leaving = self.asked.unmounted_before if self.check else ()
        for controller in found.controllers:
            for namespace in controller.namespaces:
                users = self.host.users(namespace.block, leaving) if namespace.block else []
                if users:
                    raise LabError(
                        asked=f"take down {self.asked} ({controller.name})",
                        found=f"{namespace.device()} is in use: {', '.join(users)}",
                        fix="unmount or release it first, then run again",
                    )
        return [
            Step(f"disconnect {name} from {self.asked.subsystem_nqn}", partial(self._disconnect, name))
            for name in (controller.name for controller in found.controllers)
        ]

    def _disconnect(self, name: str) -> None:
        self.host.run([PROGRAM, "disconnect", f"--device={name}"])
        self._wait(lambda controllers: all(controller.name != name for controller in controllers))

    def _boot_steps(self, found: Found, *, present: bool) -> Iterator[Step]:
        wanted = self.boot.wanted(present)
        wrong: Files = {name: text for name, text in wanted.items() if found.boot[name] != text}
        if wrong:
            before: Files = {name: found.boot[name] for name in wrong}
            names = ", ".join(f"/{name}" for name in wrong)
            yield Step(
                f"{'write' if present else 'remove'} {names}",
                lambda: self._write_boot(wrong, found, present=present),
                lambda: self.boot.write(before),
            )

    def _write_boot(self, files: Files, found: Found, *, present: bool) -> None:
        if present and found.noted is None and found.controllers:
            # Somebody else made the connection; from the next boot on our unit does.
            self.host.made.note(OWNER, self.note, self.host.boot_id())
        self.boot.write(files)

    # ---- predict and show

    def predict(self, found: Found) -> Found:
        """What the planned steps lead to. A new controller's name is not known before it is there."""
        present = self.asked.state == "present"
        boot = {**found.boot, **self.boot.wanted(present and self.asked.boot)}
        if not present:
            return Found(() if self._is_ours(found) else found.controllers, boot)
        return Found(tuple(map(self._adjusted, found.controllers or [self._new()])), boot)

    def _new(self) -> Controller:
        spaces = (
            Namespace(wanted.nsid or 0, wanted.uuid, None, None, None, None, 0) for wanted in self.asked.namespaces
        )
        settings = {field.name: getattr(self.asked, field.name) for field in fields(Settings)}
        return Controller(name=NEW, transport="tcp", state="live", namespaces=tuple(spaces), **settings)

    def render(self, found: Found) -> str:
        """The state as text for ``--diff``."""
        lines = [line for controller in found.controllers for line in _lines(controller)]
        lines = lines or [f"{self.asked}: absent"]
        for name, text in sorted(found.boot.items()):
            lines += [f"/{name}: {'absent' if text is None else ''}".rstrip()]
            lines += [f"  {line}" for line in (text or "").splitlines()]
        return "\n".join(lines) + "\n"

    def devices(self, found: Found) -> list[dict[str, object]]:
        """The namespaces for the module's result; one listed by two controllers of the same key only once."""
        by_id = {space.nsid: space for controller in found.controllers for space in controller.namespaces}
        return [
            {
                "subsystem_nqn": self.asked.subsystem_nqn,
                "nsid": namespace.nsid,
                "uuid": namespace.uuid,
                "nguid": namespace.nguid,
                "eui64": namespace.eui64,
                "device": namespace.device(),
                "generic_device": namespace.generic_device(),
                "size_bytes": namespace.size_bytes,
            }
            for namespace in by_id.values()
        ]


def _lines(controller: Controller) -> Iterable[str]:
    yield f"{controller.name}: {controller.subsystem_nqn} at {controller.address}:{controller.service_id}"
    yield f"  host: {controller.host_nqn}"
    yield f"  state: {controller.state}"
    for name in ("reconnect_delay", "ctrl_loss_tmo"):
        value: int | None = getattr(controller, name)
        yield f"  {name}: {'default' if value is None else _seconds(value)}"
    for space in controller.namespaces:
        device = "its device" if controller.name == NEW else space.device() or "no block device"
        yield f"  namespace {space.nsid or '?'}: UUID {space.uuid or '?'}, {device}"


def _seconds(value: int) -> str:
    return "off" if value == OFF else f"{value} s"
