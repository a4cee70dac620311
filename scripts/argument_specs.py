# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Write what follows from the DOCUMENTATION of the target's modules, where each of their options is written once.

    .venv/bin/python scripts/argument_specs.py

- module_utils/hello_ebpf/spdk_target/options.py: the bdevs of spdk_target.
- library/csd_target_service.py: the keys of a bdev, which it takes like spdk_target.
- roles/csd_target/meta/argument_specs.yml: the keys of the variables that the role hands on to them.

To be run when one of these options has changed; tests/unit/test_argument_specs.py says so.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BDEVS = ROOT / "module_utils/hello_ebpf/spdk_target/options.py"
SERVICE = ROOT / "library/csd_target_service.py"
ROLE = ROOT / "roles/csd_target/meta/argument_specs.yml"
HANDED_ON = {
    "transports": "spdk_target",
    "bdevs": "spdk_target",
    "subsystems": "spdk_target",
    "programs": "csd_program",
}
# A program lies on the controller: where, the role says itself, and a file of the managed host is not for it.
NOT_HANDED_ON = {"path"}
ROLES_OWN = {"source"}
HEADER = '''\
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The bdevs that can be declared. scripts/argument_specs.py writes it from spdk_target's DOCUMENTATION."""

from __future__ import annotations

from typing import Any

'''


def documentation(module: str) -> str:
    """A module's documentation as it is written."""
    return (ROOT / "library" / f"{module}.py").read_text().split('DOCUMENTATION = r"""')[1].split('"""')[0]


def arguments(module: str) -> dict[str, Any]:
    """A module's argument spec."""
    return _spec(yaml.safe_load(documentation(module)).get("options", {}))


def _spec(options: dict[str, Any]) -> dict[str, Any]:
    spec = {}
    for name, option in options.items():
        spec[name] = {key: value for key, value in option.items() if key not in {"description", "suboptions"}}
        if "suboptions" in option:
            spec[name]["options"] = _spec(option["suboptions"])
    return spec


def service() -> str:
    """The module csd_target_service, with the keys of spdk_target's bdevs."""
    text = SERVICE.read_text()
    return text.replace(suboptions("bdevs", text), suboptions("bdevs", documentation("spdk_target")))


def role() -> str:
    """The role's specification, with the modules' keys."""
    text = ROLE.read_text()
    for name, module in HANDED_ON.items():
        found = re.search(rf"\n {{6}}csd_target_{name}:\n(?: {{8}}.*\n)*? {{8}}options:\n((?: {{10}}.*\n)+)", text)
        assert found is not None
        own = _keys(found[1])
        keys = {key: own[key] if key in ROLES_OWN else lines for key, lines in _handed_on(name, module).items()}
        text = text[: found.start(1)] + "".join(keys.values()) + text[found.end(1) :]
    return text


def suboptions(name: str, text: str) -> str:
    """The keys of an option, as a module's documentation has them."""
    found = re.search(rf"\n {{2}}{name}:\n(?: {{4}}.*\n)*? {{4}}suboptions:\n((?: {{6}}.*\n)+)", text)
    assert found is not None
    return found[1]


def _handed_on(name: str, module: str) -> dict[str, str]:
    """The keys of a module's option, as the role has them below its variable."""
    lines = re.sub("^", "    ", suboptions(name, documentation(module)), flags=re.MULTILINE).rstrip(" ")
    lines = lines.replace("suboptions:", "options:")
    lines = re.sub(rf"\bO\(({'|'.join(HANDED_ON)})\b", r"O(csd_target_\1", lines)
    return {key: text for key, text in _keys(lines).items() if key not in NOT_HANDED_ON}


def _keys(lines: str) -> dict[str, str]:
    """Each key with its lines."""
    return {found[1]: found[0] for found in re.finditer(r" {10}(\w+):\n(?: {12}.*\n)+", lines)}


def main() -> None:
    """Write all of it."""
    BDEVS.write_text(f"{HEADER}BDEVS: dict[str, Any] = {arguments('spdk_target')['bdevs']!r}\n")
    subprocess.run([Path(sys.executable).with_name("ruff"), "format", "--quiet", BDEVS], check=True)
    SERVICE.write_text(service())
    ROLE.write_text(role())


if __name__ == "__main__":
    main()
