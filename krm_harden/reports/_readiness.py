"""Which level of the standard could be enforced, per workload and namespace, by what a JSON report says.

A level is claimed only where the report shows that it holds. Three stages: `today`; `fixed`, after `fix` with the run's
policy; `exempt`, after it and with the workloads that the policy exempts set aside. A fix that turns out to be refused,
because its text can't be edited safely, shows in the report of `fix` alone: of `check`, `fixed` is a forecast.

Source: a namespace's `enforce` label is met when every pod passes (pod-security-admission, admission/admission.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.controls import VULNERABILITIES, load
from krm_harden.decide import DEFAULT_CAPABILITIES
from krm_harden.model import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FIXES = frozenset({"fixed", "open"})
"""The states of what `fix` has written, or would write."""
FAILS = FIXES | {"exempt", "deferred", "explicit", "manual", "refused"}
"""The states that say that a check fails, or failed before the fix. The others are notices."""
_OWNED = "owned by "
"""How the reason begins where only another object's author can write the fix."""
STAGES = ("today", "fixed", "exempt")
REASONS = {
    "allowPrivilegeEscalation != false": "allowPrivilegeEscalation",
    "forbidden AppArmor profile": "appArmorProfile",
    "forbidden sysctls": "sysctls",
    "host namespaces": "hostNamespaces",
    "hostPath volumes": "hostPathVolumes",
    "hostPort": "hostPorts",
    "hostProcess": "windowsHostProcess",
    "non-default capabilities": "capabilities_baseline",
    "privileged": "privileged",
    "probe or lifecycle host": "hostProbesAndHostLifecycle",
    "procMount": "procMount",
    "restricted volume types": "restrictedVolumes",
    "runAsNonRoot != true": "runAsNonRoot",
    "runAsUser=0": "runAsUser",
    "seLinuxOptions": "seLinuxOptions",
    "seccompProfile": "seccompProfile_restricted",
    "unrestricted capabilities": "capabilities_restricted",
}
"""How the API server begins each reason, and the control that it is about."""
_ALSO = {"procMount": "procMount_restricted", "seccompProfile_restricted": "seccompProfile_baseline"}
"""Controls of two levels that share one reason."""


_SOFTER = {
    "capabilities_restricted": "in securityContext.capabilities.add",
    "restrictedVolumes": '"hostPath"',
    "seccompProfile_restricted": "must not set securityContext.seccompProfile",
}
"""Words without which the server's message isn't about the softer control that one stands for."""


class Standing(NamedTuple):
    """What one workload meets: levels at two stages; whether a live exemption is at work; `judged`, the level asked.

    `fails` are the controls of the standard that fail today, `remains` those that fail after the fix too.
    """

    today: str
    fixed: str
    exempt: bool
    judged: str
    fails: frozenset[str]
    remains: frozenset[str]
    unreported: frozenset[str]


class Stage(NamedTuple):
    """A namespace at one stage: the level, whether a stricter one just wasn't asked for, and who keeps it there."""

    level: str
    at_least: bool
    blocking: tuple[str, ...]


class Readiness(NamedTuple):
    """A namespace: its stages by name, how many workloads it has, and which ones are set aside at the last stage."""

    namespace: str
    workloads: int
    stages: dict[str, Stage]
    aside: tuple[str, ...]


def is_workload(resource: Mapping[str, Any]) -> bool:
    """Whether an object of the report makes pods: Namespaces are judged for their labels alone."""
    return bool(resource["kind"] != "Namespace")


def shows(finding: Mapping[str, Any]) -> Iterator[str]:
    """The controls of the standard that a finding shows to fail: its own, and the softer one that it stands for.

    At restricted some checks take the place of one of baseline, which has no finding then.
    """
    control = load().get(finding["control"])
    if finding["state"] not in FAILS or control is None or not control.standard:
        return
    yield control.id
    if control.overrides and _breaks_the_softer(control.id, finding):
        yield from control.overrides


def _breaks_the_softer(control: str, finding: Mapping[str, Any]) -> bool:
    """Whether baseline forbids it too; True where the finding can't tell."""
    path, current = finding["path"], finding["current"]
    if control == "restrictedVolumes":
        return bool(path.endswith(".hostPath"))
    if control == "seccompProfile_restricted":
        return current is not None
    if control == "capabilities_restricted" and path.endswith(".drop"):
        return False
    if control == "capabilities_restricted" and isinstance(current, list):
        return any(not isinstance(name, str) or name not in DEFAULT_CAPABILITIES for name in current)
    return True


