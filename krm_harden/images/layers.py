"""What an image's layers hold: one merged view of their tars, read as streams.

    read(layers, config) -> Files     path -> Entry, and the texts of passwd, group and the start scripts

The rules are those of the OCI image specification, layer.md, as containerd applies them: `.wh.x` removes x of the
layers below, `.wh..wh..opq` all that they have in a folder, and a path's folders are followed through links. So paths
here are real ones: what a layer puts into /var/run is found in /run. Contents aren't kept, but for the few texts.
"""

from __future__ import annotations

import base64
import binascii
import re
import stat
import struct
import tarfile
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from krm_harden import limits
from krm_harden.errors import InputError
from krm_harden.images.sources.streams import LimitedTarInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LONGEST_PATH = 4096
MOST_LINKS = 40  # what Linux follows before it says ELOOP
MOST_STEPS = 1000
LARGEST_TEXT = 64 * 1024
MOST_TEXT = 32 * 1024 * 1024
MOST_NAMES = 256 * 1024 * 1024  # characters of all paths
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNREADABLE = (
    tarfile.TarError,
    ValueError,
    ArithmeticError,
    LookupError,
    EOFError,
    RecursionError,
)  # what tarfile raises for hostile tars

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
AUFS = ".wh..wh."  # bookkeeping of a file system that is gone

# linux/capability.h, by number.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
CAPABILITY_SIZES = {1: 12, 2: 20, 3: 24}  # revision of vfs_cap_data -> bytes

ACCOUNTS = ("/etc/passwd", "/etc/group")
SHELL_SCRIPT = re.compile(rb"#![^\n]*(sh|execlineb|with-contenv)\b")
SCRIPT_NAMES = (".sh", ".envsh", ".bash")
WORD = re.compile(r"[^\s'\"`;|&()<>{}=$*?]+")
SYSTEM_PROGRAMS = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")


class LayerFile(Protocol):
    """What is needed of a layer: its tar, uncompressed."""

    def open(self) -> IO[bytes]: ...


class Capabilities(NamedTuple):
    """A file's capabilities. Where `effective`, the kernel refuses to start it without all of `permitted`."""

    permitted: tuple[str, ...]
    inheritable: tuple[str, ...]
    effective: bool


class Entry(NamedTuple):
    """One path. `kind` is file, folder, link, device or pipe; `target` is a link's."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    capabilities: Capabilities | None = None
    target: str = ""

    @property
    def setuid(self) -> bool:
        return self.kind == "file" and bool(self.mode & stat.S_ISUID)


class Settings(NamedTuple):
    """What an image's configuration says about its start. `ports` are written as 80/tcp."""

    user: str = ""
    working_dir: str = "/"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = MappingProxyType({})
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        return self.entrypoint + self.cmd


def settings(config: Mapping[str, Any]) -> Settings:
    """An image's configuration (OCI image-spec, config.md), without what isn't of the type that it should be."""
    inner = config.get("config")
    if not isinstance(inner, dict):
        return Settings()
    user, folder = inner.get("User"), inner.get("WorkingDir")
    pairs = (line.partition("=") for line in _strings(inner.get("Env")))
    return Settings(
        user=user.strip() if isinstance(user, str) else "",
        working_dir=folder if isinstance(folder, str) and folder.startswith("/") else "/",
        entrypoint=_strings(inner.get("Entrypoint")),
        cmd=_strings(inner.get("Cmd")),
        env={name: value for name, _, value in pairs},
        ports=tuple(sorted(_strings(inner.get("ExposedPorts")))),
        volumes=tuple(sorted(_strings(inner.get("Volumes")))),
    )


