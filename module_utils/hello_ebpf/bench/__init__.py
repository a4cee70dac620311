# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The data set, the measurements on it, and the report.

program: the C program csd_bench, which moves and measures. dataset: the records on a device, as a state. target_cpu:
what the target's reactors were busy with. measurement: the runs of one host against one namespace. host: what the
machine is. report: measurements into one report, pure. store: the report's folder on the controller.
"""
