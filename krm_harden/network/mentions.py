"""What in a text may name a host: URLs, `host:port`, names of Services, words where a host is expected.

Nothing here knows which Services there are: whoever asks says which words count as bare names. What is found is a
candidate; a text is never run, and what can't be read is no host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    Lookup: TypeAlias = Callable[[str], str | None]
    """What a variable holds, None where that isn't known."""
    Known: TypeAlias = Callable[[str], bool]
    """Whether a host is a Service's name."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_URL = re.compile(r"(?:(?<=:)|(?<![^\s\"'=(,]))//(?:[^\s/?#\"'<>@]*@)?([^\s/?#\"'<>\\`;)}\]|]+)")
"""What follows the two slashes: one `host:port`, or several with commas between them."""
_AUTHORITY = re.compile(rf"({_HOST})(?::(\d{{1,5}}))?")
_SIX = re.compile(r"(?<![\w\]])\[([0-9A-Fa-f:.]{2,45})(?:%[\w.-]+)?\](?::(\d{1,5})(?!\d))?")
"""An address of IPv6 as it stands before a port."""
_PAIR = re.compile(rf"(?<![\w.:/-])({_HOST}):(\d{{1,5}})(?!\.?\w|@)")
_SERVICE_NAME = re.compile(
    r"(?<![\w.:/-])(?:_[\w-]+\._(?:tcp|udp|sctp)\.)?"
    rf"({_LABEL}(?:\.{_LABEL}){{1,2}}\.svc(?:\.{_LABEL})*)(?!:\d)(?![\w-])"
)
"""A Service's name in full, also behind the port of a SRV record: `_grpc._tcp.api.shop.svc`."""
_RESOLVED = re.compile(rf"\b(?:dns|kubernetes|k8s|passthrough|xds|static):/{{2}}[^/\s]*/({_HOST})(?::(\d{{1,5}}))?")
"""A target of gRPC, its resolver first: `dns:///api:8080`."""
_DEV_TCP = re.compile(rf"/dev/(?:tcp|udp)/({_HOST})/(\d{{1,5}})")
_INJECTED = re.compile(r"\b([A-Z][A-Z0-9_]*?)_(?:SERVICE_(?:HOST|PORT)\w*|PORT_\d+_(?:TCP|UDP)\w*)\b")
"""The variables that a kubelet makes of each Service of the namespace."""
_WORD = re.compile(rf"({_HOST})")
_NUMBER = re.compile(r"\d{1,5}")
_LIST = re.compile(r"[\s,;|]+")

_EXPECTS = re.compile(
    r"host|addr|url|uri|endpoint|server|seed|broker|bootstrap|upstream|backend|node|peer|target|proxy|remote|connect"
    r"|dsn|master|primary|replica|sentinel|cluster|member|quorum|gateway|service|contact|discovery|origin|api|data_source"
)
"""Words of a variable's or a flag's name after which a host is expected."""
_DENIES = {
    *("user", "username", "login", "account", "pass", "password", "passwd", "pwd", "token", "key", "secret"),
    *("name", "id", "db", "database", "dbname", "schema", "type", "kind", "driver", "dialect", "engine", "mode"),
    *("profile", "profiles", "namespace", "level", "role", "prefix", "topic", "queue", "group", "bucket", "lang"),
    *("env", "environment", "version", "image", "path", "dir", "file", "realm", "tag", "app", "component", "variant"),
    *("owner", "label", "title", "description", "message", "command", "container", "index", "exchange", "vhost"),
}
"""Last words of a variable's name: what such a variable holds is no host, whatever Services there are."""
_NAMES_OF_HOSTS = {"host", "service", "server", "dns", "svc"}
"""Before `name` these make a host of it."""
_CLIENTS = {
    *("nc", "ncat", "netcat", "ping", "nslookup", "dig", "getent", "curl", "wget", "telnet", "ssh", "nmap"),
    *("wait-for-it", "wait-for-it.sh", "wait-for", "wait-for.sh", "wait4ports", "grpcurl", "traceroute"),
}
"""Programs whose argument is a host."""
_HOLDS = {"host", "hostname", "hosts", "addr", "address", "url", "uri", "endpoint", "server", "servers"}
"""Last words of the name of a variable that holds a host and nothing else."""
_NO_HOSTS = {"true", "false", "none", "null", "auto", "yes", "no", "on", "off", "all", "any", "default"}
_ASSIGNED = re.compile(
    rf"(?<![\w.-])([A-Za-z_][\w.-]*)[\"']?(?:\s*[=:]\s*|\s+)[\"']?({_HOST})(?=[\s\"',;}}\]]|$)(?!\s*[:=]\s)"
)
_KEYWORD = re.compile(
    r"(?:(?<=[;\s])|(?<!.))((?:-D|--)[\w.-]{1,40}?|[A-Za-z][A-Za-z ]{0,30}?) ?= ?"
    rf"(?:(?:tcp|admin):)?({_HOST})(?:,(\d{{1,5}}))?(?=[;,\s]|$)"
)
"""A part of a connection string: `Server=tcp:db,1433;`, `host=db port=5432`; or of options: `-Ddb.host=db`."""
_PROPERTY = re.compile("^-D")
_COMMENT = ("#", "//")
_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")
_SHELL_VARIABLE = re.compile(r"\$\{([A-Za-z_][\w.]*)(?::?-([^}]*)|:([^}]*))?\}|\$([A-Za-z_]\w*)")
_MAX = 20_000
"""Letters of an expanded value: variables may multiply."""


