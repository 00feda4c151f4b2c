"""What an API server says about each object, in a namespace labelled as the input has it."""

from __future__ import annotations

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
    """One answer about one object; `exempt` says that the policy exempts all that is wrong."""

    __slots__ = ("answer", "exempt", "file", "result")

    def __init__(self, file: str, result: ResourceResult, answer: Answer, *, exempt: bool) -> None:
        self.file = file
        self.result = result
        self.answer = answer
        self.exempt = exempt

    @property
    def severity(self) -> str:
        """What is enforced stops the pods: an error, unless the policy knows about it."""
        if self.exempt:
            return "info"
        return "error" if self.answer.mode == "enforce" else "warning"


def lines(namespaces: Iterable[Labels], answers: Iterable[Said]) -> Iterator[str]:
    """A line for each Namespace, for each wrong label, and for each thing that the server says."""
    for found in namespaces:
        where = f"{found.file}:{found.result.line}"
        means = found.labelled
        modes = f"enforce {means.enforce}, audit {means.audit}, warn {means.warn}"
        yield f"{where}: info: {found.result.resource}: {modes}"
        for name, must in means.problems:
            yield f'{where}: error: {found.result.resource}: {name}: "{found.values[name]}" {must}'
    for said in answers:
        if said.answer.text:
            where = f"{said.file}:{said.result.line}"
            yield f"{where}: {said.severity}: {said.result.resource}: {said.answer.mode}: {said.answer.text}"


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
