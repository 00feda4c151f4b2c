"""Who a container runs as, for the controls that write a user, a group, or what depends on them."""

from __future__ import annotations

from krm_harden.decide import DATA_VOLUMES, NO_GROUP_VOLUMES
from krm_harden.images.obstacles import FRESH, doubt, owned_folder, privileged_port
from krm_harden.model import Proposal, mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from krm_harden.decide import Situation
    from krm_harden.images.facts import ImageFacts
    from krm_harden.model import Container

ID = "numericUser"
DEFAULT_UID = 10001
USER_NAMESPACES = (1, 35)
"""The first version of the standard that lets root be root within a user namespace."""


def our_user(situation: Situation) -> int:
    """The uid for an image that nobody described."""
    uid: int = situation.settings.control(ID).get("uid", DEFAULT_UID)
    return uid


def user(situation: Situation, container: Container) -> Proposal:
    """The uid that a container should get, how sure that is, and why; several controls ask."""
    found = situation.users.get(container)
    if found is None:
        found = situation.users[container] = _user(situation, container)
    return found


def _user(situation: Situation, container: Container) -> Proposal:
    facts = situation.facts(container)
    uid = facts.value("uid")
    if uid == 0:
        reason = f"the image {container.image} runs as root: use one that doesn't, or try a runAsUser of your own"
        return Proposal("manual", None, reason, facts.evidence("uid"), code="needs-root")
    if uid is not None:
        return _known(situation, container, facts)
    return _guessed(situation, container, facts)


def _known(situation: Situation, container: Container, facts: ImageFacts) -> Proposal:
    uid, evidence = facts.value("uid"), facts.evidence("uid")
    # Files on a volume belong to the user that the image has had: one who stays the same changes nothing.
    changes = facts.value("defaultUser") != uid
    sure = facts.sure("uid")
    mount = situation.data_mount(container) if changes else ""
    if mount and not sure:
        return _unowned(mount)
    basis, reason = ("evidence", "") if sure else ("default", f"{evidence} only guesses its user: test it")
    if sure and situation.knows_images:
        doubt = _doubt(situation, container, facts) if changes else ""
        basis, reason = ("default", doubt) if doubt else (basis, reason)
    return Proposal(basis, uid, reason, evidence)


def _doubt(situation: Situation, container: Container, facts: ImageFacts) -> str:
    """What may still break a container under a user that is known."""
    uid = facts.value("uid")
    if owned_folder(situation, container, ("persistentVolumeClaim",)):
        variable = facts.value("ownedFolder")["variable"]
        return f"a claim that is still empty can't be initialised by {uid}: it needs {variable} to be a folder below it"
    port = privileged_port(situation, container) if situation.pod.spec.get("hostNetwork") is True else 0
    if port:
        return f"on the network of the node {uid} can't listen on port {port}: give it a higher one"
    mount = situation.data_mount(container, NO_GROUP_VOLUMES)
    return f"no fsGroup reaches the volume {mount}: its files must be writable for {uid}" if mount else ""


def _guessed(situation: Situation, container: Container, facts: ImageFacts) -> Proposal:
    # For an image that runs as any user a group is enough to write to a claim; it doesn't reach NFS and host paths.
    grouped = situation.knows_images and facts.value("anyUid") and situation.pod.context_pointer is not None
    mount = situation.data_mount(container, NO_GROUP_VOLUMES if grouped else DATA_VOLUMES)
    if mount:
        return _unowned(mount)
    if not situation.knows_images:
        return Proposal("default", our_user(situation), situation.unknown(container, "its user"))
    if not facts and situation.effective(container, "runAsNonRoot") is True:
        return Proposal("none", None, "its image has a numeric user other than root, else it wouldn't start")
    if not facts.value("anyUid"):
        return _unknown(situation, container)
    who = facts.evidence("dependsOnCommand", "anyUid")
    if facts.sure("anyUid") and not facts.value("dependsOnCommand"):
        return Proposal("evidence", _neighbour(situation, container), "", who)
    reason = doubt(situation, container) or f"{who}: any user does for the image, but its command may want another"
    return Proposal("default", _neighbour(situation, container), reason, who)


