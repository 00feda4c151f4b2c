"""Where a judge of pods goes wrong easily: what the standard's evaluator and the API server do, and so do we.

Each truth stands here in words, and is put to the judges beside us wherever they are built: `psa` for templates and for
Pods that the API server finds invalid, `admission` for other Pods.
"""

from __future__ import annotations

import pytest
import yaml
from conftest import require, tool
from judges import APPARMOR, admission, as_json, defaulted, of_admission, of_psa, ours, policy, psa, templated

from krm_harden import check
from krm_harden.errors import ConfigError

ALLOWED = (True, "")
WEB = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
CONTEXT = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def container(name="web", *, context=None, **fields) -> dict:
    """A container that restricted allows but for what is given; `context` adds to its securityContext."""
    return {"name": name, "image": "i", "securityContext": WEB | (context or {}), **fields}


def pod(*containers, context=None, annotations=None, **fields) -> dict:
    """A Pod that restricted allows but for what is given."""
    metadata = {"name": "a"} | ({} if annotations is None else {"annotations": annotations})
    spec = {"securityContext": CONTEXT | (context or {}), "containers": list(containers or [container()]), **fields}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def verdict(manifest, level="restricted", version="latest"):
    """Our verdict; the judges give the same."""
    text = as_json(manifest)
    mine = ours(text, policy(level, version))
    if manifest["kind"] != "Pod":
        if tool("psa"):
            assert of_psa(*psa([text], level, version)) == mine
        return mine
    created = admission([text], level, version)[0] if tool("admission") else {"code": 0}
    if created["code"] in {201, 403}:
        assert of_admission(created) == mine
    elif tool("psa"):
        assert of_psa(*psa([as_json(defaulted(manifest))], level, version)) == mine
    return mine


def both(manifest, level="restricted", version="latest"):
    """The verdict on a Pod that is the same for a Deployment of it."""
    mine = verdict(manifest, level, version)
    assert verdict(templated(manifest), level, version) == mine
    return mine


def code(manifest) -> int:
    """What the API server answers at level privileged, which has nothing against a pod."""
    return admission([as_json(manifest)], "privileged", "latest")[0]["code"]


def written(text: str, level="restricted", version="latest"):
    """Our verdict on YAML, None where it can't be read; `psa` reads the same."""
    mine = ours(text, policy(level, version))
    if tool("psa"):
        (judge,) = psa([text], level, version)
        assert (None if judge.get("error") else of_psa(judge)) == mine
    return mine


DEPLOYMENT = yaml.safe_dump(templated(pod()), sort_keys=False)


def with_field(*fields: str) -> str:
    """The text of a Deployment that restricted allows, with more lines in its container's securityContext."""
    before, line, after = DEPLOYMENT.partition("allowPrivilegeEscalation: false\n")
    indent = before[before.rindex("\n") + 1 :]
    replaced = fields[0].startswith("allowPrivilegeEscalation:")
    lines = [*([] if replaced else [line]), *(f"{field}\n" for field in fields)]
    return before + indent.join(lines) + after


def in_spec(field: str) -> str:
    """The same, with one more line in its pod's spec."""
    assert DEPLOYMENT.count("      containers:\n") == 1
    return DEPLOYMENT.replace("      containers:\n", f"      {field}\n      containers:\n")


def test_the_judges_are_asked():
    """Else the other tests compare with their own words alone."""
    assert of_psa(*psa([as_json(templated(pod()))], "restricted", "latest")) == ALLOWED
    assert [code(pod()), code(pod(containers=[]))] == [201, 422]
    assert require("admission")


# 1-4: what the API server's defaults and checks do to Pods, and not to templates


@pytest.mark.parametrize("source", [{}, {"emptyDir": None}, {"hostPath": None}, {"fooDisk": {}}], ids=as_json)
def test_a_volume_without_source_is_an_empty_dir_in_pods_and_unknown_in_templates(source):
    manifest = pod(volumes=[{"name": "data", **source}])
    unknown = 'restricted volume types (volume "data" uses restricted volume type "unknown")'

    assert verdict(manifest) == ALLOWED
    assert verdict(templated(manifest)) == (False, unknown)
    assert both(manifest, "baseline") == ALLOWED


def test_a_null_volume_is_one_without_source_too():
    assert verdict(pod(volumes=[None])) == ALLOWED
    assert not verdict(templated(pod(volumes=[None])))[0]


