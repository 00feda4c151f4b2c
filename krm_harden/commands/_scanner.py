"""`check --run-scanner`: trivy or grype, run on images one after the other; what it says is kept for a day.

    ${XDG_CACHE_HOME:-~/.cache}/krm-harden/scans/<scanner>-<day>-<digest>.json

Only an image whose digest is known is kept: a tag may mean another one in an hour. Tomorrow's database knows more.
"""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from krm_harden import limits, outputs
from krm_harden.commands import _images_uses, _progress, _replace
from krm_harden.errors import ConfigError, InputError, KrmHardenError
from krm_harden.images.names import parse
from krm_harden.images.sources.cache import default_folder
from krm_harden.scanning.reading import read

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from krm_harden.scanning.model import ImageReport

COMMANDS = {
    "trivy": ("image", "--format", "json", "--quiet", "--scanners", "vuln"),
    "grype": ("--output", "json", "--quiet"),
}
"""What each is asked; the image comes last. The first that is on PATH is taken."""
LONGEST = 300
"""Characters of a scanner's own words in an error."""
KEPT_SECONDS = 48 * 3600


def run(wanted: Sequence[tuple[str, str]], options: argparse.Namespace) -> tuple[list[ImageReport], list[str]]:
    """The reports of some images, each with its digest or none, and a line for each that couldn't be scanned.

    Raises ConfigError where there is no scanner.
    """
    scanner = _program(options.scanner)
    found: list[ImageReport] = []
    failures = []
    with _progress.Progress("images scanned", ticking=True) as progress:
        for count, (image, digest) in enumerate(wanted, 1):
            try:
                found += _of_image(scanner, image, digest, options.scanner_timeout)
            except KrmHardenError as error:
                failures.append(str(error))
            progress(count, len(wanted))
    return found, failures


def _program(name: str | None) -> tuple[str, str]:
    """The scanner's name and its file. Raises ConfigError."""
    for known in [name] if name else COMMANDS:
        path = shutil.which(known)
        if path:
            return known, path
    missing = f"{name} isn't" if name else f"neither {' nor '.join(COMMANDS)} is"
    raise ConfigError(f"{missing} on PATH", "--run-scanner", "install one, or name a report by --scan")


def _of_image(scanner: tuple[str, str], image: str, digest: str, timeout: int) -> list[ImageReport]:
    name = scanner[0]
    if not _images_uses.is_name(image):
        raise KrmHardenError(f"{image!r} isn't the name of an image", name, "check what is rendered")
    path = _kept(name, digest)
    where = f"{name} {image}"
    data = _read(path) if path else b""
    made = None
    if data:
        with suppress(KrmHardenError):
            made = read(data, where)
    if made is None:
        data = _scanned(scanner, image, timeout)
        made = read(data, where)
        if path:
            _keep(path, data)
    asked = parse(image)
    names = {f"{asked.repository}:{asked.tag}"} if asked.tag else set()
    digests = {digest} if digest else set()
    return [one._replace(names=one.names | names, digests=one.digests | digests) for one in made]


def _scanned(scanner: tuple[str, str], image: str, timeout: int) -> bytes:
    """What a scanner prints of an image. Raises KrmHardenError with its last words."""
    name, path = scanner
    try:
        done = outputs.of([path, *COMMANDS[name], image], timeout, "reportBytes")
    except InputError as error:
        error.where = f"{name} {image}"
        raise
    except TimeoutError:
        said = f"{image} wasn't scanned within {timeout} s"
        raise KrmHardenError(said, name, "give it more by --scanner-timeout") from None
    except OSError as error:
        raise KrmHardenError(f"can't be run: {error.strerror}", path) from None
    if done.code != 0:
        words = [line for line in done.err.decode(errors="replace").splitlines() if line.strip()]
        said = _without_secrets(" ".join((words[-1] if words else "it said nothing").split()))[:LONGEST]
        raise KrmHardenError(f"{image} couldn't be scanned: exit code {done.code}: {said}", name)
    return done.out


def _without_secrets(said: str) -> str:
    """A scanner's words without the passwords and tokens that a registry's address or header has."""
    said = re.sub(r"://[^\s/@]+@", "://...@", said)
    return re.sub(
        r"(?i)\b(bearer|basic|token|password|secret)([\s:=]+)(?=\S*[\d=/.+-])[^\s,;\"']{8,}", r"\1\2...", said
    )


def _kept(name: str, digest: str) -> Path | None:
    """Where today's result for a digest is kept; None where nothing is."""
    folder = default_folder()
    if not folder or not digest:
        return None
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return Path(folder) / "scans" / f"{name}-{day}-{digest.replace(':', '-')}.json"


def _read(path: Path) -> bytes:
    try:
        return limits.read_file(path, "reportBytes")
    except (OSError, InputError):
        return b""


def _keep(path: Path, data: bytes) -> None:
    """Put a result in its place, whole or not at all; older ones go. Where that can't be, nothing is kept."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob("*.json"):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                old.unlink(missing_ok=True)
        _replace.put(path, data)
