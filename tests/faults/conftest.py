"""Collected by `make faults` alone: these tests stop and fill up servers, and take minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults.stores import FOLDER, Stores

collect_ignore_glob = [] if FOLDER in os.environ else ["test_*.py"]


@pytest.fixture
def stores() -> Iterator[Stores]:
    ours = Stores.of_this_run()
    ours.make_whole()
    yield ours
    ours.make_whole()
