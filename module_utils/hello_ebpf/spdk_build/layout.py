"""The installed tree: what lies where, pkg-config files that work wherever it lies, and the stamp."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ..files import sha256_of
from . import recipe
from .fetch import COMMIT_FILE
from .request import Request

STAMP = Path("share/hello_ebpf/stamp.json")
PROGRAM = Path("bin/nvmf_tgt")
SCHEMA = 1
# pkg-config's name -> what it is, libraries of SPDK, those of the system.
PC_FILES = {
    "hello_spdk": (
        "SPDK's NVMe initiator over TCP and PCIe, with its environment",
        recipe.INITIATOR_LIBS,
        recipe.INITIATOR_SYSTEM_LIBS,
    ),
    "hello_spdk_target": (
        "SPDK's NVMe-oF target: event framework, bdevs, subsystems, JSON-RPC",
        recipe.TARGET_LIBS,
        recipe.TARGET_SYSTEM_LIBS,
    ),
}


def assemble(request: Request, root: Path, compiler: str) -> None:
    """Lay out what was built below an empty folder."""
    src = request.src
    (root / "bin").mkdir()
    shutil.copy(src / "build/bin/nvmf_tgt", root / PROGRAM)
    (root / "lib/pkgconfig").mkdir(parents=True)
    for path in sorted([*(src / "build/lib").glob("*.a"), *(src / "dpdk/build/lib").glob("*.a")]):
        shutil.copyfile(path, root / "lib" / path.name)
    for name in ("spdk", "spdk_internal"):
        _copy_headers(src / "include" / name, root / "include" / name)
    _copy_headers(src / "dpdk/build/include", root / "include/dpdk")
    (root / "scripts").mkdir()
    shutil.copy(src / "scripts/rpc.py", root / "scripts/rpc.py")
    shutil.copytree(src / "scripts/rpc", root / "scripts/rpc", ignore=shutil.ignore_patterns("__pycache__"))
    licenses = root / "share/licenses"
    (licenses / "spdk").mkdir(parents=True)
    shutil.copyfile(src / "LICENSE", licenses / "spdk/LICENSE")
    shutil.copytree(src / "dpdk/license", licenses / "dpdk")
    for name, text in pkg_config_files(request).items():
        (root / "lib/pkgconfig" / name).write_text(text)
    (root / STAMP).parent.mkdir()
    (root / STAMP).write_text(stamp_text(request, root, compiler))


def _copy_headers(source: Path, dest: Path) -> None:
    shutil.copytree(source, dest, copy_function=shutil.copyfile)


def pkg_config_files(request: Request) -> dict[str, str]:
    """The two .pc files: name -> text.

    SPDK's transports, modules and RPC methods register themselves in constructors that nothing refers to, so
    whole archives are linked. They are one linker option: pkg-config may reorder what is several.
    """
    return {f"{name}.pc": _pc_text(request, name, *parts) for name, parts in PC_FILES.items()}


def _pc_text(request: Request, name: str, description: str, libs: tuple[str, ...], system_libs: tuple[str, ...]) -> str:
    archives = [f"libspdk_{lib}.a" for lib in libs]
    archives += [f"librte_{lib}.a" for lib in (*recipe.DPDK_LIBS, *recipe.DPDK_DRIVERS)]
    whole = ",".join(f"${{libdir}}/{archive}" for archive in archives)
    system = " ".join(f"-l{lib}" for lib in system_libs)
    sanitizers = f" {recipe.SANITIZE_LIBS}" if request.sanitize else ""
    return (
        "prefix=${pcfiledir}/../..\n"
        "includedir=${prefix}/include\n"
        "libdir=${prefix}/lib\n"
        "\n"
        f"Name: {name}\n"
        f"Description: {description}\n"
        f"Version: {request.version}\n"
        f"Cflags: -I${{includedir}} -I${{includedir}}/dpdk -march={request.cpu} -pthread\n"
        f"Libs: -Wl,--whole-archive,{whole},--no-whole-archive {system}{sanitizers}\n"
    )


def stamp_text(request: Request, root: Path, compiler: str) -> str:
    """What the build is made of, and every file of it with its digest."""
    made = request.ingredients()
    del made["recipe"]
    commit = request.download / COMMIT_FILE
    if commit.is_file():
        made["source"] = dict(made["source"]) | {"commit": commit.read_text()}  # type: ignore[call-overload]
    stamp = {
        "schema": SCHEMA,
        "stamp": request.stamp,
        **made,
        "configuration": recipe.configuration(request.cpu, sanitize=request.sanitize),
        "compiler": compiler,
        "files": {
            str(path.relative_to(root)): sha256_of(path)
            for path in sorted(root.rglob("*"))
            if path.is_file() and path != root / STAMP
        },
    }
    return json.dumps(stamp, indent=1) + "\n"
