"""Takes the lease and charges the unit in one statement, in the usual case. PostgreSQL only.

The caller has decided by what it read. The statement writes only if that still holds: no other flight has begun, each
window has a unit left, and hour and plan are still those of the decision. In all other cases it writes nothing, and the
caller decides again under locks (`ledger.reserve`). The SQL is the function of migration 0018.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from entitlements.keys import KEYS
from entitlements.limits import Limits
from paris_integration import clock
from paris_integration.feeds.lease import Lease
from paris_integration.feeds.routing import is_source_in_plan
from paris_integration.models import Feed, ForcedRefresh
from paris_integration.quota import ledger
from paris_integration.quota.allowance import WindowKind
from paris_integration.types import Actor

# What `allowance.decide` reads of a plan before it charges a unit.
_DECISIVE = ("profile_enabled", "hashtag_enabled", "force_per_day_max", "force_per_hour_max")
_DECISIVE_KEYS = [(key.name, key.field) for key in KEYS if key.field in _DECISIVE]
_CHARGE = (
    "SELECT line_id, charged_at FROM"
    " paris_integration_charge_unit(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def take_and_charge(
    row: Feed,
    limits: Limits,
    *,
    seen_at: datetime,
    lasts: timedelta,
    actor: Actor,
    idempotency_key: str | None,
) -> tuple[Lease, ForcedRefresh] | None:
    """The lease, and the ledger line of a charged unit. None: nothing was written.

    `limits`: those at `seen_at`, when the caller looked, by the database's clock. Raises IntegrityError if the
    workspace is deleted meanwhile.
    """
    key = row.key
    # In a plan without units, those that staff granted decide whether the refresh costs one at all.
    sells = is_source_in_plan(key.source, limits) and limits.force_per_day_max != 0
    if not sells or connection.vendor != "postgresql":
        return None
    values: list[Any] = [
        row.pk,
        row.fence,
        lasts,
        clock.LEASE_CEILING,
        WindowKind.HOUR.start_of(seen_at),
        limits.force_per_day_max,
        limits.force_per_hour_max or None,
        json.dumps({name: getattr(limits, field) for name, field in _DECISIVE_KEYS}),
        actor.user_id,
        actor.name[:150],
        None if actor.user_id is None else idempotency_key,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_CHARGE, values)
        line_id, charged_at = cursor.fetchone()
    if line_id is None:
        return None
    held = Lease(row.pk, row.fence + 1)
    line = ledger.line_of(key, held, actor=actor, at=charged_at)
    line.pk = line_id
    line._state.adding = False
    return held, line
