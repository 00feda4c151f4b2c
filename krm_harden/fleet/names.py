"""What sources are called where people read it: never with a secret."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

from krm_harden.images.sources.streams import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?:::[A-Za-z][A-Za-z0-9+.-]*)*://.+", re.DOTALL)
_USER = re.compile(r"(?<=://)[^/\s'\"]*@")
_QUERY = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*")
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|API_KEY|PRIVATE_KEY", re.IGNORECASE)
SHORTEST = 8
"""Characters of a secret: a shorter one may be a word."""


def is_url(word: str) -> bool:
    """Whether a word of a command line or an inventory is a URL."""
    return _URL.fullmatch(word) is not None


def scheme(url: str) -> str:
    """The scheme of a URL, in lower case."""
    return url.partition("://")[0].lower()


def shown(source: str) -> str:
    """A source without user, password and the query of a web address, where signatures stand."""
    if not is_url(source):
        return source
    kind, _, rest = source.partition("://")
    host, slash, path = rest.partition("/")
    bare = f"{kind}://{host.rpartition('@')[2]}{slash}{path}"
    return urlunsplit(urlsplit(bare)._replace(query="", fragment="")) if kind.lower() in {"http", "https"} else bare


def scrubbed(text: object, environment: Mapping[str, str] = os.environ) -> str:
    """A message of a library as one line, without what may be a secret in it."""
    line = str(text)
    for name, value in environment.items():
        if len(value) >= SHORTEST and _SECRET.search(name):
            line = line.replace(value, "***")
    return one_line(_QUERY.sub(r"\1", _USER.sub("", line)))
