"""After playbooks/teardown.yml."""

from __future__ import annotations

from typing import Any

from lab_machine import differences, kept, lab_processes, listeners, look, of_packages, packaged

Host = Any  # testinfra.host.Host, which comes without types


def test_no_file_is_left(host: Host) -> None:
    """Of the lab no file is left anywhere: what is new or otherwise than before belongs to a Debian package."""
    before, after = kept(host, "untouched")["files"], look(host)["files"]
    owned = packaged(host)
    new = [path for path in after.keys() - before.keys() - owned if "/etc/alternatives/" not in after[path]]
    assert sorted(path for path in new if not of_packages(path, after, owned)) == []
    assert sorted(before.keys() - after.keys()) == []
    others = [path for path in before.keys() & after.keys() - owned if before[path] != after[path]]
    assert sorted(path for path in others if not of_packages(path, after, owned)) == []


def test_the_user_and_the_group_that_the_role_made_are_gone(host: Host) -> None:
    """The target's user and group are gone with it."""
    assert host.run("getent passwd csd_target").rc == 2
    assert host.run("getent group csd_target").rc == 2


def test_no_unit_mount_listener_process_or_setting_is_left(host: Host) -> None:
    """No unit, mount, listener, process, shared memory or kernel setting of the lab is left."""
    before, after = kept(host, "untouched"), look(host)
    assert lab_processes(host) == []
    assert listeners(host) == []
    for seen in (before, after):
        del seen["files"]
    # Units that Debian packages brought.
    owned = packaged(host)
    for name in after["units"].keys() - before["units"].keys():
        if {f"/usr/lib/systemd/system/{name}", f"/lib/systemd/system/{name}"} & owned:
            del after["units"][name]
    assert differences(before, after) == []


def test_what_somebody_else_has_is_as_it_was(host: Host) -> None:
    """The unit, the mount, the files, the line in fstab and the shared memory of somebody else are as they were."""
    assert host.check_output("systemctl is-active theirs.service") == "active"
    assert host.mount_point("/mnt/theirs").exists
    assert host.file("/etc/fstab").content_string.endswith("/dev/theirs /opt/theirs ext4 noauto 0 0")
    for path in ("/usr/local/bin/theirs-too", "/etc/modules-load.d/theirs.conf", "/dev/shm/theirs", "/var/tmp/theirs"):
        assert host.file(path).content_string == "# years of work\n"


def test_systemd_knows_nothing_of_it(host: Host) -> None:
    """Systemd has no unit of the lab's in its memory, and none that failed."""
    known = host.check_output("systemctl list-units --all --no-legend --plain --no-pager").splitlines()
    assert [line for line in known if "hello_ebpf" in line or "csd_" in line] == []
    assert host.check_output("systemctl is-system-running") == "running"
