# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a user can reach. The kernel is asked, who knows of folders, ACLs and mounts."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user's number and the one group that it has."""

    name: str
    user: int
    group: int

    def may(self, path: Path, *rights: str) -> bool:
        """Whether it has every one of these rights: r, w, x (search, of a folder)."""
        return all(self._test(f"-{right}", path) for right in rights)

    def obstacle(self, path: Path) -> Path | None:
        """The topmost folder above a path, symbolic links followed, that it may not search."""
        folders = reversed(Path(os.path.realpath(path)).parents)
        return next((folder for folder in folders if folder.is_dir() and not self.may(folder, "x")), None)

    def _test(self, option: str, path: Path) -> bool:
        words = ["test", option, str(path)]
        done = subprocess.run(words, user=self.user, group=self.group, extra_groups=[], cwd="/", check=False)
        return done.returncode == 0
