#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""README's first command on a fresh machine, verbatim; then the integration tests there.

The machine is a container with what a minimal Debian has besides python3, make, git and certificates. Nothing on this
machine changes but what docker needs. KEEP=1 leaves the container, and says how to get in and how to clean up.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fresh import container as machine
from fresh.container import Container
from machines import engines, images, turns
from machines.console import ROOT, MachineError, output, say, step

NAME = "hello_ebpf-fresh"
CLONE = "/root/hello_eBPF"
#: What was seen of the machine before its first command, and the records of its first runs; not in the clone.
BEGAN = "/var/tmp/began"
#: Where somebody uses the collection: tests/foreign_playbook.py.
FOREIGN = "/var/tmp/foreign"
CLAIMS = "/var/tmp/claims.txt"
#: The build that the scenario default has kept (molecule/default/keep.yml), of the same release.
SPDK_KEPT = ROOT / "build/spdk/debian12/archives"
#: The lab's 1536 MiB; the targets and hosts of the tests take more, one test after another.
HUGEPAGE_MEGABYTES = 2560
#: Variables that a test of the tests sets wrongly: tests/break.sh.
BROKEN = "/var/tmp/broken.yml"
#: Settings of the tests that are passed on into the container.
PASSED_ON = ("HELLO_EBPF_FUZZ_SEED", "HELLO_EBPF_FUZZ_STREAMS", "HELLO_EBPF_FUZZ_FIRST", "HELLO_EBPF_ALL")
#: Settings of the kernel that differ from one look to the next by themselves.
VOLATILE = re.compile(
    r"kernel/(random/|ns_last_pid|pty/nr|perf_event_max_sample_rate)|vm/(drop_caches|compact_memory|nr_hugepages)"
)


