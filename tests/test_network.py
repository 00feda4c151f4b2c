"""`krm-harden network`: what counts as a call, what is written for it, what is said of what stays unknown."""

from __future__ import annotations

import base64
import json
import re
import resource
import time
from xml.etree import ElementTree as ET

import apiserver
import pytest
import yaml
from conftest import run_cli

from krm_harden.network import mentions, picture

PORT = 8080


def workload(name, *, kind="Deployment", space="shop", labels=None, container=None, pod=None, **spec):
    """A workload with one container."""
    labels = {"app": name} if labels is None else labels
    made = {"name": "main", "image": "registry.example/app:1", **(container or {})}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [made], **(pod or {})}}
    selector = {} if kind == "Job" else {"selector": {"matchLabels": labels}}
    group = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {**selector, "template": template, **spec}}


def caller(value, name="web", variable="PEER_URL", **more):
    return workload(name, container={"env": [{"name": variable, "value": value}]}, **more)


def service(name, *, space="shop", selector=None, ports=((PORT, PORT),), **spec):
    """A Service in front of the workload of the same name."""
    listed = [{"name": f"p{port}", "port": port, "targetPort": target} for port, target in ports]
    metadata = {"name": name, **({"namespace": space} if space else {})}
    spec = {"selector": {"app": name} if selector is None else selector, "ports": listed, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def data(kind, name, space="shop", **said):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": space}, **said}


def text(*objects):
    return "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in objects).encode()


def network(*objects, options=(), code=0):
    """The policies by namespace and name, and the run."""
    ran = run_cli("network", *options, "-", stdin=text(*objects))
    assert ran.code == code, ran.err
    found = [one for one in yaml.safe_load_all(ran.out) if one]
    return {one["metadata"]["name"]: one for one in found}, ran


def into(policies, name, space=None):
    """(who, ports) of each ingress rule of a workload."""
    rules = policies[f"allow-to-{name}"]["spec"]["ingress"]
    return [(_who(rule.get("from")), [port["port"] for port in rule.get("ports", [])]) for rule in rules]


def _who(peers):
    if not peers:
        return "anywhere"
    (peer,) = peers
    pods = peer.get("podSelector", {}).get("matchLabels", {}).get("app", "*")
    space = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
    return f"{space}/{pods}" if space else peer.get("ipBlock", {}).get("cidr", pods)


HOSTS = {
    "host and port": ("value", "CART_ADDR", "cart:7070", [("cart", 7070)]),
    "url": ("value", "X", "http://cart:7070/path?x=y", [("cart", 7070)]),
    "url without a port": ("value", "X", "grpc://cart/", [("cart", None)]),
    "url with a password": ("value", "X", "postgres://u:p%40ss@db:5432/shop", [("db", 5432)]),
    "url of several": (
        "value",
        "X",
        "mongodb://u:p@db-0.db:27017,db-1.db:27018/x",
        [("db-0.db", 27017), ("db-1.db", 27018)],
    ),
    "jdbc": ("value", "X", "jdbc:postgresql://db:5432/shop", [("db", 5432)]),
    "go mysql": ("value", "DSN", "user:123@tcp(db:3306)/shop", [("db", 3306)]),
    "list": (
        "value",
        "KAFKA_BROKERS",
        "kafka-0.kafka:9092,kafka-1.kafka:9092",
        [("kafka-0.kafka", 9092), ("kafka-1.kafka", 9092)],
    ),
    "full name": ("value", "X", "cart.shop.svc.cluster.local", [("cart.shop.svc.cluster.local", None)]),
    "trailing dot": ("value", "X", "Cart.shop.svc.cluster.local.", [("cart.shop.svc.cluster.local", None)]),
    "bare name": ("value", "REDIS_HOST", "redis", [("redis", None)]),
    "bare name, any variable": ("value", "REDIS", "redis", [("redis", None)]),
    "bare names apart": ("value", "SERVERS", "redis db", [("redis", None), ("db", None)]),
    "connection string": ("value", "X", "Server=db;Initial Catalog=cart;User Id=redis;Password=p@ss", [("db", None)]),
    "connection string with a port": ("value", "X", "User Id=sa;Data Source=tcp:db,1433;", [("db", 1433)]),
    "keywords": ("value", "DB_DSN", "user=cart host=db port=5432 dbname=redis", [("db", None)]),
    "resolver": ("value", "X", "dns:///cart:7070", [("cart", 7070)]),
    "resolver and full name": ("words", "", ["--to=dns:///cart.shop.svc:7070"], [("cart.shop.svc", 7070)]),
    "service record": ("words", "", ["--store=dnssrv+_grpc._tcp.cart.shop.svc"], [("cart.shop.svc", None)]),
    "members": ("words", "", ["cart=http://cart-0.cart:1,db=http://db-0.db:2"], [("cart-0.cart", 1), ("db-0.db", 2)]),
    "property": ("words", "", ["java", "-Dshop.db.host=db", "-Dshop.db.user=cart"], [("db", None)]),
    "properties of a variable": ("value", "JAVA_OPTS", "-Xmx1g -Dredis.host=redis -Duser=db", [("redis", None)]),
    "attributes": ("value", "OTEL_RESOURCE_ATTRIBUTES", "service.name=cart,host.name=db", []),
    "a file's url": ("value", "X", "file:///db", []),
    "a user": ("value", "POSTGRES_USER", "db", []),
    "a name": ("value", "APP_NAME", "cart", []),
    "camel case": ("value", "dbUser", "db", []),
    "a host's name": ("value", "DB_HOST_NAME", "db", [("db", None)]),
    "an image": ("value", "IMAGE", "redis:7.2-alpine", []),
    "an image of a registry": ("value", "X", "registry.example/redis:7", []),
    "a sentence": ("value", "GREETING", "redis is a db", []),
    "a time": ("value", "AT", "12:30:45", []),
    "a path": ("value", "FILE", "/etc/redis", []),
    "flag": ("words", "", ["server", "--redis-host=redis"], [("redis", None)]),
    "flag and value": ("words", "", ["server", "--db-host", "db"], [("db", None)]),
    "flag of a name": ("words", "", ["server", "--db-name=db"], []),
    "flag with url": ("words", "", ["--upstream=http://cart:7070"], [("cart", 7070)]),
    "script": ("words", "", ["sh", "-c", "until nc -z db 5432; do sleep 1; done"], [("db", 5432)]),
    "curl": ("words", "", ["sh", "-c", "curl -fsS cart/health || exit 1"], [("cart", None)]),
    "redis client": ("words", "", ["redis-cli", "-h", "redis", "ping"], [("redis", None)]),
    "bash's tcp": ("words", "", ["bash", "-c", "</dev/tcp/db/5432"], [("db", 5432)]),
    "sed": ("words", "", ["sh", "-c", "sed -e 's/cart//g' file"], []),
    "commented out": ("words", "", ["sh", "-c", "# curl http://cart\necho"], []),
    "a program": ("words", "", ["redis", "start"], []),
    "nginx": ("file", "", "location / {\n  proxy_pass http://cart:7070;\n}\n", [("cart", 7070)]),
    "nginx upstream": ("file", "", "upstream u { server cart; }\n", [("cart", None)]),
    "yaml": ("file", "", "redis:\n  host: redis\n  name: db\n", [("redis", None)]),
    "properties": ("file", "", "spring.redis.host=redis\nspring.datasource.username=db\n", [("redis", None)]),
    "json": ("file", "", '{"host": "redis", "type": "db"}', [("redis", None)]),
    "comment in a file": ("file", "", "# host: redis\n// http://cart\n", []),
}


@pytest.mark.parametrize("form, key, said, expected", HOSTS.values(), ids=HOSTS)
def test_what_names_a_service_is_found(form, key, said, expected):
    known = {"cart", "db", "redis", "kafka"}

    def is_known(host):
        return host in known or host.split(".")[-1] in known

    found = {
        "value": lambda: mentions.of_value(key, said, is_known),
        "words": lambda: mentions.of_words(said, is_known),
        "file": lambda: mentions.of_file(said, is_known),
    }[form]()
    assert {(one.host, one.port) for one in found if is_known(one.host) or "svc" in one.host} == set(expected)


def test_a_named_port_leads_to_the_number_of_the_container_also_of_a_sidecar():
    sidecar = {
        "name": "proxy",
        "image": "i",
        "restartPolicy": "Always",
        "ports": [{"name": "tls", "containerPort": 8443}],
    }
    api = workload("api", pod={"initContainers": [sidecar]})
    found, _ = network(caller("https://api"), api, service("api", ports=[(443, "tls")]))
    assert into(found, "api") == [("web", [8443])]


def test_a_name_of_another_namespace_is_found_and_its_peer_named_with_it():
    found, ran = network(
        caller("redis.data:6379"),
        workload("redis", space="data"),
        service("redis", space="data", ports=[(6379, 6379)]),
        options=["--egress"],
    )
    assert into(found, "redis") == [("shop/web", [6379])]
    assert b"kubernetes.io/metadata.name: data" in ran.out


def test_a_headless_service_is_reached_on_the_port_that_is_called():
    db = workload("db", kind="StatefulSet", serviceName="db", replicas=3)
    found, _ = network(caller("db-0.db:5432"), db, service("db", ports=[(5432, 5433)], clusterIP="None"))
    assert into(found, "db") == [("db", [5433]), ("web", [5432, 5433])]


def test_an_alias_is_followed_to_its_service():
    alias = service("cache", type="ExternalName", externalName="redis.data.svc.cluster.local", selector={})
    found, _ = network(
        caller("cache:6379"),
        alias,
        workload("redis", space="data"),
        service("redis", space="data", ports=[(6379, 6379)]),
    )
    assert into(found, "redis") == [("shop/web", [6379])]


def test_variables_are_expanded_as_a_kubelet_does():
    env = [
        {"name": "HOST", "value": "api"},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "ADDRESS", "value": "http://$(HOST).$(SPACE).svc:8080"},
    ]
    found, ran = network(workload("web", container={"env": env}), workload("api"), service("api"))
    assert into(found, "api") == [("web", [PORT])]
    assert b"env ADDRESS of container" in ran.out


