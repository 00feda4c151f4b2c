"""The nouns of krm-harden, immutable by convention. Imports nothing of ours.

Plain classes with `__slots__`: dataclasses and typing would cost the function a tenth of its start-up time.
"""

from __future__ import annotations

import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    Pointer: TypeAlias = "tuple[str | int, ...]"
    """A path through data: keys and list indexes. `"-"` at the end of an operation's path is the end of a list."""


API_VERSION = "krm-harden.dev/v1alpha1"
"""What new files get: until 1.0 one that every earlier release reads, too."""
API_VERSIONS = (API_VERSION, "krm-harden.dev/v1")
"""Those that are read; `krm_harden.versions` says what differs."""
KIND = "HardeningPolicy"
LOCK_KIND = "ImageLock"
POD_SECURITY_POLICY = "PodSecurityPolicy"
"""Of policy/v1beta1 and extensions/v1beta1: taken in place of a HardeningPolicy."""
RELEASES = ["0.1", "0.2"]
"""The releases whose output can be had, oldest first; the last is this one."""
MAX_ID = 2**31 - 1
"""User and group ids are 32 bit signed in Kubernetes' validation."""
LATEST = (1, 37)
"""The newest version of the Pod Security Standards, and of the API server, that is known here."""
LEVELS = ["privileged", "baseline", "restricted"]
"""Of the standards, from soft to strict."""
ALLOWED_SOURCES = (
    "configMap",
    "secret",
    "emptyDir",
    "persistentVolumeClaim",
    "projected",
    "downwardAPI",
    "csi",
    "ephemeral",
    "image",
)
"""The sources of volumes that restricted allows, the commonest first."""
RESTRICTED_SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
)
"""Those that it doesn't, in the order of the standard's words: the first that a volume has is named."""
APP_ARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
"""Before a container's name: the profile's place before Kubernetes 1.30."""
APP_ARMOR_FIELDS = (1, 30)
"""The first server that has the profile's field; an older one drops it."""


_MAX_NUMBER = 2**63 - 1


def parse_version(text: str) -> tuple[int, int] | None:
    """`latest` or `v1.x` as a pair, None for anything else (pod-security-admission/api/helpers.go).

    The number is one that Go's Atoi takes.
    """
    if text == "latest":
        return LATEST
    minor = text.removeprefix("v1.")
    if minor == text or not (minor.isascii() and minor.isdigit()) or (minor[0] == "0" and minor != "0"):
        return None
    if len(minor) > len(str(_MAX_NUMBER)) or int(minor) > _MAX_NUMBER:
        return None
    return 1, int(minor)


class LevelVersion:
    """A level and the version of the standard that it is taken from.

    `label` is the version as written (`latest`, `v1.99`), `version` the one whose checks hold: no newer than the
    server's own.
    """

    __slots__ = ("label", "level", "version")

    def __init__(self, level: str, label: str = "latest", server: tuple[int, int] = LATEST) -> None:
        self.level = level
        self.label = label
        self.version = min(parse_version(label) or LATEST, server, LATEST)

    def __str__(self) -> str:
        return f"{self.level}:{self.label}"

    def __repr__(self) -> str:
        return f"LevelVersion({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LevelVersion) and (self.level, self.label) == (other.level, other.label)

    def __hash__(self) -> int:
        return hash((self.level, self.label))


class Operation:
    """One RFC 6902 operation. `path` is a Pointer, absolute in its document."""

    __slots__ = ("op", "path", "value")

    def __init__(self, op: str, path: Pointer, value: Any = None) -> None:
        self.op = op
        self.path = path
        self.value = value

    def __repr__(self) -> str:
        return f"Operation({self.op!r}, {self.path!r}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.op, self.path))

    def _key(self) -> tuple[str, Pointer, Any]:
        return self.op, self.path, self.value


class Violation:
    """What a control finds in one place: `pointer` of the field, absolute in the document.

    `cause` is `missing` (nothing said), `explicit` (the author said something weaker), `type` (a value that the API
    can't decode, which counts as unset) or `manual` (nothing that a tool could write instead). `container` is the
    index in `pod.containers`, -1 for the pod itself.
    """

    __slots__ = ("cause", "container", "current", "pointer")

    def __init__(self, pointer: Pointer, current: Any = None, cause: str = "missing", container: int = -1) -> None:
        self.pointer = pointer
        self.current = current
        self.cause = cause
        self.container = container


