"""A program finds the folders that it can write as another user, or with a read-only root filesystem.

Beyond the Pod Security Standards.

**Protects from**: an accident, not an attack: the new user has no home, so the program ends with `Permission denied` on
/root or `$HOME`, and the hardening is taken back for good. This control goes with `numericUser` and
`readOnlyRootFilesystem`.

**Fields**: `spec.containers[*].env`, also of initContainers and ephemeralContainers. Not on Windows.

**Allowed**: anything where nothing is known of the image's variables, or where neither its user nor its root filesystem
changes in this run.

**Before** (with `images: [{match: "registry.example/app:*", env: {HOME: /tmp}}]`):

    containers:
    - name: app
      image: registry.example/app:2

**After**:

    containers:
    - name: app
      image: registry.example/app:2
      env:
      - name: HOME
        value: /tmp

**Fix safety**: as safe as what is known of the image. A variable that the container sets itself stays. A program that
must own its data folder (Postgres' initdb) gets one below the fresh volume that is or comes there, by its own variable,
where `controls.numericUser.dataSubfolder` isn't false; on a claim it is never moved.

**May break**: what reads the variable for something else too: a script that looks for its files in `$HOME` finds an
empty folder. A data folder that moved below its volume isn't found by tools with a fixed path: set the same variable
for them.

**Undo**: delete the variable. Under `spec` of the policy, the first gives another value, the second writes none:

    images: [{match: "registry.example/app:*", env: {HOME: /data}}]
    controls: {environment: {enabled: false}}

**Reference**: docker-library/docs, postgres, `PGDATA`; kubernetes.io, "Define environment variables for a container".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.images.obstacles import FRESH, owned_folder, subfolders, variable
from krm_harden.model import Operation, Proposal, Violation, mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod


NOTHING = Proposal("none", None, "no variable is known to be needed")


def check(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        yield Violation((*container.pointer, "env"), None, "missing", index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    facts = situation.facts(container)
    if facts.value("env") is None and facts.value("ownedFolder") is None:
        return NOTHING
    found = {name: said for name, *said in _wanted(situation, container) if variable(container, name) is None}
    if not found or not _changes(situation, container):
        return NOTHING
    value = [{"name": name, "value": text} for name, (text, _) in found.items()]
    facts = situation.facts(container)
    fields = dict.fromkeys(field for _, field in found.values())
    evidence = "; ".join(dict.fromkeys(facts.evidence(field) for field in fields))
    writes = tuple(Operation("add", (*violation.pointer, "-"), item) for item in value)
    if sequence(container.data.get("envFrom")):
        reason = f"it goes before what envFrom may say of {', '.join(found)}"
        return Proposal("default", value, reason, evidence, writes)
    if all(facts.sure(field) for field in fields):
        return Proposal("evidence", value, "", evidence, writes)
    return Proposal("default", value, f"{evidence} only guesses what it needs: test it", evidence, writes)


def _wanted(situation: Situation, container: Container) -> Iterator[tuple[str, str, str]]:
    """The variables that a container needs: (name, value, the field that says so)."""
    facts = situation.facts(container)
    for name, value in mapping(facts.value("env")).items():
        yield name, value, "env"
    path = owned_folder(situation, container, FRESH) if subfolders(situation) else ""
    if path:
        owned = facts.value("ownedFolder")
        yield owned["variable"], f"{path.rstrip('/')}/{owned['subfolder']}", "ownedFolder"


def _changes(situation: Situation, container: Container) -> bool:
    """Whether a container gets another user, or a read-only root filesystem, in this run."""
    return bool(situation.new_user(container) or situation.fixes("readOnlyRootFilesystem", container))


CONTROL = Control(
    "environment",
    "Variables that name writable folders",
    {(1, 0): check},
    propose,
    concerns=lambda situation: situation.knows("env", "ownedFolder"),
    since=(0, 2),
)
