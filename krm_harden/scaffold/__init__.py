"""What `krm-harden init` writes: files as they are. argocd/, helm/ and the legacy plugin are copies of function/."""

from __future__ import annotations

from pathlib import Path

from krm_harden.errors import InputError

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    """One file, by its path in this folder. Raises InputError where an installation lacks it."""
    try:
        return (FOLDER / name).read_text(encoding="utf-8")
    except OSError:
        raise InputError(
            f"this installation of krm-harden has no {name} to write", next_step="install it anew"
        ) from None


def texts(name: str) -> dict[str, str]:
    """All files of a folder, by their path in it. Raises InputError where an installation lacks it."""
    folder = FOLDER / name
    found = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    if not found:
        raise InputError(f"this installation of krm-harden has no {name}/ to write", next_step="install it anew")
    return {path: text(f"{name}/{path}") for path in found}
