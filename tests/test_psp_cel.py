"""PodSecurityPolicies as ValidatingAdmissionPolicies in a real API server, beside what our port of the admission says.

The port is judged by the admission itself in test_psp_judge.py. Skipped where kube-apiserver or etcd isn't here.
"""

from __future__ import annotations

import json
import random
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import apiserver
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from pod_strategies import assigned, plain, with_said
from psp_judge import a_policy, applied, without_empty
from psp_strategies import ANNOTATIONS, OF_CONTAINER, OF_METADATA, OF_POD, OF_POLICY, pods

from krm_harden.cluster import Options
from krm_harden.cluster._cel.psp import refusals
from krm_harden.cluster._dump import dumped
from krm_harden.cluster._psp import emitted, writing
from krm_harden.errors import ConfigError
from krm_harden.model import lookup
from krm_harden.psp.admission import admit, validate
from krm_harden.psp.created import created
from krm_harden.psp.fields import IDS
from krm_harden.psp.policy import of_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from apiserver import Answer, Server

SECONDS = 60
"""For a policy to be in force: the server looks once a second."""
OF_EACH, SEVERAL = 1, 15
"""How many policies say one thing, of each field, and how many several; each costs the server some time to compile."""
DENIED = "denied request: PodSecurityPolicy "


def some_policies() -> dict[str, dict[str, Any]]:
    """Valid policies by their namespaces: each thing alone that one may say, and several things at random."""
    chance = random.Random(1)  # noqa: S311 - the same policies each time
    alone = [with_fields([thing]) for thing in OF_POLICY] + [with_fields([], [thing]) for thing in ANNOTATIONS]
    several = [
        with_fields(chance.sample(OF_POLICY, chance.randint(4, 10)), chance.sample(ANNOTATIONS, chance.randint(0, 2)))
        for _ in range(10 * SEVERAL)
    ]
    chance.shuffle(alone)
    by_field: dict[str, list[dict[str, Any]]] = {}
    for manifest in filter(is_valid, alone):
        by_field.setdefault(said_by(manifest), []).append(manifest)
    found = [manifest for each in by_field.values() for manifest in each[:OF_EACH]]
    found += [*filter(is_valid, several)][:SEVERAL]
    return {f"policy-{index}": manifest for index, manifest in enumerate(found)}


def said_by(manifest: Mapping[str, Any]) -> str:
    """What a policy says that a plain one doesn't, by name."""
    ordinary = a_policy("some", volumes=["*"])["spec"]
    own = [name for name, value in manifest["spec"].items() if ordinary.get(name) != value]
    return str([*own, *manifest["metadata"].get("annotations", ())])


def with_fields(fields, annotations=()) -> dict[str, Any]:
    """A policy that says these things; all volumes, unless one of them is about volumes."""
    made = a_policy("some", volumes=["*"])
    if any(path[0] == "volumes" for path, _ in fields):
        del made["spec"]["volumes"]
    for path, value in fields:
        assigned(made["spec"], path, deepcopy(value))
    for path, value in annotations:
        assigned(made["metadata"], ("annotations", *path), value)
    return made


def is_valid(manifest: Mapping[str, Any]) -> bool:
    try:
        return not of_data(manifest).unusable
    except ConfigError:
        return False


