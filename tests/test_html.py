"""The HTML page: what it claims is true, it loads nothing, and people use it by mouse, keyboard, ear and on paper."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import os
import re
import shutil
import statistics
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import browsers
import pytest
from conftest import ROOT, SHARED, run_cli

from krm_harden.controls import load
from krm_harden.errors import InputError
from krm_harden.model import LEVELS
from krm_harden.reports import _heat_map, _readiness, html

SHOP = ROOT / "examples" / "shop"
POLICY = """\
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata:
  name: team
spec:
"""


def finding(control="privileged", state="manual", risk="none", severity="error", **more):
    known = load().get(control)
    return {
        "control": control,
        "level": known.level if known else "",
        "state": state,
        "risk": risk,
        "severity": severity,
        "path": "spec.containers[0].securityContext.privileged",
        "line": 9,
        "column": 5,
        "container": "web",
        "current": True,
        "proposed": None,
        "message": f'container "web" has {control}',
        "reason": "",
        "evidence": "",
        "code": "",
        "exemption": "",
        **more,
    }


def resource(*findings, name="web", namespace="shop", kind="Deployment", level="restricted", **more):
    return {
        "file": "deploy/web.yaml",
        "line": 1,
        "apiVersion": "apps/v1",
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "labels": {},
        "level": level,
        "version": "latest",
        "allowed": not findings,
        "message": "",
        "findings": list(findings),
        "operations": [],
        **more,
    }


def document(*resources, **more):
    return {
        "version": 1,
        "tool": {"name": "krm-harden", "version": "0.2.0"},
        "created": "2026-11-23T10:00:00Z",
        "resources": list(resources),
        "notExamined": [],
        "errors": [],
        "warnings": [],
        **more,
    }


def drop(**more):
    path = "spec.containers[0].securityContext.capabilities.drop"
    return finding("capabilities_restricted", **{"path": path, "current": None, **more})


# ---- readiness


def test_a_namespace_is_as_ready_as_its_least_ready_workload():
    [shop] = _readiness.readiness(
        document(
            resource(drop(state="open", risk="safe"), name="a", message="unrestricted capabilities (...)"),
            resource(name="b"),
            resource(finding(state="exempt", severity="info"), name="agent"),
        )
    )
    assert {stage: shop.stages[stage].level for stage in _readiness.STAGES} == {
        "today": "privileged",
        "fixed": "privileged",
        "exempt": "restricted",
    }
    assert shop.stages["fixed"].blocking == ("Deployment/agent",)
    assert shop.aside == ("Deployment/agent",)


@pytest.mark.parametrize(
    "made, today, fixed",
    [
        (resource(), "restricted", "restricted"),
        (resource(drop(state="open", risk="safe")), "baseline", "restricted"),
        (resource(drop(state="fixed", risk="safe"), allowed=True, message=""), "baseline", "restricted"),
        (resource(drop(state="refused")), "baseline", "baseline"),
        (resource(finding(state="explicit")), "privileged", "privileged"),
        # What a controller made, its owner's author has to change.
        (
            resource(drop(state="open", risk="safe", reason="owned by Deployment/web: change its owner")),
            *["baseline"] * 2,
        ),
        # What check shows, but the policy's changes stop before.
        (resource(drop(state="open", risk="may-break", code="deferred")), "baseline", "baseline"),
        # hostPath breaks baseline too, though its control isn't asked at restricted.
        (resource(finding("restrictedVolumes", path="spec.volumes[0].hostPath")), "privileged", "privileged"),
        (resource(finding("restrictedVolumes", path="spec.volumes[0].nfs")), "baseline", "baseline"),
        (resource(finding("capabilities_restricted", path="x.add", current=["CHOWN"])), "baseline", "baseline"),
        (resource(finding("capabilities_restricted", path="x.add", current=["SYS_ADMIN"])), *["privileged"] * 2),
        # The run didn't ask for more.
        (resource(level="baseline"), "baseline", "baseline"),
        (resource(level="privileged"), "privileged", "privileged"),
        # The policy has switched off the control that the verdict is about.
        (resource(allowed=False, message="privileged (container)"), "privileged", "privileged"),
        (resource(allowed=False, message="runAsNonRoot != true (pod)"), "baseline", "baseline"),
        (
            resource(allowed=False, message='unrestricted capabilities (x must set drop=["ALL"])'),
            "baseline",
            "baseline",
        ),
        (
            resource(
                allowed=False,
                message='unrestricted capabilities (x must not include "SYS_ADMIN" in securityContext.capabilities.add)',
            ),
            *["privileged"] * 2,
        ),
        (resource(allowed=False, message="words of a server to come"), "privileged", "privileged"),
        # An exemption that has expired is no exemption, and what goes beyond the standard is none of its business.
        (resource(finding(state="exempt", severity="warning")), "privileged", "privileged"),
        (resource(finding("numericUser"), allowed=True, message=""), "restricted", "restricted"),
    ],
)
def test_what_one_workload_meets(made, today, fixed):
    found = _readiness.standing(made)
    assert (found.today, found.fixed) == (today, fixed)


def test_where_the_run_asked_for_less_a_stricter_level_may_hold():
    [shop] = _readiness.readiness(document(resource(level="baseline"), resource(level="baseline", name="b")))
    assert shop.stages["today"] == _readiness.Stage("baseline", at_least=True, blocking=())
    assert "at least baseline" in html.from_document(document(resource(level="baseline")))


def test_every_control_of_the_standard_is_known_by_the_servers_words():
    known = {*_readiness.REASONS.values(), *_readiness._ALSO, *_readiness._ALSO.values()}
    assert known == {control.id for control in load().values() if control.standard}


def keyed(rows):
    """Rows by object; those of the same name in one file are told apart by their order."""
    count: Counter = Counter()
    for row in rows:
        key = (row["file"], row["kind"], row["namespace"], row["name"])
        count[key, row.get("level") if "state" in row else ""] += 1
        yield (*key, count[key, row.get("level") if "state" in row else ""]), row


def verdicts(cwd, *options):
    """The strictest level that each object really meets, by the standard's own checks."""
    ran = run_cli("check", "--level", "baseline,restricted", "-o", "json", "--allow-empty", *options, ".", cwd=cwd)
    found: dict = {}
    for key, row in keyed(json.loads(ran.out)["verdicts"]):
        found.setdefault(key, set()).add(row["level"]) if row["state"] == "allowed" else found.setdefault(key, set())
    return {key: max(levels, key=LEVELS.index, default="privileged") for key, levels in found.items()}


