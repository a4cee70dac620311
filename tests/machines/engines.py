# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Docker, QEMU and hugepages for the time of a test run: used where they are there, else installed and started.

    with engines.docker() as environment:      # DOCKER_HOST for whatever talks to docker in the block
        ...

What was started is stopped, also after Ctrl-C; what a killed run left is taken up or put away by the next one. A
docker daemon that answers is used as it is. One that we start has folders, a socket, a bridge and addresses of its
own, and makes no firewall rules: three rules are added for its addresses, and taken back, because a daemon that makes
its own leaves them behind, with a FORWARD policy of DROP.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TextIO

from machines import apt
from machines.console import MachineError, must, output, say, step
from machines.turns import RUN, one_at_a_time
from waiting import within

STATE = Path("/var/lib/hello_ebpf_tests/docker")
PIDFILE = RUN / "dockerd.pid"
SOCKET = RUN / "docker.sock"
LOG = RUN / "dockerd.log"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = "hello_ebpf0"
#: All networks of our daemon lie in the range for benchmarks (RFC 2544), which no real network uses.
NETWORKS = "198.18.0.0/15"
BRIDGE_ADDRESS = "198.18.0.1/24"
POOL = "base=198.19.0.0/16,size=24"
RULES = (
    ("nat", "POSTROUTING", ("-s", NETWORKS, "!", "-d", NETWORKS, "-j", "MASQUERADE")),
    ("filter", "FORWARD", ("-s", NETWORKS, "-j", "ACCEPT")),
    ("filter", "FORWARD", ("-d", NETWORKS, "-j", "ACCEPT")),
)
START_SECONDS = 60
STOP_SECONDS = 60
PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
PAGE_MEGABYTES = 2


# ---- processes, known by what they were called with


