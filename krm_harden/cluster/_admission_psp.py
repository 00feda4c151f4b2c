"""The PodSecurityPolicies of a HardeningPolicy within its admission policies: for whom they are, and what is exempt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from krm_harden.cluster import Options
from krm_harden.cluster._cel import judging, matching
from krm_harden.controls import POD_SECURITY_POLICY, POD_SECURITY_POLICY_IDS
from krm_harden.exemptions import glob
from krm_harden.model import Resource
from krm_harden.psp.demands import ForAll
from krm_harden.psp.model import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.exemptions import Exemption
    from krm_harden.policy import Policy, Settings
    from krm_harden.psp.model import PodSecurityPolicy

FIELDS = ("podSecurityPolicy", "onViolation")
"""What a rule may say that makes a difference to what PodSecurityPolicies refuse."""


def held(settings: Settings) -> list[PodSecurityPolicy]:
    """The PodSecurityPolicies that hold for all that some settings are for."""
    named = [one for one in settings.pod_security if isinstance(one, ForAll)]
    return [candidate.policy for one in named for candidate in one.candidates(Resource((), {}), {})]


def validating(policy: Policy, options: Options) -> Iterator[Mapping[str, Any]]:
    """A ValidatingAdmissionPolicy and its binding for each PodSecurityPolicy. Raises ConfigError as `_psp.emitted`."""
    from krm_harden.cluster import _psp

    kept = matching.carried(policy)
    count = 0
    for settings, applies in judging.settings_of(policy, FIELDS):
        for one in held(settings):
            count += 1
            action = options.action_for(settings.on_violation)
            name = f"{options.name}-psp" + (f"-{count}" if count > 1 else "")
            for made in _psp.emitted(one, Options(name, options.kubernetes, action)).objects:
                yield _gated(made, kept, applies) if made["kind"] == "ValidatingAdmissionPolicy" else made


def _gated(made: Mapping[str, Any], exemptions: Sequence[Exemption], applies: str) -> Mapping[str, Any]:
    """A ValidatingAdmissionPolicy that holds only where its settings do, and for what isn't exempt."""
    spec = made["spec"]
    about = {one["name"]: _exempt(one["name"], exemptions) for one in spec["variables"]}
    if not applies and not any(about.values()):
        return made
    variables = [
        {**one, "expression": f"{' || '.join(about[one['name']])} ? '' :\n({one['expression']})"}
        if about[one["name"]]
        else one
        for one in spec["variables"]
    ]
    more = [{"name": name, "expression": text} for name, text in above(exemptions, applies)]
    (validation,) = spec["validations"]
    gate = "!variables.applies || " if applies else ""
    checked = {**validation, "expression": f"{gate}{validation['expression']}"}
    return {**made, "spec": {**spec, "variables": [*more, *variables], "validations": [checked]}}


def above(exemptions: Sequence[Exemption], applies: str) -> Variables:
    """The variables that say which workload an object is of, what is exempt, and whether the settings are its own."""
    made = [*matching.identity(), *matching.exempt(exemptions)]
    return [*made, ("applies", applies)] if applies else made


def _exempt(field: str, exemptions: Sequence[Exemption]) -> list[str]:
    """The conditions under which a field isn't asked for."""
    return [
        f"variables.exempt{index}"
        for index, one in enumerate(exemptions)
        if _is_about(one, PREFIX + field) and _is_whole(one)
    ]


def _is_about(exemption: Exemption, control: str) -> bool:
    known = control in POD_SECURITY_POLICY_IDS
    return control in exemption.controls or (known and not exemption.controls.isdisjoint({POD_SECURITY_POLICY, "*"}))


def _is_whole(exemption: Exemption) -> bool:
    """Whether it is for all of a pod."""
    return exemption.match.get("images") is None and glob(exemption.match.get("containers", ("*",)), "")


def uncarried(policy: Policy) -> Iterator[str]:
    """The exemptions that can't be carried over, as sentences."""
    if not any(held(settings) for settings, _ in judging.settings_of(policy, FIELDS)):
        return
    for one in matching.carried(policy):
        about = any(_is_about(one, control) for control in POD_SECURITY_POLICY_IDS)
        if about and not _is_whole(one):
            yield f"{one.where}: the fields of a PodSecurityPolicy are judged for whole pods, so it isn't carried over"
        elif about and one.controls.isdisjoint({POD_SECURITY_POLICY, "*"}):
            yield f"{one.where}: what a PodSecurityPolicy sets is set all the same: it can be left out as a whole only"


def mutations(settings: Settings, exemptions: Sequence[Exemption]) -> tuple[Variables, list[str]]:
    """What the PodSecurityPolicies of some settings set: variables, and expressions that make lists of JSONPatch."""
    from krm_harden.cluster._cel import psp_writing

    variables: Variables = []
    expressions = []
    spared = " || ".join(
        f"variables.exempt{index}"
        for index, one in enumerate(exemptions)
        if _is_whole(one) and not one.controls.isdisjoint({POD_SECURITY_POLICY, "*"})
    )
    for index, one in enumerate(held(settings)):
        made, patches = psp_writing.patches(one)
        names = [name for name, _ in made]
        variables += [(f"psp{index}_{name}", _renamed(text, names, index)) for name, text in made]
        said = _renamed(patches, names, index)
        expressions += [f"{spared} ? [] : (\n{said})" if spared else said] if patches else []
    return variables, expressions


def _renamed(text: str, names: Sequence[str], index: int) -> str:
    """An expression whose variables stand beside others of the same names."""
    for name in names:
        text = re.sub(rf"\bvariables\.{name}\b", f"variables.psp{index}_{name}", text)
    return text
