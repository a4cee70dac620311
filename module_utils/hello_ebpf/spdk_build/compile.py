"""Configure and compile, each part on its own, so that progress is seen and a part that is done stays done."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path

from ..removal import remove
from . import recipe
from .layout import STAMP
from .request import Request
from .shell import Shell

# Static libraries do not depend on each other's files, so make may build their folders in any order.
MAKE_FOLDERS = """\
.PHONY: all $(FOLDERS)
all: $(FOLDERS)
$(FOLDERS):
\t@+$(MAKE) --no-print-directory -C $@
"""
ELF_HEADER = struct.Struct("<4s36xQ10xHHH")
FIX = "mend the cause and run again; what is built stays built"


class Compiler:
    """The stages from ``configure`` to ``app``, on the tree of a request."""

    def __init__(self, request: Request, shell: Shell) -> None:
        self._request = request
        self._shell = shell
        self._src = request.src
        self._dpdk = request.src / "dpdk"
        self._dpdk_build = request.src / "dpdk" / "build-tmp"
        # SPDK asks for full debug information; the last option wins.
        options = recipe.SANITIZE_OPTIONS if request.sanitize else "" if request.debug_info else "-g0"
        self._make_options = [f"C_OPT={options}"] if options else []

    def configure(self) -> None:
        """SPDK's options, and DPDK's meson without the drivers that are not used, unless a DPDK is there already."""
        options = recipe.configuration(self._request.cpu, sanitize=self._request.sanitize)
        (self._src / "mk/config.mk").write_text("".join(f"CONFIG_{name}={value}\n" for name, value in options.items()))
        (self._src / "mk/cc.mk").write_text("".join(f"{name}={value}\n" for name, value in recipe.TOOLS.items()))
        for name in ("build/lib", "build/bin", "build/include/spdk"):
            (self._src / name).mkdir(parents=True, exist_ok=True)
        self._run(["make", "include/spdk/config.h"], asked="configure SPDK")
        if self._plain_build() is None:
            self._configure_dpdk()

    def _plain_build(self) -> Path | None:
        """For a sanitized build: the same one without sanitizers, where it is installed. Its DPDK is taken."""
        folder = self._request.prefix / self._request.plain.name
        return folder if self._request.sanitize and (folder / STAMP).is_file() else None

    def _configure_dpdk(self) -> None:
        remove(self._dpdk_build)
        self._run(
            [
                "meson",
                "setup",
                f"--prefix={self._dpdk / 'build'}",
                "--libdir=lib",
                f"-Dc_args={recipe.DPDK_CFLAGS}",
                f"-Dmachine={self._request.cpu}",
                "-Denable_docs=false",
                "-Denable_kmods=false",
                f"-Ddisable_drivers={','.join(recipe.DPDK_DISABLED_DRIVERS)}",
                self._dpdk_build,
            ],
            asked="configure DPDK",
            cwd=self._dpdk,
        )
        # No plugins from a path of the build machine, no libbsd just because the build machine has it.
        config = self._dpdk_build / "rte_build_config.h"
        text = re.sub(r"#define RTE_EAL_PMD_PATH .*", '#define RTE_EAL_PMD_PATH ""', config.read_text())
        config.write_text(re.sub(r"#define RTE_USE_LIBBSD .*\n", "", text))

    def dpdk(self) -> None:
        """DPDK's libraries, and them and their headers where SPDK looks for them."""
        plain = self._plain_build()
        if plain is not None:
            self._take_dpdk(plain)
            return
        if not (self._dpdk_build / "build.ninja").is_file():
            # There was a plain build when this one was configured.
            self._configure_dpdk()
        archives = [f"lib/librte_{name}.a" for name in recipe.DPDK_LIBS]
        archives += [f"drivers/librte_{name}.a" for name in recipe.DPDK_DRIVERS]
        self._run(["ninja", f"-j{self._request.jobs}", "-C", self._dpdk_build, *archives], asked="build DPDK")
        remove(self._dpdk / "build")
        installed = json.loads((self._dpdk_build / "meson-info" / "intro-installed.json").read_text())
        for source, dest in installed.items():
            if _is_installed(Path(source), self._dpdk):
                Path(dest).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, dest)

    def _take_dpdk(self, plain: Path) -> None:
        build = self._dpdk / "build"
        remove(build)
        shutil.copytree(plain / "include/dpdk", build / "include")
        (build / "lib").mkdir()
        for path in (plain / "lib").glob("librte_*.a"):
            shutil.copyfile(path, build / "lib" / path.name)

    def lib(self) -> None:
        self._make("build SPDK's libraries", {f"lib/{name}": name for name in recipe.SPDK_LIBS})

    def module(self) -> None:
        self._make("build SPDK's modules", {f"module/{folder}": name for folder, name in recipe.SPDK_MODULES.items()})

    def app(self) -> None:
        """nvmf_tgt, linked with what was built instead of with everything that there could be."""
        _drop_halves([self._src / "app" / "nvmf_tgt"], [self._src / "build" / "bin" / "nvmf_tgt"])
        libs = [f"-l{name}" for name in recipe.TARGET_SYSTEM_LIBS]
        self._run(
            [
                "make",
                "-C",
                "app/nvmf_tgt",
                *self._make_options,
                f"SPDK_LIB_LIST={' '.join(name for name in recipe.TARGET_LIBS if name != 'env_dpdk')}",
                f"SYS_LIBS={' '.join(libs)}",
            ],
            asked="build nvmf_tgt",
        )

    def _make(self, asked: str, libs: dict[str, str]) -> None:
        """Libraries by their folders."""
        archives = [self._src / "build" / "lib" / f"libspdk_{name}.a" for name in libs.values()]
        _drop_halves([self._src / folder for folder in libs], archives)
        makefile = self._request.tree / "folders.mk"
        makefile.write_text(MAKE_FOLDERS)
        self._run(
            [
                "make",
                f"-j{self._request.jobs}",
                "--output-sync=target",
                "-f",
                makefile,
                f"FOLDERS={' '.join(libs)}",
                *self._make_options,
            ],
            asked=asked,
        )

    def _run(self, argv: list[str | Path], *, asked: str, cwd: Path | None = None) -> None:
        self._shell.run(argv, asked=asked, fix=FIX, cwd=cwd or self._src)


def _is_installed(source: Path, dpdk: Path) -> bool:
    """Of all that DPDK would install: what was built, and its headers."""
    if source.suffix == ".a":
        return source.is_file()
    folders = {f"librte_{name}" for name in recipe.DPDK_LIBS}
    drivers = {f"rte_{name}.h" for name in recipe.DPDK_DRIVERS}
    return source.suffix == ".h" and (
        source.parent in {dpdk / "build-tmp", dpdk / "config"}
        or source.name in drivers
        or bool(folders & set(source.relative_to(dpdk).parts))
    )


def _drop_halves(folders: list[Path], linked: list[Path]) -> None:
    """Remove what a killed compiler or linker may have left half-written: make would take it for done by its date.

    Args:
        folders: objects in them are kept where they are whole: they are the long part of the work.
        linked: libraries and programs, made again from objects in no time.
    """
    for path in linked:
        remove(path)
    for folder in folders:
        for path in folder.rglob("*.o"):
            if not is_whole_object(path.read_bytes()):
                path.unlink()


def is_whole_object(content: bytes) -> bool:
    """Whether an ELF object reaches to the end of its section table, which is its last part."""
    if len(content) < ELF_HEADER.size:
        return False
    magic, table, entry_size, entries, _ = ELF_HEADER.unpack_from(content)
    return bool(magic == b"\x7fELF" and table and len(content) >= table + entry_size * entries)