def test_the_variables_that_a_kubelet_adds_name_their_service():
    web = workload("web", container={"command": ["sh", "-c", "wget $API_V2_SERVICE_HOST:$API_V2_SERVICE_PORT"]})
    found, _ = network(web, workload("api-v2"), service("api-v2"))
    assert into(found, "api-v2") == [("web", [PORT])]
    off = workload("web", container=web["spec"]["template"]["spec"]["containers"][0], pod={"enableServiceLinks": False})
    network(off, workload("api-v2"), service("api-v2"), code=1)


@pytest.mark.parametrize("how", ["envFrom", "configMapKeyRef", "mounted", "projected", "subset"])
def test_a_config_map_shows_a_call_of_those_who_read_it_and_where(how):
    mount = {"volumeMounts": [{"name": "c", "mountPath": "/c"}]}
    containers = {
        "envFrom": {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "conf"}}]},
        "configMapKeyRef": {
            "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "API_URL"}}}]
        },
    }
    volumes = {
        "mounted": {"configMap": {"name": "conf"}},
        "projected": {"projected": {"sources": [{"configMap": {"name": "conf"}}]}},
        "subset": {"configMap": {"name": "conf", "items": [{"key": "other", "path": "o"}]}},
    }
    pod = {"volumes": [{"name": "c", **volumes[how]}]} if how in volumes else {}
    web = workload("web", container=containers.get(how, mount), pod=pod)
    conf = data("ConfigMap", "conf", data={"API_URL": "http://api:8080", "other": "x"})
    found, ran = network(web, conf, workload("api"), service("api"), code=how == "subset")
    if how == "subset":
        assert "allow-to-api" not in found
    else:
        assert into(found, "api") == [("web", [PORT])]
        assert re.search(rb"# standard input:\d+: .*ConfigMap conf", ran.out)


