"""SPDK's source from a signed source package ceph: a small mirror of Ubuntu's shape, apt itself, what is refused.

No address but loopback is asked. Which suites and components there are, and how a machine lists them, is as on
Ubuntu 24.04: ceph is in universe, deb-src is not listed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spdk_build
from ansible.module_utils.hello_ebpf.spdk_build import ceph

from module_run import run_module
from signed_mirror import DIRECTORY, FILE, VERSION, Mirror, keys, machine_apt
from small_spdk import SOURCE, arguments, request, small_disk, tree_of

# What no build uses, and is not the same in each ceph.
UNUSED = {"CONFIG": "CONFIG_HAVE_ARC4RANDOM=n\n", "configure": "#!/bin/sh\n", "lib/iscsi/iscsi.c": "int a;\n"}
MANIFEST = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in SOURCE.items())
FIX = (
    "Do: make the mirror reachable and whole, enable what has ceph (universe on Ubuntu), "
    "set spdk_debian_mirror to a Debian mirror, or spdk_source to git or archive."
)
ASKED = "Asked: SPDK 20.07 in a signed source package ceph, each used file as in the manifest. "

DEB822 = """\
Types: deb
URIs: {uri}
Suites: noble noble-updates
Components: main restricted universe multiverse
Signed-By: {keyring}
"""
INLINE = DEB822.replace("{keyring}", "{key}")
WITH_DEB_SRC = DEB822.replace("Types: deb", "Types: deb deb-src")
ONLY_DEB_SRC = DEB822.replace("Types: deb", "Types: deb-src")
IN_TWO = DEB822.replace(" universe multiverse", "") + "\n" + DEB822.replace("main restricted ", "")
ONE_LINE = """\
# deb cdrom:[Ubuntu 24.04]/ noble main
deb [arch=amd64,i386 signed-by={keyring}] {uri} noble main restricted # the mirror
deb [arch=amd64 signed-by={keyring}] {uri} noble universe
deb [signed-by={keyring}] {uri} noble-updates main universe
"""
SHAPES = {
    "deb822": {"sources.list.d/ubuntu.sources": DEB822, "sources.list": "# moved\n"},
    "deb822 with the key in it": {"sources.list.d/ubuntu.sources": INLINE},
    "deb822 in two stanzas": {"sources.list.d/ubuntu.sources": IN_TWO},
    "deb822 with deb-src": {"sources.list.d/ubuntu.sources": WITH_DEB_SRC},
    "deb822 with nothing but deb-src": {"sources.list.d/ubuntu.sources": ONLY_DEB_SRC},
    "one line each": {"sources.list": ONE_LINE},
    "one line each, and deb-src": {"sources.list": ONE_LINE + ONE_LINE.replace("deb ", "deb-src ")},
}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with keys() as home:
        yield home


@pytest.fixture
def mirror(tmp_path: Path, home: Path) -> Mirror:
    """A mirror whose universe has a ceph that agrees with the manifest."""
    mirror = Mirror(tmp_path / "ubuntu", home)
    mirror.ceph(SOURCE | UNUSED)
    mirror.publish()
    mirror.publish(ceph={}, suite="noble-updates")
    return mirror


@pytest.fixture
def uri(mirror: Mirror) -> Iterator[str]:
    with mirror.served() as uri:
        yield uri


Asked = dict[str, Any]


@pytest.fixture
def asked(tmp_path: Path, mirror: Mirror, uri: str, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A build's arguments, on a machine that uses the mirror."""
    use(tmp_path, monkeypatch, SHAPES["deb822"], uri=uri, keyring=mirror.keyring)
    return arguments_of(tmp_path)


def arguments_of(folder: Path, **further: Any) -> Asked:
    return {**arguments(folder), "source": "ceph", "manifest": MANIFEST, "sha256": "", "archive": "", **further}


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, sources: dict[str, str], **words: object) -> None:
    told = {name: text.format(**{"key": "", **words}) for name, text in sources.items()}
    monkeypatch.setenv("APT_CONFIG", str(machine_apt(folder, told)))


def run(asked: Asked, stage: str) -> dict[str, Any]:
    return run_module(spdk_build.main, {**asked, "stage": stage})


def url(uri: str, file: str = FILE) -> str:
    return f"{uri}/{DIRECTORY}/{file}"


