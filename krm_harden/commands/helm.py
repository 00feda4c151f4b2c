"""`krm-harden helm`: the post-renderer of Helm 3 (a program) and Helm 4 (a plugin). Manifests in, hardened ones out.

Helm 3 shows standard error only where a post-renderer fails, Helm 4 never: hence the report file. Helm 3 sends neither
hooks nor tests; Helm 4 does, and notes in each object's annotation ANNOTATION which template it is from.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from krm_harden import source, split
from krm_harden.commands import _policies, _report_file, _run, _streams
from krm_harden.commands._parser import Parser, make
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.model import ChunkResult, mapping
from krm_harden.reports import summary, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUP = "Every way in"
SUMMARY = "a post-renderer for Helm 3 and 4"
EXAMPLES = """\
examples:
  helm upgrade --install shop ./chart --post-renderer krm-harden --post-renderer-args helm
                                              Helm 3, which sends no hooks
  helm plugin install ./function/helm         Helm 4, once; then:
  helm upgrade --install shop ./chart --post-renderer krm-harden
  KRM_HARDEN_REPORT=report.txt helm upgrade shop ./chart --post-renderer krm-harden
                                              why, if it fails
  helm template shop ./chart | krm-harden helm --report-file report.json > hardened.yaml
  helm template shop ./chart | krm-harden fix -
                                              hooks too, with either Helm

exit codes: 0 done, 1 something stays open, 2 something couldn't be read or written, 3 wrong policy or command line;
nothing is written but at 0
"""

ANNOTATION = "postrenderer.helm.sh/postrender-filename"
"""What Helm 4 adds before and removes afterwards. Without it the object would lose its template's name."""
HOOK = "helm.sh/hook"
SOURCE = "# Source: "
"""How Helm 3 begins each document, behind its `---`."""
JSON_LINES = "; JSON objects need a line `---` between them"
NOTHING = "under Helm 3 a chart of hooks alone sends none, and so does --output-dir; --allow-empty allows that"
NO_HOOKS = (
    "Helm 3 sends no hooks and no tests to a post-renderer, so none of them was seen or hardened: "
    "`helm template ... | krm-harden check -` judges them, `helm template ... | krm-harden fix -` hardens them"
)
UNSEEN = _run.Input("hooks", b"", b"", (), error="Helm 3 sends none")
"""What keeps `enforce: auto` from a label that could keep a hook's pods out."""


def parser() -> Parser:
    """The options of the command."""
    options = make("helm", SUMMARY, EXAMPLES, _Parser)
    _run.policy_arguments(options)
    options.add_argument(
        "--report-file",
        metavar="FILE",
        action=_ReportFile,
        help="the report, also of a failure; JSON for *.json; default: $KRM_HARDEN_REPORT",
    )
    options.add_argument("--allow-empty", action="store_true", help="no document at all isn't an error")
    return options


class _Parser(Parser):
    """Also writes into the report what is wrong with the command line: Helm shows it to nobody."""

    report_file: str | None = None

    def error(self, message: str) -> NoReturn:
        message = self.explained(message)
        try:
            _report_failure(_report_file.named(self.report_file), ConfigError(message))
        except KrmHardenError as error:
            message += f"; {error}"
        super().error(message)


class _ReportFile(argparse.Action):
    """Remembers the file while the rest of the command line is still read."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        parser.report_file = namespace.report_file = values


@dataclass(frozen=True)
class Rendered:
    """A document as Helm sends it: the template that it is from, where known, and why it can't be read, if so."""

    text: bytes
    template: str
    problem: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of the stream; `warnings` concern no object."""

    made: _run.Input
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return self.made.exit_code


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError, once the report says so too."""
    report = _report_file.named(options.report_file)
    try:
        outcome = _outcome(options)
    except BaseException as error:
        _report_failure(report, error)
        raise
    said = [*_complaints(outcome), *_summary(outcome)]
    try:
        _report(report, outcome, outcome.exit_code)
    except KrmHardenError:
        # What is wrong with the manifests comes first; where nothing is, what is wrong with the report.
        _streams.complain(said if outcome.exit_code else ())
        raise
    _streams.complain(said)
    if outcome.exit_code == 0:
        try:
            _streams.write_stdout([outcome.made.new])
        except InputError as error:
            _report_failure(report, error)
            raise
    return outcome.exit_code


