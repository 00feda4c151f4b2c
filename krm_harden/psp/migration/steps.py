"""STEPS.md: the commands in their order, each with what it is for and how to see that it was right."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING

from krm_harden.psp.migration.markdown import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.psp.migration.objects import Item
    from krm_harden.psp.migration.plan import Plan

KUBECTL = {"Role": "role", "RoleBinding": "rolebinding", "ClusterRole": "clusterrole"}
KUBECTL |= {"ClusterRoleBinding": "clusterrolebinding"}
"""What kubectl calls a kind."""
WIDTH = 110


def steps(plan: Plan, files: Iterable[str], spaces: Sequence[str], again: str, *, in_place: bool) -> str:
    """The steps. `files` are written, `spaces` those with Namespaces; `again` is the command line of this run."""
    names = set(files)
    sections = (
        _save(),
        _look(names),
        _manifests(names, spaces, in_place=in_place),
        _disable(),
        _delete(plan),
        _admission(plan, again),
        _gate(plan),
    )
    lines = [MARK, "", "# From PodSecurityPolicies, step by step", "", *_intro(plan)]
    for number, (title, body) in enumerate((one for one in sections if one), 1):
        lines += [f"## {number}. {title}", "", *body]
    return "\n".join(lines).rstrip() + "\n"


def _prose(said: str) -> list[str]:
    return [*textwrap.wrap(said, WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def _shell(commands: Iterable[str]) -> list[str]:
    return ["```sh", *commands, "```", ""]


def _intro(plan: Plan) -> Iterator[str]:
    if plan.opened:
        yield from _prose(
            f"**{len(plan.opened)} questions are open** ([REPORT.md](REPORT.md)): answer them first, and run the "
            "command again. Until then their namespaces get no enforce label, and the policies must stay."
        )
    yield from _prose(
        "The commands are for the folder of this file, but for `krm-harden psp migrate`, which is for where it was run."
    )


def _save() -> tuple[str, list[str]]:
    return "Keep what there is", [
        *_prose("To go back, apply this again:"),
        *_shell(
            [
                "kubectl get podsecuritypolicies,clusterroles,clusterrolebindings -o yaml > before-cluster.yaml",
                "kubectl get roles,rolebindings -A -o yaml > before-namespaces.yaml",
            ]
        ),
    ]


def _look(files: set[str]) -> tuple[str, list[str]] | None:
    if not _applied(files):
        return None
    said = _prose(
        "Nothing changes yet. A line `Warning: existing pods in namespace ...` names running pods that a label would "
        "refuse "
        "when they are made next: such a pod isn't from here, or differs from its manifest."
    )
    return "See what the server says", [
        *said,
        *_shell(f"kubectl apply --dry-run=server {_named_files(one)}" for one in _applied(files)),
    ]


def _manifests(files: set[str], spaces: Sequence[str], *, in_place: bool) -> tuple[str, list[str]]:
    said = _prose(
        "They say themselves what the policies wrote into their pods, so that the pods stay what they are; the "
        "Namespaces "
        "carry their labels. The policies still hold meanwhile, and find nothing to write. Where Git is the source, "
        "commit "
        "them there instead."
    )
    if in_place:
        said += _prose("They were changed where they are: look at the diff, and let your pipeline apply them.")
    shell = ["git diff"] if in_place else []
    shell += [f"kubectl apply -f {shlex.quote(name)}" for name in spaces if _applied(files) == ["manifests/"]]
    shell += [f"kubectl apply {_named_files(one)}" for one in _applied(files)]
    return "Roll out the hardened manifests and the labels", [*said, *_shell(shell)]


def _applied(files: set[str]) -> list[str]:
    """What is applied of the files: the folder of manifests, or the Namespaces alone."""
    if any(name.startswith("manifests/") for name in files):
        return ["manifests/"]
    return sorted(files & {"namespaces.yaml"})


def _named_files(name: str) -> str:
    return f"-R -f {name}" if name.endswith("/") else f"-f {name}"


def _disable() -> tuple[str, list[str]]:
    return "Switch the admission plugin off", [
        *_prose(
            "With the policies gone and the plugin on, no pod can be made. So first the plugin: take "
            "`PodSecurityPolicy` out "
            "of `--enable-admission-plugins` of each API server. Kubernetes 1.25 hasn't got it any more; delete the "
            "policies "
            "before that update, for afterwards no command reaches them."
        ),
        *_shell(
            ["kubectl -n kube-system get pods -l component=kube-apiserver -o yaml | grep enable-admission-plugins"]
        ),
    ]


def _delete(plan: Plan) -> tuple[str, list[str]]:
    left = plan.leftovers
    edits = [edit for edit in left.edits if edit.patch]
    names = sorted(plan.cluster.policies, key=str.encode)
    commands = [
        *(f"kubectl delete {_named(item)}" for item in (*left.bindings, *left.roles)),
        *(f"kubectl patch {_named(edit.item)} --type=json -p {shlex.quote(edit.json)}" for edit in edits),
        f"kubectl delete podsecuritypolicy {' '.join(map(shlex.quote, names))}",
    ]
    said = _prose("In this order; in Git their manifests go, too.")
    return "Delete bindings, roles and policies", [*said, *_shell(commands)]


def _named(item: Item) -> str:
    name = f"{KUBECTL[item.kind]} {shlex.quote(item.name)}"
    return f"-n {shlex.quote(item.namespace)} {name}" if item.namespace else name


def _admission(plan: Plan, again: str) -> tuple[str, list[str]] | None:
    if not plan.rules:
        return None
    return "Let admission policies warn, then refuse", [
        *_prose(
            "What no level expresses. They need Kubernetes 1.30, and PodSecurityPolicies ended with 1.24: in a new "
            "cluster "
            "this is the first step; one that is updated has these rules in its manifests alone in between."
        ),
        *_shell(["kubectl apply -f admission/"]),
        *_prose(
            "They warn whoever makes a pod, and write to the audit log. When nothing does so any more, let them refuse:"
        ),
        *_shell([f"{again} --action deny", "kubectl apply -f admission/"]),
    ]


def _gate(plan: Plan) -> tuple[str, list[str]]:
    names: Sequence[str] = sorted(set(plan.same_as.values()))
    return "Keep it so", [
        *_prose(
            "Nothing in the cluster writes into pods any more: what is new must say it itself. Harden it where it is "
            "made, "
            "and let a gate look at what is rendered, for a kustomize without `--enable-exec` skips a function in "
            "silence."
        ),
        *_shell(f"kustomize build OVERLAY | krm-harden check --policy policies/{name}.yaml -" for name in names),
    ]
