"""The public face of Paris: all that other rooms may import."""

from paris_integration.audit import Actor
from paris_integration.errors import ParisError, PreviewBudgetSpent, RefreshBlocked, StoreUnavailable, TooBusy
from paris_integration.feeds import current_view as look_at
from paris_integration.feeds import read_feed
from paris_integration.forced import force_refresh
from paris_integration.maintenance import refresh_due_now, retire_other_sources
from paris_integration.sources import (
    InvalidSource,
    parse_source,
    parse_source_type,
    source_from_profile_url,
)
from paris_integration.support import clear_backoff, grant_units
from paris_integration.types import (
    Allowance,
    BlockReason,
    EncodedPost,
    ExternalChild,
    ExternalPost,
    ExternalProfile,
    FeedKey,
    FeedView,
    FilterKind,
    Selection,
    Source,
    SourceType,
    Warning,
)

__all__ = [
    "Actor",
    "Allowance",
    "BlockReason",
    "EncodedPost",
    "ExternalChild",
    "ExternalPost",
    "ExternalProfile",
    "FeedKey",
    "FeedView",
    "FilterKind",
    "InvalidSource",
    "ParisError",
    "PreviewBudgetSpent",
    "RefreshBlocked",
    "Selection",
    "Source",
    "SourceType",
    "StoreUnavailable",
    "TooBusy",
    "Warning",
    "clear_backoff",
    "force_refresh",
    "grant_units",
    "look_at",
    "parse_source",
    "parse_source_type",
    "read_feed",
    "refresh_due_now",
    "retire_other_sources",
    "source_from_profile_url",
]
