"""`krm-harden psp migrate`: labels, hardened manifests, policies and the steps, from policies, RBAC and workloads."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden.cluster import Options
from krm_harden.cluster._dump import dumped
from krm_harden.cluster._psp import emitted
from krm_harden.cluster.admission import VALIDATING
from krm_harden.commands import _limits, _psp_read, _psp_write, _replace, _streams
from krm_harden.errors import ConfigError
from krm_harden.model import LATEST, one_line
from krm_harden.psp.fields import IDS
from krm_harden.psp.migration import plan as planning
from krm_harden.psp.migration.choices import Asked, person
from krm_harden.psp.migration.document import document
from krm_harden.psp.migration.markdown import markdown
from krm_harden.psp.migration.objects import gathered
from krm_harden.psp.migration.rules import placed
from krm_harden.psp.migration.steps import steps
from krm_harden.psp.names import is_label
from krm_harden.psp.policy import of_data

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.commands._psp_read import Found
    from krm_harden.psp.migration.objects import Open
    from krm_harden.psp.migration.plan import Plan
    from krm_harden.psp.migration.rules import Rule

SUMMARY = "write what takes the place of PodSecurityPolicies, with a report and the steps"
FOLDER = "psp-migration"
EXAMPLES = """\
examples:
  krm-harden psp migrate deploy/ cluster/ -o migration
                                              what is in Git: policies, Roles, bindings, workloads, Namespaces
  krm-harden psp migrate --dry-run deploy/ cluster/
                                              only say what would be written, and what is open
  krm-harden psp migrate --in-place deploy/ cluster/ -o migration
                                              change workloads and Namespaces where they are
  krm-harden psp migrate - -o migration < dump.yaml
                                              a running cluster, as kubectl get -A -o yaml has its policies, roles,
                                              bindings, serviceaccounts, namespaces and workloads

Nothing is guessed: what isn't sure is listed with its place, and nothing is written for it.

exit codes: 0 done, 1 something is open, 2 something couldn't be read or written, 3 no PodSecurityPolicy at all,
or a wrong command line
"""
_VERSION = re.compile(r"v?1\.(\d{1,3})")
_CONTROLLER = re.compile(r"(\w+)=([a-z0-9-]+/[a-z0-9.-]+)")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, or - for standard input")
    parser.add_argument("-o", "--to", metavar="FOLDER", default=FOLDER, help=f"where it goes; default: {FOLDER}")
    parser.add_argument("--in-place", action="store_true", help="change workloads and Namespaces where they are")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, only say what would be written")
    parser.add_argument("--force", action="store_true", help="replace files that krm-harden hasn't written")
    parser.add_argument("--namespace", metavar="NAME", default="", help="of what names no namespace")
    parser.add_argument("--user", metavar="NAME", default="", help="who applies bare Pods")
    parser.add_argument("--group", metavar="NAME", action="append", default=[], help="a group of who applies bare Pods")
    parser.add_argument(
        "--controller",
        metavar="KIND=NAMESPACE/NAME",
        action="append",
        default=[],
        help="the service account that makes the pods of a kind, where it isn't Kubernetes' own",
    )
    parser.add_argument(
        "--kubernetes", metavar="VERSION", default="", help=f"the labels' version; default: {LATEST[0]}.{LATEST[1]}"
    )
    parser.add_argument(
        "--action", choices=("warn", "deny"), default="warn", help="of the admission policies; default: warn"
    )
    parser.add_argument(
        "--exclude", metavar="GLOB", action="append", default=[], help="leave these files alone (as in .gitignore)"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text, or report.json on stdout")
    _limits.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError; nothing is written before all is done."""
    server, asked = _server(options.kubernetes), _asked(options)
    if options.in_place and _psp_read.STDIN in options.paths:
        raise ConfigError("--in-place changes files, not standard input", next_step="leave out -")
    _check_names(options)
    found = _psp_read.read(options.paths, options.exclude, options.namespace, beside=options.to)
    plan, files, mended = _worked_out(options, found, asked, server)
    notes = [*map(str, plan.cluster.notes), *found.notes, *_hints(plan)]
    data = _reports(options, plan, files, notes)
    gone = _psp_write.check_folder(Path(options.to), files, force=options.force)
    if not options.dry_run:
        for name, (old, new) in mended.items():
            _replace.replace(Path(name), new, old)
        _psp_write.write(Path(options.to), files, gone)
    _say(options, plan, data, [*files, *mended])
    return int(bool(plan.opened))


