"""krm-harden as a function of the real kpt: eval, render, and between source and sink."""

from __future__ import annotations

import json
from functools import partial
from shutil import copytree, rmtree
from typing import TYPE_CHECKING

import pytest
import yaml
from clients import (
    DATA,
    FUNCTION,
    IDENTITY,
    RESULT_SCHEMA,
    SHOP,
    Diff,
    comments,
    copied,
    cost,
    deployments,
    diff,
    judged,
    kpt,
    policy,
    run,
    texts,
)
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran


def evaluated(folder: Path, *, function: tuple[str, ...] = FUNCTION) -> Ran:
    """`kpt fn eval`, in place."""
    return kpt("eval", folder, "--exec", "krm-harden", function=function)


def rendered(folder: Path, *, function: tuple[str, ...] = FUNCTION) -> Ran:
    """`kpt fn render`, in place, by the folder's Kptfile."""
    (folder / "Kptfile").write_bytes((DATA / "kpt/Kptfile").read_bytes())
    (folder / "policy.yaml").write_text(policy())
    return kpt("render", folder, "--allow-exec", function=function)


def piped(folder: Path, *, function: tuple[str, ...] = FUNCTION) -> Ran:
    """`kpt fn source | krm-harden | kpt fn sink`, back into the folder."""
    source = kpt("source", folder)
    assert (source.code, source.err) == (0, "")
    ran = run("krm-harden", stdin=source.out, function=function)
    out = folder.parent / f"{folder.name}-out"
    sink = kpt("sink", out, stdin=ran.out)
    assert (sink.code, sink.err) == (0, "")
    copytree(out, folder, dirs_exist_ok=True)
    rmtree(out)
    return ran


IN_PLACE = {"eval": evaluated, "render": rendered}
WAYS = {**IN_PLACE, "pipe": piped}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def beside_cat(way: Callable[..., Ran], folder: Path, tmp_path: Path) -> tuple[Ran, Path, Path, Diff]:
    """A package after the function, and what that inserted and removed against `cat` in its place."""
    plain, ours = (copytree(folder, tmp_path / name / "package") for name in ("plain", "ours"))
    assert way(plain, function=IDENTITY).code == 0
    ran = way(ours)
    return ran, plain, ours, diff(plain, ours)


def sent(folder: Path) -> str:
    """All manifests of a package as one stream."""
    return "---\n".join(text for name, text in texts(folder).items() if name.endswith((".yaml", ".json")))


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path, Path, Diff]:
    """The commented package, each way."""
    return beside_cat(request.param, DATA / "kpt", tmp_path_factory.mktemp("package"))


def test_only_insertions(package: tuple[Ran, Path, Path, Diff]):
    """Checks 10 and 11: comments, flow style, anchors and block scalars: against `cat`, lines are inserted and none removed."""
    ran, plain, ours, made = package

    assert ran.code == 0
    assert made.removed == []
    assert made.inserted
    assert judged(sent(plain)) == {"Deployment/web": False, "Pod/tool": False}
    assert judged(sent(ours)) == {"Deployment/web": True, "Pod/tool": True}


def test_comments(package: tuple[Ran, Path, Path, Diff]):
    """Checks 10 and 11: every comment is still there, once, in its place."""
    _, plain, ours, _ = package

    expected = {name: comments(text) for name, text in texts(plain).items()}
    assert expected == {name: comments(text) for name, text in texts(ours).items()}


def test_setters(package: tuple[Ran, Path, Path, Diff]):
    """Checks 10 and 11: every line with a `# kpt-set:` comment is byte for byte what it was."""
    _, _, ours, _ = package

    setters = [line for text in texts(DATA / "kpt").values() for line in text.splitlines() if "# kpt-set: " in line]
    assert len(setters) == 6
    assert setters == [line for text in texts(ours).values() for line in text.splitlines() if "# kpt-set: " in line]


def test_commented_items(package: tuple[Ran, Path, Path, Diff]):
    """Check 12: a Pod with two commented containers: comments stay on their elements where lists grow."""
    _, _, ours, _ = package
    pod = (ours / "pod.yaml").read_text()

    for lines in (
        "  # the first container\n  - name: first # says first\n",
        "        # raw sockets\n        - NET_RAW # not needed\n        # devices\n        - MKNOD # neither\n        - ALL\n",
        "  # the second container\n  - name: second # says second\n",
        "    # of the second\n    - name: data # its data\n      mountPath: /data\n    - name: krm-harden-second-tmp\n",
        "  # the pod's\n  - name: data # volume\n    emptyDir: {}\n  - name: krm-harden-first-tmp\n",
    ):
        assert lines in pod


