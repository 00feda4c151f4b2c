"""`krm-harden network`: network policies of what the manifests show, each rule with its evidence, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden.commands import _network_files, _network_read, _policies, _streams
from krm_harden.commands._parser import make
from krm_harden.errors import ConfigError
from krm_harden.network import picture, plan
from krm_harden.network.model import Options, is_namespace
from krm_harden.network.said import HOW

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.plan import Plan

GROUP = "Harden"
SUMMARY = "write network policies: deny all, allow what the manifests show, with the evidence"
EXAMPLES = """\
examples:
  kustomize build . | krm-harden network -    default deny of ingress, and who may call whom
  krm-harden network deploy/ -o network/ --egress
                                              a file for each namespace; what the pods may call, too
  krm-harden network deploy/ -o network/ --check
                                              writes nothing; exit 1 if the files are stale
  krm-harden network deploy/ --picture network.svg --allow api=database
                                              who may talk to whom; a call that no manifest shows

exit codes: 0 done, 1 done, but something is cut off or not known that nobody has decided about (or --check finds
stale files), 2 something couldn't be read or written, 3 wrong command line or policy; nothing is written at 2 and 3
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("network", SUMMARY, EXAMPLES)
    options.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, or - for standard input")
    options.add_argument("--ingress", action="store_true", help="deny and allow ingress; this is always done")
    options.add_argument("--egress", action="store_true", help="egress too; lists each host that is cut off")
    options.add_argument(
        "-o",
        "--output",
        metavar="PLACE",
        default="-",
        help="a folder, for a file a namespace; default: standard output",
    )
    options.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is there is stale")
    options.add_argument(
        "--picture",
        metavar="FILE",
        action="append",
        default=[],
        help="who may talk to whom: FILE.mmd for Mermaid, FILE.svg",
    )
    options.add_argument(
        "--allow",
        metavar="FROM=TO",
        action="append",
        default=[],
        help="a call that no manifest shows: workload=service:port; namespace/name, namespace/*, a CIDR, too",
    )
    options.add_argument(
        "--cut", metavar="GLOB", action="append", default=[], help="a Service or a host that is meant to be cut off"
    )
    options.add_argument("--namespace", metavar="NAME", default="", help="of objects that name none")
    options.add_argument(
        "--ingress-controller", metavar="NAMESPACE", default="", help="where it runs; default: anywhere may call"
    )
    options.add_argument("--metrics-from", metavar="NAMESPACE", default="", help="where the scraper of metrics runs")
    options.add_argument("--exclude", metavar="GLOB", action="append", default=[], help="leave these files alone")
    options.add_argument("--allow-empty", action="store_true", help="no document at all isn't an error")
    _policies.arguments(options)
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    for option, name in (
        ("--namespace", options.namespace),
        ("--ingress-controller", options.ingress_controller),
        ("--metrics-from", options.metrics_from),
    ):
        if name and not is_namespace(name):
            raise ConfigError(f"{name!r} is no name of a namespace", option, "small letters, digits and hyphens")
    said = Options(
        options.egress,
        options.ingress_controller,
        options.metrics_from,
        tuple(_allowed(one) for one in options.allow),
        tuple(options.cut),
    )
    if options.check and options.output == "-":
        raise ConfigError("--check compares with what is written", next_step="name its folder with -o")
    for name in options.picture:
        _network_files.must_be_a_picture(name)
    read = _network_read.inventory(
        options.paths, options.exclude, options.namespace, _policies.chosen(options.policy, None, options.profile)
    )
    _streams.complain(f"error: {line}" for line in read.errors)
    if read.errors or (read.is_empty and not options.allow_empty):
        if not read.errors:
            _streams.complain(["krm-harden: error: there are no documents"])
        return 2
    made = plan.made(read.inventory, said)
    _streams.complain([*read.notes, *map(str, made.remarks)])
    _streams.complain([_summary(made)])
    stale = _written(options, made, read.inventory)
    return 1 if made.is_open or stale else 0


def _allowed(text: str) -> tuple[str, str]:
    source, equals, target = text.partition("=")
    if not (source and equals and target):
        raise ConfigError(f"{text!r} isn't FROM=TO", "--allow", HOW)
    return source, target


def _written(options: argparse.Namespace, made: Plan, inventory: Inventory) -> bool:
    """Whether something is stale; but below --check all is written then."""
    wanted = _network_files.texts(made)
    drawn = {}
    for name in options.picture:
        graph = picture.graph(inventory, made.flows)
        drawn[name] = (picture.svg if name.endswith(".svg") else picture.mermaid)(graph)
    if options.check:
        stale = [*_network_files.stale(Path(options.output), wanted), *_network_files.stale_pictures(drawn)]
        _streams.complain(f"error: {name} is stale: run the command without --check" for name in stale)
        return bool(stale)
    if options.output != "-":
        _network_files.put(Path(options.output), wanted)
    for name, text in drawn.items():
        _network_files.put_picture(Path(name), text)
    if options.output == "-":
        _streams.write_stdout(["---\n".join(wanted.values()).encode()])
    return False


def _summary(made: Plan) -> str:
    count = sum(map(len, made.policies.values()))
    errors = sum(one.severity == "error" for one in made.remarks)
    parts = [
        _counted(count, "policy", "policies"),
        _counted(len(made.policies), "namespace", "namespaces"),
        _counted(len(set(_pairs(made))), "connection", "connections"),
    ]
    return f"krm-harden: {', '.join(parts)}{f', {errors} to decide about' if errors else ''}"


def _pairs(made: Plan) -> Iterable[tuple[int, int]]:
    """Who talks to whom: equal ends that are no workloads have equal hashes."""
    return ((hash(flow.source), hash(flow.target)) for flow in made.flows)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
