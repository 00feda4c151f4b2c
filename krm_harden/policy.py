"""What a team has decided: HardeningPolicy to Settings, one per resource.

A Policy is made from data that `schema` has validated. `Settings` is what holds for one resource, after the rules that
match it. Below a ceiling (`ceilings`) a policy may only tighten.
"""

from __future__ import annotations

from krm_harden.controls import TOKEN, Checks, active, load, named
from krm_harden.errors import ConfigError, Problem
from krm_harden.exemptions import glob, matches, of_policy
from krm_harden.images.facts import NOTHING, of_entry
from krm_harden.images.names import canonical, parse
from krm_harden.model import (
    API_VERSIONS,
    KIND,
    LATEST,
    LEVELS,
    POD_SECURITY_POLICY,
    RELEASES,
    LevelVersion,
    mapping,
    parse_version,
    sequence,
)
from krm_harden.workloads import Shape, created_pods, pods, shapes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.controls import Check, Control
    from krm_harden.exemptions import Exemption
    from krm_harden.images.facts import ImageFacts
    from krm_harden.images.lock import Lock
    from krm_harden.model import Facts, Pod, Pointer, Resource
    from krm_harden.psp.demands import Among, ForAll
    from krm_harden.source import Document

HOW_FAR = (
    "level",
    "version",
    "changes",
    "explicit",
    "onViolation",
    "immutable",
    "unknownUser",
    "exemptionAnnotations",
    "podSecurityPolicy",
)
DEFAULTS = {
    "level": "restricted",
    "version": "latest",
    "changes": "complete",
    "explicit": "respect",
    "onViolation": "Fail",
    "immutable": "fix",
    "unknownUser": "uid",
    "exemptionAnnotations": "ignore",
}


IMPLIED = ("level",)
"""What a PodSecurityPolicy in the place of a HardeningPolicy says without a word: that no level is to be reached."""


class Stated:
    """An entry of `images`: what somebody states of the images that a glob matches."""

    __slots__ = ("facts", "match")

    def __init__(self, entry: Mapping[str, Any], evidence: str) -> None:
        self.match: str = entry["match"]
        self.facts = of_entry(entry, evidence)

    def is_about(self, image: str) -> bool:
        return glob([self.match], image) or glob([self.match, canonical(self.match)], canonical(image))


def _narrowest(images: Sequence[Stated], image: str) -> ImageFacts:
    found = [stated for stated in images if stated.is_about(image)]
    best = max(found, key=lambda stated: len(stated.match.replace("*", "")), default=None)
    return best.facts if best else NOTHING


def _specificity(match: Mapping[str, Any]) -> tuple[int, int]:
    """How narrow a match is: fields that it names, then characters that aren't wildcards."""
    words = [word for values in match.values() for word in values]
    return len(match), sum(len(word.replace("*", "")) for word in words)


