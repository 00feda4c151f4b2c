"""ResourceLists as the real clients sent them, and the function alone: the contract without a client."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import pytest
from clients import (
    DATA,
    FUNCTION,
    NOTHING,
    RESULT_SCHEMA,
    SHARED,
    diff,
    harden,
    indented,
    parsed,
    policy,
    resource_list,
    run,
)
from conftest import clean_environment
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDED = [*sorted(path.name for path in (SHARED / "recorded").glob("*.stdin.yaml")), "kpt-fn-source.yaml"]
WEB = (DATA / "names/base/web.yaml").read_text()
EXPLICIT = (DATA / "explicit.yaml").read_text()


def with_policy(text: str, **spec: Any) -> str:
    """A recorded list with a HardeningPolicy in place of its functionConfig, whose annotations it keeps."""
    head, found, old = text.partition("\nfunctionConfig:\n")
    config = json.loads(json.dumps(parsed(old) or {}))
    new: dict[str, Any] = {
        "apiVersion": "krm-harden.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": config.get("metadata", {"name": "policy"}),
        "spec": spec,
    }
    return f"{head if found else text.removesuffix(chr(10))}\nfunctionConfig: {json.dumps(new)}\n"


def runtime_annotations(item: Any) -> dict[str, str]:
    """The annotations of the clients' own bookkeeping."""
    found = (item.get("metadata") or {}).get("annotations") or {}
    return {key: value for key, value in found.items() if "config.kubernetes.io" in key or "config.k8s.io" in key}


def names(made: Any) -> list[Any]:
    """What identifies each item."""
    return [(item.get("kind"), (item.get("metadata") or {}).get("name")) for item in made["items"]]


def lost(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """What stood in data and doesn't any more; more keys and more items at the end are no loss."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after.get(key), f"{at}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for index, (old, new) in enumerate(zip_longest(before, after)):
            if index < len(before):
                yield from lost(old, new, f"{at}[{index}]")
    elif before != after:
        yield at


def test_nothing_to_do(shared: Path):
    """Check 1: where the policy changes nothing, stdout is stdin, byte for byte, but for appended results."""
    stdin = with_policy((shared / "recorded/kpt-eval-exec.stdin.yaml").read_text(), **NOTHING)

    ran = harden(stdin)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.decode().startswith(stdin)
    assert ran.out.decode()[len(stdin) :].partition("\n")[0] in {"", "results:"}


def test_only_added_lines():
    """Check 2: a Deployment without securityContext gets lines and loses none; a second run changes nothing."""
    stdin = resource_list(WEB)

    first = harden(stdin)
    second = harden(first.out)

    assert first.code == 0
    assert diff(stdin, first.out).removed == []
    assert {"runAsNonRoot: true", "allowPrivilegeEscalation: false", "- ALL", "type: RuntimeDefault"} <= {
        line.strip() for line in diff(stdin, first.out).inserted
    }
    assert second.code == 0
    assert parsed(first.out)["items"] == parsed(second.out)["items"]
    assert items_text(first.out) == items_text(second.out)


def items_text(text: bytes) -> bytes:
    """The bytes before the results."""
    return text.partition(b"\nresults:")[0]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(shared: Path, name: str):
    """Check 3: every recorded list: exit 0 or 1, the same items in the same order, the clients' annotations as they were."""
    text = (shared / "recorded" / name).read_text()
    stdin = text if "function-input" in text and "data: {}" in text else with_policy(text)
    before = parsed(stdin)

    ran = harden(stdin)
    after = parsed(ran.out)

    assert ran.code in {0, 1}
    assert (after["apiVersion"], after["kind"]) == ("config.kubernetes.io/v1", "ResourceList")
    assert names(before) == names(after)
    assert [runtime_annotations(item) for item in before["items"]] == [
        runtime_annotations(item) for item in after["items"]
    ]
    assert before.get("functionConfig") == after.get("functionConfig")
    validator = Draft202012Validator(RESULT_SCHEMA)
    assert [error.message for result in typed_results(ran.out) for error in validator.iter_errors(result)] == []
    assert ran.code == int(any(result["severity"] == "error" for result in typed_results(ran.out)))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_twice(shared: Path, name: str):
    """Check 3: a second run over its own output changes no byte of the items, and nothing that stood there is lost."""
    text = with_policy((shared / "recorded" / name).read_text())

    first = harden(text)
    second = harden(first.out)

    assert items_text(first.out) == items_text(second.out)
    allowed = {".runAsNonRoot", ".spec.template.spec.containers[0].securityContext.runAsNonRoot"}
    found = [
        at for old, new in zip(parsed(text)["items"], parsed(first.out)["items"], strict=True) for at in lost(old, new)
    ]
    assert set(found) <= allowed


def typed_results(text: bytes) -> list[Any]:
    """The results with their types, of one value each."""
    import yaml

    return yaml.safe_load(b"results:" + text.partition(b"\nresults:")[2])["results"] or []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param(policy(profle="restricted"), ["spec.profle", "allowed:", "level"], id="typo"),
        pytest.param(policy(level="restrictd"), ["spec.level", "'restrictd'", "baseline", "restricted"], id="value"),
        pytest.param(
            policy(controls={"numericUser": {"uid": "1"}}), ["spec.controls.numericUser.uid", "whole number"], id="type"
        ),
        pytest.param(
            "apiVersion: krm-harden.example/v1alpha1\nkind: Harden\n", ["HardeningPolicy", "'Harden'"], id="kind"
        ),
        pytest.param("apiVersion: x.example/v1\nkind: V\n", ["HardeningPolicy", "'V'"], id="V"),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\ndata: {profle: restricted}\n",
            ["data.profle", "allowed:", "level"],
            id="key",
        ),
        pytest.param(
            "kind: HardeningPolicy\napiVersion: krm-harden.dev/v2\n", ["krm-harden.dev/v1alpha1"], id="version"
        ),
    ],
)
def test_wrong_config(config: str, said: list[str]):
    """Check 17: a wrong functionConfig: exit 3, one line that names the field and what is allowed, nothing on stdout."""
    ran = harden(resource_list(WEB, config=config))

    assert (ran.code, ran.out) == (3, b"")
    assert ran.err.count("\n") == 1
    assert [word for word in said if word not in ran.err] == []


