"""Containers must not gain more privileges than their parent process: no setuid, no file capabilities.

**Protects from**: a program with the setuid bit, or with file capabilities, that makes root out of an ordinary user:
whoever gets into the service needs only one of them with a bug, such as sudo (CVE-2021-3156) or pkexec (CVE-2021-4034).
The kernel's `no_new_privs`, which this field sets, makes the bit void for all that the container starts.

**Fields**: `spec.containers[*].securityContext.allowPrivilegeEscalation`, also of initContainers and
ephemeralContainers. Not on Windows, from v1.25.

**Allowed**: `false`.

**Before**:

    containers:
    - name: web

**After**:

    containers:
    - name: web
      securityContext:
        allowPrivilegeEscalation: false

**Fix safety**: safe; services don't notice. Programs that use sudo or another setuid binary do break: where
the command names one, the change is a default, marked `may-break`. `true` stays, unless `explicit: override` says
otherwise. Beside `privileged: true` or `CAP_SYS_ADMIN` the API refuses `false`, and beside `SYS_ADMIN` too Kubernetes
takes it for true: there it is left to you, unless an override takes the capability away.

**May break**: sudo, su and whatever else relies on the bit: `sudo: The "no new privileges" flag is set, which prevents
sudo from running as root`; busybox's `su: must be suid to work properly`. Let the program start as the user that it
needs in place of changing to it.

**Undo**: delete `allowPrivilegeEscalation: false`. Under `spec` of the policy, the first keeps it out of one workload,
the second out of all:

    exemptions: [{match: {names: [web]}, controls: [allowPrivilegeEscalation], reason: cron jobs call sudo}]
    controls: {allowPrivilegeEscalation: {enabled: false}}

**Reference**: Pod Security Standards, restricted, from v1.8; CIS Kubernetes Benchmark v1.9, 5.2.6; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation, sequence
from krm_harden.scalars import truth
from krm_harden.wording import containers, must_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod

FIELD = "allowPrivilegeEscalation"
SETUID_PROGRAMS = frozenset({"sudo", "su", "doas", "pkexec", "newuidmap", "newgidmap"})


def check_1_8(pod: Pod) -> Iterator[Violation]:
    """Every container says false itself: there is nothing to inherit."""
    for index, container in enumerate(pod.containers):
        current = container.security_context.get(FIELD)
        if current is not False:
            cause = "missing" if current is None else "explicit" if truth(current) else "type"
            yield Violation((*container.pointer, "securityContext", FIELD), current, cause, index)


def check_1_25(pod: Pod) -> Iterator[Violation]:
    """The field has no meaning on Windows."""
    return iter(()) if pod.is_windows else check_1_8(pod)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    if container.security_context.get("privileged") is True:
        return Proposal("manual", False, "the API refuses false beside privileged: true: remove privileged first")
    added = sequence(_capabilities(container).get("add"))
    held = [name for name in ("CAP_SYS_ADMIN", "SYS_ADMIN") if name in added]
    if held and not situation.additions_go(container):
        return Proposal("manual", False, f"it is always true beside {held[0]}: remove that from capabilities.add first")
    code, reason = situation.refusal(container)
    if code == "gains-privileges":
        return Proposal("manual", False, f"it gains privileges when it starts ({reason})", code=code)
    program = _setuid_program(container)
    if program:
        return Proposal("default", False, f"its command runs {program}, which is setuid and may break")
    return Proposal("safe", False)


def instead(_pod: Pod, _violation: Violation) -> str:
    return "set it to false, and start the program without sudo or another setuid binary"


def _capabilities(container: Container) -> dict[str, object]:
    capabilities = container.security_context.get("capabilities")
    return capabilities if isinstance(capabilities, dict) else {}


def _setuid_program(container: Container) -> str:
    words = [*sequence(container.data.get("command")), *sequence(container.data.get("args"))]
    for word in " ".join(str(word) for word in words).split():
        if word.rpartition("/")[2] in SETUID_PROGRAMS:
            return word
    return ""


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    names = containers(pod, violations)
    return "allowPrivilegeEscalation != false", must_set(names, "allowPrivilegeEscalation=false")


CONTROL = Control(
    "allowPrivilegeEscalation",
    "No privilege escalation",
    {(1, 8): check_1_8, (1, 25): check_1_25},
    propose,
    forbidden,
    field=(FIELD,),
    instead=instead,
    safe=True,
)
