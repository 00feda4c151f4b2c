"""`check --scan`: what scanners report of images, at the containers that run them, through the one gate."""

from __future__ import annotations

import gc
import json
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import scans
import yaml
from conftest import Ran, run_cli
from hypothesis import given
from hypothesis import strategies as st
from scans import ONE, THREE, TWO, cluster, cve, grype, in_cluster, match, of_grype, of_trivy, trivy

from krm_harden import ceilings, policy, source
from krm_harden.errors import ConfigError, KrmHardenError
from krm_harden.reports import _schema
from krm_harden.reports._vulnerabilities import told
from krm_harden.resources import resources
from krm_harden.scanning.judging import Scan
from krm_harden.scanning.reading import read

if TYPE_CHECKING:
    from pathlib import Path

DAY = "2024-02-01"
NOW = {"SOURCE_DATE_EPOCH": "1706745600"}
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: nginx:1.27
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
"""
POLICY = "apiVersion: krm-harden.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: team\nspec:\n"


def of(*reports: Any, where: str = "scan.json"):
    return read(scans.text(*reports), where)


def found(manifest: str, *reports: Any, spec: dict[str, Any] | None = None, locks: tuple[Any, ...] = ()):
    """The findings about the images of one manifest, and the scan that made them."""
    data = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "spec": spec or {}}
    made = policy.from_data(data, "team")
    scan = Scan(of(*reports), DAY)
    every = [
        finding
        for resource in resources(source.read(manifest))
        for finding in scan.findings(made, resource, [*made.locks, *locks])
    ]
    return every, scan


def outcomes(manifest: str, *reports: Any, **more: Any) -> list[tuple[str, str, str]]:
    every, _ = found(manifest, *reports, **more)
    return [(finding.vulnerability["id"], finding.state, finding.severity) for finding in every]


def gate(**settings: Any) -> dict[str, Any]:
    return {"controls": {"imageVulnerabilities": settings}}


def exempt(*ids: str, reason: str = "known", **more: Any) -> dict[str, Any]:
    wanted = {"vulnerabilities": list(ids)} if ids else {}
    rest = {name: more.pop(name) for name in ("expires", "controls") if name in more}
    return {"match": {**wanted, **more}, "controls": ["imageVulnerabilities"], "reason": reason, **rest}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "web.yaml").write_text(WEB)
    return tmp_path


def check(folder: Path, *arguments: str, **more: Any) -> Ran:
    more.setdefault("SOURCE_DATE_EPOCH", NOW["SOURCE_DATE_EPOCH"])
    return run_cli("check", *arguments, cwd=folder, **more)


def write(folder: Path, name: str, *reports: Any) -> str:
    (folder / name).write_bytes(scans.text(*reports))
    return name


# Reading


def test_a_report_of_trivy_says_what_it_is_about_and_what_it_found():
    (report,) = of(trivy("nginx:1.27", cve(1, "HIGH", "3.0.2", VendorIDs=["DLA-1-1"]), digest=ONE))

    assert report.names == {"docker.io/library/nginx:1.27"}
    assert (report.digests, report.ids) == ({ONE}, {TWO})
    assert [one._asdict() for one in report.found] == [
        {
            "id": "CVE-2024-0001",
            "severity": "high",
            "package": "openssl",
            "installed": "3.0.1",
            "fixed": "3.0.2",
            "published": "2024-01-10",
            "url": "https://avd.aquasec.com/nvd/cve-2024-0001",
            "aliases": ("DLA-1-1",),
        }
    ]


def test_a_report_of_grype_says_what_it_is_about_and_what_it_found():
    wrong = match("GHSA-aaaa-bbbb-cccc", "High", ("3.0.2", "3.1"), related=("CVE-2024-0001",))
    (report,) = of(grype("nginx:1.27", wrong, digest=ONE, tags=("nginx:stable",)))

    assert report.names == {"docker.io/library/nginx:1.27", "docker.io/library/nginx:stable"}
    assert (report.digests, report.ids) == ({ONE, THREE}, {TWO})
    (one,) = report.found
    assert (one.id, one.aliases) == ("CVE-2024-0001", ("GHSA-aaaa-bbbb-cccc",))
    assert (one.severity, one.package, one.installed, one.fixed) == ("high", "openssl", "3.0.1", "3.0.2, 3.1")
    assert one.published == "2024-02-01"


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("nginx:1.27", {"docker.io/library/nginx:1.27"}),
        ("registry:nginx:1.27", {"docker.io/library/nginx:1.27"}),
        ("docker:ghcr.io/team/app", {"ghcr.io/team/app:latest"}),
        ("registry:2", {"docker.io/library/registry:2"}),
        (f"ghcr.io/team/app@{ONE}", set()),
        ("docker-archive:image.tar", set()),
        ("oci-dir:/tmp/layout", set()),
        ("./image.tar", set()),
    ],
)
def test_grype_says_how_it_got_an_image_before_its_name(said, names):
    (report,) = of(grype(said, manifest=""))

    assert report.names == names


@pytest.mark.parametrize("severity", ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"])
def test_the_sarif_of_trivy_says_the_same_as_its_json(severity):
    report = trivy("nginx:1.27", cve(1, severity, "3.0.2"), cve(2, severity), digest=ONE)

    (wanted,), (made,) = of(report), of(of_trivy(report))

    assert (made.names, made.digests, made.ids) == (wanted.names, wanted.digests, wanted.ids)
    assert made.found == tuple(one._replace(published="") for one in wanted.found)


def test_the_sarif_of_grype_says_the_same_as_its_json():
    report = grype(
        "ghcr.io/team/app:1", match("CVE-2024-0001", "High", ("3.0.2",)), match("CVE-2024-0002"), manifest=""
    )

    (wanted,), (made,) = of(report), of(of_grype(report))

    assert made.names == wanted.names
    assert made.found == tuple(one._replace(published="") for one in wanted.found)


@pytest.mark.parametrize(
    ("uri", "more", "rule", "severity"),
    [
        ("image://ghcr.io/team/app:1", {}, {"properties": {"security-severity": "9.8"}}, "critical"),
        (f"ghcr.io/team/app@{ONE}", {}, {"properties": {"security-severity": "7.0"}}, "high"),
        ("Dockerfile", {"properties": {"image": "ghcr.io/team/app:1"}}, {"properties": {"tags": ["LOW"]}}, "low"),
        ("ghcr.io/team/app:1", {}, {}, "high"),
    ],
)
def test_a_log_of_any_tool_counts_where_it_names_its_image(uri, more, rule, severity):
    (report,) = of(scans.other_log(uri, {"id": "CVE-2024-0001", **rule}, **more))

    assert report.is_about_an_image
    assert [(one.id, one.severity) for one in report.found] == [("CVE-2024-0001", severity)]


@pytest.mark.parametrize("uri", ["Dockerfile", "library/nginx", "src/app.py:12"])
def test_a_log_that_names_no_image_is_about_none(uri):
    (report,) = of(scans.other_log(uri, {"id": "CVE-2024-0001"}))

    assert not report.is_about_an_image
    assert len(report.found) == 1


def test_a_log_is_read_without_what_is_suppressed_or_no_vulnerability():
    secret = {"id": "aws-key", "properties": {"tags": ["secret", "security", "CRITICAL"]}}
    suppressed = {"suppressions": [{"kind": "external", "status": "accepted"}]}

    assert [one.found for one in of(scans.other_log("ghcr.io/a/b:1", secret))] == [()]
    assert [one.found for one in of(scans.other_log("ghcr.io/a/b:1", {"id": "CVE-2024-0001"}, **suppressed))] == [()]


RESULTS = [
    ({"suppressions": [{"kind": "external", "status": "accepted"}]}, []),
    ({"suppressions": [{"kind": "inSource"}]}, []),
    ({"suppressions": [{"kind": "external", "status": "rejected"}]}, ["high"]),
    ({"suppressions": [{"kind": "external"}, {"kind": "external", "status": "underReview"}]}, ["high"]),
    ({"kind": "pass"}, []),
    ({"kind": "notApplicable"}, []),
    ({"baselineState": "absent"}, []),
    ({"baselineState": "unchanged"}, ["high"]),
    ({"level": None}, ["medium"]),
    ({"level": None, "rule": {"id": "CVE-2024-0001", "index": 0, "toolComponent": {"index": 0}}}, ["critical"]),
]


@pytest.mark.parametrize(("more", "severities"), RESULTS)
def test_a_result_of_a_log_counts_as_the_standard_has_it(more, severities):
    log = scans.other_log("nginx:1.27", {"id": "CVE-2024-0001"})
    log["runs"][0]["results"][0] |= more
    extension = {"name": "rules", "rules": [{"id": "CVE-2024-0001", "properties": {"security-severity": "9.8"}}]}
    log["runs"][0]["tool"]["extensions"] = [extension]

    assert [one.severity for report in of(log) for one in report.found] == severities


def test_a_cluster_has_a_report_for_each_image_of_a_workload():
    one, two = trivy("nginx:1.27", cve(1), digest=ONE), trivy("redis:7", cve(2), cve(3), image_id=ONE)
    two["Results"].append({"Target": "app.jar", "Class": "lang-pkgs", "Type": "jar", "Vulnerabilities": [cve(4)]})

    for field in ("Resources", "Findings"):
        first, second = of(cluster(in_cluster("Deployment", "web", one, two), field=field))
        assert [each.id for each in first.found] == ["CVE-2024-0001"]
        assert [each.id for each in second.found] == ["CVE-2024-0002", "CVE-2024-0003", "CVE-2024-0004"]


def test_no_vulnerability_of_a_cluster_is_lost_where_its_image_cannot_be_told():
    one, two = trivy("nginx:1.27"), trivy("redis:7")
    results = [{"Target": "app.jar", "Class": "lang-pkgs", "Type": "jar", "Vulnerabilities": [cve(4)]}]

    made = of(cluster(in_cluster("Deployment", "web", one, two) | {"Results": results}))

    assert [[each.id for each in report.found] for report in made] == [["CVE-2024-0004"], ["CVE-2024-0004"]]


def test_what_an_image_without_a_system_has_is_not_lost_behind_one_with_a_system():
    one, two = trivy("docker.io/library/nginx:1.27", cve(1), tags=("nginx:1.27",)), trivy("app:1", cve(2))
    two["Results"][0] |= {"Target": "usr/bin/app", "Class": "lang-pkgs", "Type": "gobinary"}
    three = trivy("redis:7", cve(3))

    made = of(cluster(in_cluster("Deployment", "web", one, two, three)))

    found = {report.title: [each.id for each in report.found] for report in made}
    assert found == {
        "nginx:1.27": ["CVE-2024-0001", "CVE-2024-0002"],
        "app:1": ["CVE-2024-0002"],
        "redis:7": ["CVE-2024-0003"],
    }


def test_metadata_of_older_clusters_is_one_object():
    one = trivy("nginx:1.27", cve(1))

    (report,) = of(cluster(in_cluster("Pod", "web", one) | {"Metadata": one["Metadata"]}))

    assert report.names == {"docker.io/library/nginx:1.27"}


def test_what_a_vendor_says_is_not_affected_is_not_found():
    (report,) = of(trivy("nginx:1.27", cve(1, Status="not_affected"), cve(2, Status="will_not_fix")))

    assert [one.id for one in report.found] == ["CVE-2024-0002"]


def test_several_reports_may_stand_behind_each_other():
    made = read(b"\xef\xbb\xbf" + scans.text(trivy("nginx:1.27"), grype("redis:7")), "-")

    assert [report.title for report in made] == ["nginx:1.27", "redis:7"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "isn't JSON: line 1, column 2"),
        (b"[" * 100_000, "isn't JSON"),
        (b'{"SchemaVersion": ' + b"1" * 5000 + b"}", "a number that is too long"),
        (b"\xff\xff\xff", "isn't"),
        (b"{}", "isn't a scanner's report"),
        (b"[]", "isn't a scanner's report"),
        (b'"text"', "isn't a scanner's report"),
        (scans.text([{"Target": "nginx:1.27", "Vulnerabilities": None}]), "schema version 1"),
        (scans.text(trivy("nginx:1.27") | {"SchemaVersion": 3}), "schema version 3"),
        (scans.text(trivy("nginx:1.27") | {"Results": {}}), "Results must be a list"),
        (scans.text(trivy("nginx:1.27") | {"Metadata": []}), "Metadata must be an object"),
        (scans.text(trivy("nginx:1.27", {"VulnerabilityID": 1})), "Vulnerabilities[0].VulnerabilityID must be a text"),
        (scans.text(grype("nginx:1.27") | {"matches": None, "source": 1}), "source must be an object"),
        (scans.text(grype("nginx:1.27", {"vulnerability": {}})), "matches[0].vulnerability.id must be a text"),
        (scans.text({"version": "3.0", "runs": []}), "version must be 2.1.0"),
        (scans.text({"version": "2.1.0", "runs": [1]}), "runs[0] must be an object"),
    ],
)
def test_what_is_no_report_is_an_error_of_one_line(data, words):
    with pytest.raises(KrmHardenError) as error:
        read(data, "scan.json")

    assert str(error.value).startswith("scan.json: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.just("x"), st.just([]), st.just([1]), st.just({}))
REPORTS = (
    trivy("nginx:1.27", cve(1, fixed="2"), digest=ONE),
    cluster(in_cluster("Pod", "web", trivy("nginx:1.27", cve(1)))),
    grype("nginx:1.27", match("GHSA-aaaa-bbbb-cccc", fixed=("2",), related=("CVE-2024-0001",))),
    of_trivy(trivy("nginx:1.27", cve(1))),
    of_grype(grype("nginx:1.27", match("CVE-2024-0001"))),
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for step, value in pairs for place in places(value, (*path, step)))]


def refusal(data: bytes) -> str:
    """Why a report isn't read, or empty."""
    try:
        read(data, "scan.json")
    except KrmHardenError as error:
        return str(error)
    return ""


