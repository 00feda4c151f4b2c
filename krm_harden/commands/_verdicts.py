"""What an API server would say, beside `check`'s findings: at many versions, by labels, after a change of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden import admission, matrix, namespaces
from krm_harden.commands import _streams
from krm_harden.commands._run import Input
from krm_harden.errors import ConfigError
from krm_harden.model import ChunkResult, Unexamined
from krm_harden.reports import json, labelled, table, text
from krm_harden.resources import is_namespace
from krm_harden.schema import similar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.commands._asked import Change
    from krm_harden.model import Resource, ResourceResult
    from krm_harden.policy import Policy


def in_table(
    policy: Policy, inputs: Sequence[Input], levels: Sequence[str], versions: Sequence[str], output: str
) -> int:
    """Report which object meets which level, and from which version on it doesn't.

    1 if one is refused, unless the policy only warns.
    """
    rows = []
    for name, result in _results(inputs):
        found = matrix.spans(policy, result.resource, levels, versions)
        if found:
            rows.append(table.Row(name, result, found))
    if output == "json":
        _streams.print_report(json.document({"verdicts": table.data(rows)}, inputs))
    else:
        _print(table.lines(rows, levels) if rows else (), inputs)
    refused = (row.result.resource for row in rows if any(span.state == "refused" for span in row.spans))
    return int(any(matrix.fails_a_run(policy, resource) for resource in refused))


def as_labelled(policy: Policy, inputs: Sequence[Input], output: str) -> tuple[int, bool]:
    """Report what the server says by the labels of the input's namespaces.

    1 if pods are refused or a label is invalid; and whether each pod's namespace was there.
    """
    found: dict[str, labelled.Labels] = {}
    for name, result in _results(inputs):
        if is_namespace(result.resource):
            labels = namespaces.labels_of(result.resource)
            means = namespaces.Labelled(labels, policy.server)
            found[result.resource.name] = labelled.Labels(name, result, means, labels)
    answers: list[labelled.Said] = []
    unknown: list[Input] = []
    for name, result in _results(inputs):
        resource = result.resource
        if resource.namespace in found:
            answers += _answers(policy, name, result, found[resource.namespace].labelled)
        elif not is_namespace(resource) and policy.pods_of(resource):
            unknown.append(_left_alone(name, result))
    everything = [*inputs, *unknown]
    if output == "json":
        _streams.print_report(json.document(labelled.data(found.values(), answers), everything))
    else:
        _print(labelled.lines(found.values(), answers), everything)
    bad = any(said.severity == "error" and said.answer.text for said in answers)
    return int(bad or any(one.labelled.problems for one in found.values())), not unknown


def _answers(policy: Policy, name: str, result: ResourceResult, means: namespaces.Labelled) -> Iterator[labelled.Said]:
    resource = result.resource
    exempting = matrix.exemptions_for(policy, resource)
    fails = matrix.fails_a_run(policy, resource)
    pods = policy.created_pods_of(resource)
    for answer in admission.as_labelled(policy, resource, means) if pods else ():
        exempt = matrix.is_exempt(answer.verdict, pods, exempting)
        yield labelled.Said(name, result, answer, exempt=exempt, fails=fails)


def _left_alone(name: str, result: ResourceResult) -> Input:
    resource = result.resource
    reason = f"the namespace {resource.namespace} isn't in the input" if resource.namespace else "it names no namespace"
    note = Unexamined(reason, resource.kind, resource.name, result.line)
    return Input(name, b"", b"", (ChunkResult(b"", unexamined=(note,)),))


def what_breaks(policy: Policy, inputs: Sequence[Input], change: Change, output: str) -> tuple[int, bool]:
    """Report what `kubectl label --dry-run=server` would print.

    1 if something violates the new level, 3 if the server refuses the labels asked for; and whether all that makes pods
    names a namespace.
    """
    resources = [result.resource for _, result in _results(inputs)]
    old, problem = _labels_now(resources, change.namespace, whole=not list(text.unreadable(inputs)))
    found = admission.what_breaks(policy, change.namespace, old, change.labels, resources)
    if found.invalid:
        _streams.complain(found.invalid.split("\n"))
        return 3, True
    homeless = [
        _left_alone(name, result)
        for name, result in _results(inputs)
        if not result.resource.namespace and policy.pods_of(result.resource)
    ]
    everything = [*inputs, *homeless]
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
        _streams.print_report(json.document({"whatBreaks": body}, everything))
    else:
        _streams.print_lines(lines)
    _streams.complain(_left_alone_lines(everything))
    _streams.complain([*problem, *text.unreadable(inputs)])
    return int(bool(found.pods or found.workloads)), not homeless


def _labels_now(resources: Sequence[Resource], namespace: str, *, whole: bool) -> tuple[Mapping[str, Any], list[str]]:
    """The labels of a namespace, and a warning where they aren't known. `whole`: all of the input could be read.

    Raises ConfigError where only other namespaces are there: one that is spelled wrong must not pass.
    """
    known = {one.name: namespaces.labels_of(one) for one in resources if is_namespace(one)}
    if namespace in known:
        return known[namespace], []
    used = {one.namespace for one in resources if one.namespace}
    others = sorted({*used, *known} - {namespace})
    if others and whole and namespace not in used:
        hint = similar(namespace, others)
        raise ConfigError(f"--what-breaks: nothing in the input is of the namespace {namespace!r}{hint}")
    return {}, [f"krm-harden: warning: Namespace/{namespace} isn't in the input: taken as one without labels"]


def _results(inputs: Iterable[Input]) -> Iterator[tuple[str, ResourceResult]]:
    """Every resource with the name of its file."""
    for made in inputs:
        for chunk in made.chunks:
            for result in chunk.resources:
                yield made.name, result


def _print(lines: Iterable[str], inputs: Sequence[Input]) -> None:
    _streams.print_lines((*lines, *_left_alone_lines(inputs)))
    _streams.complain(text.unreadable(inputs))


def _left_alone_lines(inputs: Iterable[Input]) -> Iterator[str]:
    for made in inputs:
        yield from text.left_alone(made.chunks, made.name)
