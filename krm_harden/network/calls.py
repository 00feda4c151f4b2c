"""Who calls whom, as manifests show it: each connection with its evidence, and what stays unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.model import mapping, sequence, text
from krm_harden.network import exposed, mentions, texts
from krm_harden.network.model import Derived, Flow, Namespaced, Remark, Workload, named
from krm_harden.network.names import MAX_ALIASES, Absent, Outside, resolve
from krm_harden.network.ports import EVERY_PORT, of_pod, ports
from krm_harden.network.said import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.mentions import Mention
    from krm_harden.network.model import Options, Service, Thing
    from krm_harden.network.texts import Text

    Found: TypeAlias = "Iterator[Flow | Remark]"

_INJECTED = {
    "istio-injection": {"enabled"},
    "sidecar.istio.io/inject": {"true"},
    "linkerd.io/inject": {"enabled", "ingress"},
}
"""Labels and annotations by which a sidecar is injected."""
_RBAC = "rbac.authorization.k8s.io"


def derived(inventory: Inventory, options: Options) -> Derived:
    """All connections: from workloads, from outside, and what the command line says. Raises ConfigError."""
    found: list[Flow | Remark] = []
    variables = _variables(inventory)
    accounts = _bound(inventory)
    for workload in inventory.workloads:
        found += _of_workload(workload, inventory, variables.get(workload.namespace, {}))
        found += _to_the_api(workload, accounts)
        found += _of_its_own(workload, inventory)
    found += _among_peers(inventory)
    found += exposed.found(inventory, options)
    found += said(inventory, options.allowed)
    flows = tuple(dict.fromkeys(one for one in found if isinstance(one, Flow)))
    remarks = [*inventory.remarks, *(one for one in found if isinstance(one, Remark))]
    remarks += [_homeless(flow) for flow in flows if _is_homeless(flow)]
    remarks += [remark for flow in flows for remark in _nameless(flow)]
    remarks += _uncalled(inventory, flows)
    return Derived(tuple(flow for flow in flows if not _is_homeless(flow)), tuple(dict.fromkeys(remarks)))


def _is_homeless(flow: Flow) -> bool:
    """Whether one end names another namespace, and the other none: then no rule can name that one's."""
    spaces = [one.namespace for one in (flow.source, flow.target) if isinstance(one, (Workload, Namespaced))]
    return len(spaces) == 2 and spaces[0] != spaces[1] and "" in spaces


def _nameless(flow: Flow) -> Iterator[Remark]:
    """Pods without labels that are called, such as at a port of their node: the default deny cuts them off."""
    target = flow.target
    if isinstance(target, Workload) and target.selector is None:
        words = f"{target.title} has no labels, and no rule can let anybody reach it on {flow.port}; give it some"
        names = (target.name, named(target.namespace, target.name))
        yield Remark("error", words, flow.evidence.partition(": ")[0], names, target.namespace)


def _homeless(flow: Flow) -> Remark:
    ends = [one.title for one in (flow.source, flow.target) if isinstance(one, Workload) and not one.namespace]
    words = f"{ends[0] if ends else 'a workload'} names no namespace, and no rule can name it; say --namespace NAME"
    return Remark("error", words, flow.evidence.partition(": ")[0])


def _of_workload(workload: Workload, inventory: Inventory, variables: Mapping[str, str]) -> Found:
    namespace = workload.namespace

    def is_known(host: str) -> bool:
        return bool(inventory.services) and not isinstance(
            resolve(inventory, host, namespace), (Absent, Outside, type(None))
        )

    if workload.pod is None or workload.pod.spec.get("enableServiceLinks") is False:
        variables = {}
    for one in texts.of_workload(workload, inventory):
        if isinstance(one, Remark):
            yield one
            continue
        for mention in _mentioned(one, is_known):
            yield from _called(workload, inventory, mention, one)
        for word in one.words:
            for name in mentions.injected(word, variables):
                evidence = f"{one.place}: {one.said} uses the variables of Service {name}"
                yield from to_service(workload, inventory, inventory.services[namespace, name], None, evidence)


def _variables(inventory: Inventory) -> dict[str, dict[str, str]]:
    """The Services of each namespace by how the variables begin that a kubelet makes of them."""
    found: dict[str, dict[str, str]] = {}
    for space, name in inventory.services:
        found.setdefault(space, {})[mentions.variable_of(name)] = name
    return found


