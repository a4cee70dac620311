"""Which release a machine runs, and whether it is one that the lab runs on."""

from __future__ import annotations

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.release import check_release, platform_name


@pytest.mark.parametrize(
    ("system", "base"),
    [
        (
            'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22.1"\nVERSION_CODENAME=xia\nUBUNTU_CODENAME=noble',
            "ubuntu-24.04",
        ),
        ('ID=pop\nID_LIKE="ubuntu debian"\nVERSION_ID="24.04"\nUBUNTU_CODENAME=noble', "ubuntu-24.04"),
        ('ID=linuxmint\nID_LIKE=debian\nVERSION_ID="6"\nVERSION_CODENAME=faye\nDEBIAN_CODENAME=bookworm', "debian-12"),
    ],
)
def test_a_derivative_is_the_release_whose_packages_it_has(system: str, base: str) -> None:
    assert platform_name(system) == base
    check_release(system, "the lab")


@pytest.mark.parametrize(
    ("system", "name"),
    [
        # An Ubuntu that was never tried, and a derivative of it.
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=22.04\nUBUNTU_CODENAME=jammy", "Ubuntu 22.04"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="21"\nUBUNTU_CODENAME=jammy', "Linuxmint 21"),
        # Like Debian, but with packages of its own.
        ("ID=kali\nID_LIKE=debian\nVERSION_ID=2026.3\nVERSION_CODENAME=kali-rolling", "Kali 2026.3"),
        # The code name of a distribution that it is not like.
        ("ID=other\nVERSION_ID=1\nUBUNTU_CODENAME=noble", "Other 1"),
        ("ID=debian\nVERSION_CODENAME=sid", "Debian without a number"),
        ("", "A system without a name without a number"),
    ],
)
def test_others_are_refused(system: str, name: str) -> None:
    with pytest.raises(LabError) as refused:
        check_release(system, "the lab")
    assert str(refused.value) == (f"Asked: the lab. Found: it runs {name}. Do: use Debian 12, Debian 13, Ubuntu 24.04.")
