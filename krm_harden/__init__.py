"""Hardens Kubernetes manifests to the Pod Security Standard `restricted`, with the smallest possible diff.

    from krm_harden import Policy, check, harden

    result = harden(text)                       # the text with its changes, findings and operations
    result = check(text, Policy.from_dict(...)) # findings only

Names are loaded when they are used: a pipeline calls `krm-harden` hundreds of times.
"""

from __future__ import annotations

__version__ = "0.2.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from krm_harden.api import Policy, Result, check, harden

__all__ = ["Policy", "Result", "__version__", "check", "harden"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from krm_harden import api

    return getattr(api, name)
