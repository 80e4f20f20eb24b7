"""The public face of Paris: all that other rooms may import."""

from paris_integration.audit import SERVICE, Action, Actor, note_act
from paris_integration.erasure import erase_instance, move_instance
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
from paris_integration.glances import glance_at
from paris_integration.key_rotation import rotate as rotate_encryption_keys
from paris_integration.links import instances_connected_as
from paris_integration.links import load as find_connection
from paris_integration.maintenance import refresh_due_now, retire_other_sources
from paris_integration.meta_callbacks import (
    InvalidSignedRequest,
    deauthorise,
    delete_data,
    find_deletion,
)
from paris_integration.metrics import count_feed_request
from paris_integration.metrics_text import metrics_text
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
from paris_integration.signals import account_erased
from paris_integration.sources import (
    InvalidSource,
    parse_source,
    parse_source_type,
    source_from_profile_url,
)
from paris_integration.support import (
    MAX_PAUSE,
    MAX_UNITS,
    ask_to_reconnect,
    clear_backoff,
    grant_units,
    note_refresh_on_behalf,
    open_window,
    pause,
    purge,
)
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
    Glance,
    Login,
    RefreshEffect,
    RefreshNow,
    Selection,
    Source,
    SourceType,
    Warning,
)

__all__ = [
    "MAX_PAUSE",
    "MAX_UNITS",
    "SERVICE",
    "Action",
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
    "Glance",
    "InvalidSignedRequest",
    "InvalidSource",
    "Login",
    "LoginFailed",
    "ParisError",
    "PreviewBudgetSpent",
    "RefreshBlocked",
    "RefreshEffect",
    "RefreshNow",
    "Selection",
    "Source",
    "SourceType",
    "StoreUnavailable",
    "TooBusy",
    "Warning",
    "account_erased",
    "ask_to_reconnect",
    "begin_login",
    "choose_account",
    "clear_backoff",
    "complete_login",
    "count_feed_request",
    "deauthorise",
    "delete_data",
    "disconnect",
    "erase_instance",
    "find_choice",
    "find_connection",
    "find_deletion",
    "force_refresh",
    "glance_at",
    "grant_units",
    "instances_connected_as",
    "look_at",
    "metrics_text",
    "move_instance",
    "note_act",
    "note_refresh_on_behalf",
    "offers",
    "open_window",
    "parse_source",
    "parse_source_type",
    "pause",
    "purge",
    "read_feed",
    "refresh_due_now",
    "retire_other_sources",
    "rotate_encryption_keys",
    "source_from_profile_url",
    "take_state",
]
