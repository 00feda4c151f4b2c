"""`python -m krm_harden`."""

from krm_harden.cli import script

if __name__ == "__main__":  # processes that a cluster starts here import this module, too
    script()
