"""What the kernel can do, over trees of kernels that can and kernels that cannot, with the exact reasons."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.nvme_kernel import Support, probe

RELEASE = "6.1.0-28-amd64"
DEP = f"lib/modules/{RELEASE}/modules.dep"
BUILTIN = f"lib/modules/{RELEASE}/modules.builtin"
WITH_TCP = "kernel/drivers/nvme/host/nvme-tcp.ko: kernel/drivers/nvme/host/nvme-core.ko\n"
CAPABLE = {"proc/modules": "", "proc/self/status": "CapEff:\t000001ffffffffff\n", DEP: WITH_TCP}
IN_A_CONTAINER = {"run/systemd/container": "docker\n"}


UBUNTU = {"etc/os-release": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nUBUNTU_CODENAME=noble\n'}
MINT = {"etc/os-release": 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\nUBUNTU_CODENAME=noble\n'}
EXTRA = f"linux-modules-extra-{RELEASE}"
# Ubuntu's kernel for virtual machines, without that package.
WITHOUT_TCP = {**CAPABLE, DEP: "kernel/drivers/nvme/host/nvme.ko.zst:\n"}


def ask(root: Path, files: dict[str, str], packages: tuple[str, ...] = ()) -> Support:
    """What is found on a machine of these files, whose apt knows these packages."""

    def run(argv: list[str]) -> tuple[int, str, str]:
        assert argv[:3] == ["env", "LC_ALL=C.UTF-8", "apt-cache"]
        return 0, "".join(f"{name}:\n  Candidate: 6.8\n" for name in argv[-1:] if name in packages), ""

    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
    return probe(run, root, RELEASE)


@pytest.mark.parametrize(
    ("files", "loaded", "reason"),
    [
        (CAPABLE, False, f"nvme_tcp can be loaded from /lib/modules/{RELEASE}"),
        ({**CAPABLE, DEP: WITH_TCP.replace(".ko:", ".ko.zst:")}, False, "nvme_tcp can be loaded from"),
        ({"sys/module/nvme_tcp/x": "", "dev/nvme-fabrics": ""}, True, "nvme_tcp is loaded"),
        (
            {
                f"lib/modules/{RELEASE}/modules.builtin": "kernel/drivers/nvme/host/nvme-tcp.ko\n",
                "dev/nvme-fabrics": "",
            },
            True,
            "nvme_tcp is built in",
        ),
        ({"proc/config.gz": "CONFIG_NVME_TCP=y\n", "dev/nvme-fabrics": ""}, True, "nvme_tcp is built in"),
        (
            {"sys/module/nvme_tcp/x": "", "dev/nvme-fabrics": "", **IN_A_CONTAINER},
            True,
            "nvme_tcp is loaded",
        ),
    ],
)
def test_it_can(tmp_path: Path, files: dict[str, str], loaded: bool, reason: str) -> None:
    found = ask(tmp_path, files)
    assert (found.usable, found.loaded, found.fix) == (True, loaded, "")
    assert found.reason.startswith(f"kernel {RELEASE}: {reason}")


@pytest.mark.parametrize(
    ("files", "reason", "fix"),
    [
        (
            {"proc/config.gz": "CONFIG_X86=y\n# CONFIG_MODULES is not set\n# CONFIG_NVME_TCP is not set\n"},
            "it has no loadable modules (CONFIG_MODULES is not set) and nvme-tcp is not built in"
            " (CONFIG_NVME_TCP is not set)",
            "boot a kernel with CONFIG_NVME_TCP, such as Debian's stock kernel",
        ),
        (
            {},
            "it has no loadable modules and nvme-tcp is not built in",
            "boot a kernel with CONFIG_NVME_TCP, such as Debian's stock kernel",
        ),
        (
            {**CAPABLE, "proc/sys/kernel/modules_disabled": "1\n"},
            "loading modules is switched off (kernel.modules_disabled = 1)",
            "load nvme_tcp at boot, before modules are switched off",
        ),
        (
            {"proc/modules": ""},
            f"nvme_tcp is not loaded, and there is no /lib/modules/{RELEASE}",
            "install the running kernel's modules",
        ),
        (
            {"proc/modules": "", **IN_A_CONTAINER},
            f"nvme_tcp is not loaded, and this container has no /lib/modules/{RELEASE}",
            "load nvme_tcp on the host",
        ),
        (
            {**CAPABLE, DEP: "kernel/drivers/nvme/host/nvme.ko:\n", f"boot/config-{RELEASE}": "CONFIG_MODULES=y\n"},
            f"/lib/modules/{RELEASE} has no nvme-tcp (CONFIG_NVME_TCP is not set)",
            "boot a kernel that has it, such as Debian's stock kernel",
        ),
        (
            {**WITHOUT_TCP, **UBUNTU},
            f"/lib/modules/{RELEASE} has no nvme-tcp",
            f"install {EXTRA} (apt-get update, where apt does not know it), or boot a kernel that has nvme-tcp",
        ),
        (
            {**CAPABLE, "proc/self/status": "CapEff:\t00000000a80425fb\n"},
            "nvme_tcp is not loaded, and this process may not load modules (no CAP_SYS_MODULE)",
            "run `modprobe nvme_tcp` on the host",
        ),
        (
            {"sys/module/nvme_tcp/x": "", "proc/1/environ": "PATH=/bin\0container=docker\0"},
            "nvme_tcp is loaded, but this container has no /dev/nvme-fabrics",
            "connect on the host and hand the device in, or give the container the host's /dev",
        ),
        (
            {**CAPABLE, ".dockerenv": ""},
            f"nvme_tcp can be loaded from /lib/modules/{RELEASE}, but this container has no /dev/nvme-fabrics",
            "connect on the host and hand the device in, or give the container the host's /dev",
        ),
        (
            {"sys/module/nvme_tcp/x": ""},
            "nvme_tcp is loaded, but this machine has no /dev/nvme-fabrics",
            "run `modprobe nvme_fabrics` and see that devtmpfs is mounted on /dev",
        ),
    ],
)
def test_it_cannot_and_says_why(tmp_path: Path, files: dict[str, str], reason: str, fix: str) -> None:
    loaded = reason.startswith("nvme_tcp is loaded")
    assert ask(tmp_path, files) == Support(RELEASE, False, loaded, f"kernel {RELEASE}: {reason}", fix)


@pytest.mark.parametrize("system", [UBUNTU, MINT])
def test_ubuntu_has_the_module_in_a_package(tmp_path: Path, system: dict[str, str]) -> None:
    found = ask(tmp_path, {**WITHOUT_TCP, **system}, (EXTRA,))
    reason = f"kernel {RELEASE}: nvme_tcp comes with the package {EXTRA}"
    assert found == Support(RELEASE, True, False, reason, package=EXTRA)


@pytest.mark.parametrize(
    "files",
    [
        WITHOUT_TCP,
        {**WITHOUT_TCP, **UBUNTU, **IN_A_CONTAINER},
        {**WITHOUT_TCP, **UBUNTU, "proc/self/status": "CapEff:\t00000000a80425fb\n"},
    ],
    ids=["Debian", "a container", "no CAP_SYS_MODULE"],
)
def test_a_package_that_would_not_help_is_not_asked_for(tmp_path: Path, files: dict[str, str]) -> None:
    found = ask(tmp_path, files, (EXTRA,))
    assert (found.usable, found.package) == (False, "")


def test_where_the_module_is_there_no_package_is_needed(tmp_path: Path) -> None:
    assert ask(tmp_path, {**CAPABLE, **UBUNTU}, (EXTRA,)).package == ""
