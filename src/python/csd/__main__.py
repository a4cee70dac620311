# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""python -m csd: the command-line tool."""

import sys

from .tool.main import main

sys.exit(main())
