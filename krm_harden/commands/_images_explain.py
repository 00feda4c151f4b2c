"""`krm-harden images explain`: what is known of an image, who says so, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from krm_harden import source
from krm_harden.commands import _images_uses, _policies, _streams
from krm_harden.emit import FlowStyle, flow, scalar
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError
from krm_harden.images import known
from krm_harden.images.facts import FIELDS
from krm_harden.images.names import likely_upstream, parse, upstream
from krm_harden.images.resolve import plain
from krm_harden.model import mapping, one_line, sequence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from krm_harden.images.facts import Fact, ImageFacts
    from krm_harden.images.names import Reference
    from krm_harden.policy import Policy

SUMMARY = "print what is known of an image, who says so, and what fix would write"
EXAMPLES = """\
examples:
  krm-harden images explain nginx:1.27
  krm-harden images explain --images images.lock.yaml registry.example/app:1
  krm-harden images explain -o json redis:7-alpine

The policy's `images` win over a lock, a lock over the catalogue; what one of them knows wins over what another guesses.

exit codes: 0 something is known, 1 nothing is, 3 wrong command line, lock or policy
"""
MISSING = {
    "uid": "who it should run as",
    "defaultUser": "who it starts as by itself",
    "writablePaths": "which folders it writes",
    "programs": "which programs it starts",
    "fileCapabilities": "whether its programs have file capabilities",
    "ports": "which ports it listens on",
}
"""What changes the output when it isn't known."""
NEXT = "describe it under images in the policy, or run `krm-harden images resolve` on manifests that name it"
_MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  template:
    spec:
      containers:
      - name: app
        image: {image}
