"""Every row of the table of kinds: where its pods, containers and pod-level fields lie, and that a fix there passes."""

from __future__ import annotations

import pytest

from krm_harden import Policy, check, harden, policy, source
from krm_harden.errors import ConfigError
from krm_harden.model import dotted
from krm_harden.resources import resources
from krm_harden.workloads import WORKLOADS, is_workload, missing_template, pods, shapes_of

TEMPLATE = """\
  template:
    metadata:
      labels: {app: a}
    spec:
      initContainers:
      - {name: i, image: x}
      - {name: s, image: x, restartPolicy: Always}
      containers:
      - {name: a, image: x}
      - {name: b, image: x}
"""
IN_TEMPLATE = ("spec.template.spec", "spec.template.metadata", ["init i", "sidecar s", "container a", "container b"])


def below(text, by):
    return "".join(f"{' ' * by}{line}" for line in text.splitlines(keepends=True))


def pod_of(api_version, kind):
    return f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: a\n"


def in_template(api_version, kind, **more):
    """A kind that holds one pod at spec.template.spec."""
    spec, metadata, containers = IN_TEMPLATE
    found = {"spec": spec, "metadata": metadata, "context": f"{spec}.securityContext", "volumes": f"{spec}.volumes"}
    text = pod_of(api_version, kind) + "spec:\n" + TEMPLATE
    return pytest.param(text, [{**found, "containers": containers, **more}], id=f"{api_version} {kind}")


def argo(kind, root):
    text = pod_of("argoproj.io/v1alpha1", kind) + "".join(
        "  " * depth + f"{step}:\n" for depth, step in enumerate(root.split("."))
    )
    templates = """\
templates:
- name: main
  steps:
  - - {name: one, template: one}
- name: one
  metadata: {labels: {app: a}}
  initContainers:
  - {name: i, image: x}
  container: {name: c, image: x}
  sidecars:
  - {name: s, image: x}
- name: two
  script: {image: x, source: echo}
- name: three
  containerSet:
    containers:
    - {name: a, image: x}
    - {name: b, image: x}
"""
    names = [["init i", "container c", "sidecar s"], ["container "], ["container a", "container b"]]
    found = [
        {"spec": spec, "metadata": f"{spec}.metadata", "context": f"{spec}.securityContext", "volumes": f"{spec}.volumes", "containers": containers}
        for spec, containers in zip([f"{root}.templates[{at}]" for at in (1, 2, 3)], names, strict=True)
    ]  # fmt: skip
    return pytest.param(text + below(templates, 2 * len(root.split("."))), found, id=f"argoproj.io/v1alpha1 {kind}")


def tekton(kind):
    text = pod_of("tekton.dev/v1", kind) + "spec:\n  steps:\n  - {name: a, image: x}\n  - {name: b, image: x}\n"
    found = {"spec": "spec", "metadata": "metadata", "context": None, "volumes": "spec.volumes"}
    containers = ["container a", "container b", "sidecar s"]
    return pytest.param(
        text + "  sidecars:\n  - {name: s, image: x}\n",
        [{**found, "containers": containers}],
        id=f"tekton.dev/v1 {kind}",
    )


def at(spec, metadata, containers=("container a",)):
    return {
        "spec": spec,
        "metadata": metadata,
        "context": f"{spec}.securityContext",
        "volumes": f"{spec}.volumes",
        "containers": list(containers),
    }