def test_a_secret_shows_a_call_and_nothing_of_it_is_told():
    env = [{"name": "DSN", "valueFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}]
    args = ["--dsn=$(DSN)", "--other=//$(DSN)"]
    web = workload("web", container={"env": env, "args": args})
    value = "postgres://admin:hunter2//s3cr3t@api:8080/x http://outside.example.com/hunter2"
    secret = data("Secret", "db", data={"dsn": base64.b64encode(value.encode()).decode()})
    found, ran = network(web, secret, workload("api"), service("api"), options=["--egress", "--cut", "db"])
    assert into(found, "api") == [("web", [PORT])]
    said = ran.out.decode() + ran.err
    assert not any(word in said for word in ("hunter2", "s3cr3t", "admin", "outside.example.com"))


def test_whatever_comes_from_outside_is_let_in_where_it_goes():
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "rules": [
                {"http": {"paths": [{"path": "/", "backend": {"service": {"name": "web", "port": {"name": "p8080"}}}}]}}
            ]
        },
    }
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "api", "namespace": "edge"},
        "spec": {"rules": [{"backendRefs": [{"name": "api", "namespace": "shop", "port": PORT}]}]},
    }
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hook"},
        "webhooks": [{"name": "a.example.com", "clientConfig": {"service": {"name": "hook", "namespace": "shop"}}}],
    }
    objects = [
        *(ingress, route, hook),
        *(workload(name) for name in ("web", "api", "hook", "front")),
        *(service(name) for name in ("web", "api")),
        service("hook", ports=[(443, 9443)]),
        service("front", type="LoadBalancer", ports=[(80, 8080)]),
    ]
    found, _ = network(*objects)
    assert {name: into(found, name) for name in ("web", "api", "hook", "front")} == {
        "web": [("anywhere", [PORT])],
        "api": [("anywhere", [PORT])],
        "hook": [("anywhere", [9443])],
        "front": [("anywhere", [PORT])],
    }
    found, _ = network(*objects, options=["--ingress-controller", "ingress-nginx"])
    assert into(found, "web") == into(found, "api") == [("ingress-nginx/*", [PORT])]


def test_scrapers_are_let_in_where_their_namespace_is_said():
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}
    api = workload("api")
    api["spec"]["template"]["metadata"]["annotations"] = scraped
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "web", "namespace": "monitoring"},
        "spec": {
            "selector": {"matchLabels": {"scrape": "yes"}},
            "namespaceSelector": {"matchNames": ["shop"]},
            "endpoints": [{"port": "p9090"}],
        },
    }
    web = service("web", ports=[(8080, 8080), (9090, 9091)])
    web["metadata"]["labels"] = {"scrape": "yes"}
    objects = [api, monitor, workload("web"), web]
    found, _ = network(*objects, options=["--metrics-from", "monitoring", "--cut", "web"])
    assert into(found, "api") == [("monitoring/*", [9102])]
    assert into(found, "web") == [("monitoring/*", [9091])]
    _, ran = network(*objects, options=["--cut", "web"])
    assert "warning: Deployment shop/api and 1 more say that metrics are scraped" in ran.err


def test_a_service_whose_callers_nobody_knows_is_an_error_until_somebody_decides():
    objects = [workload("web"), workload("api"), service("api")]
    _, ran = network(*objects, code=1)
    assert "Service shop/api: nothing here says who calls it" in ran.err
    found, _ = network(*objects, options=["--allow", "web=api:8080"])
    assert into(found, "api") == [("web", [PORT])]
    found, ran = network(*objects, options=["--cut", "ap*"])
    assert "allow-to-api" not in found
    assert "error" not in ran.err