def claims_hold(folder, tmp_path, *options, policy=""):
    """Compare what is claimed, from the report of check and that of fix, with verdicts before and after."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if policy:
        (tmp_path / "policy.yaml").write_text(POLICY + policy)
        options = (*options, "--policy", tmp_path / "policy.yaml")
    checked = json.loads(run_cli("check", "-o", "json", *options, ".", cwd=copy).out)
    before = verdicts(copy)
    fixed = json.loads(run_cli("fix", "-o", "json", *options, ".", cwd=copy).out)
    after = verdicts(copy)
    refused = {one["file"] for one in fixed["errors"]}
    outcome: Counter = Counter()
    for report, is_forecast in ((checked, True), (fixed, False)):
        for key, one in keyed(report["resources"]):
            if not _readiness.is_workload(one) or key not in before or (is_forecast and key[0] in refused):
                continue
            standing = _readiness.standing(one)
            for claimed, true in ((standing.today, before[key]), (standing.fixed, after.get(key))):
                assert true is not None, key
                difference = LEVELS.index(claimed) - LEVELS.index(true)
                assert difference <= 0, (key, claimed, true, is_forecast)
                outcome["exact" if difference == 0 else "less"] += 1
    return outcome


def test_the_readiness_of_the_shop_is_its_real_verdict(tmp_path):
    outcome = claims_hold(SHOP, tmp_path)
    assert outcome["exact"] >= 16
    assert not outcome["less"]


@pytest.mark.parametrize(
    "policy",
    [
        "  controls:\n    runAsNonRoot: {enabled: false}\n    capabilities: {enabled: false}\n",
        "  changes: additive\n",
        "  explicit: override\n",
        "  level: baseline\n",
        "  exemptions:\n  - {match: {names: ['*']}, controls: [runAsNonRoot, privileged], reason: because}\n",
    ],
)
def test_no_policy_makes_it_claim_more_than_holds(tmp_path, policy):
    assert claims_hold(SHOP, tmp_path, policy=policy)["exact"]


@pytest.mark.parametrize(
    "policy", ["", "  controls:\n    privileged: {enabled: false}\n    hostPorts: {enabled: false}\n"]
)
def test_over_the_corpus_it_never_claims_more_than_holds_and_rarely_less(shared, tmp_path, policy):
    outcome = claims_hold(shared / "corpus", tmp_path, policy=policy)
    assert outcome["exact"] > 9000
    assert outcome["less"] < outcome["exact"] / 100


# ---- the page as text


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self):
        super().__init__()
        self.found, self.texts, self._within = [], [], None

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._within = tag if tag in {"script", "style"} else None

    def handle_data(self, text):
        if self._within:
            self.texts.append((self._within, text))
            self._within = None


def elements(page):
    parser = Elements()
    parser.feed(page)
    return parser


def data_of(page):
    [said] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(said)


def test_the_page_allows_its_own_style_and_script_by_hash_and_nothing_else():
    parsed = elements(html.from_document(document(resource(finding()))))
    [policy] = [of["content"] for tag, of in parsed.found if of.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    for tag, text in parsed.texts:
        if tag == "style" or "JSON.parse" in text:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{'style' if tag == 'style' else 'script'}-src 'sha256-{digest}'" in policy
    assert not [of for _, of in parsed.found if "style" in of or any(name.startswith("on") for name in of)]
    loaded = [of.get("src") or of.get("href") for tag, of in parsed.found if tag in {"link", "img", "script", "iframe"}]
    assert [one for one in loaded if one] == ["data:,"]


HOSTILE = {
    "markup": "</script><script>alert(1)</script><img src=x onerror=alert(2)>",
    "comment": "<!--<script>",
    "quotes": "\"'`${alert(3)}{{ 7 * 7 }}{% raw %}",
    "direction": "safe\u202egnp.exe\u2066\u200b",
    "control": "a\x00\x01\x02\x03b\r\n\x1b[31m",
    "surrogate": "\ud800 alone",
    "braces": "names: [web]",
    "long": "n" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_in_a_manifest_is_text(name):
    hostile = finding(message=f'container "{name}" has {name}', container=name, current={name: name}, reason=name,
                      evidence=name, path=f"metadata['{name}']", exemption=f"{{match: {{names: [{name}]}}}}")  # fmt: skip
    page = html.from_document(
        document(
            resource(hostile, name=name, namespace=name, file=name, kind=name, labels={name: name, "team": name}, source=name, message=name),
            errors=[{"file": name, "message": name}],
            notExamined=[{"file": name, "line": 1, "kind": name, "name": name, "reason": name}],
            warnings=[name],
        )
    )  # fmt: skip
    plain = html.from_document(
        document(
            resource(finding(reason="r", evidence="e", exemption="{}"), source="s", labels={"team": "t", "u": "v"}),
            errors=[{"file": "f", "message": "m"}],
            notExamined=[{"file": "f", "line": 1, "kind": "k", "name": "n", "reason": "r"}],
            warnings=["w"],
        )
    )
    assert [tag for tag, _ in elements(page).found] == [tag for tag, _ in elements(plain).found]
    assert len(page.encode()) < 300_000
    assert data_of(page)["objects"]
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\u200b]", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    )


def test_an_exemption_comes_back_as_it_was():
    texts = [
        "{match: {kinds: [Pod], namespaces: [shop], names: [web], containers: [web]}, controls: [privileged], reason: TODO}"
    ]
    made = data_of(html.from_document(document(resource(finding(exemption=texts[0])))))
    [record] = made["kinds"]
    marked = made["strings"][record[12]]
    assert "[web]" not in marked
    assert marked.replace("\x01", "web").replace("\x02", "shop").replace("\x03", "web") == texts[0]


def test_what_several_objects_share_is_stored_once():
    made = data_of(html.from_document(document(*(resource(finding(), name=f"web-{index}") for index in range(50)))))
    assert len(made["kinds"]) == 1
    assert len(made["strings"]) == len(set(made["strings"]))


def test_without_scripts_the_page_has_every_finding_and_exemption():
    checked = report_of(SHOP, "check")
    page = html.from_document(checked)
    [listing] = re.findall(r"<noscript>(.*)</noscript>", page, re.DOTALL)
    said = Unescaped.of(listing)
    for one in checked["resources"]:
        for found in one["findings"]:
            assert found["control"] in said
            assert found["message"].rpartition('" ')[2] in said
            assert found["exemption"] in said


class Unescaped(HTMLParser):
    """The words of a page."""

    def __init__(self):
        super().__init__()
        self.words = []

    def handle_data(self, text):
        self.words.append(text)

    @classmethod
    def of(cls, page):
        made = cls()
        made.feed(page)
        return "".join(made.words)


def report_of(folder, command, *options):
    return json.loads(run_cli(command, "-o", "json", *options, ".", cwd=folder).out)


def test_the_page_of_a_run_is_that_of_its_json_report(tmp_path):
    ran = run_cli(
        "check", "-o", "html", "--report", f"json={tmp_path / 'r.json'}", ".", cwd=SHOP, SOURCE_DATE_EPOCH="1700000000"
    )
    assert ran.code == 1
    made = json.loads((tmp_path / "r.json").read_text())
    assert ran.out.decode().rstrip("\n") == html.from_document(made).rstrip("\n")


def test_earlier_reports_give_a_trend():
    bad = resource(finding())
    old = document(bad, bad, created="2026-10-01T10:00:00Z")
    older = document(bad, bad, bad, resource(), created="2026-09-01T10:00:00Z")
    points = html.trend([old, older, document(resource())])
    assert [(one.created[:10], one.share) for one in points] == [
        ("2026-09-01", 25),
        ("2026-10-01", 0),
        ("2026-11-23", 100),
    ]
    page = html.from_document(document(resource()), earlier=[old, older])
    assert "<polyline" in page
    assert "<polyline" not in html.from_document(document(resource()))


def test_a_report_without_findings_has_no_page():
    with pytest.raises(InputError, match="at one level and version"):
        html.from_document({"version": 1, "verdicts": [], "errors": [], "notExamined": []})


def test_a_share_is_whole_only_if_nothing_is_missing():
    assert [html.share(*of) for of in ((0, 9), (1, 1000), (999, 1000), (5, 5), (0, 0), (1, 3))] == [
        0,
        1,
        99,
        100,
        100,
        33,
    ]


def many(count):
    """Workloads as a cluster has them: names and lines differ, findings are alike."""
    names = (
        "allowPrivilegeEscalation",
        "capabilities_restricted",
        "seccompProfile_restricted",
        "runAsNonRoot",
        "numericUser",
        "readOnlyRootFilesystem",
        "restrictedVolumes",
        "privileged",
    )
    looks = (("open", "safe"), ("open", "evidence"), ("open", "may-break"), ("manual", "none"))
    return document(
        *(
            resource(
                *(
                    finding(
                        control,
                        *looks[(index + at) % 4],
                        line=index + at,
                        container=f"c{index % 3}",
                        exemption=f"{{match: {{names: [service-{index}]}}, controls: [{control}], reason: TODO}}",
                    )
                    for at, control in enumerate(names)
                ),
                name=f"service-{index}",
                namespace=f"team-{index % 40}",
                labels={"team": f"team-{index % 40}"},
            )
            for index in range(count)
        )
    )


def test_the_page_is_made_in_time_and_size_that_follow_the_workloads():
    def cost(count):
        made, rounds = many(count), []
        gc.disable()  # as on the command line
        try:
            for _ in range(3):
                start = time.process_time()
                page = html.from_document(made)
                rounds.append(time.process_time() - start)
        finally:
            gc.enable()
        return min(rounds), len(page)

    cost(10)
    small, large = cost(500), cost(4000)
    assert large[1] < 8.5 * small[1]
    assert large[0] < 16 * small[0]


# ---- the page in a browser


@pytest.fixture(scope="module")
def browser():
    with browsers.chromium() as found:
        yield found


@pytest.fixture(scope="module", params=["shop", "corpus"])
def page(request, tmp_path_factory):
    """The page of a real run, as a file, and the JSON report of the same run."""
    folder = SHOP if request.param == "shop" else SHARED / "corpus"
    if not folder.is_dir():
        pytest.skip("no shared/ beside the checkout")
    made = tmp_path_factory.mktemp(request.param)
    ran = run_cli("check", "-o", "json", "--report", f"html={made / 'report.html'}", ".", cwd=folder)
    return made / "report.html", json.loads(ran.out)


def count(opened):
    return opened.page.inner_text("#count")


def expected(report, keep_object=lambda _: True, keep_finding=None):
    """The words of the page's counter for a filter, counted in the JSON report."""
    objects = report["resources"]
    fits = [
        (one, [f for f in one["findings"] if keep_finding is None or keep_finding(f)])
        for one in objects
        if keep_object(one)
    ]
    shown = [(one, found) for one, found in fits if found or keep_finding is None]
    return (
        f"{len(shown):,} of {len(objects):,} objects, {sum(len(found) for _, found in shown):,} of "
        f"{sum(len(one['findings']) for one in objects):,} findings"
    )


