"""PodSecurityPolicies beside the code of Kubernetes 1.24: what the API refuses, what is set, what is refused, who wins.

The judge is the real admission plugin (tests/oracles/psp). Our changes are asked for as of a server that has neither
field of later versions, so that they are what that plugin wrote.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import psp_cases
import pytest
import yaml
from conftest import SHARED
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from pod_strategies import assigned, plain, with_said
from psp_judge import a_policy, applied, judged, validated, without_empty
from psp_strategies import OF_CONTAINER, OF_POD, OF_POLICY, pods, policies

from krm_harden.errors import ConfigError
from krm_harden.psp.admission import admit, validate
from krm_harden.psp.created import created
from krm_harden.psp.policy import of_data
from krm_harden.psp.selection import choose

OLD = (1, 18)
"""A server without the fields of seccomp and AppArmor."""
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
EXAMPLES = max(15, (settings.default.max_examples if settings.default else 0) // 10)
NAMES = ["B", "a", "a.b", "a0", "aa", "b", "c-1", "z"]


def ours(manifest) -> tuple[Any, set[str]]:
    """The policy of a manifest, or what is wrong with it."""
    try:
        return of_data(manifest), set()
    except ConfigError as error:
        return None, {problem.text for problem in error.problems} or {str(error)}


def difference(policy, pod, answer, tried) -> dict[str, Any]:
    """What we make of a pod otherwise than the judge."""
    mine = admit(policy, created(pod), OLD)
    became = applied(mine.changes, answer["created"])
    judge = json.loads(json.dumps(tried.get("pod", answer["created"])))
    if (answer["created"]["spec"].get("securityContext") or {}).get("seccompProfile"):
        (judge["metadata"].get("annotations") or {}).pop(SECCOMP, None)  # today the field alone is enough
        (became["metadata"].get("annotations") or {}).pop(SECCOMP, None)
    pairs = {
        "unusable": (bool(policy.unusable), "error" in tried),
        "errors": ([str(error) for error in mine.errors], [error["text"] for error in tried["errors"]]),
        "as it is": (
            [str(error) for error in validate(policy, created(pod), OLD)],
            [error["text"] for error in tried["asItIs"]],
        ),
        "mutates": (mine.mutates, tried["mutated"]),
        "pod": (without_empty(became), without_empty(judge)),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


# What the API takes


def refused(answers) -> list[set[str]]:
    return [
        {error["text"] for error in answer["errors"]} | ({answer["error"]} if "error" in answer else set())
        for answer in answers
    ]


@given(st.lists(policies(), min_size=20, max_size=20))
@settings(max_examples=EXAMPLES)
def test_the_api_refuses_a_policy_exactly_where_we_do_and_in_the_same_words(found):
    for manifest, judge in zip(found, refused(validated(found)), strict=True):
        event(f"valid: {not judge}")
        note(json.dumps(manifest))
        assert ours(manifest)[1] == judge


# What a policy makes of a pod


@given(st.lists(policies(), min_size=6, max_size=6), st.lists(pods(), min_size=6, max_size=6))
@settings(max_examples=EXAMPLES * 3)
def test_a_policy_sets_and_refuses_what_the_admission_did(found, asked):
    """36 pairs an example; policies that the API refuses are left out, by us and by the judge."""
    named = [
        {**manifest, "metadata": {**manifest["metadata"], "name": name}}
        for manifest, name in zip(found, NAMES, strict=False)
    ]
    held = {manifest["metadata"]["name"]: (manifest, ours(manifest)[0]) for manifest in named}
    held = {name: pair for name, pair in held.items() if pair[1]}
    objects = [*(manifest for manifest, _ in held.values()), *asked]
    [answer] = judged([{"objects": objects, "everyone": True}])

    assert "error" not in answer
    for pod, verdict in zip(asked, answer["pods"], strict=True):
        if "error" in verdict:
            continue
        for tried in verdict.get("tried", ()):
            manifest, policy = held[tried["policy"]]
            event("refuses" if tried["errors"] else "changes" if tried["mutated"] else "takes as it is")
            differing = difference(policy, pod, verdict, tried)
            if differing:
                note(f"{json.dumps(manifest)}\n{json.dumps(pod)}")
            assert differing == {}


@given(
    st.lists(policies(), min_size=1, max_size=6),
    st.permutations(NAMES),
    st.lists(pods(), min_size=8, max_size=8),
)
@settings(max_examples=EXAMPLES * 2)
def test_a_pod_gets_the_policy_that_the_admission_chose(found, names, asked):
    named = [
        {**manifest, "metadata": {**manifest["metadata"], "name": name.lower()}}
        for manifest, name in zip(found, names, strict=False)
    ]
    named = list({manifest["metadata"]["name"]: manifest for manifest in named}.values())
    held = [(manifest, policy) for manifest, policy in ((manifest, ours(manifest)[0]) for manifest in named) if policy]
    [answer] = judged([{"objects": [*(manifest for manifest, _ in held), *asked], "everyone": True}])

    for pod, verdict in zip(asked, answer.get("pods", []), strict=True):
        if "error" in verdict:
            continue
        chosen = choose([policy for _, policy in held], created(pod), OLD)
        mine = chosen.outcome.policy.name if chosen.outcome else ""
        event(f"admitted: {verdict['allowed']}")
        if mine != verdict.get("policy", ""):
            note(json.dumps([manifest for manifest, _ in held]) + "\n" + json.dumps(pod) + "\n" + json.dumps(verdict))
        assert mine == verdict.get("policy", "")
        if not mine and held and not all(policy.unusable for _, policy in held):
            assert sorted(chosen.message) == sorted(verdict["message"].partition("is forbidden: ")[2])


# Given ones


def test_the_table_of_fields_says_what_the_admission_did():
    """Each of its cases but those about fields that came after PodSecurityPolicies had gone."""
    cases = [case for case in psp_cases.cases() if not case.is_newer]
    answers = judged({"objects": [case.policy_manifest, case.pod_manifest], "everyone": True} for case in cases)
    verdicts = [(case, answer["pods"][0]) for case, answer in zip(cases, answers, strict=True)]
    wrong = {
        f"{case.field}: {case.name}": difference(case.policy, case.pod, verdict, verdict["tried"][0])
        for case, verdict in verdicts
    }

    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(verdicts) > 200


@pytest.mark.skipif(not SHARED.is_dir(), reason="no corpus here")
def test_the_policies_of_the_corpus_make_of_pods_what_the_admission_made():
    texts = [path.read_text(errors="replace") for path in sorted((SHARED / "corpus").glob("**/*.y*ml"))]
    documents = [one for text in texts if "kind: PodSecurityPolicy" in text for one in readable(text)]
    manifests = [one for one in documents if one.get("kind") == "PodSecurityPolicy"]
    pods = [saying(*things) for things in THINGS[::4]]
    answers = judged({"objects": [manifest, *pods], "everyone": True} for manifest in manifests)

    found = [
        difference(of_data(manifest), pod, verdict, verdict["tried"][0])
        for manifest, answer in zip(manifests, answers, strict=True)
        for pod, verdict in zip(pods, answer["pods"], strict=True)
    ]
    assert len(manifests) > 10
    assert [one for one in found if one] == []


def readable(text: str) -> list[dict[str, Any]]:
    try:
        return [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
    except yaml.YAMLError:
        return []


def saying(*things) -> dict[str, Any]:
    return with_said(plain((["web"], ["init"], []), hardened=False), things)


THINGS = [(), *([("spec", thing)] for thing in OF_POD), *([(0, thing)] for thing in OF_CONTAINER)]


def test_each_thing_a_policy_says_is_read():
    """Each of them alone, beside a policy that says nothing: the API takes some and refuses the others as we do."""
    found = []
    for path, value in OF_POLICY:
        made = a_policy("some")
        assigned(made["spec"], path, deepcopy(value))
        found.append(made)
    judge = refused(validated(found))

    assert [ours(manifest)[1] for manifest in found] == judge
    assert 10 < sum(map(bool, judge)) < len(judge) / 2
