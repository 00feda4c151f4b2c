"""A policy as the objects that hold it in the cluster: one file per target, found by listing this folder.

A target module has `SUMMARY` and `emitted(policy, options) -> Emitted`; `_name.py` are what several share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(frozen=True)
class Options:
    """What a command line says of the objects to write.

    `name` is the beginning of their names, `kubernetes` the version of the server that is to take them; `dry_run`: they
    warn and audit, and refuse nothing.
    """

    name: str = "krm-harden"
    kubernetes: tuple[int, int] = (1, 37)
    dry_run: bool = False


@dataclass(frozen=True)
class Emitted:
    """Objects in the order in which they are to be applied, and what the target can't express of the policy.

    `cannot` are sentences that name the policy's field or the control and the reason.
    """

    objects: tuple[Mapping[str, Any], ...]
    cannot: tuple[str, ...] = ()


def targets() -> list[str]:
    """The names of the targets, sorted."""
    import os

    return sorted(name[:-3] for name in os.listdir(__path__[0]) if name.endswith(".py") and not name.startswith("_"))
