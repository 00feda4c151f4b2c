"""Whether a report is what its format says, whatever the manifests hold."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from markdown_it import MarkdownIt

from krm_harden.reports import _schema

if TYPE_CHECKING:
    from collections.abc import Callable

OUR_HTML = {"details", "summary", "br", "sub", "b", "code", "pre"}
VOID = {"meta", "link", "br", "hr", "input", "img", "col", "path", "rect", "circle", "line", "use"}


def judge(name: str, text: str) -> None:
    """Raises AssertionError for a report that isn't valid, or in which a manifest's text is more than text."""
    text.encode()
    JUDGES[name](text)


def _lines(text: str) -> None:
    for line in text.splitlines():
        assert line.isprintable(), line


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refused, object_pairs_hook=_unique)


def _refused(word: str) -> Any:
    raise AssertionError(word)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def _report(text: str) -> None:
    assert list(_schema.problems(_json(text), _schema.report_schema())) == []


def _xml(text: str) -> None:
    for element in ET.fromstring(text).iter():  # noqa: S314 - it is ours
        assert element.tag in {"testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out", "system-err", "properties", "property"}, element.tag  # fmt: skip


def _commands(text: str) -> None:
    """Only our own words are commands to GitHub's runner."""
    for line in text.split("\n"):
        assert re.match(r"::(error|warning|notice) ", line) or not re.match(r"\s*(::|##\[)", line), line
        assert "\r" not in line


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attributes), attributes
        assert not any(name in {"href", "src"} and (value or "").lower().startswith("javascript") for name, value in attributes)  # fmt: skip
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        else:
            raise AssertionError(f"</{tag}> closes nothing")


def _html(text: str) -> None:
    page = _Html()
    page.feed(text)
    page.close()
    assert page.scripts <= 3, page.scripts
    assert "<script>alert" not in text


def _markdown(text: str) -> None:
    """No HTML but our own, no line that a terminal obeys."""
    for line in text.split("\n"):
        assert line.replace("\u200b", "").isprintable(), line
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        for one in (token, *(token.children or ())):
            if one.type.startswith("html_"):
                assert set(re.findall(r"<\s*/?\s*(\w+)", one.content)) <= OUR_HTML, one.content
            assert not str(one.attrs.get("href", "")).lower().startswith("javascript"), one.attrs


JUDGES: dict[str, Callable[[str], Any]] = {
    "text": _lines,
    "json": _report,
    "sarif": _json,
    "codequality": _json,
    "junit": _xml,
    "github": _commands,
    "html": _html,
    "markdown": _markdown,
}
