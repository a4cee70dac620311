"""What of SPDK 20.07 and its DPDK the lab needs: this is unpacked, built, linked and installed, and nothing else."""

from __future__ import annotations

# Counted into every build's stamp: raise it when a stage does something else than before with the same request.
RECIPE = 1

# DPDK: the libraries that SPDK's environment layer stands on, and the two drivers that it loads.
DPDK_LIBS = ("eal", "kvargs", "telemetry", "ring", "mempool", "mbuf", "pci")
DPDK_DRIVERS = ("bus_pci", "mempool_ring")
DPDK_DISABLED_DRIVERS = (
    *(f"{group}/*" for group in ("baseband", "common", "compress", "crypto", "event", "net", "raw", "vdpa")),
    *(f"bus/{name}" for name in ("dpaa", "fslmc", "ifpga", "vdev", "vmbus")),
    *(f"mempool/{name}" for name in ("bucket", "dpaa", "dpaa2", "octeontx", "octeontx2", "stack")),
)

# SPDK libraries, folder below lib/: the library has the folder's name.
SPDK_LIBS = (
    *("accel", "bdev", "conf", "env_dpdk", "event", "json", "jsonrpc", "log", "log_rpc", "net", "notify", "nvme"),
    *("nvmf", "rpc", "sock", "thread", "trace", "util", "vmd"),
)

# SPDK modules: folder below module/ -> its library.
SPDK_MODULES = {
    "bdev/aio": "bdev_aio",
    "bdev/delay": "bdev_delay",
    "bdev/error": "bdev_error",
    "bdev/malloc": "bdev_malloc",
    "bdev/null": "bdev_null",
    "bdev/nvme": "bdev_nvme",
    "bdev/passthru": "bdev_passthru",
    "bdev/rpc": "bdev_rpc",
    "bdev/split": "bdev_split",
    "env_dpdk": "env_dpdk_rpc",
    "event/rpc": "app_rpc",
    "event/subsystems/accel": "event_accel",
    "event/subsystems/bdev": "event_bdev",
    "event/subsystems/net": "event_net",
    "event/subsystems/nvmf": "event_nvmf",
    "event/subsystems/sock": "event_sock",
    "event/subsystems/vmd": "event_vmd",
    "sock/posix": "sock_posix",
}

# What an initiator links: the NVMe driver, its TCP transport with the POSIX sockets under it, the environment.
INITIATOR_LIBS = ("nvme", "sock", "sock_posix", "json", "jsonrpc", "rpc", "util", "log", "env_dpdk")
INITIATOR_SYSTEM_LIBS = ("numa", "uuid", "dl", "rt", "pthread")

# What a target links: everything that is built.
TARGET_LIBS = (*SPDK_LIBS, *SPDK_MODULES.values())
TARGET_SYSTEM_LIBS = ("aio", *INITIATOR_SYSTEM_LIBS)

# mk/config.mk, which is written instead of letting SPDK's `configure` ask the machine: the result is the same on each,
# and whichever ceph archive the source lies in (CONFIG and configure are not the same in all of them).
CONFIGURATION = {
    "PREFIX": "/usr/local",
    "ENV": "$(SPDK_ROOT_DIR)/lib/env_dpdk",
    "DPDK_DIR": "$(SPDK_ROOT_DIR)/dpdk/build",
    # Makefiles ask for "n"; every other option is off by not being there.
    "FUSE": "n",
    "NVME_CUSE": "n",
}
# mk/cc.mk.
TOOLS = {"CC": "gcc", "CXX": "gcc", "CCAR": "ar", "CC_TYPE": "gcc", "LD_TYPE": "bfd"}
# Of a sanitized build besides. DPDK stays as it is: it is not ours, and its memory is none that a sanitizer knows.
SANITIZE_CONFIGURATION = {"ASAN": "y", "UBSAN": "y"}
# Lines in the sanitizers' reports, at little cost.
SANITIZE_OPTIONS = "-O1 -g1"
# What a program has to be linked with, then.
SANITIZE_LIBS = "-fsanitize=address,undefined"
# DPDK 20.05 is older than the compilers that we build it with: the same exceptions as in SPDK's dpdkbuild/Makefile.
DPDK_CFLAGS = "-fPIC -Wno-error -Wno-stringop-overflow -fcommon"


def configuration(cpu: str, *, sanitize: bool) -> dict[str, str]:
    """SPDK's options, without ``CONFIG_``: name -> value."""
    return CONFIGURATION | {"ARCH": cpu} | (SANITIZE_CONFIGURATION if sanitize else {})


def ingredients() -> list[object]:
    """All of the above that the result depends on."""
    return [
        RECIPE,
        DPDK_LIBS,
        DPDK_DRIVERS,
        SPDK_LIBS,
        SPDK_MODULES,
        INITIATOR_LIBS,
        INITIATOR_SYSTEM_LIBS,
        TARGET_SYSTEM_LIBS,
        CONFIGURATION,
        TOOLS,
        SANITIZE_CONFIGURATION,
        SANITIZE_OPTIONS,
        DPDK_CFLAGS,
    ]