class Proposal:
    """What a control would write. `basis` says how sure it is.

    `safe`: no known way to break. `evidence`: the manifest, the policy or a lock says so (`evidence` names it).
    `default`: our own default for an image that nobody described. `manual`: nothing, for the reason given.
    """

    __slots__ = ("basis", "code", "evidence", "operations", "reason", "value")

    def __init__(
        self,
        basis: str,
        value: Any = None,
        reason: str = "",
        evidence: str = "",
        operations: Sequence[Operation] = (),
        code: str = "",
    ) -> None:
        self.basis = basis
        self.value = value
        self.reason = reason
        self.evidence = evidence
        self.code = code
        """The sort of reason, where nothing is written."""
        self.operations = operations
        """What is written, where that is more or less than the value at its place."""


class Finding:
    """One line of a report: a change, or the reason why there is none.

    `state` is fixed, open, exempt, deferred, explicit, manual, refused, stale, immutable or unused; `risk` is safe,
    evidence, may-break or none; `severity` is info, warning or error. `pointer` is relative to the resource.
    `exemption` is the text to paste into a policy, or empty; `code` is the sort of reason why something can't be done.
    `line` and `column` count from 1 in its file, and are 0 where nobody asked for them. `writes` are the operations of
    a fixed one, absolute in its document and as they were asked for; empty where it is the value at its place alone.
    `baseline` is new or unchanged where the run has one, else empty. `vulnerability` is what a scanner says, where it
    is about that: a mapping with the fields of the JSON report.
    """

    __slots__ = (
        "_message",
        "baseline",
        "code",
        "column",
        "container",
        "control",
        "current",
        "evidence",
        "exemption",
        "level",
        "line",
        "pointer",
        "proposed",
        "reason",
        "risk",
        "severity",
        "state",
        "vulnerability",
        "writes",
    )

    def __init__(
        self,
        control: str,
        level: str,
        state: str,
        severity: str,
        pointer: Pointer,
        message: str | Callable[[], str],
        *,
        risk: str = "none",
        current: Any = None,
        proposed: Any = None,
        reason: str = "",
        evidence: str = "",
        exemption: str = "",
        code: str = "",
        container: str = "",
        line: int = 0,
        writes: Sequence[Operation] = (),
    ) -> None:
        self.control = control
        self.level = level
        self.state = state
        self.severity = severity
        self.pointer = pointer
        self._message = message
        self.risk = risk
        self.current = current
        self.proposed = proposed
        self.reason = reason
        self.evidence = evidence
        self.exemption = exemption
        self.code = code
        self.container = container
        self.line = line
        self.column = 0
        self.writes = writes
        self.baseline = ""
        self.vulnerability: Mapping[str, Any] | None = None

    @property
    def message(self) -> str:
        """What becomes of it, in one line: below kustomize nobody reads most of them, so they are worded when asked."""
        if not isinstance(self._message, str):
            self._message = self._message()
        return self._message

    @message.setter
    def message(self, message: str) -> None:
        self._message = message

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """For another process, and a copy: in words."""
        said = {name: getattr(self, name) for name in self.__slots__ if name != "_message"}
        return None, {**said, "message": self.message}

    @property
    def path(self) -> str:
        """The field as Kubernetes writes it: `spec.containers[0].image`."""
        return dotted(self.pointer)


class Resource:
    """A place in a document that holds one object: never a copy. `base` is its Pointer, `data` the object there."""

    __slots__ = ("api_version", "base", "data", "index", "kind", "metadata", "name", "namespace")

    def __init__(self, base: Pointer, data: Mapping[str, Any], index: int = 0) -> None:
        self.metadata: Mapping[str, Any] = mapping(data.get("metadata"))
        self.base = base
        self.data = data
        self.index = index
        self.api_version = text(data.get("apiVersion"))
        self.kind = text(data.get("kind"))
        self.name = text(self.metadata.get("name")) or text(self.metadata.get("generateName"))
        self.namespace = text(self.metadata.get("namespace"))

    def within(self, data: Any) -> Resource:
        """The same place in other data of its document."""
        made = Resource(self.base, lookup(data, self.base), self.index)
        # The items of a DeploymentList say no kind themselves.
        made.api_version, made.kind = self.api_version, self.kind
        return made

    @property
    def group(self) -> str:
        """The API group: empty for `v1`, `apps` for `apps/v1`."""
        return self.api_version.rpartition("/")[0]

    @property
    def annotations(self) -> Mapping[str, Any]:
        return mapping(self.metadata.get("annotations"))

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