def test_plain_yes(package: tuple[Ran, Path, Path, Diff]):
    """Check 24: `runAsNonRoot: yes` is true for kpt's items, as for the API: the line stays as it is."""
    ran, _, ours, _ = package

    assert (ours / "web.yaml").read_text().count("          runAsNonRoot: yes\n") == 1
    assert "containers[1].securityContext.runAsNonRoot" not in ran.err + ran.out.decode()


@every_way
def test_second_run(way: Callable[..., Ran], tmp_path: Path):
    """kpt's own end-to-end runner runs everything twice: the second run changes no byte of any file."""
    folder = copytree(DATA / "kpt", tmp_path / "package")

    first = way(folder)
    before = texts(folder)
    second = way(folder)

    assert (first.code, second.code) == (0, 0)
    assert before == texts(folder)


def one_file(folder: Path, text: str) -> Path:
    """A package of one file."""
    folder.mkdir()
    (folder / "pod.yaml").write_text(text)
    return folder


@every_way
@pytest.mark.parametrize("after", ["container", "context"])
def test_comment_behind_the_last_field(way: Callable[..., Ran], after: str, tmp_path: Path):
    """Check 12: a comment below a mapping's last field stays with that field, and isn't written a second time."""
    context = "    securityContext:\n      runAsUser: 1000\n" if after == "context" else ""
    indent = "      " if after == "context" else "    "
    text = f"""\
apiVersion: v1
kind: Pod
metadata:
  name: tool
spec:
  containers:
  - name: first
    image: registry.example/first:1
{context}{indent}# ends the first
  - name: second
    image: registry.example/second:1
"""

    ran, plain, ours, made = beside_cat(way, one_file(tmp_path / "source", text), tmp_path)
    line = (plain / "pod.yaml").read_text().splitlines().index(f"{indent}# ends the first")

    assert ran.code == 0
    assert made.removed == []
    assert comments((ours / "pod.yaml").read_text()) == ["# ends the first"]
    assert (plain / "pod.yaml").read_text().splitlines()[: line + 1] == (ours / "pod.yaml").read_text().splitlines()[
        : line + 1
    ]


def test_comment_behind_the_last_item(tmp_path: Path):
    """Check 11: a comment at the very end of the last item survives the results that follow it."""
    text = """\
apiVersion: v1
kind: Pod
metadata:
  name: tool
spec:
  containers:
  - name: first
    image: registry.example/first:1
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: tool
# the end
"""

    ran, plain, ours, made = beside_cat(piped, one_file(tmp_path / "source", text), tmp_path)

    assert ran.code == 0
    assert comments((plain / "pod.yaml").read_text()) == ["# the end"]
    assert comments((ours / "pod.yaml").read_text()) == ["# the end"]
    assert made.removed == []


