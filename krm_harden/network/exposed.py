"""Connections that don't begin in a workload: from outside, ingress controllers, the API server, metrics' scrapers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.model import dotted, lookup, mapping, sequence, text, walk
from krm_harden.network.inventory import labels_of, matches
from krm_harden.network.model import TCP, Anywhere, Flow, Namespaced, Port, Remark, named
from krm_harden.network.names import meant
from krm_harden.network.ports import numbered, ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias, TypeVar

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Options, Peer, Service, Thing, Workload

    Found: TypeAlias = "Iterator[Flow | Remark]"
    _Placed = TypeVar("_Placed", Service, Workload)

_ROUTES = (("spec/rules/*/backendRefs/*", "spec/rules/*/filters/*/requestMirror/backendRef"), "name", "port")
_TRAEFIK = (("spec/routes/*/services/*",), "name", "port")
BACKENDS: dict[tuple[str, str], tuple[tuple[str, ...], str, str]] = {
    ("networking.k8s.io", "Ingress"): (
        ("spec/defaultBackend/service", "spec/rules/*/http/paths/*/backend/service"),
        "name",
        "port",
    ),
    ("extensions", "Ingress"): (
        ("spec/backend", "spec/rules/*/http/paths/*/backend"),
        "serviceName",
        "servicePort",
    ),
    **{
        ("gateway.networking.k8s.io", kind): _ROUTES
        for kind in ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")
    },
    ("route.openshift.io", "Route"): (("spec/to", "spec/alternateBackends/*"), "name", ""),
    **{
        (group, kind): _TRAEFIK
        for group in ("traefik.io", "traefik.containo.us")
        for kind in ("IngressRoute", "IngressRouteTCP", "IngressRouteUDP")
    },
}
"""Where objects name the Services that a controller sends traffic to, and the keys of a backend's name and port."""

CALLED_BY_THE_API: dict[tuple[str, str], tuple[str, ...]] = {
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): ("webhooks/*/clientConfig/service",),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): ("webhooks/*/clientConfig/service",),
    ("apiregistration.k8s.io", "APIService"): ("spec/service",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        "spec/conversion/webhook/clientConfig/service",
        "spec/conversion/webhookClientConfig/service",
    ),
}
"""Where objects name the Services that the API server calls."""
HTTPS = 443
_MONITORING = "monitoring.coreos.com"


def found(inventory: Inventory, options: Options) -> Found:
    """All of them."""
    for service in inventory.services.values():
        if not service.selector and not service.external_name:
            words = f"{service.title} has no selector: nothing says which addresses it has, and no rule names them"
            yield Remark("note", words, str(service.thing.place()))
        yield from _opened(service, inventory)
    yield from _routed(inventory, options)
    yield from _asked_by_the_api(inventory)
    yield from _scraped(inventory, options)
    for workload in inventory.workloads:
        yield from _on_the_node(workload)
        yield from _knative(workload)


def _opened(service: Service, inventory: Inventory) -> Found:
    addresses = sequence(mapping(service.thing.resource.data.get("spec")).get("externalIPs"))
    if service.kind in {"LoadBalancer", "NodePort"}:
        what = f"spec.type: Service {service.name} is a {service.kind}: anywhere may call it"
        yield from _to(Anywhere(), service, inventory, None, f"{service.thing.place('spec', 'type')}: {what}")
    elif addresses:
        what = f"spec.externalIPs: Service {service.name} has addresses outside: anywhere may call it"
        yield from _to(Anywhere(), service, inventory, None, f"{service.thing.place('spec', 'externalIPs')}: {what}")


def _on_the_node(workload: Workload) -> Iterator[Flow]:
    """A container's hostPort: whoever reaches the node reaches the pod."""
    if workload.pod is None or workload.host_network:
        return
    for container in workload.pod.containers:
        for index, port in enumerate(map(mapping, sequence(container.data.get("ports")))):
            number = port.get("containerPort")
            if isinstance(port.get("hostPort"), int) and port["hostPort"] and isinstance(number, int):
                place = workload.thing.place_of((*container.pointer, "ports", index, "hostPort"))
                evidence = f'{place}: hostPort of container "{container.name}": anywhere may call it'
                yield Flow(Anywhere(), workload, Port(number, text(port.get("protocol")) or TCP), evidence)


