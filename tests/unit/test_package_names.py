"""Every package that a role installs can be had on each supported release, by doubles of their archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.hello_ebpf.release import SUPPORTED, platform_name

from conftest import ROOT
from debian_machine import Debian

MODULES = {"debian_packages": "name"}
LITERAL = r"[a-z0-9][a-z0-9.+-]*(?:\|[a-z0-9][a-z0-9.+-]*)*"

# Debian's were looked up with apt-cache policy on 12 and 13. Ubuntu's archive was not at hand: packages.ubuntu.com was
# asked for those whose names differ and for daemon and nvme-cli (all in universe or main of 24.04); the
# others have had the same name in both for many releases.
EVERYWHERE = [
    "binutils",
    "ca-certificates",
    "clang",
    "daemon",
    "debian-archive-keyring",
    "dpkg-dev",
    "e2fsprogs",
    "gcc",
    "git",
    "kmod",
    "libaio-dev",
    "libbpf-dev",
    "libc6-dev",
    "libelf-dev",
    "libnuma-dev",
    "libssl-dev",
    "llvm",
    "make",
    "meson",
    "ninja-build",
    "nvme-cli",
    "patch",
    "pkg-config",
    "python3",
    "uuid-dev",
    "xfsprogs",
    "zlib1g-dev",
]
# On Ubuntu 24.04 bpftool is virtual: linux-tools-common and linux-lowlatency-tools-common say that they provide it, and
# hold a script that looks for the running kernel's. What works is in the package that linux-tools-generic brings.
ARCHIVES = {
    "debian-12": {"bpftool"},
    "debian-13": {"bpftool"},
    "ubuntu-24.04": {"linux-tools-generic"},
}
OS_RELEASES = {
    "debian-12": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    "debian-13": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
    "ubuntu-24.04": 'PRETTY_NAME="Ubuntu 24.04.4 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'
    "ID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n",
}


def values(content: Any, key: str) -> Iterator[Any]:
    """What stands under a key, at any depth."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(content, list):
        for entry in content:
            yield from values(entry, key)


def listed(content: Any) -> Iterator[str]:
    """The package names of a variable: plain ones, and those in quotes in an expression."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for entry in content:
            yield from listed(entry)
    elif "{{" in content:
        yield from re.findall(f"'({LITERAL})'", content)
    else:
        yield content


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def installed() -> dict[str, str]:
    """What roles ask for (a name, or alternatives), and in which file."""
    found: dict[str, str] = {}
    for path in [*ROOT.glob("roles/*/vars/*.yml"), *ROOT.glob("roles/*/defaults/main.yml")]:
        for name, value in read(path).items():
            if re.search(r"_packages(_|$)", name):
                found |= dict.fromkeys(listed(value), str(path.relative_to(ROOT)))
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        for module, option in MODULES.items():
            for arguments in values(read(path), module):
                asked = arguments.get(option, [])
                for item in [asked] if isinstance(asked, str) else asked:
                    if "{{" not in item:
                        found[item] = str(path.relative_to(ROOT))
    return found


def test_packages_that_are_no_literal_names_are_in_variables_that_are_read_here() -> None:
    """Or in the kernel's own, whose name holds its release: test_nvme_kernel.py."""
    expressions = []
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        for arguments in values(read(path), "debian_packages"):
            expressions += [arguments["name"]] if isinstance(arguments["name"], str) else []
    assert len(expressions) >= 3
    for expression in expressions:
        assert re.search(r"\w+_packages\b", expression), expression


@pytest.mark.parametrize("platform", SUPPORTED)
def test_every_package_can_be_had(tmp_path: Path, platform: str) -> None:
    mirror = dict.fromkeys([*EVERYWHERE, *ARCHIVES[platform]], "1")
    machine = Debian(tmp_path, mirror=mirror)
    machine.release.write_text(OS_RELEASES[platform])
    asked = installed()
    assert len(asked) > 25
    unknown = {item: path for item, path in asked.items() if not set(item.split("|")) & set(mirror)}
    assert not unknown, f"{SUPPORTED[platform]}: look up its name there, and add it to this file's table"
    machine.converge(*asked)
    assert len(machine.installed) == len(asked)
    assert machine.converge(*asked).actions == []


def test_the_table_holds_nothing_that_no_role_asks_for() -> None:
    asked = {name for item in installed() for name in item.split("|")}
    assert set(EVERYWHERE).union(*ARCHIVES.values()) <= asked


@pytest.mark.parametrize("platform", SUPPORTED)
def test_the_supported_releases_know_themselves(platform: str) -> None:
    assert platform_name(OS_RELEASES[platform]) == platform