def _mentioned(one: Text, is_known: mentions.Known) -> Iterator[Mention]:
    if one.form == texts.VARIABLE:
        yield from mentions.of_value(one.key, one.words[0], is_known)
    elif one.form == texts.WORDS:
        yield from mentions.of_words(one.words, is_known)
    else:
        yield from mentions.of_file(one.words[0], is_known)


def _called(workload: Workload, inventory: Inventory, mention: Mention, one: Text) -> Found:
    target = resolve(inventory, mention.host, workload.namespace)
    # Nothing of a Secret is shown but that it names a Service.
    port = f", port {mention.port}" if mention.port and not one.secret else ""
    where = str(one.place)
    if isinstance(target, (Absent, Outside)):
        if one.secret:
            words = f"{workload.title}: {one.said} may name a host outside"
            yield _outside(workload, words, where, (one.secret,))
        elif mention.sure or isinstance(target, Outside):
            yield from _elsewhere(workload, inventory, target, f"{mention.host}{port}", f"{one.said} names", where)
    elif target is not None:
        own = not mention.sure and mention.port is None and workload in inventory.selected(target)
        if own and not target.headless:
            return  # its own name: of itself, not a call; by a headless Service's name pods find their peers
        evidence = f"{where}: {one.said} names Service {target.name}{port}"
        found = to_service(workload, inventory, target, mention.port, evidence)
        yield from (each for each in found if isinstance(each, Flow) or not one.secret)


def _elsewhere(
    workload: Workload, inventory: Inventory, target: Absent | Outside, host: str, how: str, where: str
) -> Iterator[Remark]:
    """What no rule can be made for: the default deny of egress cuts it."""
    if workload.host_network:
        return  # no policy holds there
    if isinstance(target, Absent) and target.name == "kubernetes":
        words = f"{workload.title}: {how} the API server"
        yield _outside(workload, words, where, ("kubernetes",))
    elif isinstance(target, Absent):
        name = named(target.namespace, target.name)
        words = f"{workload.title}: {how} {host}, and no Service {name} is in the input"
        if target.namespace and ("", target.name) in inventory.services:
            words += f"; if those without a namespace are in it, say --namespace {target.namespace}"
        yield _outside(workload, words, where, (target.name, name))
    else:
        yield _outside(workload, f"{workload.title}: {how} {host}", where, (target.host,))


def _outside(workload: Workload, words: str, where: str, about: tuple[str, ...]) -> Remark:
    """What a default deny of egress cuts off from a workload."""
    return Remark("outside", words, where, about, workload.namespace, named(workload.namespace, workload.name))


def to_service(
    source: Workload, inventory: Inventory, service: Service, port: int | str | None, evidence: str, depth: int = 0
) -> Found:
    """The connections from a workload to what stands behind a Service, on one of its ports or all."""
    if service.external_name:
        target = resolve(inventory, service.external_name.lower().rstrip("."), service.namespace)
        if isinstance(target, (Absent, Outside)):
            how = f"Service {service.name}, which it calls, is an alias of"
            yield from _elsewhere(
                source, inventory, target, service.external_name, how, str(service.thing.place("spec"))
            )
        elif target is not None and depth < MAX_ALIASES:
            yield from to_service(source, inventory, target, port, f"{evidence}, an alias", depth + 1)
        return
    if not service.selector:
        words = f"{source.title}: calls {service.title}, which has no selector: nothing says which addresses it has"
        yield _outside(source, words, str(service.thing.place()), (service.name,))
        return
    for behind in inventory.selected(service):
        yield from _to_workload(source, behind, service, port, evidence)


def _to_workload(source: Workload, target: Workload, service: Service, port: int | str | None, evidence: str) -> Found:
    where = str(service.thing.place("spec"))
    if source.host_network and not target.host_network:
        words = (
            f"{source.title} runs on its node's network, which no rule names by labels: it may not reach {target.title}"
        )
        names = (source.name, named(source.namespace, source.name))
        yield Remark("error", words, evidence.partition(": ")[0], names, target.namespace)
        return
    if source.selector is None:
        words = f"{source.title} has no labels, and no rule can name it: it can't reach {target.title}; give it some"
        yield Remark("error", words, evidence.partition(": ")[0], (source.name,), target.namespace)
        return
    if target.host_network:
        words = f"{source.title}: calls {service.title}, whose pods run on their nodes' network"
        yield _outside(source, words, where, (service.name,))
        return
    found = list(ports(service, target, port))
    if source is target and service.headless and port is None and target.ports:
        # What peers say to each other often has a port that no Service shows: Cassandra's 7000, JGroups' 7800.
        found = list(dict.fromkeys([*found, *of_pod(target)]))
    if not found:
        what = "" if port is None else f"port {port} of "
        why = "ports" if port is None else "such port"
        words = f"{source.title} calls {what}{service.title}, which has no {why}: no rule is written for it"
        yield Remark("warning", words, evidence.partition(": ")[0])
    for one in found:
        if isinstance(one.number, str) and target.pod is not None:
            words = f"{service.title}: no container of {target.title} has a port {one.number}"
            yield Remark("warning", words, where)
        else:
            yield Flow(source, target, one, evidence)


