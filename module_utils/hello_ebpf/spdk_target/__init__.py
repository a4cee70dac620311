# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target's object tree: what is declared, what is there, and the way from one to the other.

bdevs, subsystems: the objects, as they are declared, with every check that needs no target, and as SPDK tells them.
tree: all of a target's. goal: what the declaration means for the tree that was found. changes: the RPCs from one tree
to another. saved: SPDK's own configuration file. ports: who listens where. reconcile: all of it as one read-plan-apply.
"""
