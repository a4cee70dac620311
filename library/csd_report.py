#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: the benchmark's report on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_report
short_description: Write measurements into a report
description:
  - Runs on the controller. Measurements of M(csd_bench) become one report, C(<folder>/<UTC time>/report.json), and
    C(<folder>/latest) points to it. Earlier reports stay.
  - Where nothing was measured, nothing is written. Where only some pairs of host and target were measured, the others'
    runs are taken over from the latest report.
  - C(report.html) beside it shows the report to people. Charts need matplotlib in the Python that runs this module;
    without it the page has its tables, and says why there are no charts.
  - Every run is held against the known answer before anything is written.
options:
  folder:
    description: Folder of the reports.
    type: path
    required: true
  results:
    description: What M(csd_bench) returned, one for each pair of host and target.
    type: list
    elements: dict
    required: true
  absent_hosts:
    description: Hosts that belong to the fleet and have no part in this run. Their rows of the latest report stay.
    type: list
    elements: str
    default: []
  rpc:
    description: What M(spdk_rpc_bench) returned as C(rpc), where that was measured.
    type: dict
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Report is written
  csd_report:
    folder: "{{ playbook_dir }}/../reports"
    results: ["{{ measurement }}"]
  delegate_to: localhost
"""

RETURN = r"""
actions:
  description: The report that was written, or in check mode would be.
  returned: success
  type: list
  elements: str
path:
  description: The latest report.
  returned: success
  type: str
  sample: /root/hello_ebpf/reports/latest/report.json
summary:
  description: The latest report in a few lines; empty where there is none.
  returned: success
  type: list
  elements: str
"""

from functools import partial
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.bench.figures import page
from ansible.module_utils.hello_ebpf.bench.report import assemble
from ansible.module_utils.hello_ebpf.bench.store import LATEST, NAME, render, write
from ansible.module_utils.hello_ebpf.bench.summary import summary
from ansible.module_utils.hello_ebpf.plan import errors_told, exit_with


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION, files=("results", "rpc")), supports_check_mode=True)
    asked = module.params
    folder = Path(asked["folder"])
    results = {result["label"]: result for result in asked["results"]}
    measured = {label: result["measurement"] for label, result in results.items() if result["changed"]}
    unavailable = {label: result for label, result in results.items() if result.get("unavailable")}
    make = partial(
        assemble,
        measurements=measured,
        labels=list(results),
        rpc=asked["rpc"],
        unavailable=unavailable,
        absent_hosts=asked["absent_hosts"],
    )
    with errors_told(module):
        outcome = write(folder, list(measured), make, check=module.check_mode)
    lines = summary(outcome.after) if outcome.after else []
    # Of what the page shows, with its charts, the action plugin makes report.html.
    shown = {"page": page(outcome.after)} if outcome.changed and not module.check_mode else {}
    exit_with(module, outcome, render, path=str(folder / LATEST / NAME), summary=lines, **shown)


if __name__ == "__main__":
    main()
