"""The controls: one file each, found by listing this folder.

A control module defines `CONTROL`. Its docstring is its user documentation, under the headings Protects from, Fields,
Allowed, Before, After, Fix safety, May break, Undo, Reference. The YAML under Undo stands under a policy's `spec`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Operation, Pod, Proposal, Violation

    Check: TypeAlias = "Callable[[Pod], Iterator[Violation]]"
    Propose: TypeAlias = "Callable[[Situation, Violation], Proposal]"
    Beside: TypeAlias = "Callable[[Situation, Container], Iterable[Operation]]"
    Concerns: TypeAlias = "Callable[[Situation], bool]"
    Stale: TypeAlias = "Callable[[Situation, Container], tuple[Any, Any, str] | None]"
    Forbidden: TypeAlias = "Callable[[Pod, Sequence[Violation]], tuple[str, str]]"
    Instead: TypeAlias = "Callable[[Pod, Violation], str]"
    Own: TypeAlias = "Callable[[Pod, Container], bool]"

ALIASES = {
    "capabilities": ("capabilities_baseline", "capabilities_restricted"),
    "seccompProfile": ("seccompProfile_baseline", "seccompProfile_restricted"),
}
"""Short names that a policy may use for the upstream ids: the control of each level."""
POD_SECURITY_POLICY = "podSecurityPolicy"
"""All that a PodSecurityPolicy sets and refuses. Its fields are no controls that a policy switches on: it has them."""
POD_SECURITY_POLICY_FIELDS = (
    "privileged",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPorts",
    "volumes",
    "allowedHostPaths",
    "allowedFlexVolumes",
    "allowedCSIDrivers",
    "defaultAddCapabilities",
    "requiredDropCapabilities",
    "allowedCapabilities",
    "runAsUser",
    "runAsGroup",
    "fsGroup",
    "supplementalGroups",
    "seLinux",
    "readOnlyRootFilesystem",
    "allowPrivilegeEscalation",
    "sysctls",
    "allowedProcMountTypes",
    "runtimeClass",
    "seccomp",
    "appArmor",
)
"""All that such a policy sets and refuses, in the order of its documentation; two names of one thing are one field."""
POD_SECURITY_POLICY_IDS = tuple(f"{POD_SECURITY_POLICY}.{field}" for field in POD_SECURITY_POLICY_FIELDS)


def named(name: str) -> tuple[str, ...]:
    """The controls that a name in a policy means."""
    if name == POD_SECURITY_POLICY:
        return (name, *POD_SECURITY_POLICY_IDS)
    return ALIASES.get(name, (name,))


def unknown_image(container: Container, what: str) -> str:
    """The reason for a default: nobody described an image. `what` is the part of it that matters here."""
    return f"nothing is known of the image {container.image}, or of {what}: {ADVICE}"


ADVICE = "describe it under images in the policy, or run `krm-harden images resolve`"


class Control:
    """One rule about pods.

    `revisions` maps the version of the standard from which a check holds to that check. `forbidden` words the
    violations as the API server does: (reason, detail). `instead` tells an author what to write in place of what is
    left to them. `beside` has what a container needs elsewhere in its pod where the field is written: asked when it is
    settled what all controls write. `field` lies within a securityContext; `inherited` says that containers take it
    from the pod, but for those that `own` names; `on_windows`, that Windows has it. `standard` is False for what goes
    beyond the Pod Security Standards; `safe` says that writing it can't hurt a container that keeps root, so that it
    is no half measure. `overrides` are the ids of baseline controls that it takes the place of. `stale` finds our own
    default where the policy now says otherwise. `since` is the release that brought it. `opt_in`: it is on only where
    the policy says so. `strict`: what stays open is an error, as of the standard.
    `concerns` says cheaply whether it can have anything to say of a pod; `keys` are fields, one of which must be there
    for its checks to find anything: in the pod's spec, its securityContext, or those of its containers.
    """

    __slots__ = (
        "beside",
        "concerns",
        "field",
        "forbidden",
        "id",
        "inherited",
        "instead",
        "keys",
        "level",
        "on_windows",
        "opt_in",
        "overrides",
        "own",
        "propose",
        "revisions",
        "safe",
        "settings",
        "since",
        "stale",
        "standard",
        "strict",
        "title",
    )

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's name in every report
        title: str,
        revisions: Mapping[tuple[int, int], Check],
        propose: Propose,
        forbidden: Forbidden | None = None,
        *,
        beside: Beside | None = None,
        concerns: Concerns | None = None,
        field: tuple[str, ...] = (),
        level: str = "restricted",
        inherited: bool = False,
        instead: Instead | None = None,
        keys: Iterable[str] = (),
        on_windows: bool = False,
        opt_in: bool = False,
        overrides: tuple[str, ...] = (),
        own: Own | None = None,
        safe: bool = False,
        settings: Mapping[str, Any] | None = None,
        since: tuple[int, int] = (0, 1),
        stale: Stale | None = None,
        strict: bool = False,
    ) -> None:
        self.id = id
        self.title = title
        self.level = level
        self.revisions = revisions
        self.propose = propose
        self.forbidden = forbidden
        self.beside = beside
        self.concerns = concerns
        self.field = field
        self.inherited = inherited
        self.instead = instead
        self.keys = frozenset(keys)
        self.on_windows = on_windows
        self.opt_in = opt_in
        self.overrides = overrides
        self.own = own
        self.safe = safe
        self.settings = settings or {}
        self.since = since
        self.stale = stale
        self.standard = forbidden is not None
        self.strict = strict or self.standard

    def check(self, version: tuple[int, int]) -> Check | None:
        """The check that holds at a version of the standard, None before its first."""
        known = [since for since in self.revisions if since <= version]
        return self.revisions[max(known)] if known else None


class Checks:
    """Some controls, each with its check, and which of them can find something in a pod that has some fields."""

    __slots__ = ("_among", "pairs")

    def __init__(self, pairs: Iterable[tuple[Control, Check]]) -> None:
        self.pairs = tuple(pairs)
        self._among: dict[frozenset[str], tuple[tuple[Control, Check], ...]] = {}

    def among(self, fields: frozenset[str]) -> tuple[tuple[Control, Check], ...]:
        """Those that `Control.keys` doesn't rule out; the same few sets of fields come again and again."""
        known = self._among.get(fields)
        if known is None:
            known = tuple(pair for pair in self.pairs if not (pair[0].keys and pair[0].keys.isdisjoint(fields)))
            if len(self._among) < _MEMORY:
                self._among[fields] = known
        return known


