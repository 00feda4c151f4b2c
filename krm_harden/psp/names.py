"""Names as apimachinery checks them, in its words (pkg/util/validation/validation.go of 1.24)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ANY = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_LABEL}(\\.{_LABEL})*')"
)
_QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_PREFIXED = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
_MOST_OF_SUBDOMAIN = 253
_MOST_OF_NAME = 63


def _is_made_of(text: str, ends: frozenset[str], more: str) -> bool:
    """Whether a text has only some letters, and begins and ends with fewer of them."""
    return (
        bool(text) and text[0] in ends and text[-1] in ends and all(letter in ends or letter in more for letter in text)
    )


def subdomain(name: str) -> Iterator[str]:
    """What is wrong with a DNS-1123 subdomain."""
    if len(name.encode()) > _MOST_OF_SUBDOMAIN:
        yield f"must be no more than {_MOST_OF_SUBDOMAIN} characters"
    if not all(_is_made_of(label, _LOWER, "-") for label in name.split(".")):
        yield _SUBDOMAIN


def is_label(name: str) -> bool:
    """Whether a name is a DNS-1123 label, as a namespace's must be."""
    return len(name) <= _MOST_OF_NAME and _is_made_of(name, _LOWER, "-")


def is_segment(name: str) -> bool:
    """Whether a name can be that of a role or binding: a segment of a path. Only what is printable is taken."""
    return name not in {"", ".", ".."} and not {"/", "%"}.intersection(name) and name.isprintable()


def qualified(key: str) -> Iterator[str]:
    """What is wrong with the key of an annotation, in lower case."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        yield f"a qualified name {_QUALIFIED}{_PREFIXED}"
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        yield from (f"prefix part {said}" for said in subdomain(prefix))
    if not name:
        yield "name part must be non-empty"
    elif len(name.encode()) > _MOST_OF_NAME:
        yield f"name part must be no more than {_MOST_OF_NAME} characters"
    if not _is_made_of(name, _ANY, "-_."):
        yield f"name part {_QUALIFIED}"
