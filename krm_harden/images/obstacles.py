"""What stops a container from running restricted, whatever is written: each reason with its code."""

from __future__ import annotations

from krm_harden.images import command_lines
from krm_harden.images.command_lines import OWNERSHIP
from krm_harden.images.facts import capabilities_of
from krm_harden.model import mapping, sequence
from krm_harden.scalars import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.images.facts import WritablePath
    from krm_harden.model import Container, Pointer

KEPT_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
"""What restricted lets a container add."""
OF_ROOT = frozenset({"needs-root", "switches-users", "changes-owners"})
"""Reasons that are void where a manifest names another user than root: it runs as that one already."""
HOST_AGENT = "host-agent"
"""Void where a pod asks for nothing of its node: images of agents also hold operators and one-off jobs."""
WINDOWS = "windows"
"""Void where a pod says that it is for Windows: then only what Windows has is asked for."""
PRIVILEGED_PORTS = range(1, 1024)
FRESH = ("emptyDir", "ephemeral")
"""Volumes that are new with each pod."""


def found(situation: Situation, container: Container) -> Iterator[tuple[str, str]]:
    """The reasons why a container can't run restricted as it is: (code, reason)."""
    facts = situation.facts(container)
    settled = bool(situation.user(container)) or truth(situation.effective(container, "runAsNonRoot")) is True
    known = mapping(facts.value("cannotRestrict")) if facts.sure("cannotRestrict") else {}
    if known and not (_is_void(situation, known["code"]) or (settled and known["code"] in OF_ROOT)):
        yield known["code"], f"{known['reason']} ({facts.evidence('cannotRestrict')})"
    started = situation.programs(container)
    code, reason = command_lines.needs_root(started)
    if code and not settled:
        yield code, reason
    for path, capability in capabilities_of(facts, started) if facts.sure("fileCapabilities") else ():
        if capability not in KEPT_CAPABILITIES:
            yield "file-capability", f"{path} has the file capability {capability}: without it, it can't be executed"
    target = command_lines.writes_into_root(container)
    if target and not situation.is_mounted(container, target):
        yield "writes-to-root", f"its command writes {target}, and no volume can make / writable"
    if not settled:
        yield from _of_new_user(situation, container)


def doubt(situation: Situation, container: Container) -> str:
    """Why a container probably needs root, where that isn't sure enough to refuse it; or empty."""
    if not situation.knows_images:
        return ""
    installer = command_lines.installs_packages(container)
    if installer:
        return f"its command installs packages with {installer}, which takes root and a writable root filesystem"
    if OWNERSHIP.intersection(command_lines.programs_of(container)):
        return "its command changes owners, which takes root"
    known = situation.facts(container).fact("cannotRestrict")
    return f"it may need root: {known.value['reason']} ({known.evidence})" if known and not known.sure else ""


def _is_void(situation: Situation, code: str) -> bool:
    return (code == HOST_AGENT and not _on_host(situation)) or (code == WINDOWS and situation.on_windows)


def _on_host(situation: Situation) -> bool:
    """Whether a pod has a part of its node: its namespaces, its files or its privileges."""
    pod = situation.pod
    shares = any(pod.spec.get(name) is True for name in ("hostNetwork", "hostPID", "hostIPC"))
    privileged = any(one.security_context.get("privileged") is True for one in pod.containers)
    return shares or privileged or any("hostPath" in mapping(volume) for volume in situation.volume_names.values())


def _of_new_user(situation: Situation, container: Container) -> Iterator[tuple[str, str]]:
    """What stops a container that would be root no more."""
    facts = situation.facts(container)
    if container.role == "init" and command_lines.owner_given(container):
        yield "changes-owners", "it changes owners, which takes root: set controls.fsGroup.replaceChown: true"
    if facts.value("uid") is not None and facts.value("uid") == facts.value("defaultUser"):
        return
    path = owned_folder(situation, container, FRESH) if facts.sure("ownedFolder") else ""
    if path and not subfolders(situation):
        owned = facts.value("ownedFolder")
        below = f"set {owned['variable']} to a folder below it"
        yield "needs-own-folder", f"its program must own {path}, which a fresh volume doesn't let it: {below}"
    path = next((path.path for path in unseeded(situation, container) if not path.owned), "")
    if path:
        yield "needs-init-copy", f"it writes {path}, where its image ships files that it needs: {seeding(situation)}"


