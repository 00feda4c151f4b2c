"""`krm-harden policy check`: every mistake of a policy with its place, and what it says in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden import excerpts, policy
from krm_harden.commands import _limits, _policies, _policy_lint, _streams
from krm_harden.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

SUMMARY = "look policies over: what is wrong, and what they say in vain"
EXAMPLES = """\
examples:
  krm-harden policy check policy.yaml         several may be named

It warns of exemptions that have expired or will within 30 days, of rules and exemptions that can't match, rules and
images that another one hides, and of controls switched off that the level asks for.

exit codes: 0 all is well, 1 there are warnings, 3 a policy is wrong
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a HardeningPolicy, a PodSecurityPolicy or a flat ConfigMap"
    )
    _limits.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code; each policy is looked over, whatever is wrong with the others."""
    code = 0
    for path in options.files:
        errors = list(_errors(path))
        warnings = [] if errors else list(_warnings(path))
        _streams.print_report("".join(_shown("error", one) for one in errors))
        _streams.print_report("".join(_shown("warning", one) for one in warnings))
        _streams.print_lines([f"{path}: {_verdict(len(errors), len(warnings))}"])
        code = max(code, 3 * bool(errors), int(bool(warnings)))
    return code


def _errors(path: str) -> Iterator[ConfigError]:
    """Every mistake at its place."""
    try:
        document = _policies.read_document(path, duplicates=False)
    except ConfigError as error:
        yield error
        return
    yield from excerpts.duplicates(document, path)
    if document.data is None:
        yield ConfigError("the policy is empty", path)
        return
    try:
        policy.from_data(document.data, path, document)
    except ConfigError as error:
        yield from excerpts.every(error.problems, document, path)
        if not error.problems:
            yield excerpts.in_file(error, document, path)


def _warnings(path: str) -> Iterator[ConfigError]:
    made = _policies.read(path)
    for layer in made.layers:
        if layer.document is not None:
            whole = layer.document.data
            found = _policy_lint.of_manifest(whole) if layer.is_manifest else _policy_lint.warnings(made, layer.spec)
            yield from excerpts.every(list(found), layer.document, path)


def _shown(severity: str, error: ConfigError) -> str:
    head = f"{error.where}: " if error.where else ""
    said = str(error).removeprefix(head)
    return f"{head}{severity}: {said}\n" + (f"{error.excerpt}\n" if error.excerpt else "")


def _verdict(errors: int, warnings: int) -> str:
    if errors:
        return f"{errors} error{'s' if errors > 1 else ''}"
    return f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else "all is well"