def test_each_host_outside_is_listed_where_egress_is_denied():
    web = workload(
        "web",
        container={
            "env": [
                {"name": "PAYMENT_URL", "value": "https://pay.example.com:8443/v1"},
                {"name": "DB_HOST", "value": "10.1.2.3"},
                {"name": "MAIL_HOST", "value": "mailhub"},
                {"name": "LOCAL", "value": "http://localhost:9000"},
            ]
        },
    )
    network(web)
    found, ran = network(web, options=["--egress"], code=1)
    assert re.findall(r"env \w+ of container \"main\" names (\S+?),? ", ran.err) == [
        "pay.example.com",
        "10.1.2.3:",
        "mailhub",
    ]
    assert set(found) == {"default-deny-ingress", "default-deny-egress", "allow-dns"}
    decided = [
        "--egress",
        "--allow",
        "web=10.1.2.3/32:5432",
        "--cut",
        "10.1.2.3",
        "--cut",
        "*.example.com",
        "--cut",
        "mailhub",
    ]
    found, _ = network(web, options=decided)
    (rule,) = found["allow-from-web"]["spec"]["egress"]
    assert rule == {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 5432, "protocol": "TCP"}]}


def test_a_workload_that_asks_the_api_server_is_listed_where_egress_is_denied():
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "web", "namespace": "shop"},
        "subjects": [{"kind": "ServiceAccount", "name": "web"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"},
    }
    web = workload("web", pod={"serviceAccountName": "web"})
    _, ran = network(web, binding, options=["--egress"], code=1)
    assert "its service account is bound by RoleBinding shop/web: it calls the API server" in ran.err
    found, _ = network(web, binding, options=["--egress", "--allow", "web=10.0.0.1/32:6443", "--cut", "kubernetes"])
    assert "allow-from-web" in found


def test_what_no_rule_can_name_is_an_error():
    api, front = workload("api"), service("api")
    _, ran = network(caller("api:8080", pod={"hostNetwork": True}), api, front, code=1)
    assert "runs on its node's network, which no rule names" in ran.err
    job = workload("once", kind="CronJob")
    nameless = workload("web", container={"args": ["http://api:8080"]}, labels={}, kind="Job")
    found, _ = network(nameless, api, front)
    (rule,) = found["allow-to-api"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"batch.kubernetes.io/job-name": "web"}}}]
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "once", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": nameless["spec"]["template"]}}},
    }
    _, ran = network(job, api, front, code=1)
    assert "has no labels, and no rule can name it" in ran.err


def test_a_selector_finds_its_own_pods_alone():
    stable = caller("api:8080", name="stable", labels={"app": "web", "track": "stable"})
    canary = workload("canary", labels={"app": "web", "track": "canary"})
    for one in (stable, canary):
        one["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    found, _ = network(stable, canary, workload("api"), service("api"))
    (rule,) = found["allow-to-api"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "web", "track": "stable"}}}]
    twin = caller("api:8080", name="twin", labels={"app": "web", "track": "canary"})
    _, ran = network(canary, twin, workload("api"), service("api"))
    assert "warning: Deployment shop/twin has the labels of Deployment shop/canary" in ran.err


def test_pods_that_a_service_selects_and_no_manifest_shows_are_named_by_its_selector():
    found, _ = network(caller("http://api"), service("api", selector={"operated": "yes"}, ports=[(80, "http")]))
    policy = found["allow-to-api"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"operated": "yes"}}
    assert policy["ingress"][0]["ports"] == [{"port": "http", "protocol": "TCP"}]


def test_a_port_that_the_service_has_not_gets_no_rule():
    found, ran = network(caller("api:9999"), workload("api"), service("api"), options=["--cut", "api"])
    assert "allow-to-api" not in found
    assert "Deployment shop/web calls port 9999 of Service shop/api, which has no such port" in ran.err


def test_a_service_without_a_selector_is_listed_and_no_rule_made_for_it():
    found, ran = network(caller("api:8080"), service("api", selector={}))
    assert set(found) == {"default-deny-ingress"}
    assert "note: Service shop/api has no selector" in ran.err
    _, ran = network(caller("api:8080"), service("api", selector={}), options=["--egress"], code=1)
    assert "Deployment shop/web: calls Service shop/api, which has no selector" in ran.err


def test_udp_and_sctp_stay_what_they_are():
    front = service("dns", ports=[])
    front["spec"]["ports"] = [
        {"name": "d", "port": 53, "protocol": "UDP"},
        {"name": "s", "port": 54, "protocol": "SCTP"},
    ]
    found, _ = network(caller("dns"), workload("dns"), front)
    (rule,) = found["allow-to-dns"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": 54, "protocol": "SCTP"}, {"port": 53, "protocol": "UDP"}]


POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "own", "namespace": "shop"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "api"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 8080}]}],
    },
}


def test_a_namespace_with_policies_of_its_own_gets_a_report_only(text_snapshot):
    objects = [POLICY, caller("api:8080"), caller("api:8080", name="job"), workload("api"), service("api")]
    found, ran = network(*objects, code=1)
    assert not found
    assert ran.err == text_snapshot


def test_policies_of_a_networks_own_kind_and_kubernetes_namespaces_are_left_alone():
    cilium = {**POLICY, "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy"}
    found, ran = network(cilium, workload("api"))
    assert not found
    assert "CiliumNetworkPolicy shop/own; nothing is written" in ran.err
    assert not network(workload("dns", space="kube-system"))[0]


def test_a_namespace_that_is_not_said_can_be_said():
    objects = [caller("api.shop.svc:8080", space=""), workload("api", space=""), service("api", space="")]
    _, ran = network(*objects, code=1, options=["--egress"])
    assert "say --namespace shop" in ran.err
    found, _ = network(*objects, options=["--namespace", "shop"])
    assert found["allow-to-api"]["metadata"]["namespace"] == "shop"