ONE = "spec:\n  containers:\n  - {name: a, image: x}\n"
KINDS = [
    pytest.param(
        pod_of("v1", "Pod") + ONE + "  initContainers:\n  - {name: i, image: x}\n  ephemeralContainers:\n  - {name: e, image: x}\n",
        [at("spec", "metadata", ["init i", "container a", "ephemeral e"])],
        id="v1 Pod",
    ),
    pytest.param(pod_of("v1", "PodTemplate") + "template:\n" + below(ONE, 2), [at("template.spec", "template.metadata")], id="v1 PodTemplate"),
    in_template("v1", "ReplicationController"),
    in_template("apps/v1", "Deployment"),
    in_template("apps/v1", "StatefulSet"),
    in_template("apps/v1", "DaemonSet"),
    in_template("apps/v1", "ReplicaSet"),
    in_template("apps/v1beta2", "Deployment"),
    in_template("extensions/v1beta1", "Deployment"),
    in_template("extensions/v1beta1", "DaemonSet"),
    in_template("extensions/v1beta1", "ReplicaSet"),
    in_template("batch/v1", "Job"),
    pytest.param(
        pod_of("batch/v1", "CronJob") + "spec:\n  jobTemplate:\n    spec:\n" + below(TEMPLATE, 4),
        [at("spec.jobTemplate.spec.template.spec", "spec.jobTemplate.spec.template.metadata", IN_TEMPLATE[2])],
        id="batch/v1 CronJob",
    ),
    in_template("argoproj.io/v1alpha1", "Rollout"),
    argo("Workflow", "spec"),
    argo("WorkflowTemplate", "spec"),
    argo("ClusterWorkflowTemplate", "spec"),
    argo("CronWorkflow", "spec.workflowSpec"),
    in_template("serving.knative.dev/v1", "Service", context=None),
    in_template("serving.knative.dev/v1", "Configuration", context=None),
    in_template("apps.openshift.io/v1", "DeploymentConfig"),
    tekton("Task"),
    tekton("ClusterTask"),
    pytest.param(
        pod_of("tekton.dev/v1", "TaskRun") + "spec:\n  taskSpec:\n    steps:\n    - {name: a, image: x}\n",
        [{"spec": "spec.taskSpec", "metadata": "metadata", "context": "spec.podTemplate.securityContext",
          "volumes": "spec.taskSpec.volumes", "containers": ["container a"]}],
        id="tekton.dev/v1 TaskRun",
    ),
    pytest.param(
        pod_of("jobset.x-k8s.io/v1alpha2", "JobSet") + "spec:\n  replicatedJobs:\n"
        + "".join(f"  - name: {name}\n    template:\n      spec:\n        template:\n" + below(ONE, 10) for name in "ab"),
        [at(f"spec.replicatedJobs[{n}].template.spec.template.spec", f"spec.replicatedJobs[{n}].template.spec.template.metadata") for n in (0, 1)],
        id="jobset.x-k8s.io/v1alpha2 JobSet",
    ),
    pytest.param(
        pod_of("ray.io/v1", "RayCluster") + "spec:\n  headGroupSpec:\n    template:\n" + below(ONE, 6)
        + "  workerGroupSpecs:\n" + "".join("  - template:\n" + below(ONE, 6) for _ in "ab"),
        [at("spec.headGroupSpec.template.spec", "spec.headGroupSpec.template.metadata"),
         *(at(f"spec.workerGroupSpecs[{n}].template.spec", f"spec.workerGroupSpecs[{n}].template.metadata") for n in (0, 1))],
        id="ray.io/v1 RayCluster",
    ),
    pytest.param(
        pod_of("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet") + "spec:\n  leaderWorkerTemplate:\n    leaderTemplate:\n"
        + below(ONE, 6) + "    workerTemplate:\n" + below(ONE, 6),
        [at(f"spec.leaderWorkerTemplate.{role}Template.spec", f"spec.leaderWorkerTemplate.{role}Template.metadata") for role in ("leader", "worker")],
        id="leaderworkerset.x-k8s.io/v1 LeaderWorkerSet",
    ),
]  # fmt: skip


def resource_of(text):
    (resource,) = resources(source.read(text))
    return resource


def pods_of(text, declared=None):
    resource = resource_of(text)
    return list(pods(resource, shapes_of(resource, declared or {})))


def described(pod):
    return {
        "spec": dotted(pod.spec_pointer),
        "metadata": dotted(pod.metadata_pointer),
        "context": None if pod.context_pointer is None else dotted(pod.context_pointer),
        "volumes": dotted(pod.volumes_pointer),
        "containers": [f"{container.role} {container.name}" for container in pod.containers],
    }


def test_every_row_has_a_manifest():
    tested = {(resource.group, resource.kind) for case in KINDS for resource in [resource_of(case.values[0])]}

    assert set(WORKLOADS) == tested


