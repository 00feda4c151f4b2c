"""A policy for Gatekeeper: a constraint for each control, what expands workloads to pods, and mutators.

The checks are in CEL, by the engine K8sNativeValidation, and the same as those of an admission policy. Each control is
a template of its own: so each has its own count of violations, and its own budget, for Gatekeeper gives all
expressions of one template together as much as the API server gives each.

Source: Gatekeeper, pkg/drivers/k8scel/driver.go, pkg/webhook/policy.go, pkg/expansion/system.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.cluster import Emitted, _admission_psp, _gatekeeper_mutators, _gatekeeper_tests
from krm_harden.cluster._cel import judging, matching, psp
from krm_harden.cluster._cel.words import listed, literal, must_fit
from krm_harden.cluster._unsaid import unsaid
from krm_harden.controls import POD_SECURITY_POLICY, load
from krm_harden.errors import ConfigError
from krm_harden.psp.model import KIND, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster import Options
    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.cluster._cel.judging import Judgement
    from krm_harden.exemptions import Exemption
    from krm_harden.policy import Policy, Settings
    from krm_harden.psp.model import PodSecurityPolicy

SUMMARY = "constraints with their templates and tests, expansion templates, mutators"
TARGET = "admission.k8s.gatekeeper.sh"
ENGINE = "K8sNativeValidation"
ACTIONS = {"deny": "deny", "warn": "warn", "audit": "dryrun"}
"""Gatekeeper's words for what becomes of a violation."""
LONGEST_KIND = 63
USER = "request.?userInfo.?username.orValue('')"
NOBODY = f"{USER} == ''"
"""Whether nothing is to be stored: in an audit, in gator, and for a pod that a workload is expanded to."""
CONDITION = {
    "name": "significant",
    # A DELETE has no object. An expanded pod comes with its workload's UPDATE, and without an old pod.
    "expression": f"object != null && (oldObject == null ||\n{judging.SIGNIFICANT})",
}
WORKLOADS = (
    ("templates", "spec.template", "", "v1", ("ReplicationController",)),
    ("templates", "spec.template", "apps", "v1", ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
    ("templates", "spec.template", "batch", "v1", ("Job",)),
    ("pod-templates", "template", "", "v1", ("PodTemplate",)),
)
"""What makes pods: the name of the ExpansionTemplate, where the pod lies, group, version and kinds."""
POD = {"group": "", "version": "v1", "kind": "Pod"}
JOB = {"group": "batch", "version": "v1", "kind": "Job"}


@dataclass(frozen=True)
class Check:
    """A control as a ConstraintTemplate: the variable with the words of a violation, and those that it reads.

    `title` describes it, `head` begins the words; one of the variables `exempt` lets a pod pass.
    """

    control: str
    kind: str
    title: str
    head: str
    variable: str
    variables: Variables
    settings: Settings
    exempt: tuple[str, ...] = ()

    @property
    def expression(self) -> str:
        """What is true for what the control allows."""
        parts = [f"variables.{name}" for name in self.exempt]
        parts += ["!variables.applies"] if any(name == "applies" for name, _ in self.variables) else []
        return " || ".join([*parts, f"variables.{self.variable} == ''"])


def emitted(policy: Policy, options: Options) -> Emitted:
    """The objects of a policy. Raises ConfigError for a name that is too long for Gatekeeper's kinds."""
    judged = judging.judgements(policy, options.kubernetes, identity=_identity())
    checks = [check for index, one in enumerate(judged) for check in _checks(one, options, index)]
    of_policies, uncarried = _of_pod_security_policies(policy, options.name)
    checks += of_policies
    templates = [_template(check) for check in checks]
    constraints = [_constraint(check, options) for check in checks]
    mutators, unwritten = _gatekeeper_mutators.of_policy(policy, options)
    cannot = [*unsaid(policy, labels=True), *(line for one in judged for line in one.cannot), *uncarried, *unwritten]
    objects = [*templates, *constraints, *(_expansions(checks, options) if checks else ()), *mutators]
    tests = _gatekeeper_tests.files(
        options.name,
        [
            (check.control, _file(template), _file(constraint))
            for check, template, constraint in zip(checks, templates, constraints, strict=True)
            if check.control in _gatekeeper_tests.BAD
        ],
    )
    must_fit(objects, policy.name)
    return Emitted(tuple(objects), tuple(dict.fromkeys(cannot)), tests if checks else {})


def _identity() -> Variables:
    """Which workload a pod is of. An expanded pod's owner is the workload itself, which no controller vouches for."""
    found = matching.identity(f"{USER} in {listed(['', *matching.CONTROLLERS])}")
    made = [(name, text.replace(".orValue(false)", f".orValue({NOBODY})")) for name, text in found]
    name = "{'kind': 'CronJob', 'name': owner.name.substring(0, owner.name.size() - 4)}"
    of_cron_job = (
        f"variables.owners.map(owner, {NOBODY} && owner.kind == 'Job' && owner.name.endsWith('-job'),\n    {name})"
    )
    return [(name, f"{text}\n  + {of_cron_job}" if name == "workloads" else text) for name, text in made]


def _checks(judgement: Judgement, options: Options, index: int) -> Iterator[Check]:
    """The checks of a judgement, one by one."""
    controls = load()
    applies = ["applies"] if any(name == "applies" for name, _ in judgement.variables) else []
    message = judgement.message
    if options.action_for(judgement.settings.on_violation) != "deny":
        message = message.replace("violates", "would violate", 1)
    for name, _ in judgement.variables:
        if name in controls:
            kind = _kind(options.name, index, name)
            variables = _needed(judgement.variables, [name, *applies])
            title = f"{controls[name].title}."
            yield Check(name, kind, title, f"{message}: ", name, variables, judgement.settings)


def _of_pod_security_policies(policy: Policy, prefix: str) -> tuple[list[Check], list[str]]:
    """The fields of PodSecurityPolicies, one by one, and what of their exemptions isn't carried over."""
    kept = matching.carried(policy)
    found: list[Check] = []
    index = 0
    for settings, applies in judging.settings_of(policy, ("podSecurityPolicy", "onViolation")):
        for one in _admission_psp.held(settings):
            found += _of_pod_security_policy(one, settings, applies, kept, prefix, index)
            index += 1
    cannot = [
        f"{one.where}: a PodSecurityPolicy's fields are judged for whole pods, and not without some of their containers"
        for one in kept
        if not _is_whole(one) and any(_is_about(one, check.control) for check in found)
    ]
    return found, cannot


def _of_pod_security_policy(
    policy: PodSecurityPolicy,
    settings: Settings,
    applies: str,
    exemptions: Sequence[Exemption],
    prefix: str,
    index: int,
) -> Iterator[Check]:
    made = psp.refusals(policy)
    if policy.unusable:
        made = {"unusable": [("unusable", literal(policy.unusable))]}
    variables: Variables = [*psp.POD, *(one for of_field in made.values() for one in of_field)]
    if exemptions or applies:
        variables = [*_identity(), *matching.exempt(exemptions), *variables]
    if applies:
        variables.append(("applies", applies))
    for field in made:
        control = PREFIX + field
        about = [f"exempt{place}" for place, one in enumerate(exemptions) if _is_about(one, control) and _is_whole(one)]
        wanted = [field, *about, *(["applies"] if applies else [])]
        kind = _kind(prefix, index, f"{KIND}-{field}")
        title = f"{field} of the PodSecurityPolicy {policy.name}."
        head = f"{KIND} {policy.name}: "
        yield Check(control, kind, title, head, field, _needed(variables, wanted), settings, tuple(about))


def _is_about(exemption: Exemption, control: str) -> bool:
    return not exemption.controls.isdisjoint({control, POD_SECURITY_POLICY, "*"})


def _is_whole(exemption: Exemption) -> bool:
    """Whether it is for all of a pod."""
    names = exemption.match.get("containers")
    return exemption.match.get("images") is None and (names is None or "*" in names)


def _kind(prefix: str, index: int, name: str) -> str:
    """The kind of a constraint. Raises ConfigError for one that Kubernetes doesn't take."""
    kind = _camel(prefix) + (str(index + 1) if index else "") + _camel(name)
    if not kind[0].isalpha():
        message = f"--name {prefix!r} can't begin the name of a kind, as Gatekeeper's constraints have"
        raise ConfigError(message, next_step="begin it with a letter")
    if len(kind) > LONGEST_KIND:
        message = f"--name {prefix!r} is too long: Gatekeeper's kind would be {kind}"
        raise ConfigError(message, next_step=f"take {len(kind) - LONGEST_KIND} letters less")
    return kind


def _camel(name: str) -> str:
    return "".join(part[0].upper() + part[1:] for part in re.split(r"[-_]", name) if part)


def _needed(variables: Variables, wanted: Iterable[str]) -> Variables:
    """Those of the variables that are wanted, and what they read."""
    names = {*wanted}
    kept: Variables = []
    for name, text in reversed(variables):
        if name in names:
            kept.append((name, text))
            names.update(re.findall(r"variables\.(\w+)", text))
    return kept[::-1]


def _template(check: Check) -> Mapping[str, Any]:
    source = {
        "failurePolicy": "Fail",
        "matchCondition": [CONDITION],
        "variables": [{"name": name, "expression": text} for name, text in check.variables],
        "validations": [
            {
                "expression": check.expression,
                "message": check.head.removesuffix(": "),
                "messageExpression": f"{literal(check.head)} + variables.{check.variable}",
            }
        ],
    }
    return {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": check.kind.lower(), "annotations": {"description": check.title}},
        "spec": {
            "crd": {"spec": {"names": {"kind": check.kind}}},
            "targets": [{"target": TARGET, "code": [{"engine": ENGINE, "source": source}]}],
        },
    }


def _constraint(check: Check, options: Options) -> Mapping[str, Any]:
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": check.kind,
        "metadata": {"name": options.name},
        "spec": {
            "enforcementAction": ACTIONS[options.action_for(check.settings.on_violation)],
            "match": {
                "kinds": [{"apiGroups": [""], "kinds": ["Pod"]}],
                "excludedNamespaces": [_gatekeeper_mutators.SYSTEM],
            },
        },
    }


