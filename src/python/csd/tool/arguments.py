# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The command line of csd."""

from __future__ import annotations

import argparse
import re

CONFIGURATION = "/etc/hello_ebpf/csd.json"
RPC_SOCKET = "/run/hello_ebpf/spdk.sock"

_EXAMPLES = """\
examples:
  csd list
  csd load --slot 6 hot.bpf.o && csd activate --slot 6
  csd scan --slot 0 --cparam1 900 --output hot.records
  csd scan --slot 1 --data 'text:ERROR 17'
  csd scan --where 'temperature >= 990' --record temperature:i4@20 --size 64
  csd exec --slot 2 --length 1MiB --json
  csd --device /dev/nvme0 stats
  csd --traddr 10.0.0.2 --trsvcid 4420 --subnqn NQN --hostnqn NQN list

exit codes: 0 done; 1 it could not be done; 2 the command line cannot be meant; 3 the drive refused it
"""


def number(text: str) -> int:
    """A whole number: decimal or 0x..., with an optional KiB, MiB or GiB; not negative."""
    for unit, factor in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if text.endswith(unit):
            return number(text.removesuffix(unit)) * factor
    try:
        value = int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number (such as 4096, 0x1000 or 4KiB)") from None
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def parameter(text: str) -> int:
    """A 64-bit parameter: negative ones in two's complement."""
    try:
        value = int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None
    if not -(1 << 63) <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"{value} does not fit 64 bits")
    return value & (1 << 64) - 1


def program_data(text: str) -> bytes:
    """`hex:00ff`, `text:ERROR` or `@file`."""
    kind, _, rest = text.partition(":")
    try:
        if kind == "hex":
            return bytes.fromhex(rest)
        if kind == "text":
            return rest.encode()
        if text.startswith("@"):
            with open(text[1:], "rb") as file:  # noqa: PTH123 (a path as the user wrote it)
                return file.read()
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"'{text}': {error}") from None
    raise argparse.ArgumentTypeError(f"'{text}' is neither hex:00ff nor text:ERROR nor @file")


def fields(text: str) -> list[tuple[str, str, int]]:
    """`device:u4@16,temperature:i4@20`"""
    found = [re.fullmatch(r"(\w+):([<>]?\w+)@(\d+)", field.strip()) for field in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of fields (such as device:u4@16,temperature:i4@20)")
    return [(field[1], field[2], int(field[3])) for field in found if field]


def memory_range(text: str) -> tuple[int, int]:
    """`start:length`"""
    start, colon, length = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"'{text}' is no range (such as 0:4096 or 1MiB:64KiB)")
    return number(start), number(length)


