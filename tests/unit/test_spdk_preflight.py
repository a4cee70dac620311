"""What SPDK's role refuses before it changes anything, in its exact words."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.spdk_build import preflight
from ansible.module_utils.hello_ebpf.spdk_build.request import Request

from refusals import refusal

V2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


@pytest.mark.parametrize("platform", ["debian-12", "debian-13", "ubuntu-24.04"])
def test_supported_releases(platform: str) -> None:
    """On the one kind of machine alone."""
    preflight.check_platform(platform, "x86_64")
    with pytest.raises(LabError):
        preflight.check_platform(platform, "riscv64")


@pytest.mark.parametrize(
    ("platform", "machine", "found"),
    [
        ("debian-11", "x86_64", "debian 11 on x86_64"),
        ("fedora-42", "x86_64", "fedora 42 on x86_64"),
        ("debian-12", "aarch64", "debian 12 on aarch64"),
    ],
)
def test_other_releases_and_machines_are_refused(platform: str, machine: str, found: str) -> None:
    assert refusal(preflight.check_platform, platform, machine) == (
        f"Asked: SPDK on this machine. Found: it runs {found}. Do: use Debian 12, Debian 13, Ubuntu 24.04 on x86_64."
    )


@pytest.mark.parametrize(("level", "flags"), [("x86-64-v2", V2), ("x86-64-v3", V3)])
def test_a_cpu_that_reaches_the_level(level: str, flags: str) -> None:
    """And no more than that: each flag of the level is needed."""
    preflight.check_cpu(level, f"processor: 0\nflags\t\t: {flags}\n")
    with pytest.raises(LabError, match="CPU lacks sse4_2"):
        preflight.check_cpu(level, f"flags\t\t: {flags.replace(' sse4_2', '')}\n")


def test_a_cpu_below_the_level_is_refused() -> None:
    assert refusal(preflight.check_cpu, "x86-64-v3", f"flags\t\t: {V3.replace(' avx2', '').replace(' fma', '')}\n") == (
        "Asked: SPDK built for x86-64-v3 (spdk_cpu). Found: this machine's CPU lacks avx2, fma. "
        "Do: choose a lower level, or let the virtual machine have the host's CPU model."
    )


def test_an_archive_without_a_digest_is_refused() -> None:
    assert refusal(preflight.check_source, Request("20.07", "archive", archive="/tmp/spdk.tar.gz")) == (
        "Asked: SPDK from archive spdk.tar.gz. "
        "Found: spdk_archive_sha256 is '', no SHA-256 of 64 hexadecimal digits. "
        "Do: set spdk_archive_sha256 to what sha256sum says of an archive that you trust."
    )


def test_an_archive_without_a_name_is_refused() -> None:
    assert refusal(preflight.check_source, Request("20.07", "archive", sha256="0" * 64)) == (
        "Asked: SPDK from archive. Found: spdk_archive is empty. Do: set spdk_archive."
    )


def test_a_whole_digest_is_accepted() -> None:
    preflight.check_source(Request("20.07", "archive", archive="/a", sha256="0a" * 32))
    preflight.check_source(Request("20.07", "ceph", manifest=f"{'0a' * 32}  LICENSE\n"))
    with pytest.raises(LabError):
        preflight.check_source(Request("20.07", "archive", archive="/a", sha256="0a" * 31))


@pytest.mark.parametrize(
    ("text", "found"), [("", "it is empty"), (f"{'0a' * 32}  a\n{'0a' * 32} b\n", f"it has the line '{'0a' * 32} b'")]
)
def test_a_manifest_that_is_none_is_refused(text: str, found: str) -> None:
    assert refusal(preflight.check_source, Request("20.07", "ceph", manifest=text)) == (
        f"Asked: SPDK from ceph, each file as in the manifest (spdk_manifest). Found: {found}. "
        "Do: use what scripts/spdk_manifest.py prints: SHA-256, two spaces, a path in SPDK's tree."
    )


@pytest.mark.parametrize("word", ["trixie main", "", "trixie\n", "a\ndeb http://other.example sid"])
def test_a_suite_that_is_not_one_word_is_refused(word: str) -> None:
    request = Request("20.07", "ceph", manifest=f"{'0a' * 32}  LICENSE\n")
    assert refusal(preflight.check_source, replace(request, debian_suites=("sid", word))) == (
        f"Asked: SPDK from ceph, spdk_debian_suites with {word!r}. Found: it is not one word. "
        "Do: correct spdk_debian_suites: a suite is a word such as trixie, a mirror a URL."
    )
    if word:
        with pytest.raises(LabError, match="spdk_debian_mirror with"):
            preflight.check_source(replace(request, debian_mirror=word))
    preflight.check_source(replace(request, debian_suites=("sid",), debian_mirror="http://m.example/debian"))


def test_git_needs_no_digest() -> None:
    preflight.check_source(Request("20.07", "git"))
    with pytest.raises(LabError):
        preflight.check_source(Request("20.07", "debian"))


def test_folders_of_our_own(tmp_path: Path) -> None:
    folder = tmp_path / "hello_ebpf" / "spdk"
    preflight.check_owner(folder, "hello_ebpf")
    folder.mkdir(parents=True)
    preflight.check_owner(folder, "hello_ebpf")
    assert (tmp_path.stat().st_mode & 0o777) == 0o700


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    above = tmp_path / "hello_ebpf"
    above.mkdir()
    above.chmod(0o777)
    assert refusal(preflight.check_owner, above / "spdk", "hello_ebpf") == (
        f"Asked: {above}/spdk for files that root runs. "
        f"Found: {above} has mode 0777: others than its owner may write there. "
        f"Do: chown root: {above} && chmod 0755 {above}, if its content can be trusted; or name another folder."
    )


def test_somebody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(LabError, match=f"Found: {tmp_path} belongs to user {owner}, not to user {owner + 1}"):
        preflight.check_owner(tmp_path, "hello_ebpf")


def test_a_link_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spdk").symlink_to("/nowhere")
    with pytest.raises(LabError, match=f"Found: {tmp_path}/spdk is no folder"):
        preflight.check_owner(tmp_path / "spdk", "hello_ebpf")


def test_too_little_space_is_refused_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 4096
    status = os.statvfs_result((size, size, 1000000, 90000, 65536, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: status)
    prefix, cache = tmp_path / "prefix", tmp_path / "cache"
    preflight.check_space({prefix: size * 30000, cache: size * 35000})
    assert refusal(preflight.check_space, {prefix: size * 131072, cache: size * 65536}) == (
        f"Asked: 0.75 GiB of disk space in {prefix} and {cache}. Found: 0.25 GiB are free there. "
        "Do: free 0.50 GiB more, or set spdk_cache and spdk_prefix to another disk."
    )
