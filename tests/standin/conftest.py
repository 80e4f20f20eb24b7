"""One stand-in for all tests of a module, reset before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from instagram_standin.server import StandIn


@pytest.fixture(scope="module")
def running_standin() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def standin(running_standin: StandIn) -> StandIn:
    running_standin.reset()
    return running_standin
