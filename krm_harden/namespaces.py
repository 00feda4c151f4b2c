"""Namespaces must say which Pod Security Standard holds in them.

**Protects from**: whoever applies something past the pipeline: without an `enforce` label the API server takes any pod,
a privileged one too, from everybody who may create pods in the namespace, and from every operator and chart. The label
is what makes the rest of this list binding; audit and warn show what it would refuse.

**Fields**: the labels `pod-security.kubernetes.io/enforce`, `audit` and `warn` of a Namespace, each with a `-version`.

**Allowed**: what the policy's `namespaces` asks for, or stricter; by default the policy's level for audit and warn, and
no enforce label. `kube-*` namespaces are left alone.

**Before** (with `namespaces: {enforce: auto}`):

    metadata:
      name: shop

**After**:

    metadata:
      name: shop
      labels:
        pod-security.kubernetes.io/enforce: restricted
        pod-security.kubernetes.io/enforce-version: v1.37
        pod-security.kubernetes.io/audit: restricted
        pod-security.kubernetes.io/audit-version: latest
        pod-security.kubernetes.io/warn: restricted
        pod-security.kubernetes.io/warn-version: latest

**Fix safety**: audit and warn stop nothing. `enforce: auto` writes the policy's level, pinned to a version, when the
input holds pods of the namespace, all of them pass after the fixes, exempt ones included, and none in the input lacks
a namespace; else it says what blocks it. What isn't in the input wasn't seen. A label that is there is never lowered,
and raised only by `explicit: override`.

**May break**: by `enforce`, pods that nobody saw here, when they are made next: a Deployment stays at its old pods, and
its ReplicaSet has the event `FailedCreate`: `pods "web-..." is forbidden: violates PodSecurity "restricted:v1.37"`.
`krm-harden check --what-breaks` says so before. Pods that run go on.

**Undo**: `kubectl label namespace shop pod-security.kubernetes.io/enforce-`, and delete the label in the manifest.
Under `spec` of the policy, the first writes no enforce label, the second none at all:

    namespaces: {enforce: none}
    namespaces: {enforce: none, audit: none, warn: none}

**Reference**: kubernetes.io/docs/concepts/security/pod-security-admission; CIS Kubernetes Benchmark 5.2.1.
"""

from __future__ import annotations

from krm_harden import facts as whole
from krm_harden.controls import NAMESPACES
from krm_harden.model import LATEST, LEVELS, Finding, LevelVersion, Operation, mapping, parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.exemptions import Exemption
    from krm_harden.model import Facts, Resource
    from krm_harden.policy import Policy, Settings

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
SHOWN = 5
"""How many workloads a message names."""


class Labelled:
    """What a namespace's labels mean: a level and version for each mode, and what is wrong with them.

    Source: pod-security-admission, api/helpers.go (PolicyToEvaluate). `problems` are pairs of a label and what it must
    be, in the server's order and words.
    """

    __slots__ = ("audit", "enforce", "problems", "warn")

    def __init__(self, labels: Mapping[str, Any], server: tuple[int, int] = LATEST) -> None:
        self.problems = tuple(_problems(labels))
        wrong = {name for name, _ in self.problems}

        def level(mode: str, otherwise: str) -> str:
            name = PREFIX + mode
            return otherwise if name in wrong else str(labels.get(name, "privileged"))

        def version(mode: str) -> str:
            name = f"{PREFIX}{mode}-version"
            return "latest" if name in wrong else str(labels.get(name, "latest"))

        # What the server can't read it enforces as restricted, and doesn't audit or warn about.
        self.enforce = LevelVersion(level("enforce", "restricted"), version("enforce"), server)
        self.audit = LevelVersion(level("audit", "privileged"), version("audit"), server)
        warn, warn_version = level("warn", "privileged"), version("warn")
        if PREFIX + "warn" not in labels and PREFIX + "enforce" not in wrong and self.enforce.level != "privileged":
            warn = self.enforce.level
            if f"{PREFIX}warn-version" not in labels:
                warn_version = self.enforce.label
        self.warn = LevelVersion(warn, warn_version, server)


