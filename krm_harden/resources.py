"""The objects of a document, as places in it: the root, the items of a List, the objects of an OpenShift Template."""

from __future__ import annotations

from krm_harden.errors import InputError
from krm_harden.model import Resource, mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from krm_harden.model import Pod, Pointer
    from krm_harden.source import Document

LOCAL_CONFIG = "config.kubernetes.io/local-config"
SKIPPED_KINDS = {
    "Kptfile": "a package's own file",
    "Kustomization": "a kustomization",
    "Component": "a kustomization",
    "CustomResourceDefinition": "",
    "HardeningPolicy": "",
}
"""Kinds that are nobody's to change here, each with what to say of it, if anything."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names that kustomize looks for, in a folder."""
MAX_NESTING = 8


def resources(document: Document, item: int | None = None) -> Iterator[Resource]:
    """Every object of a document that has a kind, Lists and Templates unwrapped.

    A document that is itself a sequence, or is JSON, may be an item cut from a list, `item` its index there.
    """
    if isinstance(document.data, list):
        for index, data in enumerate(document.data):
            for resource in _unwrap(data, (index,), 0):
                if item is not None and len(resource.base) == 1:
                    resource.index = item
                yield resource
    else:
        for resource in _unwrap(document.data, (), 0):
            if item is not None and not resource.base:
                resource.index = item
            yield resource


def _unwrap(data: Any, base: Pointer, depth: int, inherited: tuple[str, str] | None = None) -> Iterator[Resource]:
    if not isinstance(data, dict):
        return
    if depth > MAX_NESTING:
        raise InputError(f"lists nested more than {MAX_NESTING} levels deep")
    field = list_field(data)
    if not field or not _is_only_a_list(data):
        resource = Resource(base, data, base[-1] if base and isinstance(base[-1], int) else 0)
        if inherited and not resource.kind:
            resource.api_version, resource.kind = inherited
        if resource.kind:
            yield resource
        if not field:
            return
    # The API server takes the items of a DeploymentList without a kind for Deployments.
    kind = str(data.get("kind")).removesuffix("List")
    typed = (str(data.get("apiVersion")), kind) if field == "items" and kind and kind != "Resource" else None
    for index, item in enumerate(sequence(data.get(field))):
        yield from _unwrap(item, (*base, field, index), depth + 1, typed)


def list_field(data: dict[str, Any]) -> str:
    """The field that holds further objects: `items` of a List, `objects` of a Template, else empty.

    To kubectl, Helm and Argo CD whatever has a list `items` is a List, by apimachinery's `Unstructured.IsList`: so
    objects in one count, whatever the kind around them.
    """
    kind = data.get("kind")
    if not isinstance(kind, str):
        return ""
    if kind == "Template" and str(data.get("apiVersion")).rpartition("/")[0] in {"", "template.openshift.io"}:
        return "objects"
    items = data.get("items")
    if not isinstance(items, list):
        return ""
    named = any(isinstance(item, dict) and ("kind" in item or "metadata" in item) for item in items)
    return "items" if named or kind.endswith("List") else ""


def _is_only_a_list(data: dict[str, Any]) -> bool:
    """Whether what holds other objects is no object of its own to anybody."""
    return str(data.get("kind")).endswith(("List", "Template"))


def left_alone(resource: Resource) -> str | None:
    """Why a resource isn't ours to change: a reason to report, empty for one not worth a line, None when it is."""
    if resource.kind in SKIPPED_KINDS:
        return SKIPPED_KINDS[resource.kind]
    if is_local(resource):
        return ""
    if is_encrypted(resource):
        return "encrypted by SOPS: a change would break its signature"
    return None


def is_encrypted(resource: Resource) -> bool:
    return "sops" in resource.data and "mac" in mapping(resource.data["sops"])


def is_local(resource: Resource) -> bool:
    """Whether a resource says that it never reaches a cluster: kustomize and kpt keep it back, kubectl doesn't."""
    return resource.annotations.get(LOCAL_CONFIG) == "true"


def owners(resource: Resource) -> Iterator[tuple[str, str]]:
    """The kind and name of each object that owns a resource."""
    for reference in sequence(resource.metadata.get("ownerReferences")):
        if isinstance(reference, dict):
            yield str(reference.get("kind")), str(reference.get("name"))


def owner(resource: Resource) -> str:
    """The controller that owns a resource, as `kind/name`; empty when nothing does."""
    return next((f"{kind}/{name}" for kind, name in owners(resource)), "")


def is_pod(resource: Resource) -> bool:
    """Whether a resource is a Pod of its own, which the API server gives defaults and judges as it is."""
    return (resource.group, resource.kind) == ("", "Pod")


def is_namespace(resource: Resource) -> bool:
    return resource.kind == "Namespace" and resource.api_version == "v1"


def is_immutable(resource: Resource) -> bool:
    """Whether an apply over the same object fails: a Job, and a Pod of its own."""
    return (resource.group, resource.kind) in {("", "Pod"), ("batch", "Job")}


def is_hook(resource: Resource) -> bool:
    """Whether Helm or Argo CD makes the object anew each time, in place of an apply over the old one."""
    return not resource.annotations.keys().isdisjoint({"helm.sh/hook", "argocd.argoproj.io/hook"})


def is_patch(resource: Resource, pods: Iterable[Pod], *, directives: bool) -> bool:
    """Whether a resource is a part to be merged into another one: `$patch`, or a container without an image.

    `directives` says whether `$patch` counts, and may be there. An image counts only where every container needs one: a
    Tekton step may have it from elsewhere.
    """
    needs_image = resource.group != "tekton.dev"
    if needs_image and any("image" not in container.data for pod in pods for container in pod.containers):
        return True
    return directives and _has_patch(resource.data)


_FREE_FORM = {"annotations", "data", "labels", "limits", "matchLabels", "nodeSelector", "options", "parameters"}
_FREE_FORM |= {"requests", "stringData", "volumeAttributes"}
"""Fields whose keys are anybody's: what stands there is no directive."""


def _has_patch(data: Any) -> bool:
    if isinstance(data, dict):
        return any(
            str(key).startswith("$patch") or (key not in _FREE_FORM and _has_patch(value))
            for key, value in data.items()
        )
    return any(map(_has_patch, data)) if isinstance(data, list) else False
