# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target without a compiler: which programs it has compiled, and what is refused or taken out before it starts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import csd_target_service
import pytest
from ansible.module_utils.hello_ebpf.csd_program.programs import Place
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.service_unit import Service
from ansible.module_utils.hello_ebpf.supervisors import Daemon
from ansible.module_utils.hello_ebpf.target_blobs import Blobs, Declared, blobs_of, forget
from ansible.module_utils.hello_ebpf.target_workers import PROGRAMS, Workers

from module_run import run_module

ELF = b"\x7fELF\x02\x01"
# test_cache.c has the same name for it: printf 'csd_compile 00\ngcc 12\n\0abc' | sha256sum
IDENTITY = b"csd_compile 00\ngcc 12\n"
ABC = "a896702f22b257ccf09fe78c6d8363624f5fb18832466288594d4f261c3b7f29"
BRING = (
    "Do: let the role distribution bring what the builder compiles (do not skip its tag 'install'), or set "
    "csd_target_compiler: true for this node."
)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """What a builder's archive brings: threshold and top are compiled, raw.bpf.o is not."""
    folder = tmp_path / "csd_target"
    (folder / "bin").mkdir(parents=True)
    (folder / "programs").mkdir(parents=True)
    (folder / "programs/compiled").mkdir()
    (folder / "programs/compiled/identity").write_bytes(IDENTITY)
    for name in ("threshold", "top", "raw"):
        content = ELF + name.encode()
        (folder / f"programs/{name}.bpf.o").write_bytes(content)
        if name != "raw":
            (folder / "programs/compiled" / digest(IDENTITY + b"\0" + content)).write_bytes(b"blob")
    return folder


def test_an_entry_has_the_name_that_the_cache_gives_it(prefix: Path, tmp_path: Path) -> None:
    blobs = Blobs(prefix, own=tmp_path / "own")
    assert blobs.name(b"abc") == ABC
    assert not blobs.is_there(b"abc")
    (prefix / "programs/compiled" / ABC).write_bytes(b"blob")
    assert blobs.is_there(b"abc")


def built(*names: str, blobs: Collection[str] = (), made_by: bytes = IDENTITY) -> dict[str, dict[str, Any]]:
    """What csd_program_build returns; of those in ``blobs``, machine code."""
    programs: dict[str, dict[str, Any]] = {}
    for name in names:
        content = ELF + name.encode()
        programs[f"{name}.bpf.c"] = {"content": base64.b64encode(content).decode(), "sha256": digest(content)}
        if name in blobs:
            blob = base64.b64encode(b"code of " + name.encode()).decode()
            programs[f"{name}.bpf.c"] |= {"blob": blob, "made_by": made_by.decode()}
    return programs


def declared(*names: str) -> list[dict[str, Any]]:
    return [{"compute": "c", "slot": slot, "source": f"{name}.bpf.c"} for slot, name in enumerate(names)]


def test_what_is_declared_is_what_has_to_be_compiled(prefix: Path) -> None:
    programs: list[dict[str, Any]] = [
        {"compute": "c", "slot": 0, "source": "top.bpf.c"},
        {"compute": "c", "slot": 1, "source": "gone.bpf.c", "state": "absent"},
        {"compute": "c", "slot": 2, "state": "absent"},
        {"compute": "c", "slot": 3, "source": "unknown.bpf.c"},
    ]
    unknown = {"unknown.bpf.c": {"content": None, "sha256": None}}
    blobs = blobs_of(prefix / "bin/csd_tgt", programs, built("top", "gone") | unknown)
    assert blobs.declared == {"top.bpf.c": Declared(ELF + b"top")}
    assert blobs.slots == {Place("c", slot) for slot in range(4)}
    assert blobs.folder == prefix / "programs/compiled"
    assert blobs.to_write() == {}


