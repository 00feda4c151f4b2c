"""What an API server would say, beside `check`'s findings: at many versions, by labels, after a change of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden import admission, matrix, namespaces, workloads
from krm_harden.commands import _streams
from krm_harden.model import ChunkResult, Unexamined
from krm_harden.reports import json, labelled, table, text
from krm_harden.resources import is_namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.commands._asked import Change
    from krm_harden.commands._run import Input
    from krm_harden.model import Resource, ResourceResult
    from krm_harden.policy import Policy


def in_table(
    policy: Policy, inputs: Sequence[Input], levels: Sequence[str], versions: Sequence[str], output: str
) -> int:
    """Report which object meets which level, and from which version on it doesn't; 1 if one is refused."""
    rows = []
    for name, result in _results(inputs):
        found = matrix.spans(policy, result.resource, levels, versions)
        if found:
            rows.append(table.Row(name, result, found))
    if output == "json":
        _streams.print_report(json.document({"verdicts": table.data(rows)}, inputs))
    else:
        _print(table.lines(rows, levels) if rows else (), inputs)
    return int(any(span.state == "refused" for row in rows for span in row.spans))


def as_labelled(policy: Policy, inputs: Sequence[Input], output: str) -> tuple[int, bool]:
    """Report what the server says by the labels of the input's namespaces.

    1 if pods are refused or a label is invalid; and whether each pod's namespace was there.
    """
    found = {
        result.resource.name: labelled.Labels(
            name,
            result,
            namespaces.Labelled(namespaces.labels_of(result.resource), policy.server),
            namespaces.labels_of(result.resource),
        )
        for name, result in _results(inputs)
        if is_namespace(result.resource)
    }
    answers: list[labelled.Said] = []
    unknown: list[Input] = []
    for name, result in _results(inputs):
        resource = result.resource
        if resource.namespace in found:
            answers += _answers(policy, name, result, found[resource.namespace].labelled)
        elif not is_namespace(resource) and _makes_pods(policy, resource):
            unknown.append(_left_alone(name, result))
    everything = [*inputs, *unknown]
    if output == "json":
        _streams.print_report(json.document(labelled.data(found.values(), answers), everything))
    else:
        _print(labelled.lines(found.values(), answers), everything)
    bad = any(said.severity == "error" and said.answer.text for said in answers)
    return int(bad or any(one.labelled.problems for one in found.values())), not unknown


def _answers(policy: Policy, name: str, result: ResourceResult, means: namespaces.Labelled) -> Iterator[labelled.Said]:
    exempting = matrix.exemptions_for(policy, result.resource)
    pods = tuple(workloads.created_pods(result.resource, workloads.shapes_of(result.resource, policy.kinds)))
    for answer in admission.as_labelled(policy, result.resource, means) if pods else ():
        yield labelled.Said(name, result, answer, exempt=matrix.is_exempt(answer.verdict, pods, exempting))


def _left_alone(name: str, result: ResourceResult) -> Input:
    resource = result.resource
    reason = f"the namespace {resource.namespace} isn't in the input" if resource.namespace else "it names no namespace"
    note = Unexamined(reason, resource.kind, resource.name, result.line)
    from krm_harden.commands._run import Input

    return Input(name, b"", b"", (ChunkResult(b"", unexamined=(note,)),))


def what_breaks(policy: Policy, inputs: Sequence[Input], change: Change, output: str) -> int:
    """Report what `kubectl label --dry-run=server` would print.

    1 if something violates the new level, 3 if the server refuses the labels asked for.
    """
    resources = [result.resource for _, result in _results(inputs)]
    named = (one for one in resources if is_namespace(one) and one.name == change.namespace)
    old = next(map(namespaces.labels_of, named), None)
    found = admission.what_breaks(policy, change.namespace, old or {}, change.labels, resources)
    if found.invalid:
        _streams.complain([found.invalid])
        return 3
    done = f"namespace/{change.namespace} {'' if found.changed else 'not '}labeled (server dry run)"
    lines = [*(f"Warning: {line}" for line in (*found.pods, *found.workloads)), done]
    if output == "json":
        body = {
            "namespace": change.namespace,
            "labels": change.labels,
            "changed": found.changed,
            "pods": list(found.pods),
            "workloads": list(found.workloads),
        }
        _streams.print_report(json.document({"whatBreaks": body}, inputs))
    else:
        _streams.print_report("".join(f"{line}\n" for line in lines))
    if old is None:
        missing = f"Namespace/{change.namespace} isn't in the input: taken as one without labels"
        _streams.complain([f"krm-harden: warning: {missing}"])
    homeless = [str(one) for one in resources if not one.namespace and _makes_pods(policy, one)]
    if homeless:
        _streams.complain([f"krm-harden: warning: {', '.join(homeless)}: no namespace is named, so not judged"])
    _streams.complain(text.unreadable(inputs))
    return int(bool(found.pods or found.workloads))


def _makes_pods(policy: Policy, resource: Resource) -> bool:
    return any(workloads.pods(resource, workloads.shapes_of(resource, policy.kinds)))


def _results(inputs: Iterable[Input]) -> Iterator[tuple[str, ResourceResult]]:
    """Every resource with the name of its file."""
    for made in inputs:
        for chunk in made.chunks:
            for result in chunk.resources:
                yield made.name, result


def _print(lines: Iterable[str], inputs: Sequence[Input]) -> None:
    left_alone = [line for made in inputs for line in text.left_alone(made.chunks, made.name)]
    _streams.print_report("".join(f"{line}\n" for line in (*lines, *left_alone)))
    _streams.complain(text.unreadable(inputs))
