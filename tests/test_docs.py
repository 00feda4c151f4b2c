"""Every command of README.md and docs/, run page by page in a fresh folder; what pages say of its output; the site."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import apiserver
import pages
import pytest
import test_images_command
import test_project
from conftest import ROOT, run_cli

DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
REPOSITORY = "https://github.com/krm-harden/krm-harden"
WORLDS = Path(__file__).resolve().parent / "docs"

NOT_HERE = {
    r"\./(demo|test)\b": "test_project.py::test_scripts_explain_a_missing_python",
    r"docker build|scripts/image\.sh|podman build": "test_container.py::test_the_image_says_what_it_is",
    r"docker inspect": "test_container.py::test_the_image_says_what_it_is",
    r"krm-harden copy /": "test_container.py::test_a_copy_over_a_copy_changes_nothing",
    r"pip install|pipx install": "test_github.py::test_the_action_annotates_and_writes_sarif",
    r"krm-harden fix .*(-i|--interactive)\b": (
        "test_interactive.py::test_an_exemption_goes_into_the_policy_whose_text_stays"
    ),
    r"krm-harden (fix|check) .*--watch\b": "test_watch.py::test_check_looks_at_what_changes_alone_and_sums_up_all",
    r"\b(?:trivy image|grype) |--run-scanner": "test_scanning.py::test_a_scanner_on_path_is_run_on_what_no_report_is_about",
    r"docker save": "test_images_archives.py::test_an_archive_of_newer_docker_is_both_and_is_read_as_both",
    r"docker run(?s:.)*images resolve": "test_images_command.py::test_a_real_registry_is_asked",
    r"images resolve .*--probe": "test_images_command.py::test_a_probe_sees_what_each_command_writes",
    r"images resolve (?!.*--from)": "test_images_command.py::test_a_real_registry_is_asked",
    r"images check (?!.*--offline)": "test_images_command.py::test_a_tag_that_moved_makes_it_stale_unless_offline",
    r"kpt fn eval .*--image": "test_container.py::test_kpt_runs_the_container_to_the_files_of_exec",
    r"pre-commit (install|run)": "test_pre_commit.py::test_a_first_run_mends_and_fails_and_a_second_passes",
    r"krm-harden check .*(s3|oci)://": "test_fleet.py::test_every_kind_of_source_gives_the_same_report",
    r"dask (scheduler|worker)|--scheduler": (
        "test_fleet.py::test_a_lost_worker_costs_nothing_and_counts_nothing_twice"
    ),
    r"--distributed": "test_fleet.py::test_a_cluster_of_this_machines_own_says_the_same",
    r"flux push": "test_patches.py::test_flux_patches",
    r"argocd app": "test_argocd.py::test_argocd_example",
    r"(kustomize build|-k) argocd\b": (
        "test_argocd.py::test_what_the_component_adds_is_restricted_with_a_read_only_root"
    ),
    r"gh release download|gh attestation verify|pypi-attestations|sha256sum --check SHA256SUMS|cosign verify": (
        "test_supply_chain.py::test_the_workflow_is_valid_for_those_who_know_workflows"
    ),
    r"git clone --branch v|scripts/wheel\.sh": (
        "test_supply_chain.py::test_a_release_is_the_same_bytes_wherever_and_by_whomever_it_is_built"
    ),
    r"docker run": "test_container.py::test_it_mends_the_files_of_the_user_that_it_runs_as",
    r"docker cp .*sbom": "test_container.py::test_the_sbom_names_all_that_is_in_it_and_no_more",
    r"id=\$\(docker create|docker cp|/opt/krm-harden/|scripts/relocatable\.sh": (
        "test_container.py::test_the_folder_runs_where_there_is_no_python"
    ),
}
"""Commands that can't run without a network, a container engine or another machine, by what they look like, and the test
that runs the same in another way. Nothing else is let off."""


def title(path):
    return path.relative_to(ROOT).as_posix()


def is_not_here(command):
    return next((pattern for pattern in NOT_HERE if re.search(pattern, command.text)), None)


REFERENCE = "command-line.md"


def read(page):
    """A page's blocks, each with its commands."""
    return [
        (block, list(pages.commands(block)) if block.sort == "commands" else [])
        for block in pages.blocks(page.read_text())
    ]


