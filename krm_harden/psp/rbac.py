"""Who may use which PodSecurityPolicy: the verb `use` of Roles and ClusterRoles, as bindings hand it out.

Rules are those of Kubernetes 1.24: plugin/pkg/auth/authorizer/rbac (RuleAllows), pkg/registry/rbac/validation
(appliesToUser), pkg/controller/clusterroleaggregation, and for what the API takes at all pkg/apis/rbac/validation.

The admission asks twice: for the pod's service account (`account`), and for whoever creates the pod. It makes up the
account's groups itself, without `system:authenticated`: a binding to that group is for who creates the pod, which for
all but bare Pods is a controller (`authenticated`).
"""

from __future__ import annotations

from krm_harden.errors import InputError
from krm_harden.psp.model import GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    Key: TypeAlias = tuple[str, str, str]
    """An object's kind, namespace and name."""
    Rule: TypeAlias = dict[str, list[str]]
    Requirement: TypeAlias = tuple[str, str, tuple[str, ...]]
    """Of a selector: a label, an operator, values."""

GROUP = "rbac.authorization.k8s.io"
ROLES = ("Role", "ClusterRole")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")
KINDS = (*ROLES, *BINDINGS)
RESOURCE = "podsecuritypolicies"
VERB = "use"
ANY = "*"

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")

SERVICE_ACCOUNT, USER, SUBJECT_GROUP = "ServiceAccount", "User", "Group"
ALL_ACCOUNTS = "system:serviceaccounts"
AUTHENTICATED = "system:authenticated"
_ACCOUNT_USER = "system:serviceaccount:{}:{}"


def account(namespace: str, name: str) -> tuple[str, tuple[str, ...]]:
    """The user and groups as which the admission looks at a pod's own service account."""
    return _ACCOUNT_USER.format(namespace, name), (ALL_ACCOUNTS, f"{ALL_ACCOUNTS}:{namespace}")


def authenticated(namespace: str, name: str) -> tuple[str, tuple[str, ...]]:
    """The user and groups of a service account that sends a request itself, such as a controller's."""
    user, groups = account(namespace, name)
    return user, (*groups, AUTHENTICATED)


class Subject:
    """To whom a binding gives its role."""

    __slots__ = ("kind", "name", "namespace")

    def __init__(self, kind: str, name: str, namespace: str = "") -> None:
        self.kind = kind
        self.name = name
        self.namespace = namespace

    def is_one(self, user: str, groups: Iterable[str]) -> bool:
        if self.kind == SERVICE_ACCOUNT:
            return user == _ACCOUNT_USER.format(self.namespace, self.name)
        return user == self.name if self.kind == USER else self.name in groups

    def __str__(self) -> str:
        return f"{self.kind} {_named(self.namespace, self.name)}"


class Grant:
    """A binding whose role lets its subjects use policies: everywhere, or in its namespace.

    `policies` are the names that the role's rules name, None where a rule names none: that is every policy.
    """

    __slots__ = ("binding", "namespace", "policies", "role", "subjects")

    def __init__(
        self, binding: str, role: str, namespace: str, policies: frozenset[str] | None, subjects: Sequence[Subject]
    ) -> None:
        self.binding = binding
        self.role = role
        self.namespace = namespace
        self.policies = policies
        self.subjects = tuple(subjects)

    def allows(self, namespace: str, policy: str, user: str, groups: Iterable[str]) -> bool:
        if self.namespace and self.namespace != namespace:
            return False
        if self.policies is not None and policy not in self.policies:
            return False
        return any(subject.is_one(user, groups) for subject in self.subjects)

    def __str__(self) -> str:
        return f"{self.binding} -> {self.role}"


