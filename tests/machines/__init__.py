# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the scenarios run on: images without a registry, docker and QEMU, and the run itself. Only the stdlib."""
