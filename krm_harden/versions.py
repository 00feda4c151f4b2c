"""The versions of our own objects, as their apiVersion says: which are read, what differs between them, and how long.

The promise of docs/policy-versions.md as a table. What only has to know whether a version is read takes
`model.API_VERSIONS`, which a run loads anyway.
"""

from __future__ import annotations

from krm_harden.model import API_VERSION, API_VERSIONS, KIND, LOCK_KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GROUP = API_VERSION.partition("/")[0]
KINDS = (KIND, LOCK_KIND, "Inventory")
"""The kinds of the group; a version is one of all of them."""


class Version:
    """One version: the release that reads it first, until when it is read, and what it says unlike the one before."""

    __slots__ = ("differs", "name", "since", "until")

    def __init__(self, name: str, *, since: str, until: str, differs: str) -> None:
        self.name = name
        self.since = since
        self.until = until
        self.differs = differs

    @property
    def api_version(self) -> str:
        return f"{GROUP}/{self.name}"


VERSIONS = (
    Version("v1alpha1", since="0.1", until="every 1.x", differs="what new files get until 1.0"),
    Version("v1", since="0.2", until="every 1.x, and on", differs="nothing: the same fields mean the same"),
)
"""Oldest first, as in `model.API_VERSIONS`."""


def is_ours(data: Any) -> bool:
    """Whether an object is one of our kinds and group, whatever its version."""
    if not isinstance(data, dict) or data.get("kind") not in KINDS:
        return False
    stated = data.get("apiVersion")
    return isinstance(stated, str) and stated.startswith(f"{GROUP}/")


def unread(found: Any) -> str:
    """What to say of an apiVersion that isn't read."""
    return f"apiVersion must be one of {', '.join(API_VERSIONS)}, not {found!r}"
