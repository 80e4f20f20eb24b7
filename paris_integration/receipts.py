"""First answers to refresh requests with an Idempotency-Key, kept a day for whoever repeats the request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paris_integration.models import ForcedRefresh, RefreshReceipt
from paris_integration.types import Allowance, BlockReason, EncodedPost, FeedView, FilterKind, Warning


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes a request the same one again."""

    user_id: int
    instance_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """`view` None: the first request has charged a unit and not answered yet; `is_settled`: nor will it any more."""

    view: FeedView | None
    is_settled: bool


def find(of: Repeatable) -> Receipt | None:
    row = _rows(of).select_related("forced_refresh").first()
    if row is None:
        return None
    line = row.forced_refresh
    settled = line is None or line.state != ForcedRefresh.State.RESERVED
    return Receipt(_decode(row.answer) if row.answer else None, settled)


def keep(of: Repeatable, view: FeedView, *, now: datetime) -> None:
    """Keep the answer unless one is kept already."""
    RefreshReceipt.objects.bulk_create(
        [RefreshReceipt(user_id=of.user_id, instance_id=of.instance_id, key=of.key, created_at=now)],
        ignore_conflicts=True,
    )
    _rows(of).filter(answer="").update(answer=_encode(view))


def _rows(of: Repeatable) -> Any:
    return RefreshReceipt.objects.filter(user_id=of.user_id, instance_id=of.instance_id, key=of.key)


def _encode(view: FeedView) -> str:
    forced = view.forced
    return json.dumps(
        {
            "posts": [[p.id, p.filter_kind, _iso(p.links_expire_at), p.json] for p in view.posts],
            "profile": view.profile,
            "last_updated_at": _iso(view.last_updated_at),
            "is_stale": view.is_stale,
            "next_refresh_allowed_at": _iso(view.next_refresh_allowed_at),
            "warnings": sorted(view.warnings),
            "is_warming": view.is_warming,
            "forced": forced
            and [
                forced.reason,
                _iso(forced.allowed_at),
                forced.remaining_today,
                forced.remaining_this_hour,
                forced.upgrade_hint,
            ],
        }
    )


def _decode(text: str) -> FeedView:
    kept = json.loads(text)
    forced = kept["forced"]
    return FeedView(
        posts=tuple(
            EncodedPost(post_id, FilterKind(kind), _moment(expires), encoded)
            for post_id, kind, expires, encoded in kept["posts"]
        ),
        profile=kept["profile"],
        last_updated_at=_moment(kept["last_updated_at"]),
        is_stale=kept["is_stale"],
        next_refresh_allowed_at=_moment(kept["next_refresh_allowed_at"]),
        warnings=frozenset(Warning(name) for name in kept["warnings"]),
        is_warming=kept["is_warming"],
        forced=forced
        and Allowance(
            BlockReason(forced[0]) if forced[0] else None, _moment(forced[1]), forced[2], forced[3], forced[4]
        ),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
