"""A PodSecurityPolicy in the place of a HardeningPolicy, or within one: what it is then, and what is wrong with it."""

from __future__ import annotations

from krm_harden.errors import ConfigError, Problem
from krm_harden.model import LEVELS, mapping, sequence, text
from krm_harden.policy import Layer, Policy
from krm_harden.psp.demands import manifest_of, stated_of
from krm_harden.psp.fields.app_armor import DEFAULT as APP_ARMOR
from krm_harden.psp.fields.seccomp import ALLOWED
from krm_harden.psp.fields.seccomp import DEFAULT as SECCOMP
from krm_harden.psp.model import KIND
from krm_harden.psp.policy import SPEC, of_data
from krm_harden.schema import did_you_mean, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.model import Pointer
    from krm_harden.psp.model import PodSecurityPolicy
    from krm_harden.source import Document

LEVEL = "privileged"
"""What a PodSecurityPolicy alone asks for: it sets and refuses what the cluster did, and nothing else is checked."""
UNCONFINED = "unconfined"


def as_policy(data: Mapping[str, Any], where: str, document: Document | None) -> Policy:
    """The policy that a PodSecurityPolicy is. Raises ConfigError."""
    made = of_data(data, where)
    spec = {"level": LEVEL, "podSecurityPolicy": stated_of(data)}
    name = f"{KIND} {made.name}"
    found = Policy(spec, name, layers=[Layer(spec, where, name, document, is_manifest=True)])
    for problem in doubts(made, LEVEL):
        found = found.with_note("warning", f"{where}: {problem.text}")
    return found


def problems(stated: Mapping[str, Any], pointer: Pointer, where: str) -> Iterator[Problem]:
    """What the API would refuse in one that stands in a HardeningPolicy, at its places there."""
    try:
        of_data(manifest_of(stated), where)
    except ConfigError as error:
        for problem in error.problems:
            yield moved(problem, pointer)
        if not error.problems:
            yield Problem(pointer, f"{path_of(pointer)}: {error.message}")


def doubts(policy: PodSecurityPolicy, level: str) -> Iterator[Problem]:
    """What a policy says in vain, or against the level that is asked for beside it, at its places in a manifest."""
    for pointer in policy.unknown:
        hint = did_you_mean(pointer[-1], SPEC) if pointer[:-1] == ("spec",) else ""
        yield Problem(pointer, f"{path_of(pointer)} is no field of a {KIND}: the cluster ignored it{hint}", is_key=True)
    if policy.unusable:
        yield Problem(("spec",), f"spec admits nothing: {policy.unusable}")
    if level == LEVELS[-1] and not policy.annotations.get(ALLOWED):
        said = f"no seccomp profile is allowed, but {level} asks for one: allow runtime/default, or exempt from"
        pointer = ("metadata", "annotations") if policy.annotations else ("metadata",)
        yield Problem(pointer, f"{path_of(pointer)}: {said} podSecurityPolicy.seccomp")


def moved(problem: Problem, pointer: Pointer) -> Problem:
    """A problem of a manifest, at the place of the same in a HardeningPolicy."""
    old = problem.pointer
    new = (*pointer, *(old[1:] if old[:1] == ("metadata",) else old))
    there, here = path_of(old), path_of(new)
    # The API server's words don't name the whole place everywhere.
    text = problem.text.replace(there, here, 1) if there in problem.text else f"{here}: {problem.text}"
    return Problem(new, text, is_key=problem.is_key)


def loosens(stated: Mapping[str, Any]) -> Iterator[tuple[Pointer, str]]:
    """What a policy writes that is weaker than nothing: the places in it, and the values."""
    spec, annotations = mapping(stated.get("spec")), mapping(stated.get("annotations"))
    for name in (SECCOMP, APP_ARMOR):
        if text(annotations.get(name)) == UNCONFINED:
            yield ("annotations",), f"{name}: {UNCONFINED}"
    added = sequence(spec.get("defaultAddCapabilities"))
    if added:
        yield ("spec", "defaultAddCapabilities"), ", ".join(map(str, added))
    if spec.get("defaultAllowPrivilegeEscalation") is True:
        yield ("spec", "defaultAllowPrivilegeEscalation"), "true"
    user = mapping(spec.get("runAsUser"))
    ranges = sequence(user.get("ranges"))
    if user.get("rule") == "MustRunAs" and ranges and mapping(ranges[0]).get("min") == 0:
        yield ("spec", "runAsUser", "ranges", 0, "min"), "0"
