"""`krm-harden emit TARGET`: the policy as objects that hold it in the cluster, for what doesn't come through Git."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden import cluster
from krm_harden.commands import _policies, _replace, _streams
from krm_harden.commands._parser import make
from krm_harden.errors import ConfigError, KrmHardenError
from krm_harden.model import LATEST, one_line, parse_version

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.cluster import Emitted
    from krm_harden.policy import Policy

GROUP = "Every way in"
SUMMARY = "write the policy for the cluster: admission policies, Gatekeeper, Kyverno"
EXAMPLES = """\
examples:
  krm-harden emit admission                   ValidatingAdmissionPolicy and MutatingAdmissionPolicy, for kubectl apply
  krm-harden emit admission --action warn --policy policy.yaml
                                              nothing is refused yet: whoever applies a violation gets a warning
  krm-harden emit gatekeeper -o gatekeeper/   a file for each object
  krm-harden emit kyverno --kubernetes 1.34 --strict
                                              for an older server; exit 1 if it can't express all of the policy

What a target can't express is said on standard error, and at the head of what is written.

exit codes: 0 done, 1 the target can't express all of the policy (--strict), 2 a file can't be written, 3 wrong policy
or command line
"""
MARK = "# Made by `krm-harden emit"
WIDTH = 118
"""Of a line of comment."""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("emit", SUMMARY, EXAMPLES)
    targets = cluster.targets()
    options.add_argument("target", metavar="TARGET", choices=targets, help=f"for whom: {', '.join(targets)}")
    options.add_argument(
        "-o", "--output", metavar="PLACE", help="a file, or a folder (PLACE/) with a file for each object; default: -"
    )
    _policies.arguments(options)
    options.add_argument("--images", metavar="FILE", help="an ImageLock, or a list of images: whose users are known")
    options.add_argument("--name", default="krm-harden", help="how the objects' names begin; default: krm-harden")
    options.add_argument("--kubernetes", metavar="VERSION", help="the server's; default: the policy's, else 1.37")
    options.add_argument(
        "--action",
        choices=cluster.ACTIONS,
        help="what becomes of a violation: deny, warn or audit; default: as the policy's onViolation says",
    )
    options.add_argument("--tests", action="store_true", help="also write the tests of the target's own program")
    options.add_argument("--strict", action="store_true", help="exit 1 if the target can't express all of the policy")
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError; then nothing is written."""
    policy = _policies.chosen(options.policy, options.images, options.profile)
    target = import_module(f"krm_harden.cluster.{options.target}")
    made: Emitted = target.emitted(policy, _asked(options, policy))
    _streams.complain(f"warning: {one_line(line)}" for line in made.cannot)
    if not made.objects:
        _streams.complain([f"warning: the policy {one_line(policy.name)} asks for nothing here, so there is no object"])
    head = _head(options.target, policy, made)
    if options.tests and not made.tests:
        raise ConfigError(f"--tests: there are none for {options.target}", next_step="leave --tests out")
    if options.output in (None, "-"):
        if options.tests:
            raise ConfigError("--tests writes several files", next_step="name a folder with -o FOLDER/")
        _streams.print_report(_text(made.objects, head))
    elif not options.output:
        raise ConfigError("--output is empty", next_step="name a file or a folder with -o")
    elif _is_folder(options.output):
        _write_folder(Path(options.output), made, head, options)
    elif options.tests:
        raise ConfigError("--tests writes several files", options.output, "name a folder with -o FOLDER/")
    else:
        path = Path(options.output)
        _write(path.parent, path.name, _text(made.objects, head))
    return 1 if options.strict and made.cannot else 0


def _asked(options: argparse.Namespace, policy: Policy) -> cluster.Options:
    """Raises ConfigError for a name or a version that Kubernetes doesn't take."""
    # Half of the longest name: what it begins goes on.
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?", options.name):
        message = f"--name {options.name!r} can't begin the name of an object"
        raise ConfigError(message, next_step="use up to 50 small letters, digits and -")
    version = policy.server
    if options.kubernetes:
        said = parse_version("v" + options.kubernetes.removeprefix("v"))
        if said is None:
            raise ConfigError(
                f"--kubernetes {options.kubernetes!r} isn't a version of Kubernetes", next_step="write it as 1.34"
            )
        version = min(said, LATEST)
    return cluster.Options(options.name, version, options.action or "")


def _head(target: str, policy: Policy, made: Emitted) -> list[str]:
    """The lines of comment above the objects."""
    import textwrap

    lines = [f"{MARK[2:]} {target}` from the policy {one_line(policy.name)}; don't edit."]
    if made.cannot:
        lines += ["", "What it can't express of the policy:"]
        for line in made.cannot:
            lines += textwrap.wrap(one_line(line), WIDTH, initial_indent="- ", subsequent_indent="  ")
    return lines


def _text(objects: tuple[Mapping[str, Any], ...], head: list[str]) -> str:
    from krm_harden.cluster._dump import dumped

    return dumped(objects, head)


def _is_folder(place: str) -> bool:
    return place.endswith(("/", os.sep)) or os.path.isdir(place) or not os.path.splitext(place)[1]


def _write_folder(folder: Path, made: Emitted, head: list[str], options: argparse.Namespace) -> None:
    """A file for each object. What an earlier run for the same target has left of other objects goes.

    Nothing goes, and nothing is written, if one of the files isn't ours to replace.
    """
    files = {_file_name(one): _text((one,), head) for one in made.objects}
    if options.tests:
        files |= {name: _text(documents, head[:1]) for name, documents in made.tests.items()}
    for name in files:
        _must_be_free(folder / name)
    # What goes does so last: until everything is written, the old objects are all there.
    for name, text in files.items():
        _write(folder, name, text)
    written = sorted({folder, *((folder / name).parent for name in made.tests)})
    for path in [path for place in written for path in sorted(place.glob("*.yaml"))]:
        if path.relative_to(folder).as_posix() not in files and _is_ours(path, f" {options.target}`"):
            _remove(path)


def _file_name(one: Mapping[str, Any]) -> str:
    """`validatingadmissionpolicy-krm-harden.yaml`."""
    return f"{one['kind']}-{one['metadata']['name']}.yaml".lower()


def _is_ours(path: Path, target: str = "") -> bool:
    """Whether a file was made by this command; `target` is how the mark goes on where it matters for whom."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline(len(MARK + target)) == MARK + target
    except OSError:
        return False


def _must_be_free(path: Path) -> None:
    """Raises KrmHardenError where something is there that isn't ours to replace."""
    is_empty = path.is_file() and not path.stat().st_size
    if os.path.lexists(path) and not is_empty and not (path.is_file() and _is_ours(path)):
        raise KrmHardenError("is there, and wasn't made by `krm-harden emit`", str(path), "name another place with -o")


def _remove(path: Path) -> None:
    """Raises KrmHardenError."""
    try:
        path.unlink()
    except OSError as error:
        raise KrmHardenError(f"can't be removed: {error.strerror}", str(path)) from None


def _write(folder: Path, name: str, text: str) -> None:
    """Raises KrmHardenError where the file isn't ours to replace, or can't be written."""
    _must_be_free(folder / name)
    try:
        _replace.put_in(folder, name, text.encode())
    except OSError as error:
        raise KrmHardenError(f"can't be written: {error.strerror}", str(folder / name)) from None
