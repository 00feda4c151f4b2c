"""The report as JUnit XML, for what shows tests: GitLab, Jenkins, GitHub's actions.

A file is a suite, an object a test. It fails with its errors, is skipped where it is exempt, else it passes. Not each
control is a test of its own: a report doesn't say which controls had nothing to say, and a test that comes and goes is
never shown as fixed. Of two tests of one class and name GitLab drops the second ("Unit test reports" in its
documentation), so none are. The attributes are those of Jenkins' schema (junit-10.xsd of its xunit plugin).
"""

from __future__ import annotations

import html
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.model import one_line
from krm_harden.reports import _documents, json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from krm_harden.commands._run import Input

MOST = 100
"""The lines about one object: GitLab takes files of 30 MB."""


class Test(NamedTuple):
    """One test: `outcome` is failure, error, skipped, or empty where it passes; `lines` say more."""

    name: str
    outcome: str = ""
    message: str = ""
    lines: Sequence[str] = ()


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The document, with a final line break."""
    return from_document(json.report(inputs, warnings))


def from_document(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """The same of a report in JSON. `earlier`: what shows tests has a history of its own."""
    del earlier
    suites: dict[str, list[Test]] = {}
    for name, test in chain(_of_errors(document), _of_resources(document), _of_notes(document)):
        suites.setdefault(name, []).append(test)
    if document.get("warnings"):
        words = Test("policy", lines=document["warnings"])
        suites.setdefault("krm-harden", []).append(words)
    every = [test for tests in suites.values() for test in tests]
    met: dict[tuple[str, str], int] = {}
    when = document.get("created", "").removesuffix("Z")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {_attributes(name='krm-harden', **_counts(every, 'failures', 'errors'))}>",
        *(line for name, tests in suites.items() for line in _suite(name, tests, when, met)),
        "</testsuites>",
    ]
    return "".join(f"{line}\n" for line in lines)


def _of_errors(document: Mapping[str, Any]) -> Iterator[tuple[str, Test]]:
    for error in document["errors"]:
        yield _documents.file(error), Test("can be read", "error", error["message"], [error["message"]])


def _of_resources(document: Mapping[str, Any]) -> Iterator[tuple[str, Test]]:
    for resource in document["resources"]:
        yield _documents.file(resource), _test(resource)


def _test(resource: Mapping[str, Any]) -> Test:
    name, standing = _documents.name(resource), _documents.standing(resource)
    findings = resource["findings"]
    lines = [_line(resource, finding) for finding in findings if finding["severity"] != "info"]
    if standing == "fails":
        bad = [finding for finding in findings if _documents.is_error(finding)]
        controls = ", ".join(dict.fromkeys(finding["control"] for finding in bad))
        return Test(name, "failure", f"{_documents.how_many(len(bad), 'error')}: {controls}", lines)
    if standing == "exempt":
        reasons = dict.fromkeys(finding["reason"] for finding in findings if finding["state"] == "exempt")
        return Test(name, "skipped", f"exempt: {'; '.join(reasons)}", lines)
    return Test(name, lines=lines)


def _line(resource: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    where = _documents.place(resource, finding["line"])
    return f"{where}: {finding['severity']}: {finding['control']}: {_documents.said(finding)}"


def _of_notes(document: Mapping[str, Any]) -> Iterator[tuple[str, Test]]:
    for note in document["notExamined"]:
        named = "/".join(part for part in (note["kind"], note["name"]) if part) or "the file"
        outcome = "failure" if note.get("severity") == "error" else "skipped"
        yield _documents.file(note), Test(named, outcome, f"was left alone: {note['reason']}")


def _suite(name: str, tests: list[Test], when: str, met: dict[tuple[str, str], int]) -> Iterator[str]:
    counts = _counts(tests, "failures", "errors", "skipped")
    stamp = {"timestamp": when} if when else {}
    yield f"  <testsuite {_attributes(name=name, **counts, time='0', **stamp, file=name)}>"
    group = _class(name)
    for test in tests:
        times = met[group, test.name] = met.get((group, test.name), 0) + 1
        named = f"{test.name} ({times})" if times > 1 else test.name
        yield from _case(test, _attributes(classname=group, name=named, time="0"))
    yield "  </testsuite>"


def _case(test: Test, attributes: str) -> Iterator[str]:
    body = "\n".join(_text(line) for line in test.lines[:MOST])
    if len(test.lines) > MOST:
        body += f"\n{len(test.lines) - MOST} more"
    if test.outcome:
        yield f"    <testcase {attributes}>"
        said = _attributes(type=test.outcome, message=test.message)
        yield f"      <{test.outcome} {said}>{body}</{test.outcome}>"
        yield "    </testcase>"
    elif body:
        yield f"    <testcase {attributes}>"
        yield f"      <system-out>{body}</system-out>"
        yield "    </testcase>"
    else:
        yield f"    <testcase {attributes}/>"


_OUTCOMES = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _counts(tests: Sequence[Test], *names: str) -> dict[str, str]:
    found = {name: str(sum(test.outcome == _OUTCOMES[name] for test in tests)) for name in names}
    return {"tests": str(len(tests)), **found}


def _class(file: str) -> str:
    """A file as the class of its tests: what shows them cuts it at its last dot."""
    stem, dot, ending = file.rpartition(".")
    known = stem if dot and ending in {"yaml", "yml", "json"} else file
    steps = (step for step in known.replace(": ", "/").split("/") if step not in {"", ".", ".."})
    return ".".join(steps) or "krm-harden"


def _attributes(**values: str) -> str:
    return " ".join(f'{name}="{_text(value)}"' for name, value in values.items())


def _text(said: str) -> str:
    """A line as XML 1.0 holds it: what that forbids isn't printable either."""
    return html.escape(one_line(said))