def test_what_the_builder_made_of_a_program_is_kept_as_the_cache_writes_it(prefix: Path, tmp_path: Path) -> None:
    """Once; and again where somebody has altered it."""
    made = blobs_of(prefix / "bin/csd_tgt", declared("top", "mine"), built("top", "mine", blobs=["top", "mine"]))
    blobs = replace(made, own=tmp_path / "own")
    code = b"code of mine"
    entry = code + hashlib.sha256(code).digest()
    assert blobs.to_write() == {"mine.bpf.c": entry}
    blobs.write("mine.bpf.c", entry)
    [path] = blobs.own.iterdir()
    assert path.name == digest(IDENTITY + b"\0" + ELF + b"mine")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (entry, 0o644)
    assert blobs.to_write() == {}
    path.write_bytes(b"!" + entry[1:])
    assert blobs.to_write() == {"mine.bpf.c": entry}


def test_a_declared_program_that_is_not_compiled_is_refused(prefix: Path) -> None:
    with pytest.raises(LabError) as refused:
        blobs_of(prefix / "bin/csd_tgt", declared("top", "mine"), built("top", "mine")).to_write()
    assert str(refused.value) == (
        "Asked: run mine.bpf.c on a node without a compiler (csd_target_compiler: false). Found: what the builder has "
        "compiled for this node does not have it: its sources, or its clang, were others than those of this run. Do: "
        "run the builder as well (with --limit too), which compiles the role's programs anew; or set "
        "csd_target_compiler: true for this node."
    )
    other = built("mine", blobs=["mine"], made_by=b"csd_compile 01\ngcc 12\n")
    with pytest.raises(LabError) as refused:
        blobs_of(prefix / "bin/csd_tgt", declared("mine"), other).to_write()
    assert str(refused.value) == (
        "Asked: run mine.bpf.c, as the builder compiled it. Found: its csd_compile is another one than this node's. "
        f"{BRING}"
    )


def test_nothing_from_a_builder_is_told(prefix: Path) -> None:
    identity = prefix / "programs/compiled/identity"
    identity.unlink()
    with pytest.raises(LabError) as refused:
        blobs_of(prefix / "bin/csd_tgt", declared("top"), built("top")).to_write()
    assert str(refused.value) == (
        "Asked: run what the builder compiled (csd_target_compiler: false). "
        f"Found: {identity}: No such file or directory. {BRING}"
    )


def stand_in(prefix: Path, script: str) -> Workers:
    for name in PROGRAMS:
        (prefix / "bin" / name).write_text("#!/bin/sh\n" + (script if name == "csd_compile" else ""))
        (prefix / "bin" / name).chmod(0o755)
    return Workers(prefix / "bin", (), 1000, blobs=Blobs(prefix))


@pytest.mark.parametrize("script", ["echo csd_compile 00; echo gcc 12", "echo csd_compile 00; echo gcc 12; exit 3"])
def test_it_takes_what_its_csd_compile_would_have_made(prefix: Path, script: str) -> None:
    """Without gcc, that knows the first and the last line alone, and says that it lacks gcc."""
    workers = stand_in(prefix, f"echo run >>{prefix}/runs; {script}")
    workers.check_programs("root", "root")
    assert (prefix / "runs").read_text() == "run\n"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo csd_compile 01; echo gcc 12; exit 3", "is another one than the builder's"),
        ("echo csd_compile 00; echo gcc 13", "is another one than the builder's"),
        ("echo no seccomp >&2; exit 3", "does not work here: no seccomp"),
    ],
)
def test_what_another_csd_compile_made_is_refused(prefix: Path, script: str, found: str) -> None:
    with pytest.raises(LabError) as refused:
        stand_in(prefix, script).check_programs("root", "root")
    assert str(refused.value) == (
        f"Asked: run what the builder compiled into {prefix}/programs/compiled. "
        f"Found: {prefix}/bin/csd_compile {found}. {BRING}"
    )


def saved(path: Path, *names: str) -> None:
    """A configuration with these programs in slots 0, 1, ..."""
    calls: list[dict[str, Any]] = [{"method": "bdev_csd_compute_create", "params": {"name": "c"}}]
    for slot, name in enumerate(names):
        place = {"name": "c", "pind": slot}
        content = ELF + name.encode()
        # A large program comes in pieces.
        for at in range(0, len(content), 8):
            piece = base64.b64encode(content[at : at + 8]).decode()
            part = {"program": piece, "offset": at, "size": len(content)}
            calls.append({"method": "csd_load_program", "params": place | part})
        calls.append({"method": "csd_activate_program", "params": place})
    path.write_text(json.dumps({"subsystems": [{"subsystem": "bdev", "config": calls}]}))
    path.chmod(0o600)


