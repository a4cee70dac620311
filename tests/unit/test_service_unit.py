# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The unit of the target: whom it runs as, what is closed to it, and what its data open again.

How closed that is by systemd's own measure, the scenario `default` asks systemd.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.processes import Process
from ansible.module_utils.hello_ebpf.service_access import check_access, missing_layers
from ansible.module_utils.hello_ebpf.service_unit import Service, unit
from ansible.module_utils.hello_ebpf.supervisors import Daemon

SERVICE = Service(
    "csd_test", "test", ("/bin/true", "-r", "x"), Path("/run/csd/test"), Path("/log"), user="daemon", group="users"
)


def settings(service: Service) -> dict[str, list[str]]:
    """The unit's settings, each with its values."""
    found: dict[str, list[str]] = {}
    for line in unit(service).splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_it_runs_as_a_user_of_its_own_without_capabilities() -> None:
    seen = settings(SERVICE)
    assert (seen["User"], seen["Group"]) == (["daemon"], ["users"])
    assert seen["CapabilityBoundingSet"] == seen["AmbientCapabilities"] == [""]
    assert seen["LimitCORE"] == ["0"]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert seen[name] == ["yes"], name
    assert seen["ProtectSystem"] == ["strict"]
    assert seen["SystemCallFilter"] == ["@system-service", "~@privileged @keyring"]
    assert "LogRateLimitBurst" in seen


def test_its_socket_is_for_its_group() -> None:
    seen = settings(SERVICE)
    assert (seen["RuntimeDirectory"], seen["RuntimeDirectoryMode"]) == (["csd/test"], ["0750"])
    # A socket is made with 0777 less the mask.
    assert 0o777 & ~int(seen["UMask"][0], 8) == 0o660


def test_only_what_its_data_need_is_open() -> None:
    assert "ReadWritePaths" not in settings(SERVICE)
    files = replace(SERVICE, data=(Path("/srv/a/1.img"), Path("/srv/a/2.img"), Path("/srv/b/3.img")))
    assert settings(files)["ReadWritePaths"] == ["-/srv/a", "-/srv/b"]
    assert settings(files)["RequiresMountsFor"] == ["/dev/hugepages /srv/a /srv/b"]
    # Another file beside them is no other unit, hence no restart.
    assert unit(files) == unit(replace(files, data=(*files.data, Path("/srv/b/4.img"))))
    disk = settings(replace(SERVICE, data=(Path("/dev/vdb"),)))
    assert "PrivateDevices" not in disk
    assert (disk["DevicePolicy"], disk["DeviceAllow"]) == (["closed"], ["/dev/vdb rw"])


def test_a_root_target_keeps_what_it_needs_and_no_more() -> None:
    root = replace(SERVICE, user="root", group="root", dpdk_folder="dpdk/spdk1")
    assert settings(root)["CapabilityBoundingSet"] == ["CAP_DAC_OVERRIDE CAP_IPC_LOCK"]
    assert settings(root)["RuntimeDirectory"] == ["csd/test dpdk/spdk1"]
    pci = settings(replace(root, pci=True))
    assert pci["CapabilityBoundingSet"] == ["CAP_DAC_OVERRIDE CAP_IPC_LOCK CAP_SYS_ADMIN CAP_SYS_RAWIO"]
    assert "PrivateDevices" not in pci
    assert pci["NoNewPrivileges"] == ["yes"]


def test_what_it_starts_can_shut_itself_in_and_is_bounded() -> None:
    worker = (Path("/opt/x/csd_worker"),)
    seen = settings(replace(SERVICE, starts=worker, tasks=258))
    shut_in = "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self"
    assert seen["SystemCallFilter"] == ["@system-service", "~@privileged @keyring", shut_in]
    assert (seen["TasksMax"], seen["KillMode"], seen["OOMPolicy"]) == (["258"], ["mixed"], ["continue"])
    # Programs become memory that is then made executable; and a filter of paths would be one more than its own.
    assert (
        not {"MemoryDenyWriteExecute", "NoExecPaths", "ExecPaths", "MemoryMax", "LimitNPROC", "CPUAffinity"}
        & seen.keys()
    )
    root = settings(replace(SERVICE, user="root", group="root", starts=worker, tasks=258))
    assert root["SystemCallFilter"] == ["@system-service", "~@privileged @keyring", shut_in, "capset"]
    assert settings(replace(SERVICE, user="root", pci=True, starts=worker))["SystemCallFilter"][-1] == shut_in
    assert not {"TasksMax", "KillMode", "OOMPolicy"} & settings(SERVICE).keys()