@dataclass(frozen=True)
class Mention:
    """A host that a text may name. `port` is None where none is said.

    `sure`: it stands where only a host can, so a name that no Service has is a host somewhere else.
    """

    host: str
    port: int | None = None
    sure: bool = True


def expanded(text: str, value_of: Lookup) -> str:
    """`$(NAME)` replaced as a kubelet does: an unknown one stays, `$$` is a dollar."""
    if "$" not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        known = value_of(match[1])
        return match[0] if known is None else known

    return _VARIABLE.sub(replaced, text)[:_MAX]


def shell_expanded(text: str, value_of: Lookup) -> str:
    """`${NAME}`, `$NAME`, `${NAME:-default}` and `${NAME:default}` replaced where that is known."""
    if "$" not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        known = value_of(match[1] or match[4])
        default = match[2] if match[2] is not None else match[3]
        return known if known is not None else match[0] if default is None else default

    return _SHELL_VARIABLE.sub(replaced, text)


def of_value(key: str, value: str, is_known: Known) -> Iterator[Mention]:
    """The hosts in a variable's value; a whole value that is a known name is one, unless the key denies it."""
    words = _key_words(key)
    denies, expects = _denies(words), _expects(words)
    for mention in _anywhere(value):
        yield replace(mention, sure=mention.sure or (expects and not denies))
    for match in _KEYWORD.finditer(value) if "=" in value else ():
        host = _plain(match[2])
        if _expects_host(_PROPERTY.sub("", match[1])) and (is_known(host) or _is_full_name(host)):
            yield Mention(host, _port(match[3]), sure=not is_known(host))
    if denies:
        return
    parts = [part.strip("\"' ") for part in (_LIST.split(value.strip()) if expects else re.split("[,;]", value))]
    for host in (_plain(part) for part in parts if _WORD.fullmatch(part)):
        if is_known(host):
            yield Mention(host, sure=False)
        elif expects and (_is_full_name(host) or (len(parts) == 1 and _is_word(host) and words[-1] in _HOLDS)):
            yield Mention(host)


def of_file(text: str, is_known: Known) -> Iterator[Mention]:
    """The hosts in a configuration file, comments left out; a bare name counts after a word that expects a host."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(_COMMENT)]
    yield from _anywhere("\n".join(lines))
    for line in lines:
        for match in _ASSIGNED.finditer(line) if len(line) < _MAX else ():
            host = _plain(match[2])
            if is_known(host) and _expects_host(match[1]):
                yield Mention(host, sure=False)


def of_words(words: Sequence[str], is_known: Known) -> Iterator[Mention]:
    """The hosts in a command line: URLs and pairs anywhere, bare names where a program or a flag takes a host."""
    for command in _commands(words):
        client = next((at for at, word in enumerate(command) if word.rpartition("/")[2] in _CLIENTS), len(command))
        for index, word in enumerate(command):
            yield from _anywhere(word)
            name, equals, value = word.partition("=")
            if equals and name.startswith("-"):
                yield from _flagged(name, value, is_known)
            elif equals and re.fullmatch(r"\w+", name):
                yield from of_value(name, value, is_known)
            else:
                yield from _argument(command, index, is_known, after_client=index > client)


def _commands(words: Sequence[str]) -> list[list[str]]:
    """The simple commands of a command line: a word with blanks in it is a script, with commands of its own."""
    plain: list[str] = []
    found = [plain]
    for word in words:
        if not re.search(r"\s", word.strip()):
            plain.append(word.strip())
            continue
        for line in word.splitlines():
            if not line.lstrip().startswith("#"):
                found += [
                    re.split(r"[\s<>\"']+", part.strip()) for part in re.split(r"[;|&()`]+", line) if part.strip()
                ]
    return found


def _argument(command: Sequence[str], index: int, is_known: Known, *, after_client: bool) -> Iterator[Mention]:
    """A bare word that a Service is called: a host after a client or a host's flag, or before a port."""
    host = _plain(command[index].partition("/")[0])
    if not _WORD.fullmatch(host) or not is_known(host):
        return
    before = command[index - 1] if index else ""
    after = command[index + 1] if index + 1 < len(command) else ""
    if _NUMBER.fullmatch(after) and _port(after):
        yield Mention(host, int(after), sure=False)
    elif after_client or _takes_a_host(before):
        yield Mention(host, sure=False)