def command_line(pid: int) -> list[str]:
    """The words a process was started with; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def our_daemon() -> int | None:
    """The process id of the docker daemon that a run of ours started, if it runs: by its pidfile and its command."""
    try:
        pid = int(PIDFILE.read_text())
    except (OSError, ValueError):
        return None
    words = command_line(pid)
    return pid if words and Path(words[0]).name == "dockerd" and str(PIDFILE) in words else None


def ours(*markers: str) -> list[int]:
    """Processes that were called with one of these words."""
    return [pid for pid in processes() if any(marker in command_line(pid) for marker in markers)]


def processes() -> list[int]:
    """The ids of all processes."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def end(pids: list[int], still: Callable[[], list[int]], seconds: float) -> None:
    """SIGTERM, after some time SIGKILL; only to processes that still are among those that are meant."""
    for sent, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
        for pid in set(pids) & set(still()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        if within(patience, lambda: not set(pids) & set(still())):
            return
    left = sorted(set(pids) & set(still()))
    raise MachineError(f"the processes {pids} end", f"{left} are there after SIGKILL", "see why they hang")


def marked(mark: str) -> list[int]:
    """Processes that were started with this word (``NAME=value``) in their environment, this one not."""
    word = mark.encode()
    found = []
    for pid in processes():
        with contextlib.suppress(OSError):
            if pid != os.getpid() and word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def end_marked(mark: str) -> None:
    """End what a run has left behind that carries its mark."""
    end(marked(mark), lambda: marked(mark), 10)


# ---- docker


def answers() -> bool:
    """Whether a docker daemon answers where the environment says that there is one."""
    return bool(output(["docker", "info", "--format", "{{.ServerVersion}}"]))


def install_docker() -> None:
    """Debian's docker.io, and the command in a package of its own where the release has one."""
    wanted = {"dockerd": "docker.io", "iptables": "iptables", "ip": "iproute2"}
    if Path("/sys/module/apparmor/parameters/enabled").exists():
        # Without its parser a daemon cannot load its profile, and starts no container.
        wanted["apparmor_parser"] = "apparmor"
    if not apt.there("dockerd") and Path("/run/systemd/system").is_dir():
        # The package would start a daemon that nobody stops. At the next start of the machine the mask is gone anyhow.
        units = ("docker.service", "docker.socket", "containerd.service")
        must("docker's units masked while it is installed", ["systemctl", "mask", "--runtime", *units])
        try:
            apt.need(wanted)
        finally:
            must("docker's units unmasked", ["systemctl", "unmask", "--runtime", *units])
    apt.need(wanted)
    apt.need({"docker": "docker-cli"})


def rules(verb: str) -> None:
    """Add (-I) the firewall rules for our daemon's addresses where they are missing, or delete (-D) them."""
    for table, chain, words in RULES:
        there = output(["iptables", "-w", "-t", table, "-C", chain, *words]) is not None
        if there == (verb == "-D"):
            must("a firewall rule for the tests' containers", ["iptables", "-w", "-t", table, verb, chain, *words])


def start_docker() -> None:
    """Start a daemon of our own; one that a run before left running is taken over."""
    if our_daemon() is not None:
        say("using the docker daemon that another run of these tests has started")
        return
    stop_docker()
    RUN.mkdir(parents=True, exist_ok=True)
    STATE.mkdir(parents=True, exist_ok=True)
    (RUN / "ip_forward").write_text(FORWARDING.read_text())
    FORWARDING.write_text("1\n")
    must("a bridge", ["ip", "link", "add", "name", BRIDGE, "type", "bridge"])
    must("the bridge's address", ["ip", "address", "add", BRIDGE_ADDRESS, "dev", BRIDGE])
    must("the bridge up", ["ip", "link", "set", BRIDGE, "up"])
    rules("-I")
    settings = RUN / "daemon.json"
    settings.write_text("{}\n")
    with LOG.open("w") as log:
        subprocess.Popen(
            [
                *("dockerd", "--config-file", str(settings), "--host", f"unix://{SOCKET}"),
                *("--pidfile", str(PIDFILE), "--data-root", str(STATE), "--exec-root", str(RUN / "docker")),
                *("--bridge", BRIDGE, "--default-address-pool", POOL),
                *("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A Ctrl-C is for us: the daemon is told to stop when its containers are gone.
            start_new_session=True,
        )


def wait_for_docker() -> None:
    """Wait until our daemon answers."""
    # The pidfile is written early; before it there is nothing to look at.
    within(5, lambda: answers() or our_daemon())
    within(START_SECONDS, lambda: answers() or our_daemon() is None)
    if not answers():
        tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])
        raise MachineError(
            "a docker daemon",
            f"it ended, or did not answer within {START_SECONDS} s; the end of {LOG}:\n{tail}\n",
            "mend what it says, or start a docker daemon yourself: one that answers is used",
        )


def stop_docker() -> None:
    """Stop our daemon and put away everything that was made for it; also what a killed run left."""
    containerd = str(RUN / "docker/containerd/containerd.toml")
    shim = str(RUN / "docker/containerd/containerd.sock")
    markers = (str(PIDFILE), containerd, shim)
    daemon = our_daemon()
    if daemon is not None:
        end([daemon], lambda: ours(str(PIDFILE)), STOP_SECONDS)
    end_containers()
    end(ours(*markers), lambda: ours(*markers), 10)
    PIDFILE.unlink(missing_ok=True)
    bridges = our_bridges()
    for folder in (RUN / "docker", STATE):
        if folder.exists():
            remove_folder(folder)
    for bridge in bridges:
        must("the bridge gone", ["ip", "link", "delete", bridge])
    if apt.there("iptables"):
        rules("-D")
    before = RUN / "ip_forward"
    if before.exists():
        FORWARDING.write_text(before.read_text())
        before.unlink()
    SOCKET.unlink(missing_ok=True)


def end_containers() -> None:
    """End what still runs in containers of a daemon of ours that was killed: its cgroup names the container."""
    ids = [path.name for path in (STATE / "containers").glob("*")]

    def left() -> list[int]:
        found = [pid for pid in processes() if any(name in cgroups(pid) for name in ids)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    if not within(10, lambda: not left()):
        raise MachineError("the processes of killed containers end", f"{left()} are still there", "see why they hang")


def cgroups(pid: int) -> str:
    """The cgroups that a process is in; none when it is gone, or is dead already and waits for its parent."""
    try:
        dead = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return "" if dead else Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""


def our_bridges() -> list[str]:
    """The bridges of our daemon and of the networks that it still knew when it ended, as its own records name them."""
    records = STATE / "network/files/local-kv.db"
    known = re.findall(rb"br-[0-9a-f]{12}", records.read_bytes()) if records.exists() else []
    names = {BRIDGE, *(name.decode() for name in known)}
    return sorted(name for name in names if Path("/sys/class/net", name, "bridge").is_dir())


def mounts_below(folder: Path) -> list[str]:
    """What is mounted on a folder and below it, the innermost first."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((mount for mount in mounts if Path(mount).is_relative_to(folder.absolute())), reverse=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder, and never what is mounted in it."""
    for mount in mounts_below(folder):
        must(f"{mount} unmounted", ["umount", "--lazy", mount])
    if mounts_below(folder):
        raise MachineError(f"{folder} removed", f"{mounts_below(folder)[0]} is mounted there", "see who mounts it")
    # Nothing is mounted now; and should that change, other file systems are not entered.
    must(
        f"{folder} removed", ["rm", "--recursive", "--force", "--one-file-system", "--preserve-root=all", "--", folder]
    )


@contextlib.contextmanager
def docker(*, keep: str = "", release: str = "") -> Iterator[dict[str, str]]:
    """A docker daemon that answers. Yields the environment to reach it, which is also set for this process.

    Args:
        keep: a name under which a daemon that we started is kept running at the end, for a look at its containers.
        release: such a name that is no longer to keep it.
    """
    if answers():
        say("using the docker daemon that answers")
        yield {}
        return
    if os.geteuid():
        raise MachineError("a docker daemon", "none answers, and this is not root", "start one, or run as root")
    install_docker()
    environment = {"DOCKER_HOST": f"unix://{SOCKET}"}
    before = os.environ.get("DOCKER_HOST")
    os.environ.update(environment)
    RUN.mkdir(parents=True, exist_ok=True)
    # Runs beside each other share one daemon: the first starts it, the last stops it. A killed run shares nothing.
    with (RUN / "docker.users").open("a") as users:
        try:
            with one_at_a_time("docker"), step("starting a docker daemon for this run"):
                start_docker()
                wait_for_docker()
                fcntl.flock(users, fcntl.LOCK_SH)
            yield environment
        finally:
            with uninterrupted(), one_at_a_time("docker"):
                if kept := kept_for(keep, release):
                    say(f"the docker daemon stays, for {', '.join(kept)}: DOCKER_HOST={environment['DOCKER_HOST']}")
                elif not taken(users):
                    with step("stopping this run's docker daemon"):
                        stop_docker()
            if before is None:
                os.environ.pop("DOCKER_HOST")
            else:
                os.environ["DOCKER_HOST"] = before


def kept_for(keep: str, release: str) -> list[str]:
    """Note for whom the daemon is kept, or is no longer; returns all of them."""
    kept = RUN / "kept"
    kept.mkdir(exist_ok=True)
    if release:
        (kept / release).unlink(missing_ok=True)
    if keep:
        (kept / keep).touch()
    return sorted(path.name for path in kept.iterdir())


def taken(users: TextIO) -> bool:
    """Whether other runs use what these users share; this run is none of them any more."""
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def end_like_interrupts() -> None:
    """Let SIGTERM, and SIGINT also in the background, end this process as Ctrl-C does: everything is put away."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Clean up to the end: a second Ctrl-C or SIGTERM is noted, and waits."""
    meant = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: say("cleaning up; this takes some seconds")) for number in meant]
    try:
        yield
    finally:
        for number, handler in zip(meant, before, strict=True):
            signal.signal(number, handler)