@given(st.data())
def test_a_report_with_anything_anywhere_is_read_or_refused_in_one_line(data):
    report = json.loads(json.dumps(data.draw(st.sampled_from(REPORTS))))
    *above, last = data.draw(st.sampled_from(places(report)[1:]))
    holder = report
    for step in above:
        holder = holder[step]
    holder[last] = data.draw(VALUES)

    assert "\n" not in refusal(json.dumps(report).encode())


# Which image


def pinned(image: str) -> str:
    return WEB.replace("nginx:1.27", image)


@pytest.mark.parametrize(
    ("image", "report", "matches"),
    [
        ("nginx:1.27", trivy("nginx:1.27", cve(1)), True),
        ("docker.io/library/nginx:1.27", trivy("index.docker.io/library/nginx:1.27", cve(1)), True),
        ("nginx:1.27", trivy("nginx:1.26", cve(1)), False),
        ("nginx", trivy("nginx:latest", cve(1)), True),
        (f"nginx:1.27@{ONE}", trivy("nginx:1.27", cve(1), digest=ONE), True),
        (f"registry.example/mirror/nginx@{ONE}", trivy("nginx:1.27", cve(1), digest=ONE), True),
        (f"nginx:1.27@{ONE}", trivy("nginx:1.27", cve(1), digest=THREE), False),
        (f"nginx:1.27@{ONE}", trivy("nginx:1.27", cve(1)), True),
        (f"nginx@{THREE}", grype("nginx:1.27", match("CVE-2024-0001")), True),
        ("nginx:1.27", trivy("image.tar", cve(1), tags=("nginx:1.27",)), True),
        ("nginx:1.27", trivy("image.tar", cve(1), tags=()), False),
    ],
)
def test_a_report_is_about_an_image_by_digest_else_by_tag(image, report, matches):
    every, scan = found(pinned(image), report)

    assert bool(every) == matches
    assert bool(scan.missing()) == (not matches)
    assert any("nothing here runs" in line for line in scan.warnings(policy.Policy({}))) == (not matches)


