"""A slower link: the interface is as before, and a kernel that cannot shape is refused by name, nothing changed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest
from ansible.module_utils.hello_ebpf.bench.link import NETEM, TBF, Shaper, shaper_for
from ansible.module_utils.hello_ebpf.errors import LabError

UNKNOWN = "Error: Specified qdisc kind is unknown.\n"


class Kernel:
    """tc on a machine whose kernel has some queueing disciplines."""

    def __init__(self, *kinds: str, present: str = "noqueue") -> None:
        self.kinds = kinds
        self.present = present
        self.log: list[str] = []

    def __call__(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.log.append(" ".join(words))
        if words[1] == "show":
            return subprocess.CompletedProcess(words, 0, f"qdisc {self.present} 0: root refcnt 2\n", "")
        if words[1] == "add":
            if words[5] not in self.kinds:
                return subprocess.CompletedProcess(words, 2, "", UNKNOWN)
            self.present = words[5]
        else:
            self.present = "noqueue"
        return subprocess.CompletedProcess(words, 0, "", "")


def test_netem_where_the_kernel_has_it() -> None:
    kernel = Kernel(NETEM, TBF)
    shaper = shaper_for("eth0", kernel)
    assert shaper.kind == NETEM
    assert kernel.present == "noqueue"
    with shaper.at(1000):
        assert kernel.present == NETEM
    assert kernel.present == "noqueue"
    assert "qdisc add dev eth0 root netem rate 1000mbit limit 10000" in kernel.log


def test_a_token_bucket_where_it_has_no_netem() -> None:
    kernel = Kernel(TBF)
    shaper = shaper_for("lo", kernel)
    assert shaper.kind == TBF
    with shaper.at(10000):
        assert kernel.present == TBF
    assert "qdisc add dev lo root tbf rate 10000mbit burst 1048576 limit 67108864" in kernel.log


def test_neither_is_refused_by_name_and_nothing_was_changed() -> None:
    kernel = Kernel()
    with pytest.raises(LabError) as caught:
        shaper_for("lo", kernel)
    assert str(caught.value) == (
        "Asked: csd_bench_link_mbits: lo made slower. Found: this kernel can shape by neither (sch_netem: Error: "
        "Specified qdisc kind is unknown.; sch_tbf: Error: Specified qdisc kind is unknown.). Do: leave "
        "csd_bench_link_mbits empty, or run on a kernel with CONFIG_NET_SCH_NETEM or CONFIG_NET_SCH_TBF "
        "(Ubuntu packs them apart: linux-modules-extra-$(uname -r))."
    )
    assert kernel.present == "noqueue"


def test_somebody_elses_shaping_stays() -> None:
    kernel = Kernel(NETEM, present="htb")
    with pytest.raises(LabError, match="it has a queueing discipline that somebody set: qdisc htb 0: root refcnt 2"):
        shaper_for("lo", kernel)
    assert kernel.log == ["qdisc show dev lo root"]


def test_it_is_as_before_when_the_measurement_fails() -> None:
    kernel = Kernel(TBF)
    with pytest.raises(RuntimeError), Shaper("lo", TBF, kernel).at(1000):
        raise RuntimeError("no measurement")
    assert kernel.present == "noqueue"
