"""`krm-harden fn CONFIG [FILE...|-]`: the function without its ResourceList. Manifests in, hardened manifests out.

Also what kustomize's legacy exec plugins call: the config is their first argument.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden.commands import _policies, _run, _streams
from krm_harden.commands._parser import make
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.reports.text import Complaints

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

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
    options.add_argument("config", metavar="CONFIG", help="a HardeningPolicy or a flat ConfigMap")
    options.add_argument(
        "files", nargs="*", metavar="FILE", default=[_run.STDIN], help="manifests, or - for standard input (default)"
    )
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    upper = _policies.ceiling()
    policy = _policies.below(_policies.read(options.config), upper)
    policy = _policies.with_images(policy, options.images) if options.images else policy
    engine = Engine(policy, rendered=True, ceiling=upper is not None)
    files = options.files or [_run.STDIN]
    inputs = list(_run.settled(engine, [_run.of_bytes(engine, name, _read(name)) for name in files]))
    code = _run.worst(inputs)
    for made in inputs:
        if made.error:
            _streams.complain([f"error: {made.name}: {made.error}"])
        _streams.complain(_complaints(made))
    _streams.complain(f"warning: {line}" for line in _run.warnings(engine, inputs))
    code = max(code, _run.nothing_found(inputs, allowed=False))
    if code == 0:
        _streams.write_stdout([joined([made.new for made in inputs])])
    return code


def _complaints(made: _run.Input) -> Iterator[str]:
    complaints = Complaints("" if made.name == _run.STDIN else made.name)
    for chunk in made.chunks:
        complaints.add(chunk)
    return complaints.lines()


def _read(name: str) -> bytes:
    if name == _run.STDIN:
        return _streams.read_stdin()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror}") from None


def joined(texts: list[bytes]) -> bytes:
    """Streams one after the other, each a document of its own."""
    output = b""
    for text_ in texts:
        if output and not output.endswith(b"\n"):
            output += b"\n"
        if output and not text_.startswith(b"---"):
            output += b"---\n"
        output += text_
    return output