def runs():
    """What is run in a folder of its own: a page, or a section of the reference, whose examples are each for itself."""
    for page in PAGES:
        sections = (
            {block.section: None for block in pages.blocks(page.read_text())} if page.name == REFERENCE else {"": None}
        )
        for section in sections:
            yield pytest.param(page, section, id=f"{title(page)}#{section}" if section else title(page))


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """What pages take for granted: a repository with manifests, a policy, a build, a chart."""
    folder = tmp_path_factory.mktemp("world")
    shop = sorted((EXAMPLES / "shop").glob("*.yaml"))
    for name in ("base", "shop", "deploy"):
        (folder / name).mkdir()
        for path in shop:
            if name != "deploy" or path.name != "kustomization.yaml":
                shutil.copy(path, folder / name)
    policy = shutil.copy(EXAMPLES / "kustomize-exec" / "policy.yaml", folder)
    shutil.copytree(EXAMPLES / "shop-chart", folder / "chart")
    shutil.copy(EXAMPLES / "shop" / "api.yaml", folder / "app.yaml")
    shutil.copy(EXAMPLES / "shop" / "database.yaml", folder / "db.yaml")
    (folder / "kustomization.yaml").write_text("resources:\n- base\n")
    (folder / ".krmignore").write_text("chart\nbuild\n")  # kpt reads every file of a folder
    production = folder / "overlays" / "production"
    production.mkdir(parents=True)
    (production / "kustomization.yaml").write_text("resources:\n- ../../base\ntransformers:\n- hardening.yaml\n")
    shutil.copy(policy, production / "hardening.yaml")
    stream = b"---\n".join(path.read_bytes() for path in sorted((folder / "deploy").iterdir()))
    hardened = run_cli("fix", "--policy", policy, "-", stdin=stream)
    assert hardened.code == 0, hardened.err
    (folder / "rendered.yaml").write_bytes(hardened.out)
    return folder


WITHOUT = {
    "docs/check.md": ("deploy",),
    "docs/images.md": ("deploy",),
    "docs/scanning.md": ("deploy",),
    "docs/init.md": ("policy.yaml", "overlays"),
    "docs/command-line.md#krm-harden init": ("policy.yaml",),
    "docs/command-line.md#krm-harden policy": ("policy.yaml",),
    "docs/command-line.md#krm-harden policy init": ("policy.yaml",),
    "docs/command-line.md#krm-harden images": ("deploy",),
    "docs/command-line.md#krm-harden images check": ("deploy",),
    "docs/command-line.md#krm-harden images explain": ("deploy",),
    "docs/command-line.md#krm-harden images resolve": ("deploy",),
}
"""What of the world a page doesn't take for granted, or has of its own in tests/docs/."""
ONLY = {"docs/kpt.md": ("deploy", "policy.yaml"), "docs/tutorial.md": ()}
"""Pages whose folder has less than the whole world: kpt takes all that lies in a package."""
OF_THE_PROJECT = ("bench", "docs", "examples", "function", "scripts")
CLUSTER = re.compile(
    r"\bkubectl (?!kustomize|patch --local|version)|\bhelm (install|upgrade|get|list|rollback)\b(?!.*--dry-run=client)"
)
"""Commands that ask an API server."""
PLACES = {"/etc/krm-harden": "etc"}
"""Folders of the machine that pages name, and what stands for them in the home of the run."""