class Container:
    """One container of a pod. `role` is init, sidecar, container or ephemeral.

    `commands` remembers the simple commands of its command line, once somebody has asked for them.
    """

    __slots__ = ("commands", "data", "image", "name", "pointer", "role", "security_context")

    def __init__(self, pointer: Pointer, data: Mapping[str, Any], role: str) -> None:
        self.pointer = pointer
        self.data = data
        self.role = role
        self.name = text(data.get("name"))
        self.image = text(data.get("image"))
        self.security_context: Mapping[str, Any] = mapping(data.get("securityContext"))
        self.commands: list[list[str]] | None = None


class Pod:
    """A pod template, wherever it lies: what the controls look at.

    `context_pointer` is where pod-level securityContext lies, None where the kind has none. Pointers are absolute in
    the document; `spec` and `containers` are views of its data. `server` is the version of the API server that judges
    it: what one doesn't know it doesn't see.
    """

    __slots__ = (
        "containers",
        "context_pointer",
        "is_windows",
        "metadata",
        "metadata_pointer",
        "resource",
        "security_context",
        "server",
        "spec",
        "spec_pointer",
        "volumes_pointer",
    )

    def __init__(
        self,
        resource: Resource,
        spec_pointer: Pointer,
        spec: Mapping[str, Any],
        containers: tuple[Container, ...],
        *,
        metadata: Mapping[str, Any],
        metadata_pointer: Pointer,
        context_pointer: Pointer | None,
        security_context: Mapping[str, Any],
        volumes_pointer: Pointer,
        server: tuple[int, int],
    ) -> None:
        self.resource = resource
        self.spec_pointer = spec_pointer
        self.spec = spec
        self.containers = containers
        self.metadata = metadata
        self.metadata_pointer = metadata_pointer
        self.context_pointer = context_pointer
        self.security_context = security_context
        self.volumes_pointer = volumes_pointer
        self.server = server
        self.is_windows: bool = mapping(spec.get("os")).get("name") == "windows"
        """Whether `spec.os.name` says so, as the API server judges it (KEP-2802)."""

    def viewed(self, spec: Mapping[str, Any], containers: tuple[Container, ...]) -> Pod:
        """The same pod with other contents at the same places."""
        return Pod(
            self.resource,
            self.spec_pointer,
            spec,
            containers,
            metadata=self.metadata,
            metadata_pointer=self.metadata_pointer,
            context_pointer=self.context_pointer,
            security_context=self.security_context,
            volumes_pointer=self.volumes_pointer,
            server=self.server,
        )

    @property
    def annotations(self) -> Mapping[str, Any]:
        return mapping(self.metadata.get("annotations"))

    @property
    def runs_on_windows(self) -> bool:
        """`is_windows`, or a node selector that leaves only Windows nodes."""
        selector = mapping(self.spec.get("nodeSelector"))
        return self.is_windows or "windows" in (selector.get("kubernetes.io/os"), selector.get("beta.kubernetes.io/os"))

    @property
    def host_users_off(self) -> bool:
        return self.spec.get("hostUsers") is False


class Unexamined:
    """Something that was left alone without being judged, and why. `line` counts from 1 in its file.

    `cause` sorts the reasons of what may make pods: a template, a patch, an unknown kind; or something that says of
    itself that it isn't ours to change: owned, local, encrypted. It is empty for all else. `severity` is info, but
    more where nobody else will say so: a warning, an error below a ceiling.
    """

    __slots__ = ("cause", "kind", "line", "name", "reason", "severity")

    def __init__(
        self, reason: str, kind: str = "", name: str = "", line: int = 0, cause: str = "", severity: str = "info"
    ) -> None:
        self.cause = cause
        self.severity = severity
        self.reason = reason
        self.kind = kind
        self.name = name
        self.line = line

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


class ResourceResult:
    """What became of one resource: its verdict, findings and operations (paths relative to the resource).

    `asked` is the level and version of the verdict. `before` and `after` are whether it is allowed as it came and with
    what a fix writes; they are only known where findings have lines. `policies` are the verdicts of the
    PodSecurityPolicies that hold.
    """

    __slots__ = (
        "after",
        "allowed",
        "asked",
        "before",
        "findings",
        "line",
        "message",
        "operations",
        "policies",
        "resource",
    )

    def __init__(
        self,
        resource: Resource,
        asked: LevelVersion,
        allowed: bool,
        message: str,
        findings: list[Finding],
        operations: list[Operation],
        line: int = 0,
        policies: Sequence[Any] = (),
    ) -> None:
        self.resource = resource
        self.policies = policies
        self.asked = asked
        self.allowed = self.before = self.after = allowed
        self.message = message
        self.findings = findings
        self.operations = operations
        self.line = line

    @property
    def level(self) -> str:
        return self.asked.level

    @property
    def version(self) -> str:
        """The version as the policy writes it."""
        return self.asked.label


