"""What goes wrong with SPDK's source, for real: spoilt archives, servers that cut off, mirrors, repositories, disks.

Each is refused in words that say what was asked, what was found and what to do, and the next run does it right.
"""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import spdk_build

from module_run import run_module
from small_spdk import SOURCE, VERSION_H, arguments, request, sha256, small_disk, source_archive


def run(asked: dict[str, Any], stage: str) -> dict[str, Any]:
    return run_module(spdk_build.main, {**asked, "stage": stage})


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# ---- archives


def test_an_archive_with_a_flipped_byte_is_refused_and_the_right_one_is_taken_next(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    archive = Path(asked["archive"])
    good = archive.read_bytes()
    flip_a_byte(archive)
    failed = run(asked, "fetch")["msg"]
    assert failed == (
        f"Asked: an archive with SHA-256 {asked['sha256']}. "
        f"Found: {tmp_path}/cache/downloads/partial/archive ({len(good)} bytes) has SHA-256 {sha256(archive)}. "
        "Do: run again; what was fetched wrongly is gone. "
        "If it happens again, the mirror or the declared digest is wrong."
    )
    archive.write_bytes(good)
    assert run(asked, "fetch")["changed"] is True


def test_a_download_that_rotted_on_the_disk_is_fetched_anew(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    run(asked, "fetch")
    download = request(asked).download
    flip_a_byte(download)
    failed = run(asked, "unpack")["msg"]
    assert f"Asked: an archive with SHA-256 {asked['sha256']}. Found: {download} (" in failed
    assert run(asked, "plan")["missing"][0] == "fetch"
    run(asked, "fetch")
    assert run(asked, "unpack")["changed"] is True


def test_a_truncated_archive_with_a_digest_of_its_own_is_refused(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    archive = Path(asked["archive"])
    archive.write_bytes(archive.read_bytes()[:200])
    asked["sha256"] = sha256(archive)
    run(asked, "fetch")
    failed = run(asked, "unpack")["msg"]
    assert re.fullmatch(
        rf"Asked: the archive {tmp_path}/cache/downloads/\S+, unpacked\. Found: .+\. "
        r"Do: use a tar archive, compressed with gzip, bzip2 or xz, or not at all\.",
        failed,
    )


def test_an_archive_that_is_no_spdk(tmp_path: Path) -> None:
    source_archive(tmp_path / "spdk.tar.gz", {"README": "another project\n"})
    asked = arguments(tmp_path)
    run(asked, "fetch")
    assert run(asked, "unpack")["msg"] == (
        f"Asked: the source of SPDK 20.07. Found: {asked['archive']} has no include/spdk/version.h. "
        "Do: correct spdk_archive."
    )


def test_an_archive_of_another_version(tmp_path: Path) -> None:
    header = VERSION_H.replace("MINOR\t7", "MINOR\t10")
    source_archive(tmp_path / "spdk.tar.gz", {**SOURCE, "include/spdk/version.h": header})
    asked = arguments(tmp_path)
    run(asked, "fetch")
    assert run(asked, "unpack")["msg"] == (
        "Asked: the source of SPDK 20.07. Found: the source is SPDK 20.10. Do: correct spdk_version or the source."
    )


def test_an_archive_without_its_submodules(tmp_path: Path) -> None:
    files = {name: text for name, text in SOURCE.items() if not name.startswith("dpdk/")}
    source_archive(tmp_path / "spdk.tar.gz", files)
    asked = arguments(tmp_path)
    run(asked, "fetch")
    assert run(asked, "unpack")["msg"] == (
        "Asked: the source of SPDK 20.07 with its submodule dpdk. Found: the folder dpdk is empty. "
        "Do: use an archive that has the submodules (those that git hosts make of a tag have not), "
        "or spdk_source git."
    )


def test_an_archive_that_reaches_out_of_its_folder(tmp_path: Path) -> None:
    source_archive(tmp_path / "spdk.tar.gz", {**SOURCE, "../../../escaped": "harm\n"})
    asked = arguments(tmp_path)
    run(asked, "fetch")
    assert "do not trust it" in run(asked, "unpack")["msg"]
    assert list(tmp_path.parent.rglob("*escaped*")) == []


# ---- servers


@contextmanager
def server(answer: bytes, announce: int, status: int = 200) -> Iterator[str]:
    """An HTTP server on loopback that announces so many bytes and sends what it has."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(announce))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    httpd = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/spdk.tar.gz"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def test_a_url_is_fetched(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    content = Path(asked["archive"]).read_bytes()
    with server(content, len(content)) as url:
        assert run({**asked, "archive": url}, "fetch")["changed"] is True


def test_a_server_that_cuts_off(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    content = Path(asked["archive"]).read_bytes()
    with server(content[:100], len(content)) as url:
        failed = run({**asked, "archive": url}, "fetch")["msg"]
    assert failed == (
        f"Asked: a download of {len(content)} bytes. Found: archive has 100. "
        "Do: run again; what was fetched wrongly is gone."
    )


def test_a_server_that_does_not_have_it(tmp_path: Path) -> None:
    with server(b"", 0, status=404) as url:
        asked = {**arguments(tmp_path), "archive": url}
        failed = run(asked, "fetch")["msg"]
    assert failed == (
        f"Asked: the archive {url}. Found: Not Found. "
        "Do: correct spdk_archive or make the server reachable, then run again."
    )


# ---- git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the tag v20.07 and a submodule dpdk, both by path."""
    environment = os.environ | {
        f"GIT_{who}_{what}": "lab@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def git(folder: Path, *words: str) -> None:
        command = ["git", "-c", "protocol.file.allow=always", "-C", str(folder), *words]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    for name, prefix in (("dpdk", "dpdk/"), ("spdk", "")):
        folder = tmp_path / "git" / name
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        for path, text in SOURCE.items():
            if path.startswith("dpdk/") == (name == "dpdk"):
                file = folder / path.removeprefix(prefix)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        if name == "spdk":
            git(folder, "submodule", "--quiet", "add", str(tmp_path / "git" / "dpdk"), "dpdk")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message=source")
    git(tmp_path / "git/spdk", "tag", "v20.07")
    return tmp_path / "git/spdk"


def from_git(folder: Path, repository: Path, **further: Any) -> dict[str, Any]:
    return {**arguments(folder), "source": "git", "git_url": str(repository), **further}


def test_a_local_repository_with_its_submodule(tmp_path: Path, repository: Path) -> None:
    asked = from_git(tmp_path, repository)
    assert run(asked, "fetch")["changed"] is True
    assert run(asked, "fetch")["changed"] is False
    assert run(asked, "unpack")["changed"] is True
    src = request(asked).src
    assert (src / "dpdk/meson.build").is_file()
    assert not (src / ".git").exists()
    assert not (src / "dpdk/.git").exists()


def test_a_submodule_from_another_place(tmp_path: Path, repository: Path) -> None:
    elsewhere = (repository.parent / "dpdk").rename(tmp_path / "moved")
    asked = from_git(tmp_path, repository, git_submodule_urls={"dpdk": str(elsewhere)})
    assert run(asked, "fetch")["changed"] is True, run(asked, "fetch")


def test_a_tag_that_is_not_there(tmp_path: Path, repository: Path) -> None:
    failed = run(from_git(tmp_path, repository, git_version="v99"), "fetch")["msg"]
    assert failed.startswith(f"Asked: SPDK v99 from {repository}. Found: git ended with 128: ")
    assert "Remote branch v99 not found" in failed
    assert "Do: correct spdk_git_url and spdk_git_version, or make the repository reachable, then run again" in failed


def test_a_tag_that_was_moved(tmp_path: Path, repository: Path) -> None:
    commit = (
        subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, check=True).stdout
    ).decode()
    failed = run(from_git(tmp_path, repository, git_commit="f" * 40), "fetch")["msg"]
    assert failed == (
        f"Asked: SPDK v20.07 from {repository} as commit {'f' * 40}. Found: v20.07 is commit {commit.strip()}. "
        "Do: find out who moved it, then correct spdk_git_commit or spdk_git_version."
    )


# ---- disk


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small") as folder:
        yield folder


def test_no_disk_space_is_refused_with_numbers_before_anything_is_written(tmp_path: Path, small_disk: Path) -> None:
    asked = {**arguments(tmp_path), "cache": str(small_disk / "cache")}
    failed = run(asked, "plan")["msg"]
    assert re.fullmatch(
        rf"Asked: 0\.51 GiB of disk space in {small_disk}/cache\. Found: 0\.02 GiB are free there\. "
        r"Do: free 0\.49 GiB more, or set spdk_cache and spdk_prefix to another disk\.",
        failed,
    )
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_that_looks_done(tmp_path: Path, small_disk: Path) -> None:
    big = {"lib/nvmf/data.c": "x" * (24 << 20)}
    source_archive(tmp_path / "spdk.tar.gz", {**SOURCE, **big})
    asked = {**arguments(tmp_path), "cache": str(small_disk / "cache")}
    assert run(asked, "fetch")["changed"] is True
    failed = run(asked, "unpack")["msg"]
    assert "No space left on device" in failed
    assert run({**asked, "state": "absent"}, "plan")["changed"] is True
    assert list(small_disk.iterdir()) == []