def prepared(name, blocks, folder, world):
    """A fresh folder, a Git repository with one commit."""
    stem, text = Path(name.partition("#")[0]).stem, "".join(block.text for block, _ in blocks)
    names = ONLY.get(name, {path.name for path in world.iterdir()} - {*WITHOUT.get(name, ())})
    folder.mkdir()
    for source in [*(world / name for name in names), *parts_of_the_project(text)]:
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / source.name)
    own = WORLDS / stem
    if own.is_dir():
        shutil.copytree(own, folder, dirs_exist_ok=True)
    if "helm template ." in text:
        shutil.copytree(EXAMPLES / "shop-chart", folder, dirs_exist_ok=True)
    if re.search(r"report merge|--earlier", text):
        put_reports(folder)
    if name in WITH_AN_IMAGE:
        put_an_image(folder)
    committed(folder, ("remote", "add", "origin", "https://git.example/shop.git"))


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  namespace: shop
spec:
  selector:
    matchLabels: {{app: app}}
  template:
    metadata:
      labels: {{app: app}}
    spec:
      containers:
      - name: app
        image: {}
"""


def put_reports(folder):
    """Reports of two repositories, and what the first said a week and a month ago."""
    now, week, month = "1790000000", "1789000000", "1787000000"
    shop, search = folder / "deploy", EXAMPLES / "shell-fix" / "deploy"
    judged = {"reports/shop.json": (shop, now), "reports/search.json": (search, now)}
    judged |= {"now/shop.json": (shop, now), "now/search.json": (search, now)}
    judged |= {"a/report.json": (shop, now), "b/report.json": (search, now)}
    judged |= {"last-week.json": (shop, week), "last-month.json": (shop, month)}
    (folder / "out").mkdir(exist_ok=True)
    for name, (manifests, created) in judged.items():
        report = run_cli("check", "-o", "json", manifests, SOURCE_DATE_EPOCH=created)
        assert report.code == 1, report.err
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(report.out)
    (folder / "shards").mkdir(exist_ok=True)
    for shard in ("1/2", "2/2"):
        shares = run_cli("check", "-o", "json", "--shard", shard, shop, search)
        assert shares.code in (0, 1), shares.err
        (folder / "shards" / f"{shard[0]}.json").write_bytes(shares.out)


def put_an_image(folder):
    """A Deployment, its image as docker saves it and as a layout, and its lock."""
    name = "registry.example/app:1.4"
    (folder / "deploy").mkdir()
    (folder / "deploy" / "app.yaml").write_text(DEPLOYMENT.format(name))
    test_images_command.docker_archive(folder / "app.tar", **{name: test_images_command.IMAGE})
    test_images_command.oci_layout(folder / "build", test_images_command.IMAGE, name)
    locked = run_cli("images", "resolve", "--from", "docker-archive:app.tar", "deploy", cwd=folder)
    assert locked.code == 0, locked.err


WITH_AN_IMAGE = (
    "docs/images.md",
    "docs/command-line.md#krm-harden images",
    "docs/command-line.md#krm-harden images resolve",
)
WITH_AN_IMAGE += ("docs/command-line.md#krm-harden images check", "docs/command-line.md#krm-harden images explain")


def parts_of_the_project(text):
    """Folders of this repository that commands name: their page speaks to somebody who has a clone."""
    return [ROOT / name for name in OF_THE_PROJECT if re.search(rf"(?m)(?<![\w-])(?<!\w/){name}/", text)]


@pytest.mark.parametrize("page, section", [*runs()])
def test_every_command_of_a_page_does_what_the_page_says(page, section, world, tmp_path, request):
    name = request.node.callspec.id
    blocks = [(block, found) for block, found in read(page) if section in {"", block.section}]
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    wanted = [(block, todo(block, found, home)) for block, found in blocks]
    if not any(found for _, found in wanted):
        return
    prepared(name, blocks, folder, world)
    for name in ("etc", ".zfunc", ".config/fish/completions", ".local/bin"):
        (home / name).mkdir(parents=True)
    shutil.copy(world / "policy.yaml", home / "etc")
    (home / ".gitconfig").write_text(GITCONFIG.format(clone=a_clone(home) if "git clone" in page.read_text() else home))

    with cluster(wanted, tmp_path, folder) as env:
        path = pages.programs(tmp_path / "bin", clients(wanted))
        ran = pages.play(folder, [found for _, found in wanted], home, path, **env)

    if wrong := list(complaints(page, [block for block, _ in blocks], ran)):
        pytest.fail("\n\n".join(wrong), pytrace=False)


GITCONFIG = """\
[user]
name = test
email = test@git.example
[init]
defaultBranch = main
[url "file://{clone}"]
insteadOf = https://github.com/krm-harden/krm-harden
"""


def a_clone(home):
    """What `git clone` gets: the files of this repository that pages speak of."""
    folder = home / "origin"
    for name in OF_THE_PROJECT:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return committed(folder)


def committed(folder, *more):
    """The folder as a Git repository with one commit."""
    for command in (
        ("init", "-q", "-b", "main"),
        *more,
        ("add", "."),
        ("-c", "user.name=test", "-c", "user.email=test@git.example", "commit", "-q", "--allow-empty", "-m", "Start"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def todo(block, found, home):
    """What of a block is run here: its commands but for those of NOT_HERE, or the writing of its file."""
    if block.sort == "file":
        return [pages.written(block)]
    return [pages.moved(command, PLACES, home) for command in found if not is_not_here(command)]


def clients(wanted):
    words = {word for _, found in wanted for command in found for word in re.findall(r"\w+", command.text)}
    # The plugin of Argo CD and the scripts of `init` start kustomize themselves.
    return {
        *words,
        *(("helm3", "helm4") if "helm" in words else ()),
        *(("kustomize",) if words & {"init", "argocd"} else ()),
    }


@contextmanager
def cluster(wanted, tmp_path, folder):
    """The variables of a page's run; where it asks an API server, one with the folder's manifests applied."""
    if not any(CLUSTER.search(command.text) for _, found in wanted for command in found):
        yield {}
        return
    server_folder = tmp_path / "server"
    server_folder.mkdir()
    with apiserver.running(server_folder) as server:
        asked = any(
            re.search(r"kubectl get|--dry-run=server", command.text) for _, found in wanted for command in found
        )
        for path in (WORLDS / "cluster", folder / "deploy") if asked else ():
            applied = server.kubectl("apply", "-f", str(path))
            assert applied.code == 0, applied.err
        yield {"KUBECONFIG": str(server.kubeconfig)}


def complaints(page, blocks, ran):
    """What a page says that isn't so, each with its line."""
    printed = {}
    for block, commands in zip(blocks, ran, strict=True):
        for command in commands:
            if wrong := complaint(command):
                yield f"{title(page)}:{command.line}: {wrong}\n    {command.text}\n{shortened(command.printed)}"
        if block.sort == "commands":
            printed[block.section] = "".join(command.printed for command in commands)
        elif block.sort == "output":
            real = printed.get(block.section)
            if real is None and block.text.startswith("--- "):
                continue  # a diff that shows, beside no command
            if real is None:
                yield f"{title(page)}:{block.line}: no command of this section prints it: give its fence another language"
            elif not pages.shows(block.text, real):
                yield f"{title(page)}:{block.line}: that isn't what is printed, but:\n{shortened(real)}"