def _expansions(checks: Sequence[Check], options: Options) -> Iterator[Mapping[str, Any]]:
    """What makes the pods of workloads, so that the constraints judge them; they warn, as Pod Security does."""
    actions = {options.action_for(one.settings.on_violation) for one in checks}
    action = {"enforcementAction": "warn"} if actions - {"audit"} else {}
    for name, source in dict.fromkeys((name, source) for name, source, *_ in WORKLOADS):
        kinds = [
            {"groups": [group], "kinds": [*kinds], "versions": [version]}
            for known, _, group, version, kinds in WORKLOADS
            if known == name
        ]
        yield _expansion(f"{options.name}-{name}", kinds, source, POD, action)
    cron_jobs = [{"groups": ["batch"], "kinds": ["CronJob"], "versions": ["v1"]}]
    yield _expansion(f"{options.name}-cron-jobs", cron_jobs, "spec.jobTemplate", JOB, action)


def _expansion(
    name: str, kinds: Sequence[Mapping[str, Any]], source: str, made: Mapping[str, str], action: Mapping[str, str]
) -> Mapping[str, Any]:
    return {
        "apiVersion": "expansion.gatekeeper.sh/v1beta1",
        "kind": "ExpansionTemplate",
        "metadata": {"name": name},
        "spec": {"applyTo": kinds, "templateSource": source, **action, "generatedGVK": made},
    }


def _file(one: Mapping[str, Any]) -> str:
    """The file of an object, as `krm-harden emit -o FOLDER/` calls it."""
    return f"{one['kind']}-{one['metadata']['name']}.yaml".lower()
