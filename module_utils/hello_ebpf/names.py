# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a name, a path or an address may be, before it reaches a unit, a shell, make, fstab or a target.

One rule for each kind, used by the modules of target and host, by csd, and by the preflight. A rule takes the text and
returns what is wrong with it, or None. This file imports nothing of the project: the controller loads it by its path.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple


class Wrong(NamedTuple):
    """Why a text is refused, and what to write instead."""

    found: str
    fix: str


Rule = Callable[[str], Wrong | None]

# ---- NVMe

MAX_NQN = 223  # NVMe Base Specification 4.5: bytes of UTF-8, without the null at its end
DISCOVERY_NQN = "nqn.2014-08.org.nvmexpress.discovery"
UUID_NQN = "nqn.2014-08.org.nvmexpress:uuid:"
_LABEL = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NQN = re.compile(rf"nqn\.\d{{4}}-(?:0[1-9]|1[0-2])\.{_LABEL}(?:\.{_LABEL})*:.+", re.ASCII | re.DOTALL)
_NQN_FORMS = f"write nqn.YYYY-MM.REVERSE.DOMAIN:NAME, or {UUID_NQN}UUID"
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_IPV4_OR_6 = "give the IPv4 or IPv6 address"
_INTERFACE = re.compile(r"[A-Za-z0-9._-]{1,15}")


def nqn(text: str) -> Wrong | None:
    """The qualified name of a subsystem or host, of one of the two forms that NVMe gives it.

    The name behind the colon is the owner's. Of what UTF-8 has, it may hold what can be seen, but no comma: the kernel
    parts its options by commas and lines, and sysfs is read by lines.
    """
    if len(text.encode(errors="replace")) > MAX_NQN:
        return Wrong(f"{len(text.encode(errors='replace'))} bytes; an NQN has at most {MAX_NQN}", "shorten it")
    if text == DISCOVERY_NQN:
        return Wrong("the name of the discovery subsystem, which every target has", "choose another")
    if text.startswith(UUID_NQN):
        return uuid(text.removeprefix(UUID_NQN))
    if not _NQN.fullmatch(text):
        return Wrong("this is not the form of an NQN", _NQN_FORMS)
    odd = next((char for char in text if char in ", " or not char.isprintable()), None)
    if odd is not None:
        return Wrong(f"{odd!r} in it, which the kernel's host could not connect to", "leave that character out")
    return None


def _ascii(limit: int) -> Rule:
    def rule(text: str) -> Wrong | None:
        if len(text) > limit:
            return Wrong(f"{len(text)} characters; NVMe has room for {limit}", "shorten it")
        if not re.fullmatch(r"[\x20-\x7e]+", text):
            return Wrong("empty, or not printable ASCII", "use printable ASCII")
        return None

    return rule


serial = _ascii(20)
model = _ascii(40)


def uuid(text: str) -> Wrong | None:
    """A UUID, with its dashes, but for the one of zeros."""
    if _UUID.fullmatch(text) and re.search("[1-9A-Fa-f]", text):
        return None
    return Wrong("not a UUID, or the one of zeros", "write 32 hexadecimal digits, 8-4-4-4-12; uuidgen makes one")


def _hexadecimal(digits: int) -> Rule:
    def rule(text: str) -> Wrong | None:
        found = text.replace("-", "")
        if not re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", found) or not int(found, 16):
            return Wrong(f"not {digits} hexadecimal digits, or all zeros", f"give {digits} digits")
        return None

    return rule


nguid = _hexadecimal(32)
eui64 = _hexadecimal(16)


def address(text: str) -> Wrong | None:
    """Where a host connects to: an IP address; a link-local one with the interface that it is reached through."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return Wrong("an address that is not an IP address", _IPV4_OR_6)
    scope = getattr(found, "scope_id", None)
    if found.is_unspecified:
        return Wrong("an address that nobody can be reached at", _IPV4_OR_6)
    if found.version == 6 and found.is_link_local and not scope:
        return Wrong("a link-local address without the interface that it is reached through", f"write {text}%INTERFACE")
    if scope and not found.is_link_local:
        return Wrong("an interface behind an address that is not link-local", f"write {text.partition('%')[0]}")
    if scope and not _INTERFACE.fullmatch(scope):
        return Wrong(f"{scope!r}, which is not the name of an interface", "see `ip link` for those there are")
    return None


def listener_address(text: str) -> Wrong | None:
    """Where a target listens. SPDK compares the address that a host has reached with it, letter by letter."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return Wrong("an address that is not an IP address", _IPV4_OR_6)
    if found.is_unspecified:
        return Wrong(
            "SPDK compares the address that a host reached with the listener's, so at this one it lets nobody in",
            "declare each address that hosts are to use",
        )
    if found.version == 6 and found.is_link_local:
        return Wrong(
            "SPDK sees an address that a host reached without its interface, so at a link-local one it lets nobody in",
            "listen at an address that is not link-local",
        )
    return None


