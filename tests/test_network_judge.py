"""Network policies before an evaluator that isn't ours: our model of them, and what `krm-harden network` writes."""

from __future__ import annotations

import json
from itertools import product

import netpol
import pytest
import yaml
from conftest import run_cli
from hypothesis import given, settings
from hypothesis import strategies as st

from krm_harden.network.evaluate import End
from krm_harden.network.model import NAMESPACE_LABEL

PORTS = (80, 81, 6379)
NAMED = (("http", 80, "TCP"), ("dns", 81, "UDP"))
OUTSIDE = End(address="203.0.113.9")

values = st.sampled_from(["a", "b"])
labels = st.fixed_dictionaries({}, optional={"app": values, "tier": values})
expressions = st.lists(
    st.one_of(
        st.builds(
            lambda key, operator, values: {"key": key, "operator": operator, "values": values},
            st.sampled_from(["app", "tier"]),
            st.sampled_from(["In", "NotIn"]),
            st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2, unique=True),
        ),
        st.builds(
            lambda key, operator: {"key": key, "operator": operator},
            st.sampled_from(["app", "tier"]),
            st.sampled_from(["Exists", "DoesNotExist"]),
        ),
    ),
    min_size=1,
    max_size=2,
)
selectors = st.one_of(
    st.just({}),
    labels.map(lambda found: {"matchLabels": found} if found else {}),
    expressions.map(lambda found: {"matchExpressions": found}),
)
blocks = st.sampled_from(
    [
        {"ipBlock": {"cidr": "203.0.113.0/24"}},
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["203.0.113.0/28"]}},
        {"ipBlock": {"cidr": "10.0.0.0/30"}},
    ]
)
spaces = st.sampled_from([{}, {"matchLabels": {NAMESPACE_LABEL: "y"}}, {"matchLabels": {"tier": "a"}}])
peers = st.one_of(
    blocks,
    selectors.map(lambda found: {"podSelector": found}),
    spaces.map(lambda found: {"namespaceSelector": found}),
    st.builds(lambda space, pods: {"namespaceSelector": space, "podSelector": pods}, spaces, selectors),
)
ports = st.sampled_from(
    [
        {"port": 80},
        {"port": 81, "protocol": "UDP"},
        {"port": "http", "protocol": "TCP"},
        {"port": "dns", "protocol": "UDP"},
        {"protocol": "UDP"},
        {"port": 79, "endPort": 81, "protocol": "TCP"},
    ]
)


def rules(key):
    return st.lists(
        st.fixed_dictionaries(
            {},
            optional={key: st.lists(peers, min_size=1, max_size=2), "ports": st.lists(ports, min_size=1, max_size=2)},
        ),
        max_size=2,
    )


@st.composite
def policies(draw):
    """Up to four policies of two namespaces."""
    made = []
    for number in range(draw(st.integers(0, 4))):
        types = draw(st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]))
        spec = {"podSelector": draw(selectors), "policyTypes": types}
        spec |= {"ingress": draw(rules("from"))} if "Ingress" in types else {}
        spec |= {"egress": draw(rules("to"))} if "Egress" in types else {}
        metadata = {"name": f"p{number}", "namespace": draw(st.sampled_from(["x", "y"]))}
        made.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    return made


def pods():
    """Four sorts of pods in each of two namespaces."""
    sorts = ({}, {"app": "a"}, {"app": "b", "tier": "a"}, {"tier": "b"})
    return [
        End(space, said, {NAMESPACE_LABEL: space, "tier": tier}, f"10.0.{number}.{place}", NAMED)
        for number, (space, tier) in enumerate((("x", "a"), ("y", "b")))
        for place, said in enumerate(sorts)
    ]


@settings(max_examples=60)
@given(policies())
def test_our_model_of_network_policies_is_cyclonus_for_every_pair_and_port(found):
    ends = [*pods(), OUTSIDE]
    calls = [
        netpol.Call(source, target, port, protocol)
        for source, target in product(ends, ends)
        for port, protocol in ((80, "TCP"), (81, "UDP"), (82, "TCP"))
        if source is not target
    ]
    assert netpol.ours(found, calls) == netpol.judged(found, calls)


FORMS = (
    lambda name, space, port: ("env", f"{name}:{port}"),
    lambda name, space, port: ("env", f"http://{name}:{port}/path"),
    lambda name, space, port: ("env", f"user:secret@tcp({name}.{space}:{port})/db"),
    lambda name, space, port: ("env", f"amqp://u:p@{name}.{space}.svc.cluster.local:{port}"),
    lambda name, space, port: ("args", f"--upstream={name}.{space}.svc:{port}"),
    lambda name, space, port: ("args", f"until nc -z {name} {port}; do sleep 1; done"),
    lambda name, space, port: ("file", f"upstream:\n  host: {name}.{space}.svc\n"),
    lambda name, space, port: ("file", f"proxy_pass http://{name}.{space}:{port};\n"),
)
"""How a manifest may show a call; those with a bare name hold within a namespace alone."""
BARE = {0, 1, 5}