"""
_ONE_LINE = FlowStyle()


@dataclass(frozen=True)
class Statement:
    """What one source says of one field."""

    source: str
    value: Any
    is_sure: bool


@dataclass(frozen=True)
class Explained:
    """What holds for a field: the statement that wins, and those that it beats."""

    wins: Statement
    beaten: list[Statement] = field(default_factory=list)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("image", metavar="IMAGE", help="as manifests name it")
    _policies.arguments(parser)
    parser.add_argument("--images", metavar="LOCK", help="an ImageLock of `krm-harden images resolve`")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the report's format")


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises ConfigError."""
    report = _report(_policies.chosen(options.policy, options.images, options.profile), options.image)
    if options.output == "json":
        import json

        _streams.print_report(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    else:
        _streams.print_lines(_lines(report))
    return 0 if report["facts"] else 1


def page(policy: Policy, image: str) -> tuple[list[str], int]:
    """The report as a page of `krm-harden explain`, and the exit code. Raises ConfigError."""
    report = _report(policy, image)
    return ["".join(f"{one_line(line)}\n" for line in _lines(report))], 0 if report["facts"] else 1


def _report(policy: Policy, image: str) -> dict[str, Any]:
    if not _images_uses.is_name(image):
        raise ConfigError(f"{image!r} isn't the name of an image", next_step="write HOST/NAME:TAG")
    reference = parse(image)
    facts = policy.stated(image).over(policy.found(image))
    written, findings = _written(policy, image)
    found = _explained(policy, image, facts)
    return {
        "version": 1,
        "image": image,
        "reference": str(reference),
        "facts": {name: _as_data(one) for name, one in found.items()},
        "unknown": [
            name for name in MISSING if found and name not in found and not (name == "uid" and "anyUid" in found)
        ],
        "lock": _locked(policy, reference),
        "catalogue": _catalogued(reference),
        "writes": {"manifest": written, "findings": findings},
    }


# ---- who says what


def _explained(policy: Policy, image: str, facts: ImageFacts) -> dict[str, Explained]:
    found = {}
    for name in FIELDS:
        wins = facts.fact(name)
        if wins is not None:
            statement = Statement(wins.evidence, plain(wins.value), wins.sure)
            others = [one for one in _statements(policy, image, name) if not _is_part(one, statement)]
            found[name] = Explained(statement, others)
    return found


def _statements(policy: Policy, image: str, name: str) -> Iterator[Statement]:
    """What each source says of a field, the strongest first."""
    stated = [one.facts for one in policy.images if one.is_about(image)]
    locked = [lock.facts(parse(image)) for lock in policy.locks]
    for facts in (*stated, *locked, known.of_catalogue(parse(image))):
        fact: Fact | None = facts.fact(name)
        if fact is not None:
            yield Statement(fact.evidence, plain(fact.value), fact.sure)


def _is_part(one: Statement, wins: Statement) -> bool:
    """Whether a statement is the one that wins, or one of those that were united into it."""
    return one.source in wins.source.split("; ")


def _as_data(found: Explained) -> dict[str, Any]:
    return {
        **_said(found.wins),
        "beats": [_said(one) for one in found.beaten],
    }


def _said(one: Statement) -> dict[str, Any]:
    return {"value": one.value, "source": one.source, "guess": not one.is_sure}


def _locked(policy: Policy, reference: Reference) -> dict[str, Any] | None:
    """What a lock says beside the facts."""
    for lock in policy.locks:
        entry = lock.entry(reference)
        if entry is not None:
            kept = ("digest", "imageID", "platform", "config", "probe")
            return {"file": lock.where, **{name: entry[name] for name in kept if name in entry}}
    return None


def _catalogued(reference: Reference) -> dict[str, Any] | None:
    """What the catalogue's own file says beside the facts: sources, confidence, notes."""
    likely = likely_upstream(reference.repository)
    for repository, mirror in ((upstream(reference.repository), {}), (likely, {"ifMirrorOf": likely})):
        entry = known._entry(repository, reference.tag_or_latest) if repository else None
        if entry is not None:
            page = _page(str(entry["id"]))
            kept = {name: page[name] for name in ("confidence", "sources", "notes") if page.get(name)}
            return {"id": entry["id"], **mirror, **kept}
    return None


def _page(name: str) -> Mapping[str, Any]:
    """A catalogue entry as people wrote it; nothing where its file isn't installed."""
    folder = resources.files("krm_harden.images") / "catalogue"
    if not folder.is_dir():
        return {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        text = file.read_text(encoding="utf-8") if file.name.endswith(".yaml") else ""
        if f"id: {name}\n" in text:
            entries = sequence(mapping(source.read(text).data).get("images"))
            return next((entry for entry in map(mapping, entries) if entry.get("id") == name), {})
    return {}


def _written(policy: Policy, image: str) -> tuple[str, list[dict[str, str]]]:
    """What fix makes of a container with the image and nothing else, and why."""
    chunks = Engine(policy).run(_MANIFEST.format(image=scalar(image.strip())).encode())
    text, findings = "", []
    for chunk in chunks:
        if chunk.error:
            raise InputError(chunk.error)
        text += chunk.text.decode()
        for made in chunk.resources:
            findings += [
                {"control": one.control, "state": one.state, "severity": one.severity, "code": one.code}
                | {"message": one.message}
                for one in made.findings
            ]
    return text, findings


# ---- as text


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"{report['image']} ({report['reference']})"
    yield ""
    if report["facts"]:
        yield from _fact_lines(report["facts"])
    else:
        yield f"Nothing is known of it: {NEXT}"
    if report["unknown"]:
        yield ""
        missing = ", ".join(f"{MISSING[name]} ({name})" for name in report["unknown"])
        yield f"Not known: {missing}: {NEXT}"
    yield from _lock_lines(report["lock"])
    yield from _catalogue_lines(report["catalogue"])
    yield ""
    yield "What fix writes to a container of it that says nothing itself:"
    pod = report["writes"]["manifest"].partition("\n  template:\n    spec:\n")[2]
    yield from (f"  {line[6:]}" for line in pod.splitlines())
    yield from _finding_lines(report["writes"]["findings"])


def _fact_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, facts))
    for name, one in facts.items():
        values = one["value"] if _is_long(one["value"]) else [one["value"]]
        head = f"{name:{width}}  "
        for index, value in enumerate(values):
            tail = f"  {_source(one)}" if index == len(values) - 1 else ""
            yield f"{head if not index else ' ' * len(head)}{flow(value, _ONE_LINE)}{tail}"
        for beaten in one["beats"]:
            yield f"{' ' * width}    beats {flow(beaten['value'], _ONE_LINE)}  {_source(beaten)}"


def _is_long(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _source(one: Mapping[str, Any]) -> str:
    return f"[{one['source']}{', a guess' if one['guess'] else ''}]"


def _lock_lines(lock: Mapping[str, Any] | None) -> Iterator[str]:
    if lock is None:
        return
    yield ""
    yield f"{lock['file']}: {lock['digest']}" + (f", {lock['platform']}" if "platform" in lock else "")
    for name in ("config", "probe"):
        for key, value in mapping(lock.get(name)).items():
            yield f"  {name}.{key}: {flow(value, _ONE_LINE)}"


def _catalogue_lines(entry: Mapping[str, Any] | None) -> Iterator[str]:
    if entry is None:
        return
    yield ""
    mirror = f", if it is a mirror of {entry['ifMirrorOf']}" if "ifMirrorOf" in entry else ""
    yield f"The catalogue's entry {entry['id']}{mirror}"
    for name, sure in mapping(entry.get("confidence")).items():
        yield f"  confidence of {name}: {sure}"
    yield from (f"  source: {one}" for one in sequence(entry.get("sources")))
    yield from (f"  note: {one}" for one in sequence(entry.get("notes")))


def _finding_lines(findings: list[dict[str, str]]) -> Iterator[str]:
    shown = [one for one in findings if one["severity"] != "info"]
    if shown:
        yield ""
    for one in shown:
        code = f" ({one['code']})" if one["code"] else ""
        yield f"{one['severity']}: {one['control']}: {one['message']}{code}"
