"""Who may use a PodSecurityPolicy, beside the API server's own authorizer."""

from __future__ import annotations

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from psp_judge import a_pod, a_policy, judged

from krm_harden.errors import InputError
from krm_harden.psp.created import created
from krm_harden.psp.policy import of_data
from krm_harden.psp.rbac import Grants, account, authenticated, lets_use_only
from krm_harden.psp.selection import choose

GROUP = "rbac.authorization.k8s.io"
POLICIES = ["permissive", "restricted", "strict"]
NAMESPACES = ["web", "db"]
ACCOUNTS = ["default", "app"]
ROLES = ["use-psp", "other", "cluster-admin", "admin", "edit"]
LABELS = {f"{GROUP}/aggregate-to-admin": ["true", "false"], f"{GROUP}/aggregate-to-edit": ["true"], "team": ["a", "b"]}
USERS = [
    ("", ()),
    ("jane", ("system:authenticated",)),
    ("root", ("system:masters", "system:authenticated")),
    authenticated("kube-system", "replicaset-controller"),
    account("web", "app"),
]
EXAMPLES = max(12, (settings.default.max_examples if settings.default else 0) // 12)
CLUSTERS = 20


def of(kind: str, name: str, namespace: str = "", **fields):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **fields}


def some(values, most: int = 2, least: int = 0):
    return st.lists(st.sampled_from(values), min_size=least, max_size=most)


RULES = st.fixed_dictionaries(
    {
        "verbs": some(["use", "use", "*", "get", "USE", "us"], least=1),
        "apiGroups": some(["policy", "policy", "extensions", "*", "", "apps"], least=1),
        "resources": some(
            ["podsecuritypolicies", "podsecuritypolicies", "*", "pods", "podsecuritypolicies/use"], least=1
        ),
    },
    optional={"resourceNames": some([*POLICIES, *POLICIES, "*", "absent"])},
)
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in LABELS.items()}),
        "matchExpressions": st.lists(
            st.one_of(
                st.builds(
                    lambda key, operator: {"key": key, "operator": operator},
                    st.sampled_from(sorted(LABELS)),
                    st.sampled_from(["Exists", "DoesNotExist"]),
                ),
                st.builds(
                    lambda key, operator, values: {"key": key, "operator": operator, "values": values},
                    st.sampled_from(sorted(LABELS)),
                    st.sampled_from(["In", "NotIn"]),
                    some(["true", "a", "b"], least=1),
                ),
            ),
            max_size=2,
        ),
    },
)
SUBJECTS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("ServiceAccount"), "name": st.sampled_from(ACCOUNTS), "namespace": st.sampled_from(NAMESPACES)}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("User"), "name": st.sampled_from(["jane", "system:serviceaccount:web:app", "app"])},
        optional={"apiGroup": st.just(GROUP)},
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("Group"),
            "name": st.sampled_from(
                [
                    *("system:serviceaccounts", "system:serviceaccounts:web", "system:serviceaccounts:db"),
                    *("system:authenticated", "system:masters", "system:unauthenticated"),
                ]
            ),
        },
        optional={"apiGroup": st.just(GROUP)},
    ),
)
LOCAL_SUBJECTS = st.one_of(
    SUBJECTS, st.builds(lambda name: {"kind": "ServiceAccount", "name": name}, st.sampled_from(ACCOUNTS))
)


@st.composite
def role(draw, name: str):
    found = of("ClusterRole", name, rules=draw(st.lists(RULES, max_size=2)))
    labels = {key: draw(st.sampled_from(values)) for key, values in LABELS.items() if draw(st.booleans())}
    if labels:
        found["metadata"]["labels"] = labels
    if draw(st.integers(0, 3)) == 0:
        found["aggregationRule"] = {"clusterRoleSelectors": draw(st.lists(SELECTORS, min_size=1, max_size=2))}
        found["rules"] = []
    return found


