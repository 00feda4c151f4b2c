"""The names of images: a reference as manifests write it, spelled out as a registry knows it."""

from __future__ import annotations

DOCKER_HUB = "docker.io"
ALIASES = {
    "index.docker.io": DOCKER_HUB,
    "registry-1.docker.io": DOCKER_HUB,
    "registry.hub.docker.com": DOCKER_HUB,
    "k8s.gcr.io": "registry.k8s.io",
}
"""Other names of the same registry."""
MIRRORS = (("public.ecr.aws/docker/library/", f"{DOCKER_HUB}/library/"), ("mirror.gcr.io/", f"{DOCKER_HUB}/"))
"""Where images of Docker Hub are, too, under the same tag: the start of their name, and what it stands for."""
_LIBRARY = f"{DOCKER_HUB}/library/"


class Reference:
    """An image as a manifest names it: canonical `repository`, `tag` (empty without one), `digest` (or empty)."""

    __slots__ = ("digest", "repository", "tag")

    def __init__(self, repository: str, tag: str = "", digest: str = "") -> None:
        self.repository = repository
        self.tag = tag
        self.digest = digest

    @property
    def tag_or_latest(self) -> str:
        """The tag that is pulled; empty where only a digest says what is."""
        return self.tag or ("" if self.digest else "latest")

    def __str__(self) -> str:
        tag = f":{self.tag_or_latest}" if self.tag_or_latest else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse(image: str) -> Reference:
    """The parts of an image's name, its registry and library spelled out.

    `nginx` is `docker.io/library/nginx`, without a tag (distribution/reference, `ParseNormalizedNamed`).
    """
    name, _, digest = image.strip().partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return Reference(_repository(f"{head}{slash}{last}"), tag, digest)


def _repository(name: str) -> str:
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = DOCKER_HUB, name
    host = ALIASES.get(host, host)
    if host == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return f"{host}/{path}"


def canonical(image: str) -> str:
    """An image, or a glob of images, with its registry and library spelled out.

    `nginx:1` is `docker.io/library/nginx:1`.
    """
    head, slash, last = image.rpartition("/")
    name = last.partition("@")[0].partition(":")[0]
    return _repository(f"{head}{slash}{name}") + last[len(name) :]


def upstream(repository: str) -> str:
    """The repository that a known mirror serves; the repository itself for all else."""
    for mirror, original in MIRRORS:
        if repository.startswith(mirror):
            return _repository(original + repository[len(mirror) :])
    return repository


def likely_upstream(repository: str) -> str:
    """The public repository that a private mirror's path ends with, or empty.

    `harbor.example/proxy/docker.io/library/nginx` and `registry.example/library/nginx` look like the official nginx.
    """
    parts = repository.split("/")[1:]
    for index, part in enumerate(parts):
        if "." in part and index + 1 < len(parts):
            return _repository("/".join(parts[index:]))
    if len(parts) > 1 and parts[-2] == "library":
        return _LIBRARY + parts[-1]
    return ""