def test_what_it_starts_is_looked_at_like_itself(open_folder: Path) -> None:
    path = open_folder / "csd_worker"
    path.touch()
    service = replace(SERVICE, starts=(path,))
    with pytest.raises(LabError, match=rf"Asked: csd_test runs {path} as daemon\. Found: daemon may not\."):
        check_access(service, check=False, sandboxed=False)
    path.chmod(0o755)
    check_access(service, check=False, sandboxed=False)


def test_idle_priority_is_asked_for() -> None:
    assert "CPUSchedulingPolicy" not in settings(SERVICE)
    assert settings(replace(SERVICE, idle=True))["CPUSchedulingPolicy"] == ["idle"]


def test_compiled_programs_are_kept_in_a_folder_of_its_user_alone(tmp_path: Path) -> None:
    assert "CacheDirectory" not in settings(SERVICE)
    seen = settings(replace(SERVICE, cache=Path("/var/cache/hello_ebpf/csd_test")))
    assert (seen["CacheDirectory"], seen["CacheDirectoryMode"]) == (["hello_ebpf/csd_test"], ["0700"])
    me, ours = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    cache, outside = tmp_path / "caches/csd_test", tmp_path / "outside"
    outside.touch(mode=0o640)
    without = replace(SERVICE, run_folder=tmp_path / "run", log=tmp_path / "log", user=me, group=ours)
    for service in (without, replace(without, cache=cache), replace(without, cache=cache)):
        Daemon(service)._make_places()
        assert cache.exists() == (service.cache is not None)
        if cache.exists():
            assert (cache.stat().st_mode & 0o7777, cache.stat().st_uid) == (0o700, os.geteuid())
            (cache / "identity").unlink(missing_ok=True)
            (cache / "identity").symlink_to(outside)
            cache.chmod(0o755)
    assert outside.stat().st_mode & 0o7777 == 0o640


def test_daemon_is_started_with_the_same_limits() -> None:
    words = " ".join(Daemon(replace(SERVICE, idle=True)).closed)
    assert words.startswith(
        "prlimit --core=0:0 chrt --idle 0 setpriv --no-new-privs --reuid=daemon --regid=users --clear-groups "
        "--bounding-set=-all --inh-caps=-all -- /usr/bin/daemon --name=csd_test "
    )
    assert " --umask=0117 " in words
    assert Daemon(replace(SERVICE, idle=True)).wanted() != Daemon(SERVICE).wanted()
    assert " ".join(Daemon(replace(SERVICE, user="root")).closed).startswith(
        "prlimit --core=0:0 setpriv --no-new-privs -- /usr/bin/daemon "
    )


@pytest.mark.parametrize(("path", "place"), [("/home/me/a.img", "/home"), ("/tmp/a.img", "/tmp")])
def test_data_that_the_unit_hides_are_refused(path: str, place: str) -> None:
    service = replace(SERVICE, data=(Path(path),))
    with pytest.raises(LabError) as error:
        check_access(service, check=True, sandboxed=True)
    assert f"Asked: csd_test works on {path}. Found: its unit keeps {place} from it." in str(error.value)
    check_access(service, check=True, sandboxed=False)


