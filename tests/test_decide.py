"""What is written for containers from what is known of their images: no half measure, and nothing more to do after."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from judges import policy

from krm_harden import Result, check, harden


def deployment(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **spec: Any) -> str:
    """A Deployment as JSON: containers named `web`, `db`, ... unless they name themselves."""
    named = [{"name": name, **container} for name, container in zip(NAMES, containers, strict=False)]
    inits = {"initContainers": [{"name": "init", **container} for container in init]} if init else {}
    template = {"spec": {**inits, "containers": named, **spec}}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": template}}
    )


NAMES = ["web", "db", "log"]
UNKNOWN = "registry.example/app:2"


def hardened(text: str, **spec: Any) -> dict[str, Any]:
    """The pod spec that fix writes; a second run has nothing to do."""
    held = policy("restricted", **spec)
    made = harden(text, held)
    assert made.errors == ()
    assert harden(made.text, held).text == made.text
    pod: dict[str, Any] = json.loads(made.text)["spec"]["template"]["spec"]
    return pod


def said(result: Result, control: str) -> list[tuple[str, str]]:
    """The state and container of each finding of a control."""
    return [(found.state, found.container) for found in result.findings if found.control == control]


# Init containers that only change owners


@pytest.mark.parametrize("owner", ["²", "99999999999", "4294967295:0", "0:9999999999"])
def test_an_owner_that_is_no_id_of_kubernetes_is_left_alone(owner):
    chown = {
        "image": "busybox",
        "command": ["chown", owner, "/data"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    text = deployment({"image": UNKNOWN}, init=(chown,), volumes=volumes)

    after = hardened(text, controls={"fsGroup": {"replaceChown": True}})

    assert after["securityContext"].get("fsGroup") in {None, 10001}
    assert len(after["initContainers"]) == 1


# Folders that another user needs


INIT_COPY = {"readOnlyRootFilesystem": {"initCopy": True}}


@pytest.mark.parametrize(
    ("image", "more"),
    [
        ("wordpress:6-apache", {"controls": {"readOnlyRootFilesystem": {"initCopy": True, "enabled": False}}}),
        ("zookeeper:3.9", {"controls": INIT_COPY, "changes": "evidence"}),
    ],
)
def test_a_copy_runs_as_the_group_of_its_container_also_where_only_the_user_changes(image, more):
    said_ = {"readOnlyRootFilesystem": False} if "changes" in more else {}
    pod = hardened(deployment({"image": image, "securityContext": said_}), **more)

    context = {**pod["securityContext"], **pod["containers"][0]["securityContext"]}
    copies = [container["securityContext"] for container in pod["initContainers"]]
    assert context["runAsGroup"] > 0
    assert {copy["runAsGroup"] for copy in copies} == {context["runAsGroup"]}


@pytest.mark.parametrize("control", ["numericUser", "numericGroup"])
def test_a_copy_says_all_that_its_container_is_exempt_from_by_name(control):
    exemption = {"match": {"containers": ["web"]}, "controls": [control], "reason": "test"}

    pod = hardened(
        deployment({"image": "zookeeper:3.9"}, {"image": UNKNOWN}), controls=INIT_COPY, exemptions=[exemption]
    )

    contexts = [container["securityContext"] for container in pod["initContainers"]]
    assert {(context["runAsUser"], context["runAsGroup"]) for context in contexts} == {(1000, 1000)}


@pytest.mark.parametrize("images", [[], [{"match": "*", "writablePaths": [{"path": "/etc/app", "seed": "copy"}]}]])
def test_a_copy_gets_a_user_where_a_volume_keeps_it_from_its_container(images):
    """A guessed user doesn't own the files of a claim; the copy has none."""
    image = "harbor.example/proxy/docker.io/library/wordpress:6-apache"
    mount = {"name": "data", "mountPath": "/data"}
    text = deployment({"image": image, "volumeMounts": [mount]}, volumes=[CLAIM])

    pod = hardened(text, controls=INIT_COPY, images=images)

    assert "runAsUser" not in context_of(pod)
    assert {container["securityContext"]["runAsUser"] > 0 for container in pod["initContainers"]} == {True}


def test_a_copy_runs_as_the_group_that_the_manifest_gives_its_container():
    pod = hardened(deployment({"image": "zookeeper:3.9", "securityContext": {"runAsGroup": 7}}), controls=INIT_COPY)

    assert {container["securityContext"]["runAsGroup"] for container in pod["initContainers"]} == {7}