def shortened(text):
    """The first and last lines of what was printed."""
    lines = text.splitlines()
    return "\n".join(lines if len(lines) < 30 else [*lines[:15], "...", *lines[-10:]])


JUDGES = re.compile(
    r"(?s).*(?:^|[|&;] *)(?:\w+=\S+ +)*(?:krm-harden|kubectl[ -]harden) +(?:check|fix|patches|fn|images|report|argocd|network|emit|policy convert --check)\b[^|]*"
)
"""Command lines that may end with 1 where the page doesn't say: krm-harden itself says that something stays open."""
HARDENS = re.compile(r"--enable-exec|--post-renderer|krm-harden (?:fix|fn)\b.*\|")


def complaint(command):
    """What is wrong with a command's exit code; None if nothing is."""
    if command.code is None:
        return "the shell ended before or in it, or it took too long"
    if "Traceback" in command.printed:
        return "a traceback"
    if command.said is not None:
        return None if command.code == command.said else f"exit code {command.code}, and the page says {command.said}"
    if command.code == 1 and JUDGES.fullmatch(command.text) and not HARDENS.search(command.text):
        return None
    return None if command.code == 0 else f"exit code {command.code}, and the page says nothing of it"


def test_what_cannot_run_here_is_on_a_page_and_runs_in_a_test():
    found = [command for page in PAGES for _, commands in read(page) for command in commands]
    used = {is_not_here(command) for command in found}
    for pattern, test in NOT_HERE.items():
        module, _, name = test.partition("::")
        assert pattern in used, f"no page has {pattern}"
        functions = {
            each.name
            for each in ast.walk(ast.parse((ROOT / "tests" / module).read_text()))
            if isinstance(each, ast.FunctionDef)
        }
        assert name in functions, test


