# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Programs in the slots of a target's compute namespaces: what is declared, what is there, and the way to it.

compile: C source to ELF. programs: what is declared. slots: what the target tells of them, or what it will start with.
reconcile: all of it as one read-plan-apply.
"""