def test_another_user_gets_its_folders_also_where_a_read_only_root_is_deferred():
    """The command names a folder more, which makes the read-only root a guess; the user stays known."""
    images = [{"match": "*", "uid": 1001, "writablePaths": ["/app/cache"]}]
    container = {"image": UNKNOWN, "command": ["app", "--data-dir=/data/db"]}

    pod = hardened(deployment(container), images=images, changes="evidence")

    assert "readOnlyRootFilesystem" not in pod["containers"][0]["securityContext"]
    assert [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]] == ["/app/cache"]


def test_a_replaced_false_is_no_list_to_add_to():
    text = deployment({"image": UNKNOWN, "securityContext": {"readOnlyRootFilesystem": False}})

    (found,) = (
        one
        for one in harden(text, policy("restricted", explicit="override")).findings
        if one.control == "readOnlyRootFilesystem"
    )

    assert " in place of false" in found.message


# What only another user than root can bear


CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}


def context_of(pod: dict[str, Any]) -> dict[str, Any]:
    """What holds for the first container: its own securityContext over the pod's."""
    return {**pod.get("securityContext", {}), **pod["containers"][0].get("securityContext", {})}


def test_no_capability_goes_while_the_user_is_deferred():
    """initdb may fail as 999 on an empty claim: the uid waits, and root needs its capabilities to step down."""
    mount = {"name": "data", "mountPath": "/var/lib/postgresql/data"}
    text = deployment({"image": "postgres:15", "volumeMounts": [mount]}, volumes=[CLAIM])

    assert {"runAsUser", "runAsNonRoot", "capabilities"}.isdisjoint(context_of(hardened(text, changes="evidence")))
    assert context_of(hardened(text))["runAsUser"] == 999


@pytest.mark.parametrize(
    "how",
    [
        {"controls": {"numericUser": {"enabled": False}}},
        {"exemptions": [{"match": {"containers": ["web"]}, "controls": ["numericUser"], "reason": "test"}]},
    ],
)
def test_an_image_that_starts_as_root_is_not_asked_for_another_user_that_nobody_writes(how):
    text = deployment({"image": "nginx:1.27"})

    assert "runAsNonRoot" not in context_of(hardened(text, **how))
    assert ("manual", "web") in said(harden(text, policy("restricted", **how)), "runAsNonRoot")
    assert "capabilities" not in context_of(hardened(text, **how, changes="evidence"))


def test_all_capabilities_go_with_root_also_where_more_depends_on_the_command():
    images = [{"match": "*", "uid": 1001, "dependsOnCommand": True}]

    context = context_of(hardened(deployment({"image": UNKNOWN}), images=images, changes="evidence"))

    assert (context["runAsUser"], context["capabilities"]) == (1001, {"drop": ["ALL"]})


# What the pod says about root


@pytest.mark.parametrize("pod", [{"runAsUser": 0}, {"runAsNonRoot": False}, {"runAsUser": 0, "runAsNonRoot": False}])
@pytest.mark.parametrize(
    "container",
    [
        {"image": UNKNOWN, "securityContext": {"privileged": True}},
        {"image": UNKNOWN, "command": ["crond", "-f"]},
        {"image": UNKNOWN, "command": ["sh", "-c", "date > /started"]},
    ],
)
def test_the_pods_word_for_root_stays_beside_a_container_that_needs_it(pod, container):
    text = deployment(container, {"image": UNKNOWN}, securityContext=pod)

    after = hardened(text, explicit="override")

    assert {name: after["securityContext"].get(name) for name in pod} == pod
    assert all("capabilities" not in one.get("securityContext", {}) for one in after["containers"])
    assert all("runAsUser" not in one.get("securityContext", {}) for one in after["containers"])
    states = {state for name in pod for state, _ in said(harden(text, policy("restricted", explicit="override")), name)}
    assert states == {"refused"}


def test_the_pods_word_for_root_goes_where_the_container_that_needs_it_says_so_itself():
    privileged = {"image": UNKNOWN, "securityContext": {"privileged": True, "runAsUser": 0, "runAsNonRoot": False}}
    text = deployment({"image": UNKNOWN}, privileged, securityContext={"runAsUser": 0})

    after = hardened(text, explicit="override")

    assert after["securityContext"]["runAsUser"] == 10001
    assert after["containers"][1]["securityContext"] == privileged["securityContext"]


