"""The Pod Security labels of Namespaces: `pod-security.kubernetes.io/{enforce,audit,warn}` and their versions.

A label that is there stays: it is never lowered, and raising it is its owner's decision. `kube-*` namespaces are left
alone. Source: kubernetes.io/docs/concepts/security/pod-security-admission, pod-security-admission/api/constants.go.
"""

from __future__ import annotations

from krm_harden.controls import NAMESPACES
from krm_harden.model import Finding, Operation, mapping
from krm_harden.schema import LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.model import Resource
    from krm_harden.policy import Settings

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")


def wanted(settings: Settings) -> Iterator[tuple[str, str]]:
    """The labels that the policy asks for, in the order in which they are written."""
    said = settings.namespaces
    for mode in MODES:
        level = said.get(mode, "none" if mode == "enforce" else settings.level)
        if level not in {"none", "auto"} and not (level == "privileged" and mode not in said):
            yield mode, level


def label(resource: Resource, settings: Settings) -> Iterator[tuple[Finding, tuple[Operation, ...]]]:
    """Findings about a Namespace's labels, each with the operations that mend it. Paths of operations are absolute."""
    if resource.name.startswith("kube-") or not settings.control(NAMESPACES).get("enabled", True):
        return
    if settings.namespaces.get("enforce") == "auto":
        yield _auto(), ()
    labels = mapping(resource.metadata.get("labels"))
    version = settings.namespaces.get("version", settings.version_label)
    for mode, level in wanted(settings):
        key = PREFIX + mode
        current = labels.get(key)
        if current is None:
            values = {key: level, f"{key}-version": version}
            writes = tuple(_write(resource, name, value) for name, value in values.items() if name not in labels)
            yield _finding(key, "fixed", "info", f"namespace gets {key}={level}", None, level), writes
        elif current not in LEVELS or LEVELS.index(current) < LEVELS.index(level):
            message = f"namespace has {key}={current}, which is softer than {level}: its owner may raise it"
            yield _finding(key, "explicit", "warning", message, current, level), ()


def _write(resource: Resource, name: str, value: str) -> Operation:
    return Operation("add", (*resource.base, "metadata", "labels", name), value)


def _finding(key: str, state: str, severity: str, message: str, current: object, level: str) -> Finding:
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


def _auto() -> Finding:
    message = "enforce: auto isn't decided by this release: no enforce label is written"
    return _finding(f"{PREFIX}enforce", "deferred", "warning", message, None, "auto")
