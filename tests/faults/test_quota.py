"""Forced refreshes under faults: no unit is over-spent, and none is lost."""

from __future__ import annotations
