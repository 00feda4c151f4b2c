"""The nouns of network policies, immutable. A namespace that no manifest names is the empty string."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krm_harden import source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from krm_harden.model import Pod, Pointer, Resource
    from krm_harden.source import Document

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""The API server puts it on every namespace."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "krm-harden"}
"""The label of the policies that we have made."""
TCP = "TCP"


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file, from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, eq=False)
class Thing:
    """An object, and where it is written: `start` is the line of its document's first, from 0.

    `namespace` is its own, or the one that is said for objects that name none.
    """

    resource: Resource
    document: Document
    file: str
    start: int
    namespace: str

    def place(self, *steps: str | int) -> Place:
        """The place of a field within the object."""
        return self.place_of(self.resource.base + steps)

    def place_of(self, pointer: Pointer) -> Place:
        """The place of a field that is named by its Pointer in the document."""
        return Place(self.file, self.start + source.line_of(self.document, pointer) + 1)

    @property
    def title(self) -> str:
        """`Deployment shop/web`."""
        return f"{self.resource.kind} {named(self.namespace, self.resource.name)}"


def named(namespace: str, name: str) -> str:
    """An object as people write it."""
    return f"{namespace}/{name}" if namespace else name


_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def is_namespace(name: str) -> bool:
    """Whether a server takes this for the name of a namespace (RFC 1123's label)."""
    return _LABEL.fullmatch(name) is not None


@dataclass(frozen=True)
class Port:
    """A port of a pod. `number` is its name where nothing here says which number that is; None: every port."""

    number: int | str | None
    protocol: str = TCP

    def __str__(self) -> str:
        return f"{self.protocol} {'any port' if self.number is None else self.number}"

    @property
    def key(self) -> tuple[str, bool, int, str]:
        """What ports are sorted by: names after numbers."""
        number = self.number if isinstance(self.number, int) else 0
        return self.protocol, isinstance(self.number, str), number, str(self.number)


@dataclass(frozen=True, eq=False)
class Workload:
    """What makes pods that are alike. `selector` is the LabelSelector that finds them, None where none can.

    `pod` is None for pods that are known by the selector of a Service alone. `ports` are (name, number, protocol).
    """

    thing: Thing
    name: str
    labels: Mapping[str, str]
    selector: Mapping[str, Any] | None
    pod: Pod | None = None
    ports: tuple[tuple[str, int, str], ...] = ()
    host_network: bool = False

    @property
    def namespace(self) -> str:
        return self.thing.namespace

    @property
    def title(self) -> str:
        if self.pod is None:
            return f"the pods of {self.thing.title}"
        return f"{self.thing.resource.kind} {named(self.namespace, self.name)}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.namespace, self.name, self.thing.resource.kind


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service, its defaults filled in. `target` is a number, or the name of a port of the pods."""

    name: str
    number: int
    target: int | str
    protocol: str = TCP


@dataclass(frozen=True, eq=False)
class Service:
    """A Service of the core API."""

    thing: Thing
    ports: tuple[ServicePort, ...]
    selector: Mapping[str, str]
    kind: str = "ClusterIP"
    headless: bool = False
    external_name: str = ""

    @property
    def name(self) -> str:
        return self.thing.resource.name

    @property
    def namespace(self) -> str:
        return self.thing.namespace

    @property
    def title(self) -> str:
        return self.thing.title


@dataclass(frozen=True)
class Anywhere:
    """Any address, within the cluster and outside."""

    def __str__(self) -> str:
        return "anywhere"


@dataclass(frozen=True)
class Namespaced:
    """All pods of a namespace."""

    namespace: str

    def __str__(self) -> str:
        return f"all pods of namespace {self.namespace}" if self.namespace else "all pods of the namespace"


@dataclass(frozen=True)
class Block:
    """A range of addresses."""

    cidr: str

    def __str__(self) -> str:
        return self.cidr


if TYPE_CHECKING:
    Peer: TypeAlias = Workload | Anywhere | Namespaced | Block


@dataclass(frozen=True)
class Flow:
    """A connection that somebody needs: `port` is the target's own, `evidence` a line that says where that is shown."""

    source: Peer
    target: Peer
    port: Port
    evidence: str


@dataclass(frozen=True)
class Remark:
    """A line of the report. `severity` is error (something is cut, or not known), warning or note.

    `about` are the names by which a user may say that it is to be cut: a Service, a host. `namespace`: it only holds
    where policies are written for that namespace. `caller` is the workload that calls, as --allow names it. Until
    `plan` has judged it the severity may be outside or uncalled.
    """

    severity: str
    words: str
    where: str = ""
    about: tuple[str, ...] = ()
    namespace: str | None = None
    caller: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.words}" if self.where else f"{self.severity}: {self.words}"


@dataclass(frozen=True)
class Derived:
    """What the manifests show: connections, and what is to be said of them."""

    flows: tuple[Flow, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Options:
    """What a command line says that manifests don't.

    `ingress_controller` and `metrics` are namespaces, empty where unknown; `allowed` are (from, to) of --allow, `cut`
    globs of names that are to be cut off.
    """

    egress: bool = False
    ingress_controller: str = ""
    metrics: str = ""
    allowed: tuple[tuple[str, str], ...] = ()
    cut: tuple[str, ...] = field(default=())