def test_a_report_of_another_digest_than_the_pinned_one_says_so():
    _, scan = found(pinned(f"nginx:1.27@{ONE}"), trivy("nginx:1.27", cve(1), digest=THREE))

    (line,) = scan.missing()
    assert f"scan.json is about {THREE}, and not about {ONE}: scan it again" in line


def lock(digest: str, *names: str) -> dict[str, Any]:
    return {"imageLock": {"images": [{"digest": digest, "imageID": "sha256:" + "9" * 64, "images": list(names)}]}}


def test_a_lock_says_which_digest_a_tag_means():
    by_digest = trivy(f"registry.example/mirror@{ONE}", cve(1), digest=ONE, tags=())

    assert outcomes(WEB, by_digest) == []
    assert outcomes(WEB, by_digest, spec=lock(ONE, "docker.io/library/nginx:1.27")) == [
        ("CVE-2024-0001", "manual", "error")
    ]


def test_a_report_of_a_tag_that_has_moved_since_the_lock_counts_and_says_so():
    spec = lock(ONE, "docker.io/library/nginx:1.27")
    every, scan = found(WEB, trivy("nginx:1.27", cve(1), digest=THREE), spec=spec)

    assert len(every) == 1
    (line,) = scan.warnings(policy.Policy(spec))
    assert line == f"nginx:1.27: scan.json is about {THREE}, and not about {ONE}: scan it again"


