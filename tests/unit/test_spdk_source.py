"""SPDK's source: the machine's own mirror as its package sources tell it, apt's index, what is unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.release import os_release
from ansible.module_utils.hello_ebpf.spdk_build import recipe
from ansible.module_utils.hello_ebpf.spdk_build.apt_sources import (
    DEBIAN_KEYRING,
    SourceVersion,
    archives_in,
    debian_source,
    parse,
    version_with,
)
from ansible.module_utils.hello_ebpf.spdk_build.fetch import check_size, verify
from ansible.module_utils.hello_ebpf.spdk_build.unpack import version_of

DEB822 = """\
# the installer's comment
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Architectures: amd64
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Check-Valid-Until: no

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """\
# deb cdrom:[Debian 12]/ bookworm main
deb http://mirror.example/debian/ bookworm main non-free-firmware # the mirror
deb-src http://mirror.example/debian/ bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb http://mirror.example/debian/ bookworm-updates main
"""
THIRD_PARTY = """\
deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://packages.example/debian/12/prod bookworm main
deb [signed-by=/etc/apt/keyrings/docker.gpg] https://download.example/linux/debian bookworm stable
deb https://packages.example/apt cloud-sdk-bookworm main
"""
# A vendor whose address ends as Debian's does.
LOOKALIKE = "deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/debian bookworm main\n"
SHA256 = "71c0795fa0d6312ec7b57dee4031559b7e62e086a78e6ae1ad8549e0b351e28f"
SHOWSRC = f"""\
Package: ceph
Version: 20.2.4+ds-3
Checksums-Sha256:
 {"a" * 64} 8870 ceph_20.2.4+ds-3.dsc
 {"b" * 64} 155000000 ceph_20.2.4+ds.orig.tar.xz
Directory: pool/main/c/ceph

Package: ceph
Version: 18.2.7+ds-1+deb13u1
Files:
 2788cb630bf061763d893e4fea8c23a0 148306992 ceph_18.2.7+ds.orig.tar.xz
Checksums-Sha256:
 {"c" * 64} 8870 ceph_18.2.7+ds-1+deb13u1.dsc
 {SHA256} 148306992 ceph_18.2.7+ds.orig.tar.xz
Directory: pool/main/c/ceph
"""


def derive(files: dict[str, str], distribution: str = "debian", mirror: str = "", codename: str = "bookworm") -> str:
    return debian_source(parse(files), distribution=distribution, codename=codename, suite="trixie", mirror=mirror)


def test_a_sources_file_keeps_its_options_but_not_what_it_fetches() -> None:
    assert derive({"debian.sources": DEB822}) == (
        "Types: deb-src\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: trixie\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        "Check-Valid-Until: no\n"
    )


def test_a_one_line_file_without_a_key_gets_debians() -> None:
    assert derive({"sources.list": ONE_LINE}) == (
        "Types: deb-src\n"
        "URIs: http://mirror.example/debian/\n"
        "Suites: trixie\n"
        "Components: main\n"
        f"Signed-By: {DEBIAN_KEYRING}\n"
    )


def test_options_of_a_one_line_entry_are_kept() -> None:
    line = "deb [arch=amd64,i386 trusted=yes check-valid-until=no] http://mirror.example/debian stable main\n"
    assert derive({"sources.list": line}).splitlines()[4:] == [
        f"Signed-By: {DEBIAN_KEYRING}",
        "Trusted: yes",
        "Check-Valid-Until: no",
    ]


def test_a_key_inside_the_stanza_is_kept_line_by_line() -> None:
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY\n -----END PGP PUBLIC KEY BLOCK-----\n"
    stanza = f"Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n{key}"
    assert derive({"debian.sources": stanza}).endswith(key.replace("Signed-By:", "Signed-By: "))


def test_a_mirror_under_another_path_is_known_by_its_updates() -> None:
    lines = (
        "deb http://cache.example:3142/bookworm-mirror bookworm main\n"
        "deb http://cache.example:3142/bookworm-mirror bookworm-updates main\n"
    )
    assert "URIs: http://cache.example:3142/bookworm-mirror\n" in derive({"sources.list": lines})


