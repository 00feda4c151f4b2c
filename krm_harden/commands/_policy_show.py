"""`krm-harden policy show`: which entries of a policy meet an object, and what holds for it, by whose word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import excerpts, limits, merging, source, split
from krm_harden.commands import _files, _policies, _run, _streams
from krm_harden.controls import NAMESPACES, named
from krm_harden.emit import FlowStyle, flow
from krm_harden.errors import InputError
from krm_harden.exemptions import matches
from krm_harden.model import mapping, sequence
from krm_harden.resources import is_namespace, resources

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.model import Container, Pod, Pointer, Resource
    from krm_harden.policy import Layer, Policy

SUMMARY = "show what a policy says of an object, and where each word comes from"
EXAMPLES = """\
examples:
  krm-harden policy show --policy policy.yaml               the settings for everything
  krm-harden policy show --policy policy.yaml --for deploy/
                                                            for each object of a folder
  krm-harden policy show --policy policy.yaml --for deploy/web.yaml:12
                                                            for the object on that line
  kustomize build . | krm-harden policy show --policy policy.yaml --for -
  krm-harden policy show --profile audit --policy policy.yaml -o json

exit codes: 0 done, 2 a manifest couldn't be read or holds nothing that makes pods, 3 wrong policy or command line
"""
STDIN = "-"
_ONE_LINE = FlowStyle()


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    _run.policy_arguments(parser)
    parser.add_argument(
        "--for",
        dest="paths",
        metavar="FILE[:LINE]",
        action="append",
        default=[],
        help="the objects: a file, a folder, the object on a line of a file, or - for standard input; several add up",
    )
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the report's format")


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    policy = _policies.chosen(options.policy, options.images, options.profile)
    found = [_of_object(policy, one) for path in options.paths for one in _objects(policy, path)]
    if options.paths and not found:
        raise InputError(f"{', '.join(options.paths)}: nothing there makes pods, and no Namespace is there")
    report: dict[str, Any] = {"version": 1, "policy": policy.name, "layers": [layer.where for layer in policy.layers]}
    if options.paths:
        report["objects"] = found
    else:
        report["settings"] = _settings(policy, [], namespaces=True)
    if options.output == "json":
        import json

        _streams.print_report(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    else:
        _streams.print_lines(_lines(report))
    return 0


# ---- the objects


class Object(NamedTuple):
    """One object, where it stands, and its pods; lines count from 1."""

    file: str
    first: int
    last: int
    resource: Resource
    pods: tuple[Pod, ...]


def _objects(policy: Policy, path: str) -> list[Object]:
    """What of a file, a folder, a place or standard input a policy has something to say of. Raises KrmHardenError."""
    if path == STDIN:
        return list(_of_stream(policy, STDIN, _streams.read_stdin()))
    name, line = _place(path)
    found = [one for file in _files.find([name]) for one in _of_stream(policy, str(file), limits.read_input(file))]
    if line is None:
        return found
    around = [one for one in found if one.first <= line <= one.last]
    if not around:
        raise InputError(f"{path}: no object that makes pods, and no Namespace, stands on that line")
    return [min(around, key=lambda one: one.last - one.first)]


def _place(path: str) -> tuple[str, int | None]:
    name, _, line = path.rpartition(":")
    if name and line.isascii() and line.isdigit() and not os.path.exists(path):
        return name, int(line)
    return path, None


def _of_stream(policy: Policy, name: str, data: bytes) -> Iterator[Object]:
    try:
        for before, chunk, spent in split.counted(split.decode(data)[0]):
            if not split.is_empty(chunk):
                yield from _of_document(policy, name, chunk, before, spent)
    except InputError as error:
        error.where = error.where or name
        raise


def _of_document(policy: Policy, name: str, chunk: bytes, before: int, spent: limits.Spent) -> Iterator[Object]:
    try:
        document = source.read(split.after_mark(chunk)[1].decode())
    except InputError as error:
        error.where = f"{name}:{before + max(error.line, 0) + 1}"
        raise
    found = list(resources(document))
    spent.add_objects(before, len(found))
    for resource in found:
        pods = policy.pods_of(resource)
        if pods or is_namespace(resource):
            first = source.line_of(document, resource.base)
            node = document.root
            for step in resource.base:
                node = source.child(node, step) if node is not None else None
            last = excerpts.last_line(node, document.text) if node is not None else first
            yield Object(name, before + first + 1, before + last + 1, resource, pods)


# ---- what holds for one


def _of_object(policy: Policy, one: Object) -> dict[str, Any]:
    rules = [rule for rule in policy.rules if matches(rule["match"], one.resource)]
    return {
        "kind": one.resource.kind,
        "namespace": one.resource.namespace,
        "name": one.resource.name,
        "file": one.file,
        "line": one.first,
        "rules": [{"from": _of_rule(policy, rule), "match": rule["match"]} for rule in rules],
        "exemptions": list(_exemptions(policy, one)),
        "images": [_image(policy, container) for pod in one.pods for container in pod.containers],
        "settings": _settings(policy, rules, namespaces=is_namespace(one.resource)),
    }


def _exemptions(policy: Policy, one: Object) -> Iterator[dict[str, Any]]:
    places = merging.origins(policy, "exemptions")
    for index, exemption in enumerate(policy.exemptions):
        everywhere: list[Container | None] = [None, *(box for pod in one.pods for box in pod.containers)]
        named_ = sorted(exemption.controls)
        covered = [box for box in everywhere if any(exemption.covers(name, one.resource, box) for name in named_)]
        if covered:
            yield {
                "from": _entry(places, "exemptions", index),
                "controls": named_,
                "reason": exemption.reason,
                "expired": exemption.expired,
                "containers": [box.name for box in covered if box is not None],
                "pod": None in covered,
            }


def _image(policy: Policy, container: Container) -> dict[str, Any]:
    """The entries of `images` about a container's image, the one that counts first."""
    about = [index for index, stated in enumerate(policy.images) if stated.is_about(container.image)]
    about.sort(key=lambda index: -len(policy.images[index].match.replace("*", "")))
    places = merging.origins(policy, "images")
    entries = [{"from": _entry(places, "images", index), "match": policy.images[index].match} for index in about]
    return {"container": container.name, "image": container.image, "entries": entries}