def test_a_running_pod_says_which_digest_its_tag_was():
    pod = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  containers: [{{name: web, image: "nginx:1.27"}}]
status:
  containerStatuses: [{{name: web, imageID: "docker-pullable://docker.io/library/nginx@{ONE}"}}]
"""
    assert outcomes(pod, trivy("nginx:1.27", cve(1), digest=THREE)) == []
    assert len(outcomes(pod, trivy("nginx:1.27", cve(1), digest=ONE))) == 1
    moved = lock(THREE, "docker.io/library/nginx:1.27")
    assert outcomes(pod, trivy("nginx:1.27", cve(1), digest=THREE), spec=moved) == []
    local = pod.replace(f"docker-pullable://docker.io/library/nginx@{ONE}", f"docker://{TWO}")
    assert len(outcomes(local, trivy("shop/nginx:dev", cve(1), image_id=TWO))) == 1


def test_a_report_without_a_digest_counts_beside_one_with_it():
    grypes = of_grype(grype("nginx:1.27", match("CVE-2024-0002")))
    both = [trivy("nginx:1.27", cve(1), digest=ONE), grypes]
    names = ["CVE-2024-0001", "CVE-2024-0002"]

    for manifest, spec in ((WEB, lock(ONE, "docker.io/library/nginx:1.27")), (pinned(f"nginx:1.27@{ONE}"), None)):
        assert [name for name, _, _ in outcomes(manifest, *both, spec=spec)] == names


def test_every_container_of_every_kind_is_looked_at():
    job = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: night}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          initContainers: [{name: first, image: "redis:7"}]
          containers: [{name: main, image: "nginx:1.27"}, {name: later, image: "$(IMAGE)"}]
"""
    every, scan = found(job, trivy("nginx:1.27", cve(1)), trivy("redis:7", cve(2)))

    assert [(one.container, one.path) for one in every] == [
        ("first", "spec.jobTemplate.spec.template.spec.initContainers[0].image"),
        ("main", "spec.jobTemplate.spec.template.spec.containers[0].image"),
    ]
    assert [("$(IMAGE)" in line, "later" in line) for line in scan.missing()] == [(True, True)]


def test_an_image_that_the_scanner_could_not_look_into_has_no_report():
    failed = in_cluster("Deployment", "web", trivy("nginx:1.27"), Error="scan error: unauthorized")

    _, scan = found(WEB, cluster(failed | {"Results": []}))

    assert scan.missing() == [
        'no scanner\'s report is about nginx:1.27 (Deployment/shop/web, container "web"): '
        "scan.json: scan error: unauthorized"
    ]


# The gate


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({}, "error info info info info"),
        ({"failOn": "high"}, "error error info info info"),
        ({"failOn": "medium"}, "error error error info info"),
        ({"failOn": "low"}, "error error error error info"),
        ({"failOn": "negligible"}, "error error error error info"),
        ({"failOn": "unknown"}, "error error error error error"),
        ({"failOn": "none"}, "info info info info info"),
        ({"enabled": False}, ""),
    ],
)
def test_the_gate_fails_from_a_severity_on(settings, states):
    wrong = [cve(index, word) for index, word in enumerate(("CRITICAL", "HIGH", "MEDIUM", "LOW", "strange"))]
    every, _ = found(WEB, trivy("nginx:1.27", *wrong), spec=gate(**settings))

    assert " ".join(one.severity for one in every) == states
    assert {one.state for one in every} == {"manual" if one.severity == "error" else "deferred" for one in every}


@pytest.mark.parametrize(
    ("said", "meant"),
    [("Critical", "critical"), (" HIGH ", "high"), ("Important", "high"), ("moderate", "medium"), (9.8, "unknown")],
)
def test_a_severity_is_known_by_the_words_of_vendors_too(said, meant):
    (report,) = of(trivy("nginx:1.27", cve(1, said)))

    assert [one.severity for one in report.found] == [meant]


def test_a_fix_without_a_version_is_a_fix_and_a_blank_version_is_none():
    fixed = grype("nginx:1.27", match("CVE-2024-0001", state="fixed"))
    blank = trivy("nginx:1.27", cve(1, fixed=" "))

    (finding,), _ = found(WEB, fixed, spec=gate(onlyFixed=True))
    assert (finding.state, finding.reason) == ("manual", "take an image with a newer version of openssl")
    assert [state for _, state, _ in outcomes(WEB, blank, spec=gate(onlyFixed=True))] == ["deferred"]


def test_grype_knows_negligible():
    report = grype("nginx:1.27", match("CVE-2024-0001", "Negligible"), match("CVE-2024-0002", "Unknown"))

    assert [one[2] for one in outcomes(WEB, report, spec=gate(failOn="negligible"))] == ["error", "info"]


def test_what_has_no_fix_is_a_warning_where_only_fixed_counts():
    report = trivy("nginx:1.27", cve(1), cve(2, fixed="3.0.2"), cve(1, fixed="2", package="zlib"), cve(3, "LOW"))

    assert outcomes(WEB, report, spec=gate(onlyFixed=True)) == [
        ("CVE-2024-0001", "manual", "error"),
        ("CVE-2024-0002", "manual", "error"),
        ("CVE-2024-0003", "deferred", "info"),
    ]
    assert outcomes(WEB, trivy("nginx:1.27", cve(1)), spec=gate(onlyFixed=True)) == [
        ("CVE-2024-0001", "deferred", "warning")
    ]
    assert outcomes(
        WEB, grype("nginx:1.27", match("CVE-2024-0001", fixed=("2",), state="wont-fix")), spec=gate(onlyFixed=True)
    ) == [("CVE-2024-0001", "deferred", "warning")]


