"""What `images resolve --probe` runs: each command that the manifests give an image, once."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from typing import TYPE_CHECKING, Any

from krm_harden.commands import _images_uses
from krm_harden.errors import SourceError
from krm_harden.images import command_lines, derive, probe, resolve
from krm_harden.model import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.commands._images_uses import Found, Use
    from krm_harden.images.derive import Observed
    from krm_harden.images.layers import Files


class Prober:
    """What all probes of a run share."""

    def __init__(self, found: Found, seconds: int) -> None:
        self._engine = probe.find_engine()
        self._found = found
        self._seconds = seconds
        self._uses = found.by_image()
        self._loaded = contextlib.ExitStack()
        self.notes: list[str] = []

    def close(self) -> None:
        """Remove what was loaded."""
        self._loaded.close()

    def entry(self, had: resolve.Had, files: Files) -> dict[str, Any]:
        """An image's entry with what its runs showed. Raises KrmHardenError where one can't be had."""
        entries, observations = [], []
        runs = list(self._runs(had))
        reference = self._local(had) if runs else ""
        for use in runs:
            observed = self._observe(had, files, use, reference)
            entries.append(resolve.entry(had, files, observed, programs=programs(use)))
            observations.append(observed)
        return resolve.united(resolve.entry(had, files), entries, observations, files)

    def _runs(self, had: resolve.Had) -> Iterator[Use]:
        """A use for each command, arguments and environment; those that nobody should run here are noted."""
        runs: dict[str, Use] = {}
        refused: dict[str, list[Use]] = {}
        for use in (use for name in had.names for use in self._uses[name]):
            reason = probe.refused(use.pod.spec, use.container.data)
            if reason:
                refused.setdefault(reason, []).append(use)
            else:
                runs.setdefault(_asked(use), use)
        self.notes += [f"{_images_uses.places(uses)}: {reason}" for reason, uses in refused.items()]
        yield from (runs[asked] for asked in sorted(runs))

    def _observe(self, had: resolve.Had, files: Files, use: Use, reference: str) -> Observed:
        observed = probe.observe(
            reference,
            had.image.config,
            files,
            pod=use.pod.spec,
            container=use.container.data,
            contents=self._contents(use.pod.resource.namespace),
            seconds=self._seconds,
            engine=self._engine,
        )
        if observed.restricted not in {"", "runs"}:
            self.notes.append(f"{use}: restricted, it {observed.restricted}: {observed.note}")
        return observed

    def _local(self, had: resolve.Had) -> str:
        """What podman knows the very image by; its archive is loaded if need be. Raises KrmHardenError."""
        ours = {had.image.image_id, had.image.digest}
        own = had.image.image_id.removeprefix("sha256:")
        if self._id(own):
            return own
        known = {name: self._id(name) for name in had.names}
        if any(f"sha256:{found.removeprefix('sha256:')}" in ours for found in known.values() if found):
            return next(name for name, found in known.items() if found)
        other = next((name for name, found in known.items() if found), "")
        if other:
            raise SourceError("the local store has another image of that name", other, f"podman pull {other}")
        if had.archive and not had.archive.is_layout:
            name = next(name for name, image in had.archive.images.items() if image is had.image)
            # Kept until the end: it may hold other images that are probed, too.
            self._loaded.enter_context(probe._image(self._engine, name, had.archive.path))
            return name
        name = had.names[0]
        raise SourceError("it can't be probed: it isn't in the local store", name, f"podman pull {name}")

    def _id(self, name: str) -> str:
        done = self._engine.call("image", "inspect", "--format", "{{.Id}}", name)
        return "" if done.returncode else done.stdout.strip()

    def _contents(self, namespace: str) -> dict[tuple[str, str], dict[str, str]]:
        """The texts of the ConfigMaps and Secrets that a pod of a namespace sees."""
        found = {}
        for (kind, own, name), data in self._found.data.items():
            if own == namespace or not (own and namespace):
                found[kind, name] = dict(_texts(kind, data))
        return found


def _asked(use: Use) -> str:
    data = use.container.data
    return json.dumps([data.get(field) for field in ("command", "args", "env", "envFrom")], sort_keys=True, default=str)


def programs(use: Use) -> list[str]:
    """The programs that a container's own command starts, without the shell and the small tools around them."""
    if not sequence(use.container.data.get("command")):
        return []
    started = list(dict.fromkeys(command_lines.started_by(command_lines.words(use.container))))
    own = [name for name in started if name not in derive.SHELLS]
    return [name for name in own if name not in derive.HELPERS] or own or started


def _texts(kind: str, data: Any) -> Iterator[tuple[str, str]]:
    for key, value in mapping(data.get("data")).items():
        text = str(value)
        if kind == "Secret":
            try:
                text = base64.b64decode(text, validate=True).decode()
            except (binascii.Error, ValueError):
                continue
        yield str(key), text
    yield from ((str(key), str(value)) for key, value in mapping(data.get("stringData")).items())