class Settings:
    """What holds for one resource. `asked` is the level to reach, at a version of the standard.

    `output` is the release whose output is written: what a later one brought stays off.
    """

    __slots__ = (
        "_checks",
        "_enabled",
        "_judging",
        "asked",
        "changes",
        "controls",
        "exemption_annotations",
        "exemptions",
        "explicit_mode",
        "immutable",
        "namespaces",
        "on_violation",
        "output",
        "platform",
        "pod_security",
        "policy",
        "unknown_user",
    )

    def __init__(self, policy: Policy, spec: Mapping[str, Any]) -> None:
        self.asked = LevelVersion(spec["level"], spec["version"], policy.server)
        self.changes: str = spec["changes"]
        self.explicit_mode: str = spec["explicit"]
        self.on_violation: str = spec["onViolation"]
        self.immutable: str = spec["immutable"]
        self.exemption_annotations: bool = spec["exemptionAnnotations"] == "allow"
        self.controls: Mapping[str, Mapping[str, Any]] = spec["controls"]
        self.unknown_user: str = spec["unknownUser"]
        self.policy = policy
        self.exemptions = policy.exemptions
        self.namespaces = policy.namespaces
        self.platform = policy.platform
        self.output = policy.output
        stated = spec.get("podSecurityPolicy")
        self.pod_security: tuple[ForAll | Among, ...] = policy.pod_security
        """The PodSecurityPolicies that hold, each of which has to admit the pods."""
        if stated is not None:
            self.pod_security = (policy.demand(stated), *policy.pod_security)
        self._enabled: tuple[Control, ...] | None = None
        self._checks: dict[str, tuple[Control, Check]] | None = None
        self._judging: Checks | None = None

    def enabled_controls(self) -> tuple[Control, ...]:
        """The controls that are on, in the order of the standard's messages."""
        if self._enabled is None:
            known = [made for made in load().values() if made.since <= self.output]
            self._enabled = tuple(made for made in known if self.enabled(made.id, made.level, opt_in=made.opt_in))
        return self._enabled

    def checks(self) -> Mapping[str, tuple[Control, Check]]:
        """The controls that are on and have a check at this version, by id, in the order of the standard's messages.

        Without those that another takes the place of.
        """
        if self._checks is None:
            found = active(self.enabled_controls(), self.asked.version)
            self._checks = {control.id: (control, check) for control, check in found}
        return self._checks

    def judging(self) -> Checks:
        """The same, as pods are judged by them."""
        if self._judging is None:
            self._judging = Checks(self.checks().values())
        return self._judging

    def control(self, name: str) -> Mapping[str, Any]:
        return self.controls.get(name, {})

    def enabled(self, name: str, level: str, *, opt_in: bool = False) -> bool:
        """Whether a control of a level is on: by its own switch, else because that level is to be reached."""
        wanted = not opt_in and LEVELS.index(level) <= LEVELS.index(self.asked.level)
        return bool(self.control(name).get("enabled", wanted))

    def overrides(self, name: str) -> bool:
        """Whether weaker values that the author wrote are replaced."""
        return bool(self.control(name).get("explicit", self.explicit_mode) == "override")

    def required(self, name: str) -> bool:
        return bool(self.control(name).get("required", False))


class Layer:
    """One of the policies that a policy is made of, in its own words.

    `where` is its file, `name` what reports call it, `document` its text where it is at hand; `profile` names the
    profile where it is one. `is_manifest`: it is a PodSecurityPolicy, which by being one says IMPLIED.
    """

    __slots__ = ("document", "is_manifest", "name", "profile", "spec", "where")

    def __init__(
        self,
        spec: Mapping[str, Any],
        where: str,
        name: str,
        document: Document | None = None,
        profile: str = "",
        *,
        is_manifest: bool = False,
    ) -> None:
        self.is_manifest = is_manifest
        self.spec = spec
        self.where = where
        self.name = name
        self.document = document
        self.profile = profile

    def without_implied(self) -> Layer:
        """The same with nothing but its own words."""
        spec = {field: value for field, value in self.spec.items() if field not in IMPLIED}
        return Layer(spec, self.where, self.name, self.document, self.profile, is_manifest=True)


def in_own_words(layers: Sequence[Layer]) -> Sequence[Layer]:
    """The layers of a policy; a PodSecurityPolicy that isn't alone says nothing but its own words."""
    if all(layer.is_manifest for layer in layers):
        return layers
    return [layer.without_implied() if layer.is_manifest else layer for layer in layers]