def test_error(tmp_path: Path):
    """Check 13: an error: [FAIL], the finding with object and field, exit 1, no file touched, valid results."""
    folder = tmp_path / "package"
    copied("explicit.yaml", folder)
    before = texts(folder)

    ran = kpt("eval", folder, "--exec", "krm-harden", "--results-dir", tmp_path / "results")
    report = yaml.safe_load((tmp_path / "results/results.yaml").read_text())
    (made,) = report["items"]

    assert ran.code == 1
    assert '[FAIL] "krm-harden"' in ran.err
    assert "  Exit code: 1\n" in ran.err
    shown = "[error] apps/v1/Deployment/shop/agent spec.template.spec.containers[0].securityContext."
    assert shown in ran.err
    assert before == texts(folder)
    assert (report["exitCode"], made["exitCode"]) == (1, 1)
    validator = Draft202012Validator(RESULT_SCHEMA)
    assert [error.message for result in made["results"] for error in validator.iter_errors(result)] == []
    (found,) = [result for result in made["results"] if result["tags"]["control"] == "runAsUser"]
    assert found["severity"] == "error"
    assert found["resourceRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "agent"}
    assert found["field"]["path"] == "spec.template.spec.containers[0].securityContext.runAsUser"
    assert found["field"]["currentValue"] == 0
    assert found["file"] == {"path": "explicit.yaml"}
    assert "exemption: {match: " in found["message"]


def test_exemption_to_paste(tmp_path: Path):
    """Check 13: the exemptions that the errors name, pasted into the policy, let the package through."""
    folder = tmp_path / "package"
    copied("explicit.yaml", folder)
    kpt("eval", folder, "--exec", "krm-harden", "--results-dir", tmp_path / "results")
    (made,) = yaml.safe_load((tmp_path / "results/results.yaml").read_text())["items"]
    messages = [result["message"] for result in made["results"] if result["severity"] == "error"]
    exemptions = [yaml.safe_load(message.partition("; exemption: ")[2]) for message in messages]
    (tmp_path / "policy.yaml").write_text(policy(exemptions=exemptions))

    ran = kpt("eval", folder, "--exec", "krm-harden", "--fn-config", tmp_path / "policy.yaml")

    assert ran.code == 0
    assert '[PASS] "krm-harden"' in ran.err


def test_warnings(tmp_path: Path):
    """Check 15: warnings only: [PASS], exit 0, and kpt shows them."""
    ran = evaluated(copied("kpt", tmp_path))

    assert ran.code == 0
    assert '[PASS] "krm-harden"' in ran.err
    assert "[warning] v1/Pod/tool spec." in ran.err
    assert "[error]" not in ran.err


@pytest.mark.parametrize("alone", [True, False], ids=["many-errors", "among-warnings"])
def test_first_lines(alone: bool, tmp_path: Path):
    """Check 16: kpt shows four lines of results and of stderr: the errors are the first of them."""
    folder = tmp_path / "package"
    copied("explicit.yaml", folder)
    if not alone:
        one = (
            (DATA / "names/base/web.yaml")
            .read_text()
            .replace("serviceAccountName: web", "securityContext: {runAsUser: 0}")
        )
        (folder / "explicit.yaml").write_text(one)
        (folder / "another.yaml").write_text(deployments(3))

    ran = evaluated(folder)
    results, _, stderr = ran.err.partition("  Results:\n")[2].partition("  Stderr:\n")
    shown = [
        line.strip().partition("]")[0] + "]" for line in results.splitlines() if not line.strip().startswith("...")
    ]
    spoken = [line.strip().partition(":")[0] for line in stderr.splitlines()[:4]]
    errors = 4 if alone else shown.count("[error]")

    assert ran.code == 1
    assert ["[error]"] * errors + ["[warning]"] * (4 - errors) == shown
    assert ['"error'] * errors + ['"warning'] * (4 - errors) == spoken
    assert errors >= 1


def test_wrong_policy(tmp_path: Path):
    """Check 17: a typo in the policy: [FAIL], one line that names the field, exit 1, no file touched."""
    folder = copied("kpt", tmp_path)
    (folder / "policy.yaml").write_text(policy(profle="restricted"))
    before = texts(folder)

    ran = kpt("eval", folder, "--exec", "krm-harden", "--fn-config", folder / "policy.yaml")

    assert ran.code == 1
    assert "  Exit code: 3\n" in ran.err
    assert ran.err.count("spec.profle") == 1
    assert "spec.profle is unknown" in ran.err
    assert before == texts(folder)


def test_config_on_the_command_line(tmp_path: Path):
    """Check 18: `-- key=value` does what the same policy does."""
    flat, custom = (copytree(DATA / "kpt", tmp_path / name) for name in ("flat", "custom"))
    (tmp_path / "policy.yaml").write_text(policy(controls={"numericUser": {"uid": 2000}}))

    by_key = kpt("eval", flat, "--exec", "krm-harden", "--", "numericUser.uid=2000")
    by_policy = kpt("eval", custom, "--exec", "krm-harden", "--fn-config", tmp_path / "policy.yaml")

    assert (by_key.code, by_policy.code) == (0, 0)
    assert texts(flat) == texts(custom)
    assert "runAsUser: 2000" in (flat / "pod.yaml").read_text()


@pytest.mark.parametrize("way", IN_PLACE.values(), ids=IN_PLACE)
def test_package_files(way: Callable[..., Ran], tmp_path: Path):
    """Check 19: Kptfile, config, kustomization.yaml, local-config and JSON: none is lost, only workloads change."""
    ran, plain, ours, _ = beside_cat(way, DATA / "mixed", tmp_path)
    before, after = texts(plain), texts(ours)

    assert ran.code == 0
    assert list(before) == list(after)
    assert [name for name in before if before[name] != after[name]] == ["web.yaml", "worker.json"]
    assert json.loads(after["worker.json"])["spec"]["template"]["spec"]["containers"][0]["args"] == ["1e3", "yes"]
    assert judged("---\n".join(after[name] for name in ("local.yaml", "web.yaml", "worker.json"))) == {
        "Deployment/local": False,
        "Deployment/web": True,
        "Deployment/worker": True,
    }


GATE = policy(validator=True)
GOOD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: web
    image: registry.example/web:1
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
"""


def piped_into(folder: Path, role: str, manifests: str) -> Path:
    """A package with the policy that only judges, in a role of its pipeline."""
    folder.mkdir()
    pipeline = {role: [{"exec": "krm-harden", "configPath": "gate.yaml"}]}
    kptfile = {"apiVersion": "kpt.dev/v1", "kind": "Kptfile", "metadata": {"name": "web"}, "pipeline": pipeline}
    (folder / "Kptfile").write_text(yaml.safe_dump(kptfile, sort_keys=False))
    (folder / "gate.yaml").write_text(GATE)
    (folder / "web.yaml").write_text(manifests)
    return folder


@pytest.mark.parametrize("role", ["validators", "mutators"])
def test_a_policy_that_judges_passes_or_fails_a_render_and_loses_no_file(role: str, tmp_path: Path):
    good = piped_into(tmp_path / "good", role, GOOD)
    bad = piped_into(tmp_path / "bad", role, GOOD.replace("RuntimeDefault", "Unconfined"))
    before = texts(good), texts(bad)

    passed = kpt("render", good, "--allow-exec")
    failed = kpt("render", bad, "--allow-exec")

    assert (passed.code, failed.code) == (0, 1), passed.err
    assert "[error] v1/Pod/web spec.securityContext.seccompProfile.type" in failed.err
    assert before[1] == texts(bad)
    assert list(before[0]) == list(texts(good))
    assert texts(good)["web.yaml"] == GOOD


def test_no_package_is_lost_to_a_judge_however_much_it_looks_like_kustomize(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its items carry kustomize's annotation, and kpt runs where a kustomization asks for the validator."""
    marked = GOOD.replace("  name: web\n", "  name: web\n  annotations: {kustomize.config.k8s.io/id: 'kind: Pod'}\n", 1)
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "web.yaml").write_text(marked)
    (tmp_path / "gate.yaml").write_text(GATE)
    (tmp_path / "kustomization.yaml").write_text("resources: [web/web.yaml]\nvalidators: [gate.yaml]\n")
    monkeypatch.chdir(tmp_path)

    ran = kpt("eval", "web", "--exec", "krm-harden", "--fn-config", "gate.yaml")

    assert ran.code == 0, ran.err
    assert texts(folder) == {"web.yaml": marked}


