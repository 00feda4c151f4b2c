"""Which of several policies a pod gets: the first by name that takes it as it is, else the first that takes it changed.

Source: computeSecurityContext of plugin/pkg/admission/security/podsecuritypolicy/admission.go, Kubernetes 1.24.
"""

from __future__ import annotations

from krm_harden.model import LATEST
from krm_harden.psp.admission import admit
from krm_harden.psp.model import Chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from krm_harden.psp.model import PodSecurityPolicy


def choose(candidates: Iterable[PodSecurityPolicy], pod: Mapping[str, Any], server: tuple[int, int] = LATEST) -> Chosen:
    """The policy that a pod gets of those that it may use. `pod` is {metadata, spec}, as `created` makes it.

    Names are compared byte by byte, as Go does. What is changed is what the pod doesn't say yet.
    """
    tried = [admit(policy, pod, server) for policy in sorted(candidates, key=lambda one: one.name.encode())]
    admitting = [outcome for outcome in tried if outcome.admits]
    unchanged = (outcome for outcome in admitting if not outcome.mutates)
    return Chosen(next(unchanged, admitting[0] if admitting else None), tried)