APPLICATION = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
    caller("http://api:8080"),
    workload("api", container={"env": [{"name": "REDIS_HOST", "value": "redis.data"}]}),
    service("api"),
    service("web", type="LoadBalancer"),
    workload("redis", kind="StatefulSet", space="data", serviceName="redis", replicas=2),
    service("redis", space="data", ports=[(6379, 6379)], clusterIP="None"),
]


def test_what_is_written_is_read_by_people(text_snapshot):
    _, ran = network(*APPLICATION, options=["--egress"])
    assert ran.out.decode() == text_snapshot


def test_the_pictures_show_who_may_talk_to_whom(tmp_path, text_snapshot):
    for name in ("all.mmd", "all.svg"):
        network(*APPLICATION, options=["--picture", tmp_path / name])
    root = ET.fromstring((tmp_path / "all.svg").read_text())  # noqa: S314 - our own
    titles = [title.text.splitlines()[0] for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted(titles[1:]) == [
        "anywhere to web: TCP 8080",
        "api to redis: TCP 6379",
        "redis to redis: TCP 6379",
        "web to api: TCP 8080",
    ]
    assert (tmp_path / "all.mmd").read_text() == text_snapshot


def test_nothing_in_a_name_becomes_markup(tmp_path):
    evil = workload('x"]]><script>alert(1)</script>%%{init}%%', labels={"app": "x"})
    front = service("x", type="NodePort")
    for name in ("all.mmd", "all.svg"):
        network(evil, front, options=["--picture", tmp_path / name])
    assert "<script" not in (tmp_path / "all.svg").read_text() + (tmp_path / "all.mmd").read_text()
    ET.fromstring((tmp_path / "all.svg").read_text())  # noqa: S314 - our own


def test_no_arrow_runs_behind_a_box_between_its_ends():
    nodes = tuple(picture.Node("shop", name, "Deployment") for name in "abcd")
    edges = (
        picture.Edge(0, 1, "", ()),
        picture.Edge(1, 2, "", ()),
        picture.Edge(0, 2, "", ()),
        picture.Edge(2, 0, "", ()),
    )
    drawn = picture.svg(picture.Graph(nodes, edges))
    assert drawn == picture.svg(picture.Graph(nodes, edges))
    path = re.findall(r'class="edge"[^>]* d="([^"]+)"', drawn)[2]
    heights = {float(y) for y in re.findall(r'<rect class="box" x="\S+" y="([\d.]+)"', drawn)}
    between = float(re.search(r" ([\d.]+)H", path)[1])
    assert all(not top < between < top + picture.HEIGHT for top in heights)


def test_a_folder_is_kept_up_to_date_and_only_our_own_files_change(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/app.yaml").write_bytes(text(*APPLICATION))
    run = ("network", "in", "-o", "out", "--picture", "out/all.svg")
    assert run_cli(*run, "--check", cwd=tmp_path).code == 1
    assert not (tmp_path / "out").exists()
    assert run_cli(*run, cwd=tmp_path).code == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(first) == {"all.svg", "network-policies-data.yaml", "network-policies-shop.yaml"}
    assert run_cli(*run, "--check", cwd=tmp_path).code == 0
    # what an earlier run has written isn't taken for policies that are there
    assert run_cli("network", ".", "-o", "out", "--check", cwd=tmp_path).code == 0
    (tmp_path / "out/network-policies-old.yaml").write_text("# Made by `krm-harden network`, an old one\n")
    (tmp_path / "out/mine.yaml").write_text("kind: X\n")
    assert run_cli(*run, cwd=tmp_path).code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*first, "mine.yaml"}
    (tmp_path / "out/network-policies-shop.yaml").write_text("kind: Y\n")
    ran = run_cli(*run, cwd=tmp_path)
    assert (ran.code, (tmp_path / "out/network-policies-shop.yaml").read_text()) == (3, "kind: Y\n")


def test_our_own_policies_in_the_cluster_are_no_policies_of_somebody_else():
    first, ran = network(*APPLICATION)
    again, second = network(*APPLICATION, *first.values())
    assert again == first
    assert second.code == ran.code == 0


WRONG = {
    "a file that isn't there": (["missing.yaml"], 3, "there is no such file"),
    "an allowance of nobody": (["--allow", "nobody=api", "app.yaml"], 3, "no workload is called 'nobody'"),
    "an allowance without a target": (["--allow", "web", "app.yaml"], 3, "'web' isn't FROM=TO"),
    "a port that isn't there": (["--allow", "web=api:1", "app.yaml"], 3, "Service shop/api has no port 1"),
    "a picture of another sort": (["--picture", "x.png", "app.yaml"], 3, "end it in .svg or .mmd"),
    "a check of nothing": (["--check", "app.yaml"], 3, "name its folder with -o"),
    "a template": (["template.yaml"], 2, "template.yaml:2: a template, not YAML"),
    "no YAML": (["broken.yaml"], 2, "broken.yaml:2"),
    "nothing": (["empty.yaml"], 2, "there are no documents"),
}


@pytest.mark.parametrize("words, code, said", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path, words, code, said):
    (tmp_path / "app.yaml").write_bytes(text(*APPLICATION))
    (tmp_path / "template.yaml").write_text("{{ if x }}\nkind: Pod\n{{ end }}\n")
    (tmp_path / "broken.yaml").write_text("a: 1\n b: 2\n")
    (tmp_path / "empty.yaml").write_text("\n")
    ran = run_cli("network", *words, cwd=tmp_path)
    assert (ran.code, ran.out) == (code, b""), ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_strange_data_is_read_without_a_traceback():
    strange = [None, [], {}, "x", 7, True]
    for value in strange:
        objects = [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": value},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "t"},
                "spec": {"ports": [value], "selector": value},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": value,
                "spec": {"template": value, "selector": value},
            },
            workload("a", container={"env": [value], "envFrom": [value], "args": [value], "ports": [value]}),
            workload("b", pod={"volumes": [value], "containers": [value]}),
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": "i"},
                "spec": {"rules": [value]},
            },
            {**POLICY, "spec": value},
            {**POLICY, "spec": {"podSelector": value, "ingress": [value, {"from": [value], "ports": [value]}]}},
            data("ConfigMap", "c", data=value),
        ]
        ran = run_cli("network", "--egress", "-", stdin="\n---\n".join(map(json.dumps, objects)).encode())
        assert ran.code in {0, 1}, ran.err
        assert "Traceback" not in ran.err, ran.err


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with apiserver.running(tmp_path_factory.mktemp("apiserver")) as found:
        for name in ("shop", "data"):
            found.create("Namespace", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        yield found


def test_the_api_server_takes_all_of_it(server):
    strange = [
        caller("api:8080", name=name, kind=kind, labels={"app": f"{number}{kind}"})
        for number, name in enumerate(["run-", "<host>", "a" * 253, "b.c", "b-c"])
        for kind in ("Deployment", "DaemonSet", "Job")
    ]
    options = ["--egress", "--allow", "web=10.0.0.0/8", "--allow", "*=api", "--allow", "data/*=api:8080"]
    ran = run_cli("network", *options, "--ingress-controller", "edge", "-", stdin=text(*APPLICATION, *strange))
    assert ran.code == 0, ran.err
    found = [one for one in yaml.safe_load_all(ran.out) if one]
    assert len(found) > 20
    for one in found:
        path = f"/apis/networking.k8s.io/v1/namespaces/{one['metadata']['namespace']}/networkpolicies?fieldValidation=Strict"
        answer = server.ask("POST", path, json.dumps(one).encode())
        assert answer.code == 201, answer


def test_real_applications_are_read_and_judged_without_a_failure(shared):
    names = (
        *("microservices-demo+microservices-demo/deploy/kubernetes/manifests", "dockersamples+example-voting-app"),
        *("Azure-Samples+aks-store-demo", "kubernetes+ingress-nginx", "projectcalico+calico", "antrea-io+antrea"),
    )
    for name in names:
        ran = run_cli("network", "--egress", shared / "corpus" / name)
        assert ran.code in {0, 1}, (name, ran.err)
        assert "Traceback" not in ran.err, ran.err
        assert all(one["kind"] == "NetworkPolicy" for one in yaml.safe_load_all(ran.out) if one)


def test_a_clusters_own_words_are_read_as_manifests_are():
    made = workload("web-5d", kind="ReplicaSet", container={"args": ["http://other:1"]})
    made["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web"}]
    operated = workload("api", status={"replicas": 1})
    operated["metadata"]["ownerReferences"] = [{"kind": "Api", "name": "api"}]
    front = service("api", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
    found, ran = network(
        {"apiVersion": "v1", "kind": "List", "items": [caller("10.96.0.7:8080"), made, operated, front]}
    )
    assert into(found, "api") == [("web", [PORT])]
    assert "web-5d" not in ran.out.decode()


def test_of_two_objects_of_one_name_the_later_counts_and_patches_count_for_nothing(tmp_path):
    patch = workload("web", container={"image": "i", "args": ["http://db:1"]})
    del patch["spec"]["template"]["spec"]["containers"][0]["image"]
    found, ran = network(caller("db:1"), caller("api:8080"), patch, workload("api"), service("api"))
    assert into(found, "api") == [("web", [PORT])]
    assert "Deployment shop/web stands at standard input:1 too: the later one counts" in ran.err
    first, second = caller("api:8080"), caller("api:8080", labels={"app": "other"})
    for one in (first, second):
        one["metadata"] = {"generateName": "run-", "namespace": "shop"}
    found, _ = network(first, second, workload("api"), service("api"))
    assert into(found, "api") == [("web", [PORT]), ("other", [PORT])]


def test_a_port_of_the_node_is_open_to_anywhere():
    port = {"containerPort": 8080, "hostPort": 80}
    found, _ = network(workload("agent", kind="DaemonSet", container={"ports": [port]}))
    assert into(found, "agent") == [("anywhere", [8080])]


def test_what_a_pod_calls_without_saying_so_is_listed_where_egress_is_denied():
    meshed = workload("web", pod={"dnsPolicy": "Default"})
    meshed["spec"]["template"]["metadata"]["annotations"] = {"sidecar.istio.io/inject": "true"}
    _, ran = network(meshed, options=["--egress"], code=1)
    assert "dnsPolicy Default: its DNS servers aren't the cluster's" in ran.err
    assert "sidecar.istio.io/inject: the sidecar that is injected has calls of its own" in ran.err
    network(meshed, options=["--egress", "--cut", "dns", "--cut", "sidecar"])


HOSTILE = {
    "letters": "a",
    "names": "a.",
    "slashes": "/",
    "hosts": "http://a@",
    "pairs": "a:1,",
    "keys": "host db ",
    "clients": "curl db ",
    "variables": "A_SERVICE_",
    "open": "${",
    "addresses": "[::1]:",
    "keywords": "a b=db ",
    "resolvers": "dns:///a",
}


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_a_text_is_searched_in_time_that_grows_with_its_length_alone(part):
    def cost(times):
        text = part * times
        readers = (
            lambda: mentions.of_value("X_URL", text, {"db"}.__contains__),
            lambda: mentions.of_file(text, {"db"}.__contains__),
            lambda: mentions.of_words(["sh", "-c", text], {"db"}.__contains__),
            lambda: mentions.injected(text, {}),
            lambda: mentions.shell_expanded(text, {}.get),
        )
        began = time.process_time()
        for reader in readers:
            list(reader())
        return time.process_time() - began

    size = 20_000 // len(part)
    small = min(cost(size) for _ in range(3))
    assert min(cost(8 * size) for _ in range(2)) < 30 * max(small, 0.002)


def test_an_address_of_ipv6_is_a_host_as_one_of_ipv4():
    front = service("api", clusterIP="fd00:0::7", clusterIPs=["fd00::7"])
    found, _ = network(caller("http://[fd00::7]:8080/x"), workload("api"), front, options=["--egress"])
    assert into(found, "api") == [("web", [PORT])]
    _, ran = network(caller("postgres://u:p@[2001:db8::1]:5432/x"), options=["--egress"], code=1)
    assert "names 2001:db8::1, port 5432: the default deny cuts it off" in ran.err
    network(caller("http://[::]:8080 http://[::1]:80 at [12:30:45]"), options=["--egress"])
    found, _ = network(workload("web"), options=["--egress", "--allow", "web=[2001:db8::/32]:443"])
    (rule,) = found["allow-from-web"]["spec"]["egress"]
    assert rule == {"to": [{"ipBlock": {"cidr": "2001:db8::/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]}


def headless(name, ports=((PORT, PORT),), **spec):
    return service(name, ports=ports, clusterIP="None", **spec)


LISTENING = {"ports": [{"containerPort": 7000}, {"containerPort": 7000, "protocol": "UDP"}, {"containerPort": PORT}]}


@pytest.mark.parametrize("replicas", [{}, {"replicas": 3}], ids=["by an autoscaler", "three"])
def test_peers_reach_each_other_on_ports_that_no_service_shows(replicas):
    peers = workload("db", kind="StatefulSet", serviceName="db", container=LISTENING, **replicas)
    found, _ = network(caller("db", variable="DB_HOST"), peers, headless("db"))
    assert into(found, "db") == [("db", [7000, PORT, 7000]), ("web", [PORT])]


def test_a_single_pod_has_no_peers():
    alone = workload("db", kind="StatefulSet", serviceName="db", container=LISTENING, replicas=1)
    found, _ = network(caller("db", variable="DB_HOST"), alone, headless("db"))
    assert into(found, "db") == [("web", [PORT])]


def test_pods_find_their_peers_by_the_name_of_their_own_headless_service():
    query = {"env": [{"name": "JGROUPS_DNS_QUERY", "value": "kc-peers"}], **LISTENING}
    found, _ = network(
        workload("kc", container=query), headless("kc-peers", selector={"app": "kc"}), options=["--cut", "kc-peers"]
    )
    assert into(found, "kc") == [("kc", [7000, PORT, 7000])]


def test_a_headless_service_without_ports_leads_to_those_of_its_pods():
    found, ran = network(
        caller("db", variable="DB_HOST"), workload("db", container=LISTENING), headless("db", ports=())
    )
    assert into(found, "db") == [("web", [7000, PORT, 7000])]
    assert "warning" not in ran.err
    found, _ = network(caller("db", variable="DB_HOST"), workload("db"), headless("db", ports=()))
    assert into(found, "db") == [("web", [])]
    found, _ = network(caller("db:7000"), workload("db", container=LISTENING), headless("db", ports=()))
    assert [port["protocol"] for port in found["allow-to-db"]["spec"]["ingress"][0]["ports"]] == ["TCP", "UDP"]


def test_the_node_that_a_pod_calls_is_listed_where_egress_is_denied():
    agent = {"env": [{"name": "DD_AGENT_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]}
    _, ran = network(workload("web", container=agent), options=["--egress"], code=1)
    assert "env DD_AGENT_HOST is the address of its node, for what it calls there: the default deny cuts" in ran.err
    network(workload("web", container=agent), options=["--egress", "--cut", "node"])
    network(workload("web", container=agent))


def test_an_ingress_reaches_what_its_service_is_an_alias_of():
    alias = service("front", space="edge", type="ExternalName", externalName="web.shop.svc.cluster.local.")
    backend = {"service": {"name": "front", "port": {"number": PORT}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "front", "namespace": "edge"},
        "spec": {"defaultBackend": backend},
    }
    found, _ = network(alias, ingress, workload("web"), service("web"), options=["--ingress-controller", "ingress"])
    assert into(found, "web") == [("ingress/*", [PORT])]


def test_pods_without_labels_that_are_open_on_their_node_are_an_error():
    port = {"ports": [{"containerPort": 80, "hostPort": 80}]}
    _, ran = network(workload("agent", kind="DaemonSet", labels={}, container=port), code=1)
    assert "DaemonSet shop/agent has no labels, and no rule can let anybody reach it on TCP 80" in ran.err


def test_pods_that_lack_a_services_port_wait_for_no_caller():
    named = workload(
        "one", labels={"app": "web", "n": "1"}, container={"ports": [{"name": "http", "containerPort": 80}]}
    )
    other = workload("two", labels={"app": "web", "n": "2"})
    _, ran = network(caller("http://web", name="c"), named, other, service("web", ports=[(80, "http")]))
    assert "no container of Deployment shop/two has a port http" in ran.err


def test_policies_of_the_whole_cluster_are_named():
    wide = {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": "deny"}}
    found, ran = network(wide, workload("web"))
    assert list(found) == ["default-deny-ingress"]
    assert "warning: GlobalNetworkPolicy deny holds for the whole cluster, and isn't judged here" in ran.err


def test_anywhere_may_be_called_too():
    found, _ = network(workload("web"), options=["--egress", "--allow", "web=anywhere"])
    assert found["allow-from-web"]["spec"]["egress"] == [{}]


@pytest.mark.parametrize("space", ["../../x", "/tmp/x", "a\0b", "n" * 300, "${NS}", ".."])
def test_a_namespace_that_is_no_name_leads_out_of_no_folder(tmp_path, space):
    folder = tmp_path / "a" / "b" / "out"
    for _ in range(2):
        ran = run_cli("network", "-o", folder, "-", stdin=text(workload("web", space=space), workload("web")))
        assert ran.code == 0, ran.err
        shop = folder / "network-policies-shop.yaml"
        (odd,) = {path for path in tmp_path.rglob("*") if path.is_file()} - {shop}
        assert odd.parent == folder
        assert re.fullmatch(r"network-policies-[A-Za-z0-9-]{8,70}\.yaml", odd.name)


WRONG_NAMES = (
    *(["--namespace", "../x"], ["--ingress-controller", "A b"], ["--metrics-from", "x/y"]),
    *(["--allow", "A b/*=web"], ["--allow", "web=/*"]),
)


@pytest.mark.parametrize("options", WRONG_NAMES, ids=" ".join)
def test_a_namespace_that_the_command_line_says_must_be_a_name(options):
    ran = run_cli("network", *options, "-", stdin=text(workload("web")))
    assert (ran.code, ran.out) == (3, b""), ran.err
    assert ran.err.count("\n") == 1, ran.err


def test_the_cost_grows_with_the_namespaces_and_not_with_their_square():
    def cost(count):
        objects = []
        for space in (f"n{number}" for number in range(count)):
            account = {"kind": "ServiceAccount", "name": "default", "namespace": space}
            objects += [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}},
                {**POLICY, "metadata": {"name": "theirs", "namespace": space}},
                data("RoleBinding", "b", space, subjects=[account]) | {"apiVersion": "rbac.authorization.k8s.io/v1"},
                data("ServiceMonitor", "m", space, spec={}) | {"apiVersion": "monitoring.coreos.com/v1"},
                caller("http://api:8080", space=space),
                workload("api", space=space),
                service("api", space=space),
            ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run_cli("network", "-", stdin="\n---\n".join(map(json.dumps, objects)).encode())
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    assert cost(800) < 6 * cost(200)


def test_a_selector_rests_on_labels_that_stay_where_they_are_enough():
    volatile = {"helm.sh/chart": "shop-1.2.3", "app.kubernetes.io/version": "7"}
    stable = caller("api:8080", name="stable", labels={"app": "web", "track": "stable", **volatile})
    canary = workload("canary", labels={"app": "web", "track": "canary", **volatile})
    for one in (stable, canary):
        one["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    found, _ = network(stable, canary, workload("api"), service("api"))
    (rule,) = found["allow-to-api"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "web", "track": "stable"}}}]


@pytest.mark.parametrize("port", ["0", "65536", "99999", "\u00b2", "-1", "http", ""])
def test_an_annotation_that_names_no_port_is_no_port_of_a_policy(port):
    scraped = workload("web", container={"ports": [{"containerPort": PORT}]})
    said = {"prometheus.io/scrape": "true", "prometheus.io/port": port}
    scraped["spec"]["template"]["metadata"]["annotations"] = said
    front = service("web")
    front["metadata"]["annotations"] = said
    monitor = data("PodMonitor", "m", spec={"selector": {}, "podMetricsEndpoints": [{"targetPort": 99999}]})
    monitor["apiVersion"] = "monitoring.coreos.com/v1"
    found, _ = network(scraped, front, monitor, options=["--metrics-from", "metrics"])
    assert into(found, "web") == [("metrics/*", [PORT])]


def test_a_command_line_names_ports_that_there_are():
    ran = run_cli("network", "--allow", "web=web:65536", "-", stdin=text(workload("web")))
    assert (ran.code, ran.out) == (3, b"")
    assert "--allow: 65536 is no port" in ran.err


def test_several_pictures_are_drawn_at_once(tmp_path):
    wanted = [word for name in ("a.svg", "b.mmd") for word in ("--picture", tmp_path / name)]
    network(*APPLICATION, options=wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.mmd"]
    assert (tmp_path / "b.mmd").read_text().startswith("flowchart")


def test_an_ingress_to_a_port_that_the_service_has_not_is_a_warning():
    backend = {"service": {"name": "api", "port": {"number": 81}}}
    ingress = data("Ingress", "i", spec={"defaultBackend": backend}) | {"apiVersion": "networking.k8s.io/v1"}
    found, ran = network(caller("api:8080"), workload("api"), service("api"), ingress)
    assert into(found, "api") == [("web", [PORT])]
    assert "warning: Service shop/api has no port 81: no rule is written for it" in ran.err
