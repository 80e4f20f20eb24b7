"""The public face of Paris: all that other rooms may import."""

from paris_integration.errors import ParisError, PreviewBudgetSpent, StoreUnavailable
from paris_integration.feeds import read_feed
from paris_integration.maintenance import refresh_due_now, retire_other_sources
from paris_integration.sources import (
    InvalidSource,
    parse_source,
    parse_source_type,
    source_from_profile_url,
)
from paris_integration.types import (
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
    "Selection",
    "Source",
    "SourceType",
    "StoreUnavailable",
    "Warning",
    "parse_source",
    "parse_source_type",
    "read_feed",
    "refresh_due_now",
    "retire_other_sources",
    "source_from_profile_url",
]