class Grants:
    """Every binding that lets somebody use a policy, those of the whole cluster first, then in the order given.

    `absent` are the bindings whose role isn't among the objects, as `RoleBinding web/psp -> Role web/psp`: what they
    hand out isn't known. The API server's own `cluster-admin`, `admin`, `edit` and `view` are never absent.
    """

    __slots__ = ("absent", "all")

    def __init__(self, grants: Iterable[Grant], absent: Iterable[str]) -> None:
        self.all = tuple(grants)
        self.absent = tuple(absent)

    @staticmethod
    def of(objects: Iterable[Mapping[str, Any]], namespace: str = "") -> Grants:
        """Of Roles, ClusterRoles and their bindings; other kinds are passed over.

        `namespace` is for objects that name none. Raises InputError, which names the object and the field, for what
        the API server wouldn't take, for two that differ under one name, and for a binding in no namespace.
        """
        found = _Objects(objects, namespace)
        roles = {key: list(_rules(key, data)) for key, data in found.roles.items()}
        _aggregate(found.roles, roles)
        absent: list[str] = []
        everywhere: list[Grant] = []
        within: list[Grant] = []
        for key, data in found.bindings.items():
            role, subjects = _role_of(key, data), [*_subjects(key, data)]
            if role not in roles:
                absent.append(f"{_shown(key)} -> {_shown(role)}")
                continue
            policies = _policies(roles[role])
            if policies is None or policies:
                if key[0] == "RoleBinding" and not key[1]:
                    raise _wrong(key, "metadata.namespace", "is missing", f"say in which namespace {key[2]} is")
                grant = Grant(_shown(key), _shown(role), key[1], policies, subjects)
                (within if key[1] else everywhere).append(grant)
        return Grants([*everywhere, *within], absent)

    def may_use(self, namespace: str, policy: str, user: str, groups: Iterable[str] = ()) -> str:
        """The first binding and role by which a user may use a policy for a pod in a namespace; empty if none."""
        groups = frozenset(groups)
        return next((str(grant) for grant in self.all if grant.allows(namespace, policy, user, groups)), "")


class _Objects:
    """Roles and bindings by (kind, namespace, name), with what each cluster has by itself."""

    __slots__ = ("bindings", "roles")

    def __init__(self, objects: Iterable[Mapping[str, Any]], namespace: str) -> None:
        self.roles: dict[Key, Mapping[str, Any]] = {}
        self.bindings: dict[Key, Mapping[str, Any]] = {}
        for data in objects:
            kind = data.get("kind")
            if kind not in KINDS or str(data.get("apiVersion")).partition("/")[0] != GROUP:
                continue
            held = self.roles if kind in ROLES else self.bindings
            key = _key(kind, data, namespace)
            if key in held and _meaning(held[key]) != _meaning(data):
                raise InputError(f"{_shown(key)} stands twice, and differently", next_step="keep the one that counts")
            held.setdefault(key, data)
        for data in _BOOTSTRAP:
            key = data["kind"], "", data["metadata"]["name"]
            (self.roles if key[0] in ROLES else self.bindings).setdefault(key, data)