def _flagged(flag: str, value: str, is_known: Known) -> Iterator[Mention]:
    if _takes_a_host(flag):
        for part in re.split(r"[,;]", value):
            host = _plain(part)
            if _WORD.fullmatch(part) and (is_known(host) or _is_full_name(host)):
                yield Mention(host, sure=not is_known(host))


def _takes_a_host(flag: str) -> bool:
    return flag in {"-h", "-H"} or (flag.startswith(("--", "-D")) and "=" not in flag and _expects_host(flag[2:]))


def _expects_host(key: str) -> bool:
    words = _key_words(key)
    return not _denies(words) and _expects(words)


def _expects(words: Sequence[str]) -> bool:
    return _EXPECTS.search("_".join(words)) is not None


def injected(text: str, variables: Mapping[str, str]) -> Iterator[str]:
    """The Services whose variables a text uses; `variables` are the Services by the begin of their variables' names."""
    for match in _INJECTED.finditer(text):
        if match[1] in variables:
            yield variables[match[1]]


def variable_of(service: str) -> str:
    """How the names of a Service's variables begin."""
    return service.upper().replace("-", "_")


def _anywhere(text: str) -> Iterator[Mention]:
    """What is a host wherever it stands."""
    for match in _URL.finditer(text) if "//" in text else ():
        for part in match[1].split(","):
            found = _AUTHORITY.match(part.rpartition("@")[2])
            # A list of members names each before its URL: `a=http://a:1,b=http://b:1`.
            if found and _is_host(found[1]) and not {"$", "="} & set(part):
                yield Mention(_plain(found[1]), _port(found[2]))
    for match in _PAIR.finditer(text) if ":" in text else ():
        if _is_host(match[1]):
            yield Mention(_plain(match[1]), _port(match[2]), sure="." in match[1].strip("."))
    for match in _SERVICE_NAME.finditer(text) if ".svc" in text else ():
        yield Mention(_plain(match[1]))
    for match in _DEV_TCP.finditer(text) if "/dev/" in text else ():
        yield Mention(_plain(match[1]), _port(match[2]))
    yield from _in_special_forms(text)


def _in_special_forms(text: str) -> Iterator[Mention]:
    for match in _SIX.finditer(text) if "[" in text else ():
        if address(match[1]):
            yield Mention(address(match[1]), _port(match[2]))
    for match in _RESOLVED.finditer(text) if ":/" in text else ():
        if _is_host(match[1]):
            yield Mention(_plain(match[1]), _port(match[2]))


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _port(said: str | None) -> int | None:
    return int(said) if said and 0 < int(said) < 65536 else None


def _is_host(host: str) -> bool:
    """Whether a text isn't a number, a time or half of an address."""
    return not host.replace(".", "").isdigit() or _is_address(host)


def _is_address(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts)


@lru_cache(maxsize=4096)
def address(host: str) -> str:
    """An address of IPv6 in its shortest form, so that each way to write it is one; empty for what is none."""
    try:
        return str(ipaddress.IPv6Address(host)) if ":" in host else ""
    except ValueError:
        return ""


def _is_word(host: str) -> bool:
    """Whether a bare word may be a host's name."""
    return host not in _NO_HOSTS and not host.isdigit() and "_" not in host


_FILE_ENDINGS = {
    *("yaml", "yml", "json", "xml", "conf", "cfg", "ini", "toml", "properties", "sh", "py", "js", "html", "htm", "css"),
    *("txt", "log", "pem", "crt", "key", "sock", "pid", "db", "sql", "jar", "war", "so", "lua", "rb", "ts", "md"),
}


def _is_full_name(host: str) -> bool:
    """Whether a whole value looks like a host with a domain, or an address, and not like a file or a version."""
    if _is_address(host):
        return True
    last = host.rpartition(".")[2]
    return "." in host and last.isalpha() and len(last) > 1 and last not in _FILE_ENDINGS


def _key_words(key: str) -> list[str]:
    """The words of a variable's name: `postgresUser`, `POSTGRES_USER` and `postgres.user` are two."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]


def _denies(words: Sequence[str]) -> bool:
    if not words:
        return False
    if words[-1] == "name" and len(words) > 1 and words[-2] in _NAMES_OF_HOSTS:
        return False
    return (words[-1] in _DENIES and len(words) > 1) or words[-1] in {"name", "user", "username", "password", "type"}
