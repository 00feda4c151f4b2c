"""A program that has a file capability keeps it where all capabilities are dropped: else it can't be executed.

Beyond the Pod Security Standards, which allow this one capability to be added.

**Protects from**: an accident, not an attack: with all capabilities dropped the kernel won't execute a program that
asks for one, and the container ends at once with `exec /usr/bin/caddy: operation not permitted`.

**Fields**: `spec.containers[*].securityContext.capabilities.add`, also of initContainers and ephemeralContainers. Not
on Windows.

**Allowed**: anything where capabilities stay as they are, or no file capability of the program is known; else
`NET_BIND_SERVICE` in the list.

**Before**:

    containers:
    - name: web
      image: caddy:2.6

**After**:

    containers:
    - name: web
      image: caddy:2.6
      securityContext:
        capabilities:
          add:
          - NET_BIND_SERVICE
          drop:
          - ALL

**Fix safety**: as safe as what is known of the image. Without it the kernel refuses to execute such a program (EPERM),
whatever port it listens on. Other file capabilities than this one make a container impossible to restrict. The
capability helps no other program: a process that isn't root doesn't get it by being named here.

**May break**: nothing that is known: the capability is one that restricted allows, and no process has it unless its
file asks for it. A rule of your own that wants an empty `add` refuses the pod: build the image without the file
capability (`setcap -r`), and have a low port by `unprivilegedNetwork`.

**Undo**: delete `add: [NET_BIND_SERVICE]` once the image has no such file any more; before, its program wouldn't start.
This, under `spec` of the policy, writes none:

    controls: {fileCapabilities: {enabled: false}}

**Reference**: capabilities(7), "Safety checking for capability-dumb binaries"; Pod Security Standards, restricted.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.images.facts import capabilities_of
from krm_harden.images.obstacles import KEPT_CAPABILITIES
from krm_harden.model import Operation, Proposal, Violation, mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = ("capabilities", "add")


NOTHING = Proposal("none", None, "no program with a file capability is known to lose it")


def check(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        added = sequence(mapping(container.security_context.get("capabilities")).get("add"))
        if not KEPT_CAPABILITIES.intersection(added):
            yield Violation((*container.pointer, "securityContext", *FIELD), list(added) or None, "missing", index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    facts = situation.facts(container)
    found = capabilities_of(facts, situation.programs(container)) if facts.value("fileCapabilities") else []
    kept = [(path, name) for path, name in found if name in KEPT_CAPABILITIES]
    if not kept or not situation.fixes("capabilities_restricted", container):
        return NOTHING
    path, name = kept[0]
    reason = f"{path} has this file capability: without it, it can't be executed"
    write = Operation("add", (*violation.pointer, "-"), name)
    basis = "evidence" if facts.sure("fileCapabilities") else "default"
    return Proposal(basis, [name], reason, facts.evidence("fileCapabilities"), (write,))


CONTROL = Control(
    "fileCapabilities",
    "File capabilities that are needed",
    {(1, 0): check},
    propose,
    concerns=lambda situation: situation.knows("fileCapabilities"),
    field=FIELD,
    since=(0, 2),
)
