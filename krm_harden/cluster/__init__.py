"""A policy as the objects that hold it in the cluster: one file per target, found by listing this folder.

A target module has `SUMMARY` and `emitted(policy, options) -> Emitted`; `_name.py` are what several share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ACTIONS = ("deny", "warn", "audit")
"""What becomes of an object that the policy refuses: it isn't stored; or it is, and whoever sent it gets a warning; or
the audit log alone says so."""


@dataclass(frozen=True)
class Options:
    """What a command line says of the objects to write.

    `name` is the beginning of their names, `kubernetes` the version of the server that is to take them; `action` is one
    of ACTIONS, empty where the policy's own onViolation says it: deny for Fail, warn for Warn.
    """

    name: str = "krm-harden"
    kubernetes: tuple[int, int] = (1, 37)
    action: str = ""

    def action_for(self, on_violation: str) -> str:
        """What becomes of a violation where the policy says Fail or Warn."""
        return self.action or {"Fail": "deny", "Warn": "warn"}[on_violation]


@dataclass(frozen=True)
class Emitted:
    """Objects in the order in which they are to be applied, and what the target can't express of the policy.

    `cannot` are sentences that name the policy's field or the control and the reason. `tests` are further files, by
    their names, for the target's own test program: documents of YAML each.
    """

    objects: tuple[Mapping[str, Any], ...]
    cannot: tuple[str, ...] = ()
    tests: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)


def targets() -> list[str]:
    """The names of the targets, sorted."""
    import os

    return sorted(name[:-3] for name in os.listdir(__path__[0]) if name.endswith(".py") and not name.startswith("_"))