def of_level(level):
    def fits(found):
        shown = [load()[name] for name in _readiness.shows(found)]
        known = load().get(found["control"])
        if level == "beyond":
            return not (known and known.standard)
        return any(one.level == level for one in shown) or bool(known and known.standard and known.level == level)

    return fits


def test_the_heat_map_is_there_silent_and_alone(browser, page):
    path, report = page
    with browsers.opened(browser, path) as opened:
        assert opened.page.locator("table.heat tbody td.c").count() > 100
        assert int(opened.page.get_attribute("table.heat", "aria-rowcount")) > len(report["resources"])
        assert count(opened) == expected(report)
        assert opened.silent(), (opened.said, opened.asked)


def test_filters_count_what_the_json_report_counts(browser, page):
    path, report = page
    namespaces = Counter(one["namespace"] for one in report["resources"] if one["kind"] != "Namespace")
    busiest = max((name for name in namespaces if name), key=namespaces.__getitem__)
    with browsers.opened(browser, path) as opened:
        for name, option, wanted in [
            ("namespace", busiest, expected(report, lambda one: (one["name"] if one["kind"] == "Namespace" else one["namespace"]) == busiest)),
            *((
                "risk", risk, expected(report, keep_finding=lambda found, risk=risk: found["risk"] == risk)
            ) for risk in ("safe", "evidence", "may-break")),
            *((
                "state", state, expected(report, keep_finding=lambda found, state=state: found["state"] == state)
            ) for state in sorted({found["state"] for one in report["resources"] for found in one["findings"]})),
            *((
                "level", str(index), expected(report, keep_finding=of_level(level))
            ) for index, level in enumerate(("baseline", "restricted", "beyond"))),
        ]:  # fmt: skip
            opened.page.select_option(f"[name={name}]", option)
            assert count(opened) == wanted, (name, option)
            opened.page.click("#clear")
        opened.page.fill("[name=q]", "NoNewPrivileges-nobody-writes-this")
        opened.page.wait_for_selector("p.nothing")
        opened.page.fill("[name=q]", "runasnonroot")
        opened.page.wait_for_selector("table.heat")
        assert opened.silent(), opened.said


