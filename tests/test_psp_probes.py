"""What gets looser by `psp migrate`, tried with any pods: the few pods that it shows it by leave nothing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from psp_strategies import pods, policies

from krm_harden import workloads
from krm_harden.errors import ConfigError
from krm_harden.model import LevelVersion, Resource
from krm_harden.psp.admission import admit, validate
from krm_harden.psp.created import created
from krm_harden.psp.migration.probes import Judged
from krm_harden.psp.migration.probes import pod as a_pod
from krm_harden.psp.policy import of_data
from krm_harden.standard import Evaluator

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = [LevelVersion(level, "v1.37") for level in ("privileged", "baseline", "restricted")]


def passes(data: Mapping[str, Any], asked: LevelVersion) -> bool:
    resource = Resource((), {"apiVersion": "v1", "kind": "Pod", **data})
    return Evaluator(list(workloads.created_pods(resource, workloads.shapes_of(resource, {})))).verdict(asked).allowed


def completed(data: Mapping[str, Any]) -> dict[str, Any]:
    """A pod with what restricted asks for, where it says nothing."""
    whole = a_pod()["spec"]
    spec = {
        **data["spec"],
        "securityContext": {**whole["securityContext"], **(data["spec"].get("securityContext") or {})},
    }
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [
                {
                    **one,
                    "securityContext": {
                        **whole["containers"][0]["securityContext"],
                        **(one.get("securityContext") or {}),
                    },
                }
                for one in spec[kind]
            ]
    return {**data, "spec": spec}


@settings(max_examples=250)
@given(policies(), pods(), st.sampled_from(LEVELS))
def test_whatever_was_refused_and_is_taken_now_has_its_line(policy, given_pod, asked):
    try:
        read = of_data(policy)
    except ConfigError:
        return
    if read.unusable:
        return
    judged = Judged(read)
    kept = judged.escaping(asked)
    for data in (given_pod, completed(given_pod)):
        seen = created(data)
        refused = {error.field for error in admit(read, seen).errors}
        if not refused or not passes(data, asked):
            continue
        note(f"{refused} {kept} {asked}")
        assert any(judged.shift(field, asked).looser for field in refused)
        by_rule = {error.field for error in validate(read, seen)} & {*kept}
        if not by_rule:
            assert any(judged.shift(field, asked, judged if field in kept else None).looser for field in refused)