def privileged_port(situation: Situation, container: Container) -> int:
    """The first port below 1024 that a container listens on, without a file capability that does it; 0 if none."""
    facts = situation.facts(container)
    declared = [mapping(port).get("containerPort") for port in sequence(container.data.get("ports"))]
    for port in (*declared, *sequence(facts.value("ports"))):
        if isinstance(port, int) and port in PRIVILEGED_PORTS:
            held = capabilities_of(facts, situation.programs(container)) if facts.value("fileCapabilities") else []
            return 0 if any(name == "NET_BIND_SERVICE" for _, name in held) else port
    return 0


def owned_folder(situation: Situation, container: Container, kinds: Sequence[str]) -> str:
    """The folder that a container's program insists on owning, where a volume of some kinds is mounted right there.

    So it is, too, where the folder has no volume: what a program writes gets an emptyDir with a new user or a read-only
    root.
    """
    owned = situation.facts(container).value("ownedFolder")
    if not owned or not situation.knows_images:
        return ""
    said = variable(container, owned["variable"])
    path = owned["path"] if said is None else str(mapping(said).get("value") or "")
    for mount in sequence(container.data.get("volumeMounts")):
        same = str(mapping(mount).get("mountPath")).rstrip("/") == path.rstrip("/")
        if same and not mapping(mount).get("subPath") and any(kind in situation.volume_of(mount) for kind in kinds):
            return str(path)
    unmounted = kinds == FRESH and path and not situation.is_mounted(container, path)
    written = {known.path.rstrip("/") for known in known_paths(situation, container) if known.seed != "copy"}
    return str(path) if unmounted and path.rstrip("/") in written else ""


def variable(container: Container, name: str) -> object | None:
    """The entry of a container's env by its name, or None."""
    return next((item for item in sequence(container.data.get("env")) if mapping(item).get("name") == name), None)


def subfolders(situation: Situation) -> bool:
    """Whether the policy lets a program's data go into a folder of its own on a fresh volume."""
    return bool(situation.settings.control("numericUser").get("dataSubfolder", True))


def known_paths(situation: Situation, container: Container) -> Sequence[WritablePath]:
    """The folders that somebody says a container writes."""
    return situation.facts(container).value("writablePaths") or ()


def unseeded(situation: Situation, container: Container) -> Iterator[WritablePath]:
    """The folders that a container must write, has no volume for, and that an emptyDir would hide files in."""
    if not situation.facts(container).sure("writablePaths") or can_copy(situation, container):
        return
    for path in known_paths(situation, container):
        if path.seed == "copy" and not path.optional and not situation.is_mounted(container, path.path):
            yield path


def seeding(situation: Situation) -> str:
    """What to do about files of an image that an emptyDir would hide."""
    if situation.settings.control("readOnlyRootFilesystem").get("initCopy", False):
        return "nothing can come before it to copy them: give it a volume that holds them"
    return "set controls.readOnlyRootFilesystem.initCopy: true"


def can_copy(situation: Situation, container: Container) -> bool:
    """Whether an init container may come before a container, to fill its folders from the image."""
    asked = bool(situation.settings.control("readOnlyRootFilesystem").get("initCopy", False))
    return asked and container.role == "container" and init_containers(situation) is not None


def init_containers(situation: Situation) -> Pointer | None:
    """Where a pod's init containers lie, None where its kind has them elsewhere or not at all."""
    pod = situation.pod
    is_plain = pod.context_pointer is not None and pod.context_pointer[:-1] == pod.spec_pointer
    return (*pod.spec_pointer, "initContainers") if is_plain and pod.spec_pointer[-1] == "spec" else None