def _unknown(situation: Situation, container: Container) -> Proposal:
    mode = situation.settings.unknown_user
    reason = doubt(situation, container) or situation.unknown(container, "its user")
    if situation.pod.host_users_off and not namespace_obstacle(situation):
        return Proposal("none", None, "the pod has a user namespace: its image keeps its own user")
    if mode == "uid":
        return Proposal("default", _neighbour(situation, container), reason)
    if mode == "userNamespace" and not namespace_obstacle(situation):
        return Proposal("none", None, "root within the pod's user namespace is nobody outside of it")
    return Proposal("manual", None, reason, code="unknown-image")


ROOT_STAYS = f"its image starts as root, and no runAsUser is written: set one, or let the control {ID} do it"


def starts_as_root(situation: Situation, container: Container) -> bool:
    """Whether an image is known to start as root, and this run leaves it so."""
    if not situation.knows_images or situation.settings.platform == "openshift":
        return False
    is_root = situation.facts(container).value("defaultUser") == 0 and situation.user(container) is None
    return is_root and not situation.writes(ID, container)


def in_user_namespace(situation: Situation, container: Container) -> bool:
    """Whether the pod has, or gets, a user namespace in place of the user of an image that nobody described."""
    has = situation.pod.host_users_off or situation.fixes("userNamespace", None) is not None
    return has and wants_user_namespace(situation, container)


def wants_user_namespace(situation: Situation, container: Container) -> bool:
    """Whether a user namespace is to stand in for the user of an image that nobody described."""
    if situation.settings.unknown_user != "userNamespace" or not situation.knows_images:
        return False
    facts = situation.facts(container)
    unknown = facts.value("uid") is None and not facts.value("anyUid") and not situation.user(container)
    return unknown and not namespace_obstacle(situation) and not situation.data_mount(container)


def namespace_obstacle(situation: Situation) -> str:
    """Why a pod can't have a user namespace of its own, or empty."""
    pod = situation.pod
    if min(situation.settings.asked.version, pod.server) < USER_NAMESPACES:
        return "the standard accepts root in a user namespace from v1.35 only"
    if pod.context_pointer is None or pod.context_pointer[:-1] != pod.spec_pointer:
        return f"a {pod.resource.kind} has no hostUsers"
    if pod.spec.get("hostUsers") is True:
        return "its author says hostUsers: true"
    host = next((name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name) is True), "")
    return f"the API refuses hostUsers: false beside {host}" if host else ""


def _unowned(mount: str) -> Proposal:
    reason = f"it writes to the volume {mount}, whose files belong to a user that only the image knows"
    return Proposal(
        "manual",
        None,
        f"{reason}: name it under images in the policy, or run `krm-harden images resolve`",
        code="unknown-image",
    )


def _neighbour(situation: Situation, container: Container) -> int:
    """The uid of a container that shares a volume, so that both can read what either writes; else our own."""
    found = []
    for name in _shared_volumes(situation, container):
        others = _users_of_volumes(situation).get(name, [])
        found += [(index, uid) for index, uid in others if situation.pod.containers[index] is not container][:1]
    return min(found)[1] if found else our_user(situation)


def _shared_volumes(situation: Situation, container: Container) -> set[str]:
    return {
        str(mapping(mount).get("name"))
        for mount in sequence(container.data.get("volumeMounts"))
        if any(kind in situation.volume_of(mount) for kind in (*FRESH, *DATA_VOLUMES))
    }


def _users_of_volumes(situation: Situation) -> Mapping[str, list[tuple[int, int]]]:
    """For each volume the first two containers that mount it and whose user is known: (index, uid)."""
    if situation.users_of_volumes is None:
        found = situation.users_of_volumes = {}
        for index, container in enumerate(situation.pod.containers):
            facts = situation.facts(container)
            uid = situation.user(container) or facts.value("uid")
            if uid and facts.value("keepsUser") is not True:
                for mount in sequence(container.data.get("volumeMounts")):
                    known = found.setdefault(str(mapping(mount).get("name")), [])
                    if len(known) < 2 and (index, uid) not in known:
                        known.append((index, uid))
    return situation.users_of_volumes