def service_id(text: str) -> Wrong | None:
    """A TCP port, as NVMe's TRSVCID spells it: without leading zeros."""
    if re.fullmatch(r"[1-9][0-9]{0,4}", text) and int(text) <= 65535:
        return None
    return Wrong("a service id that is not a TCP port (1 to 65535)", "the usual one is 4420")


def bdev(text: str) -> Wrong | None:
    """The name of a bdev."""
    if re.fullmatch(r"[\x21-\x7e]+", text):
        return None
    return Wrong("a name that is empty, or not printable ASCII without spaces", "rename it")


# ---- the machine


def line(text: str) -> Wrong | None:
    """A text that can be seen, on one line."""
    odd = next((char for char in text if not char.isprintable()), None)
    return None if odd is None else Wrong(f"{odd!r} in it, which no name should have", "leave that character out")


def argument(text: str) -> Wrong | None:
    """What becomes an argument of a program, which takes one that begins with a dash for an option."""
    if text.startswith("-"):
        return Wrong("it begins with a dash, like an option", "write it without")
    return line(text)


def path(text: str) -> Wrong | None:
    """An absolute path. Blanks, quotes, percent and backslash are escaped wherever it goes."""
    if not text.startswith("/"):
        return Wrong("not an absolute path", "write it from / on")
    if ".." in text.split("/"):
        return Wrong("a path that goes back up", "write it without ..")
    if "$" in text:
        return Wrong("a dollar, behind which Ansible looks for a variable of the environment", "write it without")
    return line(text)


def program(text: str) -> Wrong | None:
    """The path of a program that systemd runs, which takes none with quotes or backslashes for one."""
    if wrong := path(text):
        return wrong
    if odd := re.search(r"[\"'\\]", text):
        return Wrong(f"{odd[0]!r} in it, so systemd runs no such program", "leave that character out")
    return None


def plain_path(text: str) -> Wrong | None:
    """A path that make, compilers, DPDK or the name of systemd's run folder get, which know no way to quote."""
    if wrong := path(text):
        return wrong
    if odd := re.search(r"[^A-Za-z0-9/._+@-]", text):
        return Wrong(
            f"{odd[0]!r} in a path that goes through make, compilers and linkers, or names a run folder",
            "use letters, digits and . _ + @ -",
        )
    return None


def socket(text: str) -> Wrong | None:
    """The path of a socket."""
    if len(text.encode()) > 107:
        return Wrong(f"{len(text.encode())} bytes; the path of a socket has at most 107", "choose a shorter one")
    return plain_path(text)


def mount_point(text: str) -> Wrong | None:
    """A folder that fstab names, and systemd's unit is named after."""
    if wrong := path(text):
        return wrong
    if re.search(r"[\s\\]", text) or not re.fullmatch(r"(/[^/]+)+", text):
        return Wrong(
            "not an absolute path without white space, backslash and trailing slash", "write it like /mnt/csd0"
        )
    return None


def mount_options(text: str) -> Wrong | None:
    """A field of fstab."""
    if not text or re.search(r"[\s\\#]", text) or line(text):
        return Wrong("not mount options: a list with commas, without white space", "write it like noatime,discard")
    return None


def unit(text: str) -> Wrong | None:
    """The name of a systemd unit, systemd.unit(5)."""
    kinds = "service|socket|target|mount|automount|device|path|swap|timer|slice|scope"
    if re.fullmatch(rf"[A-Za-z0-9:_.\\@-]{{1,240}}\.({kinds})", text):
        return None
    return Wrong("not the name of a systemd unit", "write it like csd_target.service; systemctl list-units shows them")


def account(text: str) -> Wrong | None:
    """The name of a user or group, as useradd and systemd both take it."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}", text):
        return None
    return Wrong(
        "not the name of a user or group",
        "use letters, digits and . _ -, at most 31 of them, the first a letter or _",
    )


def word(text: str) -> Wrong | None:
    """A version, a suite, a branch or a package: it becomes part of file names and of apt's lists."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+~:/_|-]*", text):
        return None
    return Wrong("more than a word", "use letters, digits and . + ~ : / _ -")


def url(text: str) -> Wrong | None:
    """A mirror, as a line of apt's sources has it."""
    if re.fullmatch(r"[^\s\[\]#]+", text) and not line(text):
        return None
    return Wrong("not a URL on one line without white space and brackets", "write it like http://mirror.example/debian")


def digest(text: str) -> Wrong | None:
    """A SHA-256, or a commit's SHA-1."""
    if re.fullmatch(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", text):
        return None
    return Wrong("neither 64 hexadecimal digits nor a commit's 40", "copy it whole")


def or_empty(rule: Rule) -> Rule:
    """The rule, where an empty text means that nothing is set."""
    return lambda text: rule(text) if text else None