def _strings(value: object) -> tuple[str, ...]:
    """A list's strings, or a mapping's keys; a single string is a list of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, dict)) else ()


@dataclass(frozen=True)
class Files:
    """The merged view. Keys are absolute real paths; the root itself is "/"."""

    entries: Mapping[str, Entry]
    texts: Mapping[str, str]
    filled: frozenset[str]  # folders with something other than folders in them, at any depth

    def real(self, path: str) -> str:
        """The path with its links followed, as far as the image goes; "" for a loop."""
        waiting = _parts(path)[::-1]
        found: list[str] = []
        links = steps = 0
        while waiting:
            steps += 1
            part = waiting.pop()
            if part == "..":
                found = found[:-1]
                continue
            entry = self.entries.get("/" + "/".join([*found, part]))
            if entry is None or entry.kind != "link":
                found.append(part)
                continue
            links += 1
            if links > MOST_LINKS or steps > MOST_STEPS:
                return ""
            if entry.target.startswith("/"):
                found = []
            waiting += _parts(entry.target)[::-1]
        return "/" + "/".join(found)

    def entry(self, path: str) -> Entry | None:
        """What a path names, links followed."""
        return self.entries.get(self.real(path))

    def has_files(self, folder: str) -> bool:
        return self.real(folder) in self.filled

    def program(self, word: str, start: Settings) -> str:
        """The real path of the program that a word of a command runs, or ""."""
        folders = start.env.get("PATH", USUAL_PATH).split(":") if "/" not in word else [""]
        for folder in folders:
            path = f"{folder}/{word}" if folder else _absolute(word, start)
            real = self.real(path)
            entry = self.entries.get(real)
            if entry and entry.kind == "file" and entry.mode & 0o111:
                return real
        return ""


def _absolute(word: str, start: Settings) -> str:
    return word if word.startswith("/") else f"{start.working_dir}/{word}"


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def read(layers: Iterable[LayerFile], config: Mapping[str, Any]) -> Files:
    """The merged view of an image's layers, the lowest first.

    Raises InputError for what isn't a tar, and for more than any image needs.
    """
    start = settings(config)
    named = frozenset(word.rpartition("/")[2] for word in start.command)
    tree = _Tree()
    for layer in layers:
        stream = layer.open()
        try:
            _apply(tree, stream, named)
            while stream.read(1 << 20):  # a layer is verified when it was read to its end
                pass
        except UNREADABLE as error:
            raise InputError(
                f"a layer isn't a tar that can be read: {error}", next_step="pull the image again"
            ) from error
        finally:
            stream.close()
    entries = dict(tree.entries())
    files = Files(entries, dict(tree.texts()), frozenset(_filled(entries)))
    return Files(entries, _reached(files, start), files.filled)


def _filled(entries: Mapping[str, Entry]) -> set[str]:
    filled: set[str] = set()
    for path, entry in entries.items():
        if entry.kind != "folder":
            folder = path.rpartition("/")[0]
            while folder and folder not in filled:
                filled.add(folder)
                folder = folder.rpartition("/")[0]
    return filled | ({"/"} if filled else set())


class _Node:
    """A path on the way: `layer` is the number of the layer that last wrote it."""

    __slots__ = ("children", "entry", "layer", "parent", "path", "text")

    def __init__(self, path: str, entry: Entry, layer: int, parent: _Node | None) -> None:
        self.path = path
        self.entry = entry
        self.layer = layer
        self.parent = parent
        self.children: dict[str, _Node] = {}
        self.text: bytes | None = None


class _Tree:
    """The file system while layers are put on it."""

    def __init__(self) -> None:
        self.root = _Node("", Entry("folder", 0o755, 0, 0), 0, None)
        self.layer = 0
        self.met = 0
        self.made = 0
        self.most = limits.now()["layerEntries"]
        self.names = 0
        self.kept = 0

    def meet(self) -> None:
        """Count an entry of a layer, also one that leaves nothing behind: a bomb of them takes time, and no bytes."""
        self.met += 1
        if self.met > self.most:
            said = f"the image has more than {self.most} files, as its layers list them"
            raise limits.exceeded("layerEntries", said)

    def put(self, folder: _Node, name: str, entry: Entry) -> _Node:
        """A path as this layer has it. Only a folder over a folder keeps what is in it."""
        old = folder.children.get(name)
        if old and old.entry.kind == entry.kind == "folder":
            old.entry, old.layer = entry, self.layer
            return old
        self.made += 1
        self.names += len(folder.path) + len(name)
        if self.made > self.most or self.names > MOST_NAMES:
            said = f"the image has more than {self.most} files, or more than {MOST_NAMES} characters of paths"
            raise limits.exceeded("layerEntries", said)
        node = folder.children[name] = _Node(f"{folder.path}/{name}", entry, self.layer, folder)
        return node

    def folder(self, parts: Sequence[str]) -> _Node:
        """The real folder of a path: links are followed, what is missing is made."""
        waiting = list(parts)[::-1]
        node, links, steps = self.root, 0, 0
        while waiting:
            steps += 1
            part = waiting.pop()
            if part == "..":
                node = node.parent or self.root
                continue
            child = node.children.get(part)
            if child and child.entry.kind == "link":
                links += 1
                if links > MOST_LINKS or steps > MOST_STEPS:
                    raise InputError(f"a layer's links run in a circle at {child.path}")
                node = self.root if child.entry.target.startswith("/") else node
                waiting += _parts(child.entry.target)[::-1]
            elif child and child.entry.kind == "folder":
                node = child
                node.layer = self.layer  # a layer that has something in a folder has the folder
            else:
                node = self.put(node, part, Entry("folder", 0o755, 0, 0))
        return node

    def remove(self, folder: _Node, name: str) -> None:
        """What the layers below have at a path."""
        node = folder.children.get(name)
        if node and node.layer == self.layer:
            self.clear(node)
        elif node:
            del folder.children[name]

    def clear(self, folder: _Node) -> None:
        """What the layers below have in a folder, at any depth."""
        waiting = [folder]
        while waiting:
            node = waiting.pop()
            node.children = {name: child for name, child in node.children.items() if child.layer == self.layer}
            waiting += node.children.values()

    def nodes(self) -> Iterator[_Node]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.children.values()

    def entries(self) -> Iterator[tuple[str, Entry]]:
        return ((node.path or "/", node.entry) for node in self.nodes())

    def texts(self) -> Iterator[tuple[str, str]]:
        return ((node.path, node.text.decode(errors="replace")) for node in self.nodes() if node.text is not None)


def _apply(tree: _Tree, stream: IO[bytes], named: frozenset[str]) -> None:
    tree.layer += 1
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=LimitedTarInfo, errors="surrogateescape") as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            _apply_member(tree, archive, member, named)


def _apply_member(tree: _Tree, archive: tarfile.TarFile, member: tarfile.TarInfo, named: frozenset[str]) -> None:
    tree.meet()
    parts = _parts(member.name)
    if len(member.name) > LONGEST_PATH or len(member.linkname) > LONGEST_PATH:
        raise InputError(f"a layer holds a path of more than {LONGEST_PATH} characters")
    if ".." in parts:
        raise InputError(f"a layer holds a path that leads out of it: {member.name[:200]!r}")
    if not parts:
        tree.root.entry = _entry(member)
        return
    folder, name = tree.folder(parts[:-1]), parts[-1]
    if name == OPAQUE:
        tree.clear(folder)
    elif name.startswith(AUFS):
        return
    elif name.startswith(WHITEOUT):
        tree.remove(folder, name[len(WHITEOUT) :])
    elif member.islnk():
        _link(tree, folder, name, member)
    else:
        node = tree.put(folder, name, _entry(member))
        node.text = _text(tree, archive, member, node, named)


def _link(tree: _Tree, folder: _Node, name: str, member: tarfile.TarInfo) -> None:
    """A hard link is the file that it names: the same metadata, the same text."""
    parts = _parts(member.linkname)
    if not parts or ".." in parts:
        raise InputError(f"a layer holds a hard link that leads out of it: {member.linkname[:200]!r}")
    source = tree.folder(parts[:-1]).children.get(parts[-1])
    if source is None or source.entry.kind == "folder":
        raise InputError(f"a layer holds a hard link to what isn't there: {member.linkname[:200]!r}")
    node = tree.put(folder, name, source.entry)
    node.text = source.text


def _entry(member: tarfile.TarInfo) -> Entry:
    kind = (
        "folder"
        if member.isdir()
        else "link"
        if member.issym()
        else "device"
        if member.isdev() and not member.isfifo()
        else "pipe"
        if member.isfifo()
        else "file"
    )
    return Entry(
        kind,
        stat.S_IMODE(member.mode),
        member.uid,
        member.gid,
        member.size if kind == "file" else 0,
        _capabilities(member.pax_headers) if kind == "file" else None,
        member.linkname if kind == "link" else "",
    )


def _capabilities(headers: Mapping[str, str]) -> Capabilities | None:
    """The attribute security.capability, as Go, GNU tar and star write it (raw) or as libarchive does (base64)."""
    raw = headers.get("SCHILY.xattr.security.capability")
    if raw is not None:
        return decode_capabilities(raw.encode("utf-8", "surrogateescape"))
    coded = headers.get("LIBARCHIVE.xattr.security.capability")
    if coded is None:
        return None
    try:
        return decode_capabilities(base64.b64decode(coded + "=" * (-len(coded) % 4)))
    except (binascii.Error, ValueError):
        return None


def decode_capabilities(data: bytes) -> Capabilities | None:
    """A vfs_cap_data of linux/capability.h, revisions 1 to 3; None for what isn't one, or grants nothing."""
    if len(data) < 12:
        return None
    magic, *numbers = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
    revision = magic >> 24
    if len(data) != CAPABILITY_SIZES.get(revision):
        return None
    pairs = [numbers[:2]] if revision == 1 else [numbers[:2], numbers[2:4]]
    permitted, inheritable = (
        _names(sum(pair[which] << 32 * index for index, pair in enumerate(pairs))) for which in (0, 1)
    )
    return Capabilities(permitted, inheritable, bool(magic & 1)) if permitted or inheritable else None


