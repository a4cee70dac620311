# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Types for arguments that carry whole files: a module gets them, the managed host's log only their size.

AnsibleModule writes each argument to syslog as ``str()`` gives it. ``no_log`` would keep them out of there too, but it
takes every string in them for a secret, file names and digests included, and blots those out of all that a module says.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.validation import check_type_dict, check_type_str


class _Files(dict[str, Any]):
    """A mapping that is written as its size."""

    def __repr__(self) -> str:
        return f"({len(self)} entries, {len(dict.__repr__(self))} characters)"


class _Text(str):
    """A text that is written as its size. Only within a list or a mapping: AnsibleModule logs a bare one as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"({len(self)} characters)"


def mapping(value: Any) -> dict[str, Any]:
    """``type:`` of an argument, or ``elements:`` of a list, that is a mapping with files' contents in it.

    Raises:
        TypeError: it is no mapping.
    """
    return _Files(check_type_dict(value))


def text(value: Any) -> str:
    """``type:`` of a suboption that is a file's content."""
    return _Text(check_type_str(value))
