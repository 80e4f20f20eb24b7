"""Marks shared by tests. tests/legs.py explains them."""

from __future__ import annotations

import pytest

needs_postgres = pytest.mark.needs_postgres
needs_redis = pytest.mark.needs_redis
