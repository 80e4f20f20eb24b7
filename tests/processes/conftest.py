"""What tests of real processes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not kept longer: while its loop runs, Django refuses to touch a database in this thread."""
    with chromium() as running:
        yield running
