# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The controller's half of distribution: what the archive holds, and one transfer where a node lacks it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tarfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

PROJECT = Path(__file__).resolve().parents[2]
MANIFEST = "manifest.json"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """One look; where something is missing, one transfer and one more run of the module."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        if args.get("state", "present") == "absent":
            return self._module(args, task_vars)
        archive = Path(str(args["archive"])) if args.get("archive") else kept(Path(str(args.get("folder", ""))))
        if not (self._task.check_mode and args.get("pending") and not is_whole(archive, str(args.get("sha256")))):
            args["sha256"] = verify(archive, str(args.get("sha256") or declared(archive)).lower())
            args["manifest"] = manifest_of(archive)
        looked = self._module(args | {"look": True}, task_vars)
        if looked.get("failed") or not looked["changed"] or self._task.check_mode or args.get("look"):
            return looked
        # pylint: disable=protected-access
        sent = self._connection._shell.join_path(self._make_tmp_path(), archive.name)
        self._transfer_file(str(archive), sent)
        self._fixup_perms2((self._connection._shell.tmpdir, sent))
        result = self._module(args | {"sent": sent}, task_vars)
        result["sent_bytes"] = archive.stat().st_size
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _module(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        # The list of all files is of no use in a result.
        result.get("invocation", {}).get("module_args", {}).pop("manifest", None)
        return result


def kept(folder: Path) -> Path:
    """What a builder made of the present sources earlier, in a run that it takes no part in.

    Raises:
        AnsibleActionFail: there is none.
    """
    sources = sources_digest(PROJECT)
    found = sorted(folder.glob(f"hello_ebpf-*-{sources}.tar.gz"))
    if not found:
        raise AnsibleActionFail(
            f"Asked: what {folder.name} compiled, without {folder.name} in this run. Found: {folder} on the controller "
            f"holds no archive of the present sources (hello_ebpf-*-{sources}.tar.gz). Do: let --limit name "
            f"{folder.name} too."
        )
    return found[0]


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


def verify(archive: Path, expected: str) -> str:
    """The digest of an archive that has the digest that it should have.

    Raises:
        AnsibleActionFail: it has not, or there is no such file, or nobody says what its digest should be.
    """
    asked = f"Asked: what is compiled, from {archive} on the controller"
    if not archive.is_file():
        raise AnsibleActionFail(f"{asked}. Found: there is no such file. Do: correct distribution_archive.")
    if not expected:
        raise AnsibleActionFail(
            f"{asked}. Found: neither distribution_archive_sha256 nor {archive.name}.sha256 beside it says its digest. "
            "Do: set distribution_archive_sha256 to what sha256sum says of an archive that you trust."
        )
    if (found := digest_of(archive)) != expected:
        raise AnsibleActionFail(f"{asked}, with SHA-256 {expected}. Found: it has {found}. Do: fetch or make it again.")
    return found


def is_whole(archive: Path, sha256: str) -> bool:
    """Whether an archive is there, and the one that is meant."""
    return archive.is_file() and digest_of(archive) == sha256


def digest_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def declared(archive: Path) -> str:
    """The digest that the file beside an archive tells; empty where there is none."""
    beside = archive.with_name(f"{archive.name}.sha256")
    return beside.read_text().partition(" ")[0] if beside.is_file() else ""


def manifest_of(archive: Path) -> dict[str, Any]:
    """What an archive holds: its first member tells.

    Raises:
        AnsibleActionFail: it does not.
    """
    try:
        with tarfile.open(archive, "r|gz") as tar:
            member = tar.next()
            handle = tar.extractfile(member) if member and member.name == MANIFEST else None
            manifest: dict[str, Any] = json.loads(handle.read()) if handle else {}
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise AnsibleActionFail(_no_distribution(archive, str(error))) from None
    if not manifest:
        raise AnsibleActionFail(_no_distribution(archive, f"its first member is no {MANIFEST}"))
    return manifest


def _no_distribution(archive: Path, why: str) -> str:
    return (
        f"Asked: what is compiled, from {archive} on the controller. Found: it is no distribution of this project "
        f"({why}). Do: give one that the role distribution made (build/distribution)."
    )