def test_a_pod_on_the_hosts_network_takes_its_ports_and_a_template_does_not_yet():
    ports = [{"containerPort": 80}, {"containerPort": 443, "hostPort": 0}]
    init = container("init", ports=[{"containerPort": 8080}])
    late = container("late", ports=[{"containerPort": 1}])
    manifest = pod(container(ports=ports), initContainers=[init], hostNetwork=True)
    network = "host namespaces (hostNetwork=true)"

    assert verdict(manifest) == (
        False,
        f'{network}, hostPort (containers "init", "web" use hostPorts 443, 80, 8080)',
    )
    assert verdict(templated(manifest)) == (False, network)
    assert verdict(pod(ephemeralContainers=[late], hostNetwork=True)) == (False, network)
    assert both(pod(container(ports=ports), hostNetwork=False)) == ALLOWED


ANNOTATED = 'container.apparmor.security.beta.kubernetes.io/{}="unconfined"'


def test_an_apparmor_annotation_of_a_pod_becomes_the_containers_field():
    manifest = pod(annotations={APPARMOR + "web": "unconfined"})
    said = f'"{ANNOTATED.format("web")}"'

    assert verdict(manifest) == (
        False,
        'forbidden AppArmor profiles (container "web" and annotation must not set AppArmor profile type to'
        f' "Unconfined", {said})',
    )
    assert verdict(templated(manifest)) == (
        False,
        f"forbidden AppArmor profile (annotation must not set AppArmor profile type to {said})",
    )


def test_an_apparmor_annotation_does_not_become_a_field_that_would_say_nothing_new():
    annotations = {APPARMOR + "web": "unconfined"}
    alone = f'forbidden AppArmor profile (annotation must not set AppArmor profile type to "{ANNOTATED.format("web")}")'
    own = container(context={"appArmorProfile": {"type": "RuntimeDefault"}})
    of_pod = verdict(pod(annotations=annotations, context={"appArmorProfile": {"type": "Unconfined"}}))

    assert both(pod(own, annotations=annotations)) == (False, alone)
    assert of_pod == (
        False,
        "forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to"
        f' "Unconfined", "{ANNOTATED.format("web")}")',
    )
    assert both(pod(annotations={APPARMOR + "web": "localhost/web"})) == ALLOWED
    assert both(pod(annotations={APPARMOR + "web": "runtime/default"})) == ALLOWED


def test_an_apparmor_annotation_counts_without_its_container_but_not_on_the_deployment_itself():
    absent = pod(annotations={APPARMOR + "absent": "unconfined"})
    deployment = templated(pod())
    deployment["metadata"]["annotations"] = {APPARMOR + "web": "unconfined"}

    assert both(absent) == (
        False,
        f'forbidden AppArmor profile (annotation must not set AppArmor profile type to "{ANNOTATED.format("absent")}")',
    )
    assert verdict(deployment) == ALLOWED


def test_a_volume_of_two_sources_is_allowed_at_restricted_and_refused_at_baseline():
    manifest = pod(volumes=[{"name": "data", "hostPath": {"path": "/"}, "configMap": {"name": "c"}}])

    assert both(manifest) == ALLOWED
    assert both(manifest, "baseline") == (False, 'hostPath volumes (volume "data")')


# 5-12: which values count


def test_windows_may_say_at_restricted_what_baseline_refuses():
    """From v1.25 the restricted checks pass Windows by, and still take the place of baseline's."""
    manifest = pod(
        container(context={"capabilities": {"add": ["SYS_ADMIN"]}, "allowPrivilegeEscalation": None}),
        context={"seccompProfile": {"type": "Unconfined"}},
        os={"name": "windows"},
    )
    seccomp = 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'
    added = 'container "web" must not include "SYS_ADMIN" in securityContext.capabilities.add'
    escalation = (
        'allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false)'
    )
    dropped = 'container "web" must set securityContext.capabilities.drop=["ALL"]'
    refused = (False, f"{escalation}, unrestricted capabilities ({dropped}; {added}), {seccomp}")

    assert both(manifest) == ALLOWED
    assert both(manifest, version="v1.25") == ALLOWED
    assert both(manifest, version="v1.24") == refused
    assert both(manifest, "baseline") == (False, f"non-default capabilities ({added}), {seccomp}")
    manifest["spec"]["os"]["name"] = "Windows"
    assert both(manifest) == refused


