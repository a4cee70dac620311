# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Questions about records on a drive, which the drive answers: docs/questions.md.

record: fields at their places. grammar: a question's text to its tree, or a refusal with its place. tree: conditions
over numbers of 64 bits. program: the tree to eBPF. summary: the state that it sums up in. elf: the object that the
drive loads. table: ask the drive.
"""
