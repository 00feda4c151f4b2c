"""What the launcher runs: the packages of this folder, and of no other place."""

import sys

sys.path.append(f"{__file__.rpartition('/')[0]}/python3/dist-packages")

from krm_harden.cli import main  # noqa: E402 - found on the path above

sys.exit(main())