# ---- what is taken


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_found_however_the_machine_lists_its_mirror(
    tmp_path: Path, mirror: Mirror, uri: str, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    use(tmp_path, monkeypatch, SHAPES[shape], uri=uri, keyring=mirror.keyring, key=mirror.key)
    asked = arguments_of(tmp_path)
    assert run(asked, "fetch").get("changed") is True, run(asked, "fetch")
    assert run(asked, "fetch")["changed"] is False
    # Of each suite its source indexes, and nothing else that the machine's apt would fetch.
    lists = {path.name for path in (tmp_path / "cache/apt/own/lists").glob("*noble_*")}
    assert {name.rpartition("_noble_")[2].partition(".")[0] for name in lists} == {
        "InRelease",
        "main_source_Sources",
        "universe_source_Sources",
    }
    assert run(asked, "unpack")["changed"] is True
    src = request(asked).src
    assert {name for name in tree_of(src) if (src / name).is_file()} == SOURCE.keys()
    assert (src / "scripts/rpc.py").stat().st_mode & 0o111
    assert not (src / "lib/log/log.c").stat().st_mode & 0o111


def test_a_list_of_mirrors(tmp_path: Path, mirror: Mirror, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As machines of clouds have it.
    mirrors = tmp_path / "apt-mirrors.txt"
    mirrors.write_text(f"{uri}/\tpriority:1\n")
    use(tmp_path, monkeypatch, SHAPES["deb822"], uri=f"mirror+file:{mirrors}", keyring=mirror.keyring)
    asked = arguments_of(tmp_path)
    assert run(asked, "fetch").get("changed") is True, run(asked, "fetch")


def test_two_archives_that_differ_in_what_is_not_used_give_one_build(asked: Asked, mirror: Mirror) -> None:
    trees = []
    for unused in (UNUSED, {"CONFIG": "another\n", "test/common/new.sh": "#!/bin/sh\n"}):
        mirror.ceph(SOURCE | unused)
        mirror.publish()
        run_module(spdk_build.main, {**asked, "state": "absent"})
        assert run(asked, "fetch").get("changed") is True
        download = request(asked).download
        trees.append(
            {name: (download / name).read_bytes() for name in tree_of(download) if (download / name).is_file()}
        )
    assert trees[0] == trees[1]
    assert trees[0].keys() == SOURCE.keys()


def test_the_first_archive_that_agrees_is_taken(asked: Asked, mirror: Mirror) -> None:
    mirror.ceph({**SOURCE, "lib/log/log.c": "int answer = 43;\n"}, "ceph_19.2.4.orig.tar.xz")
    mirror.publish(ceph={"19.2.4-0ubuntu1": "ceph_19.2.4.orig.tar.xz", VERSION: FILE})
    assert run(asked, "fetch").get("changed") is True


def test_an_archive_that_the_mirror_lost_is_passed_over(asked: Asked, mirror: Mirror) -> None:
    mirror.ceph(SOURCE | {"new.c": ""}, "ceph_19.2.4.orig.tar.xz")
    mirror.publish(ceph={"19.2.4-0ubuntu1": "ceph_19.2.4.orig.tar.xz"}, suite="noble-updates")
    (mirror.folder / DIRECTORY / FILE).unlink()
    assert run(asked, "fetch").get("changed") is True


@pytest.mark.parametrize("derived", [True, False], ids=["the machine's own mirror", "a given mirror"])
def test_further_suites_of_debian_are_asked_where_no_own_source_agrees(
    tmp_path: Path, mirror: Mirror, uri: str, monkeypatch: pytest.MonkeyPatch, *, derived: bool
) -> None:
    monkeypatch.setattr(ceph, "DEBIAN_KEYRING", str(mirror.keyring))
    monkeypatch.setattr(ceph, "OS_RELEASE", tmp_path / "os-release")
    ceph.OS_RELEASE.write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    mirror.publish(suite="trixie", distribution="Debian")
    # The index of bookworm has a ceph that the mirror lost.
    mirror.ceph({}, "ceph_16.2.15+ds.orig.tar.xz")
    mirror.publish(
        ceph={"16.2.15+ds-0": "ceph_16.2.15+ds.orig.tar.xz"},
        suite="bookworm",
        distribution="Debian" if derived else "Another",
    )
    (mirror.folder / DIRECTORY / "ceph_16.2.15+ds.orig.tar.xz").unlink()
    use(tmp_path, monkeypatch, {"sources.list": f"deb [signed-by={mirror.keyring}] {uri} bookworm main universe\n"})
    asked = arguments_of(tmp_path, debian_suites=["forky", "trixie"], debian_mirror="" if derived else uri)
    assert run(asked, "fetch").get("changed") is True, run(asked, "fetch")
    lost = run({**asked, "debian_suites": [], "cache": str(tmp_path / "other")}, "fetch")["msg"]
    assert lost.startswith(f"{ASKED}Found: ceph 16.2.15+ds-0 from {url(uri, 'ceph_16.2.15+ds.orig.tar.xz')}: ")
    assert "404" in lost


def test_folders_are_made_that_build_files_name_and_nothing_is_read_from(
    tmp_path: Path, asked: Asked, mirror: Mirror
) -> None:
    mirror.ceph(SOURCE | {"dpdk/drivers/common/cpt/cpt.h": "", "../../../../escaped/x": ""})
    mirror.publish()
    run(asked, "fetch")
    assert run(asked, "unpack")["changed"] is True
    src = request(asked).src
    assert (src / "dpdk/drivers/common/cpt").is_dir()
    assert not list((src / "dpdk/drivers/common/cpt").iterdir())
    assert not list(tmp_path.rglob("escaped"))


# ---- what is refused


def test_an_altered_file_is_refused_by_name_and_the_right_one_is_taken_next(
    asked: Asked, mirror: Mirror, uri: str
) -> None:
    text = "int answer = 43;\n"
    mirror.ceph({**SOURCE, "lib/log/log.c": text})
    mirror.publish()
    found = hashlib.sha256(text.encode()).hexdigest()
    wanted = hashlib.sha256(SOURCE["lib/log/log.c"].encode()).hexdigest()
    assert run(asked, "fetch")["msg"] == (
        f"{ASKED}Found: ceph {VERSION} from {url(uri)}: lib/log/log.c has SHA-256 {found}, not {wanted}. {FIX}"
    )
    assert not request(asked).download.exists()
    mirror.ceph(SOURCE)
    mirror.publish()
    assert run(asked, "fetch")["changed"] is True


def test_missing_files_are_refused_by_name(asked: Asked, mirror: Mirror, uri: str) -> None:
    mirror.ceph({name: text for name, text in SOURCE.items() if not name.startswith("scripts/")})
    mirror.publish()
    failed = run(asked, "fetch")["msg"]
    assert f"Found: ceph {VERSION} from {url(uri)}: scripts/rpc.py is missing; 1 more differ. " in failed


def test_no_ceph_in_any_index(asked: Asked, mirror: Mirror, uri: str) -> None:
    mirror.publish(ceph={})
    suites = ("noble main", "noble universe", "noble-updates main", "noble-updates universe")
    failed = run(asked, "fetch")["msg"]
    assert failed.startswith(f"{ASKED}Found: no ceph in ")
    assert failed.endswith(f". {FIX}")
    listed = failed[len(f"{ASKED}Found: no ceph in ") : -len(f". {FIX}")]
    assert sorted(listed.split(", ")) == [f"{uri}/ {suite}" for suite in suites]


def test_no_package_source_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tmp_path, monkeypatch, {})
    assert run(arguments_of(tmp_path), "fetch")["msg"] == (f"{ASKED}Found: no ceph in no source index at all. {FIX}")


def test_a_mirror_that_is_off_is_told_in_apts_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    off = "http://127.0.0.1:9/ubuntu"
    use(tmp_path, monkeypatch, SHAPES["deb822"], uri=off, keyring=ceph.DEBIAN_KEYRING)
    failed = run(arguments_of(tmp_path), "fetch")["msg"]
    assert failed.startswith(f"{ASKED}Found: apt said: apt-get ended with 100: E: Failed to fetch {off}/dists/noble/")
    assert failed.endswith(f"no ceph in no source index at all. {FIX}")


def test_another_key_than_the_sources_name(
    tmp_path: Path, mirror: Mirror, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path, monkeypatch, SHAPES["deb822"], uri=uri, keyring=ceph.DEBIAN_KEYRING)
    failed = run(arguments_of(tmp_path), "fetch")["msg"]
    assert failed.startswith(f"{ASKED}Found: apt said: apt-get ended with 100: ")
    assert re.search(r"is not signed|NO_PUBKEY|Missing key", failed), failed
    assert failed.endswith(f"no ceph in no source index at all. {FIX}")


def test_an_index_that_is_not_the_signed_one(asked: Asked, mirror: Mirror, uri: str) -> None:
    index = mirror.folder / "dists/noble/universe/source/Sources.xz"
    mirror.publish(ceph={})
    other = index.read_bytes()
    mirror.publish()
    index.write_bytes(other)
    failed = run(asked, "fetch")["msg"]
    assert "Hash Sum mismatch" in failed or "unexpected size" in failed, failed


def test_an_archive_that_is_not_the_signed_one(asked: Asked, mirror: Mirror, uri: str) -> None:
    archive = mirror.folder / DIRECTORY / FILE
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    failed = run(asked, "fetch")["msg"]
    assert failed.startswith(f"{ASKED}Found: ceph {VERSION} from {url(uri)}: {ceph.APT_HELPER} ended with 100: ")
    assert "Hash Sum mismatch" in failed


def test_a_disk_that_fills_up_leaves_nothing_that_looks_done(asked: Asked, mirror: Mirror, tmp_path: Path) -> None:
    mirror.ceph({**SOURCE, "lib/log/log.c": "x" * (24 << 20)})
    mirror.publish()
    with small_disk(tmp_path / "small") as folder:
        small = {**asked, "cache": str(folder / "cache")}
        assert "No space left on device" in run(small, "fetch")["msg"]
        assert run(small, "plan")["msg"].startswith("Asked: 0.")
        assert not request(small).download.exists()
        assert run_module(spdk_build.main, {**small, "state": "absent"})["changed"] is True
        assert list(folder.iterdir()) == []


def test_our_copy_that_rotted_is_refused_by_name_and_fetched_anew(asked: Asked) -> None:
    run(asked, "fetch")
    download = request(asked).download
    (download / "lib/log/log.c").write_text("rotten\n")
    failed = run(asked, "unpack")["msg"]
    assert failed.startswith(f"Asked: the source in {download}, as in the manifest. Found: lib/log/log.c has SHA-256 ")
    assert run(asked, "plan")["missing"][0] == "fetch"
    run(asked, "fetch")
    assert run(asked, "unpack")["changed"] is True
