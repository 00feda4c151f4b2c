"""serviceAccountToken: what shows in a whole input that a pod asks the Kubernetes API."""

from __future__ import annotations

import pytest
import yaml
from clients import harden as run_function
from clients import resource_list
from conftest import run_cli

from krm_harden import Policy, harden

FIELD = "automountServiceAccountToken"
POLICY = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: token}
spec:
  level: privileged
  controls:
    serviceAccountToken: {enabled: true}
"""
ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: scheduler, namespace: shop}\n"


def pod(spec: str = "{}", account: str = "", **container: object) -> str:
    found = {"containers": [{"name": "app", "image": "registry.example/app:1", **container}], **yaml.safe_load(spec)}
    if account:
        found["serviceAccountName"] = account
    metadata = {"name": "web", "namespace": "shop"}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": found})


def binding(subject: str, role: str = "edit", kind: str = "RoleBinding", namespace: str = "shop") -> str:
    return (
        f"apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: one, namespace: {namespace}}}\n"
        f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\nsubjects: [{subject}]\n"
    )


def role(resources: str, *rules: str, verbs: str = "[use]") -> str:
    every = [f"{{apiGroups: [policy], resources: {resources}, verbs: {verbs}}}", *rules]
    return (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: psp}\n"
        f"rules: [{', '.join(every)}]\n"
    )


def loses_its_token(*documents: str) -> bool:
    result = harden("---\n".join(documents), Policy.from_dict(yaml.safe_load(POLICY)))
    written = [found for found in yaml.safe_load_all(result.text) if found["kind"] == "Pod"]
    assert not result.errors
    return [found["spec"].get(FIELD) for found in written] == [False]


SUBJECTS = {
    "its account": "{kind: ServiceAccount, name: scheduler, namespace: shop}",
    "its account, as a user": '{kind: User, name: "system:serviceaccount:shop:scheduler"}',
    "all of its namespace": '{kind: Group, name: "system:serviceaccounts:shop"}',
    "all accounts": '{kind: Group, name: "system:serviceaccounts"}',
    "all who are known": '{kind: Group, name: "system:authenticated"}',
    "its account, in a namespace to come": "{kind: ServiceAccount, name: scheduler}",
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
def test_whose_account_has_rights_keeps_its_token(subject, kind):
    assert not loses_its_token(pod(account="scheduler"), ACCOUNT, binding(subject, kind=kind))
    assert not loses_its_token(binding(subject, kind=kind), ACCOUNT, pod(account="scheduler"))


OTHERS = {
    "another account": "{kind: ServiceAccount, name: other, namespace: shop}",
    "the account of another namespace": "{kind: ServiceAccount, name: scheduler, namespace: web}",
    "a person": "{kind: User, name: jane}",
    "another namespace": '{kind: Group, name: "system:serviceaccounts:web"}',
    "nobody": '{kind: Group, name: "system:unauthenticated"}',
}


@pytest.mark.parametrize("subject", OTHERS.values(), ids=OTHERS)
def test_the_rights_of_others_show_nothing(subject):
    assert loses_its_token(pod(account="scheduler"), ACCOUNT, binding(subject))


def test_the_use_of_pod_security_policies_is_no_use_of_the_api():
    everybody = binding('{kind: Group, name: "system:serviceaccounts"}', role="psp")

    assert loses_its_token(pod(), everybody, role("[podsecuritypolicies]"))
    assert not loses_its_token(pod(), everybody, role("[podsecuritypolicies, pods]"))
    assert not loses_its_token(pod(), everybody)


POLICIES = "[podsecuritypolicies]"
MORE = {
    "other addresses": (role(POLICIES, "{nonResourceURLs: [/metrics], verbs: [get]}"),),
    "another verb": (role(POLICIES, verbs="[use, list]"),),
    "any verb": (role(POLICIES, verbs="['*']"),),
    "a rule that is none": (role(POLICIES, "{apiGroups: [''], resources: pods, verbs: [get]}"),),
    "what others add": (role(POLICIES) + "aggregationRule: {clusterRoleSelectors: [{matchLabels: {add: psp}}]}\n",),
    "more in another file": (role(POLICIES), role("[pods]")),
}


@pytest.mark.parametrize("roles", MORE.values(), ids=MORE)
def test_a_role_that_grants_anything_beside_the_use_of_policies_is_use_of_the_api(roles):
    assert not loses_its_token(pod(), binding('{kind: Group, name: "system:serviceaccounts"}', role="psp"), *roles)


def test_what_each_cluster_grants_to_all_accounts_shows_nothing():
    everybody = binding(
        '{kind: Group, name: "system:authenticated"}', role="system:discovery", kind="ClusterRoleBinding"
    )

    assert loses_its_token(pod(), everybody)


WRONG = ["1", "{kind: ServiceAccount, name: default, namespace: shop}", "[1]", "[{kind: [ServiceAccount], name: {}}]"]


@pytest.mark.parametrize("subjects", WRONG)
def test_a_binding_that_is_not_understood_may_give_rights(subjects):
    wrong = binding("").replace("subjects: []", f"subjects: {subjects}")

    assert loses_its_token(pod(), binding(""))
    assert not loses_its_token(pod(), wrong)


def test_a_binding_with_two_lists_of_subjects_may_give_rights():
    twice = binding("{kind: ServiceAccount, name: default, namespace: shop}") + "subjects: []\n"

    assert not loses_its_token(pod(), twice)


def test_a_binding_of_openshift_gives_rights():
    bound = binding("{kind: ServiceAccount, name: default, namespace: shop}")

    assert not loses_its_token(pod(), bound.replace("rbac.authorization.k8s.io", "authorization.openshift.io"))


def test_an_account_that_is_not_here_may_have_rights():
    assert not loses_its_token(pod(account="scheduler"))
    assert loses_its_token(pod(account="scheduler"), ACCOUNT)


def test_an_account_without_tokens_needs_no_word_in_the_pod():
    assert not loses_its_token(pod(account="scheduler"), ACCOUNT + f"{FIELD}: false\n")


SHOWN = {
    "a variable": {"env": [{"name": "KUBERNETES_SERVICE_HOST", "value": "10.0.0.1"}]},
    "the namespace of its pod": {"env": [{"name": "POD_NAMESPACE", "value": "shop"}]},
    "an argument": {"args": ["--leader-elect=true"]},
    "a script": {"command": ["sh", "-c", "sleep 1; kubectl get pods"]},
    "a mount in its place": {
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount/"}]
    },
    "a flag with one dash": {"args": ["-kubeconfig=/etc/config"]},
    "a flag of controller-runtime": {"args": ["--enable-leader-election"]},
    "the server's variable in a script": {"command": ["sh", "-c", "curl https://$KUBERNETES_SERVICE_HOST/api"]},
    "the token, where /var/run leads": {"command": ["cat", "/run/secrets/kubernetes.io/serviceaccount/token"]},
    "the server as a variable's value": {"env": [{"name": "API", "value": "https://kubernetes.default.svc"}]},
    "the token as a variable's value": {
        "env": [{"name": "TOKEN_FILE", "value": "/var/run/secrets/kubernetes.io/serviceaccount/token"}]
    },
    "a variable with a prefix": {"env": [{"name": "MY_POD_NAMESPACE", "value": "shop"}]},
    "a mount above": {"volumeMounts": [{"name": "token", "mountPath": "/run/secrets/kubernetes.io"}]},
    "a probe": {"livenessProbe": {"exec": {"command": ["kubectl", "get", "--raw", "/healthz"]}}},
    "a hook": {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "kubectl label pod web gone=true"]}}}},
    "the image": {"image": "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2"},
}


@pytest.mark.parametrize("container", SHOWN.values(), ids=SHOWN)
def test_what_a_container_says_shows_that_it_asks(container):
    assert loses_its_token(pod())
    assert not loses_its_token(pod(**container))


def test_a_token_of_its_own_shows_that_it_asks():
    volume = "{volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]}"

    assert not loses_its_token(pod(volume))


def test_a_document_that_cannot_be_read_may_give_rights():
    template = "kind: RoleBinding\nmetadata:\n  name: {{ .Values.name }}\n  {{- include labels }}\n"

    result = harden(pod() + "---\n" + template, Policy.from_dict(yaml.safe_load(POLICY)))

    assert FIELD not in result.text


def test_files_of_one_run_are_one_input(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "a.yaml").write_text(pod(account="scheduler"))
    (folder / "b.yaml").write_text(ACCOUNT)
    bound = folder / "c.yaml"
    bound.write_text(binding(SUBJECTS["its account"]))

    for jobs in ("1", "2"):
        run_cli("fix", "--policy", str(tmp_path / "policy.yaml"), "--jobs", jobs, str(folder))
        assert FIELD not in (folder / "a.yaml").read_text()
    bound.unlink()
    run_cli("fix", "--policy", str(tmp_path / "policy.yaml"), "--jobs", "2", str(folder))

    assert f"{FIELD}: false" in (folder / "a.yaml").read_text()


def test_the_function_sees_all_items():
    bound = run_function(
        resource_list(pod(account="scheduler"), ACCOUNT, binding(SUBJECTS["its account"]), config=POLICY)
    )
    free = run_function(resource_list(pod(account="scheduler"), ACCOUNT, config=POLICY))

    assert (bound.code, free.code) == (0, 0)
    assert FIELD not in bound.out.decode()
    assert f"{FIELD}: false" in free.out.decode()


def test_nobody_is_told_to_describe_the_image_for_a_token(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "pod.yaml").write_text(pod())

    said = run_cli("patches", "--policy", "policy.yaml", "pod.yaml", cwd=tmp_path).err
    explained = run_cli("explain", "--policy", "policy.yaml", "pod.yaml:1", cwd=tmp_path).out.decode()

    assert "nothing in the manifests shows that it asks the Kubernetes API" in said
    assert "may-break: Nothing in the manifests shows that it asks" in explained
    assert "describe" not in said.lower()
    assert "Describe it" not in explained.partition("serviceAccountToken: ")[2]


def test_who_requires_it_hears_what_shows_that_the_api_is_used():
    policy = yaml.safe_load(POLICY)
    policy["spec"]["controls"]["serviceAccountToken"]["required"] = True

    result = harden(pod(account="scheduler"), Policy.from_dict(policy))

    assert [(found.state, found.severity) for found in result.findings] == [("manual", "error")]
    assert "its service account scheduler isn't in the input" in result.findings[0].message
