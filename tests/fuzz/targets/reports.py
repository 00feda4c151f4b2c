"""What manifests, file names and policies say, in every format of a report: valid, and never more than text."""

from __future__ import annotations

import json

import formats
import manifests
from choices import Choices, expect_one_line

from krm_harden import policy
from krm_harden.commands import _reports, _run
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.reports import _merged
from krm_harden.reports.github import page

MODULES = tuple(f"reports.{name}" for name in ("text", "json", "sarif", "codequality", "junit", "github", "html", "markdown", "table", "_documents", "_lines", "_places", "_merged"))  # fmt: skip
FORMATS = _reports.formats()
OF_DOCUMENTS = _reports.of_documents()


def seeds() -> list[bytes]:
    return [bytes((start * step + 17 * start) % 256 for step in range(length)) for start in range(1, 24) for length in (50, 150)]  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    spec = {"exemptions": [{"match": {"kinds": ["Pod"]}, "controls": ["hostNamespaces", "runAsNonRoot"], "reason": manifests.word(choices) or "r"}]} if choices.one_in(3) else {}  # fmt: skip
    engine = Engine(policy.Policy(spec), checking=choices.below(2) == 0)
    names = [_name(choices) for _ in range(1 + choices.below(2))]
    inputs = [_run.of_bytes(engine, name, manifests.stream(choices).encode("utf-8", "replace")) for name in names]
    warnings = [manifests.word(choices)] if choices.one_in(4) else []
    name = choices.of((*FORMATS, "merged", "merged", "page"))
    if name == "merged":
        _merge(_reports._module("json").render(inputs, warnings).encode(), choices)
    elif name == "page":
        formats.judge("markdown", page(inputs, warnings))
    else:
        formats.judge(name, _reports._module(name).render(inputs, warnings))


def _name(choices: Choices) -> str:
    """A file's name, which may be anything but with NUL."""
    return "deploy/" + (manifests.word(choices).replace("\0", "").replace("/", "_") or "x") + ".yaml"


def _merge(report: bytes, choices: Choices) -> None:
    """As an input of `report merge`, whole and with something else in it."""
    document = _merged.parsed(report)
    if choices.one_in(2):
        damaged = manifests.damaged(choices, report.decode())
        try:
            document = _merged.parsed(damaged.encode("utf-8", "replace"))
        except InputError as error:
            expect_one_line(error)
            return
    one = _merged.Source(manifests.word(choices) or "a", "a.json", document)
    bad = _merged.Source("b", manifests.word(choices), None, "isn't JSON")
    merged = _merged.merged([one, bad])
    name = choices.of(OF_DOCUMENTS)
    formats.judge(name, _reports.of_document(name, json.loads(json.dumps(merged)), []))