class Policy:
    """A validated policy, and what image locks and PodSecurityPolicies among the manifests add to it.

    `name` is what reports call it; the first `images_above` of its images are a ceiling's. `layers` are what it is made
    of, the profile first; later words win over earlier ones. `pod_security` are PodSecurityPolicies that hold beside
    the one that it may state; `notes` is what to tell its users, each with its severity.
    """

    __slots__ = (
        "_cache",
        "_found",
        "_stated",
        "exemptions",
        "images",
        "images_above",
        "kinds",
        "layers",
        "locks",
        "name",
        "namespaces",
        "notes",
        "output",
        "platform",
        "pod_security",
        "rules",
        "server",
        "spec",
    )

    def __init__(
        self,
        spec: Mapping[str, Any],
        name: str = "default",
        images_above: int = 0,
        locks: Sequence[Lock] = (),
        layers: Sequence[Layer] = (),
        pod_security: Iterable[ForAll | Among] = (),
        notes: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.pod_security = tuple(pod_security)
        self.notes = tuple(notes)
        target = mapping(spec.get("target"))
        server = parse_version("v" + str(target.get("kubernetes", "")).removeprefix("v"))
        self.name = name
        self.spec = spec
        self.server = min(server or LATEST, LATEST)
        self.platform: str = target.get("platform", "kubernetes")
        self.output = release(self.compatibility)
        self.images = tuple(
            Stated(entry, entry.get("evidence") or f"{name}: images[{index}] {entry['match']}")
            for index, entry in enumerate(sequence(spec.get("images")))
        )
        self.images_above = images_above
        self.locks = tuple(locks)
        self.layers = tuple(layers)
        self._stated: dict[str, ImageFacts] = {}
        self._found: dict[str, ImageFacts] = {}
        self.rules = sorted(sequence(spec.get("rules")), key=lambda rule: _specificity(rule["match"]))
        self.exemptions = tuple(of_policy(sequence(spec.get("exemptions")), today()))
        self.namespaces = mapping(spec.get("namespaces"))
        self.kinds = {
            (entry["group"], entry["kind"]): tuple(Shape(path.strip("/")) for path in entry["podSpecs"])
            for entry in reversed(sequence(spec.get("kinds")))
        }
        self._cache: dict[tuple[int, ...], Settings] = {}

    @property
    def level(self) -> str:
        return str(self.spec.get("level", DEFAULTS["level"]))

    @property
    def version(self) -> str:
        """The version of the standard as written."""
        return str(self.spec.get("version", DEFAULTS["version"]))

    @property
    def compatibility(self) -> str:
        """The release whose output is kept, as written."""
        return str(self.spec.get("compatibility", RELEASES[-1]))

    @property
    def asks_items(self) -> bool:
        """Whether PodSecurityPolicies among the manifests hold."""
        return bool(self.spec.get("podSecurityPolicies") == "items")

    @property
    def limits(self) -> Mapping[str, int]:
        """What it says of the limits on input."""
        return mapping(self.spec.get("limits"))

    @property
    def validator(self) -> bool:
        """Whether the function only judges."""
        return bool(self.spec.get("validator", False))

    @property
    def asks_access(self) -> bool:
        """Whether it must be known what the whole input shows of the use of the API."""
        layers = (self.spec, *self.rules)
        return any(mapping(mapping(layer.get("controls")).get(TOKEN)).get("enabled") for layer in layers)

    @property
    def asks_whole_input(self) -> bool:
        """Whether something in the input may be decided only by the facts of all of it."""
        return self.namespaces.get("enforce") == "auto" or self.asks_access

    def settings_for(self, resource: Resource) -> Settings:
        """What holds for a resource: the policy, then each rule that matches it, the narrowest last."""
        rules = self.rules
        key = tuple([index for index, rule in enumerate(rules) if matches(rule["match"], resource)]) if rules else ()
        known = self._cache.get(key)
        if known is None:
            known = self._cache[key] = Settings(self, self.effective([rules[index] for index in key]))
        return known

    def effective(self, rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The settings of the policy after some of its rules, defaults included, controls by their own names."""
        merged: dict[str, Any] = {**DEFAULTS, "controls": {}}
        for layer in (self.spec, *rules):
            merged.update((field, layer[field]) for field in HOW_FAR if field in layer)
            for name, settings in mapping(layer.get("controls")).items():
                for control in named(name):
                    known = merged["controls"].get(control, {})
                    merged["controls"] = merged["controls"] | {control: {**known, **settings}}
        return merged

    def pods_of(self, resource: Resource) -> tuple[Pod, ...]:
        """The pods of a resource as the target's server judges them."""
        return tuple(pods(resource, shapes_of(resource, self.kinds), self.server))

    def created_pods_of(self, resource: Resource) -> tuple[Pod, ...]:
        """The pods that come of a resource, as the target's server judges each of them when it is made."""
        return tuple(created_pods(resource, shapes_of(resource, self.kinds), self.server))

    def unused(self, facts: Facts) -> Iterator[str]:
        """One line for each exemption that exempted nothing in the whole input."""
        for exemption in self.exemptions:
            if exemption.where not in facts.used and not exemption.is_for_scans:
                yield self.is_unused(exemption)

    def is_unused(self, exemption: Exemption) -> str:
        """The line about an exemption that exempted nothing."""
        # Where there are several policies, it says itself which one it is of.
        where = exemption.where if ": " in exemption.where else f"{self.name}: {exemption.where}"
        return f"{where} exempts from nothing that is here: {exemption.reason}"

    def with_changes(self, changes: Mapping[str, Any], name: str = "") -> Policy:
        """The policy with some fields of its spec replaced."""
        spec = {**self.spec, **changes}
        more = (self.locks, self.layers, self.pod_security, self.notes)
        return Policy(spec, name or self.name, self.images_above, *more)

    def with_locks(self, locks: Iterable[Lock]) -> Policy:
        """The policy with further image locks; what an earlier one says of an image stays."""
        more = (self.layers, self.pod_security, self.notes)
        return Policy(self.spec, self.name, self.images_above, [*self.locks, *locks], *more)

    def with_pod_security(self, found: ForAll | Among) -> Policy:
        """The policy with PodSecurityPolicies that hold beside what it states."""
        more = ((*self.pod_security, found), self.notes)
        return Policy(self.spec, self.name, self.images_above, self.locks, self.layers, *more)

    def with_note(self, severity: str, note: str) -> Policy:
        """The policy with something more to tell its users."""
        more = (self.pod_security, (*self.notes, (severity, note)))
        return Policy(self.spec, self.name, self.images_above, self.locks, self.layers, *more)

    def demand(self, stated: Mapping[str, Any], *, below: bool = False) -> ForAll:
        """What a `podSecurityPolicy` of its spec asks for."""
        from krm_harden.psp.demands import of_stated

        return of_stated(stated, self.name, below=below)

    def stated(self, image: str) -> ImageFacts:
        """What the policy states of an image: its narrowest entry that matches, the first of equals.

        What an entry of the ceiling says stays, however narrow those below it are: they only add to it.
        """
        if not self.images:
            return NOTHING
        if image not in self._stated:
            above = _narrowest(self.images[: self.images_above], image)
            below = _narrowest(self.images[self.images_above :], image)
            self._stated[image] = above.over(below, any_group=self.output < (0, 2))
        return self._stated[image]

    def found(self, image: str) -> ImageFacts:
        """What image locks and the catalogue know of an image, the locks first."""
        known = self._found.get(image)
        if known is None:
            from krm_harden.images.known import of_catalogue

            reference = parse(image)
            known = NOTHING
            for lock in self.locks:
                known = known.over(lock.facts(reference))
            known = known.over(of_catalogue(reference), unite=True)
            if len(self._found) < _MEMORY:
                self._found[image] = known
        return known


_MEMORY = 4096
"""The same few images in one workload after the other."""


def release(text: str) -> tuple[int, int]:
    """A release as numbers: `0.2` is (0, 2)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def today() -> str:
    """The date of this run, as `2027-06-30`."""
    return now("%Y-%m-%d")


def now(form: str) -> str:
    """SOURCE_DATE_EPOCH, where that is a time before the year 5138, else the clock, in UTC; years have four digits."""
    import os
    import time

    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    is_known = epoch.isascii() and epoch.isdigit() and len(epoch) <= _DIGITS
    return time.strftime(form, time.gmtime(int(epoch) if is_known else None))


_DIGITS = 11
"""Of a time before the year 5138."""


NO_MAPPING = "a policy must be a mapping"


def from_data(data: Any, where: str, document: Document | None = None) -> Policy:
    """The policy in a HardeningPolicy, a PodSecurityPolicy, a flat ConfigMap, or nothing at all.

    `document` is its text where it is at hand. Raises ConfigError with every problem's path.
    """
    if data is None:
        return Policy({})
    if not isinstance(data, dict):
        raise ConfigError(NO_MAPPING, where, problems=[Problem((), NO_MAPPING)])
    kind = data.get("kind")
    name = str(mapping(data.get("metadata")).get("name") or where)
    if kind == "ConfigMap":
        from krm_harden.flat import spec_of

        spec, problems = spec_of(data)
    elif kind == KIND:
        spec = {} if data.get("spec") is None else data["spec"]
        problems = list(_envelope_problems(data))
    elif kind == POD_SECURITY_POLICY:
        from krm_harden.psp.stated import as_policy

        return as_policy(data, where, document)
    else:
        from krm_harden import schema

        hint = schema.did_you_mean(kind, [KIND, "ConfigMap", POD_SECURITY_POLICY])
        said = f"kind must be {KIND} or ConfigMap, not {kind!r}{hint}"
        raise ConfigError(said, where, problems=[Problem(("kind",), said)])
    _reject((*problems, *_spec_problems(spec)), where)
    if "podSecurityPolicy" in spec or "rules" in spec:
        _reject(_stated_problems(spec, where), where)
    layer = Layer(spec, where, name, document)
    if "profile" in spec:
        from krm_harden.merging import combined

        return combined([layer])
    return Policy(spec, name, locks=locks_of(spec, name), layers=[layer])


def locks_of(spec: Mapping[str, Any], name: str) -> list[Lock]:
    """The image lock within a policy's spec, if there is one."""
    if "imageLock" not in spec:
        return []
    from krm_harden.images.lock import Lock

    return [Lock(sequence(spec["imageLock"].get("images")), f"{name}: imageLock")]


def _stated_problems(spec: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What the API would refuse in the PodSecurityPolicies of a spec and its rules."""
    places: list[tuple[Pointer, Mapping[str, Any]]] = [(("spec",), spec)]
    places += [(("spec", "rules", index), rule) for index, rule in enumerate(sequence(spec.get("rules")))]
    for pointer, layer in places:
        if "podSecurityPolicy" in layer:
            from krm_harden.psp.stated import problems

            yield from problems(layer["podSecurityPolicy"], (*pointer, "podSecurityPolicy"), where)


_ENVELOPE = ("apiVersion", "kind", "metadata", "spec")


def _envelope_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data.get("apiVersion") not in API_VERSIONS:
        from krm_harden.versions import unread

        yield Problem(("apiVersion",), unread(data.get("apiVersion")))
    for name in data:
        if name not in _ENVELOPE:
            from krm_harden import schema

            yield schema.unknown((), name, _ENVELOPE)


def _reject(problems: Iterable[Problem], where: str) -> None:
    found = list(problems)
    if found:
        raise ConfigError("; ".join(problem.text for problem in found), where, problems=found)


def _spec_problems(spec: Any) -> Iterator[Problem]:
    """What is wrong with a spec; one that says nothing needs no schema."""
    if spec == {}:
        return
    from krm_harden import schema

    yield from schema.wrong(spec, schema.spec_schema(), ("spec",))
    yield from _kinds_problems(spec)


def _kinds_problems(spec: Any) -> Iterator[Problem]:
    """What is wrong with a Namespace: what makes pods can be left alone as a patch, and loses its labels so."""
    for index, entry in enumerate(sequence(mapping(spec).get("kinds"))):
        if (mapping(entry).get("group"), mapping(entry).get("kind")) == ("", "Namespace"):
            said = f"spec.kinds[{index}].kind must not be Namespace: it makes no pods"
            yield Problem(("spec", "kinds", index, "kind"), said)
