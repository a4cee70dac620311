"""The controller's half of the distribution: what is sent, and what is refused before anything is."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.hello_ebpf.distribution.pack import WRITTEN

ROOT = Path(__file__).resolve().parents[2]


def plugin(name: str) -> ModuleType:
    """The plugin, which has the module's name, so that it cannot be imported by it."""
    spec = importlib.util.spec_from_file_location(f"{name}_action", ROOT / "plugins/action" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def action() -> ModuleType:
    return plugin("distribution")


def archive(path: Path, member: str = "manifest.json", text: bytes = b'{"schema": 1}') -> Path:
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return path


def test_an_archive_is_held_against_its_digest(action: ModuleType, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert action.verify(path, digest) == digest
    with pytest.raises(AnsibleActionFail) as error:
        action.verify(path, "0" * 64)
    assert error.value.message == (
        f"Asked: what is compiled, from {path} on the controller, with SHA-256 {'0' * 64}. Found: it has {digest}. "
        "Do: fetch or make it again."
    )


def test_an_archive_without_a_digest_is_refused(action: ModuleType, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz")
    assert action.declared(path) == ""
    with pytest.raises(AnsibleActionFail) as error:
        action.verify(path, action.declared(path))
    assert "Found: neither distribution_archive_sha256 nor a.tar.gz.sha256 beside it says its digest." in str(
        error.value
    )
    (tmp_path / "a.tar.gz.sha256").write_text("0123  a.tar.gz\n")
    assert action.declared(path) == "0123"


def test_an_archive_that_is_not_there(action: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail) as error:
        action.verify(tmp_path / "nowhere", "0")
    assert error.value.message == (
        f"Asked: what is compiled, from {tmp_path}/nowhere on the controller. Found: there is no such file. "
        "Do: correct distribution_archive."
    )


def test_its_manifest_is_read_from_its_first_member(action: ModuleType, tmp_path: Path) -> None:
    assert action.manifest_of(archive(tmp_path / "a")) == {"schema": 1}
    other = archive(tmp_path / "b", member="spdk/current")
    with pytest.raises(AnsibleActionFail) as error:
        action.manifest_of(other)
    assert "it is no distribution of this project (its first member is no manifest.json)" in str(error.value)
    (tmp_path / "c").write_text("no archive")
    with pytest.raises(AnsibleActionFail, match="it is no distribution of this project"):
        action.manifest_of(tmp_path / "c")


def test_without_the_builder_what_it_made_of_the_present_sources_is_taken(action: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "build1"
    folder.mkdir()
    archive(folder / "hello_ebpf-debian-12-x86-64-v2-000000000000.tar.gz")
    sources = action.sources_digest(ROOT)
    with pytest.raises(AnsibleActionFail) as error:
        action.kept(folder)
    assert error.value.message == (
        f"Asked: what build1 compiled, without build1 in this run. Found: {folder} on the controller holds no archive "
        f"of the present sources (hello_ebpf-*-{sources}.tar.gz). Do: let --limit name build1 too."
    )
    present = archive(folder / f"hello_ebpf-debian-12-x86-64-v2-{sources}.tar.gz")
    assert action.kept(folder) == present


def test_both_halves_name_the_same_sources() -> None:
    assert plugin("distribution").sources_digest(ROOT) == plugin("distribution_pack").sources_digest(ROOT)


def test_a_fetch_replaces_older_archives_and_touches_nothing_else(tmp_path: Path) -> None:
    """Case A8: foreign files in the controller's folder."""
    pack = plugin("distribution_pack")

    class Connection:
        def fetch_file(self, _remote: str, here: str) -> None:
            Path(here).write_bytes(b"new")

    work = pack.ActionModule.__new__(pack.ActionModule)
    work._connection = Connection()
    for name in ("hello_ebpf-old.tar.gz", "hello_ebpf-old.tar.gz.sha256", "notes.txt", "ours-1.tar.gz"):
        (tmp_path / name).write_text("old")
    (tmp_path / "folder").mkdir()
    work._fetch("/remote", tmp_path / "hello_ebpf-new.tar.gz", hashlib.sha256(b"new").hexdigest())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "folder",
        "hello_ebpf-new.tar.gz",
        "hello_ebpf-new.tar.gz.sha256",
        "notes.txt",
        "ours-1.tar.gz",
    ]


def test_builder_and_controller_know_the_same_files_for_theirs() -> None:
    assert plugin("distribution_pack").WRITTEN == WRITTEN
