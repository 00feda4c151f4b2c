"""Containers on Windows must not run as processes of their node.

**Protects from**: everything on the node: a HostProcess container runs on the node itself, with its network, its files
and a user of the node, up to the system's own account. No isolation is left that an intruder would have to break.

**Fields**: `spec.securityContext.windowsOptions.hostProcess` and
`spec.containers[*].securityContext.windowsOptions.hostProcess`, also of initContainers and ephemeralContainers.

**Allowed**: `false`, or nothing.

**Before**:

    securityContext:
      windowsOptions:
        hostProcess: true

**After** (by hand):

    securityContext:
      windowsOptions:
        runAsUserName: ContainerUser

**Fix safety**: never changed: such pods manage their node. They belong in a namespace of their own and into an
exemption.

**May break**: what you take away by hand: the program can't manage the node any more, and `hostNetwork: true`, which
such pods must have, has to go with it. What only needs files or metrics of the node gets them by a CSI driver or an
agent.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions:
    - match: {kinds: [DaemonSet], names: [node-setup]}
      controls: [windowsHostProcess]
      reason: sets up its node's network

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.11.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation, mapping
from krm_harden.wording import setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = ("windowsOptions", "hostProcess")


def check_1_0(pod: Pod) -> Iterator[Violation]:
    """The pod's field and the containers' are judged on their own."""
    options = pod.security_context.get("windowsOptions")
    if options and pod.context_pointer is not None and options.get("hostProcess") is True:
        yield Violation((*pod.context_pointer, *FIELD), True, "manual")
    for index, container in enumerate(pod.containers):
        options = container.security_context.get("windowsOptions")
        if options and mapping(options).get("hostProcess") is True:
            yield Violation((*container.pointer, "securityContext", *FIELD), True, "manual", index)


def propose(_situation: Situation, _violation: Violation) -> Proposal:
    return Proposal("manual", None, "remove hostProcess; what manages the node belongs in an exempt namespace")


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    return "hostProcess", f"{setters(pod, violations)} must not set securityContext.windowsOptions.hostProcess=true"


CONTROL = Control(
    "windowsHostProcess",
    "No processes of a Windows node",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    keys=FIELD[:1],
    level="baseline",
    field=FIELD,
    on_windows=True,
    safe=True,
)