_MEMORY = 4096
_loaded: dict[str, Control] = {}


def names() -> list[str]:
    """The modules of this folder, sorted."""
    import os

    return sorted(name[:-3] for name in os.listdir(__path__[0]) if name.endswith(".py") and not name.startswith("_"))


def load() -> dict[str, Control]:
    """Every control by id, in the order of the standard's messages: baseline first, ids sorted bytewise."""
    if not _loaded:
        found = []
        for name in names():
            __import__(f"{__name__}.{name}")
            found.append(sys.modules[f"{__name__}.{name}"].CONTROL)
        _loaded.update((control.id, control) for control in sorted(found, key=_place))
    return _loaded


def _place(control: Control) -> tuple[bool, str]:
    return control.level != "baseline", control.id


def active(controls: Iterable[Control], version: tuple[int, int]) -> list[tuple[Control, Check]]:
    """The controls that have a check at a version of the standard, without those that another takes the place of."""
    found = [(control, check) for control in controls if (check := control.check(version))]
    overridden = {name for control, _ in found for name in control.overrides}
    return [(control, check) for control, check in found if control.id not in overridden]


def of_standard(level: str) -> list[Control]:
    """The controls of the Pod Security Standard that make up a level, in the order of its messages."""
    wanted = {"privileged": (), "baseline": ("baseline",), "restricted": ("baseline", "restricted")}[level]
    return [control for control in load().values() if control.standard and control.level in wanted]


def settings() -> dict[str, Mapping[str, Any]]:
    """The own settings of each control, short names included, as a schema's properties."""
    known = {control.id: control.settings for control in load().values()}
    short = {alias: known[ids[-1]] for alias, ids in ALIASES.items()}
    return known | short | {NAMESPACES: {}, VULNERABILITIES: GATE}


def exemptible() -> list[str]:
    """Every name that an exemption may name, but `*`."""
    return [*settings(), POD_SECURITY_POLICY, *POD_SECURITY_POLICY_IDS]


TOKEN = "serviceAccountToken"  # noqa: S105 - a control
"""The control that needs to know what the whole input shows of the use of the API."""
NAMESPACES = "namespaceLabels"
"""The control of Namespaces, which isn't one about pods."""
VULNERABILITIES = "imageVulnerabilities"
"""The control of what scanners report (`krm_harden.scanning`), which isn't one about fields."""
GATE: Mapping[str, Any] = {
    "failOn": {
        "type": "string",
        "description": "The least severity that fails, by the words of a scanner's report.",
        "enum": ["critical", "high", "medium", "low", "negligible", "unknown", "none"],
        "default": "critical",
    },
    "onlyFixed": {"type": "boolean", "description": "Whether only what has a fix fails.", "default": False},
    "graceDays": {
        "type": "integer",
        "minimum": 0,
        "maximum": 3650,
        "description": "For how many days after it was published a vulnerability doesn't fail.",
        "default": 0,
    },
}
"""Its settings; `failOn` from soft to strict, but for none."""
