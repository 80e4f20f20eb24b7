"""Times as they leave: UTC, whole seconds, `Z`."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def http_seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds for Retry-After, at least one."""
    return max(1, math.ceil((moment - now).total_seconds()))