@pytest.mark.parametrize(
    ("published", "severity"),
    [
        ("2024-01-25T00:00:00Z", "warning"),
        ("2024-01-19T23:59:59Z", "warning"),
        ("2024-01-18T00:00:00Z", "error"),
        ("2024-02-02T00:00:00Z", "error"),
        ("2999-01-01T00:00:00Z", "error"),
        ("", "error"),
        ("soon", "error"),
        ("9999-12-31", "error"),
    ],
)
def test_what_was_published_lately_has_its_grace(published, severity):
    (finding,), _ = found(WEB, trivy("nginx:1.27", cve(1, published=published)), spec=gate(graceDays=14))

    assert finding.severity == severity
    assert ("in its grace of 14 days until " in finding.message) == (severity == "warning")


def test_a_warning_is_all_that_a_policy_of_warnings_gives():
    assert outcomes(WEB, trivy("nginx:1.27", cve(1)), spec={"onViolation": "Warn"}) == [
        ("CVE-2024-0001", "manual", "warning")
    ]


def test_a_rule_has_a_gate_of_its_own():
    rule = {"match": {"namespaces": ["shop"]}, **gate(failOn="low")}
    spec = {**gate(failOn="none"), "rules": [rule]}

    assert outcomes(WEB, trivy("nginx:1.27", cve(1, "LOW")), spec=spec)[0][2] == "error"
    assert outcomes(WEB.replace("shop", "lab"), trivy("nginx:1.27", cve(1, "LOW")), spec=spec)[0][2] == "info"


def test_one_vulnerability_is_one_finding_whichever_packages_and_reports_have_it():
    one = trivy("nginx:1.27", cve(1, "HIGH", package="libssl3"), cve(1, "CRITICAL", "3.0.2"), cve(1))
    other = grype("nginx:1.27", match("GHSA-aaaa-bbbb-cccc", related=("CVE-2024-0001",)))

    (finding,), _ = found(WEB, one, other)

    assert finding.vulnerability == {
        "id": "CVE-2024-0001",
        "aliases": ["GHSA-aaaa-bbbb-cccc"],
        "severity": "critical",
        "packages": [
            {"name": "openssl", "installed": "3.0.1", "fixed": "3.0.2"},
            {"name": "openssl", "installed": "3.0.1", "fixed": ""},
            {"name": "libssl3", "installed": "3.0.1", "fixed": ""},
        ],
        "published": "2024-01-10",
        "url": "https://avd.aquasec.com/nvd/cve-2024-0001",
        "report": "scan.json",
    }
    assert finding.message == (
        'container "web" runs nginx:1.27 with CVE-2024-0001 (critical) in openssl 3.0.1 and 1 more package: '
        "take an image with openssl 3.0.2"
    )


@pytest.mark.parametrize(
    ("exemption", "state"),
    [
        (exempt("CVE-2024-0001"), "exempt"),
        (exempt("CVE-2024-*"), "exempt"),
        (exempt(), "exempt"),
        (exempt("GHSA-*"), "exempt"),
        (exempt("CVE-2023-*"), "manual"),
        (exempt("CVE-2024-0001", images=["nginx:*"], containers=["web"], namespaces=["shop"]), "exempt"),
        (exempt("CVE-2024-0001", images=["redis:*"]), "manual"),
        (exempt("CVE-2024-0001", containers=["other"]), "manual"),
        ({"match": {}, "controls": ["*"], "reason": "known"}, "exempt"),
        ({"match": {}, "controls": ["runAsNonRoot"], "reason": "known"}, "manual"),
    ],
)
def test_an_exemption_may_say_for_which_vulnerabilities_it_is(exemption, state):
    report = grype("nginx:1.27", match("GHSA-aaaa-bbbb-cccc", related=("CVE-2024-0001",)))
    spec = {"exemptions": [exemption]}

    (finding,), scan = found(WEB, report, spec=spec)

    assert finding.state == state
    assert bool(scan.exemptions) == (state == "exempt")