def first_command(readme: str) -> str:
    """The first command of the first block of shell commands, without its comment."""
    block = re.search(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    if block is None or not block[1].strip():
        raise MachineError("README's first command", "README.md has no ```sh block", "give it one")
    return re.split(r"\s+#", block[1].strip().splitlines()[0])[0]


def kernel_settings() -> dict[str, str]:
    """What this machine's kernel is set to, where a container could change it."""
    found = {}
    for path in sorted(Path("/proc/sys").glob("[kv][em]*/**/*")):
        name = str(path.relative_to("/proc/sys"))
        if path.is_file() and path.stat().st_mode & 0o200 and not VOLATILE.match(name):
            try:
                found[name] = path.read_text()
            except OSError:
                continue
    return found


def clone(container: Container) -> None:
    """As a user does."""
    container.must("a clone", f"git clone --quiet /srv/hello_eBPF.git {CLONE}")
    container.must(
        "a look at the untouched machine",
        f"mkdir {BEGAN} && python3 tests/integration/machine.py >{BEGAN}/untouched.json",
        folder=CLONE,
    )


class StepError(MachineError):
    """A step that failed; what it said is above."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what, f"exit code {code}; its output is above", "mend what it says, or look with KEEP=1")
        self.step = what


def succeeded(what: str, code: int) -> None:
    """Refuse any exit code but 0."""
    if code != 0:
        raise StepError(what, code)


def predict(image: str) -> tuple[str, list[str]]:
    """What `make plan` predicts on an untouched machine: the record of its run. And what was proved.

    It has a machine of its own, so that it prepares nothing for README's command.
    """
    with machine.started(f"{NAME}-plan", image) as container:
        clone(container)
        with step("make plan on an untouched machine"):
            told = {"LAB_RUN_FILE": f"{BEGAN}/check.jsonl", "COLUMNS": "200"}
            succeeded("make plan", container.run("make plan", folder=CLONE, env=told))
        container.must(
            "an untouched machine after make plan: nothing changed",
            f"python3 tests/integration/machine.py | diff {BEGAN}/untouched.json -",
            folder=CLONE,
        )
        record = container.must("the record of make plan", f"cat {BEGAN}/check.jsonl")
        return record, [check_with("oldest", container), foreign_with("oldest", container)]


def check_with(end: str, container: Container) -> str:
    """The whole lab in check mode on an untouched machine, by the oldest or newest ansible-core; what was proved."""
    what = f"site.yml --check by the {end} ansible-core"
    play = f"ANSIBLE_CONFIG=$PWD/ansible.cfg .venv-{end}/bin/ansible-playbook site.yml --check"
    with step(f"{what}, on an untouched machine"):
        succeeded(what, container.run(f"make .venv-{end}/.stamp && {play}", folder=CLONE))
    return f"check mode on an untouched machine by ansible-core {untouched_by(end, what, container)}"


def foreign_with(end: str, container: Container) -> str:
    """All roles of the installed collection in somebody else's playbook, as check_with does it; what was proved."""
    what = f"a foreign playbook in check mode by the {end} ansible-core"
    programs, built = f"{CLONE}/.venv-{end}/bin", "/var/tmp/collection"
    install = (
        f"mkdir {FOREIGN} && staged=$({programs}/python scripts/collection.py {built}) && "
        f'{programs}/ansible-galaxy collection build --output-path {built} "$staged" && '
        f"{programs}/ansible-galaxy collection install --offline -p {FOREIGN}/collections {built}/*.tar.gz && "
        f"{programs}/python tests/foreign_playbook.py {FOREIGN} {programs}/python"
    )
    play = (
        f"ANSIBLE_COLLECTIONS_PATH={FOREIGN}/collections {programs}/ansible-playbook -i machines.json all.yml --check"
    )
    with step(f"{what}, on an untouched machine"):
        succeeded("the installed collection", container.run(install, folder=CLONE))
        succeeded(what, container.run(play, folder=FOREIGN))
    version = untouched_by(end, what, container)
    return f"the collection in a playbook with groups and paths of its own, in check mode by ansible-core {version}"


def untouched_by(end: str, what: str, container: Container) -> str:
    """The version of an ansible-core that has changed nothing."""
    container.must(
        f"an untouched machine after {what}: nothing changed",
        f"python3 tests/integration/machine.py | diff {BEGAN}/untouched.json -",
        folder=CLONE,
    )
    ask = f".venv-{end}/bin/python -c 'import ansible.release; print(ansible.release.__version__)'"
    return container.must("its version", ask, folder=CLONE).strip()


def newest_ansible(image: str) -> list[str]:
    """The newest ansible-core, which Debian 12 has no Python for; what was proved."""
    with machine.started(f"{NAME}-newest", image) as container:
        clone(container)
        claims = [check_with("newest", container), foreign_with("newest", container)]
        # Three minutes: the oldest, which every run of the tests takes, has other Python and the same playbooks.
        if os.environ.get("HELLO_EBPF_ALL"):
            # What tests of roles compile with, and systemd to read units.
            packages = "clang gcc libc6-dev systemd"
            container.must("a compiler", f"apt-get install -qq -y --no-install-recommends {packages}")
            with step("make ansible-newest"):
                succeeded("make ansible-newest", container.run("make ansible-newest", folder=CLONE))
            claims.append("plugins, preflight and refusals of roles by the newest ansible-core")
    return claims


def spdk_build(container: Container) -> tuple[str, str]:
    """The stamp of the SPDK that was compiled here, and the digest of its archive."""
    place = "/opt/hello_ebpf/spdk/current"
    stamp = container.must("SPDK's build", f"readlink {place}").strip()
    return stamp, container.must("its digest", f"cat {place}/share/hello_ebpf/build_archive.sha256").strip()


def same_spdk(stamp: str, digest: str) -> list[str]:
    """The SPDK that was compiled here is the one that the scenario default has kept; what was proved.

    Nothing where that did not run before, or with other sources.
    """
    kept = {path.read_text().split()[0] for path in SPDK_KEPT.glob(f"spdk-{stamp}-*.sha256")}
    if kept - {digest}:
        asked = f"SPDK compiled to the bytes of {SPDK_KEPT}"
        raise MachineError(
            asked, f"{digest}, there {', '.join(kept)}", "compare what share/hello_ebpf/stamp.json lists"
        )
    return ["SPDK compiled here is, byte for byte, the one that the scenario default compiled"] if kept else []


def life(container: Container, predicted: str) -> list[str]:
    """README's first command, then everything else; what was proved."""
    clone(container)
    container.write(predicted, f"{BEGAN}/check.jsonl")
    command = first_command(container.must("README.md of the clone", "cat README.md", folder=CLONE))
    handed = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    broken = os.environ.get("HELLO_EBPF_BREAK")
    if broken:
        container.put(Path(broken), BROKEN)
        handed["ARGS"] = f"-e @{BROKEN}"
    told = {"LAB_RUN_FILE": f"{BEGAN}/lab.jsonl", "COLUMNS": "200"}
    with step(f"README's first command on a fresh machine: {command}"):
        succeeded("README's first command", container.run(command, folder=CLONE, env=told | handed))
    claims = [f"README's first command, verbatim, on a fresh minimal Debian 12: {command}"]
    build = spdk_build(container)
    told = {
        "HELLO_EBPF_BEGAN": BEGAN,
        "HELLO_EBPF_CLAIMS": CLAIMS,
        "PYTEST_ADDOPTS": "-p machines.claims",
        "PYTHONPATH": f"{CLONE}/tests",
    }
    with step("the integration tests on that machine"):
        try:
            code = container.run("tests/integration/run.sh", folder=CLONE, env=told | handed)
            succeeded("the integration tests", code)
        finally:
            claims += (output(["docker", "exec", container.name, "cat", CLAIMS]) or "").splitlines()
            kept = ROOT / "build/claims/fresh.txt"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text("".join(f"{line}\n" for line in claims))
            container.take_results(CLONE)
    return [*claims, *same_spdk(*build), "the machine is as untouched after everything was taken down"]


def run(*, keep: bool) -> list[str]:
    """The whole scenario; what was proved."""
    uncommitted = output(["git", "-C", str(ROOT), "status", "--porcelain"])
    if uncommitted:
        say(f"not in this test, because not committed:\n{uncommitted.rstrip()}")
    machine.clear_leftovers()
    image = images.image("fresh", "12")
    settings = kernel_settings()
    predicted, oldest = predict(image)
    ends = [*oldest, *newest_ansible(images.image("fresh", "13"))]
    try:
        with machine.started(NAME, image, keep=keep) as container:
            claims = ends + life(container, predicted)
    finally:
        if keep:
            say(f"kept. Get in: docker exec -it -w {CLONE} {NAME} bash. Live tests: make live K=NAME")
            say("clean up: tests/fresh/run.py --destroy")
    if not keep:
        after = kernel_settings()
        changed = [f"{name}: {settings[name]!r}, now {after.get(name)!r}" for name in settings]
        changed = [line for name, line in zip(settings, changed, strict=True) if settings[name] != after.get(name)]
        if changed:
            asked = "this machine's kernel settings as before"
            raise MachineError(asked, "; ".join(changed), "see which role or test changes them")
        claims.append("this machine's kernel settings are as before")
    return claims


def terminate(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run like Ctrl-C: everything is put away."""
    raise KeyboardInterrupt


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", default=os.environ.get("KEEP", "0") not in ("", "0"))
    parser.add_argument("--destroy", action="store_true", help="clean up what --keep left")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, terminate)
    begun = time.monotonic()
    try:
        with turns.held("fresh"), engines.docker(**{"keep" if asked.keep else "release": "fresh"}):
            if asked.destroy:
                machine.clear_leftovers()
                return 0
            with engines.hugepages(HUGEPAGE_MEGABYTES):
                claims = run(keep=asked.keep)
    except MachineError as failure:
        where = f" at {failure.step}" if isinstance(failure, StepError) else ""
        print(f"{failure}\n\nScenario fresh FAILED{where} after {time.monotonic() - begun:.0f} s", flush=True)
        return 1
    except KeyboardInterrupt:
        print("Scenario fresh was interrupted; what it had started is put away", file=sys.stderr)
        return 130
    for line in dict.fromkeys(claims):
        print(f"PROVED: {line}")
    print(f"\nScenario fresh passed after {time.monotonic() - begun:.0f} s; {len(claims)} claims proved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