@st.composite
def clusters(draw):
    objects = [draw(role(name)) for name in draw(st.sets(st.sampled_from(["use-psp", "other", "third"])))]
    roles = st.lists(RULES, max_size=2)
    objects += [of("Role", "use-psp", held, rules=draw(roles)) for held in draw(st.sets(st.sampled_from(NAMESPACES)))]
    for index in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["Role", "ClusterRole"]))
        reference = {"apiGroup": GROUP, "kind": kind, "name": draw(st.sampled_from(ROLES))}
        subjects = draw(st.lists(LOCAL_SUBJECTS, max_size=2))
        namespace = draw(st.sampled_from(NAMESPACES))
        objects.append(of("RoleBinding", f"one-{index}", namespace, roleRef=reference, subjects=subjects))
    for index in range(draw(st.integers(0, 2))):
        reference = {"kind": "ClusterRole", "name": draw(st.sampled_from(ROLES))}
        subjects = draw(st.lists(SUBJECTS, max_size=2))
        objects.append(of("ClusterRoleBinding", f"all-{index}", roleRef=reference, subjects=subjects))
    user, groups = draw(st.sampled_from(USERS))
    return {"objects": draw(st.permutations(objects)), "user": user, "groups": groups}


PODS = [a_pod(namespace, name) for namespace in NAMESPACES for name in ACCOUNTS]


def usable(cluster) -> list[list[bool]]:
    """For each pod and policy whether it may be used, as we say."""
    grants = Grants.of(cluster["objects"])
    asking = [(cluster["user"], cluster["groups"])] if cluster["user"] else []
    return [
        [
            any(grants.may_use(namespace, name, *who) for who in (account(namespace, service_account), *asking))
            for name in POLICIES
        ]
        for namespace in NAMESPACES
        for service_account in ACCOUNTS
    ]


@given(st.lists(clusters(), min_size=CLUSTERS, max_size=CLUSTERS))
@settings(max_examples=EXAMPLES)
def test_who_may_use_a_policy_is_whom_the_authorizer_lets(found):
    """And a pod gets the one of them that the admission chose."""
    objects = [*MANIFESTS, *PODS]
    answers = judged({**cluster, "objects": [*cluster["objects"], *objects]} for cluster in found)

    for cluster, answer in zip(found, answers, strict=True):
        mine = usable(cluster)
        judge = [[tried["usable"] for tried in pod["tried"]] for pod in answer["pods"]]
        event(f"some may: {any(map(any, judge))}, some may not: {not all(map(all, judge))}")
        note(str(cluster))
        assert mine == judge
        assert [chosen(*pair) for pair in zip(PODS, mine, strict=True)] == [one.get("policy") for one in answer["pods"]]


MANIFESTS = [
    a_policy("permissive", volumes=["*"], runAsUser={"rule": "MustRunAsNonRoot"}),
    a_policy("restricted", volumes=["*"]),
    a_policy("strict", volumes=["*"], readOnlyRootFilesystem=True),
]
"""The first and the last change a pod."""


def chosen(pod, may_use) -> str | None:
    candidates = [of_data(manifest) for manifest, may in zip(MANIFESTS, may_use, strict=True) if may]
    outcome = choose(candidates, created(pod)).outcome
    return outcome.policy.name if outcome else None


# What the API server wouldn't take