def test_an_exemption_from_vulnerabilities_is_none_from_anything_else(shop):
    (shop / "web.yaml").write_text(WEB.replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"))
    (shop / "policy.yaml").write_text(
        f"{POLICY}  exemptions: [{{match: {{vulnerabilities: [CVE-*]}}, controls: ['*'], reason: known}}]\n"
    )

    assert check(shop, "--policy", "policy.yaml", "web.yaml").code == 1


def test_the_exemption_to_paste_exempts(shop):
    report = write(shop, "scan.json", trivy("nginx:1.27", cve(1)))
    (finding,) = json.loads(check(shop, "--scan", report, "-o", "json", "web.yaml").out)["resources"][0]["findings"]
    (shop / "policy.yaml").write_text(f"{POLICY}  exemptions:\n  - {finding['exemption']}\n")

    ran = check(shop, "--policy", "policy.yaml", "--scan", report, "web.yaml")

    assert ran.code == 0, ran.out
    assert b"CVE-2024-0001 (critical) in openssl 3.0.1: TODO" in ran.out


def test_an_exemption_that_has_expired_fails(shop):
    report = write(shop, "scan.json", trivy("nginx:1.27", cve(1)))
    entry = "{match: {vulnerabilities: [CVE-*]}, controls: [imageVulnerabilities], reason: known, expires: 2024-01-31}"
    (shop / "policy.yaml").write_text(f"{POLICY}  exemptions: [{entry}]\n")

    ran = check(shop, "--policy", "policy.yaml", "--scan", report, "web.yaml")

    assert ran.code == 1
    assert b"known (expired on 2024-01-31)" in ran.out


@pytest.mark.parametrize("control", ["imageVulnerabilities", "'*'"])
def test_an_exemption_from_vulnerabilities_is_unused_only_by_what_a_report_says(shop, control):
    entry = f"{{match: {{vulnerabilities: [CVE-2020-*]}}, controls: [{control}], reason: known}}"
    (shop / "policy.yaml").write_text(f"{POLICY}  exemptions: [{entry}]\n")
    report = write(shop, "scan.json", trivy("nginx:1.27"))

    assert "exempts from nothing" not in check(shop, "--policy", "policy.yaml", "web.yaml").err
    ran = check(shop, "--policy", "policy.yaml", "--scan", report, "web.yaml")
    assert ran.err.count("exempts from nothing that is here: known") == 1


def test_an_object_may_exempt_itself_where_the_policy_allows_that():
    said = "  annotations: {krm-harden.dev/exempt: 'imageVulnerabilities: not reachable'}\n  namespace: shop\n"
    web = WEB.replace("  namespace: shop\n", said)

    assert outcomes(web, trivy("nginx:1.27", cve(1)))[0][1] == "manual"
    spec = {"exemptionAnnotations": "allow"}
    assert outcomes(web, trivy("nginx:1.27", cve(1)), spec=spec)[0][1] == "exempt"


BELOW = [
    ({}, {"failOn": "high"}, True),
    ({}, {"failOn": "none"}, False),
    ({"failOn": "high"}, {"failOn": "critical"}, False),
    ({"failOn": "high"}, {"failOn": "low"}, True),
    ({"failOn": "none"}, {"failOn": "critical"}, True),
    ({}, {"onlyFixed": True}, False),
    ({"onlyFixed": True}, {"onlyFixed": False}, True),
    ({}, {"graceDays": 1}, False),
    ({"graceDays": 14}, {"graceDays": 7}, True),
    ({"graceDays": 14}, {"graceDays": 15}, False),
    ({}, {"enabled": False}, False),
]


@pytest.mark.parametrize(("above", "below", "allowed"), BELOW)
def test_below_a_ceiling_the_gate_may_only_get_stricter(above, below, allowed):
    upper, lower = policy.Policy(gate(**above), "ceiling"), policy.Policy(gate(**below), "team")
    lower.layers = [policy.Layer(lower.spec, "team", "team")]

    if allowed:
        made = ceilings.restricted_by(upper, lower)
        assert made.spec["controls"]["imageVulnerabilities"] == {**above, **below}
    else:
        with pytest.raises(ConfigError, match="would loosen the policy ceiling"):
            ceilings.restricted_by(upper, lower)


# The command


def test_check_fails_for_a_vulnerability_at_the_line_of_its_image(shop):
    report = write(shop, "scan.json", trivy("nginx:1.27", cve(1)))

    ran = check(shop, "--scan", report, "web.yaml")

    assert ran.code == 1
    assert ran.out.decode() == (
        "web.yaml:16: error: manual: Deployment/shop/web: imageVulnerabilities spec.template.spec.containers[0].image: "
        'container "web" runs nginx:1.27 with CVE-2024-0001 (critical) in openssl 3.0.1: it has no fix yet: take '
        "another image, or exempt it; exemption: {match: {kinds: [Deployment], namespaces: [shop], names: [web], "
        "containers: [web], vulnerabilities: [CVE-2024-0001]}, controls: [imageVulnerabilities], reason: TODO}\n"
    )


def test_people_get_a_line_for_each_image_with_the_worst_few(shop, text_snapshot):
    wrong = [cve(index, "CRITICAL" if index % 2 else "HIGH", "3.0.2" if index % 3 else "") for index in range(9)]
    report = write(shop, "scan.json", trivy("nginx:1.27", *wrong, cve(50, "LOW")))
    (shop / "policy.yaml").write_text(f"{POLICY}  controls: {{imageVulnerabilities: {{failOn: high}}}}\n")

    ran = check(shop, "--policy", "policy.yaml", "--scan", report, "web.yaml")

    assert ran.code == 1
    assert ran.out.decode() + ran.err == text_snapshot


@pytest.mark.parametrize("crlf", [False, True])
def test_lines_are_right_in_lists_and_behind_other_documents(shop, crlf):
    items = "".join(
        f"- {WEB.replace('name: web', f'name: {name}')}".replace("\n", "\n  ").rstrip() + "\n"
        for name in ("one", "two")
    )
    text = f"# first\n---\n{WEB}---\napiVersion: v1\nkind: List\nitems:\n{items}"
    (shop / "web.yaml").write_bytes(text.replace("\n", "\r\n" if crlf else "\n").encode())
    report = write(shop, "scan.json", trivy("nginx:1.27", cve(1)))

    document = json.loads(check(shop, "--scan", report, "-o", "json", "web.yaml").out)

    wanted = [number for number, line in enumerate(text.splitlines(), 1) if "image: nginx" in line]
    made = [(one["line"], one["column"]) for each in document["resources"] for one in each["findings"]]
    assert [line for line, _ in made] == wanted
    assert len(wanted) == 3


FORMATS = ("text", "json", "sarif", "html", "junit", "github", "codequality", "markdown")


def test_every_report_has_it_and_json_keeps_to_its_schema(shop):
    report = write(shop, "scan.json", trivy("nginx:1.27", cve(1, fixed="3.0.2"), cve(2, "LOW")))
    targets = [word for name in FORMATS for word in ("--report", f"{name}=out.{name}")]

    ran = check(shop, "--scan", report, *targets, "web.yaml")

    assert ran.code == 1, ran.err
    for name in FORMATS:
        text = (shop / f"out.{name}").read_text()
        assert "CVE-2024-0001" in text, name
        assert "imageVulnerabilities" in text, name
    document = json.loads((shop / "out.json").read_text())
    assert list(_schema.problems(document, _schema.report_schema())) == []
    jsonschema.Draft202012Validator(_schema.report_schema()).validate(document)
    assert [one["vulnerability"]["severity"] for one in document["resources"][0]["findings"]] == ["critical", "low"]
    (run,) = json.loads((shop / "out.sarif").read_text())["runs"]
    assert {one["ruleId"] for one in run["results"]} == {"imageVulnerabilities"}
    assert len({one["partialFingerprints"]["primaryLocationLineHash"] for one in run["results"]}) == 2


def test_a_baseline_accepts_todays_vulnerabilities_and_no_others(shop):
    report = write(shop, "scan.json", trivy("nginx:1.27", cve(1)), trivy("nginx:1.28", cve(1)))
    options = ("--scan", report, "--baseline", "accepted.yaml", "web.yaml")

    assert check(shop, "--write-baseline", *options).code == 0
    assert "value: CVE-2024-0001" in (shop / "accepted.yaml").read_text()
    assert check(shop, *options).code == 0
    (shop / "web.yaml").write_text(WEB.replace("1.27", "1.28"))
    assert check(shop, *options).code == 0
    write(shop, "scan.json", trivy("nginx:1.28", cve(1), cve(2)))
    ran = check(shop, *options)
    assert ran.code == 1
    assert (b"CVE-2024-0001" in ran.out, b"CVE-2024-0002" in ran.out) == (False, True)


def test_what_matches_nothing_and_what_has_no_report_is_listed(shop):
    files = {"ArtifactName": "app", "ArtifactType": "filesystem", "Metadata": {}}
    report = write(shop, "scan.json", trivy("redis:7", cve(1)), trivy("app", cve(2)) | files)

    ran = check(shop, "--scan", report, "web.yaml")

    assert ran.code == 0
    assert ran.err.splitlines()[:3] == [
        "warning: scan.json: nothing here runs redis:7 (1 vulnerability)",
        "warning: scan.json: the report of the filesystem app is about no image (1 vulnerability)",
        'warning: no scanner\'s report is about nginx:1.27 (Deployment/shop/web, container "web")',
    ]
    assert check(shop, "--scan", report, "--require-coverage", "web.yaml").code == 1


@pytest.mark.parametrize("image", ['"{{ .Values.image }}"', "$(IMAGE)", "ko://shop/web"])
def test_an_image_that_is_filled_in_later_is_one_that_nobody_looked_into(shop, image):
    (shop / "web.yaml").write_text(pinned(image))
    report = write(shop, "scan.json", trivy("redis:7"))

    ran = check(shop, "--scan", report, "--require-coverage", "web.yaml")

    assert ran.code == 1
    assert "somebody fills it in later, so check what is rendered" in ran.err


def test_a_folder_of_reports_counts_and_standard_input_too(shop):
    (shop / "scans" / "deep").mkdir(parents=True)
    write(shop / "scans", "note.json", {"name": "no report"})
    write(shop / "scans" / "deep", "nginx.sarif", of_trivy(trivy("nginx:1.27", cve(1))))

    ran = check(shop, "--scan", "scans", "web.yaml")
    assert ran.code == 1
    assert "scans/note.json was left alone: it isn't a scanner's report" in ran.err
    assert check(shop, "--scan", "-", "web.yaml", stdin=scans.text(trivy("nginx:1.27", cve(1)))).code == 1


def test_half_a_report_in_a_folder_is_an_error(shop):
    (shop / "scans").mkdir()
    write(shop / "scans", "other.json", trivy("redis:7"))
    report = write(shop / "scans", "nginx.json", trivy("nginx:1.27", cve(1)))
    half = (shop / "scans" / report).read_bytes()[:-200]
    (shop / "scans" / report).write_bytes(half)

    ran = check(shop, "--scan", "scans", "web.yaml")

    assert ran.code == 2
    assert "scans/nginx.json: isn't JSON: line" in ran.err


def test_a_report_takes_the_place_of_an_earlier_one_of_ours_in_a_folder_and_of_no_scanners(shop):
    (shop / "scans").mkdir()
    report = write(shop / "scans", "nginx.json", trivy("nginx:1.27", cve(1)))
    own = ("--report", "json=scans/own.json", "--report", "sarif=scans/own.sarif")

    ran = check(shop, "--scan", "scans", "--report", f"json=scans/{report}", "web.yaml")

    assert (ran.code, "take the place of a scanner's report" in ran.err) == (3, True)
    assert [check(shop, "--scan", "scans", *own, "web.yaml").code for _ in range(2)] == [1, 1]


def test_half_a_character_in_a_report_reaches_no_other_file(shop):
    report = write(shop, "scan.json", trivy("nginx:1.27", cve("CVE-\ud800"), cve("CVE-\U0001f600")))

    assert check(shop, "--scan", report, "--baseline", "b.yaml", "--write-baseline", "web.yaml").code == 0
    ran = check(shop, "--scan", report, "--baseline", "b.yaml", "-o", "json", "web.yaml")

    assert ran.code == 0, ran.err
    names = [one["vulnerability"]["id"] for one in json.loads(ran.out)["resources"][0]["findings"]]
    assert names == ["CVE-?", "CVE-\U0001f600"]


def test_the_exemption_to_paste_exempts_from_what_it_names_alone(shop):
    every, _ = found(WEB, trivy("nginx:1.27", *(cve(name) for name in ("CVE-*", "a, b", "x: #y"))))
    (summed,) = told(every)
    entry = yaml.safe_load(summed.exemption)

    made = outcomes(
        WEB, trivy("nginx:1.27", *(cve(one.vulnerability["id"]) for one in every), cve(1)), spec={"exemptions": [entry]}
    )

    assert {name for name, state, _ in made if state == "manual"} == {"CVE-2024-0001"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--scan", "missing.json", "web.yaml"), 3, "missing.json: there is no such report"),
        (("--scan", "web.yaml", "web.yaml"), 2, "web.yaml: isn't JSON"),
        (("--scan", "empty", "web.yaml"), 3, "empty: there is no scanner's report in this folder"),
        (("--scan", "-", "-"), 3, "standard input can't be manifests and a report"),
        (("--scan", "scan.json", "--level", "baseline,restricted", "web.yaml"), 3, "has no --scan"),
        (("--scan", "scan.json", "--watch", "web.yaml"), 3, "exclude each other"),
        (("--scan", "scan.json", "--report", "json=scan.json", "web.yaml"), 3, "take the place of a scanner's report"),
        (("--scanner", "trivy", "web.yaml"), 3, "are for --run-scanner"),
        (("--run-scanner", "web.yaml"), 3, "neither trivy nor grype is on PATH"),
        (("--run-scanner", "--scanner", "grype", "web.yaml"), 3, "grype isn't on PATH"),
    ],
)
def test_a_wrong_command_line_is_an_error_of_one_line(shop, arguments, code, words):
    (shop / "empty").mkdir()
    write(shop, "scan.json", trivy("nginx:1.27", cve(1)))

    ran = check(shop, *arguments, PATH=str(shop))

    assert ran.code == code
    assert words in ran.err
    assert "Traceback" not in ran.err