def test_a_team_sees_its_own(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(100)))
    with browsers.opened(browser, path) as opened:
        opened.page.select_option("[name=label]", "team")
        opened.page.select_option("[name=value]", "=team-7")
        assert count(opened) == "3 of 100 objects, 24 of 800 findings"
        address = opened.page.evaluate("location.hash")
    with browsers.opened(browser, path, fragment=address) as opened:
        assert count(opened) == "3 of 100 objects, 24 of 800 findings"


def test_after_a_merge_each_report_can_be_seen_alone(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(
        html.from_document(
            document(resource(finding(), source="shop"), resource(source="bank"), resource(source="bank"))
        )
    )
    with browsers.opened(browser, path) as opened:
        opened.page.select_option("[name=source]", "bank")
        assert count(opened) == "2 of 3 objects, 0 of 1 findings"


def test_before_shows_what_fails_and_after_what_stays(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(
        html.from_document(document(resource(finding(), drop(state="open", risk="safe", proposed=["ALL"]))))
    )
    with browsers.opened(browser, path) as opened:
        cell = opened.page.locator("td[aria-label^=capabilities_restricted]")
        assert cell.get_attribute("aria-label") == "capabilities_restricted: Fix: safe"
        opened.page.check("[name=view][value=before]", force=True)
        assert cell.get_attribute("aria-label") == "capabilities_restricted: Fails"
        assert opened.page.locator("td[aria-label^=hostPorts]").get_attribute("aria-label") == "hostPorts: Passes"


def test_a_cell_opens_its_finding_by_mouse_and_by_keyboard(browser, tmp_path):
    path = tmp_path / "r.html"
    exemption = "{match: {names: [web]}, controls: [privileged], reason: TODO}"
    path.write_text(
        html.from_document(
            document(
                resource(
                    finding(exemption=exemption, proposed=False, evidence="lock", reason="why"),
                    message="privileged (x)",
                )
            )
        )
    )
    with browsers.opened(browser, path, permissions=["clipboard-read", "clipboard-write"]) as opened:
        tab = opened.page
        tab.click("td[aria-label^='privileged:']")
        said = tab.inner_text("dialog")
        for words in (
            "privileged",
            "Deployment/web",
            "deploy/web.yaml:9:5",
            "lock",
            "why",
            f"- {exemption}",
            "About privileged",
        ):
            assert words in said
        assert [line.rstrip() for line in tab.inner_text("dialog .diff").splitlines() if line.strip()] == [
            "  spec:",
            "    containers:",
            "    - name: web",
            "      securityContext:",
            "-       privileged: true",
            "+       privileged: false",
        ]
        tab.click("dialog button:text('Copy')")
        assert tab.evaluate("navigator.clipboard.readText()") == f"- {exemption}"
        tab.keyboard.press("Escape")
        assert not tab.is_visible("dialog")
        assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("privileged:")
        # From there with the arrows, to the object itself and back.
        tab.keyboard.press("Home")
        assert tab.evaluate("document.activeElement.className") == "name"
        tab.keyboard.press("Enter")
        assert "In the API server's words" in tab.inner_text("dialog")
        tab.keyboard.press("Escape")
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("capabilities_baseline:")
        tab.keyboard.press("Control+End")
        assert tab.evaluate("document.activeElement.cellIndex") == tab.locator(".controls th").count()
        assert opened.silent(), opened.said


def test_after_a_fix_the_object_says_what_was_written(browser, tmp_path):
    path = tmp_path / "r.html"
    written = [
        {
            "op": "add",
            "path": "/spec/template/spec/securityContext",
            "value": {"runAsNonRoot": True, "list": [{"a": 1}]},
        }
    ]
    fixed = drop(state="fixed", risk="safe", proposed=["ALL"])
    path.write_text(html.from_document(document(resource(fixed, allowed=True, operations=written))))
    with browsers.opened(browser, path, fragment="#cell=0.") as opened:
        opened.page.click("dialog summary")
        said = opened.page.inner_text("dialog details")
        assert "# add /spec/template/spec/securityContext" in said
        assert [line.rstrip() for line in said.splitlines() if line.startswith("+")] == [
            "+ runAsNonRoot: true",
            "+ list:",
            "+ - a: 1",
        ]


def test_the_arrows_reach_rows_that_were_not_drawn_yet(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(1000)))
    with browsers.opened(browser, path) as opened:
        tab = opened.page
        drawn = tab.locator("table.heat tbody tr").count()
        assert drawn < 500
        tab.focus("table.heat [tabindex='0']")
        tab.keyboard.press("Control+End")
        tab.keyboard.press("Home")
        assert tab.evaluate("document.activeElement.parentElement.getAttribute('aria-rowindex')") == tab.get_attribute(
            "table.heat", "aria-rowcount"
        )
        tab.keyboard.press("Enter")
        assert tab.is_visible("dialog")
        tab.keyboard.press("Escape")
        assert tab.evaluate("document.activeElement.className") == "name"


def test_the_address_keeps_filters_and_the_open_finding(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(100)))
    with browsers.opened(browser, path, fragment="#view=before&namespace=team-3&cell=43.privileged") as opened:
        assert count(opened).startswith("3 of 100")
        assert "service-43" in opened.page.inner_text("dialog")
        assert opened.page.is_checked("[name=view][value=before]")


