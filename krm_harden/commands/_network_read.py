"""Every object of files, folders and standard input, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden import engine as engines
from krm_harden import limits, source, split
from krm_harden.commands import _files, _network_files, _streams
from krm_harden.commands._run import STDIN
from krm_harden.errors import InputError
from krm_harden.network.existing import OTHERS, OWN, WHOLE
from krm_harden.network.exposed import BACKENDS, CALLED_BY_THE_API
from krm_harden.network.inventory import Inventory, take
from krm_harden.network.model import Thing
from krm_harden.resources import resources
from krm_harden.workloads import is_workload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from krm_harden.policy import Policy

CLUSTER_KINDS = {"Namespace", "ClusterRoleBinding", "CustomResourceDefinition", "APIService"}
CLUSTER_ENDINGS = ("WebhookConfiguration",)
KINDS = {
    *("Namespace", "Service", "ConfigMap", "Secret", "RoleBinding", "ClusterRoleBinding"),
    *("ServiceMonitor", "PodMonitor"),
    *(kind for _, kind in (*BACKENDS, *CALLED_BY_THE_API, *OWN, *OTHERS, *WHOLE) if kind != "CustomResourceDefinition"),
}
"""What is read beside workloads; of the definitions of resources, which are long, those with a conversion alone."""
NAMES = {STDIN: "standard input"}


@dataclass(frozen=True)
class Read:
    """`notes` are about files that are left out, `errors` about what couldn't be read."""

    inventory: Inventory
    notes: tuple[str, ...]
    errors: tuple[str, ...]
    is_empty: bool


def inventory(paths: list[str], exclude: Iterable[str], namespace: str, policy: Policy) -> Read:
    """What the inputs hold. Raises ConfigError for a missing path."""
    reader = _Reader(namespace, policy)
    if STDIN in paths:
        reader.read(NAMES[STDIN], _streams.read_stdin())
    files = list(dict.fromkeys(_files.find([path for path in paths if path != STDIN], exclude)))
    patches = _files.patches(files)
    for path in files:
        if path in patches:
            reader.notes.append(f"note: {path}: a patch of {patches[path]}: give what kustomize renders")
        elif path.name not in _files.LEFT_ALONE:
            reader.read_file(path)
    return Read(take(reader.things, policy.pods_of), tuple(reader.notes), tuple(reader.errors), reader.is_empty)


class _Reader:
    """What was read so far."""

    def __init__(self, namespace: str, policy: Policy) -> None:
        self._namespace = namespace
        self._policy = policy
        self.things: list[Thing] = []
        self.notes: list[str] = []
        self.errors: list[str] = []
        self.is_empty = True

    def read_file(self, path: Path) -> None:
        """Note the objects of a file; what isn't text is passed over, as below any folder."""
        try:
            data = limits.read_file(path)
        except OSError as error:
            self.errors.append(f"{path}: can't be read: {error.strerror}")
            return
        except InputError as error:
            self.errors.append(f"{path}: {error}")
            return
        if not data.startswith(_network_files.MARK.encode()):
            self.read(str(path), data)

    def read(self, name: str, data: bytes) -> None:
        """Note the objects of one stream."""
        try:
            for line, chunk, spent in split.counted(split.decode(data)[0]):
                if not split.is_empty(chunk):
                    self.is_empty = False
                    matters = self._with_conversion if b"conversion" in chunk else self._matters
                    if split.can_skip(chunk, matters) is None:
                        self._read_document(name, chunk, line, spent)
        except InputError as error:
            self.errors.append(f"{name}:{max(error.line, 0) + 1}: {error}")

    def _matters(self, api_version: str, kind: str) -> bool:
        return kind in KINDS or is_workload(api_version, kind, self._policy.kinds)

    def _with_conversion(self, api_version: str, kind: str) -> bool:
        return kind == "CustomResourceDefinition" or self._matters(api_version, kind)

    def _read_document(self, name: str, chunk: bytes, line: int, spent: limits.Spent) -> None:
        before, body = split.after_mark(chunk)
        start = line + before.count(b"\n")
        try:
            document = source.read(body.decode())
            found = list(resources(document))
        except InputError as error:
            what = "a template, not YAML: give what it renders, or leave it out with --exclude"
            said = what if engines.is_template(chunk) else str(error)
            self.errors.append(f"{name}:{start + max(error.line, 0) + 1}: {said}")
            return
        spent.add_objects(line, len(found))
        for resource in found:
            is_cluster_wide = resource.kind in CLUSTER_KINDS or resource.kind.endswith(CLUSTER_ENDINGS)
            space = "" if is_cluster_wide else resource.namespace or self._namespace
            self.things.append(Thing(resource, document, name, start, space))