@st.composite
def applications(draw):
    """Workloads with a Service each in two namespaces, and who calls whom: (caller, called, form)."""
    count = draw(st.integers(2, 6))
    names = [(f"app{number}", draw(st.sampled_from(["shop", "data"]))) for number in range(count)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.integers(0, len(FORMS) - 1))
    said = draw(st.lists(pairs, max_size=10))
    calls = [(a, b, form) for a, b, form in said if a != b and (names[a][1] == names[b][1] or form not in BARE)]
    return names, calls, [draw(st.sampled_from([80, "web", 9000])) for _ in names]


def manifests(names, calls, targets):
    """The objects of an application. Each Service has port 8000 and up, and leads to its pods' own."""
    made = []
    for number, ((name, space), target) in enumerate(zip(names, targets, strict=True)):
        texts = [FORMS[form](*names[b], 8000 + b) for a, b, form in calls if a == number]
        container = {
            "name": "main",
            "image": "registry.example/app:1",
            "ports": [{"name": "web", "containerPort": 7000 + number}],
            "env": [
                {"name": f"PEER_{index}_URL", "value": text} for index, (how, text) in enumerate(texts) if how == "env"
            ],
            "args": [text for how, text in texts if how == "args"],
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
        }
        spec = {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": name}}]}
        metadata = {"name": name, "namespace": space}
        made += [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": metadata,
                "spec": {
                    "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name, "version": "1"}}, "spec": spec},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"selector": {"app": name}, "ports": [{"port": 8000 + number, "targetPort": target}]},
            },
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata,
                "data": {f"f{index}.conf": text for index, (how, text) in enumerate(texts) if how == "file"},
            },
        ]
    return made


def network(objects, *options, code=None):
    """What `krm-harden network` writes for objects."""
    ran = run_cli("network", *options, "-", stdin="---\n".join(map(json.dumps, objects_lines(objects))).encode())
    assert "Traceback" not in ran.err
    assert ran.code in ({0, 1} if code is None else {code}), ran.err
    return [one for one in yaml.safe_load_all(ran.out) if one], ran


def objects_lines(objects):
    return [{"apiVersion": "v1", "kind": "List", "items": list(objects)}]


@settings(max_examples=25)
@given(applications())
def test_exactly_the_calls_that_manifests_show_are_let_through(application):
    names, calls, targets = application
    found, _ = network(manifests(names, calls, targets), "--egress")
    ends = [
        End(space, {"app": name, "version": "1"}, {NAMESPACE_LABEL: space}, f"10.0.0.{number}")
        for number, (name, space) in enumerate(names)
    ]
    real = [7000 + number if target == "web" else target for number, target in enumerate(targets)]
    wanted = {(a, b, real[b]) for a, b, _ in calls}
    every = [
        (a, b, port)
        for a, b in product(range(len(names)), repeat=2)
        for port in sorted({*real, 8000 + b, 7000 + b})
        if a != b
    ]
    asked = [netpol.Call(ends[a], ends[b], port) for a, b, port in every]
    said = netpol.judged(found, asked)
    assert {one for one, allowed in zip(every, said, strict=True) if allowed} == wanted
    assert netpol.ours(found, asked) == said


CALLS = {
    ("frontend", "adservice", 9555),
    ("frontend", "cartservice", 7070),
    ("frontend", "checkoutservice", 5050),
    ("frontend", "currencyservice", 7000),
    ("frontend", "productcatalogservice", 3550),
    ("frontend", "recommendationservice", 8080),
    ("frontend", "shippingservice", 50051),
    ("checkoutservice", "cartservice", 7070),
    ("checkoutservice", "currencyservice", 7000),
    ("checkoutservice", "emailservice", 8080),
    ("checkoutservice", "paymentservice", 50051),
    ("checkoutservice", "productcatalogservice", 3550),
    ("checkoutservice", "shippingservice", 50051),
    ("recommendationservice", "productcatalogservice", 3550),
    ("cartservice", "redis-cart", 6379),
    ("loadgenerator", "frontend", 8080),
}
"""Who calls whom in the Online Boutique, by the picture of its architecture, on the ports of the pods."""


@pytest.fixture(scope="module")
def boutique(shared):
    """The Online Boutique's policies, of both directions, and what was said."""
    path = shared / "corpus/GoogleCloudPlatform+microservices-demo/release/kubernetes-manifests.yaml"
    ran = run_cli("network", "--egress", "--namespace", "shop", "--cut", "shoppingassistantservice", path)
    assert ran.code == 0, ran.err
    return [one for one in yaml.safe_load_all(ran.out) if one]


def boutique_end(name):
    return End("shop", {"app": name}, {NAMESPACE_LABEL: "shop"}, "10.1.0.1")