@pytest.mark.parametrize(
    "config",
    [
        pytest.param("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: function-input}\ndata: {}\n", id="placeholder"),
        pytest.param("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: function-input}\n", id="no-data"),
        pytest.param("apiVersion: v1\nkind: ConfigMap\ndata: {level: restricted, changes: complete}\n", id="strings"),
        pytest.param(policy(), id="policy"),
        pytest.param(policy(level="restricted", explicit="respect"), id="defaults-spelled-out"),
    ],
)
def test_same_defaults(config: str):
    """Check 18: no functionConfig, kpt's placeholder, a ConfigMap of strings and a policy mean the same defaults."""
    expected = harden(resource_list(WEB))

    ran = harden(resource_list(WEB, config=config))

    assert (expected.code, expected.err) == (ran.code, ran.err)
    assert parsed(expected.out)["items"] == parsed(ran.out)["items"]
    assert parsed(expected.out)["results"] == parsed(ran.out)["results"]


def test_equivalent_configs():
    """Check 18: a flat ConfigMap and a policy that say the same do the same."""
    flat = 'apiVersion: v1\nkind: ConfigMap\ndata: {numericUser.uid: "2000", readOnlyRootFilesystem.enabled: "false"}\n'
    controls = {"numericUser": {"uid": 2000}, "readOnlyRootFilesystem": {"enabled": False}}

    ran = harden(resource_list(WEB, config=flat))
    expected = harden(resource_list(WEB, config=policy(controls=controls)))

    assert (0, expected.err) == (ran.code, ran.err)
    assert parsed(expected.out)["items"] == parsed(ran.out)["items"]
    assert parsed(expected.out)["results"] == parsed(ran.out)["results"]
    assert b"runAsUser: 2000" in ran.out


@pytest.mark.parametrize(
    "stdin",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"---\n---\n", id="separators"),
        pytest.param(b"items: [\n", id="not-yaml"),
        pytest.param(b"\xff\xfe\x00", id="not-text"),
        pytest.param(WEB.encode(), id="raw-documents"),
        pytest.param(b"apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n", id="no-items"),
        pytest.param(b"apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: {}\n", id="items-no-list"),
        pytest.param(resource_list((DATA / "duplicate.yaml").read_text()).encode(), id="key-twice"),
        pytest.param(resource_list(WEB).encode()[:-30] + b"\x00", id="control-character"),
        pytest.param(
            resource_list(WEB).replace("containers:\n", "containers: web\n        x:\n").encode(), id="wrong-type"
        ),
    ],
)
def test_broken_input(stdin: bytes):
    """Check 22: what can't be read: exit 2, one line, and never an empty output with exit 0."""
    ran = harden(stdin)

    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "error:" in ran.err
    assert ran.out == b"" or len(parsed(stdin)["items"]) == len(parsed(ran.out)["items"])


def test_unreadable_item_is_named():
    """Check 22: the error about an item says which object and file it is; a line of the list is of no use to its owner."""
    annotated = (
        (DATA / "duplicate.yaml")
        .read_text()
        .replace(
            "  name: torn\nspec", "  name: torn\n  annotations: {config.kubernetes.io/path: 'deploy/torn.yaml'}\nspec"
        )
    )

    ran = harden(resource_list(annotated))
    result = typed_results(ran.out)[0]

    assert ran.code == 2
    assert "Deployment/torn" in ran.err
    assert result.get("file", {}).get("path") == "deploy/torn.yaml"
    assert result.get("resourceRef", {}).get("name") == "torn"


