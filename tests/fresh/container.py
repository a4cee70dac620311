# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A container that is a machine of its own as far as a container can be: what it may do, and what it is handed.

It has no systemd (its PID 1 is docker's init) and no file of this machine: what goes in is copied here, piece by piece.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machines import engines
from machines.console import ROOT, MachineError, must, output, say

CAPABILITIES = ROOT / "molecule/shared/capabilities.yml"
CERTIFICATES = Path("/usr/local/share/ca-certificates")
#: The ceiling of one command in the container, that of a stage; the integration tests take half of it.
COMMAND_SECONDS = int(os.environ.get("HELLO_EBPF_STAGE_SECONDS", "3600"))
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
#: By which this scenario's containers are known.
LABEL = "hello_ebpf.scenario=fresh"
#: How pip is told where packages come from; nothing else of the machine's settings is handed on.
PIP_URLS = ("index-url", "extra-index-url")
PIP_WORDS = ("trusted-host", "proxy", "timeout")


def permissions(text: str) -> list[str]:
    """`docker run`'s options for what molecule/shared/capabilities.yml allows: the one list of it, plain YAML.

    Its volumes, its tmpfs and its environment are for systemd, which is not here.
    """
    lists: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        told = re.split(r"(?:^|\s)#", line)[0].rstrip()
        key = re.fullmatch(r"(\w+):\s*(\S.*)?", told)
        entry = re.fullmatch(r"\s+- (\S+)", told)
        if key:
            name = key[1]
            lists[name] = [key[2]] if key[2] else []
        elif entry and name:
            lists[name].append(entry[1])
        elif told not in {"", "---"} and not re.fullmatch(r"\s+\w+: .+", told):
            raise MachineError("a list of what containers may do", f"in {CAPABILITIES}: {line}", "keep it plain")
    options = [f"--cap-add={word}" for word in lists["container_capabilities"]]
    options += [f"--security-opt={word}" for word in lists["container_security_opts"]]
    options += [f"--ulimit={word.replace(':', '=', 1)}" for word in lists["container_ulimits"]]
    return [*options, f"--shm-size={lists['container_shm_size'][0]}"]


def pip_settings(files: list[Path], environment: Mapping[str, str]) -> str:
    """An /etc/pip.conf with the machine's package index and nothing that is a folder of this machine."""
    found: dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        if path.is_file():
            parser.read(path)
            for section in ("global", "install"):
                found |= dict(parser[section]) if parser.has_section(section) else {}
    for name in (*PIP_URLS, *PIP_WORDS, "cert"):
        value = environment.get("PIP_" + name.upper().replace("-", "_"))
        found |= {name: value} if value else {}
    kept = {name: found[name] for name in PIP_WORDS if name in found}
    for name in PIP_URLS:
        remote = [word for word in found.get(name, "").split() if re.match(r"https?://", word)]
        kept |= {name: "\n    ".join(remote)} if remote else {}
    # The machine's certificates are made part of the container's own bundle.
    kept |= {"cert": BUNDLE} if "cert" in found else {}
    return "".join(["[global]\n", *(f"{name} = {value}\n" for name, value in sorted(kept.items()))])


@dataclass(frozen=True)
class Container:
    """A running container; commands in it run as root, in its home folder."""

    name: str

    def run(self, command: str, *, folder: str = "/root", env: Mapping[str, str] | None = None) -> int:
        """Run a command of the shell with its output on ours; its exit code."""
        words = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        sys.stdout.flush()
        argv = ["docker", "exec", *words, "-w", folder, self.name, "sh", "-c", command]
        try:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, timeout=COMMAND_SECONDS).returncode
        except subprocess.TimeoutExpired as hung:
            raise MachineError(
                command, f"it was not done after {COMMAND_SECONDS} s", "see its last lines above; look with KEEP=1"
            ) from hung

    def must(self, asked: str, command: str, *, folder: str = "/root") -> str:
        """Run a command quietly; what it printed."""
        return must(asked, ["docker", "exec", "-w", folder, self.name, "sh", "-c", command])

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a folder into it."""
        must(f"{source.name} in the container", ["docker", "cp", "--quiet", source, f"{self.name}:{target}"])

    def write(self, text: str, target: str) -> None:
        """Put a file with this text into it."""
        with tempfile.NamedTemporaryFile("w", prefix="hello_ebpf-") as file:
            file.write(text)
            file.flush()
            Path(file.name).chmod(0o644)
            self.put(Path(file.name), target)

    def take_results(self, folder: str) -> None:
        """Copy what pytest wrote about its runs in that folder's clone into this one's build/junit, if it wrote any."""
        (ROOT / "build/junit").mkdir(parents=True, exist_ok=True)
        output(["docker", "cp", "--quiet", f"{self.name}:{folder}/build/junit/.", ROOT / "build/junit"])

    def remove(self) -> None:
        """End it, with everything in it."""
        must(f"the container {self.name} gone", ["docker", "rm", "--force", "--volumes", self.name])


def hand_in(container: Container) -> None:
    """What a machine has from its administrator: certificates, the package index, a proxy. And the project's commits.

    The image has apt's sources already.
    """
    for certificate in sorted(CERTIFICATES.glob("**/*.crt")):
        container.put(certificate, f"{CERTIFICATES}/{certificate.name}")
    container.must("the machine's certificates", "update-ca-certificates")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pip/pip.conf"
    container.write(
        pip_settings([Path("/etc/pip.conf"), Path.home() / ".pip/pip.conf", config], os.environ), "/etc/pip.conf"
    )
    with tempfile.TemporaryDirectory(prefix="hello_ebpf-") as folder:
        bare = Path(folder) / "hello_eBPF.git"
        # One commit is enough, and all that a shallow clone has.
        must("the project's commit", ["git", "clone", "--quiet", "--bare", "--depth=1", f"file://{ROOT}", bare])
        container.put(bare, "/srv/hello_eBPF.git")
    container.must("its files owned by root", "chown -R root:root /srv/hello_eBPF.git")


@contextmanager
def started(name: str, image: str, *, keep: bool = False) -> Iterator[Container]:
    """A new container. It is removed at the end, unless it is to be kept."""
    words = ["docker", "run", "--detach", "--init", f"--name={name}", f"--hostname={name}", f"--label={LABEL}"]
    words += permissions(CAPABILITIES.read_text())
    # Docker turns IPv6 off, also on loopback.
    words += ["--sysctl=net.ipv6.conf.all.disable_ipv6=0"]
    # Loop devices: some tests want a block device of their own.
    words += ["--device-cgroup-rule=b 7:* rmw", "--device-cgroup-rule=c 10:237 rmw"]
    for proxy in ("http_proxy", "https_proxy", "no_proxy"):
        words += [f"--env={proxy}={os.environ[proxy]}"] if os.environ.get(proxy) else []
    must(f"the container {name}", [*words, image, "sleep", "infinity"])
    container = Container(name)
    try:
        hand_in(container)
        yield container
    finally:
        if not keep:
            with engines.uninterrupted():
                container.remove()


def clear_leftovers() -> None:
    """Remove the containers that a killed or kept run left."""
    words = ["docker", "ps", "--all", "--quiet", f"--filter=label={LABEL}"]
    for one in must("containers of an earlier run", words).split():
        say(f"removing the container {one} of an earlier run")
        Container(one).remove()