def _problems(labels: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for mode in MODES:
        level, version = PREFIX + mode, f"{PREFIX}{mode}-version"
        if level in labels and labels[level] not in LEVELS:
            yield level, f"must be one of {', '.join(LEVELS)}"
        if version in labels and parse_version(str(labels[version])) is None:
            yield version, 'must be "latest" or "v1.x"'


def labels_of(resource: Resource) -> Mapping[str, Any]:
    """The labels of a Namespace; one without a value is empty, as the server has it."""
    found = mapping(resource.metadata.get("labels"))
    return {name: "" if value is None else value for name, value in found.items()}


def wanted(settings: Settings) -> Iterator[tuple[str, str]]:
    """The labels that the policy asks for, in the order in which they are written."""
    said = settings.namespaces
    for mode in MODES:
        level = said.get(mode, "none" if mode == "enforce" else settings.asked.level)
        if level != "none" and not (level == "privileged" and mode not in said):
            yield mode, level


def is_ours(resource: Resource, settings: Settings) -> bool:
    """Whether a Namespace gets labels at all."""
    return not resource.name.startswith("kube-") and bool(settings.control(NAMESPACES).get("enabled", True))


def waits(resource: Resource, settings: Settings) -> bool:
    """Whether the facts of the whole input decide a Namespace's labels."""
    return settings.namespaces.get("enforce") == "auto" and is_ours(resource, settings)


def label(
    policy: Policy,
    resource: Resource,
    settings: Settings,
    facts: Facts | None,
    exemptions: Sequence[Exemption] = (),
) -> Iterator[tuple[Finding, tuple[Operation, ...]]]:
    """Findings about a Namespace's labels, each with the operations that mend it. Paths of operations are absolute.

    `facts` are those of the whole input; while they are None, what depends on them is left out. `exemptions` are those
    that hold for this Namespace.
    """
    if not is_ours(resource, settings):
        return
    if exemptions:
        expired = exemptions[0].expired
        note = f" (expired on {expired})" if expired else ""
        message = f"namespace is exempt from Pod Security labels: {exemptions[0].reason}{note}"
        yield _finding(f"{PREFIX}enforce", "exempt", "warning" if expired else "info", message, None, None), ()
        return
    version = settings.namespaces.get("version", settings.asked.label)
    for mode, level in wanted(settings):
        if level == "auto":
            if facts is not None:
                yield from _automatic(resource, settings, whole.pinned(policy), facts)
        else:
            yield from _labelled(resource, settings, mode, LevelVersion(level, version))


def _labelled(
    resource: Resource, settings: Settings, mode: str, asked: LevelVersion, because: str = ""
) -> Iterator[tuple[Finding, tuple[Operation, ...]]]:
    """The label of one mode, unless one is there that is as strict."""
    labels = mapping(resource.metadata.get("labels"))
    key, level = PREFIX + mode, asked.level
    current = labels.get(key)
    if current is None:
        values = {key: level, f"{key}-version": asked.label}
        writes = tuple(_write(resource, name, value) for name, value in values.items() if labels.get(name) is None)
        yield _finding(key, "fixed", "info", f"namespace gets {key}={level}{because}", None, level), writes
    elif mode == "enforce" and current not in LEVELS and level != "restricted":
        message = f"namespace has {key}={current}, which can't be read and so counts as restricted: correct it"
        yield _finding(key, "explicit", "warning", message, current, level), ()
    elif current not in LEVELS or LEVELS.index(current) < LEVELS.index(level):
        if settings.overrides(NAMESPACES):
            raised = [Operation("replace", (*resource.base, "metadata", "labels", key), level)]
            if labels.get(f"{key}-version") is None:
                # Without it the server takes the newest, whatever the policy says.
                raised.append(_write(resource, f"{key}-version", asked.label))
            message = f"namespace gets {key}={level} in place of {current}{because}"
            yield _finding(key, "fixed", "info", message, current, level), tuple(raised)
        else:
            strict = settings.required(NAMESPACES) and settings.on_violation == "Fail"
            what = f"is softer than {level}" if current in LEVELS else "can't be read"
            message = f"namespace has {key}={current}, which {what}: its owner may {_mend(current)} it"
            yield _finding(key, "explicit", "error" if strict else "warning", message, current, level), ()


def _mend(current: object) -> str:
    return "raise" if current in LEVELS else "correct"


def _automatic(
    resource: Resource, settings: Settings, asked: LevelVersion, facts: Facts
) -> Iterator[tuple[Finding, tuple[Operation, ...]]]:
    """`enforce: auto`: the policy's level, once every pod of the input meets it."""
    key = f"{PREFIX}enforce"
    labels = mapping(resource.metadata.get("labels"))
    current = labels.get(key)
    if asked.level == "privileged" or (current in LEVELS and LEVELS.index(current) >= LEVELS.index(asked.level)):
        return
    blocked = _blocked(resource, labels, asked, facts)
    if blocked:
        message = f"namespace gets no {key}={asked.level}: {blocked}; what isn't in the input wasn't seen"
        yield _finding(key, "deferred", "warning", message, current, asked.level), ()
        return
    count = len(facts.pods[resource.name])
    because = f" ({asked.label}): what makes pods of it here passes ({count}); what isn't in the input wasn't seen"
    yield from _labelled(resource, settings, "enforce", asked, because)


def _blocked(resource: Resource, labels: Mapping[str, Any], asked: LevelVersion, facts: Facts) -> str:
    """What keeps a namespace from being labelled, or empty."""
    pods = facts.pods.get(resource.name, {})
    failing = [f"{name} ({reason})" for name, reason in sorted(pods.items()) if reason]
    written = labels.get(f"{PREFIX}enforce-version")
    if failing:
        return f"{len(failing)} of {len(pods)} don't pass {asked}: {_few(failing)}"
    if facts.unread:
        return f"not judged: {_few(facts.unread)}"
    if not pods:
        return "the input has no pod of it"
    if facts.homeless:
        return f"no namespace is named by {_few(facts.homeless)}"
    return "" if written in (None, asked.label) else f"its enforce-version is {written}, not {asked.label}"


def _few(names: list[str] | tuple[str, ...]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def _write(resource: Resource, name: str, value: str) -> Operation:
    return Operation("add", (*resource.base, "metadata", "labels", name), value)


def _finding(key: str, state: str, severity: str, message: str, current: object, level: str | None) -> Finding:
    return Finding(
        NAMESPACES,
        "restricted",
        state,
        severity,
        ("metadata", "labels", key),
        message,
        risk="safe" if state == "fixed" else "none",
        current=current,
        proposed=level,
    )
