"""What an update would change: what an older release would have written, beside what this one writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from krm_harden.commands import _run
from krm_harden.reports import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.commands._run import Input
    from krm_harden.engine import Engine


class Preview(NamedTuple):
    """The same inputs as two releases leave them, in the same order."""

    before: list[Input]
    after: list[Input]

    @property
    def steps(self) -> list[Input]:
        """Each input as a step from what the older release writes to what the newer one writes."""
        return [new._replace(old=old.new) for old, new in zip(self.before, self.after, strict=True)]

    @property
    def exit_code(self) -> int:
        """2 if something couldn't be read, 1 if what is written or the exit code of a fix differs, else 0."""
        old, new = _run.worst(self.before), _run.worst(self.after)
        return max(old, new) if max(old, new) > 1 else int(old != new or any(step.changed for step in self.steps))

    def findings(self) -> Iterator[str]:
        """The findings that only one of the two has: `-` went, `+` came."""
        for old, new in zip(self.before, self.after, strict=True):
            lines, more = list(text.of_input(old)), list(text.of_input(new))
            yield from (f"- {line}" for line in _without(lines, more))
            yield from (f"+ {line}" for line in _without(more, lines))

    def line(self, release: str, kept: str) -> str:
        """The last line, for people."""
        changed = sum(step.changed for step in self.steps)
        files = "1 file" if len(self.after) == 1 else f"{len(self.after)} files"
        parts = [f"{changed} of {files} would be written otherwise than by {release}"]
        old, new = _run.worst(self.before), _run.worst(self.after)
        if old != new:
            parts.append(f"the exit code would be {new} in place of {old}")
        if release == kept:
            parts.append(f"the policy keeps the output of {kept}: --compatibility names the release to preview")
        return "; ".join(parts)


def preview(older: Engine, after: list[Input]) -> Preview:
    """The inputs, which the newer engine has run, beside what the older one makes of the same bytes."""
    return Preview(list(_run.settled(older, (_again(older, made) for made in after))), after)


def _again(engine: Engine, made: Input) -> Input:
    """An input once more; what couldn't be read or was left alone as a whole is so by any release."""
    again = _run.of_bytes(engine, made.name, made.old)
    return again if again.chunks and not again.error else made


def _without(lines: list[str], others: list[str]) -> list[str]:
    """The lines that the others don't have, each as often as it stands there more."""
    left = Counter(others)
    left.subtract(lines)
    missing = -left
    return [line for line in dict.fromkeys(lines) for _ in range(missing[line])]
