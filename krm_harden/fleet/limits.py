"""What of a source is beyond a limit, as an error of that source. What is beyond one is refused, never cut."""

from __future__ import annotations

from krm_harden import limits
from krm_harden.errors import SourceError
from krm_harden.images.sources.streams import size_text

RATIO_FROM = 64 * limits.MIB
"""Unpacked bytes of an archive of manifests from which on `layerRatio` holds."""


def beyond(name: str, said: str, where: str, advice: str, found: int = 0) -> SourceError:
    """The error for what of a source is beyond a limit; `advice` is what else could be done."""
    error = limits.exceeded(name, said, found=found, advice=advice)
    return SourceError(error.message, where, error.next_step)


def must_be_file(size: int, where: str, advice: str = "cut it into several files") -> None:
    """Raises SourceError for a file of more bytes than one input may have."""
    most = limits.now()["bytes"]
    if size > most:
        raise beyond("bytes", f"is larger than {size_text(most)}", where, advice, size)


def must_be_source(size: int, where: str) -> None:
    """Raises SourceError for more bytes of manifests than one source may have: so much of it may be in memory."""
    most = limits.now()["sourceBytes"]
    if size > most:
        raise beyond(
            "sourceBytes", f"holds more than {size_text(most)} of manifests", where, "make it several entries", size
        )


def must_be_few(count: int, where: str, advice: str) -> None:
    """Raises SourceError for more files, manifests or not, than one source may have."""
    most = limits.now()["sourceFiles"]
    if count > most:
        raise beyond("sourceFiles", f"holds more than {most} files", where, advice)
