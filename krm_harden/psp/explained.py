"""What reports and people call the fields of PodSecurityPolicies, and what is written about each."""

from __future__ import annotations

from krm_harden.controls import POD_SECURITY_POLICY, POD_SECURITY_POLICY_IDS
from krm_harden.psp.fields import documentation as _of_field
from krm_harden.psp.model import KIND, PREFIX

TITLE = f"All that a {KIND} sets and refuses"
PAGE = f"""{TITLE}.

A {KIND} (policy/v1beta1, extensions/v1beta1) is taken in place of a HardeningPolicy: as `--policy`, as
functionConfig, in `spec.podSecurityPolicy` of a HardeningPolicy, or among the manifests. It sets and refuses what it
did in Kubernetes 1.24, in the words of its API server.

**Sets**: what the policy sets where a pod says nothing, at the same place: the container's, or the pod's.

**Refuses**: what the policy refuses in what comes of that. Nothing is ever changed that an author wrote.

**Undo**: delete what was written. Under `spec` of a HardeningPolicy, the first leaves one field of the policy alone in
one workload, the second all of them:

    exemptions: [{{match: {{names: [web]}}, controls: [podSecurityPolicy.runAsUser], reason: as its image}}]
    exemptions: [{{match: {{names: [web]}}, controls: [podSecurityPolicy], reason: not ours}}]

**Reference**: kubernetes 1.24, pkg/security/podsecuritypolicy; `krm-harden psp` replaces whole set-ups.
"""


def is_ours(name: str) -> bool:
    """Whether a control is about PodSecurityPolicies."""
    return name == POD_SECURITY_POLICY or name in POD_SECURITY_POLICY_IDS


def names() -> list[str]:
    """Every such control, the one that stands for all first."""
    return [POD_SECURITY_POLICY, *POD_SECURITY_POLICY_IDS]


def title(name: str) -> str:
    """What one is about, in a few words."""
    return TITLE if name == POD_SECURITY_POLICY else documentation(name).partition("\n")[0].removesuffix(".")


def documentation(name: str) -> str:
    """All about one, as Markdown."""
    if name == POD_SECURITY_POLICY:
        return PAGE.strip()
    return _of_field(name.removeprefix(PREFIX)).strip()
