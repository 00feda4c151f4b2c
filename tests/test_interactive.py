"""`fix --interactive` in a real terminal: what it shows, what each answer writes, and what it never does."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, run_cli
from terminals import terminal

from krm_harden import controls
from krm_harden.commands._policies import load, read

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from terminals import Terminal

ASKED = "Write it? [y,n,a,d,e,s,q,?]"
POLICY = """\
# Ours.
apiVersion: krm-harden.dev/v1alpha1
kind: HardeningPolicy
metadata:
  name: 'ours'   # with quotes
spec:
  level: restricted
  exemptions:
  # The first.
  - match: {kinds: [DaemonSet], names: ["agent"]}
    controls: [hostNamespaces]
    reason: reads the host's metrics
# The end.
"""
FILES = ("api.yaml", "database.yaml", "namespace.yaml", "report.yaml", "web.yaml")


@pytest.fixture
def shop(tmp_path):
    """The example, a copy of it, and a policy."""
    for name in ("shop", "before"):
        (tmp_path / name).mkdir()
        for file in FILES:
            shutil.copy(ROOT / "examples" / "shop" / file, tmp_path / name)
    (tmp_path / "shop" / "policy.yaml").write_text(POLICY)
    return tmp_path / "shop"


def texts(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in FILES}


def before(shop: Path) -> dict[str, str]:
    return texts(shop.with_name("before"))


def answer(screen: Terminal, *lines: str) -> None:
    """Type answers, a line each; what comes before its question waits for it."""
    for line in lines:
        screen.type(line)
        screen.press("Enter")


def asking(shop: Path, *arguments: str, columns: int = 100, **env: str) -> AbstractContextManager[Terminal]:
    return terminal("krm-harden", "fix", "-i", *arguments, cwd=shop, columns=columns, lines=50, **env)


@pytest.mark.parametrize("columns", [80, 140])
def test_a_question_shows_its_own_change_and_the_reason(shop, columns, text_snapshot):
    with asking(shop, "api.yaml", "web.yaml", columns=columns) as screen:
        screen.wait_for(ASKED)
        answer(screen, "y")
        screen.wait_for(ASKED, 2)
        answer(screen, "?")
        assert screen.wait_for(ASKED, 3) + "\n" == text_snapshot


def test_it_is_in_colours(shop, text_snapshot):
    with asking(shop, "web.yaml", columns=140) as screen:
        screen.wait_for(ASKED)
        assert screen.screen(colours=True).replace("\033", "ESC") + "\n" == text_snapshot


def test_yes_to_everything_writes_what_fix_writes(shop):
    with asking(shop, *FILES) as screen:
        for count in range(1, 50):
            if not until_asked(screen, count):
                break
            answer(screen, "y")
        assert screen.code() == 0
    assert run_cli("fix", ".", cwd=shop.with_name("before")).code == 0
    assert texts(shop) == before(shop)


def until_asked(screen: Terminal, count: int) -> bool:
    """Whether there is another question; False when the run has ended."""
    shown = screen.wait_until(lambda text: text.count(ASKED) >= count or "krm-harden: " in text)
    return shown.count(ASKED) >= count


POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\nspec:\n  containers:\n  - name: web\n    image: a:1\n"


def test_every_shape_of_a_file_is_asked_about_and_written_as_fix_does(tmp_path):
    listed = "".join(f"- {POD.format(name).rstrip()}\n".replace("\n", "\n  ").rstrip() + "\n" for name in ("a", "b"))
    data = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "j"}, "spec": {"containers": [{"name": "c"}]}}
    data["spec"]["containers"][0]["image"] = "a:1"
    shapes = {
        "list.yaml": f"apiVersion: v1\nkind: List\nitems:\n{listed}".encode(),
        "crlf.yaml": POD.format("c").replace("\n", "\r\n").encode(),
        "utf16.yaml": b"\xff\xfe" + POD.format("u").encode("utf-16-le"),
        "list.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": [data, data]}, indent=2).encode(),
        "twice.yaml": f"{POD.format('t')}---\n{POD.format('t')}".encode(),
    }
    for folder in ("asked", "fixed"):
        (tmp_path / folder).mkdir()
        for name, content in shapes.items():
            (tmp_path / folder / name).write_bytes(content)
    with asking(tmp_path / "asked", "--control", "seccompProfile,runAsNonRoot", *shapes) as screen:
        screen.wait_for("(1/5) list.yaml:4  Pod/a")
        answer(screen, "y", "y")
        screen.wait_for("(1/5) list.yaml:12  Pod/b")
        answer(screen, "a", "a")
        assert screen.code() == 0
    assert run_cli("fix", "--control", "seccompProfile,runAsNonRoot", ".", cwd=tmp_path / "fixed").code == 0
    for name, content in shapes.items():
        assert (tmp_path / "asked" / name).read_bytes() == (tmp_path / "fixed" / name).read_bytes() != content, name


def test_no_to_all_of_each_control_writes_nothing(shop):
    with asking(shop, *FILES) as screen:
        answer(screen, *"d" * 20)
        assert screen.code() == 0
        shown = screen.screen()
    assert texts(shop) == before(shop)
    assert shown.count(ASKED) < len(controls.load())
    assert "0 objects changed" in shown


def test_yes_to_all_of_one_control_asks_for_it_no_more(shop):
    with asking(shop, "--control", "allowPrivilegeEscalation", *FILES) as screen:
        screen.wait_for("(1/4)")
        answer(screen, "a")
        assert screen.code() == 0
        assert screen.screen().count(ASKED) == 1
    assert run_cli("fix", "--control", "allowPrivilegeEscalation", ".", cwd=shop.with_name("before")).code == 0
    assert texts(shop) == before(shop)


def test_what_was_said_no_to_comes_with_what_needs_it_and_is_named(shop):
    with asking(shop, "--control", "numericUser,runAsNonRoot", "report.yaml") as screen:
        assert "numericUser (may-break)" in screen.wait_for(ASKED)
        answer(screen, "n")
        assert "with what it needs: numericUser" in screen.wait_for(ASKED, 2)
        answer(screen, "y")
        assert screen.code() == 0
    assert "runAsUser: 10001" in (shop / "report.yaml").read_text()


def test_an_exemption_goes_into_the_policy_whose_text_stays(shop):
    with asking(shop, "--policy", "policy.yaml", "--control", "readOnlyRootFilesystem", *FILES) as screen:
        screen.wait_for(ASKED)
        answer(screen, "e", "writes its own files: see OPS-12", "2099-13-01", "2099-01-31", "d")
        assert screen.code() == 0
        assert "must be a date" in screen.screen()
    added = (shop / "policy.yaml").read_text()
    assert added.startswith(POLICY.removesuffix("# The end.\n"))
    assert added.endswith("# The end.\n")
    entry = load(str(shop / "policy.yaml"))["spec"]["exemptions"][1]
    assert entry == {
        "match": {"kinds": ["Deployment"], "namespaces": ["shop"], "names": ["api"], "containers": ["migrate", "api"]},
        "controls": ["readOnlyRootFilesystem"],
        "reason": "writes its own files: see OPS-12",
        "expires": "2099-01-31",
    }
    assert len(read(str(shop / "policy.yaml")).exemptions) == 2
    made = run_cli("fix", "--diff", "--policy", "policy.yaml", "--control", "readOnlyRootFilesystem", ".", cwd=shop)
    assert 'container "api" is exempt from readOnlyRootFilesystem: writes its own files' in made.err
    assert "krm-harden-api-tmp" not in made.out.decode()


def test_without_a_policy_an_exemption_makes_one(shop):
    with asking(shop, "--control", "runAsNonRoot", "web.yaml") as screen:
        screen.wait_for(ASKED)
        answer(screen, "e", "", "needs root until it is rebuilt", "")
        # Beside that exemption other controls are refused, as in any run.
        assert screen.code() == 1
    made = run_cli("fix", "--policy", "krm-harden-policy.yaml", "--control", "runAsNonRoot", "web.yaml", cwd=shop)
    assert made.code == 1
    assert "exempt from runAsNonRoot: needs root until it is rebuilt" in made.out.decode()
    assert (shop / "web.yaml").read_text() == before(shop)["web.yaml"]


def test_a_file_that_is_there_is_not_taken_for_a_new_policy(shop):
    with asking(shop, "--control", "runAsNonRoot", "web.yaml") as screen:
        screen.wait_for(ASKED)
        answer(screen, "e", "policy.yaml")
        assert "start again with --policy policy.yaml" in screen.wait_for(ASKED, 2)
        answer(screen, "n")
        assert screen.code() == 0
    assert (shop / "policy.yaml").read_text() == POLICY


def test_a_new_policy_that_cannot_be_written_is_refused_before_more_is_asked(shop):
    with asking(shop, "--control", "runAsNonRoot", "web.yaml") as screen:
        screen.wait_for(ASKED)
        answer(screen, "e", "missing/policy.yaml")
        assert "missing/policy.yaml can't be written" in screen.wait_for(ASKED, 2)
        answer(screen, "e", "new.yaml", "is root", "")
        assert screen.code() == 1
    assert len(read(str(shop / "new.yaml")).exemptions) == 1


def test_an_exemption_that_holds_back_what_was_accepted_says_so(shop):
    with asking(
        shop, "--policy", "policy.yaml", "--control", "readOnlyRootFilesystem,runAsNonRoot", "web.yaml"
    ) as screen:
        screen.wait_for(ASKED)
        answer(screen, "y")
        assert "runAsNonRoot" in screen.wait_for(ASKED, 2)
        answer(screen, "e", "is root", "")
        screen.wait_for("beside that exemption these aren't written any more: readOnlyRootFilesystem")
        assert screen.code() == 1
    assert "readOnlyRootFilesystem" not in (shop / "web.yaml").read_text()


@pytest.mark.parametrize(("said", "written"), [("y", True), ("n", False)])
def test_quitting_asks_about_what_was_accepted(shop, said, written):
    with asking(shop, "--policy", "policy.yaml", "web.yaml", "api.yaml") as screen:
        screen.wait_for(ASKED)
        answer(screen, "y")
        screen.wait_for(ASKED, 2)
        answer(screen, "e", "because", "")
        screen.wait_for(ASKED, 3)
        answer(screen, "q")
        screen.wait_for("Write what you have accepted so far (1 change and 1 exemption)? [y,n]")
        answer(screen, said)
        assert screen.code() == 0
    assert (texts(shop) != before(shop)) == written
    assert ((shop / "policy.yaml").read_text() != POLICY) == written


def test_a_yes_to_all_of_a_control_leaves_a_skipped_file_alone(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(POD.format(name))
    with asking(tmp_path, "--control", "allowPrivilegeEscalation,seccompProfile", "a.yaml", "b.yaml") as screen:
        screen.wait_for("(1/2) a.yaml")
        answer(screen, "s")
        screen.wait_for("(2/2) b.yaml")
        answer(screen, "a", "a")
        screen.code()
    assert (tmp_path / "a.yaml").read_text() == POD.format("a")
    assert "RuntimeDefault" in (tmp_path / "b.yaml").read_text()


def test_the_rest_of_a_file_can_be_skipped(shop):
    with asking(shop, "web.yaml", "report.yaml") as screen:
        assert "(1/2) web.yaml" in screen.wait_for(ASKED)
        answer(screen, "s")
        assert "(2/2) report.yaml" in screen.wait_for(ASKED, 2)
        answer(screen, "y", "s")
        assert screen.code() == 0
    changed = {name for name, text in texts(shop).items() if text != before(shop)[name]}
    assert changed == {"report.yaml"}


@pytest.mark.parametrize(("key", "code", "said"), [("C-c", 130, "interrupted"), ("C-d", 2, "nothing was written")])
def test_an_end_before_the_last_answer_writes_nothing(shop, key, code, said):
    with asking(shop, "--policy", "policy.yaml", *FILES) as screen:
        screen.wait_for(ASKED)
        answer(screen, "a")
        screen.wait_for(ASKED, 2)
        answer(screen, "e", "because", "")
        screen.wait_for(ASKED, 3)
        screen.press(key)
        assert screen.code() == code
        assert said in screen.screen()
    assert texts(shop) == before(shop)
    assert (shop / "policy.yaml").read_text() == POLICY


def test_with_diff_nothing_is_written_and_the_diff_is_that_of_the_answers(shop):
    with asking(shop, "--diff", "--control", "seccompProfile,runAsNonRoot", "web.yaml") as screen:
        screen.wait_for(ASKED)
        answer(screen, "e")
        screen.wait_for("--diff writes nothing, and so no exemption")
        answer(screen, "n")
        screen.wait_for(ASKED, 3)
        answer(screen, "y")
        assert screen.code() == 1
        shown = screen.screen()
    assert "+++ b/web.yaml" in shown
    assert "runAsNonRoot: true" not in shown.partition("+++ b/web.yaml")[2]
    assert texts(shop) == before(shop)


def test_namespaces_are_labelled_only_if_what_was_accepted_lets_them(shop):
    (shop / "auto.yaml").write_text(POLICY.replace("spec:\n", "spec:\n  namespaces: {enforce: auto}\n"))
    with asking(shop, "--policy", "auto.yaml", *FILES) as screen:
        screen.wait_for(ASKED)
        answer(screen, "d", *"a" * 14)
        screen.code()
    assert "/enforce:" not in (shop / "namespace.yaml").read_text()
    assert "/warn:" in (shop / "namespace.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["web.yaml"], "asks on a terminal", id="no terminal"),
        pytest.param(["-"], "takes its answers from standard input", id="manifests on standard input"),
        pytest.param(["--diff", "--against", "0.1", "web.yaml"], "doesn't go with --against", id="an update's preview"),
        pytest.param(["-o", "json", "web.yaml"], "doesn't go with --output", id="a report on standard output"),
    ],
)
def test_what_can_not_be_asked_is_refused_with_what_to_do(shop, arguments, said):
    made = run_cli("fix", "-i", *arguments, cwd=shop)
    assert made.code == 3
    assert said in made.err
    assert "; " in made.err
    assert texts(shop) == before(shop)