# A scanner on PATH


@pytest.fixture
def programs(shop) -> Path:
    """A folder for PATH."""
    (shop / "bin").mkdir()
    return shop / "bin"


def program(folder: Path, name: str, script: str) -> None:
    """A program that does what a scanner does: it notes how it was called."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{folder}/calls"\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def scanning(shop: Path, *arguments: str) -> Ran:
    path = f"{shop / 'bin'}:/usr/bin:/bin"
    return check(shop, "--run-scanner", *arguments, "web.yaml", PATH=path, XDG_CACHE_HOME=str(shop / "cache"))


def calls(shop: Path) -> list[str]:
    path = shop / "bin" / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("name", "report", "call"),
    [
        (
            "trivy",
            trivy("nginx:1.27", cve(1)),
            "image --format json --quiet --scanners vuln docker.io/library/nginx:1.27",
        ),
        (
            "grype",
            grype("docker.io/library/nginx:1.27", match("CVE-2024-0001")),
            "--output json --quiet docker.io/library/nginx:1.27",
        ),
    ],
)
def test_a_scanner_on_path_is_run_on_what_no_report_is_about(shop, programs, name, report, call):
    write(shop, "recorded.json", report)
    program(programs, name, f'cat "{shop}/recorded.json"')

    ran = scanning(shop)

    assert ran.code == 1, ran.err
    assert b"CVE-2024-0001 (critical) in openssl 3.0.1" in ran.out
    assert calls(shop) == [call]
    assert scanning(shop, "--scan", write(shop, "scan.json", trivy("nginx:1.27"))).code == 0
    assert calls(shop) == [call]


def test_a_scan_of_a_digest_is_kept_and_one_of_a_tag_is_not(shop, programs):
    write(shop, "recorded.json", trivy("nginx", cve(1), tags=()))
    program(programs, "trivy", f'cat "{shop}/recorded.json"')

    assert [scanning(shop).code, scanning(shop).code] == [1, 1]
    assert len(calls(shop)) == 2
    (shop / "web.yaml").write_text(pinned(f"nginx:1.27@{ONE}"))
    assert [scanning(shop).code, scanning(shop).code] == [1, 1]
    assert calls(shop)[2:] == [f"image --format json --quiet --scanners vuln docker.io/library/nginx@{ONE}"]
    (kept,) = (shop / "cache" / "krm-harden" / "scans").iterdir()
    kept.write_text("{")
    assert scanning(shop).code == 1
    assert len(calls(shop)) == 4


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo first >&2; echo 'FATAL unable to find the image' >&2; exit 1", "exit code 1: FATAL unable to find the"),
        ("exit 3", "exit code 3: it said nothing"),
        ("echo no report", "isn't JSON"),
        ("true", "is empty"),
        ("sleep 30", "wasn't scanned within 1 s; give it more by --scanner-timeout"),
    ],
)
def test_a_scanner_that_fails_is_an_error_with_its_words(shop, programs, script, words):
    program(programs, "trivy", script)

    ran = scanning(shop, "--scanner-timeout", "1" if "sleep" in script else "60")

    assert ran.code == 2
    assert words in ran.err
    assert "error: trivy" in ran.err


def test_an_image_that_only_a_failed_scan_is_about_is_scanned(shop, programs):
    write(shop, "failed.json", cluster(in_cluster("Pod", "web", trivy("nginx:1.27"), Error="no such image")))
    write(shop, "recorded.json", trivy("nginx:1.27", cve(1)))
    program(programs, "trivy", f'cat "{shop}/recorded.json"')

    ran = scanning(shop, "--scan", "failed.json")

    assert (ran.code, len(calls(shop))) == (1, 1)
    assert "no scanner's report" not in ran.err


def test_an_error_of_a_scanner_shows_no_secrets(shop, programs):
    words = (
        "GET https://robot:aPass@registry.example/v2/: Authorization: Bearer abc.def123: unauthorized, token expired"
    )
    program(programs, "trivy", f"echo '{words}' >&2; exit 1")

    ran = scanning(shop)

    assert "GET https://...@registry.example/v2/: Authorization: Bearer ..." in ran.err
    assert "unauthorized, token expired" in ran.err
    assert not [secret for secret in ("aPass", "robot", "def123") if secret in ran.err]


# Cost


def cpu(count: int) -> float:
    """The CPU time of reading and judging a report with so many findings as the command line runs, the least of three."""
    data = scans.text(trivy("nginx:1.27", *(cve(index, "HIGH", "2") for index in range(count))))
    (resource,) = resources(source.read(WEB))
    taken = []
    gc.disable()
    try:
        for _ in range(3):
            before = time.process_time()
            scan = Scan(read(data, "scan.json"), DAY)
            assert len(list(scan.findings(policy.Policy({}), resource, ()))) == count
            taken.append(time.process_time() - before)
    finally:
        gc.enable()
    return min(taken)


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer's own cost isn't ours")
def test_the_cost_grows_no_faster_than_the_findings():
    assert cpu(12_000) / cpu(3_000) < 8
