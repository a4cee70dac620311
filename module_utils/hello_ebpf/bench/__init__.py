# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The data set, the measurements on it, and the report.

program: the C program csd_bench, which moves and measures. dataset: the records on a device, as a state. settings: how
it is measured. measurement: the runs of one host against one namespace. target: what it tells about itself. engine:
what a record costs there. link: a slower network. host: what the machine is. report: measurements into one report,
pure; spread, ratios, headlines, pairs: its parts. store: the report's folder on the controller. summary, figures: the
report for people; figures_*, tables, charts, units: the page's parts.
"""