def _to(source: Peer, service: Service, inventory: Inventory, port: int | str | None, evidence: str) -> Found:
    service = meant(inventory, service)
    for target in inventory.selected(service):
        if not target.host_network:
            found = list(ports(service, target, port))
            if not found:
                words = (
                    f"{service.title} has no {'ports' if port is None else f'port {port}'}: no rule is written for it"
                )
                yield Remark("warning", words, evidence.partition(": ")[0])
            for one in found:
                if isinstance(one.number, str) and target.pod is not None:
                    words = f"{service.title}: no container of {target.title} has a port {one.number}"
                    yield Remark("warning", words, str(service.thing.place("spec")))
                else:
                    yield Flow(source, target, one, evidence)


def _routed(inventory: Inventory, options: Options) -> Found:
    controller = options.ingress_controller
    source: Peer = Namespaced(controller) if controller else Anywhere()
    from_where = (
        f"namespace {controller} may call it" if controller else "anywhere may call it: no --ingress-controller"
    )
    for thing in inventory.of_kind(*BACKENDS):
        patterns, name_key, port_key = BACKENDS[thing.resource.group, thing.resource.kind]
        if (thing.resource.group, thing.resource.kind) == ("networking.k8s.io", "Ingress") and "v1beta1" in str(
            thing.resource.api_version
        ):
            patterns, name_key, port_key = BACKENDS["extensions", "Ingress"]
        for pattern in patterns:
            for pointer in walk(thing.resource.data, tuple(pattern.split("/"))):
                backend = mapping(lookup(thing.resource.data, pointer))
                if backend.get("kind", "Service") != "Service" or not text(backend.get(name_key)):
                    continue
                place = thing.place(*pointer)
                what = f"{place}: {dotted(pointer)} of {thing.resource.kind} {thing.resource.name}: {from_where}"
                yield from _backend(thing, backend, (name_key, port_key), inventory, source, what)


def _backend(
    thing: Thing,
    backend: Any,
    keys: tuple[str, str],
    inventory: Inventory,
    source: Peer,
    evidence: str,
) -> Found:
    space = text(backend.get("namespace")) or thing.namespace
    name = text(backend[keys[0]])
    service = inventory.services.get((space, name))
    if service is None:
        words = f"{thing.title} names Service {named(space, name)}, which isn't in the input"
        yield Remark("warning", words, evidence.partition(": ")[0])
        return
    port = backend.get(keys[1]) if keys[1] else None
    if isinstance(port, dict):
        port = port.get("number") or port.get("name")
    known = numbered(port) or port
    yield from _to(source, service, inventory, known if isinstance(known, (int, str)) else None, evidence)


def _asked_by_the_api(inventory: Inventory) -> Found:
    for thing in inventory.of_kind(*CALLED_BY_THE_API):
        for pattern in CALLED_BY_THE_API[thing.resource.group, thing.resource.kind]:
            for pointer in walk(thing.resource.data, tuple(pattern.split("/"))):
                said = mapping(lookup(thing.resource.data, pointer))
                service = inventory.services.get((text(said.get("namespace")), text(said.get("name"))))
                if service is None and text(said.get("name")):
                    service = inventory.services.get(("", text(said.get("name"))))
                if service:
                    port = said.get("port")
                    what = f"{dotted(pointer)} of {thing.resource.kind} {thing.resource.name}"
                    evidence = f"{thing.place(*pointer)}: {what}: the API server calls it, and no rule names that one"
                    number = port if isinstance(port, int) else HTTPS
                    yield from _to(Anywhere(), service, inventory, number, evidence)


def _scraped(inventory: Inventory, options: Options) -> Found:
    wanted = [*_annotated(inventory), *_monitored(inventory)]
    if options.metrics:
        for target, port, evidence in wanted:
            words = f"{evidence}: namespace {options.metrics} may scrape it"
            yield Flow(Namespaced(options.metrics), target, port, words)
        return
    titles = sorted({target.title for target, _, _ in wanted})
    if titles:
        several = f"{titles[0]} and {len(titles) - 1} more say" if len(titles) > 1 else f"{titles[0]} says"
        words = f"{several} that metrics are scraped, which is cut off; name the scraper's namespace by --metrics-from"
        yield Remark("warning", words, wanted[0][2].partition(": ")[0], ("metrics",))


