# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The controller's half of distribution_pack: names the archive after the sources, and fetches it once."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

PROJECT = Path(__file__).resolve().parents[2]
# What this plugin writes into the folder, as the module does on the builder; another file there is somebody else's.
WRITTEN = ("hello_ebpf-*.tar.gz", "hello_ebpf-*.tar.gz.sha256", ".hello_ebpf-*.tar.gz.partial")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Lets the module pack on the builder, then brings the archive here where it is not the one that is here."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        dest = args.pop("dest", None)
        if args.get("state", "present") == "present":
            args["sources"] = sources_digest(PROJECT)
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if result.get("failed") or not dest or not result.get("archive"):
            return result
        here = Path(str(dest)) / Path(result["archive"]).name
        result["fetched"] = str(here)
        if result["sha256"] and digest_of(here) == result["sha256"] and declared(here) == result["sha256"]:
            return result
        result["changed"] = True
        result["actions"].append(f"fetch it to {here} of the controller")
        if not self._task.check_mode:
            self._fetch(result["archive"], here, result["sha256"])
        return result

    def _fetch(self, remote: str, here: Path, sha256: str) -> None:
        here.parent.mkdir(parents=True, exist_ok=True)
        for path in (path for pattern in WRITTEN for path in here.parent.glob(pattern)):
            path.unlink()
        half = here.with_name(f".{here.name}.partial")
        self._connection.fetch_file(remote, str(half))
        if (found := digest_of(half)) != sha256:
            half.unlink(missing_ok=True)
            raise AnsibleActionFail(
                f"Asked: {remote} with SHA-256 {sha256} on the controller. Found: what arrived has "
                f"{found or 'no bytes'}. Do: run again; where it stays, look at the connection and the disk."
            )
        half.rename(here)
        here.with_name(f"{here.name}.sha256").write_text(f"{sha256}  {here.name}\n")


def sources_digest(project: Path) -> str:
    """The digest of the project's sources; the module's own code tells it, which no plugin can import by its name."""
    # A collection has it among its plugins.
    utils = next(path for path in (project / "plugins/module_utils", project / "module_utils") if path.is_dir())
    path = utils / "hello_ebpf/distribution/sources.py"
    spec = importlib.util.spec_from_file_location("hello_ebpf_sources", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.sources_digest(project))


def digest_of(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def declared(archive: Path) -> str:
    """The digest that the file beside an archive tells; empty where there is none."""
    beside = archive.with_name(f"{archive.name}.sha256")
    return beside.read_text().partition(" ")[0] if beside.is_file() else ""
