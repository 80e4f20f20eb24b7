"""The public face of Paris: all that other rooms may import."""

from paris_integration.audit import Actor
from paris_integration.errors import (
    LoginFailed,
    ParisError,
    PreviewBudgetSpent,
    RefreshBlocked,
    StoreUnavailable,
    TooBusy,
)
from paris_integration.feeds import current_view as look_at
from paris_integration.feeds import read_feed
from paris_integration.forced import force_refresh
from paris_integration.key_rotation import rotate as rotate_encryption_keys
from paris_integration.links import load as find_connection
from paris_integration.maintenance import refresh_due_now, retire_other_sources
from paris_integration.meta_callbacks import (
    InvalidSignedRequest,
    deauthorise,
    delete_data,
    find_deletion,
)
from paris_integration.oauth_pipeline import (
    Attempt,
    Caller,
    begin_login,
    choose_account,
    complete_login,
    disconnect,
    find_choice,
    offers,
    take_state,
)
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
    ConnectionFacts,
    ConnectionState,
    EncodedPost,
    ExternalChild,
    ExternalPost,
    ExternalProfile,
    FeedKey,
    FeedView,
    FilterKind,
    Login,
    Selection,
    Source,
    SourceType,
    Warning,
)

__all__ = [
    "Actor",
    "Allowance",
    "Attempt",
    "BlockReason",
    "Caller",
    "ConnectionFacts",
    "ConnectionState",
    "EncodedPost",
    "ExternalChild",
    "ExternalPost",
    "ExternalProfile",
    "FeedKey",
    "FeedView",
    "FilterKind",
    "InvalidSignedRequest",
    "InvalidSource",
    "Login",
    "LoginFailed",
    "ParisError",
    "PreviewBudgetSpent",
    "RefreshBlocked",
    "Selection",
    "Source",
    "SourceType",
    "StoreUnavailable",
    "TooBusy",
    "Warning",
    "begin_login",
    "choose_account",
    "clear_backoff",
    "complete_login",
    "deauthorise",
    "delete_data",
    "disconnect",
    "find_choice",
    "find_connection",
    "find_deletion",
    "force_refresh",
    "grant_units",
    "look_at",
    "offers",
    "parse_source",
    "parse_source_type",
    "read_feed",
    "refresh_due_now",
    "retire_other_sources",
    "rotate_encryption_keys",
    "source_from_profile_url",
    "take_state",
]