def test_a_disabled_entry_is_not_used() -> None:
    disabled = DEB822.replace("Types: deb\n", "Enabled: no\nTypes: deb\n", 1)
    with pytest.raises(LabError, match="no package source in /etc/apt is Debian's main archive for bookworm"):
        derive({"debian.sources": disabled})


def test_third_parties_are_not_taken_for_debian() -> None:
    both = {"a-third-party.list": THIRD_PARTY, "b-lookalike.list": LOOKALIKE, "debian.list": ONE_LINE}
    assert "URIs: http://mirror.example/debian/\n" in derive(both)


def test_only_third_parties() -> None:
    with pytest.raises(LabError) as error:
        derive({"third-party.list": LOOKALIKE})
    assert str(error.value) == (
        "Asked: source packages of Debian trixie from this machine's own mirror. "
        "Found: no package source in /etc/apt is Debian's main archive for bookworm; there is: "
        "https://vendor.example/debian bookworm. "
        "Do: set spdk_debian_mirror to a Debian mirror, or spdk_source to git or archive."
    )
    with pytest.raises(LabError, match="there is: none at all"):
        derive({})


def test_ubuntu_has_no_debian_mirror_but_can_be_given_one() -> None:
    ubuntu = "Types: deb\nURIs: http://mirror.example/ubuntu\nSuites: noble noble-updates\nComponents: main\n"
    with pytest.raises(LabError) as error:
        derive({"ubuntu.sources": ubuntu}, distribution="ubuntu", codename="noble")
    assert str(error.value) == (
        "Asked: source packages of Debian trixie from this machine's own mirror. "
        "Found: this machine runs ubuntu, whose mirror has no Debian packages. "
        "Do: set spdk_debian_mirror to a Debian mirror, or spdk_source to git or archive."
    )
    given = derive({"ubuntu.sources": ubuntu}, distribution="ubuntu", mirror="http://mirror.example/debian")
    assert "URIs: http://mirror.example/debian\n" in given
    assert f"Signed-By: {DEBIAN_KEYRING}\n" in given


def test_the_version_is_the_one_that_has_the_archive() -> None:
    assert version_with(SHOWSRC, SHA256) == SourceVersion(
        "18.2.7+ds-1+deb13u1", "ceph_18.2.7+ds.orig.tar.xz", 148306992
    )
    assert version_with(SHOWSRC, "d" * 64) is None
    assert version_with("", SHA256) is None


def test_what_there_is_instead() -> None:
    assert archives_in(SHOWSRC) == [f"20.2.4+ds-3 with {'b' * 64}", f"18.2.7+ds-1+deb13u1 with {SHA256}"]


def test_os_release() -> None:
    assert os_release('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n\nVERSION_ID="12"\n') == {
        "PRETTY_NAME": "Debian GNU/Linux 12",
        "ID": "debian",
        "VERSION_ID": "12",
    }


def test_one_flipped_byte_is_refused_and_the_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"sourcf")
    with pytest.raises(LabError) as error:
        verify(path, SHA256)
    assert str(error.value) == (
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
    with pytest.raises(LabError) as error:
        check_size(path, 148306992)
    assert str(error.value) == (
        "Asked: a download of 148306992 bytes. Found: ceph.tar.xz has 4. "
        "Do: run again; what was fetched wrongly is gone."
    )


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("lib/nvmf/ctrlr.c", True),
        ("test/common/autotest_common.sh", True),
        ("test/unit/lib/nvmf.c", False),
        ("examples/nvme/perf/perf.c", False),
        ("isa-l/autogen.sh", False),
        ("dpdk/lib/librte_eal/linux/eal.c", True),
        ("dpdk/drivers/meson.build", True),
        ("dpdk/drivers/bus/pci/pci_common.c", True),
        ("dpdk/drivers/mempool/ring/rte_mempool_ring.c", True),
        ("dpdk/drivers/net/meson.build", True),
        ("dpdk/drivers/net/tap/meson.build", True),
        ("dpdk/drivers/net/tap/tap_flow.c", False),
        ("dpdk/drivers/net/ice/base/ice_common.c", False),
        ("dpdk/doc/api/doxy-api.conf.in", True),
        ("dpdk/doc/guides/nics/ice.rst", False),
        ("dpdk/license/README", True),
    ],
)
def test_what_is_unpacked(name: str, *, needed: bool) -> None:
    assert recipe.is_needed(name) is needed


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