@pytest.mark.parametrize("context", [{}, {"allowPrivilegeEscalation": None}, {"allowPrivilegeEscalation": True}, None])
def test_privilege_escalation_must_be_false_in_so_many_words(context):
    mine = both(pod({**container(), "securityContext": context}), version="v1.21")

    assert mine == (
        False,
        'allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false)',
    )


def test_null_is_nothing_said():
    nothing = dict.fromkeys(["hostPID", "hostIPC", "hostNetwork", "volumes", "initContainers", "ephemeralContainers"])
    context = dict.fromkeys(["privileged", "procMount", "seLinuxOptions", "appArmorProfile", "windowsOptions"])

    assert both(pod(container(context=context), **nothing)) == ALLOWED


def test_a_bad_value_of_the_pod_counts_even_where_every_container_says_better():
    good = container(context={"runAsUser": 1000, **CONTEXT})
    bad = {"runAsNonRoot": False, "runAsUser": 0, "seccompProfile": {"type": "Unconfined"}}

    assert both(pod(good, context=bad)) == (
        False,
        "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false),"
        " runAsUser=0 (pod must not set runAsUser=0),"
        ' seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    )


def test_who_says_something_bad_hides_who_says_nothing():
    bad = container("bad", context={"runAsNonRoot": False, "seccompProfile": {"type": "Unconfined"}})
    nothing = {"runAsNonRoot": None, "seccompProfile": None}

    assert both(pod(container(), bad, context=nothing)) == (
        False,
        'runAsNonRoot != true (container "bad" must not set securityContext.runAsNonRoot=false),'
        ' seccompProfile (container "bad" must not set securityContext.seccompProfile.type to "Unconfined")',
    )
    assert both(pod(container(), context=nothing)) == (
        False,
        'runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true),'
        ' seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to'
        ' "RuntimeDefault" or "Localhost")',
    )


@pytest.mark.parametrize("profile", [{}, {"type": ""}, {"type": None}], ids=as_json)
def test_a_profile_without_a_type_is_a_bad_one(profile):
    in_container = pod(container(context={"seccompProfile": profile, "appArmorProfile": profile}))

    assert both(pod(context={"seccompProfile": profile})) == (
        False,
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "")',
    )
    assert both(in_container) == (
        False,
        'forbidden AppArmor profile (container "web" must not set AppArmor profile type to ""),'
        ' seccompProfile (container "web" must not set securityContext.seccompProfile.type to "")',
    )


NOT_CAPABILITIES = ["chown", "CAP_CHOWN", "CAP_NET_BIND_SERVICE", "net_bind_service", "all", "CAP_ALL", ""]


@pytest.mark.parametrize("name", ["ALL", "SYS_ADMIN", *NOT_CAPABILITIES])
def test_capabilities_are_added_by_their_exact_names(name):
    manifest = pod(container(context={"capabilities": {"add": [name], "drop": ["ALL"]}}))
    detail = f'container "web" must not include "{name}" in securityContext.capabilities.add'

    assert both(manifest) == (False, f"unrestricted capabilities ({detail})")
    assert both(manifest, "baseline") == (False, f"non-default capabilities ({detail})")


@pytest.mark.parametrize("names", [["all"], ["CAP_ALL"], ["NET_RAW", "SYS_ADMIN"], [""], [], None], ids=as_json)
def test_all_capabilities_are_dropped_by_the_word_all_alone(names):
    assert both(pod(container(context={"capabilities": {"drop": names}}))) == (
        False,
        'unrestricted capabilities (container "web" must set securityContext.capabilities.drop=["ALL"])',
    )


@pytest.mark.parametrize(
    ("added", "restricted"), [([], True), (None, True), (["NET_BIND_SERVICE"], True), (["CHOWN"], False)]
)
def test_restricted_lets_no_default_capability_but_one_be_added(added, restricted):
    manifest = pod(container(context={"capabilities": {"add": added, "drop": ["NET_RAW", "ALL"]}}))

    assert both(manifest)[0] == restricted
    assert both(manifest, "baseline") == ALLOWED


def test_ports_of_the_host_are_sorted_as_words():
    ports = [{"containerPort": port, "hostPort": port} for port in (9090, 10000, 9090)]
    sidecar = container("sidecar", restartPolicy="Always", ports=[{"containerPort": 1, "hostPort": 80}])
    none = [{"containerPort": 80, "hostPort": 0}, {"containerPort": 81, "hostPort": None}]

    assert both(pod(container(ports=ports))) == (False, 'hostPort (container "web" uses hostPorts 10000, 9090)')
    assert both(pod(container(ports=ports[:1]), initContainers=[sidecar])) == (
        False,
        'hostPort (containers "sidecar", "web" use hostPorts 80, 9090)',
    )
    assert both(pod(container(ports=[{"containerPort": 80, "hostPort": -1}]))) == (
        False,
        'hostPort (container "web" uses hostPort -1)',
    )
    assert both(pod(container(ports=none))) == ALLOWED


