# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A dpkg database of a test's own: the real dpkg and apt work in it, and the machine's own is left alone.

The libraries of the machine count as installed in it, so that dependencies are met; files are put where a package says,
so a package's own folder has to lie in the test's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

# What packages of ours depend on.
LIBRARIES = ("lib*", "python3", "zlib1g", "dpkg-dev", "make")
# A package as dpkg knows it; without dependencies, which the machine's own database holds.
STANZA = (
    "Package: ${Package}\\nStatus: install ok installed\\nMaintainer: nobody <nobody@invalid>\\n"
    "Architecture: ${Architecture}\\nVersion: ${Version}\\nDescription: of the machine\\n\\n"
)


def dpkg_database(folder: Path) -> dict[str, str]:
    """Make a database in a folder that does not exist yet; the environment in which dpkg and apt use it."""
    (folder / "info").mkdir(parents=True)
    (folder / "updates").mkdir()
    query = ["dpkg-query", "-W", "-f", STANZA, *LIBRARIES]
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    stanzas = [stanza for stanza in listed.split("\n\n") if stanza and "\nVersion: \n" not in stanza]
    (folder / "status").write_text("".join(f"{stanza}\n\n" for stanza in stanzas))
    for stanza in stanzas:
        for kind in ("list", "md5sums"):
            (folder / "info" / f"{stanza.splitlines()[0].removeprefix('Package: ')}.{kind}").touch()
    for name in ("cache/archives/partial", "lists/partial", "log"):
        (folder / name).mkdir(parents=True)
    configuration = {
        "Dir::State::status": folder / "status",
        "Dir::State::extended_states": folder / "extended_states",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Dir::Log": folder / "log",
        "APT::Sandbox::User": "root",
    }
    (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in configuration.items()))
    return {"DPKG_ADMINDIR": str(folder), "APT_CONFIG": str(folder / "apt.conf")}
