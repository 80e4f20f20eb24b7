"""Marks shared by tests."""

from __future__ import annotations

import os

import pytest

# The suite runs twice, and this leg is SQLite's. Whether the other may be left out is for `tests.__main__` to say.
needs_postgres = pytest.mark.skipif(
    not os.environ.get("DATABASE_URL", "").startswith("postgres"),
    reason="several writers and SKIP LOCKED are PostgreSQL's; run in the PostgreSQL leg",
)
needs_redis = pytest.mark.skipif(
    not os.environ.get("REDIS_URL"),
    reason="what processes share by Redis; run in the PostgreSQL leg",
)
