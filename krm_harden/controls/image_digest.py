"""Images are named by their digest, so that what was looked at is what runs. Only where somebody asks for it.

Beyond the Pod Security Standards. The digest comes from an ImageLock, never from the network: the same input gives the
same output.

**Protects from**: a tag that means another image tomorrow: whoever may push to the repository changes what runs, and no
review, scan or lock has seen it.

**Fields**: `image` of each container.

**Allowed**: an image with a digest; what isn't the name of an image yet, such as `$(IMAGE)` or `ko://...`.

**Before** (with a lock of `krm-harden images resolve`):

    spec:
      containers:
      - name: web
        image: nginx:1.27

**After**:

    spec:
      containers:
      - name: web
        image: nginx:1.27@sha256:6784fb0834aa7dbbe12e3d7471e69c290df3e6ba810dc38b34ae33d3c1c05f7d

**Fix safety**: what is written is the image that the lock describes, and the tag stays for those who read it. An image
that no lock knows, or only from an archive, is reported and left as it is. `images` of a kustomization take a digest's
place with `newTag`: run `krm-harden fix` behind them, as a transformer or on what `kustomize build` prints.

**May break**: a digest that the registry deletes: an old one of a tag that moved, where untagged images are cleaned up.
Then pods stay in `ImagePullBackOff`. Mirrors must serve the digest too. What updates tags must know digests: Renovate
and Flux's image automation do.

**Undo**: delete `@sha256:...`. Under `spec` of the policy, the first keeps it out of one workload, the second out of
all:

    exemptions: [{match: {names: [web]}, controls: [imageDigest], reason: built anew each night}]
    controls: {imageDigest: {enabled: false}}

**Reference**: kubernetes.io/docs/concepts/containers/images, "Image names"; CIS Kubernetes Benchmark 5.5.1.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.exemptions import glob
from krm_harden.images.names import parse
from krm_harden.model import Proposal, Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.images.lock import Lock
    from krm_harden.model import Container, Pod
    from krm_harden.policy import Settings

_TEMPLATES = ("{{", "{%", "${", "$(", "%(", "://")
"""What somebody else fills in later."""
_NEXT = "run `krm-harden images resolve`, and name its lock with --images"


def check(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        image = container.image.strip()
        if image and "@" not in image and not any(mark in image for mark in _TEMPLATES):
            yield Violation((*container.pointer, "image"), container.image, "missing", index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    settings = situation.settings
    image = situation.pod.containers[violation.container].image.strip()
    if image.endswith(":"):
        return Proposal("manual", None, "its tag is empty, which no registry takes: name one")
    lock = _lock_of(settings, image)
    digest = _digest(lock, image) if lock else ""
    if lock is None:
        return Proposal("manual", None, f"it isn't in a lock: {_NEXT}")
    if not digest:
        return Proposal("manual", None, f"{lock.where} knows it from an archive, not by its registry's digest: {_NEXT}")
    pinned = f"{_with_tag(image)}@{digest}"
    other = _no_longer_matching(situation, image, pinned) or _known_otherwise(settings, image, pinned)
    if other:
        return Proposal("manual", None, other)
    return Proposal("evidence", pinned, evidence=lock.where)


def stale(situation: Situation, container: Container) -> tuple[str, str, str] | None:
    """The image as it stands and as a lock now has it, where a tag and another digest than the lock's are written."""
    image = container.image.strip()
    name, _, digest = image.partition("@")
    lock = _lock_of(situation.settings, name) if digest and parse(name).tag else None
    now = _digest(lock, name) if lock else ""
    return (image, f"{name}@{now}", lock.where) if lock and now and now != digest else None


def _lock_of(settings: Settings, image: str) -> Lock | None:
    """The first lock that knows an image by its name."""
    reference = parse(image)
    return next((lock for lock in settings.policy.locks if lock.entry(reference) is not None), None)


def _digest(lock: Lock, image: str) -> str:
    """The digest that a registry knows; empty where the lock has only the id of the image's configuration."""
    entry = lock.entry(parse(image)) or {}
    digest = str(entry.get("digest", ""))
    return "" if digest == entry.get("imageID") else digest


def _with_tag(image: str) -> str:
    """The image with its tag: `latest` belongs to what pulls it each time, and to what is known of it."""
    return image if parse(image).tag else f"{image}:latest"


def _no_longer_matching(situation: Situation, image: str, pinned: str) -> str:
    """Which words of the policy mean the image without a digest alone, or empty: pinned, others would hold for it."""
    stated = situation.settings.policy.images
    patterns = [one.match for one in stated if one.is_about(image) != one.is_about(pinned)]
    for exemption in situation.settings.exemptions:
        globs = exemption.match.get("images")
        if globs is not None and glob(globs, image) != glob(globs, pinned):
            patterns += globs
    return f"the policy's {patterns[0]!r} would mean it no longer: name it {patterns[0]}* there" if patterns else ""


def _known_otherwise(settings: Settings, image: str, pinned: str) -> str:
    """Why a lock would say other things of the pinned image, or empty."""
    for lock in settings.policy.locks:
        if lock.entry(parse(image)) is not lock.entry(parse(pinned)):
            return f"{lock.where} says two things of that digest: {_NEXT}"
    return ""


CONTROL = Control(
    "imageDigest",
    "Images by digest",
    {(1, 0): check},
    propose,
    field=("image",),
    on_windows=True,
    opt_in=True,
    safe=True,
    since=(0, 2),
    stale=stale,
)