@pytest.mark.parametrize("text, expected", KINDS)
def test_pods(text, expected):
    assert expected == [described(pod) for pod in pods_of(text)]


@pytest.mark.parametrize("text, expected", KINDS)
def test_harden(text, expected):
    before, result = check(text), harden(text)

    assert result.errors == ()
    assert not before.allowed
    assert text != result.text
    assert result.allowed
    assert check(result.text).allowed
    assert result.text == harden(result.text).text
    assert expected == [described(pod) for pod in pods_of(result.text)]


@pytest.mark.parametrize("text, expected", KINDS)
def test_operations_stay_where_the_kind_takes_them(text, expected):
    """Nothing is written but to the containers, the pod-level context and the volumes of the row."""
    places = [
        *(pod["context"] for pod in expected if pod["context"]),
        *(pod["volumes"] for pod in expected),
        *(dotted(container.pointer) for pod in pods_of(text) for container in pod.containers),
    ]
    (result,) = harden(text).resources

    assert result.operations
    for operation in result.operations:
        written = dotted(operation.path)
        assert any(written.startswith(place) or place.startswith(written + ".") for place in places)


@pytest.mark.parametrize("text, expected", KINDS)
def test_containers_are_views(text, expected):
    for pod in pods_of(text):
        assert pod.metadata == (
            {"labels": {"app": "a"}} if "labels: {app: a}" in text and pod.metadata else pod.metadata
        )
        for container in pod.containers:
            assert container.image == "x"
            assert container.security_context == {}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: Pod\napiVersion: v1\n", id="no spec"),
        pytest.param("kind: Pod\napiVersion: v1\nspec:\n", id="a spec of null"),
        pytest.param("kind: Pod\napiVersion: v1\nspec: text\n", id="a spec of text"),
        pytest.param("kind: Deployment\napiVersion: apps/v1\nspec: {template: {}}\n", id="an empty template"),
        pytest.param(
            "kind: Workflow\napiVersion: argoproj.io/v1alpha1\nspec: {templates: [{name: a, dag: {}}]}\n", id="a dag"
        ),
        pytest.param(
            "kind: Workflow\napiVersion: argoproj.io/v1alpha1\nspec: {workflowTemplateRef: {name: a}}\n",
            id="a reference",
        ),
        pytest.param(
            "kind: TaskRun\napiVersion: tekton.dev/v1\nspec: {taskRef: {name: a}}\n", id="a reference to a task"
        ),
        pytest.param(
            "kind: RayCluster\napiVersion: ray.io/v1\nspec: {workerGroupSpecs: text}\n", id="worker groups of text"
        ),
        pytest.param(
            "kind: Deployment\napiVersion: example.com/v1\nspec: {template: {spec: {containers: [{name: a}]}}}\n",
            id="another group",
        ),
        pytest.param(
            "kind: Service\napiVersion: v1\nspec: {template: {spec: {containers: [{name: a}]}}}\n",
            id="a Service of the core",
        ),
    ],
)
def test_no_pods(text):
    assert pods_of(text) == []


@pytest.mark.parametrize("spec", ["{}", "{containers: }", "{containers: []}", "{containers: [text, ~]}"])
def test_a_pod_without_containers(spec):
    """The server judges it all the same: its volumes, its host namespaces."""
    (pod,) = pods_of(f"kind: Pod\napiVersion: v1\nspec: {spec}\n")

    assert pod.containers == ()


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("kind: Deployment\napiVersion: apps/v1\n", "spec", id="no spec"),
        pytest.param(
            "kind: Deployment\napiVersion: apps/v1\nspec: {template: }\n", "spec.template", id="a template of null"
        ),
        pytest.param(
            "kind: Deployment\napiVersion: apps/v1\nspec: {template: {metadata: {}}}\n",
            "spec.template.spec",
            id="no spec below",
        ),
        pytest.param("kind: Deployment\napiVersion: apps/v1\nspec: {template: {spec: {}}}\n", "", id="there"),
        pytest.param("kind: Workflow\napiVersion: argoproj.io/v1alpha1\nspec: {}\n", "spec.templates", id="no list"),
        pytest.param(
            "kind: Workflow\napiVersion: argoproj.io/v1alpha1\nspec: {templates: []}\n", "", id="an empty list"
        ),
        pytest.param(
            "kind: RayCluster\napiVersion: ray.io/v1\nspec: {headGroupSpec: {template: {spec: {}}}}\n",
            "",
            id="one of two",
        ),
    ],
)
def test_missing_template(text, expected):
    resource = resource_of(text)

    assert expected == missing_template(resource, shapes_of(resource, {}))