def _check_names(options: argparse.Namespace) -> None:
    """Raises ConfigError for names on the command line that can't be meant."""
    if options.namespace and not is_label(options.namespace):
        raise ConfigError(f"--namespace must be the name of a namespace, not {options.namespace!r}")
    folder = os.path.realpath(options.to)
    for path in options.paths:
        real = os.path.realpath(path)
        if path != _psp_read.STDIN and os.path.commonpath((folder, real)) == folder:
            raise ConfigError(f"-o {options.to} holds the input {path}", next_step="name another folder by -o")


def _worked_out(
    options: argparse.Namespace, found: Found, asked: Asked, server: tuple[int, int]
) -> tuple[Plan, dict[str, bytes], dict[str, tuple[bytes, bytes]]]:
    """The plan, its files, and the manifests that change where they are.

    What no safe edit is possible of stays open: it is planned again without, for the labels rely on what is written.
    """
    cluster = gathered(found.items, found.unread, of_data)
    while True:
        plan = planning.made(cluster, asked, server)
        changes = _psp_write.Changes(plan)
        refused: dict[int, Open] = {}
        files = _manifests(options, plan, found, changes, refused)
        mended = _mended(found, changes, refused) if options.in_place else {}
        if not refused.keys() - cluster.unwritable.keys():
            return plan, files, mended
        cluster.unwritable |= refused


def _server(said: str) -> tuple[int, int]:
    if not said:
        return LATEST
    match = _VERSION.fullmatch(said)
    if not match:
        raise ConfigError(f"--kubernetes must be a version such as 1.37, not {said!r}")
    found = (1, int(match[1]))
    if not (1, 22) <= found <= LATEST:
        raise ConfigError(f"--kubernetes must be from 1.22 to {LATEST[0]}.{LATEST[1]}, not {said}")
    return found


def _asked(options: argparse.Namespace) -> Asked:
    people = (person(options.user, options.group),) if options.user or options.group else ()
    controllers = {}
    for said in options.controller:
        match = _CONTROLLER.fullmatch(said)
        if not match:
            raise ConfigError(f"--controller must be KIND=NAMESPACE/NAME, not {said!r}")
        controllers[match[1]] = match[2]
    return Asked(people, controllers)


def _manifests(
    options: argparse.Namespace, plan: Plan, found: Found, changes: _psp_write.Changes, refused: dict[int, Open]
) -> dict[str, bytes]:
    """Every file but the reports, by its name in the folder."""
    files: dict[str, bytes] = {}
    if not options.in_place:
        where = _psp_write.paths(found.texts, [one for one in options.paths if one != _psp_read.STDIN])
        for text in found.texts:
            data = _psp_write.copied(text, changes, refused)
            if data:
                files[f"manifests/{where[text.name]}"] = data
    spaces = _psp_write.namespaces(plan)
    if spaces:
        files["manifests/namespaces.yaml" if not options.in_place else "namespaces.yaml"] = spaces.encode()
    for name in sorted(set(plan.same_as.values())):
        used = [str(one.item) for one in plan.workloads if any(plan.same_as.get(own) == name for own in one.policies)]
        files[f"policies/{name}.yaml"] = _psp_write.policy(plan, name, used).encode()
    files.update(_admission(options, plan))
    return files