# How pages are read


@pytest.mark.parametrize(
    "said, printed, same",
    [
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\ntwo\n", "one\ntwo\nthree\n", False),
        ("one\n...\n", "one\ntwo\nthree\n", True),
        ("...\nthree\n", "one\ntwo\nthree\n", True),
        ("...\nfour\n", "one\ntwo\nthree\n", False),
        ("a ... z\n", "a b.c z\n", True),
        ("a ... z\n", "a b\nc z\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_what_a_page_shows_is_the_whole_output_but_for_what_it_leaves_out(said, printed, same):
    assert pages.shows(said, printed) is same


PAGE = """\
# Title

    one   # exit code 1
    # of both
    two \\
      --more | three

- In a list:

      four

> In a quote:
>
>     for name in a b; do
>       five "$name"
>     done

```yaml
# deploy/app.yaml
kind: Pod
```

```text
said
```

```json
{}
```
"""


def test_commands_are_found_wherever_they_stand():
    found = list(pages.blocks(PAGE))
    commands = [command for block in found if block.sort == "commands" for command in pages.commands(block)]

    assert [(command.line, command.said) for command in commands] == [(3, 1), (5, None), (10, None), (14, None)]
    assert commands[1].text.splitlines()[1].strip() == "--more | three"
    assert commands[3].text.startswith("for name")
    assert [(block.sort, block.file) for block in found][3:] == [("file", "deploy/app.yaml"), ("output", "")]


@pytest.mark.parametrize(
    "text, code, said, is_wrong",
    [
        ("true", 0, None, False),
        ("true", 1, None, True),
        ("true", 1, 1, False),
        ("true", 0, 1, True),
        ("true", None, None, True),
        ("krm-harden check deploy/", 1, None, False),
        ("krm-harden check deploy/", 2, None, True),
        ("krm-harden check deploy/ && kubectl apply -f deploy/", 1, None, False),
        ("kustomize build . | krm-harden check -", 1, None, False),
        ("kustomize build --enable-alpha-plugins --enable-exec . | krm-harden check -", 1, None, True),
        ("krm-harden fix - < in.yaml | krm-harden check -", 1, None, True),
    ],
)
def test_an_exit_code_that_a_page_says_nothing_of_is_0_or_a_verdict(text, code, said, is_wrong):
    assert bool(complaint(pages.Command(1, "", text, said, code))) is is_wrong


# The pictures


def test_pictures_of_terminals_are_what_a_terminal_shows_today():
    """Typed anew in a real bash: the bytes must be the same."""
    command = (sys.executable, DOCS / "recording.py", "--check")
    checked = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr + "run docs/recording.py"


@pytest.mark.parametrize("picture", sorted((DOCS / "pictures").glob("*.svg")), ids=title)
def test_a_picture_is_one_that_a_git_host_shows(picture):
    """In an <img> nothing is loaded and no script runs; who sees no picture hears what it shows."""
    text = picture.read_text()
    root = ET.fromstring(text)  # noqa: S314 - our own
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    targets = [value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")]

    assert len(text) < 200_000
    assert tags.isdisjoint({"script", "foreignObject", "image"})
    assert "@import" not in text
    assert "url(" not in text
    assert all(target.startswith("#") for target in targets)
    assert root.findtext("{*}title")
    assert "krm-harden" in (root.findtext("{*}desc") or "")


def test_the_recording_plays_and_stands_still_for_those_who_want_no_motion():
    text = (DOCS / "pictures" / "demo.svg").read_text()
    root = ET.fromstring(text)  # noqa: S314 - our own

    last = re.search(r"100%\{(transform:[^}]*)\}", text)
    assert last
    assert f"@media (prefers-reduced-motion:reduce){{.film{{animation:none;{last[1]}}}}}" in text
    assert "$ krm-harden check web.yaml\n" in (root.findtext("{*}desc") or "")


# The site


BEYOND = re.compile(r"^(?:[a-z]+:)?//")


class Links(HTMLParser):
    """What a page of the site has: the places in it, the pages that it leads to, what it loads."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.leads_to, self.loads = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = {name: value for name, value in attributes if value}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.leads_to.add(given["href"])
        elif tag == "link" and given.get("rel") != "canonical" and "href" in given:
            self.loads.add(given["href"])
        elif "src" in given:
            self.loads.add(given["src"])


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site, built without a warning."""
    for module in ("sphinx", "myst_parser", "furo"):
        if find_spec(module) is None:
            pytest.skip(f"no {module}: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = (
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-n",
        "-q",
        "-d",
        folder / "trees",
        DOCS,
        folder / "html",
    )
    built = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_the_site_is_built_without_a_warning_and_has_every_page(site):
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file()


def test_every_link_of_the_site_leads_somewhere_in_it_or_to_a_file_of_the_repository(site):
    read_ = {path: Links(path.read_text()) for path in site.rglob("*.html")}
    for path, links in read_.items():
        for target in links.leads_to:
            if target.startswith(REPOSITORY):
                held = re.sub(
                    r"^/(?:blob|tree|edit)/main/", "", urlsplit(target).path.removeprefix(urlsplit(REPOSITORY).path)
                )
                assert (ROOT / held.lstrip("/")).exists(), f"{target} of {path.name}"
            elif not BEYOND.match(target) and not target.startswith("mailto:"):
                name, _, anchor = target.partition("#")
                there = (path.parent / unquote(urlsplit(name).path)).resolve() if name else path
                assert there.is_file(), f"{target} of {path.name}"
                assert not anchor or there not in read_ or unquote(anchor) in read_[there].ids, (
                    f"{target} of {path.name}"
                )


def test_the_site_asks_no_other_host(site):
    """Its scripts, styles, fonts and pictures are its own, and its search needs no server."""
    for path in site.rglob("*.html"):
        assert not [source for source in Links(path.read_text()).loads if BEYOND.match(source)], path
    for path in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        assert not re.findall(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//", path.read_text()), path
    assert "restricted" in (site / "searchindex.js").read_text()


def test_pages_have_no_directive_but_the_tables_of_contents_of_the_index():
    """So they read as well on a Git host."""
    for page in PAGES:
        directives = re.findall(r"(?m)^\s*(?:```|:::)\s*\{([\w-]+)\}", page.read_text())
        assert set(directives) <= ({"toctree"} if page == DOCS / "index.md" else set()), title(page)


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_link_and_picture_of_a_page_leads_to_a_file(page):
    """As a Git host resolves it; anchors are those of its headings."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    for target in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:href|src|srcset)="([^"]+)"', text)]:
        if not BEYOND.match(target):
            name, _, anchor = target.partition("#")
            there = page.parent / name if name else page
            assert there.exists(), f"{target} of {title(page)}"
            assert not anchor or anchor in test_project.anchors(there), f"{target} of {title(page)}"
