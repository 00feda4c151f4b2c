"""`krm-harden patches`: the hardening as plain kustomize patches, for builds that may run no plugin."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden import overlays
from krm_harden.commands import _diffs, _overlay_files, _policies, _run, _streams
from krm_harden.commands._parser import make
from krm_harden.engine import Engine
from krm_harden.errors import ConfigError, RefusedEdit
from krm_harden.reports import summary, text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from krm_harden.model import Resource, ResourceResult
    from krm_harden.overlays import Overlay

GROUP = "Harden"
SUMMARY = "write the hardening as kustomize patches, also for Flux: no plugin runs"
EXAMPLES = """\
examples:
  kustomize build . | krm-harden patches -o hardening -
                                              a Component: one patch for each object
  kustomize build . | krm-harden patches -o hardening --check -
                                              writes nothing; exit 1 if the patches are stale
  kustomize build . | krm-harden patches --format flux-kustomization -
                                              spec.patches of a Kustomization of Flux
  helm template . | krm-harden patches --format flux-helmrelease -
                                              spec.postRenderers of a HelmRelease of Flux

exit codes: 0 done, 1 something stays open (or --check finds stale patches), 2 something couldn't be read or patched,
3 wrong policy or command line; nothing is written but at 0
"""
KUSTOMIZE = "kustomize"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("patches", SUMMARY, EXAMPLES)
    _run.input_arguments(options, "rendered manifests, or - for standard input")
    options.add_argument(
        "-o", "--output", metavar="PLACE", help="the folder of the Component, for Flux a file; default: standard output"
    )
    options.add_argument("--format", choices=list(_overlay_files.FRAGMENTS), default=KUSTOMIZE, help="whose patches")
    options.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is there is stale")
    options.add_argument(
        "--without-namespace",
        action="store_true",
        help="find objects by kind and name: for a kustomization that sets `namespace:` itself",
    )
    return options


def run(options: argparse.Namespace) -> int:
    """The exit code. Raises KrmHardenError."""
    if options.check and not options.output:
        raise ConfigError("--check compares with what is written", next_step="name its place with -o")
    policy = _run.gathered(_policies.chosen(options.policy, options.images, options.profile), options)
    engine = Engine(policy, ceiling=_policies.has_ceiling(options.policy))
    inputs = list(_run.process(engine, options.paths, options.exclude))
    code = max(_run.worst(inputs), _run.nothing_found(inputs, allowed=options.allow_empty))
    _streams.complain(line for made in inputs for line in text.of_input(made))
    warnings = (f"warning: {line}" for line in _run.warnings(engine, inputs))
    _streams.complain(
        [*warnings, *text.unreadable(inputs), *(f"krm-harden: {line}" for line in summary.lines(inputs, "to patch"))]
    )
    if code:
        return code
    results = [result for made in inputs for chunk in made.chunks for result in chunk.resources]
    if options.output:
        _not_yet_applied(Path(options.output), results)
    return _emit(options, _overlays(results, namespace=not options.without_namespace))


def _overlays(results: Iterable[ResourceResult], *, namespace: bool) -> list[Overlay]:
    """The patches of all objects that change, in order. Raises RefusedEdit for the first that can't be patched."""
    found = list(results)
    count = Counter(_key(result.resource, namespace=namespace) for result in found)
    alone = Counter(_key(result.resource, namespace=False) for result in found)
    made = []
    for result in found:
        resource = result.resource
        if result.operations:
            if count[_key(resource, namespace=namespace)] > 1:
                message = "stands more than once in the input, and a patch needs exactly one"
                raise RefusedEdit(message, str(resource), "give each another name, or namespace")
            only = not namespace or alone[_key(resource, namespace=False)] == 1
            made.append(overlays.overlay(resource, result.operations, namespace=namespace, alone=only))
    return made


def _key(resource: Resource, *, namespace: bool) -> tuple[str, str, str, str]:
    """What kustomize takes for the same object."""
    said = (resource.namespace or "default") if namespace else ""
    return resource.api_version, resource.kind, resource.name, said


def _not_yet_applied(place: Path, results: Iterable[ResourceResult]) -> None:
    """Raises RefusedEdit where the input has the patches in it that are to be replaced: they would all be dropped."""
    settled = [result.resource for result in results if not result.operations]
    by_key = {_key(resource, namespace=where): resource for resource in settled for where in (True, False)}
    for patch, target in _overlay_files.earlier(place):
        try:
            *named, namespace = overlays.subject(patch, target)
            keys = (*named, namespace or "default"), (*named, "")
            resource = next((by_key[key] for key in keys if key in by_key), None)
            applied = resource is not None and overlays.holds(resource, patch)
        except (LookupError, TypeError, AttributeError):
            continue  # Somebody has edited it: it is replaced all the same.
        if applied:
            message = f"already says all that its patch in {place} would write"
            advice = f"render without that patch; where it isn't needed any more, remove {place}"
            raise RefusedEdit(message, str(resource), advice)


def _emit(options: argparse.Namespace, made: list[Overlay]) -> int:
    """Write the patches, or compare them. Raises KrmHardenError."""
    if not options.output:
        _streams.write_stdout([_overlay_files.fragment(made, options.format).encode()])
        return 0
    place = Path(options.output)
    folder = place if options.format == KUSTOMIZE else place.parent
    if options.format == KUSTOMIZE:
        wanted = _overlay_files.files(made, place.resolve().name)
        there = _overlay_files.on_disk(place)
    else:
        wanted = {place.name: _overlay_files.fragment(made, options.format)}
        there = {place.name: _overlay_files.read(place)} if _overlay_files.is_ours(place) else {}
    _overlay_files.must_be_ours(folder / name for name in wanted)
    if options.check:
        return _compare(folder, there, wanted)
    _overlay_files.write(folder, there, wanted)
    return 0


def _compare(folder: Path, there: dict[str, str], wanted: dict[str, str]) -> int:
    """1, with the difference on standard output, where what is there isn't what would be written."""
    names = sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
    for name in names:
        old, new = there.get(name, ""), wanted.get(name, "")
        _streams.print_report("".join(_diffs.unified(old, new, f"a/{folder / name}", f"b/{folder / name}")))
    if names:
        advice = "run the same without --check, and commit what it writes"
        _streams.complain([f"krm-harden: error: {len(names)} of the patches in {folder} are stale; {advice}"])
    return int(bool(names))