def _among_peers(inventory: Inventory) -> Found:
    """The pods of a StatefulSet find each other by its governing Service."""
    for workload in inventory.workloads:
        spec = mapping(workload.thing.resource.data.get("spec"))
        service = inventory.services.get((workload.namespace, text(spec.get("serviceName"))))
        # Where no number is said, an autoscaler may say it.
        several = spec.get("replicas") not in (0, 1)
        if workload.thing.resource.kind == "StatefulSet" and service and service.headless and several:
            place = workload.thing.place("spec", "serviceName")
            evidence = f"{place}: spec.serviceName: its pods find each other by Service {service.name}"
            if workload in inventory.selected(service):
                yield from _to_workload(workload, workload, service, None, evidence)


def _bound(inventory: Inventory) -> dict[tuple[str, str], Thing]:
    """The service accounts, by name and namespace, that a binding gives a role: the first that does."""
    found: dict[tuple[str, str], Thing] = {}
    for binding in inventory.of_kind((_RBAC, "RoleBinding"), (_RBAC, "ClusterRoleBinding")):
        for subject in map(mapping, sequence(binding.resource.data.get("subjects"))):
            if text(subject.get("kind")) == "ServiceAccount":
                space = text(subject.get("namespace")) or binding.namespace
                found.setdefault((text(subject.get("name")), space), binding)
    return found


def _to_the_api(workload: Workload, accounts: Mapping[tuple[str, str], Thing]) -> Iterator[Remark]:
    """A workload whose service account is bound to a role asks the API server."""
    if workload.pod is None or workload.host_network:
        return
    account = text(workload.pod.spec.get("serviceAccountName")) or text(workload.pod.spec.get("serviceAccount"))
    binding = accounts.get((account or "default", workload.namespace))
    if binding:
        words = f"{workload.title}: its service account is bound by {binding.title}: it calls the API server"
        yield _outside(workload, words, str(binding.place("subjects")), ("kubernetes",))


def _of_its_own(workload: Workload, inventory: Inventory) -> Iterator[Remark]:
    """What a pod calls that no text of it names: DNS servers of its own, and what a sidecar calls."""
    if workload.pod is None or workload.host_network:
        return
    policy = workload.pod.spec.get("dnsPolicy")
    if policy in {"Default", "None"}:
        words = f"{workload.title}: dnsPolicy {policy}: its DNS servers aren't the cluster's"
        where = workload.thing.place_of((*workload.pod.spec_pointer, "dnsPolicy"))
        yield _outside(workload, words, str(where), ("dns",))
    said = {**inventory.namespace_labels(workload.namespace), **workload.labels, **workload.pod.annotations}
    injected = next((key for key, values in _INJECTED.items() if said.get(key) in values), "")
    if injected:
        words = f"{workload.title}: {injected}: the sidecar that is injected has calls of its own, to its control plane"
        yield _outside(workload, words, str(workload.thing.place()), ("sidecar",))


def _uncalled(inventory: Inventory, flows: Iterable[Flow]) -> Iterator[Remark]:
    """The Services that nobody may reach any more, because no manifest says who calls them."""
    reached = {(id(flow.target), flow.port) for flow in flows if flow.source is not flow.target}
    called = {target for target, _ in reached}
    for service in inventory.services.values():
        if not service.ports and any(id(target) in called for target in inventory.selected(service)):
            continue  # it says no ports, so whoever calls one of its pods calls it
        wanted = [
            (target, port)
            for target in inventory.selected(service)
            for port in ports(service, target, None)
            if not target.host_network and not (isinstance(port.number, str) and target.pod is not None)
        ]
        if any(not {(id(target), port), (id(target), EVERY_PORT)} & reached for target, port in wanted):
            words = f"{service.title}: nothing here says who calls it, and the default deny cuts it off"
            names = (service.name, named(service.namespace, service.name))
            yield Remark("uncalled", words, str(service.thing.place()), names, service.namespace)