def _annotated(inventory: Inventory) -> Iterator[tuple[Workload, Port, str]]:
    """What says by Prometheus' annotations that it is scraped: pods, and pods behind Services."""
    for workload in inventory.workloads:
        if workload.pod is not None and not workload.host_network:
            annotations = workload.pod.annotations
            if str(annotations.get("prometheus.io/scrape")).lower() == "true":
                place = workload.thing.place_of((*workload.pod.metadata_pointer, "annotations", "prometheus.io/scrape"))
                for port in _scraped_ports(annotations, workload):
                    yield workload, port, f"{place}: the annotation prometheus.io/scrape"
    for service in inventory.services.values():
        annotations = service.thing.resource.annotations
        if str(annotations.get("prometheus.io/scrape")).lower() == "true":
            place = service.thing.place("metadata", "annotations", "prometheus.io/scrape")
            for target in inventory.selected(service):
                for port in _of_service(service, target, annotations.get("prometheus.io/port")):
                    yield target, port, f"{place}: the annotation prometheus.io/scrape of Service {service.name}"


def _scraped_ports(annotations: Any, workload: Workload) -> list[Port]:
    number = numbered(annotations.get("prometheus.io/port"))
    if number:
        return [Port(number)]
    return [Port(number, protocol) for _, number, protocol in workload.ports]


def _of_service(service: Service, target: Workload, said: Any) -> list[Port]:
    if target.host_network:
        return []
    number = numbered(said)
    if number:
        return [Port(number)]
    return [port for port in ports(service, target, None) if isinstance(port.number, int)]


def _monitored(inventory: Inventory) -> Iterator[tuple[Workload, Port, str]]:
    """What a ServiceMonitor or a PodMonitor of the Prometheus operator selects."""
    services = _by_namespace(inventory.services.values())
    workloads = _by_namespace(inventory.workloads)
    for thing in inventory.of_kind((_MONITORING, "ServiceMonitor")):
        for service in _within(thing, services):
            if _monitors(thing, labels_of(service.thing.resource.metadata)):
                for target in inventory.selected(service):
                    yield from _endpoints(thing, "endpoints", target, service)
    for thing in inventory.of_kind((_MONITORING, "PodMonitor")):
        for workload in _within(thing, workloads):
            if _monitors(thing, workload.labels):
                yield from _endpoints(thing, "podMetricsEndpoints", workload, None)


def _endpoints(
    thing: Thing, field: str, target: Workload, service: Service | None
) -> Iterator[tuple[Workload, Port, str]]:
    """A monitor's endpoints at one workload: by the port of a Service, or of the pod."""
    for index, endpoint in enumerate(sequence(mapping(thing.resource.data.get("spec")).get(field))):
        said = mapping(endpoint)
        name = said.get("port")
        found = list(ports(service, target, name)) if service and name else _of_pod(target, name)
        found += _of_pod(target, said.get("targetPort") or said.get("portNumber"))
        for port in found:
            if isinstance(port.number, int) and not target.host_network:
                yield target, port, f"{thing.place('spec', field, index)}: {thing.title}"


def _by_namespace(found: Iterable[_Placed]) -> dict[str, list[_Placed]]:
    spaces: dict[str, list[_Placed]] = {}
    for one in found:
        spaces.setdefault(one.namespace, []).append(one)
    return spaces


def _within(thing: Thing, found: Mapping[str, list[_Placed]]) -> Iterator[_Placed]:
    """What stands in the namespaces that a monitor looks at."""
    spaces = mapping(mapping(thing.resource.data.get("spec")).get("namespaceSelector"))
    said = [name for name in sequence(spaces.get("matchNames")) if isinstance(name, str)]
    names = found if spaces.get("any") is True else dict.fromkeys(said or [thing.namespace])
    for name in names:
        yield from found.get(name, ())


def _monitors(thing: Thing, labels: Any) -> bool:
    return matches(mapping(mapping(thing.resource.data.get("spec")).get("selector")), labels)


def _of_pod(target: Workload, said: Any) -> list[Port]:
    if isinstance(said, int):
        number = numbered(said)
        return [Port(number)] if number else []
    return [Port(number, protocol) for name, number, protocol in target.ports if said and name == said]


def _knative(workload: Workload) -> Iterator[Remark]:
    if workload.thing.resource.group == "serving.knative.dev":
        words = f"{workload.title} is reached through Knative's own pods, and no rule is written for it"
        yield Remark("error", words, str(workload.thing.place()), (workload.name,), workload.namespace)
