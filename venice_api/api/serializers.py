"""Wire shapes, spelled out field by field."""

from __future__ import annotations

import json
from typing import Any

from paris_integration.public import Allowance, FeedView, Source, Warning
from venice_api.api.times import wire_time

_WARNING_ORDER = {warning: position for position, warning in enumerate(Warning)}


def feed_body(view: FeedView, source: Source) -> bytes:
    """`InstagramExternalData` of PRD §7.2 with the additions of contract §3.1, as UTF-8 JSON.

    Posts are already in their wire form and are only joined: a warm read encodes none of them again.
    """
    posts = ",".join(post.json for post in view.posts)
    rest = json.dumps(_envelope(view, source), ensure_ascii=False, separators=(",", ":"))
    return f'{{"posts":[{posts}],{rest[1:]}'.encode()


def _envelope(view: FeedView, source: Source) -> dict[str, Any]:
    envelope: dict[str, Any] = {
        "lastUpdated": wire_time(view.last_updated_at) if view.last_updated_at else None,
        "stale": view.is_stale,
    }
    if view.next_refresh_allowed_at is not None:
        envelope["nextRefreshAllowedAt"] = wire_time(view.next_refresh_allowed_at)
    envelope["sourceEcho"] = {"type": source.type.value, "value": source.value}
    if view.profile is not None:
        envelope["profile"] = view.profile
    envelope["warnings"] = [
        warning.value for warning in sorted(view.warnings, key=_WARNING_ORDER.__getitem__)
    ]
    if view.forced is not None:
        envelope["refresh"] = _refresh_block(view.forced)
    return envelope


def _refresh_block(forced: Allowance) -> dict[str, Any]:
    """What members see of forced refreshes; a remaining of null is unlimited."""
    block: dict[str, Any] = {
        "remainingToday": forced.remaining_today,
        "remainingThisHour": forced.remaining_this_hour,
    }
    if forced.allowed_at is not None:
        block["forcedAllowedAt"] = wire_time(forced.allowed_at)
    if forced.reason is not None:
        block["reasonCode"] = forced.reason.value
    if forced.upgrade_hint is not None:
        block["upgradeHint"] = forced.upgrade_hint
    return block
