"""Starts Debian's Chromium for tests, preferably its quicker headless build. Tests are skipped without either."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserType, sync_playwright

from tests.conftest import needs

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    needs("Chromium", _path() is not None)
    with sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        yield browser
        browser.close()


def launched(kind: BrowserType, *more_arguments: str) -> Browser:
    return kind.launch(executable_path=_path(), args=[*ARGUMENTS, *more_arguments])


def _path() -> str | None:
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")