def test_a_pod_without_containers_is_judged_by_what_it_says_itself():
    """The API server would refuse it, for another reason; the standard has nothing against it."""
    empty = pod(containers=[])

    assert both(empty) == ALLOWED
    empty["spec"] |= {"hostNetwork": True, "securityContext": None}
    assert both(empty) == (False, "host namespaces (hostNetwork=true)")


def test_a_controller_without_a_template_is_skipped():
    manifest = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "a"}, "spec": {}}

    assert verdict(manifest) == ALLOWED
    assert [note.reason for note in check(as_json(manifest)).unexamined] == [
        "cannot read spec.template: there is nothing"
    ]


# 13-17: how the server reads


@pytest.mark.parametrize("word", ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "FALSE", "False"])
def test_yaml_1_1_has_many_words_for_false(word):
    assert written(with_field(f"allowPrivilegeEscalation: {word}")) == ALLOWED
    assert written(with_field(f"privileged: {word}")) == ALLOWED


@pytest.mark.parametrize("word", ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "TRUE", "True"])
def test_yaml_1_1_has_many_words_for_true(word):
    assert written(in_spec(f"hostPID: {word}")) == (False, "host namespaces (hostPID=true)")


@pytest.mark.parametrize(
    "number, value",
    [
        *(("010", 8), ("08", 8), ("0o10", 8), ("0X1F", 31), ("0b11", 3), ("1_000", 1000), ("1e3", 1000), ("+7", 7)),
        *(("8080.0", 8080), ("-1", -1)),
    ],
)
def test_numbers_are_read_as_go_reads_them(number, value):
    port = f"ports: [{{containerPort: 80, hostPort: {number}}}]"
    text = DEPLOYMENT.replace("image: i\n", f"image: i\n        {port}\n")

    assert written(text) == (False, f'hostPort (container "web" uses hostPort {value})')


@pytest.mark.parametrize("zero", ["0", "0.0", "-0", "0o0", "0x0", "00", "0e5", "+0"])
def test_zero_is_root_however_it_is_written(zero):
    assert written(with_field(f"runAsUser: {zero}")) == (
        False,
        'runAsUser=0 (container "web" must not set runAsUser=0)',
    )


@pytest.mark.parametrize("number", ["1:30", "1000.5", '"1000"', "true", "false", "0.5", "2001-01-01", "1e400", "[]"])
def test_what_is_no_integer_is_not_taken_for_one(number):
    """`false` isn't 0, and 1:30 isn't 90: the API server answers 400."""
    assert written(with_field(f"runAsUser: {number}")) is None
    assert written(DEPLOYMENT.replace("image: i\n", f"image: i\n        ports: [{{hostPort: {number}}}]\n")) is None


def test_json_has_no_integer_with_a_fraction():
    text = as_json(templated(pod(context={"runAsUser": 0})))
    refused = (False, "runAsUser=0 (pod must not set runAsUser=0)")

    assert written(text) == refused
    assert written(text.replace('"runAsUser": 0', '"runAsUser": 0.0')) is None
    assert written(text.replace('"runAsUser": 0', '"runAsUser": 1e3')) is None


@pytest.mark.parametrize("name", ["2001-01-01", "=", "<<", "1:30", "12e", ".x", "~a", "0o9"])
def test_what_is_no_number_stays_a_string(name):
    text = DEPLOYMENT.replace("name: web\n", f"name: {name} \n").replace("drop:\n", "drop: []\n", 1)
    text = "".join(line for line in text.splitlines(keepends=True) if line.strip() != "- ALL")

    assert written(text) == (
        False,
        f'unrestricted capabilities (container "{name}" must set securityContext.capabilities.drop=["ALL"])',
    )


@pytest.mark.parametrize("value", ['"true"', '"yes"', "1", "0", "1.0", '""', "[]", "{}", "[true]"])
@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "hostIPC", "hostUsers"])
def test_a_boolean_is_nothing_else(field, value):
    assert written(in_spec(f"{field}: {value}")) is None
    assert written(with_field(f"privileged: {value}")) is None


