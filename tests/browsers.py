"""Debian's Chromium, driven over its own protocol: pages are opened from files, and what they say and ask for is kept."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ORACLES, ROOT, require

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = ORACLES / "npm" / "node_modules" / "axe-core" / "axe.min.js"
"""`npm install axe-core`, in the judges' cache."""
WIDTHS = {375: 800, 820: 1100, 1440: 1000}
SCHEMES = ("light", "dark")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The browser, or a skip that says what is missing."""
    program = require("chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, with what it wrote to the console and asked of anybody."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def silent(self) -> bool:
        """Whether nothing was written to the console, and nothing asked for but the file itself."""
        return not self.said and len(self.asked) <= 1


@contextlib.contextmanager
def opened(browser: Any, path: Path, *, fragment: str = "", wait: bool = True, **context: Any) -> Iterator[Opened]:
    """A page in a context of its own; `wait` for its heat map, which only a script makes."""
    made = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **context})
    page = made.new_page()
    found = Opened(page)
    page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(path.resolve().as_uri() + fragment)
    if wait:
        page.wait_for_function("document.documentElement.dataset.ready === 'yes'")
    yield found
    made.close()


def violations(page: Any) -> list[tuple[str, str, int]]:
    """What axe finds wrong with a page: rule, impact, on how many elements."""
    if not AXE.is_file():
        pytest.skip("axe-core isn't here: CONTRIBUTING.md, Set-up, says where it comes from")
    # The page allows no script but its own: axe comes in through the debugger, not through the page.
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [(one["id"], one["impact"], len(one["nodes"])) for one in found]


def artefacts(default: Path) -> Path:
    """Where pictures are kept: the folder of KRM_HARDEN_ARTIFACTS, else the test's own."""
    folder = Path(os.environ.get("KRM_HARDEN_ARTIFACTS") or default)
    folder = folder if folder.is_absolute() else ROOT / folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder
