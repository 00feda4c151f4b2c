"""What Gatekeeper writes where a pod says nothing: Assign, ModifySet and AssignMetadata.

A mutator sees one path and whether it is there, nothing beside it. So what depends on anything else, such as a user
that only some images can take, is left to the constraints, and said.

Source: Gatekeeper, pkg/mutation (a pathTest's subPath must be a prefix of the location; match/match.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden import namespaces
from krm_harden.cluster import _admission_psp
from krm_harden.cluster._cel import matching, words
from krm_harden.controls import NAMESPACES, POD_SECURITY_POLICY
from krm_harden.exemptions import glob
from krm_harden.model import mapping
from krm_harden.policy import Settings
from krm_harden.psp.model import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
    from krm_harden.exemptions import Exemption
    from krm_harden.policy import Policy

API_VERSION = "mutations.gatekeeper.sh/v1"
OPT_OUT = "krm-harden.dev/mutation"
"""A label of a pod: with the value `skip` nothing is written to it. What is refused is refused all the same."""
CREATED_ONLY = words.LISTS
"""For clusters from here on a Gatekeeper is expected whose mutators can be limited to an operation."""
SYSTEM = "kube-*"
"""The namespaces that are left alone."""


@dataclass(frozen=True)
class Write:
    """What is written for a control: a value at a location, unless `unless` is there.

    `{containers}` in a location stands for each of a pod's lists. `merged`: the values are added to the list there.
    `safe`: no container is known to break by it, so that it is also written with `changes` below complete.
    """

    control: str
    name: str
    location: str
    value: Any
    unless: str = ""
    merged: bool = False
    safe: bool = False


LISTS = {"containers": "spec.containers[name:*]", "init-containers": "spec.initContainers[name:*]"}
"""How a mutator is called that goes through a list, and the list. Ephemeral containers come by another way, which
Gatekeeper's webhook for mutations doesn't see."""
WRITES = (
    Write(
        "seccompProfile_restricted",
        "seccomp-profile",
        "spec.securityContext.seccompProfile.type",
        "RuntimeDefault",
        "spec.securityContext.seccompProfile",
        safe=True,
    ),
    Write(
        "allowPrivilegeEscalation",
        "allow-privilege-escalation",
        "{containers}.securityContext.allowPrivilegeEscalation",
        False,
        "{containers}.securityContext.allowPrivilegeEscalation",
    ),
    Write(
        "capabilities_restricted",
        "drop-capabilities",
        "{containers}.securityContext.capabilities.drop",
        ["ALL"],
        merged=True,
    ),
    Write(
        "runAsNonRoot",
        "run-as-non-root",
        "spec.securityContext.runAsNonRoot",
        True,
        "spec.securityContext.runAsNonRoot",
    ),
)
NOT_SEEN = {
    "numericUser": "whether a container mounts a claim, and whose files its image has",
    "numericGroup": "the image's own group",
    "fsGroup": "which volumes a pod has",
    "readOnlyRootFilesystem": "which paths a container writes to, and a volume for each of them",
}
"""Controls that `fix` writes for and a mutator can't: what it would have to see."""


@dataclass(frozen=True)
class Scope:
    """Which pods a mutator is for: None where there are none. `match` is Gatekeeper's."""

    match: Mapping[str, Any] | None
    notes: tuple[str, ...] = ()


def of_policy(policy: Policy, options: Options) -> tuple[list[dict[str, Any]], list[str]]:
    """The mutators of a policy, and what they can't do of it."""
    made: list[dict[str, Any]] = []
    cannot: list[str] = []
    for write in _writes(policy, cannot):
        scope = _scope(policy, write, options)
        cannot += scope.notes
        if scope.match is not None:
            made += _of_pods(write, scope.match, options)
    if made and options.kubernetes < CREATED_ONLY:
        cannot.append(
            "mutators: those of an older Gatekeeper also write on updates, and a pod that was there before can't be "
            f"updated so: label it {OPT_OUT}=skip"
        )
    settings = Settings(policy, policy.effective(()))
    for control, unseen in NOT_SEEN.items():
        if _is_on(settings, control, options, safe=False):
            cannot.append(f"{control}: no mutator writes it, for none sees {unseen}")
    labels, notes = _of_namespaces(policy, settings, options)
    return made + labels, [*dict.fromkeys(cannot), *notes]


def _writes(policy: Policy, cannot: list[str]) -> list[Write]:
    """What is written: for a PodSecurityPolicy, and at other places for the level."""
    from krm_harden.cluster._gatekeeper_psp import writes

    found: list[Write] = []
    for one in _admission_psp.held(Settings(policy, policy.effective(()))):
        made, notes = writes(one)
        found += made
        cannot += notes
    for index, rule in enumerate(policy.rules):
        if "podSecurityPolicy" in rule:
            cannot.append(f"rules[{index}].podSecurityPolicy: no mutator writes what it sets: only some pods get it")
    taken = {write.unless for write in found if write.unless}
    return [*found, *(write for write in WRITES if write.unless not in taken)]


def _is_on(settings: Settings, control: str, options: Options, *, safe: bool) -> bool:
    """Whether a control is written: where nothing is refused yet, only what no pod breaks by."""
    from krm_harden.controls import load

    if not safe and options.action_for(settings.on_violation) != "deny":
        return False
    if control.startswith(PREFIX):
        return True
    known = load()[control]
    if known.since > settings.output or not settings.enabled(control, known.level):
        return False
    return safe or settings.changes == "complete"


def _scope(policy: Policy, write: Write, options: Options) -> Scope:
    """Where a control is to be written: by the policy, its rules and its exemptions.

    What can't be told apart exactly is told apart too coarsely, on the side of fewer pods: a constraint still judges
    what isn't written to.
    """
    control = write.control
    everywhere = _is_on(Settings(policy, policy.effective(())), control, options, safe=write.safe)
    also, never, notes = [], [], []
    for index, rule in enumerate(policy.rules):
        is_on = _is_on(Settings(policy, policy.effective((rule,))), control, options, safe=write.safe)
        if is_on and not everywhere:
            also.append((f"rules[{index}]", rule["match"]))
        elif everywhere and not is_on:
            never.append((f"rules[{index}]", rule["match"]))
    exemptions = _about(policy, control)
    never += [(one.where, one.match) for one in exemptions if _is_of(one.match, matching.BUILT_IN)]
    match = _matching(also)
    if (not everywhere and not also) or match is None:
        notes += [f"{where}: no mutator writes {control}, for none sees more than a namespace" for where, _ in also]
        return Scope(None, tuple(notes))
    for where, narrow in never:
        wide, is_exact = _without(match, narrow)
        if wide is None:
            return Scope(None, (*notes, f"{where}: no mutator writes {control}, for none sees {_named(narrow)}"))
        if not is_exact:
            notes.append(f"{where}: the mutators for {control} leave more alone, for they don't see {_named(narrow)}")
        match = wide
    return Scope(match, tuple(notes))


def _about(policy: Policy, control: str) -> Iterator[Exemption]:
    alias = {POD_SECURITY_POLICY} if control.startswith(PREFIX) else set()
    return (one for one in matching.carried(policy) if not one.controls.isdisjoint({control, "*", *alias}))


def _is_of(match: Mapping[str, Any], kinds: Iterable[str]) -> bool:
    """Whether a match can be about an object of one of some kinds."""
    return "kinds" not in match or any(glob(match["kinds"], kind) for kind in kinds)


def _named(narrow: Mapping[str, Any]) -> str:
    seen = {"namespaces", "labels"} if "namespaces" in narrow else {"labels"}
    return " and ".join(sorted(set(narrow) - seen)) or "all of its labels"


def _matching(also: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any] | None:
    """Gatekeeper's match for some rules, or for everything; None where it can't say them."""
    match: dict[str, Any] = {}
    if also:
        if any(set(narrow) != {"namespaces"} for _, narrow in also):
            return None
        names = [name for _, narrow in also for name in narrow["namespaces"] if _wildcard(name)]
        if not names or any(_wildcard(name) != name for name in names):
            return None
        match["namespaces"] = [*dict.fromkeys(names)]
    return {**match, "excludedNamespaces": [SYSTEM]}