@pytest.mark.parametrize(
    "name",
    [name for key, name in HOSTILE.items() if key != "surrogate"],
    ids=[key for key in HOSTILE if key != "surrogate"],
)
def test_a_hostile_name_does_nothing_in_the_browser(browser, tmp_path, name):
    path = tmp_path / "r.html"
    hostile = finding(
        message=name,
        container=name,
        current={name: [name]},
        proposed=name,
        reason=name,
        exemption=name,
        path=f"metadata['{name}']",
    )
    path.write_text(
        html.from_document(document(resource(hostile, name=name, namespace=name, file=name, labels={"team": name})))
    )
    with browsers.opened(browser, path) as opened:
        opened.page.on("dialog", lambda dialog: opened.said.append(f"dialog: {dialog.message}"))
        opened.page.click("td[aria-label^='privileged:']")
        assert opened.page.locator("dialog script, dialog img").count() == 0
        # A direction mark can't reach beyond its place, and can be seen.
        assert not re.search("[\u202a-\u202e]", opened.page.inner_text("body"))
        assert opened.silent(), opened.said


@pytest.mark.parametrize("scheme", browsers.SCHEMES)
def test_axe_finds_nothing_wrong(browser, page, scheme):
    path, _ = page
    with browsers.opened(browser, path, color_scheme=scheme, reduced_motion="reduce") as opened:
        assert browsers.violations(opened.page) == []
        opened.page.locator("td.s-manual, td.s-may-break").first.click()
        assert browsers.violations(opened.page) == []
        opened.page.keyboard.press("Escape")
        opened.page.check("[name=view][value=before]", force=True)
        assert browsers.violations(opened.page) == []


