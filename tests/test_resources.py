"""The objects of a document: places in it, never copies, and what of them isn't ours."""

from __future__ import annotations

import json
import subprocess

import pytest
from conftest import require

from krm_harden import check, harden, source
from krm_harden.model import Resource, lookup
from krm_harden.resources import left_alone, owner, resources

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: a
    image: b
"""
OBJECTS = [
    pytest.param("", [], id="nothing"),
    pytest.param("# c\n", [], id="a comment"),
    pytest.param("text\n", [], id="a scalar"),
    pytest.param("a: 1\n", [], id="no kind"),
    pytest.param("kind: 5\n", [], id="a kind that isn't a string"),
    pytest.param("kind: {a: b}\n", [], id="a kind that is a mapping"),
    pytest.param("[]\n", [], id="an empty array"),
    pytest.param("[1, ~, text, [], {}]\n", [], id="an array of other things"),
    pytest.param("kind: A\n", [((), "A")], id="an object"),
    pytest.param("[{kind: A}, {kind: B}]\n", [((0,), "A"), ((1,), "B")], id="an array"),
    pytest.param('[{"kind": "A"}, {"kind": "B"}]\n', [((0,), "A"), ((1,), "B")], id="a JSON array"),
    pytest.param("- kind: A\n", [((0,), "A")], id="an item"),
    pytest.param(
        "kind: List\nitems: [{kind: A}, {kind: B}]\n", [(("items", 0), "A"), (("items", 1), "B")], id="a List"
    ),
    pytest.param("kind: ResourceList\nitems: [{kind: A}]\n", [(("items", 0), "A")], id="a ResourceList"),
    pytest.param(
        "kind: ResourceList\nitems: [{kind: A}]\nfunctionConfig: {kind: B}\n",
        [(("items", 0), "A")],
        id="a functionConfig",
    ),
    pytest.param("kind: PodList\nitems: [{kind: Pod}]\n", [(("items", 0), "Pod")], id="a list of a kind"),
    pytest.param("kind: List\nitems: []\n", [], id="an empty List"),
    pytest.param("kind: List\nitems: [1, ~, [], {a: b}]\n", [], id="a List of other things"),
    pytest.param(
        "kind: List\nitems:\n- kind: A\n- kind: List\n  items:\n  - kind: B\n",
        [(("items", 0), "A"), (("items", 1, "items", 0), "B")],
        id="a List within a List",
    ),
    pytest.param("- kind: List\n  items: [{kind: A}]\n", [((0, "items", 0), "A")], id="a List as an item"),
    pytest.param("kind: A\nitems: [{kind: B}]\n", [((), "A"), (("items", 0), "B")], id="items of something else"),
    pytest.param("kind: A\nitems: [{key: b}]\n", [((), "A")], id="items that are no objects"),
    pytest.param(
        "kind: A\nitems: [{metadata: {name: b}}]\n",
        [((), "A"), (("items", 0), "A")],
        id="items without a kind of something else",
    ),
    pytest.param("kind: AllowList\nitems: text\n", [((), "AllowList")], id="a kind that only ends in List"),
    pytest.param("kind: AllowList\n", [((), "AllowList")], id="a kind without items that ends in List"),
    pytest.param(
        "apiVersion: template.openshift.io/v1\nkind: Template\nobjects: [{kind: A}, {kind: B}]\n",
        [(("objects", 0), "A"), (("objects", 1), "B")],
        id="a Template",
    ),
    pytest.param(
        "apiVersion: v1\nkind: Template\nobjects: [{kind: A}]\n", [(("objects", 0), "A")], id="a Template of old"
    ),
    pytest.param(
        "apiVersion: x.y/v1\nkind: Template\nobjects: [{kind: A}]\n", [((), "Template")], id="another Template"
    ),
    pytest.param(
        "kind: List\nitems:\n- apiVersion: template.openshift.io/v1\n  kind: Template\n  objects: [{kind: A}]\n",
        [(("items", 0, "objects", 0), "A")],
        id="a Template in a List",
    ),
]


@pytest.mark.parametrize("text, expected", OBJECTS)
def test_resources(text, expected):
    document = source.read(text)
    found = list(resources(document))

    assert expected == [(resource.base, resource.kind) for resource in found]
    for resource in found:
        assert resource.data is lookup(document.data, resource.base)


def test_items_of_a_typed_list_have_its_kind():
    """kubectl gives items without a kind that of their list, and its API version."""
    found = list(resources(source.read("apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n")))

    assert [(resource.api_version, resource.kind, resource.name) for resource in found] == [
        ("apps/v1", "Deployment", "a")
    ]


def test_no_nesting_hides_a_pod():
    """Beyond the bound of nested lists there may be no silence."""
    item = json.loads(json.dumps(source.read(POD).data))
    for _ in range(12):
        item = {"apiVersion": "v1", "kind": "List", "items": [item]}
    result = check(json.dumps(item))

    assert not result.allowed or result.unexamined


@pytest.mark.parametrize(
    "text, index",
    [
        pytest.param("kind: A\n", 0, id="an object"),
        pytest.param("[{kind: A}, {kind: B}]\n", 1, id="an array"),
        pytest.param("kind: List\nitems: [{kind: A}, {kind: B}, {kind: C}]\n", 2, id="a List"),
    ],
)
def test_index(text, index):
    assert index == list(resources(source.read(text)))[-1].index


@pytest.mark.parametrize(
    "text, item, expected",
    [
        pytest.param("- kind: A\n", 7, [7], id="an item"),
        pytest.param("- kind: A\n", 0, [0], id="the first item"),
        pytest.param("- kind: List\n  items: [{kind: A}, {kind: B}]\n", 7, [0, 1], id="a List as an item"),
    ],
)
def test_index_of_an_item_cut_alone(text, item, expected):
    assert expected == [resource.index for resource in resources(source.read(text), item)]


def test_names():
    text = "apiVersion: apps/v1\nkind: A\nmetadata: {name: b, namespace: c, annotations: {d: e}}\n"
    (resource,) = resources(source.read(text))

    assert (
        resource.api_version, resource.group, resource.kind, resource.name, resource.namespace,
    ) == ("apps/v1", "apps", "A", "b", "c")  # fmt: skip
    assert resource.annotations == {"d": "e"}
    assert str(resource) == "A/c/b"


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("kind: A\nmetadata: {generateName: b-}\n", "A/b-", id="a generated name"),
        pytest.param("kind: A\n", "A", id="no metadata"),
        pytest.param("kind: A\nmetadata:\n", "A", id="metadata of null"),
        pytest.param("kind: A\nmetadata: text\n", "A", id="metadata of text"),
        pytest.param("kind: A\nmetadata: {name: 5, namespace: [b]}\n", "A", id="names that aren't strings"),
    ],
)
def test_unusual_names(text, expected):
    (resource,) = resources(source.read(text))

    assert expected == str(resource)
    assert resource.annotations == {}


def resource_of(text):
    return Resource((), source.read(text).data)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: Pod\n", id="a pod"),
        pytest.param(
            "kind: Pod\nmetadata: {annotations: {config.kubernetes.io/local-config: 'false'}}\n", id="not local"
        ),
        pytest.param(
            "kind: Pod\nmetadata: {annotations: {config.kubernetes.io/function: x}}\n", id="another annotation"
        ),
        pytest.param("kind: Pod\nsops: {}\n", id="sops without a signature"),
        pytest.param("kind: Pod\nsops: text\n", id="sops of text"),
        pytest.param("kind: Pod\nmetadata: {annotations: text}\n", id="annotations of text"),
        pytest.param("kind: ConfigMap\n", id="a ConfigMap"),
    ],
)
def test_ours(text):
    assert left_alone(resource_of(text)) is None


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param(
            "kind: Pod\nmetadata: {annotations: {config.kubernetes.io/local-config: 'true'}}\n", "", id="local-config"
        ),
        pytest.param("kind: Pod\nsops: {mac: x}\n", "encrypted by SOPS: a change would break its signature", id="SOPS"),
        pytest.param("kind: Kptfile\n", "a package's own file", id="Kptfile"),
        pytest.param(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "a kustomization", id="Kustomization"
        ),
        pytest.param(
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n", "a kustomization", id="Component"
        ),
        pytest.param("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n", "", id="a CRD"),
        pytest.param("apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\n", "", id="our policy"),
    ],
)
def test_left_alone(text, expected):
    assert expected == left_alone(resource_of(text))


@pytest.mark.parametrize(
    "references, expected",
    [
        pytest.param("[{kind: ReplicaSet, name: b}]", "ReplicaSet/b", id="one"),
        pytest.param("[{kind: A, name: b}, {kind: C, name: d}]", "A/b", id="the first of two"),
        pytest.param("[]", "", id="none"),
        pytest.param("", "", id="null"),
        pytest.param("text", "", id="text"),
        pytest.param("[text]", "", id="a list of text"),
    ],
)
def test_owner(references, expected):
    assert expected == owner(resource_of(f"kind: Pod\nmetadata:\n  ownerReferences: {references}\n"))


def test_owner_of_no_metadata():
    assert owner(resource_of("kind: Pod\n")) == ""


def indented(text, by):
    lines = text.splitlines()
    return "".join(f"{' ' * by if at else ''}{line}\n" for at, line in enumerate(lines))


ITEM = indented(POD, 2)
HEADS = ["ConfigMap", "Foo", "Pod", "list", "FooList"]


@pytest.mark.parametrize("written", ["block", "flow"])
@pytest.mark.parametrize("kind", HEADS)
def test_whatever_has_items_is_a_list_as_it_is_to_kubectl(tmp_path, kind, written):
    """kubectl, Helm and Argo CD go by `Unstructured.IsList` of apimachinery: any kind with a list `items`."""
    text = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: outer}}\nitems:\n- {ITEM}"
    text = json.dumps(source.read(text).data) if written == "flow" else text
    (tmp_path / "a.yaml").write_text(text)
    command = [require("kubectl"), "annotate", "--local", "-f", "a.yaml", "a=b", "-o", "name"]
    seen = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout

    assert seen == "pod/a\n"
    assert [str(one.resource) for one in check(text).resources] == ["Pod/a"]
    assert "runAsNonRoot" in harden(text).text


LEFT = [
    pytest.param(
        POD.replace("  name: a\n", "  name: a\n  annotations: {config.kubernetes.io/local-config: 'true'}\n", 1),
        id="local-config",
    ),
    pytest.param(POD + "sops:\n  mac: x\n", id="SOPS"),
    pytest.param(POD.replace("  name: a\n", "  name: a\n  ownerReferences: [{kind: A, name: b}]\n", 1), id="owned"),
    pytest.param("apiVersion: x/v1\nkind: Template\nobjects:\n- " + ITEM, id="another Template"),
    pytest.param("apiVersion: x/v1\nkind: Kustomization\nparts:\n- " + ITEM, id="another kind"),
    pytest.param("apiVersion: v1\nkind: List\nitems: []\n", id="an empty List"),
]


@pytest.mark.parametrize("text", LEFT)
def test_harden_leaves(text):
    result = harden(text)

    assert result.errors == ()
    assert text == result.text


HELD = [
    pytest.param(POD, 1, id="a pod"),
    pytest.param("apiVersion: v1\nkind: List\nitems:\n- " + ITEM + "- " + ITEM, 2, id="a List"),
    pytest.param("apiVersion: v1\nkind: List\nitems:\n- kind: List\n  items:\n  - " + indented(ITEM, 2), 1, id="a List within a List"),
    pytest.param("apiVersion: v1\nkind: PodList\nitems:\n- " + ITEM, 1, id="a PodList"),
    pytest.param("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- " + ITEM, 1, id="a ResourceList"),
    pytest.param("apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- " + ITEM, 1, id="a Template"),
    pytest.param("apiVersion: v1\nkind: Template\nobjects:\n- " + ITEM, 1, id="a Template of old"),
    pytest.param("- " + ITEM + "- " + ITEM, 2, id="a sequence"),
    pytest.param(json.dumps([source.read(POD).data] * 2), 2, id="a JSON array"),
    pytest.param(json.dumps({"kind": "List", "items": [source.read(POD).data]}, indent=2), 1, id="a JSON List"),
    pytest.param("apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: {containers: [{name: a, image: b}]}\n", 1, id="items without a kind"),
]  # fmt: skip


@pytest.mark.parametrize("text, count", HELD)
def test_harden_finds(text, count):
    before, result = check(text), harden(text)

    assert result.errors == ()
    assert count == len(before.resources) == len(result.resources)
    assert not before.allowed
    assert result.allowed
    assert check(result.text).allowed
    assert result.text == harden(result.text).text


def test_items_that_say_no_kind_are_judged_again_after_the_edit():
    """The verdict of what was written, and the second run, know that they are Deployments too."""
    text = """\
apiVersion: apps/v1
kind: DeploymentList
items:
- metadata: {name: a}
  spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: b}]}}}
- metadata: {name: b}
  spec: {template: {spec: {containers: [{name: a, image: b}]}}}
"""

    result = harden(text)

    assert [(found.allowed, found.message) for found in result.resources] == [
        (False, "host namespaces (hostNetwork=true)"),
        (True, ""),
    ]
    assert harden(result.text).text == result.text