def _settings(policy: Policy, rules: Iterable[Mapping[str, Any]], *, namespaces: bool) -> dict[str, dict[str, Any]]:
    """Each setting that holds by its field, with where it comes from."""
    rules = list(rules)
    effective = policy.effective(rules)
    found: dict[str, dict[str, Any]] = {}
    for field, value in effective.items():
        if field != "controls":
            shown = value["name"] if field == "podSecurityPolicy" else value
            found[field] = _said(shown, _source(policy, rules, (field,)))
    if policy.asks_items:
        found["podSecurityPolicies"] = _said("items", _source(policy, [], ("podSecurityPolicies",)))
    for field in ("compatibility", "validator"):
        found[field] = _said(getattr(policy, field), _source(policy, [], (field,)))
    for field in ("target", "limits", *(("namespaces",) if namespaces else ())):
        for name, value in mapping(policy.spec.get(field)).items():
            found[f"{field}.{name}"] = _said(value, _source(policy, [], (field, name)))
    for control in sorted(effective["controls"]):
        if control == NAMESPACES and not namespaces:
            continue
        for name, value in effective["controls"][control].items():
            place = ("controls", control, name)
            found[f"controls.{control}.{name}"] = _said(value, _source(policy, rules, place))
    return found


def _said(value: Any, where: str) -> dict[str, Any]:
    return {"value": value, "from": where}


def _source(policy: Policy, rules: list[Mapping[str, Any]], pointer: Pointer) -> str:
    """Who says what holds at a place: the rule that was applied last, else the policy that did, else the default."""
    for rule in reversed(rules):
        if _written(rule, pointer):
            return _of_rule(policy, rule)
    for layer in reversed(policy.layers):
        place = _written(layer.spec, pointer)
        if place:
            return _where(layer, ("spec", *place))
    return "default"


def _written(layer: Mapping[str, Any], pointer: Pointer) -> Pointer | None:
    """The place in a policy or a rule that says something of a field: for a control under its own or a short name."""
    if pointer[0] != "controls":
        value: Any = layer
        for step in pointer:
            if not isinstance(value, dict) or step not in value:
                return None
            value = value[step]
        return pointer
    said = [alias for alias, settings in mapping(layer.get("controls")).items() if pointer[2] in settings]
    return next((("controls", alias, pointer[2]) for alias in reversed(said) if pointer[1] in named(alias)), None)


def _of_rule(policy: Policy, rule: Mapping[str, Any]) -> str:
    index = next(index for index, one in enumerate(sequence(policy.spec.get("rules"))) if one is rule)
    return _entry(merging.origins(policy, "rules"), "rules", index)


def _entry(places: list[tuple[Layer, int]], field: str, index: int) -> str:
    """An entry of a list by its file, line and index; what --images adds is of no policy."""
    if index >= len(places):
        return "--images"
    layer, own = places[index]
    return f"{_where(layer, ('spec', field, own))} {field}[{own}]"


def _where(layer: Layer, pointer: Pointer) -> str:
    """A place of a policy: its file and line, or its profile."""
    document = layer.document
    if document is None:
        return layer.where
    span = excerpts.locate(document, pointer, is_key=True)
    return f"{layer.where}:{excerpts.line_and_column(document.text, span.start)[0]}"


# ---- as text


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    if "settings" in report:
        yield f"policy {report['policy']}"
        yield from _setting_lines(report["settings"])
    for index, one in enumerate(report.get("objects", ())):
        if index:
            yield ""
        name = "/".join(part for part in (one["kind"], one["namespace"], one["name"]) if part)
        yield f"{name} ({one['file']}:{one['line']})"
        yield from _group("rules", [f"{rule['from']}  {flow(rule['match'], _ONE_LINE)}" for rule in one["rules"]])
        yield from _group("exemptions", [_exemption_line(exemption) for exemption in one["exemptions"]])
        yield from _group("images", [_image_line(image) for image in one["images"]])
        yield "  settings:"
        yield from (f"  {line}" for line in _setting_lines(one["settings"]))


def _group(name: str, lines: list[str]) -> Iterator[str]:
    yield f"  {name}:" if lines else f"  {name}: none"
    yield from (f"    {line}" for line in lines)


def _exemption_line(one: Mapping[str, Any]) -> str:
    where = [*(["the pod"] if one["pod"] else []), *one["containers"]]
    expired = f" (expired on {one['expired']})" if one["expired"] else ""
    return f"{one['from']}  {', '.join(one['controls'])} of {', '.join(where)}: {one['reason']}{expired}"


def _image_line(one: Mapping[str, Any]) -> str:
    head = f"{one['container']}: {one['image']}"
    if not one["entries"]:
        return f"{head}  no entry"
    first, *rest = [f"{entry['from']} {entry['match']}" for entry in one["entries"]]
    return f"{head}  {first}" + (f"; beats {', '.join(rest)}" if rest else "")


def _setting_lines(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    shown = {name: flow(one["value"], _ONE_LINE) for name, one in settings.items()}
    wide, long = max(map(len, shown)), max(map(len, shown.values()))
    for name, one in settings.items():
        yield f"  {name:{wide}}  {shown[name]:{long}}  {one['from']}"