def test_output_full():
    """Check 22: an output that can't be written: exit 2 and one line."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            FUNCTION,
            input=resource_list(WEB).encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            check=False,
        )

    assert done.returncode == 2
    assert (
        done.stderr.decode().splitlines()[-1]
        == "krm-harden: error: the output can't be written: No space left on device"
    )
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-"], ids=["stdin", "stdout"])
def test_closed_stream(closed: str):
    """Check 22: a closed standard stream: an error in one line, no traceback."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m krm_harden {closed}', sys.executable],
        input=resource_list(WEB).encode(),
        capture_output=True,
        env=clean_environment(),
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == b""
    assert "Traceback" not in done.stderr.decode()
    assert done.stderr.decode().splitlines()[-1].startswith("krm-harden: error: ")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signal(name: str):
    """Check 22: a signal in the middle of the input: not 0, nothing on stdout."""
    number = signal.Signals[name]
    # A shell's background job ignores SIGINT, and so would its children.
    restored = (
        f"import os, signal, sys; signal.signal({number.value}, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", restored, *FUNCTION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        # More than a pipe holds: once it is written, the function is past its start and reads.
        process.stdin.write(resource_list(WEB).encode() + b"#" * 200_000)
        process.stdin.flush()
        # Python sees a signal that arrives between two reads only after the next: a user would press the keys again.
        for _ in range(20):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
                break

        assert process.poll() in {-number, 128 + number}
        assert process.stdout.read() == b""
        assert "Traceback" not in process.stderr.read().decode()


def test_no_aliases():
    """Check 23: objects that get the same block get it written out, without anchors."""
    second = WEB.replace("name: web", "name: worker").replace("kind: ServiceAccount", "kind: ConfigMap")

    ran = harden(resource_list(WEB, second))
    inserted = diff(resource_list(WEB, second), ran.out).inserted

    assert ran.code == 0
    assert sum("type: RuntimeDefault" in line for line in inserted) == 2
    assert [
        line for line in inserted if line.lstrip(" -").startswith(("&", "*")) or ": &" in line or ": *" in line
    ] == []


@pytest.mark.parametrize(
    ("written", "fixed"),
    [("yes", False), ("on", False), ("true", False), ('"yes"', True), ('"true"', True)],
    ids=["yes", "on", "true", "quoted-yes", "quoted-true"],
)
def test_boolean(written: str, fixed: bool):
    """Check 24: plain `yes` is true and stays; such a word as a string is reported and set to true."""
    stdin = resource_list(WEB.replace("serviceAccountName: web\n", f"securityContext: {{runAsNonRoot: {written}}}\n"))

    ran = harden(stdin)
    wrong = [result for result in typed_results(ran.out) if "which the API can't decode" in result["message"]]

    assert ran.code == 0
    assert fixed == bool(wrong)
    assert (b"runAsNonRoot: true" if fixed else f"runAsNonRoot: {written}".encode()) in ran.out
    assert ran.out.partition(b"results:")[0].count(b"runAsNonRoot") == 1


def test_errors_first():
    """Check 16: errors come before warnings and infos, in the results and on stderr."""
    ran = harden(resource_list(WEB, EXPLICIT))

    assert ran.code == 1
    severities = [result["severity"] for result in typed_results(ran.out)]
    assert sorted(severities, key=["error", "warning", "info"].index) == severities
    assert {"error", "warning", "info"} == set(severities)
    spoken = [line.partition(":")[0] for line in ran.err.splitlines()]
    assert ["error"] * severities.count("error") == spoken[: severities.count("error")]
    assert {"warning"} == set(spoken[severities.count("error") :])


def test_foreign_results_stay():
    """Results of other functions are kept, ours of an earlier run replaced."""
    foreign = "results:\n- message: from elsewhere\n  severity: warning\n  tags: {tool: other}\n"
    first = harden(resource_list(WEB) + foreign)
    second = harden(first.out)

    assert second.code == 0
    assert [result["message"] for result in typed_results(second.out) if result["tags"]["tool"] == "other"] == [
        "from elsewhere"
    ]
    assert second.out.count(b"\nresults:") == 1


def test_config_is_echoed():
    """The functionConfig goes out as it came in, its comment included."""
    config = "# why\n" + policy(level="restricted")

    ran = harden(resource_list(WEB, config=config))

    assert ran.code == 0
    assert indented(config).encode() in ran.out


def test_start():
    """Check 25: `krm-harden --version` answers, on stdout alone."""
    ran = run("krm-harden", "--version")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(b"krm-harden ")
