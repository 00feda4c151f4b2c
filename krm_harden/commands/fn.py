"""`krm-harden fn CONFIG [FILE...|-]`: the function without its ResourceList. Manifests in, hardened manifests out.

Also what kustomize's legacy exec plugins call: the config is their first argument.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden import split
from krm_harden.commands import _files, _limits, _policies, _run, _streams, _validator
from krm_harden.commands._parser import make
from krm_harden.commands.function import has_expired
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, InputError
from krm_harden.reports.text import Complaints

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from krm_harden.policy import Policy

PLUGIN_ROOT = "KUSTOMIZE_PLUGIN_CONFIG_ROOT"
"""What kustomize sets for a legacy exec plugin, and for nothing else: the folder of the kustomization."""
GROUP = "Every way in"
SUMMARY = "harden plain manifests by a config file, onto standard output"
EXAMPLES = """\
examples:
  krm-harden fn policy.yaml app.yaml db.yaml > hardened.yaml
  kubectl get deploy -o yaml | krm-harden fn policy.yaml -

exit codes: 0 done, 1 something stays open, 2 something couldn't be read, 3 wrong config or command line; nothing is
written but at 0
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("fn", SUMMARY, EXAMPLES)
    options.add_argument(
        "--images", metavar="LOCK", help="what is known of images: an ImageLock of `krm-harden images resolve`"
    )
    options.add_argument(
        "--policy",
        metavar="FILE",
        action="append",
        help=f"the ceiling above the config; several are merged; default: ${_policies.VARIABLE}",
    )
    _limits.arguments(options)
    options.add_argument("--allow-empty", action="store_true", help="no document at all isn't an error")
    options.add_argument("config", metavar="CONFIG", help="a HardeningPolicy, a PodSecurityPolicy or a flat ConfigMap")
    options.add_argument(
        "files", nargs="*", metavar="FILE", default=[_run.STDIN], help="manifests, or - for standard input (default)"
    )
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    upper = _policies.ceiling(options.policy)
    said = _config(options.config)
    policy = _policies.below(said, upper)
    policy = _policies.with_images(policy, options.images) if options.images else policy
    engine = Engine(policy, checking=policy.validator, rendered=True, ceiling=upper is not None)
    files = options.files or [_run.STDIN]
    inputs = list(_run.settled(engine, [_run.of_bytes(engine, name, _read(name)) for name in files]))
    if policy.validator and upper and not upper.validator:
        inputs = list(_below_ceiling(policy, inputs))
    code = _run.worst(inputs)
    if policy.validator and any(has_expired(chunk) for made in inputs for chunk in made.chunks):
        code = max(code, 1)
    returns_nothing = said.validator and _returns_nothing(inputs)
    for made in inputs:
        if made.error:
            _streams.complain([f"error: {made.name}: {made.error}"])
        _streams.complain(_complaints(made))
    _streams.complain(f"warning: {line}" for line in _run.warnings(engine, inputs))
    code = max(code, _run.nothing_found(inputs, allowed=options.allow_empty))
    if code == 0:
        _streams.write_stdout([b"" if returns_nothing else joined([made.new for made in inputs])])
    return code


def _below_ceiling(policy: Policy, judged: list[_run.Input]) -> Iterator[_run.Input]:
    """The same inputs, judged also by what the policy above would write."""
    engine = Engine(policy, rendered=True, ceiling=True)
    hardened = _run.settled(engine, [_run.of_bytes(engine, made.name, made.old) for made in judged])
    for made, other in zip(judged, hardened, strict=True):
        yield made._replace(chunks=tuple(_validator.below_ceiling(made.chunks, other.chunks)))


def _config(path: str) -> Policy:
    """The policy in a file. Raises ConfigError.

    kustomize's copy is gone before anybody can look at it: its errors name the folder of the kustomization.
    """
    root = os.environ.get(PLUGIN_ROOT)
    try:
        return _policies.read(path)
    except ConfigError as error:
        if root is None:
            raise
        said = "; ".join(problem.text for problem in error.problems) or error.message
        raise ConfigError(said, f"{root}: the policy") from None


def _returns_nothing(inputs: Iterable[_run.Input]) -> bool:
    """Whether what was judged comes from kustomize, which takes nothing but nothing from a validator.

    Raises ConfigError where the policy may be used as a transformer.
    """
    if PLUGIN_ROOT not in os.environ:
        return False
    found = (data for made in inputs for data in _validator.documents(made.old))
    return _validator.returns_nothing(found, os.getcwd())


def _complaints(made: _run.Input) -> Iterator[str]:
    complaints = Complaints("" if made.name == _run.STDIN else made.name)
    for chunk in made.chunks:
        complaints.add(chunk)
    return complaints.lines()


def _read(name: str) -> bytes:
    if name == _run.STDIN:
        return _streams.read_stdin()
    try:
        return _files.read(Path(name))
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror}") from None
    except InputError as error:
        error.where = name
        raise


def joined(texts: list[bytes]) -> bytes:
    """Streams one after the other, each a document of its own; two of them in UTF-8, for they may differ in that."""
    output = b""
    for text_ in texts if len(texts) < 2 else (split.decode(one)[0] for one in texts):
        if output and not output.endswith(b"\n"):
            output += b"\n"
        if output and not text_.startswith(b"---"):
            output += b"---\n"
        output += text_
    return output