def test_an_override_that_evidence_stops_before_leaves_the_container_whole():
    """Files of a host path may not be writable for another user: that uid is a guess, and waits."""
    volumes = [{"name": "data", "hostPath": {"path": "/data"}}]
    mount = {"name": "data", "mountPath": "/data/db"}
    container = {"image": "mongo:7", "securityContext": {"runAsUser": 0}, "volumeMounts": [mount]}

    after = hardened(deployment(container, volumes=volumes), explicit="override", changes="evidence")

    assert after["containers"][0]["securityContext"] == {"runAsUser": 0, "allowPrivilegeEscalation": False}


def test_an_override_that_additive_stops_before_leaves_the_container_whole():
    container = {"image": UNKNOWN, "securityContext": {"runAsUser": 1000}}
    text = deployment(container, securityContext={"runAsNonRoot": False})

    after = hardened(text, explicit="override", changes="additive")

    assert after["securityContext"]["runAsNonRoot"] is False
    assert after["containers"][0]["securityContext"] == {"runAsUser": 1000, "allowPrivilegeEscalation": False}


# User namespaces


@pytest.mark.parametrize(
    ("pod", "how"),
    [
        ({"hostUsers": True}, {}),
        ({}, {"controls": {"userNamespace": {"enabled": False}}}),
        ({}, {"exemptions": [{"match": {}, "controls": ["userNamespace"], "reason": "test"}]}),
        ({}, {"changes": "evidence"}),
    ],
)
def test_what_fails_for_want_of_a_user_namespace_is_said(pod, how):
    made = harden(deployment({"image": UNKNOWN}, **pod), policy("restricted", unknownUser="userNamespace", **how))

    assert "hostUsers: false" not in made.text
    assert said(made, "runAsNonRoot") != []


@pytest.mark.parametrize("image", [UNKNOWN, "nginx:1.27"])
@pytest.mark.parametrize(
    "control", ["environment", "fileCapabilities", "unprivilegedNetwork", "userNamespace", "fsGroup"]
)
def test_what_nothing_needs_is_not_missed_where_it_is_required(image, control):
    made = harden(deployment({"image": image}), policy("restricted", controls={control: {"required": True}}))

    assert [found.message for found in made.findings if found.severity == "error"] == []


# Many of everything


def _chowns(count: int) -> str:
    mount = {"name": "data", "mountPath": "/data"}
    init = tuple(
        {"name": f"own-{number}", "image": "busybox", "command": ["chown", "-R", "7", "/data"], "volumeMounts": [mount]}
        for number in range(count)
    )
    return deployment({"image": UNKNOWN}, init=init, volumes=[CLAIM])


def _claims(count: int) -> str:
    mounts = [{"name": f"c{number}", "mountPath": f"/c{number}", "readOnly": True} for number in range(count)]
    template = {"spec": {"containers": [{"name": "web", "image": UNKNOWN, "volumeMounts": mounts}]}}
    claims = [{"metadata": {"name": f"c{number}"}} for number in range(count)]
    spec = {"template": template, "volumeClaimTemplates": claims}
    return json.dumps({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": spec})


def _inheriting(count: int) -> str:
    names = [{"name": f"c{number}", "image": UNKNOWN} for number in range(count)]
    template = {"spec": {"containers": names, "securityContext": {"runAsUser": 0, "runAsNonRoot": False}}}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": template}}
    )


@pytest.mark.parametrize(
    ("made", "how"),
    [
        (_chowns, {"controls": {"fsGroup": {"replaceChown": True}}}),
        (_claims, {}),
        (_inheriting, {"explicit": "override"}),
    ],
)
def test_deciding_costs_what_there_is_to_decide(made, how):
    """Calls are counted: what is quadratic makes sixteen times as many of four times the size."""
    held = policy("restricted", **how)
    few, many = (_calls(made(count), held) for count in (25, 100))

    assert many < 6 * few


def _calls(text: str, held: Any) -> int:
    """How many functions are called for a check."""
    count = 0

    def called(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    check(text, held)
    sys.setprofile(called)
    try:
        check(text, held)
    finally:
        sys.setprofile(None)
    return count