def _outcome(options: argparse.Namespace) -> Outcome:
    """What the engine makes of standard input, once every document can be read. Raises KrmHardenError."""
    policy = _policies.chosen(options.policy, options.images, options.profile)
    engine = Engine(policy, ceiling=_policies.has_ceiling(options.policy))
    data = _streams.read_stdin()
    rendered = _rendered(data)
    if not (rendered or options.allow_empty):
        raise InputError("there are no documents", next_step=NOTHING)
    problems = tuple(ChunkResult(found.text, error=found.problem) for found in rendered if found.problem)
    if problems:
        return Outcome(_run.Input(_run.STDIN, data, data, problems))
    made = _run.of_bytes(engine, _run.STDIN, data)
    if _shows_hooks(rendered):
        (made,) = _run.settled(engine, [made])
        return Outcome(made, tuple(_run.warnings(engine, [made])))
    made, _ = _run.settled(engine, [made, UNSEEN])
    return Outcome(made, (*_run.warnings(engine, [made]), NO_HOOKS))


def _shows_hooks(rendered: list[Rendered]) -> bool:
    """Whether hooks were sent too: Helm 4 notes a template's name on each object, Helm 3 never sends a hook."""
    of_helm_4 = bool(rendered) and all(ANNOTATION in found.annotations for found in rendered)
    return of_helm_4 or any(HOOK in found.annotations for found in rendered)


def _rendered(data: bytes) -> list[Rendered]:
    """The documents of a stream. Raises InputError for what isn't text."""
    try:
        text, _ = split.decode(data)
    except InputError as error:
        raise InputError(f"line {max(error.line, 0) + 1} of the manifests: {error}") from None
    found = []
    line = 0
    for document in split.documents(text):
        if not split.is_empty(document):
            found.append(_document(document, line))
        line += document.count(b"\n")
    return found


def _document(document: bytes, line: int) -> Rendered:
    """One document: Helm 3 passes on what isn't YAML, and says nothing."""
    before, body = split.after_mark(document)
    template = _template(document)
    data: Any = None
    problem = "not an object of Kubernetes"
    try:
        data = source.read(body.decode()).data
    except InputError as error:
        line += before.count(b"\n") + max(error.line, 0)
        problem = f"{error}{JSON_LINES if _is_json(body) else ''}"
    if isinstance(data, dict):
        annotations = mapping(mapping(data.get("metadata")).get("annotations"))
        return Rendered(document, template, annotations=annotations)
    where = f" ({template})" if template else ""
    return Rendered(document, template, f"line {line + 1} of the manifests{where}: {problem}")


def _is_json(document: bytes) -> bool:
    """Whether a document's first character that isn't of a comment or marker begins a JSON object."""
    lines = (line.strip() for line in document.splitlines() if not line.startswith((b"---", b"#")))
    return next(filter(None, lines), b"").startswith(b"{")


def _template(document: bytes) -> str:
    """The template that Helm 3 names above a document, or empty."""
    lines = document.decode().splitlines()
    return next((line.removeprefix(SOURCE) for line in lines if line.startswith(SOURCE)), "")


def _complaints(outcome: Outcome) -> Iterator[str]:
    """What people must see, the errors first: of a failure Helm 3 shows this."""
    if outcome.made.error:
        yield f"error: {outcome.made.error}"
    complaints = text.Complaints()
    for chunk in outcome.made.chunks:
        complaints.add(chunk)
    for warning in outcome.warnings:
        complaints.warn(warning)
    yield from complaints.lines()


def _summary(outcome: Outcome) -> list[str]:
    return [] if outcome.made.error else [f"krm-harden: {line}" for line in summary.lines([outcome.made], "changed")]


def _report(path: str, outcome: Outcome, code: int) -> None:
    """The report in its file, if one is asked for. Raises KrmHardenError when it can't be written."""
    if path and _report_file.is_json(path):
        from krm_harden.reports import json

        _report_file.write(path, json.render([outcome.made], outcome.warnings))
    elif path:
        headline = f"krm-harden helm: exit code {code}, {'handed to Helm' if code == 0 else 'nothing handed to Helm'}"
        lines = [*_complaints(outcome), *text.of_input(outcome.made), *_summary(outcome)]
        _report_file.write_lines(path, [headline, *lines])


def _report_failure(path: str, error: BaseException) -> None:
    """The report of a run that broke off. Raises KrmHardenError that says both when it can't be written either."""
    said = _said(error)
    code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 2)
    try:
        _report(path, Outcome(_run.Input(_run.STDIN, b"", b"", (), error=said)), code)
    except KrmHardenError as other:
        both = KrmHardenError(f"{said}; {other}")
        both.exit_code = code
        raise both from None


def _said(error: BaseException) -> str:
    if isinstance(error, KrmHardenError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"a defect, please report it: {error!r}"