def test_axe_finds_nothing_wrong_without_scripts_or_with_a_trend(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(20), earlier=[many(10), many(5)]))
    with browsers.opened(browser, path) as opened:
        assert browsers.violations(opened.page) == []


def test_without_scripts_the_page_is_read_from_top_to_bottom(browser, page):
    path, report = page
    with browsers.opened(browser, path, java_script_enabled=False, wait=False) as opened:
        assert not opened.page.is_visible("#filters")
        assert not opened.page.is_visible("#count")
        shown = opened.page.inner_text("main")
        assert "Without scripts" in shown
        names = {_heat_map.seen(one["name"]) for one in report["resources"] if one["findings"]}
        headings = {text.strip() for text in opened.page.locator("article h4 bdi").all_text_contents()}
        assert names <= headings
        assert len(opened.asked) == 1


def test_paper_has_all_rows_and_all_findings(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(120)))
    with browsers.opened(browser, path) as opened:
        opened.page.emulate_media(media="print")
        opened.page.wait_for_selector("#prints article")
        assert opened.page.locator("table.heat tbody th.name").count() == 120
        assert opened.page.locator("#prints li").count() == 960
        assert not opened.page.is_visible("#filters")
        sheets = opened.page.pdf(prefer_css_page_size=True)
        assert sheets.startswith(b"%PDF")
        assert len(re.findall(rb"/Type\s*/Page\b", sheets)) > 3
        opened.page.emulate_media(media="screen")
        assert opened.page.locator("#prints article").count() == 0


