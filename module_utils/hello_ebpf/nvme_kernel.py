"""Can this kernel be an NVMe/TCP host? Read from the kernel and its module tree; nothing is loaded to find out.

Ubuntu packs most modules apart from its kernels for clouds and virtual machines: nvme-tcp may come in a package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .files import text_in
from .packages import READ_ONLY, parse_candidates
from .release import platform_name, read_options

Run = Callable[[list[str]], tuple[int, str, str]]

MODULE = "nvme_tcp"
CAP_SYS_MODULE = 16
CONTAINER_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container")


@dataclass(frozen=True)
class Support:
    """What the running kernel can do."""

    kernel: str  # its release
    # nvme-tcp is there, or can be loaded, if need be after ``package`` is installed; and its control device can be
    # reached
    usable: bool
    loaded: bool  # nvme-tcp is there now
    reason: str  # why it is usable or not, in words
    fix: str = ""  # what would make it usable; empty when it is
    package: str = ""  # what has to be installed first; empty where nothing has


def probe(run: Run, root: Path = Path("/"), release: str | None = None) -> Support:
    """Find out, without changing anything.

    Args:
        run: runs apt-cache, to see which packages there are.
        root: the machine's root folder.
        release: of the kernel; the running one's where it is None.
    """
    return _Probe(run, root, release or os.uname().release).support()


class _Probe:
    def __init__(self, run: Run, root: Path, release: str) -> None:
        self.run = run
        self.root = root
        self.release = release
        self.tree = root / "lib/modules" / release
        self.options = read_options(root, release)

    def support(self) -> Support:
        if (self.root / "sys/module" / MODULE).is_dir():
            return self._reachable(True, f"{MODULE} is loaded")
        if self._built_in():
            return self._reachable(True, f"{MODULE} is built in")
        return self._loadable()

    def _loadable(self) -> Support:
        """Nvme-tcp is not there: can it be loaded?"""
        if not (self.root / "proc/modules").exists():
            reason = f"it has no loadable modules{self._option('MODULES')}"
            reason += f" and nvme-tcp is not built in{self._option('NVME_TCP')}"
            return self._not(reason, "boot a kernel with CONFIG_NVME_TCP, such as Debian's stock kernel")
        if text_in(self.root / "proc/sys/kernel/modules_disabled").strip() == "1":
            return self._not(
                "loading modules is switched off (kernel.modules_disabled = 1)",
                f"load {MODULE} at boot, before modules are switched off",
            )
        if not self.tree.is_dir():
            where = "this container has" if self._container() else "there is"
            fix = f"load {MODULE} on the host" if self._container() else "install the running kernel's modules"
            return self._not(f"{MODULE} is not loaded, and {where} no /lib/modules/{self.release}", fix)
        if not re.search(r"/nvme-tcp\.ko[.\w]*:", text_in(self.tree / "modules.dep")):
            return self._without_module()
        if not self._may_load():
            return self._not(
                f"{MODULE} is not loaded, and this process may not load modules (no CAP_SYS_MODULE)",
                f"run `modprobe {MODULE}` on the host",
            )
        return self._reachable(False, f"{MODULE} can be loaded from /lib/modules/{self.release}")

    def _without_module(self) -> Support:
        """The kernel's modules are there, and nvme-tcp is not among them."""
        package = f"linux-modules-extra-{self.release}"
        ubuntu = platform_name(text_in(self.root / "etc/os-release")).startswith("ubuntu-")
        if ubuntu and self._may_load() and not self._container() and self._can_install(package):
            reason = f"kernel {self.release}: {MODULE} comes with the package {package}"
            return Support(self.release, True, False, reason, package=package)
        return self._not(
            f"/lib/modules/{self.release} has no nvme-tcp{self._option('NVME_TCP')}",
            f"install {package} (apt-get update, where apt does not know it), or boot a kernel that has nvme-tcp"
            if ubuntu
            else "boot a kernel that has it, such as Debian's stock kernel",
        )

    def _can_install(self, package: str) -> bool:
        _, policy, _ = self.run(["env", "LC_ALL=C.UTF-8", "apt-cache", *READ_ONLY, "policy", package])
        return package in parse_candidates(policy)

    def _reachable(self, loaded: bool, reason: str) -> Support:
        """A container sees the host's modules, but not the devices that they make."""
        if (self.root / "dev/nvme-fabrics").exists() or not (loaded or self._container()):
            return Support(self.release, True, loaded, f"kernel {self.release}: {reason}")
        owner = "this container" if self._container() else "this machine"
        return self._not(
            f"{reason}, but {owner} has no /dev/nvme-fabrics",
            "connect on the host and hand the device in, or give the container the host's /dev"
            if self._container()
            else "run `modprobe nvme_fabrics` and see that devtmpfs is mounted on /dev",
            loaded=loaded,
        )

    def _not(self, reason: str, fix: str, *, loaded: bool = False) -> Support:
        return Support(self.release, False, loaded, f"kernel {self.release}: {reason}", fix)

    def _built_in(self) -> bool:
        listed = "/nvme-tcp.ko\n" in text_in(self.tree / "modules.builtin") + "\n"
        return listed or self.options.get("CONFIG_NVME_TCP") == "y"

    def _container(self) -> bool:
        marked = any((self.root / mark).exists() for mark in CONTAINER_MARKS)
        return marked or "\0container=" in "\0" + text_in(self.root / "proc/1/environ")

    def _may_load(self) -> bool:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", text_in(self.root / "proc/self/status"), re.MULTILINE)
        return found is None or bool(int(found[1], 16) >> CAP_SYS_MODULE & 1)

    def _option(self, name: str) -> str:
        """What the kernel's configuration says of an option, to be added to a sentence."""
        if not self.options:
            return ""
        value = self.options.get(f"CONFIG_{name}")
        return f" (CONFIG_{name}={value})" if value else f" (CONFIG_{name} is not set)"
