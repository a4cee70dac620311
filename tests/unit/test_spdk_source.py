"""SPDK's source: the manifest that knows it, its archives and its version."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.files import sha256_of
from ansible.module_utils.hello_ebpf.release import os_release
from ansible.module_utils.hello_ebpf.spdk_build import manifest, recipe
from ansible.module_utils.hello_ebpf.spdk_build.fetch import check_size, verify
from ansible.module_utils.hello_ebpf.spdk_build.request import Request
from ansible.module_utils.hello_ebpf.spdk_build.unpack import version_of

from refusals import refusal

SHA256 = "71c0795fa0d6312ec7b57dee4031559b7e62e086a78e6ae1ad8549e0b351e28f"
SPDK_FILES = Path(__file__).resolve().parents[2] / "roles/spdk/files"
MANIFEST = (SPDK_FILES / "source.sha256").read_text()


# ---- the manifest


def test_a_manifest_is_what_sha256sum_writes() -> None:
    assert manifest.parse(f"{SHA256}  lib/log/log.c\n{'0' * 64}  LICENSE\n") == {
        "lib/log/log.c": SHA256,
        "LICENSE": "0" * 64,
    }


@pytest.mark.parametrize(
    "line",
    [f"{SHA256} lib/log/log.c", f"{SHA256[1:]}  a", f"{SHA256}  /etc/passwd", f"{SHA256}  lib/../../a", "# a comment"],
)
def test_another_form_of_manifest_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match=re.escape(line)):
        manifest.parse(f"{SHA256}  LICENSE\n{line}\n")


def test_the_first_file_that_differs_is_named_with_both_digests(tmp_path: Path) -> None:
    (tmp_path / "one.c").write_text("1")
    one = sha256_of(tmp_path / "one.c")
    assert manifest.difference(tmp_path, {"one.c": one}) == ""
    assert manifest.difference(tmp_path, {"one.c": SHA256}) == f"one.c has SHA-256 {one}, not {SHA256}"
    assert manifest.difference(tmp_path, {"one.c": one, "two.c": SHA256}) == "two.c is missing"
    many = {"one.c": SHA256, "two.c": SHA256, "three.c": SHA256}
    assert manifest.difference(tmp_path, many) == f"one.c has SHA-256 {one}, not {SHA256}; 2 more differ"


def test_the_roles_manifest_has_every_file_that_a_patch_changes() -> None:
    changed = set()
    for patch in (SPDK_FILES / "patches").glob("*.patch"):
        changed |= set(re.findall(r"^--- a/(\S+)", patch.read_text(), re.MULTILINE))
    assert changed
    assert changed - manifest.parse(MANIFEST).keys() == set()


def test_what_is_not_the_same_in_each_ceph_is_not_used() -> None:
    different = {"CONFIG", "configure", "lib/iscsi/iscsi.c", "scripts/check_format.sh"}
    assert different & manifest.parse(MANIFEST).keys() == set()


def test_the_stamp_knows_the_manifest_and_no_archive() -> None:
    one = Request("20.07", "ceph", manifest=MANIFEST)
    assert one.stamp == replace(one, sha256=SHA256, debian_suites=("sid",), debian_mirror="http://m.example").stamp
    assert one.stamp != replace(one, manifest=MANIFEST.replace("a", "b", 1)).stamp


def test_os_release() -> None:
    assert os_release('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n\nVERSION_ID="12"\n') == {
        "PRETTY_NAME": "Debian GNU/Linux 12",
        "ID": "debian",
        "VERSION_ID": "12",
    }


def test_one_flipped_byte_is_refused_and_the_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"sourcf")
    assert refusal(verify, path, SHA256) == (
        f"Asked: an archive with SHA-256 {SHA256}. "
        f"Found: {path} (6 bytes) has SHA-256 "
        "7292f2a0dc42fbea293390eb24fc7713f6fe6cabf4153b41c9456b67bbe7f894. "
        "Do: run again; what was fetched wrongly is gone. If it happens again, the mirror or the declared digest is "
        "wrong."
    )
    assert not path.exists()


def test_a_download_that_is_too_short(tmp_path: Path) -> None:
    path = tmp_path / "ceph.tar.xz"
    path.write_bytes(b"half")
    assert refusal(check_size, path, 148306992) == (
        "Asked: a download of 148306992 bytes. Found: ceph.tar.xz has 4. "
        "Do: run again; what was fetched wrongly is gone."
    )


def test_a_target_links_everything_that_is_built() -> None:
    assert set(recipe.INITIATOR_LIBS) <= set(recipe.TARGET_LIBS)
    assert len(set(recipe.TARGET_LIBS)) == len(recipe.TARGET_LIBS)


@pytest.mark.parametrize(
    ("numbers", "version"), [((20, 7, 0), "20.07"), ((20, 10, 0), "20.10"), ((20, 1, 2), "20.01.2")]
)
def test_the_version_in_spdks_header(numbers: tuple[int, int, int], version: str) -> None:
    names = ("MAJOR", "MINOR", "PATCH")
    header = "".join(f"#define SPDK_VERSION_{name}\t{number}\n" for name, number in zip(names, numbers, strict=True))
    assert version_of(header) == version
    assert version_of("") == "no SPDK"