def test_nothing_moves_for_who_asked_for_that_and_high_contrast_keeps_the_shapes(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(5)))
    with browsers.opened(browser, path, reduced_motion="reduce", forced_colors="active") as opened:
        opened.page.locator("td.s-manual").first.click()
        assert opened.page.evaluate("document.getAnimations().length") == 0
        colours = opened.page.evaluate(
            """() => { const style = getComputedStyle(document.querySelector('td.s-manual'), '::after');
                       return [style.backgroundColor, getComputedStyle(document.querySelector('td.s-manual'), '::before').backgroundColor]; }"""
        )
        assert colours[0] != colours[1]


def test_the_scheme_can_be_switched_by_hand(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(5)))
    with browsers.opened(browser, path, color_scheme="light") as opened:

        def paper():
            return opened.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

        light = paper()
        opened.page.select_option("#scheme", "dark")
        assert paper() != light
        opened.page.select_option("#scheme", "light")
        assert paper() == light


PICTURES = ROOT / "docs" / "pictures"
"""Written anew, of the corpus, with UPDATE_PICTURES=1."""


@pytest.mark.parametrize("width", browsers.WIDTHS)
@pytest.mark.parametrize("scheme", browsers.SCHEMES)
def test_it_fits_every_width_and_has_its_picture_taken(browser, page, tmp_path, width, scheme):
    path, _ = page
    folder = browsers.artefacts(tmp_path)
    height = browsers.WIDTHS[width]
    name = f"{path.parent.name.rstrip('0123456789')}-{width}-{scheme}"
    with browsers.opened(browser, path, color_scheme=scheme, viewport={"width": width, "height": height}) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        opened.page.screenshot(path=folder / f"{name}.png")
        if os.environ.get("UPDATE_PICTURES") and name == f"corpus-1440-{scheme}":
            opened.page.select_option("[name=namespace]", "kube-system")
            opened.page.evaluate("document.getElementById('heat').scrollIntoView()")
            opened.page.screenshot(path=PICTURES / f"report-{scheme}.png")
        opened.page.evaluate("document.getElementById('heat').scrollIntoView()")
        opened.page.screenshot(path=folder / f"{name}-map.png")
        opened.page.locator("td.s-manual, td.s-may-break").first.click()
        opened.page.wait_for_timeout(250)
        assert opened.page.evaluate("document.querySelector('dialog').scrollWidth") <= width
        opened.page.screenshot(path=folder / f"{name}-finding.png")
    assert (folder / f"{name}.png").stat().st_size > 10_000


