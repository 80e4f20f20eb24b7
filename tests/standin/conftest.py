"""One stand-in for all tests of a module, reset before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.standin.callers import Meta


@pytest.fixture(scope="module")
def running() -> Iterator[Meta]:
    with Meta() as standin:
        yield standin


@pytest.fixture
def meta(running: Meta) -> Meta:
    running.reset()
    return running
