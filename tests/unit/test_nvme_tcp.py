"""The module nvme_tcp_connection over {run, check, diff, run again}, and every refusal with its text."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.nvme_connection import Connection, WantedNamespace, host_id_of, refusal, validated
from ansible.module_utils.hello_ebpf.nvme_tcp import Found, NvmeTcp
from ansible.module_utils.hello_ebpf.plan import Outcome, converge
from nvme_tcp_left import left

from nvme_machine import HOST_NQN, NQN, RELEASE, SECTORS, UUID, Machine, Space

LOAD = "load the kernel module nvme_tcp"
CONNECT = f"connect to {NQN} at 127.0.0.1:4420 as {HOST_NQN}"
CONNECTION = f"the connection to {NQN} at 127.0.0.1:4420 as {HOST_NQN}"
IO_ERROR = (
    "nvme connect: Failed to write to /dev/nvme-fabrics: Input/output error;"
    " could not add new controller: failed to write to nvme-fabrics device"
)
DEVICE = {
    "subsystem_nqn": NQN,
    "nsid": 1,
    "uuid": UUID,
    "nguid": None,
    "eui64": None,
    "device": "/dev/nvme0n1",
    "generic_device": "/dev/ng0n1",
    "size_bytes": SECTORS * 512,
}


def work(machine: Machine, *, check: bool = False, **asked: Any) -> NvmeTcp:
    defaults: dict[str, Any] = {
        "state": "present",
        "subsystem_nqn": NQN,
        "address": "127.0.0.1",
        "service_id": "4420",
        "host_nqn": HOST_NQN,
        "namespaces": (WantedNamespace(1, UUID),),
        "wait_seconds": 0,
    }
    return NvmeTcp(validated(Connection(**defaults | asked)), machine.host(), check=check)


def run(machine: Machine, *, check: bool = False, **asked: Any) -> Outcome[Found]:
    it = work(machine, check=check, **asked)
    return converge(it.read, it.plan, it.predict, check=check)


def refused(machine: Machine, **asked: Any) -> str:
    with pytest.raises(LabError) as error:
        run(machine, **asked)
    return str(error.value)


# ---- present


@pytest.mark.parametrize("multipath", [True, False])
@pytest.mark.parametrize("systemd", [True, False])
def test_connected_once(tmp_path: Path, multipath: bool, systemd: bool) -> None:
    machine = Machine(tmp_path, multipath=multipath, systemd=systemd)
    untouched = machine.tree()
    predicted = run(machine, check=True, boot=True)
    assert machine.tree() == untouched
    assert machine.commands == []
    done = run(machine, boot=True)
    assert done.actions == predicted.actions
    assert done.actions[:2] == [LOAD, CONNECT]
    assert len(machine.ran("modprobe")) == len(machine.ran("nvme")) == 1
    assert work(machine).devices(done.after) == [DEVICE]
    connected = machine.tree()
    for check in (True, False):
        assert run(machine, check=check, boot=True).actions == []
    assert machine.tree() == connected
    assert len(machine.ran("nvme")) == 1


def test_check_mode_needs_no_nvme_cli_and_the_run_says_that_it_does(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "usr/sbin/nvme").unlink()
    assert run(machine, check=True).actions == [LOAD, CONNECT]
    assert refused(machine) == (
        f"Asked: {CONNECTION}. Found: /usr/sbin/nvme is not there. "
        "Do: install the package nvme-cli (the role nvme_tcp does)."
    )


def test_the_command(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(
        machine,
        reconnect_delay=2,
        ctrl_loss_tmo=601,
        keep_alive_tmo=7,
        nr_io_queues=2,
        queue_size=64,
        host_id="6C1F2D7E-5A0B-4C6E-9A57-0E8BFF0EFFFF",
    )
    assert machine.ran("nvme") == [
        [
            "/usr/sbin/nvme",
            "connect",
            "--transport=tcp",
            f"--nqn={NQN}",
            "--traddr=127.0.0.1",
            "--trsvcid=4420",
            f"--hostnqn={HOST_NQN}",
            "--hostid=6c1f2d7e-5a0b-4c6e-9a57-0e8bff0effff",
            "--reconnect-delay=2",
            "--ctrl-loss-tmo=601",
            "--keep-alive-tmo=7",
            "--nr-io-queues=2",
            "--queue-size=64",
            "--duplicate-connect",
        ]
    ]


def test_a_host_id_belongs_to_its_host_nqn() -> None:
    assert host_id_of(HOST_NQN) == host_id_of(HOST_NQN) != host_id_of(f"{HOST_NQN}1")
    assert host_id_of(f"nqn.2014-08.org.nvmexpress:uuid:{UUID}") == UUID


def test_the_diff_shows_before_and_after(tmp_path: Path) -> None:
    machine = Machine(tmp_path, systemd=False)
    it = work(machine, boot=True, reconnect_delay=2, ctrl_loss_tmo=600)
    done = converge(it.read, it.plan, it.predict, check=False)
    assert it.render(done.before).startswith(
        f"{CONNECTION}: absent\n/etc/modules-load.d/hello_ebpf-nvme_tcp.conf: absent\n"
    )
    assert it.render(done.after).startswith(
        f"nvme0: {NQN} at 127.0.0.1:4420\n"
        f"  host: {HOST_NQN}\n"
        "  state: live\n"
        "  reconnect_delay: 2 s\n"
        "  ctrl_loss_tmo: 600 s\n"
        f"  namespace 1: UUID {UUID}, /dev/nvme0n1\n"
        "/etc/modules-load.d/hello_ebpf-nvme_tcp.conf:\n"
        "  # Written by hello_eBPF; changes are overwritten by the next run.\n"
        "  nvme_tcp\n"
    )


def test_a_devices_number_is_not_its_namespace_id(tmp_path: Path) -> None:
    other = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0002"
    machine = Machine(tmp_path, spaces=(Space(1, UUID, 2), Space(2, other, 1)))
    done = run(machine, namespaces=(WantedNamespace(1, UUID), WantedNamespace(None, other)))
    devices = work(machine).devices(done.after)
    assert [(device["nsid"], device["device"]) for device in devices] == [(1, "/dev/nvme0n2"), (2, "/dev/nvme0n1")]
    assert [device["generic_device"] for device in devices] == ["/dev/ng0n2", "/dev/ng0n1"]


@pytest.mark.parametrize("multipath", [True, False])
def test_a_namespace_of_another_command_set_has_no_block_device(tmp_path: Path, multipath: bool) -> None:
    machine = Machine(tmp_path, multipath=multipath, spaces=(Space(1, UUID, 1), Space(2, None, 2, hidden=True)))
    done = run(machine, namespaces=(WantedNamespace(2, None),))
    assert work(machine).devices(done.after)[1] == DEVICE | {
        "nsid": 2,
        "uuid": None,
        "device": None,
        "generic_device": "/dev/ng0n2",
    }


# ---- settings


def test_reconnect_settings_are_changed_in_place(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    settings: dict[str, Any] = {"reconnect_delay": 7, "ctrl_loss_tmo": 900}
    before = machine.tree()
    actions = [
        "set reconnect_delay of nvme0 from 10 s to 7 s",
        "set ctrl_loss_tmo of nvme0 from 600 s to 903 s",  # whole reconnect delays, as the kernel keeps it
    ]
    assert run(machine, check=True, **settings).actions == actions
    assert machine.tree() == before
    assert run(machine, **settings).actions == actions
    assert machine.read("sys/class/nvme/nvme0/ctrl_loss_tmo") == "903"
    assert run(machine, **settings).actions == []
    assert run(machine, ctrl_loss_tmo=-1).actions == ["set ctrl_loss_tmo of nvme0 from 903 s to off"]
    machine.write("sys/class/nvme/nvme0/ctrl_loss_tmo", "off\n")
    assert run(machine, ctrl_loss_tmo=-1).actions == []


def test_what_a_connection_keeps_for_life_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine, keep_alive_tmo=5, nr_io_queues=2)
    assert run(machine, nr_io_queues=8).actions == []  # fewer than asked for is what was granted
    before = machine.tree()
    assert refused(machine, keep_alive_tmo=30, nr_io_queues=1, queue_size=64) == (
        f"Asked: {CONNECTION}. Found: nvme0 has keep_alive_tmo 5 instead of 30, nr_io_queues 2 instead of 1, "
        "queue_size 128 instead of 64, which a connection keeps for life. Do: take it down first (state: absent) "
        "when nothing uses it, then run again; or declare what it has."
    )
    assert "host_id" in refused(machine, host_id=UUID)
    assert machine.tree() == before


# ---- refusals of the target and the kernel


@pytest.mark.parametrize(
    ("asked", "found", "fix"),
    [
        (
            {"service_id": "4444"},
            "nobody listens at 127.0.0.1:4444 (nvme connect: Failed to write to /dev/nvme-fabrics: Connection refused;"
            " could not add new controller: connection refused; kernel: nvme nvme0: failed to connect socket: -111)",
            "start the target, or correct address and service_id",
        ),
        (
            {"host_nqn": f"{HOST_NQN}9"},
            f"the subsystem does not allow the host NQN {HOST_NQN}9 ({IO_ERROR}; kernel: nvme nvme0: Connect for"
            f" subsystem {NQN} is not allowed, hostnqn: {HOST_NQN}9)",
            "declare this host NQN among the subsystem's hosts, or connect with one that it allows",
        ),
        (
            {"subsystem_nqn": f"{NQN}9"},
            f"the target at 127.0.0.1:4420 has no subsystem {NQN}9 on that listener ({IO_ERROR}; kernel: nvme nvme0:"
            f' Connect Invalid Data Parameter, subsysnqn "{NQN}9")',
            "declare the subsystem and its listener on the target, or correct the NQN",
        ),
    ],
)
def test_the_target_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], found: str, fix: str
) -> None:
    machine = Machine(tmp_path)
    run(machine)  # loads the kernel module
    run(machine, state="absent")
    monkeypatch.setattr(os, "lseek", lambda log, offset, how: 0)  # a file stands for the kernel's log
    assert refused(machine, boot=True, **asked) == f"Asked: {work(machine, **asked).asked}. Found: {found}. Do: {fix}."
    assert list((tmp_path / "sys/class/nvme").iterdir()) == []
    assert not (tmp_path / "etc/modules-load.d").exists()


@pytest.mark.parametrize(
    ("said", "kernel", "found"),
    [
        ("Connection timed out", "failed to connect socket: -110", "no answer from 127.0.0.1:4420 ("),
        ("No route to host", "", "this machine has no way to 127.0.0.1 ("),
        (
            "Invalid argument",
            "nvme_fabrics: found same hostid X but different hostnqn Y",
            f"another connection uses the host identifier of {HOST_NQN} under another host NQN (",
        ),
        (
            "Failed to write to /dev/nvme-fabrics: Invalid argument",
            "",
            "the kernel refuses: the module nvme_tcp is not loaded, or an option is out of its range (",
        ),
        ("something new", "", "nvme connect: something new"),
    ],
)
def test_reasons_that_no_target_of_ours_gives(tmp_path: Path, said: str, kernel: str, found: str) -> None:
    error = refusal(work(Machine(tmp_path)).asked, said, kernel)
    assert error.found.startswith(found)
    assert said in error.found
    assert kernel in error.found


def test_a_kernel_without_nvme_tcp_is_refused_in_check_mode_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "proc/modules").unlink()
    text = (
        f"Asked: {CONNECTION}. Found: kernel 6.1.0-28-amd64: it has no loadable modules and nvme-tcp is not built in. "
        "Do: boot a kernel with CONFIG_NVME_TCP, such as Debian's stock kernel."
    )
    assert refused(machine) == refused(machine, check=True) == text


def test_a_module_that_a_package_will_bring_is_enough_for_check_mode(tmp_path: Path) -> None:
    """On Ubuntu an earlier task of the role installs it; check mode has not."""
    machine = Machine(tmp_path)
    machine.write("etc/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\n')
    machine.write(f"lib/modules/{RELEASE}/modules.dep", "kernel/drivers/nvme/host/nvme.ko.zst: x\n")
    machine.packages = (f"linux-modules-extra-{RELEASE}",)
    assert run(machine, check=True).actions == [LOAD, CONNECT]


def test_a_namespace_that_never_appears_is_named_and_the_connection_taken_down(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert refused(machine, namespaces=(WantedNamespace(2, None),)) == (
        f"Asked: namespace 2 of {NQN} (connected as nvme0). Found: it did not appear within 0 s; the namespaces there: "
        f"1 (UUID {UUID}) (0 earlier step(s) were undone; kept, a next run goes on from there: {LOAD}). "
        "Do: declare what the target has, or add the namespace there."
    )
    assert list((tmp_path / "sys/class/nvme").iterdir()) == []


def test_another_uuid_under_the_namespace_id_is_refused_and_nothing_is_taken_down(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    wrong = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0009"
    assert refused(machine, namespaces=(WantedNamespace(1, wrong),)) == (
        f"Asked: namespace 1 with UUID {wrong} of {NQN} (connected as nvme0). "
        f"Found: namespace 1 has UUID {UUID}. Do: declare what the target has, or add the namespace there."
    )
    assert (tmp_path / "sys/class/nvme/nvme0").exists()


def test_a_connection_that_lost_its_target_is_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    machine.write("sys/class/nvme/nvme0/state", "connecting\n")
    assert refused(machine) == (
        f"Asked: {CONNECTION}, live. Found: nvme0 is there in state connecting since 0 s or longer; the kernel tries "
        "again every 10 s and gives up 600 s after the loss. Do: see whether the target listens at 127.0.0.1:4420; "
        "the connection comes back by itself when it does."
    )


@pytest.mark.parametrize("multipath", [True, False])
def test_when_the_kernel_has_given_up_the_next_run_connects_again(tmp_path: Path, multipath: bool) -> None:
    """ctrl_loss_tmo is over: the controller and its devices are gone, as if somebody had disconnected it."""
    machine = Machine(tmp_path, multipath=multipath)
    run(machine, boot=True)
    connected = machine.tree()
    machine.disconnect("nvme0")
    assert not (tmp_path / "sys/class/block").exists()
    predicted = run(machine, check=True, boot=True).actions
    assert run(machine, boot=True).actions == predicted == [CONNECT]
    assert machine.tree() == connected
    assert run(machine, boot=True).actions == []


def test_a_device_without_a_node_is_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    (tmp_path / "dev/nvme0n1").unlink()
    assert "sysfs shows nvme0n1, but there is no /dev/nvme0n1 (a container's own /dev?)" in refused(machine)


# ---- absent


def test_taken_down_once_and_only_that_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path, allowed=(HOST_NQN, f"{HOST_NQN}1"))
    run(machine, boot=True)
    run(machine, boot=True, host_nqn=f"{HOST_NQN}1")
    both = machine.tree()
    predicted = run(machine, check=True, state="absent").actions
    assert machine.tree() == both
    assert run(machine, state="absent").actions == predicted
    assert predicted[0] == f"disconnect nvme0 from {NQN}"
    assert machine.ran("nvme")[-1] == ["/usr/sbin/nvme", "disconnect", "--device=nvme0"]
    assert [controller.name for controller in machine.host().controllers()] == ["nvme1"]
    assert (tmp_path / "etc/modules-load.d/hello_ebpf-nvme_tcp.conf").exists()  # the other needs it
    assert run(machine, state="absent").actions == run(machine, state="absent", check=True).actions == []
    run(machine, state="absent", host_nqn=f"{HOST_NQN}1")
    left = [path for path in (tmp_path / "etc").rglob("*") if not path.is_dir()]
    assert left == []


@pytest.mark.parametrize(
    ("file", "text", "use"),
    [
        (
            "proc/self/mountinfo",
            "50 1 259:1 / /mnt/my\\040data rw - ext4 /dev/nvme0n1 rw\n",
            "mounted on /mnt/my data",
        ),
        ("proc/swaps", "Filename Type Size\n/dev/nvme0n1 partition 4096 0 -2\n", "used as swap"),
        ("sys/class/block/nvme0n1/holders/dm-0", "", "held by dm-0"),
    ],
)
def test_in_use_is_not_taken_down(tmp_path: Path, file: str, text: str, use: str) -> None:
    machine = Machine(tmp_path)
    run(machine, boot=True)
    machine.write(file, text)
    before = machine.tree()
    for check in (True, False):
        assert refused(machine, state="absent", check=check) == (
            f"Asked: take down {CONNECTION} (nvme0). Found: /dev/nvme0n1 is in use: {use}. "
            "Do: unmount or release it first, then run again."
        )
    assert machine.tree() == before


def test_a_mount_that_goes_before_counts_in_the_run_and_not_in_check_mode(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    machine.write("proc/self/mountinfo", "50 1 259:1 / /mnt/csd0 rw - ext4 /dev/nvme0n1 rw\n")
    asked: dict[str, Any] = {"state": "absent", "unmounted_before": ("/mnt/csd0",)}
    assert run(machine, check=True, **asked).actions == [f"disconnect nvme0 from {NQN}"]
    assert "in use: mounted on /mnt/csd0" in refused(machine, **asked)
    asked["unmounted_before"] = ("/mnt/other",)
    assert "in use: mounted on /mnt/csd0" in refused(machine, check=True, **asked)


def test_a_mounted_partition_counts(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    machine.write("sys/class/block/nvme0n1/nvme0n1p1/partition", "1\n")
    machine.write("sys/class/block/nvme0n1/nvme0n1p1/dev", "259:7\n")
    machine.write("proc/self/mountinfo", "50 1 259:7 / /data rw - ext4 /dev/nvme0n1p1 rw\n")
    assert "in use: mounted on /data" in refused(machine, state="absent")


# ---- boot


def test_the_unit_that_connects_at_boot(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    it = work(machine, boot=True, boot_after=("csd_target.service",))
    done = converge(it.read, it.plan, it.predict, check=False)
    unit = it.boot.unit_of(done.after.boot)
    assert unit is not None
    assert unit.startswith("hello_ebpf-nvme-csd0-")
    text = machine.read(f"etc/systemd/system/{unit}")
    assert "After=network-online.target systemd-modules-load.service csd_target.service\n" in text
    assert f"ExecStart={' '.join(machine.ran('nvme')[0])}\nRestart=on-failure\nRestartSec=5\n" in text
    link = tmp_path / f"etc/systemd/system/multi-user.target.wants/{unit}"
    assert str(link.readlink()) == f"/etc/systemd/system/{unit}"
    assert machine.ran("systemctl") == [["systemctl", "daemon-reload"]]


def test_boot_can_be_taken_back_and_leaves_the_connection(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine, boot=True)
    [action] = run(machine, boot=False).actions
    assert action.startswith("remove /etc/systemd/system/multi-user.target.wants/hello_ebpf-nvme-csd0-")
    assert (tmp_path / "sys/class/nvme/nvme0").exists()
    assert run(machine, boot=False).actions == []


# ---- what is asked


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            {"subsystem_nqn": "csd0"},
            "Asked: subsystem_nqn 'csd0'. Found: this is not the form of an NQN. "
            "Do: write nqn.YYYY-MM.REVERSE.DOMAIN:NAME, or nqn.2014-08.org.nvmexpress:uuid:UUID.",
        ),
        ({"host_nqn": "nqn.2026-11.io:a; reboot"}, "Asked: host_nqn 'nqn.2026-11.io:a; reboot'. "),
        (
            {"address": "target.example"},
            "Asked: address 'target.example'. Found: an address that is not an IP address. "
            "Do: give the IPv4 or IPv6 address.",
        ),
        (
            {"service_id": "70000"},
            "Asked: service_id '70000'. Found: a service id that is not a TCP port (1 to 65535). "
            "Do: the usual one is 4420.",
        ),
        (
            {"host_id": "host0"},
            "Asked: host_id 'host0'. Found: not a UUID, or the one of zeros. "
            "Do: write 32 hexadecimal digits, 8-4-4-4-12; uuidgen makes one.",
        ),
        (
            {"namespaces": (WantedNamespace(None, None),)},
            "Asked: a namespace. Found: it has neither nsid nor uuid. Do: give one of them or both.",
        ),
    ],
)
def test_what_cannot_be_a_connection_is_refused(tmp_path: Path, asked: dict[str, Any], text: str) -> None:
    machine = Machine(tmp_path)
    assert refused(machine, **asked).startswith(text)
    assert machine.commands == []


def test_an_ipv6_address_is_found_in_any_spelling(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine, address="FD00:0:0::0001")
    assert run(machine, address="fd00::1").actions == []


# ---- what is no longer declared, and what is not ours


def left_over(machine: Machine, *declared: dict[str, Any]) -> list[str]:
    found = left(declared, (), machine.host().made, machine.root)["connections"]
    return [f"{one['subsystem_nqn']} {one['address']} {one['service_id']} {one['host_nqn']}" for one in found]


@pytest.mark.parametrize("systemd", [True, False])
def test_a_connection_that_is_no_longer_declared_is_found_and_goes(tmp_path: Path, *, systemd: bool) -> None:
    """Case A11: it, or its unit, tried again for ever."""
    other = f"{HOST_NQN}1"
    machine = Machine(tmp_path, allowed=(HOST_NQN, other), systemd=systemd)
    run(machine, boot=True)
    run(machine, boot=True, host_nqn=other)
    declared = {"subsystem_nqn": NQN, "address": "127.0.0.1", "service_id": 4420, "host_nqn": HOST_NQN}
    assert left_over(machine, declared, declared | {"host_nqn": other}) == []
    assert left_over(machine, declared) == [f"{NQN} 127.0.0.1 4420 {other}"]
    if systemd:
        # A lab of before the notes, and notes that were lost: the units tell.
        notes = tmp_path / "var/lib/hello_ebpf/made.json"
        kept = notes.read_text()
        notes.unlink()
        assert left_over(machine, declared) == [f"{NQN} 127.0.0.1 4420 {other}"]
        notes.write_text(kept)
    assert len(run(machine, state="absent", host_nqn=other).actions) == (2 if systemd else 1)
    assert run(machine, state="absent", host_nqn=other).actions == []
    assert left_over(machine, declared) == []
    assert run(machine, boot=True).actions == [], "the other one needs the kernel module at boot still"
    assert len(run(machine, state="absent").actions) == 2
    assert left_over(machine) == []
    assert not [name for name in machine.tree() if name.startswith(("etc/", "var/"))]


def test_a_connection_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    run(machine)
    shutil.rmtree(tmp_path / "sys/class/nvme")
    assert run(machine, state="absent", check=True).actions == run(machine, state="absent").actions != []
    assert run(machine, state="absent").actions == []
    assert left_over(machine) == []


def test_a_connection_that_somebody_else_made_stays(tmp_path: Path) -> None:
    """The same key: it is used, and at removal left as it was found; after a boot it is the one of our unit."""
    machine = Machine(tmp_path)
    machine.write("proc/sys/kernel/random/boot_id", "one\n")
    machine.run(["modprobe", "nvme-tcp"])
    machine.run(list(work(machine).asked.command()))
    before = machine.tree()
    run(machine, boot=True)
    assert left_over(machine) == [f"{NQN} 127.0.0.1 4420 {HOST_NQN}"]
    assert [action.split()[0] for action in run(machine, state="absent", check=True).actions] == ["remove"]
    assert [action.split()[0] for action in run(machine, state="absent").actions] == ["remove"]
    assert machine.tree() == before
    assert run(machine, state="absent").actions == []
    run(machine, boot=True)
    machine.write("proc/sys/kernel/random/boot_id", "two\n")
    assert [action.split()[0] for action in run(machine, state="absent").actions] == ["disconnect", "remove"]


@pytest.mark.parametrize("place", ["unit", "module", "link"])
def test_what_somebody_else_wrote_for_the_boot_is_refused_and_stays(tmp_path: Path, place: str) -> None:
    machine = Machine(tmp_path)
    boot = work(machine).boot
    name = {"unit": boot.unit_file, "module": boot.module_file, "link": boot.wants}[place]
    if place == "link":
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).symlink_to("/etc/systemd/system/theirs.service")
    else:
        machine.write(name, "theirs\n")
    before = machine.tree()
    for check in (True, False):
        assert refused(machine, boot=True, check=check) == (
            f"Asked: /{name} for {NQN} at boot. Found: there is one that the lab did not write. "
            "Do: rename it, or set nvme_tcp_boot: false."
        )
    assert run(machine, state="absent").actions == []
    assert machine.tree() == before