@pytest.mark.parametrize("failure", ["key-twice", "crash", "silent"])
def test_files_survive(failure: str, tmp_path: Path):
    """Check 22: whatever goes wrong within the function, kpt fails and no file changes."""
    folder = copied("kpt", tmp_path)
    (folder / "torn.yaml").write_text((DATA / "duplicate.yaml").read_text())
    before = texts(folder)
    programs = {
        "key-twice": "krm-harden",
        "crash": "sh -c 'krm-harden >/dev/full'",
        "silent": "sh -c 'krm-harden </dev/null'",
    }

    ran = kpt("eval", folder, "--exec", programs[failure])

    assert ran.code == 1
    assert "[FAIL]" in ran.err
    assert "  Exit code: 2\n" in ran.err
    assert before == texts(folder)


def test_subpackages(tmp_path: Path):
    """Check 25: two subpackages with a file of the same name: both are hardened, each result names its own file."""
    folder = copied("subpackages", tmp_path)

    ran = kpt("render", folder, "--allow-exec", "--results-dir", tmp_path / "results")
    (made,) = yaml.safe_load((tmp_path / "results/results.yaml").read_text())["items"]
    files = [result["file"]["path"] for result in made["results"] if "file" in result]

    assert ran.code == 0
    assert files.count(str(folder / "r.yaml")) == files.count(str(folder / "sub/r.yaml")) > 0
    assert set(files) == {str(folder / "r.yaml"), str(folder / "sub/r.yaml")}
    assert (folder / "r.yaml").read_text() == (folder / "sub/r.yaml").read_text()
    assert judged((folder / "r.yaml").read_text()) == {"Deployment/web": True}


@every_way
def test_online_boutique(way: Callable[..., Ran], shared: Path, tmp_path: Path):
    """Online Boutique: none of its 12 Deployments is allowed before, all are after, by 24 inserted lines and no other."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP.read_text())

    ran, plain, ours, made = beside_cat(way, folder, tmp_path)
    before, after = (judged((made_by / "shop.yaml").read_text()) for made_by in (plain, ours))

    assert ran.code == 0
    assert (len(before), list(before.values()).count(False)) == (12, 12)
    assert dict.fromkeys(before, True) == after
    assert made.removed == []
    assert [line.strip() for line in made.inserted] == ["seccompProfile:", "type: RuntimeDefault"] * 12


def test_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Check 25: 200 Deployments: what the function costs over `cat` in its place."""
    plain, ours = (one_file(tmp_path / name, deployments(200)) for name in ("plain", "ours"))

    without, seconds = cost(partial(evaluated, plain, function=IDENTITY)), cost(partial(evaluated, ours))
    with capsys.disabled():
        print(f"\n200 Deployments in kpt: `cat` {without}, krm-harden {seconds}", end="")

    assert {True} == set(judged(sent(ours)).values())
    assert seconds.cpu - without.cpu < 4
