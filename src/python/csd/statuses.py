# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Status codes in words, each with what to do about it. A status is its type (SCT) in bits 10:8, its code in 7:0."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    name: str
    fix: str


SUCCESS = 0x000
INVALID_FIELD = 0x002
ABORT_REQUESTED = 0x007
INVALID_PROGRAM_DATA = 0x18E
OPERATION_DENIED = 0x015
PROGRAM_IN_USE = 0x199  # how a drive refuses to load into a slot that has a program

STATUSES = {
    0x000: Status("Successful Completion", "nothing"),
    0x001: Status(
        "Invalid Command Opcode",
        "see that the namespace is of the command set that this command belongs to (csd list shows each one's)",
    ),
    0x002: Status("Invalid Field in Command", "correct the arguments: one of them is not possible here"),
    0x004: Status("Data Transfer Error", "look at the connection and run again"),
    0x006: Status("Internal Error", "look at the target's log"),
    0x007: Status("Command Abort Requested", "it was aborted on request; run it again where that was not meant"),
    0x008: Status("Command Aborted due to SQ Deletion", "the connection is going down; connect again"),
    0x00B: Status("Invalid Namespace or Format", "name a namespace that the subsystem has (csd list shows them)"),
    0x00C: Status("Command Sequence Error", "send the commands in their order"),
    0x00F: Status("Data SGL Length Invalid", "let the data have the length that the command names"),
    0x015: Status(
        "Operation Denied",
        "run it as a host that may load programs (programs: load of the subsystem's host), or ask one",
    ),
    0x080: Status("LBA Out of Range", "stay within the namespace: its size is in csd list"),
    0x082: Status("Namespace Not Ready", "try again in a moment"),
    0x109: Status("Invalid Log Page", "name a namespace and a log that it has"),
    0x12C: Status("Invalid I/O Command Set", "name a command set that the drive has: 00h NVM, 03h SLM, 04h compute"),
    0x183: Status("Command Size Limit Exceeded", "copy less in one command"),
    0x185: Status("Incompatible Namespace or Format", "name a source namespace of the kind that was asked for"),
    0x186: Status("Fast Copy Not Possible", "allow a slow copy, or let the destination keep the device's alignment"),
    0x187: Status("Overlapping I/O Range", "let source and destination lie apart"),
    0x188: Status("Namespace Not Reachable", "name a namespace of the same subsystem"),
    0x18A: Status("Insufficient Program Resources", "unload programs that are not needed, or give the target memory"),
    0x18B: Status("Invalid Memory Namespace", "name an SLM namespace of the same subsystem (csd list shows them)"),
    0x18C: Status(
        "Invalid Memory Range Set",
        "let ranges keep to the granularity and lie in the namespace; a program writes to 1 MiB at most",
    ),
    0x18D: Status("Invalid Memory Range Set Identifier", "name a set that exists (csd ranges list shows them)"),
    0x18E: Status("Invalid Program Data", "mend the program as the reason says, compile it and load it again"),
    0x18F: Status("Invalid Program Index", "name a slot that the namespace has (csd list shows them)"),
    0x190: Status("Invalid Program Type", "give a type that the namespace takes (csd list shows them)"),
    0x191: Status("Maximum Memory Ranges Exceeded", "give at least one range, and no more than the namespace takes"),
    0x192: Status("Maximum Memory Range Sets Exceeded", "delete a set that is not needed (csd ranges list)"),
    0x193: Status("Maximum Programs Activated", "deactivate a program first"),
    0x194: Status("Maximum Program Bytes Exceeded", "unload a program first"),
    0x195: Status("Memory Range Set In Use", "wait until the command that uses it has ended"),
    0x196: Status("No Program", "load one into this slot first (csd load)"),
    0x197: Status("Overlapping Memory Ranges", "let the ranges of one set lie apart"),
    0x198: Status("Program Not Activated", "activate it first (csd activate)"),
    0x199: Status(
        "Program In Use", "wait until what runs it has ended; deactivate it and unload it before another is loaded"
    ),
    0x19A: Status("Program Index Not Downloadable", "choose another slot"),
    0x19B: Status("Program Too Big", "make it smaller, or raise the namespace's limit at the target"),
    0x280: Status("Write Fault", "look at the target's log: the data's device failed"),
    0x281: Status("Unrecovered Read Error", "look at the target's log: the data's device failed"),
    0x286: Status("Access Denied", "run it as a host that may"),
    0x371: Status("Command Aborted By Host", "the connection broke; connect again"),
    0x7C0: Status("Program Fault", "look at the target's log: it says what the program did, and at which instruction"),
    0x7C1: Status("Program Time", "let the program do less: it took more CPU time than a command may"),
}

_TYPES = {0: "generic", 1: "command specific", 2: "media", 3: "path", 7: "vendor specific"}


def describe(status: int) -> str:
    """``Program Not Activated (01h/98h)``."""
    kind, code = status >> 8 & 0x7, status & 0xFF
    known = STATUSES.get(kind << 8 | code)
    name = known.name if known else f"a {_TYPES.get(kind, 'reserved')} status without a name here"
    return f"{name} ({kind:02X}h/{code:02X}h)"


def fix_for(status: int) -> str:
    known = STATUSES.get(status & 0x7FF)
    return known.fix if known else "look at the target's log"
