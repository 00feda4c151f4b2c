# ruff: noqa: INP001 - a script
"""What the launcher runs: the packages of this folder, and of no other place."""

import sys

sys.path.append(f"{__file__.rpartition('/')[0]}/python3/dist-packages")

from krm_harden.cli import main

sys.exit(main())