def _without(match: Mapping[str, Any], narrow: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """A match less what a policy's match is about, and whether no more than that; None where nothing would be left."""
    if "namespaces" in narrow:
        names = {name: _wildcard(name) for name in narrow["namespaces"]}
        if "*" in names.values():
            return None, False
        excluded = [*dict.fromkeys([*match["excludedNamespaces"], *filter(None, names.values())])]
        is_exact = all(said in {"", name} for name, said in names.items())
        return {**match, "excludedNamespaces": excluded}, [*narrow] == ["namespaces"] and is_exact
    if "labels" in narrow:
        (key, pattern), *more = narrow["labels"].items()
        plain = bool(_LABEL.fullmatch(pattern)) and len(pattern) <= LONGEST_LABEL
        one = {"key": key, "operator": "NotIn" if plain else "DoesNotExist"} | ({"values": [pattern]} if plain else {})
        known = mapping(match.get("labelSelector")).get("matchExpressions", [])
        return {**match, "labelSelector": {"matchExpressions": [*known, one]}}, plain and not more and len(narrow) == 1
    return None, False


_WILDCARD = re.compile(r"\*?[-a-z0-9]*\*?")
"""What Gatekeeper takes for a namespace (pkg/wildcard), as far as one can have such a name."""
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
LONGEST_LABEL = 63


def _wildcard(pattern: str) -> str:
    """A glob as Gatekeeper has it, with `*` at its ends only: the pattern itself, or one that matches more.

    Empty where no namespace can have such a name.
    """
    found = re.sub(r"\*+", "*", pattern)
    if set(found[1:-1]) & set("*?[") or set(found) & set("?["):
        start = min(found.find(letter) for letter in "*?[" if letter in found)
        found = found[:start] + "*"
    return found if _WILDCARD.fullmatch(found) else ""


def _of_pods(write: Write, match: Mapping[str, Any], options: Options) -> Iterator[dict[str, Any]]:
    places = LISTS.items() if "{containers}" in write.location else [("", "")]
    for suffix, containers in places:
        name = "-".join(part for part in (options.name, write.name, suffix) if part)
        location, unless = (text.format(containers=containers) for text in (write.location, write.unless))
        parameters: dict[str, Any] = {"assign": {"value": write.value}}
        if write.merged:
            parameters = {"operation": "merge", "values": {"fromList": write.value}}
        if unless:
            parameters["pathTests"] = [{"subPath": unless, "condition": "MustNotExist"}]
        for made, source, operations in _occasions(name, options):
            yield {
                "apiVersion": API_VERSION,
                "kind": "ModifySet" if write.merged else "Assign",
                "metadata": {"name": made},
                "spec": {
                    "applyTo": [{"groups": [""], "kinds": ["Pod"], "versions": ["v1"], **operations}],
                    "match": {"scope": "Namespaced", "source": source, **_opted_in(match)},
                    "location": location,
                    "parameters": parameters,
                },
            }


def _occasions(name: str, options: Options) -> list[tuple[str, str, dict[str, Any]]]:
    """Mutators' names, sources and operations.

    A pod that is there keeps what it has: most of a pod can't be changed, so that each update of it would fail. A
    mutator for one operation isn't for expanded pods, so there is another for these.
    """
    if options.kubernetes < CREATED_ONLY:
        return [(name, "All", {})]
    return [(name, "Original", {"operations": ["CREATE"]}), (f"{name}-expanded", "Generated", {})]


def _opted_in(match: Mapping[str, Any]) -> dict[str, Any]:
    opted_out = {"key": OPT_OUT, "operator": "NotIn", "values": ["skip"]}
    known = mapping(match.get("labelSelector")).get("matchExpressions", [])
    return {**match, "labelSelector": {"matchExpressions": [opted_out, *known]}}


def _of_namespaces(policy: Policy, settings: Settings, options: Options) -> tuple[list[dict[str, Any]], list[str]]:
    """The labels of Namespaces that have none. AssignMetadata never changes one that is there."""
    if not settings.control(NAMESPACES).get("enabled", True):
        return [], []
    excluded, cannot = [SYSTEM], []
    for exemption in _about(policy, NAMESPACES):
        containers = exemption.match.get("containers", ("*",))
        if not _is_of(exemption.match, ["Namespace"]) or "images" in exemption.match or not glob(containers, ""):
            continue
        wide, _ = _without({"excludedNamespaces": excluded}, _by_name(exemption.match))
        if wide is None or "labelSelector" in wide:
            return [], [f"{exemption.where}: no mutator labels Namespaces, for none sees {_named(exemption.match)}"]
        excluded = wide["excludedNamespaces"]
    version = settings.namespaces.get("version", settings.asked.label)
    refuses = options.action_for(settings.on_violation) == "deny"
    made: list[dict[str, Any]] = []
    for mode, level in namespaces.wanted(settings):
        if mode == "enforce" and not refuses:
            continue
        key = namespaces.PREFIX + mode
        if level == "auto":
            cannot.append("namespaces.enforce: no mutator knows whether all pods of a namespace pass: run fix for it")
            continue
        # The version first: it is for namespaces without a level only. Mutators run in the order of their names.
        pairs = [(f"{key}-version", version, "at")] if version != "latest" else []
        for label, value, suffix in [*pairs, (key, level, "level")]:
            made.append(_label(f"{options.name}-{mode}-{suffix}", label, value, key, excluded))
    return made, cannot


def _by_name(match: Mapping[str, Any]) -> Mapping[str, Any]:
    """A match of Namespaces: a Namespace is in itself, and its name is its namespace's."""
    return {"namespaces": match["names"]} if "names" in match and "namespaces" not in match else match


def _label(name: str, label: str, value: str, unless: str, excluded: Sequence[str]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "AssignMetadata",
        "metadata": {"name": name},
        "spec": {
            "match": {
                "scope": "Cluster",
                "kinds": [{"apiGroups": [""], "kinds": ["Namespace"]}],
                "excludedNamespaces": [*excluded],
                "labelSelector": {"matchExpressions": [{"key": unless, "operator": "DoesNotExist"}]},
            },
            "location": f'metadata.labels."{label}"',
            "parameters": {"assign": {"value": value}},
        },
    }
