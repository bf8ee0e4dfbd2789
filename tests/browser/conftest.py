"""Pages in a real browser: headless Chromium by Playwright. What the page logs and asks for is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
INSTALL = (
    "needs Playwright and Chromium: pip install 'skipstone[browser]'; Debian: apt-get install chromium; elsewhere: "
    "python -m playwright install chromium"
)


@dataclass
class Opened:
    """A page that was opened, and everything it did that a page of ours must not do."""

    page: Any
    told: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Keep what the page logs, raises, asks for, and opens."""
        page, own = self.page, []

        def asked(request: Any) -> None:
            own.append(request.url)
            if len(own) > 1:
                self.told.append(f"asks for {request.url}")

        page.on("request", asked)
        page.on("console", lambda message: self.told.append(f"logs {message.text}"))
        page.on("pageerror", lambda error: self.told.append(f"raises {error}"))
        page.on("dialog", lambda dialog: (self.told.append("opens a dialog"), dialog.dismiss()))
        page.on("popup", lambda _: self.told.append("opens a window"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests of a worker; tests skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason=INSTALL)
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        if found is None and not Path(own).exists():
            pytest.skip(INSTALL)
        # As root there is no sandbox, and /dev/shm of a container is small.
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if root else [])]
        chromium = playwright.chromium.launch(executable_path=found or own, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Open a file in a window of its own; settings are those of Playwright's contexts."""
    contexts = []

    def opened(path: Path, **settings: Any) -> Opened:
        size = settings.pop("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(viewport=size, offline=True, **settings)
        contexts.append(context)
        context.set_default_timeout(15_000)
        one = Opened(context.new_page())
        one.watch()
        one.page.goto(path.as_uri())
        return one

    yield opened
    for context in contexts:
        context.close()
