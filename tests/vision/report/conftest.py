"""Made runs, and a browser that opens their reports; tests skip where there is none."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# Tests are imported by their paths; this lets them import what lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from irvision.report.build import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A page in the browser, and what it complained about or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} was found")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a file: `open_page(path, width=1280, scheme="light")`; nothing may go wrong on it."""
    contexts, pages = [], []

    def opened(path: Path, width: int = 1280, scheme: str = "light") -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        context.set_default_timeout(5000)
        found = Opened(context.new_page())
        contexts.append(context)
        pages.append(found)
        complain = found.complaints.append
        found.page.on("console", lambda message: complain(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: complain(f"error: {error}"))
        found.page.on("dialog", lambda dialog: (complain("a dialog opened"), dialog.dismiss()))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(path.resolve().as_uri())
        return found

    yield opened
    for context in contexts:
        context.close()
    for found in pages:
        assert found.complaints == []
        fetched = [url for url in found.requests if not url.startswith("data:")]
        assert len(fetched) == 1 and fetched[0].startswith("file:")


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], tuple[Path, Any]]:
    """The report of a made run and what it was made from; each is made once a session."""
    from made_run import make_run

    found: dict[Any, tuple[Path, Any]] = {}

    def report(made: Any) -> tuple[Path, Any]:
        if made not in found:
            folder = tmp_path_factory.mktemp("reports") / "run"
            subject = make_run(folder, made)
            found[made] = Path(write_report([folder])["file"]), subject
        return found[made]

    return report