def test_a_key_that_stands_twice_is_refused():
    """The API server takes the last, or refuses it where it validates fields strictly; readers disagree."""
    yes, no = "privileged: true", "privileged: false"
    texts = [with_field(yes, no), with_field(no, yes)]
    text = as_json(templated(pod()))
    texts += [text.replace('"image"', '"name": "x", "image"')]

    for each in texts:
        assert ours(each, policy("baseline")) is None
    judges = psa(texts, "baseline", "latest", "-strict")
    assert [judge["allowed"] for judge in judges[:2]] == [True, False]
    assert [len(judge["strictErrors"]) for judge in judges[:2]] == [1, 1]


def test_merge_keys_are_honoured():
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  template:
    spec:
      hostPID: &shared true
      containers:
      - &web {name: web, image: i, securityContext: &context {privileged: true, procMount: Unmasked}}
      - {<<: *web, name: db}
      - name: last
        image: i
        securityContext: {<<: [*context], privileged: false}
"""
    privileged = 'privileged (containers "web", "db" must not set securityContext.privileged=true)'
    mount = 'procMount (containers "web", "db", "last" must not set securityContext.procMount to "Unmasked")'

    assert written(text, "baseline") == (False, f"host namespaces (hostPID=true), {privileged}, {mount}")


@pytest.mark.parametrize("field", ["hostnetwork", "HostNetwork", "HOSTNETWORK", "host_network"])
def test_a_field_has_one_spelling(field):
    assert both(pod(**{field: True})) == ALLOWED
    assert not both(pod(container(context={"allowPrivilegeEscalation": None, "AllowPrivilegeEscalation": False})))[0]


# 18-24: versions, words and kinds


@pytest.mark.parametrize("label", ["v1.37", "v1.38", "v1.99", "v1.1000", "latest"])
def test_a_version_of_the_future_is_the_newest_and_is_called_what_its_label_says(label):
    manifest = pod(
        container(livenessProbe={"httpGet": {"host": "127.0.0.1", "port": 80}}),
        context={"sysctls": [{"name": "net.ipv4.tcp_notsent_lowat", "value": "1"}]},
    )
    (found,) = check(as_json(manifest), policy("baseline", label)).resources

    assert both(manifest, "baseline", label) == (
        False,
        'probe or lifecycle host (container "web" uses probe or lifecycle host "127.0.0.1")',
    )
    assert found.version == label
    if tool("admission"):
        (answer,) = admission([as_json(manifest)], "baseline", label)
        assert f'violates PodSecurity "baseline:{found.version}": ' in answer["message"]


@pytest.mark.parametrize("label", ["1.30", "v1.007", "v2.0", "v1.30.1", "V1.30", "v1", "v1.x", "", " v1.30", "newest"])
def test_a_version_is_written_in_one_way(label):
    with pytest.raises(ConfigError):
        policy("baseline", label)


@pytest.mark.parametrize("level", ["Restricted", "RESTRICTED", "default", ""])
def test_a_level_is_written_in_one_way(level):
    with pytest.raises(ConfigError):
        policy(level)


def test_ephemeral_containers_are_in_every_check_and_last():
    bad = {
        "name": "late",
        "image": "i",
        "ports": [{"hostPort": 80, "containerPort": 80}],
        "securityContext": {
            "privileged": True,
            "procMount": "Unmasked",
            "runAsUser": 0,
            "runAsNonRoot": False,
            "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"},
            "seLinuxOptions": {"type": "spc_t"},
            "windowsOptions": {"hostProcess": True},
            "capabilities": {"add": ["NET_RAW"]},
        },
        "livenessProbe": {"tcpSocket": {"host": "db", "port": 80}},
    }
    allowed, message = both(pod(ephemeralContainers=[bad]))
    bare = [{"name": name, "image": "i"} for name in ("late", "web", "init")]
    _, order = both(pod(bare[1], initContainers=[bare[2]], ephemeralContainers=[bare[0]]))

    assert not allowed
    assert message.count('container "late"') == 13
    assert 'containers "init", "web", "late" must set' in order


def test_names_and_values_are_not_escaped_but_those_of_annotations_are():
    odd = 'a"\t\u00ad\x7fé'
    context = {"procMount": odd}
    annotations = {APPARMOR + odd: odd}
    manifest = templated(pod(container(odd, context=context), container(odd, context=context), annotations=annotations))

    assert verdict(manifest) == (
        False,
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to"
        f' "{APPARMOR}{odd}="a\\"\\t\\u00ad\\x7fé""),'
        f' procMount (containers "{odd}", "{odd}" must not set securityContext.procMount to "{odd}")',
    )


def test_plurals_follow_what_each_word_counts():
    hosts = {
        "livenessProbe": {"httpGet": {"host": "a", "port": 1}},
        "lifecycle": {"preStop": {"tcpSocket": {"host": "b"}}},
    }
    options = {"seLinuxOptions": {"type": "x", "user": "u"}}
    sysctls = [{"name": "kernel.msgmax"}, {"name": "a"}, {"name": "kernel.msgmax"}]
    manifest = pod(
        container("web", context=options, **hosts),
        container("db", livenessProbe=hosts["livenessProbe"]),
        container("web", context=options),
        context={"sysctls": sysctls, "seLinuxOptions": {"role": "r", "type": "a"}},
        volumes=[{"name": "one", "nfs": {}}, {"name": "two", "nfs": {}}],
    )

    assert both(manifest) == (
        False,
        'probe or lifecycle host (containers "db", "web" use probe or lifecycle hosts "a", "b"),'
        ' seLinuxOptions (pod and containers "web", "web" set forbidden securityContext.seLinuxOptions:'
        ' types "a", "x"; user may not be set; role may not be set),'
        " forbidden sysctls (kernel.msgmax, a, kernel.msgmax),"
        ' restricted volume types (volumes "one", "two" use restricted volume type "nfs")',
    )


def test_seccomp_annotations_are_of_the_time_before_the_field():
    prefix = "container.seccomp.security.alpha.kubernetes.io/"
    manifest = pod(
        annotations={
            prefix + "web": "",
            prefix + "absent": "unconfined",
            "seccomp.security.alpha.kubernetes.io/pod": "x",
        },
        context={"seccompProfile": {"type": "Unconfined"}},
    )
    said = f'{prefix}web="", seccomp.security.alpha.kubernetes.io/pod="x"'

    assert both(manifest, "baseline", "v1.18") == (False, f"seccompProfile (forbidden annotations {said})")
    assert both(manifest, "baseline", "v1.19") == (
        False,
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    )
    assert both(pod(annotations={APPARMOR + "web": "", prefix + "web": "docker/default"}), version="v1.18") == ALLOWED


def test_a_sysctl_is_named_with_dots():
    manifest = pod(context={"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]})

    assert both(manifest) == (False, "forbidden sysctls (net/ipv4/tcp_syncookies)")


def test_a_long_message_is_not_cut():
    """As in the body of a 403. Only the header of warnings has a limit, of 4,096 characters."""
    names = [f"container-of-a-long-name-{number}" for number in range(200)]
    allowed, message = both(pod(*({"name": name, "image": "i"} for name in names)))

    assert not allowed
    assert len(message) > 3 * 4096
    assert all(message.count(f'"{name}"') == 2 for name in names)


NOT_EVALUATED = [
    ("extensions/v1beta1", "Deployment"),
    ("apps/v1beta2", "Deployment"),
    ("argoproj.io/v1alpha1", "Rollout"),
]


@pytest.mark.parametrize("api_version, kind", NOT_EVALUATED)
def test_other_kinds_with_pods_are_judged_by_the_pods_they_will_make(api_version, kind):
    """The API server evaluates its nine own kinds at their stable versions only; here a server says nothing."""
    manifest = {**templated(pod(hostPID=True)), "apiVersion": api_version, "kind": kind}

    assert ours(as_json(manifest), policy("restricted")) == (False, "host namespaces (hostPID=true)")
    if tool("psa"):
        (judge,) = psa([as_json(manifest)], "restricted", "latest")
        assert "no kind" in judge["error"]


def test_a_container_without_an_image_makes_a_kustomize_patch_which_is_named_and_not_judged():
    """The API server takes such a template, and judges it; here it is a part of one, more probably."""
    result = check(as_json(templated(pod({"name": "web"}))))

    assert result.resources == ()
    assert [note.reason for note in result.unexamined] == [
        "a kustomize patch: it has $patch, or a container without an image"
    ]


def test_an_unknown_kind_with_containers_is_named_and_not_judged():
    manifest = {**templated(pod(hostPID=True)), "apiVersion": "example.org/v1", "kind": "Fleet"}
    result = check(as_json(manifest))

    assert result.resources == ()
    assert [note.kind for note in result.unexamined] == ["Fleet"]