@pytest.mark.parametrize(
    ("change", "does"),
    [
        ({"argv": ("/root/spdk/build/bin/nvmf_tgt", "-r", "x")}, "runs /root/spdk/build/bin/nvmf_tgt"),
        ({"reads": (Path("/root/csd.json"),)}, "reads /root/csd.json"),
        ({"data": (Path("/root/a % b.img"),)}, "works on /root/a % b.img"),
    ],
)
@pytest.mark.parametrize("user", ["daemon", "root"])
def test_whatever_the_unit_hides_is_refused(change: dict[str, Any], does: str, user: str) -> None:
    with pytest.raises(LabError) as error:
        check_access(replace(SERVICE, user=user, **change), check=True, sandboxed=True)
    assert str(error.value) == (
        f"Asked: csd_test {does}. Found: its unit keeps /root from it. "
        "Do: lay it elsewhere, for example below /var/lib/hello_ebpf; a program below /opt."
    )


def test_links_are_followed_to_where_data_are(open_folder: Path) -> None:
    link, disk = open_folder / "link.img", open_folder / "disk"
    link.symlink_to("/root/a.img")
    with pytest.raises(LabError, match=rf"Asked: csd_test works on {link}\. Found: its unit keeps /root from it\."):
        check_access(replace(SERVICE, data=(link,)), check=True, sandboxed=True)
    link.unlink()
    link.symlink_to("/srv/data/a.img")
    disk.symlink_to("/dev/vdb")
    seen = settings(replace(SERVICE, data=(link, disk)))
    assert (seen["ReadWritePaths"], seen["DeviceAllow"]) == (["-/srv/data"], ["/dev/vdb rw"])


@pytest.mark.parametrize("what", ["argv", "reads", "data"])
def test_a_folder_above_that_its_user_may_not_search_is_named(open_folder: Path, what: str) -> None:
    closed = open_folder / "closed"
    path = closed / "inner" / "file"
    path.parent.mkdir(parents=True)
    path.touch()
    path.chmod(0o777)
    changes: dict[str, Any] = {what: (str(path), "-r") if what == "argv" else (path,)}
    service = replace(SERVICE, **changes)
    check_access(service, check=False, sandboxed=False)
    closed.chmod(0o700)
    for sandboxed in (False, True):
        with pytest.raises(LabError) as error:
            check_access(service, check=False, sandboxed=sandboxed)
        assert f"Found: daemon may not search {closed}. Do: chmod o+x {closed}, or " in str(error.value)
    check_access(replace(service, user="root"), check=False, sandboxed=False)


def test_what_its_user_may_not_use_is_refused(open_folder: Path) -> None:
    path = open_folder / "file"
    path.touch()
    path.chmod(0o600)
    with pytest.raises(LabError, match=rf"Asked: csd_test works on {path} as daemon\. .*Do: chown daemon {path}, or"):
        check_access(replace(SERVICE, data=(path,)), check=False, sandboxed=False)
    with pytest.raises(LabError, match=rf"Asked: csd_test runs {path} as daemon\. .*Do: chmod o\+rx {path}, or"):
        check_access(replace(SERVICE, argv=(str(path),)), check=False, sandboxed=False)
    given = replace(SERVICE, data=(path,))
    check_access(given, check=True, sandboxed=False, given_before=[path])
    with pytest.raises(LabError):
        check_access(given, check=False, sandboxed=False, given_before=[path])
    # It is given to the service's group before the start.
    check_access(replace(SERVICE, reads=(path,)), check=False, sandboxed=False)


def test_a_user_that_is_not_there_is_refused_but_in_check_mode() -> None:
    service = replace(SERVICE, user="nobody-of-this-name")
    check_access(service, check=True, sandboxed=True)
    with pytest.raises(LabError, match=r"Asked: run csd_test as nobody-of-this-name\. Found: there is no such user\."):
        check_access(service, check=False, sandboxed=True)


def test_layers_that_do_not_hold_are_named() -> None:
    ours = Process(os.getpid(), (), "")
    missing = missing_layers(replace(SERVICE, user="nobody-of-this-name"), ours, systemd=True)
    assert "user nobody-of-this-name" in missing
    assert "group users" in missing
    assert missing_layers(SERVICE, None, systemd=True) == ()
