"""The report as SARIF 2.1.0 (OASIS), as GitHub's code scanning takes it: one run, a rule for each control.

Plain dictionaries: the libraries that model SARIF aren't kept up, and would check nothing that its schema doesn't.
GitHub's limits and what it reads: "SARIF support for code scanning" in its documentation.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from krm_harden import __version__, controls, namespaces, scanning
from krm_harden.commands import explain
from krm_harden.model import one_line
from krm_harden.psp import explained
from krm_harden.reports import _documents, json
from krm_harden.reports._hunks import hunks
from krm_harden.reports._places import STDIN, Repository, at, fingerprints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.controls import Control
    from krm_harden.reports._hunks import Hunk

    Part = Mapping[str, Any]
    Made = dict[str, Any]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/krm-harden/krm-harden"
PAGES = f"{HOME}/blob/v{__version__}/docs"
MOST = 25_000
"""The results that GitHub takes of one run; more, and it refuses the file."""
SIZE = 10_000_000
"""The bytes of a file, compressed by gzip, that GitHub takes."""
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
ROOT = "%SRCROOT%"
NOTICES = {
    "exemptions": ("Exemptions that an object claims", "policy.md#exemptions"),
    "immutable": ("Changes that an apply can't update", "output.md#states"),
}
"""What findings can be about beside controls, and the page that explains it."""


class Files(NamedTuple):
    """How a log speaks of files: `artifact` has a file's location, of the part of a report that is in it.

    `roots` are the folders that URIs are relative to; `encodings` the files that aren't in UTF-8.
    """

    artifact: Callable[[Part], dict[str, str]]
    roots: dict[str, str]
    encodings: Sequence[Made] = ()


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The document, with a final line break."""
    repository = Repository()

    def artifact(part: Part) -> dict[str, str]:
        return _artifact(repository.uri(part["file"]))

    files = Files(artifact, {ROOT: "The root of the repository."}, list(_encodings(inputs, artifact)))
    return _fitting(json.report(inputs, warnings), files, _fixes(inputs, repository))


def from_document(document: Part, earlier: Sequence[Part] = ()) -> str:
    """The same of reports that were merged: without fixes, and each report's files below a root of its own.

    `earlier` ones aren't in it: what reads SARIF keeps a history of its own.
    """
    del earlier
    roots = {source["name"]: f"The root of {source['name']}." for source in document.get("sources", ())}
    return _fitting(document, Files(_named_artifact, roots), {})


def _named_artifact(part: Part) -> dict[str, str]:
    """A file as its report names it: where its repository lies nobody knows any more."""
    safe = ":/@" if "://" in part["file"] else "/"
    name = "stdin" if part["file"] == STDIN else quote(part["file"].encode("utf-8", "surrogatepass"), safe)
    if "://" in name:
        return {"uri": name}
    if name.startswith("/"):
        return {"uri": f"file://{name}"}
    return {"uri": name, "uriBaseId": part["source"]} if "source" in part else {"uri": name}


def _fitting(document: Part, files: Files, fixes: Mapping[str, Made]) -> str:
    """The log's text, small enough for GitHub: without fixes, then with fewer results, the worst kept."""
    most = MOST
    text = _text(document, files, fixes, most)
    while _is_too_large(text) and most > 1:
        most = most // 2 if not fixes else most
        fixes = {}
        text = _text(document, files, fixes, most, "fixes are left out")
    return text


def _is_too_large(text: str) -> bool:
    import gzip

    return len(text) > SIZE // 4 and len(gzip.compress(text.encode("utf-8", "backslashreplace"), 6)) > SIZE


def _text(document: Part, files: Files, fixes: Mapping[str, Made], most: int, left_out: str = "") -> str:
    rules = _rules(document)
    indexes = {rule["id"]: index for index, rule in enumerate(rules)}
    results = list(_results(document, files, indexes, fixes))
    notifications = list(_notifications(document, files))
    if left_out:
        notifications.append(_notification("warning", f"{left_out}: GitHub takes {SIZE // 1_000_000} MB"))
    if len(results) > most:
        notifications.append(_notification("warning", f"{len(results) - most} of {len(results)} results are left out"))
        results = sorted(results, key=_worst_first)[:most]
    run = {
        "tool": {
            "driver": {
                "name": "krm-harden",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": rules,
            }
        },
        "invocations": [
            {
                "executionSuccessful": not document["errors"],
                "toolExecutionNotifications": notifications,
            }
        ],
        "originalUriBaseIds": {name: {"description": {"text": one_line(text)}} for name, text in files.roots.items()},
        "columnKind": "unicodeCodePoints",
        **({"artifacts": files.encodings} if files.encodings else {}),
        "results": results,
    }
    return json.written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _worst_first(result: dict[str, Any]) -> int:
    return list(LEVELS.values()).index(result["level"])