def standing(resource: Mapping[str, Any]) -> Standing:
    """What the report says of one workload."""
    findings = resource["findings"]
    fails = {control for finding in findings for control in shows(finding)}
    remains = {control for finding in findings if not is_mended(finding) for control in shows(finding)}
    unreported = frozenset(_unreported(resource, fails))
    judged = resource["level"]
    # The verdict is that of the text as it is: with what was fixed in it, and with what only would be fixed not.
    is_now = _met(judged, unreported | remains, allowed=resource["allowed"])
    written = any(finding["state"] == "fixed" and any(shows(finding)) for finding in findings)
    waiting = any(is_mended(finding) and any(shows(finding)) for finding in findings)
    # Nothing is said of a container that the fix has taken out.
    gone = any(_takes_out(operation) for operation in resource["operations"])
    unknown = unreported | ({""} if gone else set())
    before = is_now if resource["allowed"] and not (written or gone) else _met(judged, unknown | fails, allowed=False)
    after = _met(judged, unreported | remains, allowed=resource["allowed"] or (waiting and not unreported | remains))
    exempt = any(_is_exempt(finding) for finding in findings)
    return Standing(before, after, exempt, judged, frozenset(fails), frozenset(remains), unreported)


def _is_exempt(finding: Mapping[str, Any]) -> bool:
    """Whether an exemption that still holds is at work; of what an image contains no level asks."""
    is_alive = finding["state"] == "exempt" and finding["severity"] == "info"
    return is_alive and bool(finding["control"] != VULNERABILITIES)


def standings(document: Mapping[str, Any]) -> list[Standing | None]:
    """What the report says of each of its objects, in their order; None for one that makes no pods."""
    return [standing(one) if is_workload(one) else None for one in document["resources"]]


def is_mended(finding: Mapping[str, Any]) -> bool:
    """Whether the fix has written what was missing, or will.

    What a controller made is its owner's, and `check` has what the policy's `changes` stop before among what is open.
    """
    stays = finding["reason"].startswith(_OWNED) or is_deferred(finding)
    return finding["state"] in FIXES and not stays


def is_deferred(finding: Mapping[str, Any]) -> bool:
    """Whether the policy's `changes` stop before it, or `immutable: skip` does."""
    return finding["state"] == "deferred" or finding.get("code") == "deferred"


def _takes_out(operation: Mapping[str, Any]) -> bool:
    return operation["op"] == "remove" and "initContainers" in operation["path"].split("/")[-2:]


def _unreported(resource: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """The controls that the verdict names and no finding does: the policy has switched them off.

    An empty id where the verdict is negative and nothing says why.
    """
    if resource["allowed"]:
        return
    known, explained = set(known), False
    for reason, control in REASONS.items():
        if f"{reason} (" not in resource["message"] and f"{reason}s (" not in resource["message"]:
            continue
        explained = True
        same = {control, _ALSO.get(control, control)}
        if not known.isdisjoint(same):
            continue
        softer = _SOFTER.get(control, "") in resource["message"]
        yield from (*same, *load()[control].overrides) if softer else (control,)
    if not (explained or known):
        yield ""


def _met(judged: str, fails: Iterable[str], *, allowed: bool) -> str:
    """The strictest level that is met, of those up to the one that was asked for."""
    if allowed:
        return judged
    failed = set(fails)
    if judged != "restricted" or not failed:
        return "privileged"
    soft = any(not name or load()[name].level == "baseline" for name in failed)
    return "privileged" if soft else "baseline"


def readiness(document: Mapping[str, Any], known: Sequence[Standing | None] | None = None) -> list[Readiness]:
    """Each namespace of the report that has a workload, by name; workloads that name none come last.

    `known` are the report's `standings`, where they are at hand.
    """
    groups: dict[str, list[tuple[str, Standing]]] = {}
    for resource, one in zip(document["resources"], known or standings(document), strict=True):
        if one:
            name = f"{resource['kind']}/{resource['name']}"
            groups.setdefault(resource["namespace"], []).append((name, one))
    return [_of_namespace(name, groups[name]) for name in sorted(groups, key=lambda name: (not name, name))]


def _of_namespace(namespace: str, found: list[tuple[str, Standing]]) -> Readiness:
    staying = [(name, one) for name, one in found if not one.exempt or one.fixed == LEVELS[-1]]
    last = _stage([(name, one.fixed, one.judged) for name, one in staying])
    below = [name for name, one in found if one.exempt and LEVELS.index(one.fixed) < LEVELS.index(last.level)]
    stages = {
        "today": _stage([(name, one.today, one.judged) for name, one in found]),
        "fixed": _stage([(name, one.fixed, one.judged) for name, one in found]),
        "exempt": last,
    }
    return Readiness(namespace, len(found), stages, tuple(below))


def _stage(met: list[tuple[str, str, str]]) -> Stage:
    """What holds for all of some workloads: each with its name, what it meets and what it was asked."""
    if not met:
        # Whoever is alone in a namespace and exempt leaves nothing behind that a level could be claimed for.
        return Stage("privileged", at_least=False, blocking=())
    level = min((one for _, one, _ in met), key=LEVELS.index)
    lowest = [(name, judged) for name, one, judged in met if one == level]
    blocking = tuple(dict.fromkeys(name for name, judged in lowest if judged != level))
    return Stage(level, at_least=level != LEVELS[-1] and not blocking, blocking=blocking)