def _names(bits: int) -> tuple[str, ...]:
    return tuple(
        CAPABILITIES[number] if number < len(CAPABILITIES) else f"CAP_{number}"
        for number in range(64)
        if bits >> number & 1
    )


def _text(
    tree: _Tree, archive: tarfile.TarFile, member: tarfile.TarInfo, node: _Node, named: frozenset[str]
) -> bytes | None:
    """The text of a file that may turn out to be needed: which programs are run is known only after the last layer."""
    if not member.isreg() or member.size > LARGEST_TEXT or tree.kept + member.size > MOST_TEXT:
        return None
    name = node.path.rpartition("/")[2]
    sure = node.path in ACCOUNTS or name in named or name.endswith(SCRIPT_NAMES)
    if not (sure or member.mode & 0o111):
        return None
    file = archive.extractfile(member)
    data = file.read() if file else b""
    if not (node.path in ACCOUNTS or SHELL_SCRIPT.match(data) or name.endswith(SCRIPT_NAMES)):
        return None
    tree.kept += len(data)
    return data


def _reached(files: Files, start: Settings) -> dict[str, str]:
    """The texts that matter, in the order of the start: accounts, the command's scripts, and those that they run."""
    found = {path: files.texts[path] for path in ACCOUNTS if path in files.texts}
    scripts = list(dict.fromkeys(path for word in words(start.command) for path in _scripts(files, start, word)))
    below = (
        path
        for script in scripts
        for word in WORD.findall(without_comments(files.texts[script]))
        for path in _scripts(files, start, word)
        if "/" in word or not path.startswith(SYSTEM_PROGRAMS)
    )
    return {**found, **{path: files.texts[path] for path in dict.fromkeys([*scripts, *below])}}


def words(command: Sequence[str]) -> list[str]:
    """The words of a command, and of what a shell's -c holds."""
    return [part for word in command for part in (WORD.findall(word) if " " in word else [word])]


def without_comments(text: str) -> str:
    return re.sub(r"(?m)^[ \t]*#.*$", "", text)


def _scripts(files: Files, start: Settings, word: str) -> Iterator[str]:
    """The scripts that a word names: one, or all of a folder such as /docker-entrypoint.d/."""
    path = files.program(word, start) or (files.real(word) if word.startswith("/") else "")
    if path in files.texts and path not in ACCOUNTS:
        yield path
    elif path and path.endswith(".d") and path in files.filled:
        yield from sorted(other for other in files.texts if other.rpartition("/")[0] == path)