class Facts:
    """`pods` has for each namespace its workloads, each with why it doesn't pass, or empty.

    `homeless` are the workloads that name no namespace, `unread` what could not be read; `used` are the names of the
    exemptions that exempted something. `access` is what they say of
    service accounts (access.Fact). `waiting`: something is here that these facts, of the whole input, decide.
    """

    __slots__ = ("access", "homeless", "pods", "unread", "used", "waiting")

    def __init__(
        self,
        pods: dict[str, dict[str, str]] | None = None,
        homeless: Iterable[str] = (),
        unread: Iterable[str] = (),
        used: Iterable[str] = (),
        *,
        access: Iterable[tuple[str, ...]] = (),
        waiting: bool = False,
    ) -> None:
        self.access = frozenset(access)
        self.pods = pods or {}
        self.homeless = tuple(homeless)
        self.unread = tuple(unread)
        self.used = frozenset(used)
        self.waiting = waiting


class ChunkResult:
    """What the engine makes of one chunk: `text` is written in its place.

    `error` is the one-line reason when the chunk couldn't be read or edited; then `text` is what came in, and `subject`
    the resource that it is about, where one could be told. `facts` is what it adds to those of the whole input.
    """

    __slots__ = ("changed", "error", "facts", "resources", "subject", "text", "unexamined")

    def __init__(
        self,
        text: bytes,
        resources: Sequence[ResourceResult] = (),
        unexamined: Sequence[Unexamined] = (),
        error: str = "",
        changed: bool = False,
        subject: Resource | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.text = text
        self.facts = facts
        self.subject = subject
        self.resources = resources
        self.unexamined = unexamined
        self.error = error
        self.changed = changed


_EMPTY: Mapping[str, Any] = {}


def same(left: Any, right: Any) -> bool:
    """Whether two data are equal in value, type and order; `==` takes True for 1 and 1 for 1.0.

    Version 2 of marshal writes the same bytes for the same data, without references between equal objects.
    """
    return marshal.dumps(left, 2) == marshal.dumps(right, 2)


def mapping(value: object) -> Mapping[str, Any]:
    """The value itself when it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def sequence(value: object) -> Sequence[Any]:
    """The value itself when it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """The value itself when it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def one_line(said: str) -> str:
    """A text as one line of a report, whatever it holds: neither a line break nor what a terminal obeys."""
    return said if said.isprintable() else "".join(letter if letter.isprintable() else " " for letter in said)


_dotted: dict[Pointer, str] = {}
"""The same few fields of one workload after the other."""
_MEMORY = 4096


def dotted(pointer: Pointer) -> str:
    """A Pointer as Kubernetes writes fields: `spec.containers[0].image`; keys with dots are quoted."""
    known = _dotted.get(pointer)
    if known is None:
        known = _write_dotted(pointer)
        if len(_dotted) < _MEMORY:
            _dotted[pointer] = known
    return known


def _write_dotted(pointer: Pointer) -> str:
    parts = []
    for step in pointer:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif "." in step or "/" in step:
            parts.append(f"['{step}']")
        else:
            parts.append(f".{step}")
    return "".join(parts).removeprefix(".")


def json_pointer(pointer: Pointer) -> str:
    """A Pointer as RFC 6901 writes it: `/spec/containers/0/image`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in pointer)


def lookup(data: Any, pointer: Sequence[str | int]) -> Any:
    """The value at a Pointer, or None where there is nothing."""
    for step in pointer:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data):
            data = data[step]
        else:
            return None
    return data


def walk(data: Any, pattern: Sequence[str], pointer: Pointer = ()) -> Iterator[Pointer]:
    """Every Pointer that a pattern matches in the data; `*` stands for each item of a list."""
    if not pattern:
        yield pointer
        return
    if "*" not in pattern:
        if lookup(data, pattern) is not None:
            yield (*pointer, *pattern)
        return
    step, rest = pattern[0], pattern[1:]
    if step == "*":
        for index, item in enumerate(sequence(data)):
            yield from walk(item, rest, (*pointer, index))
    elif isinstance(data, dict) and data.get(step) is not None:
        yield from walk(data[step], rest, (*pointer, step))