def slots_of(path: Path) -> list[int]:
    [subsystem] = json.loads(path.read_text())["subsystems"]
    return sorted({call["params"]["pind"] for call in subsystem["config"] if "pind" in call["params"]})


def test_what_the_builder_compiles_no_more_does_not_keep_the_target_from_starting(prefix: Path, tmp_path: Path) -> None:
    """What is declared for the slot follows."""
    config = tmp_path / "target.json"
    assert Blobs(prefix).forgotten(config) == ()
    saved(config, "top", "old", "threshold", "raw", "mine")
    lost = (Place("c", 1), Place("c", 3))
    coming = {"mine.bpf.c": Declared(ELF + b"mine", b"blob")}
    assert Blobs(prefix, coming, {Place("c", slot) for slot in range(5)}).forgotten(config) == lost
    forget(config, lost)
    assert slots_of(config) == [0, 2, 4]
    assert config.stat().st_mode & 0o777 == 0o600
    assert Blobs(prefix, coming).forgotten(config) == ()


def test_what_nobody_declares_is_not_lost_silently(prefix: Path, tmp_path: Path) -> None:
    config = tmp_path / "target.json"
    saved(config, "top", "old", "older")
    with pytest.raises(LabError) as refused:
        Blobs(prefix, {}, {Place("c", 1)}).forgotten(config)
    assert str(refused.value) == (
        "Asked: start the target on a node without a compiler (csd_target_compiler: false). Found: the builder has not "
        "compiled the program in slot 2 of c, and csd_target_programs does not name the slot. Do: unload it "
        "(csd_target_programs: state: absent), or set csd_target_compiler: true for this node."
    )


def test_the_module_tells_csd_tgt_where_they_lie(prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache: nothing is compiled, so nothing is kept.

    A declared program that is none of them is refused, in check mode too, unless an archive with others is to come.
    """
    seen: list[Service] = []

    def choose(service: Service) -> Daemon:
        seen.append(service)
        return Daemon(service)

    monkeypatch.setattr(csd_target_service, "choose", choose)
    # One of its own: a lab may be up on this machine.
    monkeypatch.setattr(csd_target_service, "SHARED_MEMORY_ID", 4423)
    program = prefix / "bin/csd_tgt"
    program.touch(mode=0o755)
    asked: dict[str, Any] = {
        "program": str(program),
        "rpc_socket": str(tmp_path / "run/spdk.sock"),
        "config_file": str(tmp_path / "target.json"),
        "log": str(tmp_path / "log"),
        "share_cores": True,
        "workers": True,
        "compiler": False,
        "programs": [{"compute": "c", "slot": 0, "source": "top.bpf.c"}],
    }
    assert "msg" not in run_module(csd_target_service.main, {**asked, "built": built("top")}, check=True)
    assert seen[0].argv[-4:] == (
        *("--program-blobs", str(prefix / "programs/compiled")),
        *("--program-blobs", "/var/lib/hello_ebpf/compiled"),
    )
    assert "--program-cache" not in seen[0].argv
    assert seen[0].cache is None
    assert seen[0].reads[1:] == (prefix / "programs/compiled", Path("/var/lib/hello_ebpf/compiled"))
    asked["programs"] = [{"compute": "c", "slot": 0, "source": "mine.bpf.c"}]
    asked["built"] = built("mine")
    for check in (True, False):
        said = run_module(csd_target_service.main, asked, check=check)
        assert said["msg"].startswith("Asked: run mine.bpf.c on a node without a compiler")
    assert not (tmp_path / "target.json").exists()
    assert "msg" not in run_module(csd_target_service.main, {**asked, "rebuilt": True}, check=True)
    assert "msg" not in run_module(csd_target_service.main, {**asked, "state": "absent"}, check=True)
