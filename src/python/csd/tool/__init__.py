# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The command-line tool csd.

arguments: the command line. connect: which drive, which way. actions: what each command does, as data. show: that data
as tables. main: one after the other.
"""
