"""Every name that an inventory can set: refused before anything changes, or the same behind units, shells and fstab."""

from __future__ import annotations

import functools
import json
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.hello_ebpf import names
from ansible.module_utils.hello_ebpf.bench.arguments import check_dataset
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.fstab import Fstab, Line
from ansible.module_utils.hello_ebpf.nvme_boot import unit_text
from ansible.module_utils.hello_ebpf.nvme_connection import Connection, validated
from ansible.module_utils.hello_ebpf.service_unit import Service, unit
from ansible.module_utils.hello_ebpf.spdk_target.tree import declared
from ansible.module_utils.hello_ebpf.systemd_names import unit_of_path, units, words

from conftest import ROOT, loaded

NQN = "nqn.2026-11.io.hello-ebpf:"
# What units, shells, templates, fstab or C take for something else than a character of a name.
NASTY = (
    *(
        " ",
        "\t",
        "'",
        '"',
        "`",
        "%",
        "%n",
        "$",
        "$HOME",
        "\\",
        "\\x41",
        "\n",
        "\r",
        "\0",
        "\x1b",
        ";",
        "&",
        "|",
        "*",
        "#",
    ),
    *(",", "=", "(", "~", "!", "é", "\u2028", "\u200b", ":"),
)
TEXTS = {"str", "path", "raw"}


check_variables = loaded("plugins/action/check_variables.py")


