"""`python -m krm_harden`."""

from krm_harden.cli import main

raise SystemExit(main())
