"""Pods that don't ask the Kubernetes API get no token for it.

Beyond the Pod Security Standards. Only where the policy says `serviceAccountToken: {enabled: true}`.

**Protects from**: whoever breaks into the container speaks to the API server as its service account: the token is
mounted into each container, at /var/run/secrets/kubernetes.io/serviceaccount, whether or not the program knows of it.
Even without any rights of its own it says who the pod is, and it may do all that any account may.

**Fields**: `spec.automountServiceAccountToken`.

**Allowed**: `false`; or nothing, where the ServiceAccount in the input says `automountServiceAccountToken: false`, or
where something in the manifests shows that the API is used.

**Before** (with `controls: {serviceAccountToken: {enabled: true}}`):

    spec:
      containers:
      - name: web

**After**:

    spec:
      automountServiceAccountToken: false
      containers:
      - name: web

**Fix safety**: written only where nothing in the whole input shows that the API is used. What shows it: a RoleBinding
or ClusterRoleBinding for the pod's service account or for all of its namespace (one that only grants the use of
PodSecurityPolicies, or what each cluster grants to all, doesn't); a service account other than `default` that isn't in
the input; a token volume or a mount in the token's place; variables, arguments, probes and hooks that speak of it, such
as `KUBECONFIG`, `POD_NAMESPACE`, `--leader-elect`, `https://kubernetes.default`; kubectl, helm and the like; an image
whose name speaks of Kubernetes; a promised sidecar. With `required: true` these are warnings or errors that name what
was found.

**May break**: it always may: what a program does inside can't be seen from outside. One that asks the API after all
says `open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory`, or `unable to load
in-cluster configuration`, and mostly ends.

**Undo**: delete the field, or write `automountServiceAccountToken: true`, which stays. This, under `spec` of the
policy, leaves one workload alone:

    exemptions: [{match: {names: [scheduler]}, controls: [serviceAccountToken], reason: it starts Jobs through the API}]

**Reference**: kubernetes.io, "Configure Service Accounts for Pods", opt out of API credential automounting; CIS
Kubernetes Benchmark v1.9, 5.1.6.
"""

from __future__ import annotations

from krm_harden.controls import TOKEN, Control
from krm_harden.model import Proposal, Violation, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = "automountServiceAccountToken"
REASON = (
    "nothing in the manifests shows that it asks the Kubernetes API, and a program that does ends without its token"
)
NOTHING = Proposal("none", None, "the API is used, or may be")


def check(pod: Pod) -> Iterator[Violation]:
    current = pod.spec.get(FIELD)
    has_field = pod.context_pointer is not None and pod.context_pointer[:-1] == pod.spec_pointer
    if has_field and current is not False:
        cause = "missing" if current is None else "explicit" if current is True else "type"
        yield Violation((*pod.spec_pointer, FIELD), current, cause)


def propose(situation: Situation, violation: Violation) -> Proposal:
    """None in the first pass over an input, which gathers what the whole of it shows."""
    pod, known = situation.pod, situation.access
    if known is None:
        return NOTHING
    # Loaded with the first policy that asks.
    from krm_harden import access

    account = text(pod.spec.get("serviceAccountName")) or text(pod.spec.get("serviceAccount")) or "default"
    namespace = pod.resource.namespace
    if violation.current is None and known.is_off(namespace, account):
        return NOTHING
    injected = situation.injected()
    shown = (
        (f"{injected} promises a container that may use the token" if injected else "")
        or access.of_pod(pod)
        or known.of_account(namespace, account)
    )
    if not shown:
        return Proposal("default", False, REASON)
    if situation.settings.required(TOKEN):
        return Proposal("manual", None, f"{shown}: if it doesn't ask the API, write {FIELD}: false")
    return NOTHING


CONTROL = Control(
    TOKEN,
    "No token for the Kubernetes API",
    {(1, 0): check},
    propose,
    field=(FIELD,),
    on_windows=True,
    opt_in=True,
    safe=True,
    since=(0, 2),
)
