"""The module nvme_tcp_filesystem over {run, check, diff, run again}, and its refusals. Data is never formatted over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.fstab import Fstab, Line
from ansible.module_utils.hello_ebpf.nvme_connection import WantedNamespace
from ansible.module_utils.hello_ebpf.nvme_filesystem import Filesystem, Found, NvmeFilesystem
from ansible.module_utils.hello_ebpf.plan import Outcome, converge
from ansible.module_utils.hello_ebpf.systemd_names import unit_of_path

from nvme_machine import HOST_NQN, NQN, SECTORS, UUID, Machine, Space

OTHERS = "# their comment\n/dev/vda / ext4 defaults 0 1\n"
# The UUID that belongs to the namespace's.
NEW = "ea932eea-eb25-5a3a-b680-623068c9b1ba"
OPTIONS = "defaults,nofail,_netdev,x-systemd.device-timeout=10s,x-systemd.after=csd_target.service"
LINE = f"UUID={NEW} /mnt/csd0 ext4 {OPTIONS},x-hello_ebpf 0 0"
DEVICE_UNIT = r"dev-disk-by\x2duuid-ea932eea\x2deb25\x2d5a3a\x2db680\x2d623068c9b1ba.device"
MADE = [
    "make ext4 on /dev/nvme0n1",
    "write the line for /mnt/csd0 to /etc/fstab",
    "mount it at /mnt/csd0",
    f"mount it whenever {DEVICE_UNIT} appears",
]
OLD = "0ddba11e-0000-4000-8000-000000000000"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.write("etc/fstab", OTHERS)
    return connected(machine)


def connected(machine: Machine) -> Machine:
    machine.add_controller({"traddr": "127.0.0.1", "trsvcid": "4420", "nqn": NQN, "hostnqn": HOST_NQN, "hostid": UUID})
    return machine


def work(machine: Machine, *, check: bool = False, **asked: Any) -> NvmeFilesystem:
    defaults: dict[str, Any] = {
        "state": "present",
        "mount": "/mnt/csd0",
        "subsystem_nqn": NQN,
        "namespace": WantedNamespace(1, UUID),
        "after": ("csd_target.service",),
    }
    return NvmeFilesystem(Filesystem(**defaults | asked), machine.host(), check=check)


def run(machine: Machine, *, check: bool = False, **asked: Any) -> Outcome[Found]:
    it = work(machine, check=check, **asked)
    return converge(it.read, it.plan, it.predict, check=check)


def refused(machine: Machine, **asked: Any) -> str:
    before = machine.tree()
    with pytest.raises(LabError) as error:
        run(machine, **asked)
    assert machine.tree() == before
    return str(error.value)


# ---- present


def test_made_mounted_and_listed_once(machine: Machine) -> None:
    before = machine.tree()
    predicted = run(machine, check=True)
    assert machine.tree() == before
    done = run(machine)
    assert done.actions == predicted.actions == MADE
    assert machine.read("etc/fstab") == f"{OTHERS}{LINE}"
    assert machine.ran("mount") == [["mount", "-t", "ext4", "-o", OPTIONS, "/dev/nvme0n1", "/mnt/csd0"]]
    link = machine.root / f"etc/systemd/system/{DEVICE_UNIT}.wants/mnt-csd0.mount"
    assert str(link.readlink()) == "/run/systemd/generator/mnt-csd0.mount"
    after = machine.tree()
    for check in (True, False):
        assert run(machine, check=check).actions == []
    assert machine.tree() == after
    assert len(machine.ran("mkfs.ext4")) == 1


def test_the_diff_shows_before_and_after_and_check_mode_the_same(machine: Machine) -> None:
    it = work(machine)
    texts = []
    for check in (True, False):
        outcome = converge(it.read, it.plan, it.predict, check=check)
        texts.append((it.render(outcome.before), it.render(outcome.after)))
    assert texts[0] == texts[1]
    assert texts[0] == (
        "device: /dev/nvme0n1\ncontent: nothing\nmounted at /mnt/csd0: no\n/etc/fstab: no line\n",
        "device: /dev/nvme0n1\ncontent: ext4\nmounted at /mnt/csd0: yes\n"
        f"/etc/fstab: {LINE}\nmounted by: {DEVICE_UNIT}\n",
    )


def test_check_mode_runs_where_nothing_is_connected_yet_and_the_run_says_so(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert run(machine, check=True).actions[0] == f"make ext4 on namespace 1 with UUID {UUID} of {NQN}"
    assert refused(machine) == (
        f"Asked: a file system on namespace 1 with UUID {UUID} of {NQN}. Found: this namespace is not connected. "
        "Do: connect it first (nvme_tcp_connection)."
    )


def test_a_file_system_that_is_there_is_mounted_by_its_own_uuid(machine: Machine) -> None:
    machine.fill(f"TYPE=ext4\nUUID={OLD}\n")
    actions = run(machine, format="never").actions
    assert [action.partition(" ")[0] for action in actions] == ["write", "mount", "mount"]
    assert machine.read("etc/fstab").splitlines()[-1].startswith(f"UUID={OLD} /mnt/csd0 ext4 ")
    assert machine.ran("mkfs.ext4") == []


def test_a_target_that_lost_its_data_gets_a_new_file_system_under_the_same_line(machine: Machine) -> None:
    run(machine)
    machine.fill("")  # a malloc bdev after its target's restart
    machine.write("proc/self/mountinfo", "")
    assert run(machine).actions == [MADE[0], MADE[2]]


def test_options_that_changed_change_the_line_and_only_it(machine: Machine) -> None:
    run(machine)
    assert run(machine, options="noatime").actions == [MADE[1]]
    lines = machine.read("etc/fstab").splitlines()
    assert lines[:2] == OTHERS.splitlines()
    assert lines[2:] == [LINE.replace("defaults", "noatime")]


def test_without_systemd_there_is_the_line_alone(tmp_path: Path) -> None:
    machine = connected(Machine(tmp_path, systemd=False))
    assert run(machine).actions == MADE[:3]
    assert machine.read("etc/fstab") == LINE
    assert machine.ran("systemctl") == []


def test_systemd_may_mount_it_first(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = machine.mount

    def too_late(argv: list[str]) -> tuple[int, str, str]:
        mount(argv)
        return 32, "", "mount: /mnt/csd0: /dev/nvme0n1 already mounted on /mnt/csd0."

    monkeypatch.setattr(machine, "mount", too_late)
    assert run(machine).actions == MADE


# ---- refusals


def test_what_mount_refuses_is_told_and_the_line_taken_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "mount: /mnt/csd0: wrong fs type, bad option, bad superblock on /dev/nvme0n1."
    monkeypatch.setattr(machine, "mount", lambda argv: (32, "", refusal))
    with pytest.raises(LabError) as error:
        run(machine)
    assert str(error.value) == (
        f"Asked: mount /dev/nvme0n1 at /mnt/csd0. Found: {refusal} (1 earlier step(s) were undone; kept, a next run "
        "goes on from there: make ext4 on /dev/nvme0n1). Do: mend what mount names, then run again."
    )
    assert machine.read("etc/fstab") == OTHERS.strip()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (f"TYPE=xfs\nUUID={OLD}\nLABEL=theirs\n", "xfs labelled theirs"),
        ("x", "data we do not know, from byte 0 on"),
        ("\0" * 1000 + "x", "data we do not know, from byte 1000 on"),
        ("\0" * (SECTORS * 512 - 1) + "x", f"data we do not know, from byte {SECTORS * 512 - 1} on"),
    ],
)
def test_data_is_not_formatted_over(machine: Machine, content: str, found: str) -> None:
    machine.fill(content)
    for check in (True, False):
        assert refused(machine, check=check) == (
            f"Asked: ext4 on /dev/nvme0n1. Found: the device holds {found}. "
            "Do: save what is on it; then set format: replace, which destroys it."
        )
    assert machine.ran("mkfs.ext4") == machine.ran("wipefs") == []


def test_a_partition_table_and_what_blkid_cannot_tell_count_as_data(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "blkid", lambda argv: (0, "PTTYPE=gpt\n", ""))
    assert "Found: the device holds a partition table (gpt)." in refused(machine)
    monkeypatch.setattr(machine, "blkid", lambda argv: (8, "", "ambivalent result"))
    assert "the device holds something that blkid cannot tell (exit code 8: ambivalent result)" in refused(machine)


def test_data_goes_only_when_told_and_only_once(machine: Machine) -> None:
    machine.fill(f"TYPE=xfs\nUUID={OLD}\n")
    action = "make ext4 on /dev/nvme0n1, over xfs"
    assert run(machine, format="replace", check=True).actions[0] == action
    assert run(machine, format="replace").actions[0] == action
    assert run(machine, format="replace").actions == []
    assert len(machine.ran("wipefs")) == len(machine.ran("mkfs.ext4")) == 1


def test_never_means_never(machine: Machine) -> None:
    assert refused(machine, format="never") == (
        "Asked: ext4 on /dev/nvme0n1, as it is. Found: the device holds nothing. "
        "Do: set format: if_empty to have it made on an empty device."
    )


def test_a_device_in_use_is_not_replaced(machine: Machine) -> None:
    machine.fill(f"TYPE=xfs\nUUID={OLD}\n")
    machine.write("proc/self/mountinfo", "50 1 259:1 / /theirs rw - xfs /dev/nvme0n1 rw\n")
    assert refused(machine, format="replace") == (
        "Asked: make ext4 on /dev/nvme0n1. Found: the device is mounted on /theirs. Do: release it first."
    )


def test_somebody_elses_mount_point_is_left_alone(machine: Machine) -> None:
    machine.write("proc/self/mountinfo", "50 1 8:1 / /mnt/csd0 rw - xfs /dev/sda1 rw\n")
    assert refused(machine) == (
        f"Asked: mount namespace 1 with UUID {UUID} of {NQN} at /mnt/csd0. "
        "Found: another device (8:1) is mounted there. Do: unmount it, or choose another mount point."
    )
    machine.write("proc/self/mountinfo", "")
    machine.write("etc/fstab", "/dev/sda1 /mnt/csd0 xfs defaults 0 0\n")
    assert "Found: /etc/fstab has a line of somebody else for it: /dev/sda1 /mnt/csd0 xfs" in refused(machine)
    assert run(machine, state="absent").actions == []


def test_another_uuid_and_a_namespace_without_blocks_are_refused(machine: Machine) -> None:
    assert f"Found: namespace 1 has UUID {UUID}." in refused(machine, namespace=WantedNamespace(1, OLD))
    machine.add_namespace(0, Space(2, None, 2, hidden=True))
    assert "Found: it is not a block device" in refused(machine, namespace=WantedNamespace(2, None))


@pytest.mark.parametrize("mount", ["mnt", "/", "/mnt/", "/mnt/my data", "/mnt/../etc", r"/mnt/\040"])
def test_a_mount_point_is_an_absolute_path(tmp_path: Path, mount: str) -> None:
    with pytest.raises(LabError, match=r"Asked: mount '.*'\. Found: .*path.*\. Do: write it "):
        work(Machine(tmp_path), mount=mount)


# ---- absent


def test_taken_away_once_and_the_data_stays(machine: Machine) -> None:
    (machine.root / "mnt/csd0").mkdir(parents=True)
    run(machine)
    data = machine.read("dev/nvme0n1")
    before = machine.tree()
    predicted = run(machine, check=True, state="absent").actions
    assert machine.tree() == before
    assert run(machine, state="absent").actions == predicted
    assert predicted == [
        "unmount /mnt/csd0",
        "remove the line for /mnt/csd0 from /etc/fstab",
        "remove what mounts /mnt/csd0 when its device appears",
        "remove the folder /mnt/csd0 if it is empty",
    ]
    assert machine.read("etc/fstab") == OTHERS.strip()
    assert list((machine.root / "etc/systemd/system").iterdir()) == []
    assert not (machine.root / "mnt/csd0").exists()
    assert machine.read("dev/nvme0n1") == data
    assert run(machine, state="absent").actions == run(machine, state="absent", check=True).actions == []


def test_a_busy_mount_names_who_is_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    run(machine)
    busy = (32, "", "umount: /mnt/csd0: target is busy.")
    monkeypatch.setattr(machine, "umount", lambda argv: busy)
    process = machine.root / "proc/4711"
    machine.write("proc/4711/comm", "vim\n")
    (process / "cwd").symlink_to("/mnt/csd0/folder")
    assert refused(machine, state="absent") == (
        "Asked: unmount /mnt/csd0. Found: umount: /mnt/csd0: target is busy. (in use by: vim (pid 4711)). "
        "Do: end what uses it, then run again."
    )


# ---- what they stand on


def test_fstab_keeps_what_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text("# /mnt/a in a comment\nx /mnt/a ext4 defaults 0 0\n\nbroken\n")
    path.chmod(0o640)
    fstab = Fstab(path)
    line = Line.of_ours("UUID=1", "/mnt/b", "ext4", "defaults")
    fstab.set("/mnt/b", line)
    assert fstab.line("/mnt/b") == line
    assert not Line("x /mnt/a ext4 defaults 0 0").ours
    fstab.set("/mnt/b", None)
    fstab.set("/mnt/b", None)
    assert path.read_text() == "# /mnt/a in a comment\nx /mnt/a ext4 defaults 0 0\n\nbroken\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["fstab"]


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        # From systemd-escape --path --suffix=mount, systemd 252.
        ("/mnt/csd0", "mnt-csd0.mount"),
        ("/mnt/my-data/x_y", r"mnt-my\x2ddata-x_y.mount"),
        ("/.hidden/.x", r"\x2ehidden-.x.mount"),
        ("/mnt/ä", r"mnt-\xc3\xa4.mount"),
        ("/", "-.mount"),
    ],
)
def test_unit_names(path: str, unit: str) -> None:
    assert unit_of_path(path, "mount") == unit


def test_a_target_that_lost_its_data_under_a_mount_gets_no_new_file_system(machine: Machine) -> None:
    """A malloc bdev is empty after its target's restart; what is mounted from before is not made over."""
    run(machine)
    machine.fill("")
    said = refused(machine)
    assert said.startswith("Asked: make ext4 on /dev/nvme0n1. Found: the device is mounted on /mnt/csd0")
    assert said.endswith("Do: release it first.")