def _admission(options: argparse.Namespace, plan: Plan) -> Iterator[tuple[str, bytes]]:
    """The admission policies, a file for each policy."""
    for policy in dict.fromkeys(rule.policy for rule in plan.rules):
        rules = [rule for rule in plan.rules if rule.policy == policy]
        objects = [one for rule in rules for one in _objects(plan, rule, options.action)]
        said = [_psp_write.MARK, f"What no Pod Security level expresses of the PodSecurityPolicy {policy}."]
        yield f"admission/{policy}.yaml", dumped(objects, said).encode()


def _objects(plan: Plan, rule: Rule, action: str) -> list[dict[str, Any]]:
    options = Options(name=rule.name, kubernetes=max(plan.server, VALIDATING), action=action)
    uses: dict[str, tuple[str, ...]] = {one.namespace: () for one in rule.bound}
    skip = [field for field in IDS if field not in rule.fields]
    made = emitted(plan.cluster.policies[rule.policy], options, uses, skip)
    return placed(made.objects, rule)


def _mended(found: Found, changes: _psp_write.Changes, refused: dict[int, Open]) -> dict[str, tuple[bytes, bytes]]:
    """The files that change where they are: what they were, and what they become."""
    made = {text.name: (text.old, _psp_write.in_place(text, changes, refused)) for text in found.texts}
    return {name: (old, new) for name, (old, new) in made.items() if old != new}


def _hints(plan: Plan) -> Iterator[str]:
    if plan.single:
        yield f"nothing here says who may use which policy: {plan.single}, the only one, was taken to hold for all"


def _reports(
    options: argparse.Namespace, plan: Plan, files: dict[str, bytes], notes: Iterable[str]
) -> Mapping[str, Any]:
    """The report's data; its files are put beside the others."""
    names = [*files, "REPORT.md", "STEPS.md", "report.json"]
    data = document(plan, notes, names)
    files["REPORT.md"] = markdown(data).encode()
    spaces = [name for name in files if name.startswith("manifests/") and b"kind: Namespace" in files[name]]
    files["STEPS.md"] = steps(plan, names, spaces, _again(options), in_place=options.in_place).encode()
    files["report.json"] = (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
    return data


def _again(options: argparse.Namespace) -> str:
    """The command line of this run, without --action, as it would be typed."""
    words = ["krm-harden", "psp", "migrate", *options.paths, "-o", options.to]
    words += [f"--{name.replace('_', '-')}" for name in ("in_place", "force") if getattr(options, name)]
    for name in ("namespace", "user", "kubernetes"):
        words += [f"--{name}", getattr(options, name)] if getattr(options, name) else []
    for name in ("group", "controller", "exclude"):
        words += [word for value in getattr(options, name) for word in (f"--{name}", value)]
    return shlex.join(words)


def _say(options: argparse.Namespace, plan: Plan, data: Mapping[str, Any], files: Iterable[str]) -> None:
    _streams.complain(f"{one.where}: error: {_after_place(one)}" for one in plan.opened)
    if options.output == "json":
        _streams.print_report(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return
    if _streams.detail() >= 0:
        _streams.print_lines(_summary(plan))
    verb = "would write" if options.dry_run else "wrote"
    count = len(list(files))
    what = [f"krm-harden: {len(plan.opened)} open, nothing is written for these"] if plan.opened else []
    _streams.complain([*what, f"krm-harden: {verb} {count} files; next: {Path(options.to, 'STEPS.md')}"])


def _after_place(one: Open) -> str:
    said = f"{one.subject}: {one.reason}" if one.subject else one.reason
    return one_line(f"{said}; {one.next_step}" if one.next_step else said)


def _summary(plan: Plan) -> Iterator[str]:
    """A line for each namespace and for each workload in it."""
    for labels in plan.labels:
        said = str(labels.asked) if labels.asked else f"no enforce label: {labels.note}"
        yield f"{labels.name}: {said}"
        for workload in plan.workloads:
            if workload.item.namespace == labels.name:
                got = ", ".join(workload.policies) or "open"
                count = sum(len(choice.writes) for choice in workload.choices)
                changed = f", {count} {'change' if count == 1 else 'changes'}" if count else ""
                yield f"  {workload.item.kind}/{workload.item.name}: {got}{changed}"