def test_the_online_boutique_can_make_each_of_its_calls_and_no_other(boutique):
    names = sorted({name for call in CALLS for name in call[:2]})
    ports = sorted({port for _, _, port in CALLS})
    every = [(a, b, port) for a, b in product(names, names) for port in ports if a != b]
    asked = [netpol.Call(boutique_end(a), boutique_end(b), port) for a, b, port in every]
    said = netpol.judged(boutique, asked)
    assert {one for one, allowed in zip(every, said, strict=True) if allowed} == CALLS
    pairs = {(a, b) for a, b, _ in every} - {(a, b) for a, b, _ in CALLS}
    assert len(pairs) >= 20
    assert netpol.ours(boutique, asked) == said


def test_the_online_boutique_is_reached_from_outside_at_its_front_alone(boutique):
    names = sorted({name for call in CALLS for name in call[:2]})
    into = [netpol.Call(OUTSIDE, boutique_end(name), 8080) for name in names]
    out = [netpol.Call(boutique_end(name), OUTSIDE, 443) for name in names]
    assert [name for name, yes in zip(names, netpol.judged(boutique, into), strict=True) if yes] == ["frontend"]
    assert not any(netpol.judged(boutique, out))


def test_every_pod_of_the_online_boutique_can_look_up_names(boutique):
    dns = End("kube-system", {"k8s-app": "kube-dns"}, {NAMESPACE_LABEL: "kube-system"}, "10.1.0.9")
    asked = [netpol.Call(boutique_end(name), dns, 53, protocol) for name, _, _ in CALLS for protocol in ("UDP", "TCP")]
    assert all(netpol.judged(boutique, asked))


SWEPT = {
    "sock shop": "microservices-demo+microservices-demo/deploy/kubernetes/manifests",
    "voting": "dockersamples+example-voting-app/k8s-specifications",
    "podinfo": "stefanprodan+podinfo/deploy",
    "pets": "Azure-Samples+aks-store-demo/sample-manifests/docs",
}


def ends_of(folder):
    """The pods of real manifests, at most a dozen, and their ports."""
    found, numbers = {}, {80}
    for path in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml"))):
        for one in yaml.safe_load_all(path.read_text()):
            template = ((one or {}).get("spec") or {}).get("template") or {}
            labels = (template.get("metadata") or {}).get("labels")
            space = (one or {}).get("metadata", {}).get("namespace") or "swept"
            if labels:
                found[space, tuple(labels.items())] = End(
                    space, labels, {NAMESPACE_LABEL: space}, f"10.2.0.{len(found)}"
                )
            for container in (template.get("spec") or {}).get("containers") or ():
                numbers |= {port["containerPort"] for port in container.get("ports") or ()}
    return list(found.values())[:12], sorted(numbers)[:6]


@pytest.mark.parametrize("name", SWEPT.values(), ids=SWEPT)
def test_what_real_applications_get_means_the_same_to_cyclonus_and_to_us(shared, name):
    folder = shared / "corpus" / name
    ran = run_cli("network", "--egress", "--namespace", "swept", "--allow", "*=0.0.0.0/0:443", folder)
    assert ran.code in {0, 1}, ran.err
    found = [one for one in yaml.safe_load_all(ran.out) if one]
    ends, numbers = ends_of(folder)
    asked = [
        netpol.Call(a, b, port) for a, b in product([*ends, OUTSIDE], repeat=2) for port in (443, *numbers) if a != b
    ]
    said = netpol.judged(found, asked)
    assert netpol.ours(found, asked) == said
    assert {True, False} == set(said)


def test_the_sock_shop_works_once_its_calls_are_said(shared):
    calls = {
        *(("front-end", name, 80) for name in ("carts", "catalogue", "orders", "user")),
        *(("orders", name, 80) for name in ("carts", "user", "payment", "shipping")),
        *(("carts", "carts-db", 27017), ("orders", "orders-db", 27017), ("user", "user-db", 27017)),
        *(("catalogue", "catalogue-db", 3306), ("front-end", "session-db", 6379)),
        *(("shipping", "rabbitmq", 5672), ("queue-master", "rabbitmq", 5672)),
    }
    # The payment's Service isn't there: its pods' port must be said.
    allowed = [f"--allow={a}={b}{':80' if b == 'payment' else ''}" for a, b, _ in sorted(calls)]
    cut = ["--cut", "queue-master", "--cut", "metrics", "--cut", "zipkin"]
    ran = run_cli("network", "--egress", *allowed, *cut, shared / "corpus" / SWEPT["sock shop"])
    assert ran.code == 0, ran.err
    found = [one for one in yaml.safe_load_all(ran.out) if one]
    names = sorted({name for call in calls for name in call[:2]})
    ends = {name: End("sock-shop", {"name": name}, {NAMESPACE_LABEL: "sock-shop"}, "10.3.0.1") for name in names}
    every = [(a, b, port) for a, b in product(names, names) for port in (80, 27017, 3306, 6379, 5672) if a != b]
    said = netpol.judged(found, [netpol.Call(ends[a], ends[b], port) for a, b, port in every])
    assert {one for one, yes in zip(every, said, strict=True) if yes} == calls
