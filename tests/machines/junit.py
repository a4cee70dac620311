# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A pytest plugin (``-p machines.junit``): each run leaves a JUnit file in the folder that HELLO_EBPF_JUNIT names.

For runs whose command line is not ours: molecule's steps. A file has the name of the folder whose tests are run: the
steps of a scenario do not overwrite each other's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

FOLDER = "HELLO_EBPF_JUNIT"


def name(places: Sequence[str]) -> str:
    """The folder in which all these files and folders lie, without what comes before it."""
    paths = [Path(place.partition("::")[0]).resolve() for place in places]
    folders = [str(path.parent if path.suffix == ".py" else path) for path in paths]
    return Path(os.path.commonpath(folders)).name


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Before pytest's own plugin looks where to write."""
    folder = os.environ.get(FOLDER)
    if folder and not config.option.xmlpath:
        config.option.xmlpath = str(Path(folder) / f"{name(config.args)}.xml")
