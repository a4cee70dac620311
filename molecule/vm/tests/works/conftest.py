"""What the tests of the running lab share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.verify.conftest import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_terminal_summary,
)
from lab_nvme import Nodes, namespaces

Host = Any  # testinfra.host.Host, which comes without types


@pytest.fixture(scope="module", autouse=True)
def tools(host: Host) -> None:
    """Independent tools that are no part of the lab: installed here, from apt's cache where they are."""
    if not (host.exists("fio") and host.exists("bpftool")):
        install = "apt-get install -qq -y --no-install-recommends fio bpftool"
        host.check_output(f"env DEBIAN_FRONTEND=noninteractive {install}")


@pytest.fixture(scope="module")
def nodes(host: Host) -> dict[int, Nodes]:
    """The drive's nodes, by namespace id."""
    return namespaces(host)


@pytest.fixture(scope="module")
def folder(host: Host) -> Iterator[str]:
    """A folder in the guest, gone afterwards."""
    path = host.check_output("mktemp -d")
    yield path
    host.check_output("rm -r %s", path)