def parser() -> argparse.ArgumentParser:
    """Everything that csd understands."""
    top = argparse.ArgumentParser(
        prog="csd",
        description="Programs inside a computational drive: load, run, look.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _connection(top)
    actions = top.add_subparsers(dest="action", required=True, metavar="COMMAND")

    _add(actions, "list", "drives, namespaces, programs, program types and memory range sets")
    load = _add(actions, "load", "load a program into a slot (it is verified; activate it to run it)")
    _slot(load)
    load.add_argument("file", help="eBPF ELF or bare instruction stream")
    load.add_argument("--type", type=number, help="program type (default: what the drive lists for eBPF)")
    load.add_argument("--pid", type=number, help="program identifier (PUID), kept with the program")
    load.add_argument("--activate", action="store_true", help="activate it too")
    load.add_argument("--replace", action="store_true", help="deactivate and unload what is in the slot first")
    for name, text in {
        "activate": "let a slot's program be run",
        "deactivate": "let a slot's program not be run",
        "unload": "empty a slot",
    }.items():
        _slot(_add(actions, name, text))

    scan = _add(actions, "scan", "run a program over stored bytes and bring back what it keeps: one round trip")
    what = scan.add_mutually_exclusive_group(required=True)
    what.add_argument("--slot", type=number, metavar="N", help="program index (PIND)")
    what.add_argument("--where", metavar="QUESTION", help="instead: 'temperature >= 990 and device in (3, 5)'")
    scan.add_argument(
        "--record",
        type=fields,
        metavar="FIELDS",
        help="with --where: device:u4@16,temperature:i4@20 (name:type@offset)",
    )
    scan.add_argument("--size", type=number, metavar="BYTES", help="with --where: of a record (default: its fields')")
    _job(scan)
    execute = _add(actions, "exec", "the same by the standard flow: SLM Copy, Execute Program, SLM Read")
    _slot(execute)
    _job(execute)
    execute.add_argument("--cparam2", type=parameter, default=0, help="second parameter")
    execute.add_argument("--room", type=number, default=1 << 20, help="bytes of SLM for the result (default 1MiB)")
    _add(actions, "stats", "what every slot's program did so far")
    _trace(actions)
    _memory(actions)
    _ranges(actions)
    return top


def _connection(top: argparse.ArgumentParser) -> None:
    where = top.add_argument_group(
        "which drive",
        f"default: what {CONFIGURATION} names, or what the role csd_host installed; through the kernel where that has "
        "connected it, else through SPDK",
    )
    where.add_argument(
        "--device", metavar="PATH", help="kernel path: /dev/nvmeX, or any node of it, such as /dev/ng0n3"
    )
    where.add_argument("--traddr", metavar="IP", help="SPDK path: the target's address")
    where.add_argument("--trsvcid", metavar="PORT", help="its port (default 4420)")
    where.add_argument("--subnqn", metavar="NQN", help="its subsystem")
    where.add_argument("--hostnqn", metavar="NQN", help="as whom to connect")
    where.add_argument("--config", metavar="FILE", help=f"instead of {CONFIGURATION}")
    where.add_argument("--compute", type=number, metavar="NSID", help="compute namespace, where there are several")
    where.add_argument("--memory", type=number, metavar="NSID", help="SLM namespace, where there are several")
    where.add_argument("--data-nsid", type=number, metavar="NSID", help="NVM namespace, where there are several")
    top.add_argument("--timeout", type=number, default=600, metavar="SECONDS", help="for one command (default 600)")
    _json(top, default=False)


def _json(to: argparse.ArgumentParser, default: object) -> None:
    to.add_argument("--json", action="store_true", default=default, help="one JSON object instead of tables")


def _add(actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    added = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    _json(added, default=argparse.SUPPRESS)
    return added


def _slot(action: argparse.ArgumentParser) -> None:
    action.add_argument("--slot", type=number, required=True, metavar="N", help="program index (PIND)")


def _job(action: argparse.ArgumentParser) -> None:
    action.add_argument("--start", type=number, metavar="BYTE", help="first byte of the data namespace (default 0)")
    action.add_argument("--length", type=number, metavar="BYTES", help="how many (default: to the end)")
    action.add_argument("--lba", type=number, metavar="LBA", help="first block, instead of --start")
    action.add_argument("--blocks", type=number, metavar="N", help="how many blocks, instead of --length")
    action.add_argument("--cparam1", type=parameter, default=0, metavar="N", help="first parameter")
    action.add_argument(
        "--data", type=program_data, default=b"", metavar="DATA", help="program data: hex:00ff, text:ERROR or @file"
    )
    action.add_argument("--memory-at", type=number, metavar="BYTE", help="where in SLM it works, as far as it needs it")
    action.add_argument("--output", metavar="FILE", help="what the program kept, as it is; - is standard output")
    action.add_argument("--show", type=number, default=10, metavar="N", help="kept items to show (default 10)")


def _trace(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trace = _add(actions, "trace", "lines that a program wrote with bpf_printk, read on the target's own machine")
    _slot(trace)
    trace.add_argument("--rpc-socket", default=RPC_SOCKET, metavar="PATH", help=f"the target's (default {RPC_SOCKET})")
    trace.add_argument("--name", help="the compute namespace there, where there are several")
    what = trace.add_mutually_exclusive_group()
    what.add_argument("--follow", action="store_true", help="go on until it is interrupted")
    what.add_argument("--clear", action="store_true", help="forget the lines instead of showing them")


def _memory(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    slm = _add(actions, "slm", "read, write, fill or copy memory of the drive")
    what = slm.add_subparsers(dest="slm_action", required=True, metavar="ACTION")
    read = _add(what, "read", "bytes of SLM into a file, or shown")
    read.add_argument("--start", type=number, default=0, metavar="BYTE")
    read.add_argument("--length", type=number, required=True, metavar="BYTES")
    read.add_argument("--output", metavar="FILE", help="- is standard output; without it they are shown")
    write = _add(what, "write", "data into SLM")
    write.add_argument("--start", type=number, default=0, metavar="BYTE")
    write.add_argument("data", type=program_data, help="hex:00ff, text:ERROR or @file")
    fill = _add(what, "fill", "zeros over bytes of SLM")
    fill.add_argument("--start", type=number, default=0, metavar="BYTE")
    fill.add_argument("--length", type=number, required=True, metavar="BYTES")
    copy = _add(what, "copy", "blocks of the data namespace, or other SLM, into SLM")
    copy.add_argument("--to", type=number, default=0, metavar="BYTE", help="where in SLM (default 0)")
    source = copy.add_mutually_exclusive_group(required=True)
    source.add_argument("--lba", type=number, metavar="LBA", help="from this block of the data namespace")
    source.add_argument("--from", type=number, dest="source", metavar="BYTE", help="from this byte of SLM")
    copy.add_argument("--blocks", type=number, metavar="N", help="with --lba: how many (default 1)")
    copy.add_argument("--length", type=number, metavar="BYTES", help="with --from: how many")


def _ranges(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ranges = _add(actions, "ranges", "memory range sets: list, create, delete")
    what = ranges.add_subparsers(dest="ranges_action", required=True, metavar="ACTION")
    _add(what, "list", "the sets that exist")
    create = _add(what, "create", "a set of ranges of SLM; shows its identifier (RSID)")
    create.add_argument("range", type=memory_range, nargs="+", metavar="START:LENGTH")
    delete = _add(what, "delete", "a set")
    delete.add_argument("rsid", type=number)