def _rules(document: Part) -> list[Made]:
    """A rule for each control, and for each that only the release knew which made a report."""
    made = [_rule_of(control) for control in controls.load().values()]
    labels = (namespaces.__doc__ or "").strip()
    made.append(_rule(controls.NAMESPACES, explain.LABELS, labels, f"controls.md#{controls.NAMESPACES.lower()}"))
    made += [_rule(name, title, title, page) for name, (title, page) in NOTICES.items()]
    known = {rule["id"] for rule in made}
    others = {finding["control"] for resource in document["resources"] for finding in resource["findings"]} - known
    if controls.VULNERABILITIES in others:
        others.remove(controls.VULNERABILITIES)
        text, page = (scanning.__doc__ or "").strip(), f"controls.md#{controls.VULNERABILITIES.lower()}"
        made.append(_rule(controls.VULNERABILITIES, explain.SCANS, text, page, level="error"))
    return [*made, *map(_other_rule, sorted(others))]


def _other_rule(name: str) -> Made:
    if explained.is_ours(name):
        return _rule(name, explained.title(name), explained.documentation(name), "podsecuritypolicy.md", level="error")
    return _rule(name, one_line(name), one_line(name), "controls.md")


def _rule_of(control: Control) -> dict[str, Any]:
    page = f"controls.md#{control.id.lower()}"
    tags = ["pod-security-standards", control.level] if control.standard else []
    level = "error" if control.standard else "warning"
    return _rule(control.id, control.title, explain.documentation(control), page, level=level, tags=tags)


def _rule(
    name: str, title: str, text: str, page: str, *, level: str = "warning", tags: Sequence[str] = ()
) -> dict[str, Any]:
    link = f"{PAGES}/{page}"
    return {
        "id": name,
        "shortDescription": {"text": f"{title}."},
        "fullDescription": {"text": " ".join(text.partition("\n\n")[0].split())},
        "help": {
            "text": f"{text.replace('**', '')}\n\nDocumentation: {link}\n",
            "markdown": f"{text}\n\n[Documentation]({link})\n",
        },
        "helpUri": link,
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["security", "kubernetes", *tags]},
    }


def _results(document: Part, files: Files, rules: dict[str, int], fixes: Mapping[str, Made]) -> Iterator[Made]:
    for resource in document["resources"]:
        artifact = files.artifact(resource)
        for number, finding in enumerate(resource["findings"]):
            fingerprint = _fingerprint(resource, finding, number)
            fix = fixes.get(fingerprint)
            yield {
                "ruleId": finding["control"],
                "ruleIndex": rules[finding["control"]],
                "level": LEVELS[finding["severity"]],
                "message": {"text": one_line(f"{_documents.name(resource)}: {finding['message']}")},
                "locations": [_location(artifact, resource, finding)],
                # GitHub reads the second alone; without it, it would take two findings of one line for one.
                "partialFingerprints": {"krmHardenFinding/v1": fingerprint, "primaryLocationLineHash": fingerprint},
                **({"baselineState": finding["baseline"]} if finding.get("baseline") else {}),
                **({"fixes": [fix | {"artifactChanges": _changes(artifact, fix)}]} if fix else {}),
                **_suppressed(finding),
                "properties": _properties(finding),
            }


def _fingerprint(resource: Part, finding: Part, number: int) -> str:
    """A finding's own, which after a merge is one of its report; a report of release 0.1 has none."""
    own = finding.get("fingerprint", "")
    if own and "source" not in resource:
        return str(own)
    parts = [resource.get("source", ""), own]
    if not own:
        parts += [resource["file"], _documents.name(resource), str(number), finding["control"], finding["path"]]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def _artifact(uri: str) -> dict[str, str]:
    """A file; one in the repository may lie anywhere on a disk, and one that is elsewhere has an address."""
    return {"uri": uri} if "://" in uri else {"uri": uri, "uriBaseId": ROOT}


def _location(artifact: dict[str, str], resource: Part, finding: Part) -> Made:
    region = {"startLine": max(finding["line"], 1), "startColumn": max(finding.get("column", 0), 1)}
    named = one_line(f"{_documents.name(resource)}{'/' if finding['path'] else ''}{finding['path']}")
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": region},
        "logicalLocations": [{"fullyQualifiedName": named, "kind": "object"}],
    }


