"""Debian's real ceph archives: the releases' own SPDK is the manifest's, and makes the same build of each.

400 MB are fetched from the mirror that this machine's Debian images come from. What is compiled from such an archive is
seen where the lab is brought up; with the same tree and the same stamp it is the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import spdk_build

from machines import apt
from module_run import run_module
from signed_mirror import machine_apt
from small_spdk import request, sha256, tree_of

MANIFEST = Path(__file__).resolve().parents[2] / "roles/spdk/files/source.sha256"


def fetched(folder: Path, suite: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, dict[str, str]]:
    """The stamp of a build, the archive's name, and the files that were taken of it, on a machine with one suite."""
    told = apt.machine_sources("13").split("\n\n")
    text = next(part for part in told if "Suites: trixie\n" in part).replace("trixie\n", f"{suite}\n")
    folder.mkdir()
    monkeypatch.setenv("APT_CONFIG", str(machine_apt(folder, {"sources.list.d/debian.sources": text})))
    asked: dict[str, Any] = {
        "version": "20.07",
        "manifest": MANIFEST.read_text(),
        "prefix": str(folder / "prefix"),
        "cache": str(folder / "cache"),
        "log": str(folder / "build.log"),
        "stage": "fetch",
    }
    done = run_module(spdk_build.main, asked)
    assert done.get("changed") is True, done
    build = request(asked)
    top = build.download
    files = {name: sha256(top / name) for name in tree_of(top) if (top / name).is_file()}
    archive = re.findall(r"download-file \S+/(ceph_\S+)", build.log.read_text())[-1]
    return build.stamp, archive, files


def test_two_releases_of_debian_give_the_same_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trixie, sid = (fetched(tmp_path / suite, suite, monkeypatch) for suite in ("trixie", "sid"))
    print(f"\n{trixie[1]} and {sid[1]}: {len(trixie[2])} files, stamp {trixie[0]}")
    assert trixie[1] != sid[1]
    assert trixie[0] == sid[0]
    assert trixie[2] == sid[2]
