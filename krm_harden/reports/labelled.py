"""What an API server says about each object, in a namespace labelled as the input has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.admission import Answer
    from krm_harden.model import ResourceResult
    from krm_harden.namespaces import Labelled


class Labels:
    """A Namespace of the input and what its labels mean."""

    __slots__ = ("file", "labelled", "result", "values")

    def __init__(self, file: str, result: ResourceResult, labelled: Labelled, values: Mapping[str, Any]) -> None:
        self.file = file
        self.result = result
        self.labelled = labelled
        self.values = values


class Said:
    """One answer about one object.

    `exempt` says that the policy exempts all that is wrong, `fails` that what is refused fails the run.
    """

    __slots__ = ("answer", "exempt", "fails", "file", "result")

    def __init__(self, file: str, result: ResourceResult, answer: Answer, *, exempt: bool, fails: bool) -> None:
        self.file = file
        self.result = result
        self.answer = answer
        self.exempt = exempt
        self.fails = fails

    @property
    def severity(self) -> str:
        """What is enforced stops the pods: an error, unless the policy knows about it or only warns."""
        if self.exempt:
            return "info"
        return "error" if self.answer.mode == "enforce" and self.fails else "warning"


def lines(namespaces: Iterable[Labels], answers: Iterable[Said]) -> Iterator[str]:
    """A line for each Namespace, for each wrong label, and for each thing that the server says."""
    for found in namespaces:
        where = f"{found.file}:{found.result.line}"
        means = found.labelled
        modes = f"enforce {means.enforce}, audit {means.audit}, warn {means.warn}"
        yield f"{where}: info: {found.result.resource}: {modes}"
        for name, must in means.problems:
            yield f"{where}: error: {found.result.resource}: {name}: {_written(found.values[name])} {must}"
    for said in answers:
        if said.answer.text:
            where = f"{said.file}:{said.result.line}"
            yield f"{where}: {said.severity}: {said.result.resource}: {said.answer.mode}: {said.answer.text}"


def _written(value: Any) -> str:
    """A label's value; what YAML doesn't read as a string was never meant so: `1.30` is the number 1.3."""
    return f'"{value}"' if isinstance(value, str) else f"{json.dumps(value)} isn't a string, and"


def data(namespaces: Iterable[Labels], answers: Iterable[Said]) -> dict[str, Any]:
    """The same for a JSON report."""
    return {
        "namespaces": [
            {
                "file": found.file,
                "line": found.result.line,
                "name": found.result.resource.name,
                "enforce": str(found.labelled.enforce),
                "audit": str(found.labelled.audit),
                "warn": str(found.labelled.warn),
                "problems": [{"label": name, "message": must} for name, must in found.labelled.problems],
            }
            for found in namespaces
        ],
        "answers": [
            {
                "file": said.file,
                "line": said.result.line,
                "apiVersion": said.result.resource.api_version,
                "kind": said.result.resource.kind,
                "namespace": said.result.resource.namespace,
                "name": said.result.resource.name,
                "mode": said.answer.mode,
                "level": said.answer.asked.level,
                "version": said.answer.asked.label,
                "allowed": said.answer.verdict.allowed,
                "exempt": said.exempt,
                "message": said.answer.verdict.message,
                "says": said.answer.text,
            }
            for said in answers
        ],
    }