POLICIES = some_policies()
HELD = {name: of_data(manifest) for name, manifest in POLICIES.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where each policy holds in a namespace of its name."""
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as started:
        for name in RUNTIME_CLASSES:
            known = {
                "apiVersion": "node.k8s.io/v1",
                "kind": "RuntimeClass",
                "metadata": {"name": name},
                "handler": name,
            }
            assert started.ask("POST", "/apis/node.k8s.io/v1/runtimeclasses", json.dumps(known).encode()).code == 201
        everything = {**POLICIES, "refuses-all": with_fields([(("allowedCapabilities",), [])])}
        for name, manifest in everything.items():
            install(started, name, manifest)
        for name in WRITING:
            install(started, f"sets-{name}", POLICIES[name], make=writing)
        # Policies and bindings are seen in the order in which they are made: once the last holds, all do.
        wait_until(started, "refuses-all", PROBE, lambda answer: answer.code == 403)
        wait_until(started, f"sets-{WRITING[-1]}", BARE, lambda answer: has_changed(answer, WRITING[-1]))
        yield started


WRITING = [name for name, policy in HELD.items() if writing(policy, Options()).objects]
RUNTIME_CLASSES = ("a", "b", "c")
"""Those that random pods name: the server refuses others by itself."""
BARE = plain((["web"], [], []), hardened=False)
PROBE = with_said(
    plain((["web"], [], []), hardened=False), [(0, (("securityContext", "capabilities", "add"), ["CHOWN"]))]
)


def install(server: Server, name: str, manifest: Mapping[str, Any], uses=None, make=emitted) -> None:
    """A namespace of a name, and the objects of a policy for it."""
    made = server.create("Namespace", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert made.code in {201, 409}, made
    for one in make(of_data(manifest), Options(name=name), {name: []} if uses is None else uses).objects:
        made = server.create(one["kind"], "", one)
        assert made.code == 201, f"{made} {json.dumps(one)}"


def wait_until(server: Server, namespace: str, pod: dict[str, Any], is_so: Callable[[Answer], Any]) -> Answer:
    deadline = time.monotonic() + SECONDS
    while not is_so(answer := server.create("Pod", namespace, pod, dry_run=True)):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    return answer


def has_changed(answer: Answer, name: str) -> bool:
    """Whether a bare pod has what a policy sets in it."""
    changes = admit(HELD[name], created(BARE, account_automounts=False)).changes
    return all(lookup(answer.data, change.operation.path) is not None for change in changes)


def fields_of(answer: Answer) -> set[str]:
    """The fields of the policy that the server's refusal names."""
    words = answer.message.partition(DENIED)[2].partition(": ")[2]
    return {one.partition(":")[0] for one in words.split("; ")} if words else set()


def expected(namespace: str, pod: Mapping[str, Any]) -> set[str]:
    """The fields by which the admission refuses a pod as it is, without a token: the tests' server has no accounts.

    It also asked for the capabilities that it would have added; nothing is safer for that.
    """
    found = {error.field for error in validate(HELD[namespace], created(pod, account_automounts=False))}
    return found - (set() if HELD[namespace].spec.get("requiredDropCapabilities") else {"requiredDropCapabilities"})


def difference(server: Server, namespace: str, pod: dict[str, Any]) -> Any:
    answer = server.ask("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", json.dumps(pod).encode())
    assert answer.code in {201, 400, 403, 422}, answer
    if answer.code in {400, 422}:  # it never gets as far as a policy
        return None
    mine = expected(namespace, without_token(pod))
    return None if fields_of(answer) == mine else (POLICIES[namespace], pod, str(answer), mine)


def without_token(pod: dict[str, Any]) -> dict[str, Any]:
    return {**pod, "spec": {**pod["spec"], "automountServiceAccountToken": False}}


# Beside the port of the admission

SAID = [
    *(("spec", thing) for thing in OF_POD),
    *((0, thing) for thing in OF_CONTAINER),
    *(("metadata", thing) for thing in OF_METADATA),
]
STEP = 17


def test_what_pods_say_is_refused_by_the_fields_that_refused_it(server):
    """Each thing that a pod may say, with a few policies in turn, and the first that each field of a policy refuses."""
    pods_of = [with_said(plain((["web"], [], []), hardened=False), [thing]) for thing in SAID]
    asked = {(index, name) for index in range(len(SAID)) for name in [*POLICIES][index % STEP :: STEP]}
    refused: dict[str, int] = {}
    for name in POLICIES:
        first: dict[str, int] = {}
        for index, pod in enumerate(pods_of):
            for field in expected(name, without_token(pod)):
                refused[field] = refused.get(field, 0) + (field not in first)
                first.setdefault(field, index)
        asked |= {(index, name) for index in first.values()}
    wrong = [found for index, name in sorted(asked) if (found := difference(server, name, pods_of[index]))]

    assert wrong == []
    assert set(refused) == set(IDS) - {"defaultAddCapabilities"}


@given(st.lists(pods(), min_size=10, max_size=10), st.sampled_from([*POLICIES]))
@settings(max_examples=60)
def test_random_pods_are_refused_by_the_fields_that_refused_them(server, found, namespace):
    wrong = [one for one in (difference(server, namespace, pod) for pod in found) if one]
    for one in wrong:
        note(str(one))
    assert wrong == []


# What is set


def set_otherwise(server: Server, name: str, pod: dict[str, Any]) -> Any:
    """What the server makes of a pod otherwise than the port of the admission."""
    path = "/api/v1/namespaces/{}/pods?dryRun=All"
    text = json.dumps({**pod, "metadata": {**pod["metadata"], "namespace": None}}).encode()
    plainly, answer = (server.ask("POST", path.format(namespace), text) for namespace in ("default", f"sets-{name}"))
    if plainly.code != 201:
        return None
    changes = admit(HELD[name], created(without_token(pod))).changes
    if answer.code != 201:  # a profile and a user that a policy may set, and today's API doesn't take
        return None if changes else (POLICIES[name], pod, str(answer))
    mine, theirs = (without_empty(seen(data)) for data in (applied(changes, plainly.data), answer.data))
    return None if mine == theirs else (POLICIES[name], pod, mine, theirs)


def seen(pod: dict[str, Any]) -> dict[str, Any]:
    """What of a pod a policy sets; the server writes each AppArmor profile as an annotation too."""
    return {name: value for name, value in pod["spec"].items() if name != "tolerations"}


def test_what_a_policy_set_is_set_in_pods_that_are_created(server):
    pods_of = [with_said(plain((["web"], ["init"], []), hardened=False), [thing]) for thing in SAID]
    asked = [(name, pod) for index, name in enumerate(WRITING) for pod in pods_of[index % STEP :: STEP]]
    wrong = [found for name, pod in asked if (found := set_otherwise(server, name, pod))]

    assert wrong == []
    assert len(WRITING) > 10
    assert len([1 for name, pod in asked if admit(HELD[name], created(without_token(pod))).changes]) > len(asked) / 2


def test_a_pod_that_says_nothing_gets_what_the_policy_asks_for(server):
    """Both objects together do what the admission did."""
    install(server, "both", RESTRICTED)
    wait_until(server, "both", BARE, lambda answer: answer.code == 403)

    install(server, "both", RESTRICTED, make=writing)
    answer = wait_until(server, "both", BARE, lambda answer: answer.code == 201)

    assert answer.data["spec"]["containers"][0]["securityContext"] == {
        "runAsUser": 1,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_old_pods_can_be_labelled_but_get_no_new_image_or_container_that_is_refused(server):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "before"}}
    assert server.create("Namespace", "", namespace).code == 201
    assert server.create("Pod", "before", BARE).code == 201
    install(server, "before", RESTRICTED)
    wait_until(server, "before", BARE, lambda answer: answer.code == 403)
    pod = "/api/v1/namespaces/before/pods/a"

    labelled = server.patch(pod, {"metadata": {"labels": {"team": "a"}}})
    changed = server.patch(pod, {"spec": {"containers": [{"name": "web", "image": "j"}]}})
    debugged = server.patch(
        f"{pod}/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "d", "image": "d"}]}}
    )

    assert [answer.code for answer in (labelled, changed, debugged)] == [200, 403, 403]
    assert 'runAsUser: must be in the ranges: [{1 65535}] (containers "web", "d")' in debugged.message