# ---- QEMU


def ssh() -> None:
    """The ssh client is installed."""
    apt.need({"ssh": "openssh-client"})


def qemu() -> None:
    """QEMU's programs are installed."""
    programs = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils"}
    # Without a ROM for its network card a guest does not start; Debian 13's QEMU only recommends the package.
    apt.need({**programs, "/usr/lib/ipxe/qemu/efi-virtio.rom": "ipxe-qemu"})


# ---- hugepages


def started(pid: int) -> str:
    """When a process was started, in the kernel's ticks: tells it from a later one with its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def change_pages(difference: int) -> int:
    """Change the host's pool of 2 MiB pages by so many; returns by how many it was changed."""
    pool = PAGES / "nr_hugepages"
    before = int(pool.read_text())
    pool.write_text(f"{max(0, before + difference)}\n")
    return int(pool.read_text()) - before


def give_pages_back() -> None:
    """Give back the pages of runs that have ended without doing so."""
    for note in (RUN / "hugepages").glob("*-*"):
        pid, ticks = note.name.split("-")
        if started(int(pid)) != ticks:
            before, taken = (int(word) for word in note.read_text().split())
            # A run that was killed before it took any has left only its intention.
            now = int((PAGES / "nr_hugepages").read_text())
            change_pages(-min(taken, max(0, now - before)))
            note.unlink()


@contextlib.contextmanager
def hugepages(megabytes: int) -> Iterator[None]:
    """So much more memory in the host's pool of huge pages, for containers to use; given back at the end."""
    if not megabytes:
        yield
        return
    asked = f"{megabytes} MiB more in this machine's pool of 2 MiB pages"
    if not PAGES.is_dir():
        raise MachineError(asked, "this kernel has no such pages", "use a machine that has them")
    if os.geteuid():
        raise MachineError(asked, "this is not root", "run it as root")
    pages = -(-megabytes // PAGE_MEGABYTES)
    note = RUN / "hugepages" / f"{os.getpid()}-{started(os.getpid())}"
    note.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time("hugepages"):
        give_pages_back()
        before = int((PAGES / "nr_hugepages").read_text())
        replace(note, f"{before} {pages}\n")
        Path("/proc/sys/vm/compact_memory").write_text("1\n")
        got = change_pages(pages)
        replace(note, f"{before} {got}\n")
    try:
        if got < pages:
            memory = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
            available = f"{int(memory[1]) >> 10} MiB of memory are available" if memory else "memory is short"
            raise MachineError(asked, f"the kernel gave {got} of {pages} pages; {available}", "free some, run again")
        say(f"{pages} more huge pages of 2 MiB on this machine, until the end of this run")
        yield
    finally:
        with uninterrupted(), one_at_a_time("hugepages"):
            change_pages(-got)
            note.unlink(missing_ok=True)


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.replace(path)