def texts(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every text that the options can hold and that no list of choices bounds, at any depth."""
    for name, option in options.items():
        kind = option.get("elements") if option.get("type") == "list" else option.get("type", "str")
        if kind in TEXTS and "choices" not in option:
            yield f"{prefix}{name}"
        if "options" in option:
            yield from texts(option["options"], f"{prefix}{name}.")


@functools.cache
def specifications() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        found |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
    return found


VARIABLES = sorted(texts(specifications()))


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_text_of_every_role_has_a_rule(variable: str) -> None:
    assert check_variables.rule_of(variable), f"give {variable} a rule in plugins/action/check_variables.py"


def test_every_rule_is_for_a_variable_that_there_is() -> None:
    options = specifications()
    for name in check_variables.RULES:
        top, _, rest = name.partition(".")
        assert top in options, name
        if "options" in options[top] and rest != "*":
            assert name in VARIABLES, name


# What has a form besides, test_role_variables.py holds.
@pytest.mark.parametrize("variable", sorted(check_variables.RULES.keys() - check_variables.FORMS.keys()))
def test_no_name_holds_what_cannot_be_seen(variable: str) -> None:
    top = variable.partition(".")[0]
    for good in ("/srv/a", f"{NQN}a", "fe80::1%eth0", "a.service", "a"):
        for bad in ("\n", "\r", "\0", "\x1b", "\u2028", "\u200b"):
            [said] = wrong_names(top, nested(variable, f"{good}{bad}b"))
            assert re.fullmatch(rf"Asked: {top}\S*: '.*'\. Found: .+\. Do: .+\.", said)


def wrong_names(variable: str, value: Any) -> list[str]:
    return list(check_variables.wrong_shapes(variable, value, specifications()[variable]))


def nested(variable: str, text: str) -> Any:
    """A value of the variable's whole that holds the text where the rule's name says."""
    top, *path = variable.split(".")

    def inside(option: Mapping[str, Any], path: list[str]) -> Any:
        value: Any = text
        if path:
            options = option.get("options", {"any": {}})
            key = next(iter(options)) if path[0] == "*" else path[0]
            value = {key: inside(options[key], path[1:])}
        return [value] if option.get("type") == "list" else value

    return inside(specifications()[top], path)


def accepted(rule: names.Rule, begin: str, end: str = "b") -> list[str]:
    found = [text for char in NASTY if rule(text := f"{begin}{char}{end}") is None]
    assert all("\n" not in text for text in found)
    return found


def test_which_are_refused_and_which_are_escaped() -> None:
    """The characters behind which a name still is accepted, by rule."""
    kinds: dict[str, tuple[names.Rule, str]] = {
        "path": (names.path, "/srv/a"),
        "program": (names.program, "/srv/a"),
        "plain_path": (names.plain_path, "/srv/a"),
        "socket": (names.socket, "/run/a"),
        "mount_point": (names.mount_point, "/mnt/a"),
        "mount_options": (names.mount_options, "a"),
        "nqn": (names.nqn, f"{NQN}a"),
        "address": (names.address, "fe80::1%a"),
        "listener_address": (names.listener_address, "fe80::1%a"),
        "service_id": (names.service_id, "4420"),
        "unit": (names.unit, "a"),
        "account": (names.account, "a"),
        "bdev": (names.bdev, "a"),
        "word": (names.word, "a"),
        "url": (names.url, "http://a"),
    }
    found = {
        name: "".join(
            sorted(
                {text.removeprefix(begin)[0] for text in accepted(rule, begin, ".service" if name == "unit" else "b")}
            )
        )
        for name, (rule, begin) in kinds.items()
    }
    assert found == {
        "path": " !\"#%&'(*,:;=\\`|~é",
        "program": " !#%&(*,:;=`|~é",
        "plain_path": "",
        "socket": "",
        "mount_point": "!\"#%&'(*,:;=`|~é",
        "mount_options": "!\"$%&'(*,:;=`|~é",
        "nqn": "!\"#$%&'(*:;=\\`|~é",
        "address": "",
        "listener_address": "",
        "service_id": "",
        "unit": ":\\",
        "account": "",
        "bdev": "!\"#$%&'(*,:;=\\`|~",
        "word": ":|~",
        "url": "!\"$%&'(*,:;=\\`|~é",
    }


# ---- units


def read(text: str) -> dict[str, list[str]]:
    """A unit's settings, each with its values as systemd.syntax(7) says: specifiers replaced, not yet split."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        assert not line.endswith("\\"), "this would join the next line"
        if line and line[0] not in "#;[":
            name, _, value = line.partition("=")
            assert not re.search(r"%(?!%)", value.replace("%%", "")), f"a specifier: {line}"
            found.setdefault(name, []).append(value.replace("%%", "%"))
    return found


def split(value: str, *, command: bool = False) -> list[str]:
    """A list's words. Quotes and backslashes are the shell's here; in commands a dollar is written twice."""
    return [word.replace("$$", "$") if command else word for word in shlex.split(value)]


def verify(path: Path) -> None:
    """Ask systemd itself whether it understands the unit."""
    if not shutil.which("systemd-analyze"):
        warnings.warn("systemd-analyze is not here: units are read by this test's own reader alone", stacklevel=2)
        return
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if str(path.name) in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_the_targets_unit_has_every_path_as_it_was(tmp_path: Path) -> None:
    folders = [Path(path) for path in accepted(names.path, "/srv/a")]
    program = tmp_path / "my % csd;tgt"
    assert names.program(str(program)) is None
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    argv = (str(program), "--json", *map(str, folders))
    data = (*(folder / "x.img" for folder in folders), *(Path(f"/dev{folder}") for folder in folders))
    service = Service(
        "csd_test", "100 % of a test", argv, Path("/run/csd test"), Path("/log"), user="daemon", data=data
    )
    path = tmp_path / "csd_test.service"
    path.write_text(unit(service))
    seen = read(path.read_text())
    assert split(seen["ExecStart"][0], command=True) == list(argv)
    assert seen["Description"] == ["100 % of a test"]
    assert split(seen["RequiresMountsFor"][0]) == ["/dev/hugepages", *sorted(map(str, folders))]
    assert [split(value) for value in seen["ReadWritePaths"]] == [[f"-{folder}"] for folder in sorted(folders)]
    assert [split(value) for value in seen["DeviceAllow"]] == [[f"/dev{folder}", "rw"] for folder in folders]
    assert split(seen["RuntimeDirectory"][0]) == ["csd test"]
    verify(path)


@pytest.mark.parametrize("bad", ["/srv/a\n[Service]\nExecStart=/bin/evil", "/srv/\x01"])
def test_what_cannot_stand_in_a_unit_is_refused_there_too(bad: str) -> None:
    with pytest.raises(
        LabError, match=r"Asked: '/srv/.*' in a systemd unit\. Found: .* which no name should have\. Do: "
    ):
        unit(Service("t", "t", ("/bin/true", bad), Path("/run/t"), Path("/log")))
    with pytest.raises(LabError, match=r"Asked: unit 'a b'\. Found: not the name of a systemd unit\."):
        units(["a b"])
    assert units([r"mnt-a\x20b.mount"]) == r"mnt-a\x20b.mount"
    assert words([""]) == '""'


def connection(nqn: str, host_nqn: str, address: str) -> Connection:
    return validated(Connection(nqn, address, "4420", host_nqn, boot_after=("a.service",)))


@pytest.mark.parametrize("nqn", accepted(names.nqn, f"{NQN}a"))
@pytest.mark.parametrize("address", ["fe80::1%eth0", "127.0.0.1"])
def test_the_unit_that_connects_at_boot_finds_its_own_connection(tmp_path: Path, nqn: str, address: str) -> None:
    host = nqn.replace(":a", ":host")
    asked = connection(nqn, host, address)
    seen = read(unit_text(asked))
    assert split(seen["ExecStart"][0], command=True) == list(asked.command())
    assert f"--traddr={address}" in asked.command()
    assert nqn in seen["Description"][0]

    def goes_on() -> bool:
        """Whether ExecCondition= lets the unit connect; really run, on a sysfs of the test's."""
        argv = split(seen["ExecCondition"][0], command=True)
        argv[2] = argv[2].replace("/sys/class/nvme", str(tmp_path / "nvme"))
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0

    assert goes_on()
    controller = tmp_path / "nvme/nvme0"
    controller.mkdir(parents=True)
    for name, text in (
        ("subsysnqn", nqn),
        ("hostnqn", host),
        ("address", f"traddr={address},trsvcid=4420,src_addr=::1"),
    ):
        (controller / name).write_text(f"{text}\n")
    assert not goes_on()
    (controller / "hostnqn").write_text(f"{host}x\n")
    assert goes_on()
    (controller / "hostnqn").write_text(f"{host}\n")
    (controller / "address").write_text(f"traddr={address},trsvcid=44201\n")
    assert goes_on()


def test_systemd_understands_the_unit_that_connects_at_boot(tmp_path: Path) -> None:
    asked = connection(f"{NQN}a%n'\"\\;$HOME", f"{NQN}é", "fe80::1%eth0")
    path = tmp_path / "connect.service"
    path.write_text(unit_text(asked).replace("ExecStart=/usr/sbin/nvme ", "ExecStart=/bin/true "))
    verify(path)


@pytest.mark.parametrize("mount", [*accepted(names.mount_point, "/mnt/a"), "/mnt/.hidden", "/mnt/a-b"])
def test_fstab_and_the_mounts_unit(tmp_path: Path, mount: str) -> None:
    fstab = Fstab(tmp_path / "fstab")
    option = next(iter(accepted(names.mount_options, "x-a")))
    fstab.set(mount, Line.of_ours("UUID=1", mount, "ext4", option))
    assert fstab.line(mount) == Line.of_ours("UUID=1", mount, "ext4", option)
    command = ["findmnt", "--tab-file", str(tmp_path / "fstab"), "--json", "--output", "TARGET,OPTIONS"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    [found] = json.loads(done.stdout)["filesystems"]
    assert found == {"target": mount, "options": f"{option},x-hello_ebpf"}
    if shutil.which("systemd-escape"):
        done = subprocess.run(
            ["systemd-escape", "--path", "--suffix=mount", mount], capture_output=True, text=True, check=True
        )
        assert unit_of_path(mount, "mount") == done.stdout.strip()


# ---- one rule for target and host


def refused(call: Any) -> str | None:
    try:
        call()
    except LabError as error:
        return f"{error.found} {error.fix}"
    return None


@pytest.mark.parametrize(
    "text",
    [f"{NQN}a{char}b" for char in NASTY]
    + [
        NQN,
        f"{NQN}:",
        f"{NQN}{'a' * 198}",
        f"{NQN}{'é' * 99}",
        "nqn.2026-11.io.hello-ebpf",
        "nqn.2026-13.io.x:a",
        "nqn.2026-11.io.-x:a",
        names.DISCOVERY_NQN,
        f"{names.UUID_NQN}6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001",
        f"{names.UUID_NQN}6c1f",
    ],
)
def test_target_host_and_preflight_agree_on_an_nqn(text: str) -> None:
    subsystem = {"nqn": text, "allow_any_host": False}
    host = {"nqn": f"{NQN}s", "hosts": [text], "allow_any_host": False}
    by_target = refused(lambda: declared({"subsystems": [subsystem]}, check=True))
    assert refused(lambda: declared({"subsystems": [host]}, check=True)) == by_target
    assert refused(lambda: validated(Connection(text, "127.0.0.1", "4420", f"{NQN}h"))) == by_target
    assert refused(lambda: validated(Connection(f"{NQN}s", "127.0.0.1", "4420", text))) == by_target
    measured = {"initiator": "spdk", "records": 1, "seed": 1, "path": "", "address": "127.0.0.1", "service_id": "4420"}
    assert refused(lambda: check_dataset({**measured, "subsystem_nqn": text, "host_nqn": f"{NQN}h"})) == by_target
    said = wrong_names("csd_target_subsystems", [subsystem])
    assert len(said) == (by_target is not None)
    assert wrong_names("nvme_tcp_connections", [{"host_nqn": text}]) == [
        one.replace("csd_target_subsystems[0].nqn", "nvme_tcp_connections[0].host_nqn") for one in said
    ]


@pytest.mark.parametrize(
    ("address", "host", "target"),
    [
        ("10.0.0.1", True, True),
        ("2001:db8::1", True, True),
        ("fe80::1%eth0", True, False),
        ("fe80::1", False, False),
        ("fe80::1%", False, False),
        ("fe80::1%eth0/x", False, False),
        ("fe80::1%eth0,nqn=x", False, False),
        ("2001:db8::1%eth0", False, True),
        ("0.0.0.0", False, False),
        ("010.0.0.1", False, False),
        ("target.example", False, False),
        ("127.0.0.1\n", False, False),
    ],
)
def test_addresses(address: str, host: bool, target: bool) -> None:
    assert (names.address(address) is None, names.listener_address(address) is None) == (host, target)


@pytest.mark.parametrize("port", ["0", "65536", "04420", "4420 ", "\uff14\uff14\uff12\uff10", "", "-1"])
def test_ports(port: str) -> None:
    assert names.service_id(port) is not None
    assert names.service_id("4420") is None


def test_a_real_run_names_what_is_wrong_before_it_does_anything(tmp_path: Path) -> None:
    connection = {"subsystem_nqn": f"{NQN}a b", "address": "fe80::1", "service_id": "04420", "host_nqn": f"{NQN}h"}
    extra = {"nvme_tcp_connections": [connection], "csd_target_prefix": "/opt/my lab", "nvme_tcp_after_units": ["a b"]}
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "inventory/local",
        "playbooks/preflight.yml",
    ]
    done = subprocess.run(
        [*command, "-e", json.dumps(extra)],
        cwd=ROOT,
        env={
            "COLUMNS": "1000",
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "LAB_RUN_FILE": str(tmp_path / "run.jsonl"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    for text in (
        f"Asked: nvme_tcp_connections[0].subsystem_nqn: '{NQN}a b'. Found: ' ' in it, which the kernel's host could "
        "not connect to. Do: leave that character out.",
        "Asked: nvme_tcp_connections[0].address: 'fe80::1'. Found: a link-local address without the interface that it "
        "is reached through. Do: write fe80::1%INTERFACE.",
        "Asked: nvme_tcp_connections[0].service_id: '04420'.",
        "Asked: csd_target_prefix: '/opt/my lab'. Found: ' ' in a path that goes through make, compilers and linkers",
        "Asked: nvme_tcp_after_units[0]: 'a b'. Found: not the name of a systemd unit.",
    ):
        assert text in said