# Objects


RESTRICTED = a_policy(
    "restricted",
    runAsUser={"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]},
    requiredDropCapabilities=["ALL"],
    readOnlyRootFilesystem=True,
    volumes=["configMap", "secret", "hostPath"],
    allowedHostPaths=[{"pathPrefix": "/var/log", "readOnly": True}],
)


def test_the_objects_of_a_policy(snapshot):
    uses = {"web": ["app", "default"], "db": []}
    made = [make(of_data(RESTRICTED), Options(name="psp-restricted"), uses) for make in (emitted, writing)]

    assert dumped([one for each in made for one in each.objects]) == snapshot


def test_only_the_accounts_that_used_a_policy_are_held_to_it(server):
    install(server, "for-some", RESTRICTED, {"for-some": ["app"]})
    pod = plain((["web"], [], []), hardened=False)
    theirs = {**pod, "spec": {**pod["spec"], "serviceAccountName": "app"}}

    answer = wait_until(server, "for-some", theirs, lambda answer: answer.code == 403)

    assert answer.message.partition("denied request: ")[2] == (
        "PodSecurityPolicy restricted: "
        'requiredDropCapabilities: capabilities must be dropped: ALL (container "web"); '
        'runAsUser: must be in the ranges: [{1 65535}] (container "web"); '
        'readOnlyRootFilesystem: ReadOnlyRootFilesystem must be set to true (container "web")'
    )
    assert server.create("Pod", "for-some", pod, dry_run=True).code == 201


def test_fields_that_something_else_holds_are_left_out():
    every, some = (refusals(of_data(RESTRICTED), skip) for skip in ((), ("hostNetwork", "runAsUser")))

    assert every.keys() - some.keys() == {"hostNetwork", "runAsUser"}
    assert all(variables[-1][0] == field for field, variables in every.items())


def test_a_server_without_admission_policies_is_refused():
    with pytest.raises(ConfigError, match=r"Kubernetes 1.29 has no ValidatingAdmissionPolicy"):
        emitted(of_data(RESTRICTED), Options(kubernetes=(1, 29)))
    assert writing(of_data(RESTRICTED), Options(kubernetes=(1, 35))).cannot == (
        "what PodSecurityPolicy restricted sets: MutatingAdmissionPolicy is served from Kubernetes 1.36 on",
    )
