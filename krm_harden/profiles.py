"""Ready policies by name: what `spec.profile` and `--profile` stand for. Loaded only where a policy names one.

Each is a `spec` that says only what makes the profile; what it doesn't say has the policy's default, or is said by the
policy that names it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OFF = {"enabled": False}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "restricted": {"level": "restricted"},
    "baseline": {"level": "baseline"},
    # The restrictive example of the documentation of PodSecurityPolicy (policy/v1beta1, until Kubernetes 1.24): what it
    # asked for is what the level asks for; what it neither set nor refused is off.
    "psp-restricted": {
        "level": "restricted",
        "controls": {
            "environment": OFF,
            "fileCapabilities": OFF,
            "fsGroup": OFF,
            "numericGroup": OFF,
            "numericUser": OFF,
            "readOnlyRootFilesystem": OFF,
            "unprivilegedNetwork": OFF,
            "userNamespace": OFF,
        },
    },
    "audit": {"level": "restricted", "changes": "additive", "onViolation": "Warn", "immutable": "skip"},
}

FOR: Mapping[str, str] = {
    "restricted": "services that are to run in namespaces with `enforce: restricted`",
    "baseline": "a gate against what nobody needs, before anything is hardened",
    "psp-restricted": "clusters that come from PodSecurityPolicy, and teams that know its results",
    "audit": "the first merge request: what is sure, and a list of the rest",
}
"""Whom each is for, as the documentation says it."""
