"""Everything that krm-harden refuses, and how.

    KrmHardenError           .exit_code, .where (file:line:column), .next_step
    ├── InputError      2    the text can't be read as Kubernetes would read it
    ├── RefusedEdit     2    the text can be read, but a safe edit of it isn't possible
    ├── SourceError     2    an image can't be had from its registry, archive or layout
    └── ConfigError     3    the policy or the command line is wrong

Each message is one line and names the place, what is wrong and what to do about it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class KrmHardenError(Exception):
    """The one base class: `str(error)` is the whole line that a user sees.

    `where` is a file, or a place within one (`deploy.yaml:12:3`), or empty.
    """

    exit_code = 2

    def __init__(self, message: str, where: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.where, self.message]
        line = ": ".join(part for part in parts if part)
        return f"{line}; {self.next_step}" if self.next_step else line


class InputError(KrmHardenError):
    """Text that isn't what Kubernetes reads. `line` and `column` count from 0 within its chunk; -1 is unknown.

    `limit` names the limit that it exceeds, where it is only too much of something.
    """

    def __init__(self, message: str, line: int = -1, column: int = -1, next_step: str = "", *, limit: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.line = line
        self.column = column
        self.limit = limit


class RefusedEdit(KrmHardenError):
    """An edit that can't be written, or that verification didn't accept. The document stays as it came."""


class SourceError(KrmHardenError):
    """An image that can't be had, or isn't what its digest says. `where` is the image."""


class Problem:
    """One thing that is wrong with a policy.

    `text` is the whole sentence; `pointer` says where, from the policy's root; `is_key` says that the key itself is
    wrong, and not what stands under it.
    """

    __slots__ = ("is_key", "pointer", "text")

    def __init__(self, pointer: tuple[str | int, ...], text: str, *, is_key: bool = False) -> None:
        self.pointer = pointer
        self.text = text
        self.is_key = is_key


class ConfigError(KrmHardenError):
    """A wrong policy or command line.

    `problems` are what is wrong, one by one, where it is a policy's data; `excerpt` shows the first in its file's text:
    lines for people, below the line of the error.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        where: str = "",
        next_step: str = "",
        *,
        problems: Iterable[Problem] = (),
        excerpt: str = "",
    ) -> None:
        super().__init__(message, where, next_step)
        self.problems = tuple(problems)
        self.excerpt = excerpt