REFERENCE = {"kind": "ClusterRole", "name": "use-psp"}
REFUSED = {
    "a binding to a kind that is no role": of("RoleBinding", "a", "web", roleRef={"kind": "Rolle", "name": "b"}),
    "a binding of the cluster to a Role": of("ClusterRoleBinding", "a", roleRef={"kind": "Role", "name": "b"}),
    "a binding to a role of another group": of(
        "RoleBinding", "a", "web", roleRef={"apiGroup": "rbac", "kind": "ClusterRole", "name": "b"}
    ),
    "a binding to a role without a name": of("RoleBinding", "a", "web", roleRef={"kind": "Role"}),
    "a subject of an unknown kind": of(
        "RoleBinding", "a", "web", roleRef=REFERENCE, subjects=[{"kind": "user", "name": "b"}]
    ),
    "a subject without a name": of("RoleBinding", "a", "web", roleRef=REFERENCE, subjects=[{"kind": "User"}]),
    "a service account of a group": of(
        "RoleBinding",
        "a",
        "web",
        roleRef=REFERENCE,
        subjects=[{"kind": "ServiceAccount", "name": "b", "apiGroup": GROUP}],
    ),
    "a service account in no namespace": of(
        "ClusterRoleBinding", "a", roleRef=REFERENCE, subjects=[{"kind": "ServiceAccount", "name": "b"}]
    ),
    "subjects that are no list": of(
        "RoleBinding", "a", "web", roleRef=REFERENCE, subjects={"kind": "User", "name": "b"}
    ),
    "a rule without verbs": of(
        "Role", "a", "web", rules=[{"apiGroups": ["policy"], "resources": ["podsecuritypolicies"]}]
    ),
    "a rule without groups": of("Role", "a", "web", rules=[{"verbs": ["use"], "resources": ["podsecuritypolicies"]}]),
    "a rule of null": of("ClusterRole", "a", rules=[None]),
    "a verb that is a number": of("ClusterRole", "a", rules=[{"verbs": [1], "apiGroups": ["*"], "resources": ["*"]}]),
    "rules that are a text": of("ClusterRole", "a", rules="{{ .Values.rules }}"),
    "aggregation of nothing": of("ClusterRole", "a", aggregationRule={}),
    "an unknown operator": of(
        "ClusterRole",
        "a",
        aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]},
    ),
    "an operator that wants values": of(
        "ClusterRole",
        "a",
        aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]},
    ),
    "no name": of("ClusterRole", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_api_server_would_not_take_is_refused_with_its_place(case, snapshot):
    with pytest.raises(InputError) as refused:
        Grants.of([REFUSED[case]])

    assert judged([{"objects": [REFUSED[case]]}])[0]["error"]
    assert str(refused.value) == snapshot


# What a reader sees


def test_the_evidence_names_the_binding_and_its_role():
    rule = {"verbs": ["use"], "apiGroups": ["policy"], "resources": ["podsecuritypolicies"]}
    objects = [
        of("Role", "psp", "web", rules=[{**rule, "resourceNames": ["restricted"]}]),
        of(
            "RoleBinding",
            "psp",
            "web",
            roleRef={"kind": "Role", "name": "psp"},
            subjects=[{"kind": "ServiceAccount", "name": "app"}],
        ),
        of("RoleBinding", "lost", "web", roleRef={"kind": "Role", "name": "gone"}),
    ]
    grants = Grants.of(objects)

    assert grants.may_use("web", "restricted", *account("web", "app")) == "RoleBinding web/psp -> Role web/psp"
    assert grants.may_use("web", "permissive", *account("web", "app")) == ""
    assert grants.may_use("db", "restricted", *account("db", "app")) == ""
    assert grants.absent == ("RoleBinding web/lost -> Role web/gone",)
    assert [str(subject) for subject in grants.all[-1].subjects] == ["ServiceAccount web/app"]


def test_a_binding_in_no_namespace_matters_only_if_its_role_is_about_policies():
    rule = {"verbs": ["use"], "apiGroups": ["policy"], "resources": ["podsecuritypolicies"]}
    binding = of("RoleBinding", "psp", roleRef={"kind": "ClusterRole", "name": "psp"})

    assert len(Grants.of([of("ClusterRole", "psp", rules=[]), binding]).all) == 1
    with pytest.raises(InputError, match=r"^RoleBinding psp: metadata.namespace is missing; say in which namespace"):
        Grants.of([of("ClusterRole", "psp", rules=[rule]), binding])
    assert Grants.of([of("ClusterRole", "psp", rules=[rule]), binding], "web").all[-1].namespace == "web"


def test_two_objects_of_one_name_must_say_the_same():
    rule = {"verbs": ["use"], "apiGroups": ["policy"], "resources": ["podsecuritypolicies"]}
    one = of("ClusterRole", "psp", rules=[rule])

    assert Grants.of([one, {**one, "metadata": {"name": "psp", "uid": "1"}}])
    with pytest.raises(InputError, match=r"ClusterRole psp stands twice, and differently; keep the one that counts"):
        Grants.of([one, of("ClusterRole", "psp", rules=[])])


def test_the_groups_of_a_pods_own_account_lack_authenticated():
    """As the admission makes them up; a controller that creates the pod has it."""
    assert account("web", "app")[1] == ("system:serviceaccounts", "system:serviceaccounts:web")
    assert "system:authenticated" in authenticated("kube-system", "replicaset-controller")[1]


def test_a_rule_only_about_the_use_of_policies_can_go():
    rules = [
        {"verbs": ["use"], "apiGroups": ["policy", "extensions"], "resources": ["podsecuritypolicies"]},
        {"verbs": ["use", "get"], "apiGroups": ["policy"], "resources": ["podsecuritypolicies"]},
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
    ]

    assert lets_use_only(rules) == [True, False, False, False]