def _suppressed(finding: Part) -> Made:
    if finding["state"] != "exempt":
        return {}
    status = "underReview" if finding["severity"] == "warning" else "accepted"
    return {"suppressions": [{"kind": "external", "status": status, "justification": one_line(finding["reason"])}]}


def _properties(finding: Part) -> dict[str, str]:
    found = {name: finding[name] for name in ("state", "risk", "exemption")}
    return {name: one_line(value) for name, value in found.items() if value}


def _fixes(inputs: Sequence[Input], repository: Repository) -> dict[str, Made]:
    """What `fix` writes, by the fingerprint of each finding that it mends: the whole regions that carry it out.

    Findings that share a region have the same replacement: whoever takes one takes them all, as its words say.
    """
    mended = [made.mended or made for made in inputs]
    prints = {id(finding): name for *_, finding, name in fingerprints(mended, repository)}
    found: dict[str, Made] = {}
    for made in mended:
        for hunk in hunks(made):
            names = ", ".join(dict.fromkeys(finding.control for _, finding in hunk.findings))
            for _, finding in hunk.findings:
                fix = found.setdefault(prints[id(finding)], {"description": {"text": ""}, "artifactChanges": []})
                said = fix["description"]["text"]
                fix["description"]["text"] = f"{said}, {names}" if said else f"krm-harden fix: {names}"
                fix["artifactChanges"].append(_replacement(hunk))
    return found


def _changes(artifact: dict[str, str], fix: Made) -> list[Made]:
    return [{"artifactLocation": artifact, "replacements": fix["artifactChanges"]}]


def _replacement(hunk: Hunk) -> Made:
    """A hunk without what its old and new lines begin and end with alike."""
    old, new = "".join(hunk.removed), "".join(hunk.added)
    begin = _alike(old, new)
    end = _alike(old[begin:][::-1], new[begin:][::-1])
    # Between a carriage return and its line feed there is no column.
    begin -= old[begin - 1 : begin + 1] == "\r\n" or new[begin - 1 : begin + 1] == "\r\n"
    end -= any(text[len(text) - end - 1 : len(text) - end + 1] == "\r\n" for text in (old, new))
    (line, column), (last, after) = (_place(hunk.first, old[:at]) for at in (begin, len(old) - end))
    region = {"startLine": line, "startColumn": column, "endLine": last, "endColumn": after}
    written = new[begin : len(new) - end]
    return {"deletedRegion": region, **({"insertedContent": {"text": written}} if written else {})}


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((count for count, (left, right) in pairs if left != right), min(len(one), len(other)))


def _place(first: int, text: str) -> tuple[int, int]:
    """The line and column behind a text that begins a line."""
    return first + text.count("\n"), len(text) - text.rfind("\n")


def _encodings(inputs: Sequence[Input], artifact: Callable[[Part], dict[str, str]]) -> Iterator[Made]:
    """The files that aren't in UTF-8: lines, columns and fixes are of their text, without byte order mark."""
    for made in inputs:
        if made.old[:2] in _MARKS:
            yield {"location": artifact({"file": made.name}), "encoding": _MARKS[made.old[:2]]}


_MARKS = {b"\xff\xfe": "UTF-16LE", b"\xfe\xff": "UTF-16BE"}


def _notifications(document: Part, files: Files) -> Iterator[Made]:
    """What isn't about a field: files that can't be read, what was left alone, the run's own warnings."""
    for error in document["errors"]:
        line, column = at(error["message"])
        yield _notification("error", error["message"], files.artifact(error), line, column)
    for note in document["notExamined"]:
        named = "/".join(part for part in (note["kind"], note["name"]) if part)
        message = f"{named}{' ' if named else ''}was left alone: {note['reason']}"
        yield _notification(LEVELS[note.get("severity", "info")], message, files.artifact(note), note["line"])
    for message in document.get("warnings", ()):
        yield _notification("warning", message)


def _notification(
    level: str, message: str, artifact: dict[str, str] | None = None, line: int = 0, column: int = 0
) -> Made:
    made: Made = {"level": level, "message": {"text": one_line(message)}}
    if artifact:
        place: Made = {"artifactLocation": artifact}
        if line:
            place["region"] = {"startLine": line, **({"startColumn": column} if column else {})}
        made["locations"] = [{"physicalLocation": place}]
    return made
