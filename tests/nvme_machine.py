"""A machine for tests: a tree with sysfs as Linux 6.1 shows it, and the commands that change it.

What the commands and the kernel say was recorded on Debian 12 (nvme-cli 2.3, Linux 6.1, SPDK 20.07 as the target).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ansible.module_utils.hello_ebpf.nvme_host import Host

RELEASE = "6.1.0-28-amd64"
NQN = "nqn.2026-11.io.hello-ebpf:csd0"
HOST_NQN = "nqn.2026-11.io.hello-ebpf:host0"
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001"
SECTORS = 4104


@dataclass(frozen=True)
class Space:
    """A namespace of the target. ``instance`` is the number in its device's name."""

    nsid: int
    uuid: str | None
    instance: int
    hidden: bool = False


@dataclass
class Machine:
    """The machine, a target beside it, and a record of the commands that were run."""

    root: Path
    multipath: bool = True
    systemd: bool = True
    port: str = "4420"
    subsystem: str = NQN
    allowed: tuple[str, ...] = (HOST_NQN,)
    spaces: tuple[Space, ...] = (Space(1, UUID, 1),)
    state_after_connect: str = "live"
    packages: tuple[str, ...] = ()
    commands: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.write("proc/modules", "")
        self.write("proc/self/status", "CapEff:\t000001ffffffffff\n")
        self.write("proc/self/mountinfo", "")
        self.write(f"lib/modules/{RELEASE}/modules.dep", "kernel/drivers/nvme/host/nvme-tcp.ko: x\n")
        self.write("usr/sbin/nvme", "")
        self.write("dev/kmsg", "")
        (self.root / "etc/systemd/system").mkdir(parents=True)
        if self.systemd:
            (self.root / "run/systemd/system").mkdir(parents=True)

    def host(self) -> Host:
        return Host(self.run, self.root, RELEASE)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        return (self.root / name).read_text().strip()

    def ran(self, program: str) -> list[list[str]]:
        return [argv for argv in self.commands if Path(argv[0]).name == program]

    def tree(self) -> dict[str, str]:
        """Everything on the machine, to see whether something changed."""
        return {
            str(path.relative_to(self.root)): str(path.readlink()) if path.is_symlink() else path.read_text("latin-1")
            for path in sorted(self.root.rglob("*"))
            if path.is_symlink() or path.is_file()
        }

    # ---- commands

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        self.commands.append(argv)
        program = Path(argv[0]).name
        if program == "nvme":
            return self.connect(argv) if argv[1] == "connect" else self.disconnect(argv[2].partition("=")[2])
        if program == "modprobe":
            (self.root / "sys/module/nvme_tcp").mkdir(parents=True)
            self.write("dev/nvme-fabrics", "")
            return 0, "", ""
        if program in {"systemctl", "udevadm"}:
            return 0, "", ""
        if program == "env" and "apt-cache" in argv:
            return 0, "".join(f"{name}:\n  Candidate: 1\n" for name in argv[-1:] if name in self.packages), ""
        return getattr(self, program.replace(".", "_"))(argv)  # type: ignore[no-any-return]

    def connect(self, argv: list[str]) -> tuple[int, str, str]:
        options = dict(argument.removeprefix("--").partition("=")[::2] for argument in argv[2:])
        assert options["transport"] == "tcp"
        refused = "could not add new controller: failed to write to nvme-fabrics device\n"
        if not (self.root / "sys/module/nvme_tcp").is_dir():
            return 1, "", f"Failed to write to /dev/nvme-fabrics: Invalid argument\n{refused}"
        if options["trsvcid"] != self.port:
            self.kernel_says("nvme nvme0: failed to connect socket: -111")
            said = "Failed to write to /dev/nvme-fabrics: Connection refused\n"
            return 1, "", said + "could not add new controller: connection refused\n"
        if options["nqn"] != self.subsystem:
            self.kernel_says(f'nvme nvme0: Connect Invalid Data Parameter, subsysnqn "{options["nqn"]}"')
            return 1, "", f"Failed to write to /dev/nvme-fabrics: Input/output error\n{refused}"
        if options["hostnqn"] not in self.allowed:
            self.kernel_says(
                f"nvme nvme0: Connect for subsystem {options['nqn']} is not allowed, hostnqn: {options['hostnqn']}"
            )
            return 1, "", f"Failed to write to /dev/nvme-fabrics: Input/output error\n{refused}"
        self.add_controller(options)
        return 0, "", ""

    def kernel_says(self, message: str) -> None:
        with (self.root / "dev/kmsg").open("a") as log:
            log.write(f"3,1204,312126132,-;{message}\n")

    def add_controller(self, options: dict[str, str]) -> str:
        """What the kernel shows of a new connection."""
        number = next(number for number in range(9) if not (self.root / f"sys/class/nvme/nvme{number}").exists())
        delay = int(options.get("reconnect-delay", "10"))
        attributes = {
            "transport": "tcp",
            "address": f"traddr={options['traddr']},trsvcid={options['trsvcid']},src_addr=127.0.0.1",
            "subsysnqn": options["nqn"],
            "hostnqn": options["hostnqn"],
            "hostid": options["hostid"],
            "state": self.state_after_connect,
            "reconnect_delay": str(delay),
            "ctrl_loss_tmo": str(-(-int(options.get("ctrl-loss-tmo", "600")) // delay) * delay),
            "kato": options.get("keep-alive-tmo", "5"),
            "queue_count": str(int(options.get("nr-io-queues", "2")) + 1),
            "sqsize": str(int(options.get("queue-size", "128")) - 1),
        }
        name = f"nvme{number}"
        for attribute, value in attributes.items():
            self.write(f"sys/class/nvme/{name}/{attribute}", f"{value}\n")
        for space in self.spaces:
            self.add_namespace(number, space)
        return name

    def add_namespace(self, controller: int, space: Space) -> None:
        path = f"nvme0c{controller}n{space.instance}" if self.multipath else f"nvme{controller}n{space.instance}"
        subsystem = 0 if self.multipath else controller
        block = f"nvme{subsystem}n{space.instance}"
        for folder in (f"sys/class/nvme/nvme{controller}/{path}", f"sys/class/block/{block}"):
            self.write(f"{folder}/nsid", f"{space.nsid}\n")
            self.write(f"{folder}/size", f"{SECTORS}\n")
            hidden = space.hidden or ("c" in path.removeprefix("nvme") and folder.endswith(path))
            self.write(f"{folder}/hidden", f"{int(hidden)}\n")
            if space.uuid:
                self.write(f"{folder}/uuid", f"{space.uuid}\n")
        self.write(f"sys/class/nvme-generic/ng{subsystem}n{space.instance}/dev", f"244:{space.instance}\n")
        if not space.hidden:
            self.write(f"sys/class/block/{block}/dev", f"259:{space.instance}\n")
            self.write(f"dev/{block}", "\0" * SECTORS * 512)

    def disconnect(self, name: str) -> tuple[int, str, str]:
        shutil.rmtree(self.root / "sys/class/nvme" / name)
        if not list((self.root / "sys/class/nvme").iterdir()):
            shutil.rmtree(self.root / "sys/class/block")
            shutil.rmtree(self.root / "sys/class/nvme-generic")
        return 0, f"NQN:{self.subsystem} disconnected 1 controller(s)\n", ""

    # ---- file systems

    def blkid(self, argv: list[str]) -> tuple[int, str, str]:
        text = (self.root / argv[-1].lstrip("/")).read_text("latin-1")
        return (0, text[: text.index("\0")], "") if text.startswith("TYPE=") else (2, "", "")

    def fill(self, text: str, block: str = "nvme0n1") -> None:
        """Put something on a device: ``TYPE=ext4...`` is what blkid then says of it."""
        self.write(f"dev/{block}", text.ljust(SECTORS * 512, "\0"))

    def mkfs_ext4(self, argv: list[str]) -> tuple[int, str, str]:
        self.fill(f"TYPE=ext4\nUUID={argv[argv.index('-U') + 1]}\nUSAGE=filesystem\n", Path(argv[-1]).name)
        return 0, "", ""

    def wipefs(self, argv: list[str]) -> tuple[int, str, str]:
        self.fill("", Path(argv[-1]).name)
        return 0, "", ""

    def mount(self, argv: list[str]) -> tuple[int, str, str]:
        block = Path(argv[-2]).name
        number = self.read(f"sys/class/block/{block}/dev")
        line = f"50 1 {number} / {argv[-1]} rw - ext4 /dev/{block} rw\n"
        self.write("proc/self/mountinfo", self.read("proc/self/mountinfo") + line)
        return 0, "", ""

    def umount(self, argv: list[str]) -> tuple[int, str, str]:
        self.write("proc/self/mountinfo", "")
        return 0, "", ""
