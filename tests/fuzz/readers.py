"""Readers of YAML that share no code with krm-harden's: PyYAML's own scanner, parser and composer, in Python.

`data` is what Kubernetes makes of a document, by the table of `krm_harden.scalars` and nothing else of ours.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from krm_harden import scalars

Unreadable = (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError, IndexError)
"""What the pure readers raise; some of it by mistake."""
MERGE = "tag:yaml.org,2002:merge"
CORE = "tag:yaml.org,2002:"


class _Loader(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer, yaml.resolver.BaseResolver):  # fmt: skip
    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)
        yaml.resolver.BaseResolver.__init__(self)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        return None if kind is not yaml.ScalarNode or implicit[0] else "!"


def nodes(text: str) -> list[Any]:
    """The root nodes of a stream. Raises one of Unreadable."""
    loader = _Loader(text)
    found = []
    while loader.check_node():
        found.append(loader.get_node())
    return found


class Differs(Exception):
    """What is no concern of a comparison: readers are known to disagree, or it isn't a manifest."""


def disputed(text: str) -> bool:
    """Whether PyYAML's two parsers are known to read something in a text differently, by design or by mistake.

    Line breaks of Unicode, byte order marks, tabs, directives and tags other than `!!word`.
    """
    return bool(_DISPUTED.search(text))


_DISPUTED = re.compile("[\u2028\u2029\x85\ufeff\t%]|!(?!!\\w)|\r(?!\n)")


def data(node: Any, depth: int = 0) -> Any:
    """A node's data. Raises Differs."""
    if depth > 400:
        raise Differs
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [data(item, depth + 1) for item in node.value]
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Differs
        if key.value == "<<" and key.tag in {None, MERGE}:
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(source, yaml.MappingNode):
                    raise Differs
                for name, inner in data(source, depth + 1).items():
                    merged.setdefault(name, inner)
        else:
            own[key.value if key.tag is not None or key.style else scalars.key(key.value)] = data(value, depth + 1)
    return {**merged, **own}


def _scalar(node: Any) -> Any:
    if node.tag is None and not node.style:
        return scalars.resolve(node.value)
    if node.tag in {None, "!"}:
        return node.value
    try:
        return scalars.tagged(node.tag, node.value)
    except ValueError:
        raise Differs from None


def comments(text: str) -> list[str]:
    """The comments of a stream, in order: what stands behind a `#` between two tokens. Raises one of Unreadable."""
    loader = _Loader(text)
    found = []
    end = 0
    while loader.check_token():
        token = loader.get_token()
        start = token.start_mark.index
        found += _comments_of(text[end:start])
        end = max(end, token.end_mark.index)
    return found + _comments_of(text[end:])


def _comments_of(gap: str) -> list[str]:
    return [line[line.index("#") :].strip() for line in gap.splitlines() if "#" in line]