def test_the_pictures_of_the_docs_are_small():
    for scheme in browsers.SCHEMES:
        assert (PICTURES / f"report-{scheme}.png").stat().st_size < 250_000


def test_five_thousand_workloads_open_in_under_two_seconds(browser, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(html.from_document(many(5000)))
    painted = []
    for _ in range(5):
        with browsers.opened(browser, path) as opened:
            opened.page.wait_for_function("performance.getEntriesByName('heat-map').length")
            painted.append(opened.page.evaluate("performance.getEntriesByName('heat-map')[0].startTime"))
            assert opened.page.locator("*").count() < 10_000
    print(f"heat map painted after {sorted(map(round, painted))} ms, {path.stat().st_size:,} bytes")
    assert statistics.median(painted) < 2000


def test_every_state_of_a_cell_has_its_own_shape_and_words():
    style = (Path(html.__file__).parent / "_html" / "page.css").read_text()
    shapes = {}
    for state in _heat_map.STATES:
        if state.id in {"none", "passes"}:
            continue
        [rule] = re.findall(rf"\.s-{state.id} {{(.*?)}}", style)
        shapes[state.id] = re.search(r"--shape: (polygon\(.*?\));", rule)[1]
    assert shapes.pop("fails") == shapes["manual"]
    assert len(set(shapes.values())) == len(shapes)
    assert len({state.title for state in _heat_map.STATES}) == len(_heat_map.STATES)