def _aggregating(name: str, selects: str, label: str = "") -> Mapping[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if label:
        metadata["labels"] = {f"{GROUP}/aggregate-to-{label}": "true"}
    selector = {"matchLabels": {f"{GROUP}/aggregate-to-{selects}": "true"}}
    return {"kind": "ClusterRole", "metadata": metadata, "aggregationRule": {"clusterRoleSelectors": [selector]}}


_BOOTSTRAP: tuple[Mapping[str, Any], ...] = (
    {
        "kind": "ClusterRole",
        "metadata": {"name": "cluster-admin"},
        "rules": [{"apiGroups": [ANY], "resources": [ANY], "verbs": [ANY]}],
    },
    _aggregating("admin", "admin"),
    _aggregating("edit", "edit", "admin"),
    _aggregating("view", "view", "edit"),
    {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "cluster-admin"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": SUBJECT_GROUP, "name": "system:masters"}],
    },
)
"""What of the API server's own roles and bindings can have to do with policies (rbac/bootstrappolicy/policy.go)."""


def _meaning(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of an object decides on grants: a live copy beside its manifest is no contradiction."""
    labels = data["metadata"].get("labels") if "aggregationRule" not in data else None
    return data.get("rules") or [], data.get("roleRef"), data.get("subjects") or [], data.get("aggregationRule"), labels


def _policies(rules: Iterable[Rule]) -> frozenset[str] | None:
    """The policies that rules let use: names, None for all of them."""
    found: set[str] = set()
    for rule in rules:
        if _lets_use(rule):
            if not rule["resourceNames"]:
                return None
            found.update(rule["resourceNames"])
    return frozenset(found)


def _lets_use(rule: Rule) -> bool:
    wanted = (("verbs", (VERB, ANY)), ("apiGroups", (*GROUPS, ANY)), ("resources", (RESOURCE, ANY)))
    return all(any(one in values for one in rule[field]) for field, values in wanted)


def lets_use_only(rules: Any) -> list[bool]:
    """For each rule of a readable Role, whether it is about the use of policies and nothing else."""
    found = _rules(("Role", "", ""), {"rules": rules})
    return [_lets_use(rule) and not any(set(rule[field]) - only for field, only in _ONLY_USE) for rule in found]


_ONLY_USE: tuple[tuple[str, set[str]], ...] = (
    ("verbs", {VERB}),
    ("apiGroups", set(GROUPS)),
    ("resources", {RESOURCE}),
    ("nonResourceURLs", set()),
)


# Aggregation


def _aggregate(roles: Mapping[Key, Mapping[str, Any]], rules: dict[Key, list[Rule]]) -> None:
    """Fills in the rules of the ClusterRoles that gather others', as the controller does until nothing changes."""
    gathering = {key: list(_selectors(key, roles[key])) for key in sorted(roles) if "aggregationRule" in roles[key]}
    gathering = {key: selectors for key, selectors in gathering.items() if selectors}
    labels = {key: _strings(key, roles[key]["metadata"], "labels", "metadata.labels") for key in roles}
    chosen = {
        key: [
            other
            for selector in selectors
            for other in sorted(roles)
            if other != key and other[0] == "ClusterRole" and _selects(selector, labels[other])
        ]
        for key, selectors in gathering.items()
    }
    for _ in range(len(gathering) + 1):
        before = {key: rules[key] for key in gathering}
        for key, others in chosen.items():
            found: list[Rule] = []
            for other in others:
                found.extend(rule for rule in rules[other] if rule not in found)
            rules[key] = found
        if before == {key: rules[key] for key in gathering}:
            return


def _selectors(key: Key, data: Mapping[str, Any]) -> Iterator[list[Requirement]]:
    """The selectors of a ClusterRole's aggregationRule: requirements of a label, an operator and values."""
    rule = _mapping(key, data.get("aggregationRule"), "aggregationRule")
    field = "aggregationRule.clusterRoleSelectors"
    selectors = _list(key, rule.get("clusterRoleSelectors"), field)
    if data.get("aggregationRule") is not None and not selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        raise _wrong(key, field, f"Required value: {detail}")
    for index, each in enumerate(selectors):
        place = f"{field}[{index}]"
        selector = _mapping(key, each, place)
        wanted: list[Requirement] = [
            (label, "In", (value,))
            for label, value in _strings(key, selector, "matchLabels", f"{place}.matchLabels").items()
        ]
        for position, expression in enumerate(
            _list(key, selector.get("matchExpressions"), f"{place}.matchExpressions")
        ):
            wanted.append(_requirement(key, expression, f"{place}.matchExpressions[{position}]"))
        yield wanted


def _requirement(key: Key, data: Any, place: str) -> Requirement:
    expression = _mapping(key, data, place)
    operator = _text(key, expression, "operator", f"{place}.operator")
    values = _texts(key, expression, "values", f"{place}.values")
    if operator not in OPERATORS:
        raise _wrong(key, f"{place}.operator", f'Invalid value: "{operator}": not a valid selector operator')
    if operator in {"In", "NotIn"} and not values:
        raise _wrong(key, f"{place}.values", "Required value: must be specified when `operator` is 'In' or 'NotIn'")
    if operator not in {"In", "NotIn"} and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        raise _wrong(key, f"{place}.values", f"Forbidden: {detail}")
    return _text(key, expression, "key", f"{place}.key"), operator, tuple(values)


def _selects(wanted: Iterable[Requirement], labels: Mapping[str, str]) -> bool:
    return all(_meets(labels.get(label), operator, values) for label, operator, values in wanted)


def _meets(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    if operator in {"Exists", "DoesNotExist"}:
        return (value is not None) == (operator == "Exists")
    return (value in values) == (operator == "In")


# Reading


def _key(kind: str, data: Mapping[str, Any], namespace: str) -> Key:
    unnamed = kind, "", "without a name"
    metadata = _mapping(unnamed, data.get("metadata"), "metadata")
    name = _text(unnamed, metadata, "name", "metadata.name")
    if not name:
        raise _wrong(unnamed, "metadata.name", "Required value: name or generateName is required")
    if kind.startswith("Cluster"):
        return kind, "", name
    return kind, _text((kind, "", name), metadata, "namespace", "metadata.namespace") or namespace, name


_RULE = (
    ("verbs", "verbs must contain at least one value"),
    ("apiGroups", "resource rules must supply at least one api group"),
    ("resources", "resource rules must supply at least one resource"),
)


def _rules(key: Key, data: Mapping[str, Any]) -> Iterator[Rule]:
    for index, each in enumerate(_list(key, data.get("rules"), "rules")):
        place = f"rules[{index}]"
        rule = _mapping(key, each, place)
        fields = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
        found = {field: _texts(key, rule, field, f"{place}.{field}") for field in fields}
        for field, detail in _RULE:
            if not found[field] and (field == "verbs" or not found["nonResourceURLs"]):
                raise _wrong(key, f"{place}.{field}", f"Required value: {detail}")
        yield found


def _role_of(key: Key, data: Mapping[str, Any]) -> Key:
    reference = _mapping(key, data.get("roleRef"), "roleRef")
    group = _text(key, reference, "apiGroup", "roleRef.apiGroup") or GROUP
    kind, name = (_text(key, reference, field, f"roleRef.{field}") for field in ("kind", "name"))
    kinds = ROLES if key[0] == "RoleBinding" else ("ClusterRole",)
    if group != GROUP:
        raise _unsupported(key, "roleRef.apiGroup", group, (GROUP,))
    if kind not in kinds:
        raise _unsupported(key, "roleRef.kind", kind, kinds)
    if not name:
        raise _wrong(key, "roleRef.name", "Required value")
    return kind, key[1] if kind == "Role" else "", name


def _subjects(key: Key, data: Mapping[str, Any]) -> Iterator[Subject]:
    for index, each in enumerate(_list(key, data.get("subjects"), "subjects")):
        place = f"subjects[{index}]"
        subject = _mapping(key, each, place)
        kind, name, namespace = (
            _text(key, subject, field, f"{place}.{field}") for field in ("kind", "name", "namespace")
        )
        own_group = "" if kind == SERVICE_ACCOUNT else GROUP
        group = _text(key, subject, "apiGroup", f"{place}.apiGroup") or own_group
        if kind not in _SUBJECTS:
            raise _unsupported(key, f"{place}.kind", kind, _SUBJECTS)
        if group != own_group:
            raise _unsupported(key, f"{place}.apiGroup", group, (own_group,))
        if not name:
            raise _wrong(key, f"{place}.name", "Required value")
        if kind == SERVICE_ACCOUNT and not namespace and key[0] == "ClusterRoleBinding":
            raise _wrong(key, f"{place}.namespace", "Required value")
        yield Subject(kind, name, (namespace or key[1]) if kind == SERVICE_ACCOUNT else "")


_SUBJECTS = (SERVICE_ACCOUNT, USER, SUBJECT_GROUP)


def _mapping(key: Key, value: Any, place: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, place, "must be a mapping")
    return value


def _list(key: Key, value: Any, place: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(key, place, "must be a list")
    return value


def _text(key: Key, data: Mapping[str, Any], field: str, place: str) -> str:
    return _string(key, data.get(field), place)


def _string(key: Key, value: Any, place: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, place, "must be a string")
    return value


def _texts(key: Key, data: Mapping[str, Any], field: str, place: str) -> list[str]:
    values = _list(key, data.get(field), place)
    return [_string(key, value, f"{place}[{index}]") for index, value in enumerate(values)]


def _strings(key: Key, data: Mapping[str, Any], field: str, place: str) -> dict[str, str]:
    values = _mapping(key, data.get(field), place)
    return {name: _string(key, value, f"{place}[{name}]") for name, value in values.items()}


def _unsupported(key: Key, field: str, value: str, supported: Iterable[str]) -> InputError:
    shown = ", ".join(f'"{each}"' for each in supported)
    return _wrong(key, field, f'Unsupported value: "{value}": supported values: {shown}')


def _wrong(key: Key, field: str, text: str, next_step: str = "") -> InputError:
    said = f"{field} {text}" if text.startswith(("must", "is ")) else f"{field}: {text}"
    return InputError(f"{_shown(key)}: {said}", next_step=next_step or "the API server wouldn't take it: correct it")


def _shown(key: Key) -> str:
    return f"{key[0]} {_named(key[1], key[2])}"


def _named(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name
