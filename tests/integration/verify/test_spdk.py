"""SPDK as it is installed, seen by independent tools: the program itself, sha256sum, tar, pkg-config, a compiler."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

Host = Any  # testinfra.host.Host, which comes without types

PREFIX = os.environ.get("HELLO_EBPF_SPDK_PREFIX", "/opt/hello_ebpf/spdk")
ARCHIVES = os.environ.get("HELLO_EBPF_SPDK_CACHE", "/var/cache/hello_ebpf/spdk") + "/archives"
CURRENT = f"{PREFIX}/current"
PKG_CONFIG = f"env PKG_CONFIG_PATH={CURRENT}/lib/pkgconfig pkg-config"
# Little enough to start beside the lab's own target.
# Few trace entries: they are locked into memory, of which a container may lock 8 MiB.
EAL = "--huge-unlink --no-pci -s 64 --num-trace-entries 1024"

# Transports register themselves in constructors, which are linked only with whole archives.
INITIATOR = """\
    #include "spdk/stdinc.h"
    #include "spdk/env.h"
    #include "spdk/nvme.h"

    int main(int argc, char **argv)
    {
        struct spdk_env_opts opts;
        struct spdk_nvme_transport_id id = {};
        struct spdk_nvme_ctrlr *ctrlr;

        spdk_env_opts_init(&opts);
        opts.name = "test_initiator";
        opts.mem_size = 64;
        opts.no_pci = true;
        opts.unlink_hugepage = true;
        if (argc != 2 || spdk_env_init(&opts) || spdk_nvme_transport_id_parse(&id, argv[1])) {
            return 2;
        }
        ctrlr = spdk_nvme_connect(&id, NULL, 0);
        if (ctrlr == NULL) {
            return 3;
        }
        printf("%s is there\\n", spdk_nvme_ctrlr_get_data(ctrlr)->subnqn);
        return spdk_nvme_detach(ctrlr);
    }
"""
TARGET = """\
    #include "spdk/stdinc.h"
    #include "spdk/event.h"

    static void started(void *arg) { printf("started\\n"); spdk_app_stop(0); }
    static void usage(void) { }
    static int parse(int ch, char *arg) { return 0; }

    int main(int argc, char **argv)
    {
        struct spdk_app_opts opts = {};
        int rc;

        spdk_app_opts_init(&opts);
        opts.name = "test_target";
        if (spdk_app_parse_args(argc, argv, &opts, "", NULL, parse, usage) != SPDK_APP_PARSE_ARGS_SUCCESS) {
            return 2;
        }
        rc = spdk_app_start(&opts, started, NULL);
        spdk_app_fini();
        return rc;
    }
"""


@pytest.fixture(scope="module")
def stamp(host: Host) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(host.file(f"{CURRENT}/share/hello_ebpf/stamp.json").content_string)
    return content


@pytest.fixture
def folder(host: Host) -> Iterator[str]:
    """A folder on the host, gone after the test."""
    path = host.check_output("mktemp -d")
    yield path
    host.check_output("rm -r %s", path)


def compiled(host: Host, folder: str, source: str, package: str) -> str:
    """Compile and link a program as a user of the package would; returns its path."""
    host.check_output("sh -c %s", f"cat > {folder}/program.c <<'END'\n{textwrap.dedent(source)}END")
    flags = host.check_output(f"{PKG_CONFIG} --cflags --libs {package}")
    host.check_output(f"cc -Wall -Werror -o {folder}/program {folder}/program.c {flags}")
    return f"{folder}/program"


def test_the_program_says_its_version(host: Host, stamp: dict[str, Any]) -> None:
    assert host.check_output(f"{CURRENT}/bin/nvmf_tgt --version") == f"SPDK v{stamp['version']}"


def test_current_is_a_link_to_the_build_that_the_stamp_names(host: Host, stamp: dict[str, Any]) -> None:
    assert host.check_output(f"readlink {CURRENT}") == f"{stamp['version']}-{stamp['stamp']}"


def test_every_library_that_the_program_needs_is_there(host: Host) -> None:
    assert "not found" not in host.check_output(f"ldd {CURRENT}/bin/nvmf_tgt")


def test_files_are_roots_alone_and_as_the_stamp_says(host: Host, stamp: dict[str, Any], folder: str) -> None:
    sums = "".join(f"{sha256}  {name}\n" for name, sha256 in stamp["files"].items())
    host.check_output("sh -c %s", f"cat > {folder}/sums <<'END'\n{sums}END")
    host.check_output("sh -c %s", f"cd {CURRENT} && sha256sum --check --strict --quiet {folder}/sums")
    assert host.check_output(f"find {PREFIX} ! -type l -perm /022 -o ! -user root") == ""


def test_the_archive_is_whole_and_holds_what_is_installed(host: Host, stamp: dict[str, Any], folder: str) -> None:
    name = f"spdk-{stamp['version']}-{stamp['stamp']}-{stamp['platform']}-{stamp['cpu']}.tar.gz"
    host.check_output("sh -c %s", f"cd {ARCHIVES} && sha256sum --check --strict {name}.sha256")
    host.check_output(f"tar -xzf {ARCHIVES}/{name} -C {folder}")
    different = host.run(f"diff -r --exclude=__pycache__ {folder} {CURRENT}/").stdout.splitlines()
    assert different == [f"Only in {CURRENT}/share/hello_ebpf: build_archive.sha256"]
    # Relocatable: what it links is below wherever it was unpacked.
    flags = host.check_output(f"env PKG_CONFIG_PATH={folder}/lib/pkgconfig pkg-config --cflags --libs hello_spdk")
    assert PREFIX not in flags
    assert f"{folder}/lib/pkgconfig/../../lib/libspdk_nvme.a" in flags


def test_the_official_client_runs(host: Host) -> None:
    assert "nvmf_create_transport" in host.check_output(f"python3 {CURRENT}/scripts/rpc.py --help")


def test_a_target_application_links_and_starts(host: Host, folder: str) -> None:
    program = compiled(host, folder, TARGET, "hello_spdk_target")
    done = host.run(f"{program} {EAL} -m 0x1 -r {folder}/spdk.sock -u")
    assert done.rc == 0, done.stderr
    assert "started" in done.stdout


def test_an_initiator_links_and_tries_to_connect(host: Host, folder: str) -> None:
    program = compiled(host, folder, INITIATOR, "hello_spdk")
    # Nobody listens on the discard port: the TCP transport is there and is refused.
    done = host.run(
        f"{program} %s", "trtype:TCP adrfam:IPv4 traddr:127.0.0.1 trsvcid:9 subnqn:nqn.2026-11.io.hello-ebpf:none"
    )
    assert done.rc == 3, done.stderr
    assert "errno = 111" in done.stderr
