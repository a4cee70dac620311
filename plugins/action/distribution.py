# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The controller's half of distribution: packages fetched from a builder once, and sent to a node that lacks them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

PROJECT = Path(__file__).resolve().parents[2]


def _folder() -> ModuleType:
    """The module's own code for such folders, which no plugin can import by its name."""
    # A collection has it among its plugins.
    utils = next(path for path in (PROJECT / "plugins/module_utils", PROJECT / "module_utils") if path.is_dir())
    spec = importlib.util.spec_from_file_location("hello_ebpf_folder", utils / "hello_ebpf/distribution/folder.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


folders = _folder()


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """One look; where something is missing, one transfer and one more run of the module."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        state = args.get("state", "present")
        if state == "fetched":
            return self._fetch(args["built"], Path(str(args["folder"])), task_vars)
        if state == "absent" or not (args.get("archive") or args.get("folder")):
            return self._module(args, task_vars)
        return self._install(args, task_vars)

    def _module(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        return result

    def _fetch(self, built: list[dict[str, Any]], here: Path, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        files = [str(one["file"]) for one in built if one["file"]]
        result = self._module({"state": "fetched", "files": files}, task_vars)
        if result.get("failed"):
            return result
        there = {str(one["package"]): result["files"].get(one["file"]) or had(here, one["file"]) for one in built}
        if not self._task.check_mode and (lacking := [name for name, file in there.items() if not file]):
            raise AnsibleActionFail(
                f"Asked: the packages {', '.join(lacking)} of this builder. Found: neither it nor the controller has "
                "their files any more. Do: remove them there (dpkg --purge), so that they are built again."
            )
        # Check mode has not made what is missing.
        actions = [f"fetch {name}" for name, file in there.items() if not file]
        head, sums = "", {}
        for one in built:
            if file := there[one["package"]]:
                path = here / Path(one["file"]).name
                head, sums[path.name] = folders.heading(file["platform"], file["cpu"], PROJECT), file["sha256"]
                if folders.digest_of(path) != file["sha256"]:
                    actions.append(f"fetch {path.name}")
                    if not self._task.check_mode:
                        self._fetch_file(one["file"], path, file["sha256"])
        if folders.read_sums(here) != (head, sums):
            actions.append(f"write {here / folders.SUMS}")
            if not self._task.check_mode:
                folders.write_sums(here, head, sums)
        packages = {one["package"]: one["version"] for one in built}
        return {"changed": bool(actions), "actions": actions, "packages": packages}

    def _fetch_file(self, remote: str, here: Path, sha256: str) -> None:
        here.parent.mkdir(parents=True, exist_ok=True)
        half = here.with_name(f".{here.name}.partial")
        self._connection.fetch_file(remote, str(half))
        if (found := folders.digest_of(half)) != sha256:
            half.unlink(missing_ok=True)
            raise AnsibleActionFail(
                f"Asked: {remote} with SHA-256 {sha256} on the controller. Found: what arrived has "
                f"{found or 'no bytes'}. Do: run again; where it stays, look at the connection and the disk."
            )
        half.rename(here)

    def _install(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        archive, folder = str(args.pop("archive", "") or ""), str(args.pop("folder", "") or "")
        sha256 = str(args.pop("archive_sha256", "") or "").lower()
        here = Path(archive or folder)
        packages = dict(args.get("packages") or {})
        known = given(here, sha256) if archive else None
        sums = known or (folders.read_sums(here)[1] if packages else kept(here))
        pending = bool(packages) and self._task.check_mode
        packages = packages or dict(map(folders.package_of, sums))
        files = chosen(here, packages, sums, pending=pending)
        looked = self._module(args | {"packages": packages, "sha256": files, "look": True}, task_vars)
        if looked.get("failed") or not looked["changed"] or (self._task.check_mode and not looked["lacking"]):
            return looked
        # pylint: disable=protected-access
        sent = [here / name for name in looked["lacking"]]
        if sent:
            args["sent"] = self._make_tmp_path()
            names = [self._connection._shell.join_path(args["sent"], path.name) for path in sent]
            for path, name in zip(sent, names, strict=True):
                self._transfer_file(str(path), name)
            self._fixup_perms2((args["sent"], *names))
        result = self._module(args | {"packages": packages, "sha256": files}, task_vars)
        result["sent_bytes"] = sum(path.stat().st_size for path in sent)
        if sent:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result


def had(folder: Path, file: str) -> dict[str, str]:
    """What a builder would tell of a package that only the controller still has: a version has the same bytes."""
    head, sums = folders.read_sums(folder)
    name = Path(file).name
    if not head or name not in sums or folders.digest_of(folder / name) != sums[name]:
        return {}
    platform, cpu = head.split()[2:4]
    return {"sha256": sums[name], "platform": platform, "cpu": cpu}


def given(folder: Path, sha256: str) -> dict[str, str]:
    """What a folder from elsewhere holds, if its SHA256SUMS is the one that is meant.

    Raises:
        AnsibleActionFail: it is not, or there is none.
    """
    asked = f"Asked: what is compiled, from {folder} on the controller"
    sums: dict[str, str] = folders.read_sums(folder)[1]
    if not sums:
        raise AnsibleActionFail(
            f"{asked}. Found: there is no {folders.SUMS} that names packages. Do: correct distribution_archive, or run "
            "sha256sum *.deb >SHA256SUMS in a folder of packages that you trust."
        )
    if sha256 and (found := folders.digest_of(folder / folders.SUMS)) != sha256:
        raise AnsibleActionFail(
            f"{asked}, whose {folders.SUMS} has SHA-256 {sha256}. Found: it has {found}. Do: fetch or make it again."
        )
    return sums


def kept(folder: Path) -> dict[str, str]:
    """What a builder made of the present sources earlier, in a run that it takes no part in.

    Raises:
        AnsibleActionFail: there is none.
    """
    sources = folders.sources_digest(PROJECT)
    head, sums = folders.read_sums(folder)
    if not head.endswith(f" {sources}"):
        raise AnsibleActionFail(
            f"Asked: what {folder.name} compiled, without {folder.name} in this run. Found: {folder} on the controller "
            f"holds no packages of the present sources ({sources}). Do: let --limit name {folder.name} too."
        )
    return dict(sums)


def chosen(folder: Path, packages: dict[str, str], sums: dict[str, str], *, pending: bool) -> dict[str, str]:
    """The files of these packages that are in a folder, whole, with their digests.

    Args:
        folder: of the controller.
        packages: package -> version.
        sums: file -> what its digest should be.
        pending: what is not there is made in this run; check mode goes on without.

    Raises:
        AnsibleActionFail: one is not there, or not whole.
    """
    files = {}
    for package in packages.items():
        name = next((name for name in sums if folders.package_of(name) == package), "")
        found = folders.digest_of(folder / name) if name else ""
        if name and found == sums[name]:
            files[name] = found
        elif not pending:
            why = f"it has {found}" if found else "there is no such file"
            raise AnsibleActionFail(
                f"Asked: {' '.join(package)} from {folder} on the controller, with SHA-256 {sums.get(name, 'unknown')}."
                f" Found: {why}. Do: fetch or make it again."
            )
    return files