@pytest.mark.parametrize(
    "api_version, kind, expected",
    [
        ("v1", "Pod", True),
        ("", "Pod", True),
        ("apps/v1", "Deployment", True),
        ("apps/v1beta1", "Deployment", True),
        ("", "Deployment", True),
        ("example.com/v1", "Deployment", False),
        ("v1", "Deployment", False),
        ("apps/v1", "Pod", False),
        ("v1", "ConfigMap", False),
        ("", "ConfigMap", False),
        ("v1", "Service", False),
        ("serving.knative.dev/v1", "Service", True),
        ("", "Service", True),
        ("v1", "pod", False),
    ],
)
def test_is_workload(api_version, kind, expected):
    assert expected is is_workload(api_version, kind, {})


# roles


@pytest.mark.parametrize(
    "spec, expected",
    [
        pytest.param("initContainers: [{name: a, restartPolicy: Always}]", ["sidecar a"], id="a sidecar"),
        pytest.param("initContainers: [{name: a, restartPolicy: OnFailure}]", ["init a"], id="an init container"),
        pytest.param("containers: [{name: a, restartPolicy: Always}]", ["container a"], id="a container that restarts"),
        pytest.param("ephemeralContainers: [{name: a}]", ["ephemeral a"], id="an ephemeral container"),
        pytest.param(
            "containers: [{name: c}], initContainers: [{name: i}]",
            ["init i", "container c"],
            id="in the standard's order",
        ),
        pytest.param("containers: [{image: x}, {name: 5}]", ["container ", "container "], id="no names"),
        pytest.param("containers: [text, {name: b}]", ["container b"], id="one of text"),
    ],
)
def test_roles(spec, expected):
    (pod,) = pods_of(f"apiVersion: v1\nkind: Pod\nspec: {{{spec}}}\n")

    assert expected == [f"{container.role} {container.name}" for container in pod.containers]


def test_pointers_count_what_isnt_a_container():
    (pod,) = pods_of("apiVersion: v1\nkind: Pod\nspec: {containers: [text, {name: b}]}\n")

    assert [container.pointer for container in pod.containers] == [("spec", "containers", 1)]


def test_pods_in_a_list_have_absolute_pointers():
    text = (
        "kind: List\nitems:\n- kind: TaskRun\n  apiVersion: tekton.dev/v1\n  spec: {taskSpec: {steps: [{name: a}]}}\n"
    )
    (pod,) = pods_of(text)

    assert dotted(pod.spec_pointer) == "items[0].spec.taskSpec"
    assert dotted(pod.context_pointer) == "items[0].spec.podTemplate.securityContext"
    assert dotted(pod.metadata_pointer) == "items[0].metadata"
    assert dotted(pod.volumes_pointer) == "items[0].spec.taskSpec.volumes"


def test_pod_level_context_is_seen():
    text = "apiVersion: tekton.dev/v1\nkind: TaskRun\nspec:\n  podTemplate: {securityContext: {runAsUser: 5}}\n"
    (pod,) = pods_of(text + "  taskSpec: {steps: [{name: a}]}\n")

    assert pod.security_context == {"runAsUser": 5}


def test_no_pod_level_context_where_the_kind_has_none():
    text = "apiVersion: serving.knative.dev/v1\nkind: Service\nspec:\n  template:\n    spec:\n"
    (pod,) = pods_of(text + "      securityContext: {runAsUser: 5}\n      containers: [{name: a}]\n")

    assert pod.context_pointer is None
    assert pod.security_context == {}


# Windows


