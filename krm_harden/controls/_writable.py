"""The folders that a container writes: an emptyDir for each, filled from the image where that is asked for."""

from __future__ import annotations

from krm_harden.controls._users import our_user, user
from krm_harden.images.command_lines import made_folders
from krm_harden.images.obstacles import can_copy, init_containers, known_paths
from krm_harden.model import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.images.facts import WritablePath
    from krm_harden.model import Container

ID = "readOnlyRootFilesystem"
DEFAULT_PATHS = ("/tmp",)  # noqa: S108 - a path in a container
MAX_LABEL = 63
COPY_FOLDER = "/krm-harden-copy"
"""Where an init container sees the emptyDir that it fills."""


def default_paths(situation: Situation) -> Sequence[str]:
    """The folders that a container gets whose image nobody described."""
    paths: Sequence[str] = situation.settings.control(ID).get("writablePaths", DEFAULT_PATHS)
    return paths


def wanted_beside(situation: Situation, container: Container, *, sure: bool) -> Sequence[str]:
    """The folders that a container gets beside those that are known: what its command makes, and else the default."""
    made = made_folders(container) if situation.knows_images else []
    return list(dict.fromkeys([*made, *(() if sure else default_paths(situation))]))


def mounts(situation: Situation, container: Container) -> Iterator[Operation]:
    """The volumes and mounts of the folders that somebody says a container writes, as far as they aren't there."""
    for path in known_paths(situation, container):
        if situation.is_mounted(container, path.path):
            continue
        if path.seed != "copy":
            yield from empty_dir(situation, container, path.path, path.size_limit)
        elif not path.optional and can_copy(situation, container):
            yield from empty_dir(situation, container, path.path, path.size_limit)
            yield _copy(situation, container, path)


def empty_dir(situation: Situation, container: Container, path: str, size_limit: str = "") -> Iterator[Operation]:
    """An emptyDir of its own for one folder of a container."""
    name = volume_name(situation, container.name, path)
    yield Operation("add", (*container.pointer, "volumeMounts", "-"), {"name": name, "mountPath": path})
    if name not in situation.volume_names:
        volume = {"name": name, "emptyDir": {"sizeLimit": size_limit} if size_limit else {}}
        situation.volume_names[name] = volume
        yield Operation("add", (*situation.pod.volumes_pointer, "-"), volume)


def _copy(situation: Situation, container: Container, path: WritablePath) -> Operation:
    """An init container of the same image that fills the emptyDir of one folder; restricted itself.

    An exemption that names the container doesn't name this one: it says all that a second run would say.
    """
    context: dict[str, Any] = {"runAsNonRoot": True}
    if situation.settings.platform != "openshift":
        # It mounts nothing but what it fills: what keeps a user from its container doesn't keep it from this one.
        known = user(situation, container).value or situation.facts(container).value("uid")
        uid = situation.user_after(container) or known or our_user(situation)
        gid = situation.group_of(container, uid)
        context |= {} if uid is None else {"runAsUser": uid}
        context |= {} if gid is None else {"runAsGroup": gid}
    context |= {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    name = volume_name(situation, container.name, path.path)
    made: dict[str, Any] = {"name": f"{name[: MAX_LABEL - 5].rstrip('-')}-copy", "image": container.image}
    pulled = container.data.get("imagePullPolicy")
    made |= {"imagePullPolicy": pulled} if pulled else {}
    made |= {
        "command": ["cp", "-R", f"{path.source}/.", f"{COPY_FOLDER}/"],
        "securityContext": context,
        "volumeMounts": [{"name": name, "mountPath": COPY_FOLDER}],
    }
    made |= {"resources": container.data["resources"]} if container.data.get("resources") else {}
    return Operation("add", (*(init_containers(situation) or ()), "-"), made)


def volume_name(situation: Situation, container: str, path: str) -> str:
    """`krm-harden-<container>-<path>`, the same for ever: a DNS label, hashed where too long or ambiguous."""
    label = _label(container, path)
    if len(label) <= MAX_LABEL and not _could_be_anothers(situation, label, container, path):
        return label
    from hashlib import sha256

    digest = sha256(f"{container}\0{path}".encode()).hexdigest()[:8]
    return f"{label[: MAX_LABEL - 9].rstrip('-')}-{digest}"


def _label(container: str, path: str) -> str:
    known = _labels.get((container, path))
    if known is None:
        words = f"krm-harden-{container}-{path}".lower()
        kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in words)
        known = "-".join(part for part in kept.split("-") if part)
        if len(_labels) < MEMORY:
            _labels[container, path] = known
    return known


_labels: dict[tuple[str, str], str] = {}
"""The same few containers in one workload after the other."""
MEMORY = 4096


def _could_be_anothers(situation: Situation, label: str, container: str, path: str) -> bool:
    """Whether a volume of that name is there and isn't this container's, or another path has that name."""
    volume = situation.volume_names.get(label)
    if volume is not None and ("emptyDir" not in volume or situation.mounters(label) - {container}):
        return True
    return bool(_wanted(situation)[label] - {(container, path)})


def _wanted(situation: Situation) -> Mapping[str, set[tuple[str, str]]]:
    """For each label the containers' names and paths that have it: looked up once for a pod, not for each container."""
    wanted = situation.wanted_volumes
    if not wanted:
        for one in situation.pod.containers:
            known = (path.path for path in known_paths(situation, one))
            for path in dict.fromkeys([*known, *wanted_beside(situation, one, sure=False)]):
                wanted.setdefault(_label(one.name, path), set()).add((one.name, path))
    return wanted