@pytest.mark.parametrize(
    "spec, is_windows, runs_on_windows",
    [
        pytest.param("", False, False, id="nothing"),
        pytest.param("os: {name: windows}, ", True, True, id="os"),
        pytest.param("os: {name: linux}, ", False, False, id="linux"),
        pytest.param("os: windows, ", False, False, id="os of text"),
        pytest.param("nodeSelector: {kubernetes.io/os: windows}, ", False, True, id="a node selector"),
        pytest.param("nodeSelector: {beta.kubernetes.io/os: windows}, ", False, True, id="a node selector of old"),
        pytest.param("nodeSelector: {kubernetes.io/os: linux}, ", False, False, id="another node selector"),
        pytest.param("nodeSelector: [windows], ", False, False, id="a node selector of another type"),
    ],
)
def test_windows(spec, is_windows, runs_on_windows):
    (pod,) = pods_of(f"apiVersion: v1\nkind: Pod\nspec: {{{spec}containers: [{{name: a}}]}}\n")

    assert (is_windows, runs_on_windows) == (pod.is_windows, pod.runs_on_windows)


def test_harden_a_windows_pod():
    text = pod_of("v1", "Pod") + "spec:\n  os: {name: windows}\n  containers:\n  - {name: a, image: x}\n"
    result = harden(text)

    assert result.errors == ()
    assert result.allowed
    assert "runAsNonRoot: true" in result.text
    for field in ("seccompProfile", "capabilities", "allowPrivilegeEscalation", "runAsUser", "readOnlyRootFilesystem"):
        assert field not in result.text


@pytest.mark.parametrize(
    "value, expected", [("false", True), ("true", False), ("", False), ("'false'", False), ("no", True), ("0", False)]
)
def test_host_users_off(value, expected):
    (pod,) = pods_of(f"apiVersion: v1\nkind: Pod\nspec: {{hostUsers: {value}, containers: [{{name: a}}]}}\n")

    assert expected is pod.host_users_off


# kinds that a policy declares


def declaring(*pod_specs, group="example.com", kind="Runner"):
    entry = {"group": group, "kind": kind, "podSpecs": list(pod_specs)}
    return {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "spec": {"kinds": [entry]}}


RUNNER = (
    pod_of("example.com/v1", "Runner")
    + "spec:\n  pods:\n  - template:\n"
    + below(ONE, 6)
    + "  - template:\n"
    + below(ONE, 6)
)


def test_an_unknown_kind_is_left_alone_and_named():
    result = harden(RUNNER)

    assert result.text == RUNNER
    assert [note.kind for note in result.unexamined] == ["Runner"]


def test_a_declared_kind():
    made = Policy.from_dict(declaring("/spec/pods/*/template/spec"))
    result = harden(RUNNER, made)

    assert result.errors == ()
    assert not check(RUNNER, made).allowed
    assert check(result.text, made).allowed
    assert result.unexamined == ()


def test_the_pods_of_a_declared_kind():
    declared = policy.from_data(declaring("/spec/pods/*/template/spec"), "policy").kinds

    assert [
        at("spec.pods[0].template.spec", "spec.pods[0].template.metadata"),
        at("spec.pods[1].template.spec", "spec.pods[1].template.metadata"),
    ] == [described(pod) for pod in pods_of(RUNNER, declared)]


def test_a_declared_kind_in_several_places():
    text = RUNNER + "  leader:\n" + below(ONE, 4)
    declared = policy.from_data(declaring("/spec/leader/spec", "/spec/pods/*/template/spec"), "policy").kinds

    assert [dotted(pod.spec_pointer) for pod in pods_of(text, declared)] == [
        "spec.leader.spec",
        "spec.pods[0].template.spec",
        "spec.pods[1].template.spec",
    ]


def test_a_declaration_replaces_no_known_kind():
    declared = policy.from_data(declaring("/nowhere", group="apps", kind="Deployment"), "policy").kinds
    text = KINDS[3].values[0]

    assert [dotted(pod.spec_pointer) for pod in pods_of(text, declared)] == ["spec.template.spec"]


def test_a_declaration_must_be_complete():
    with pytest.raises(ConfigError, match="podSpecs"):
        policy.from_data({**declaring(), "spec": {"kinds": [{"group": "a", "kind": "b"}]}}, "policy")
