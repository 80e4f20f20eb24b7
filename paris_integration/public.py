"""The public API of Paris. Other apps import nothing else from it."""

from paris_integration.connections.callbacks import (
    InvalidSignedRequest,
    deauthorise,
    delete_data,
    find_deletion,
)
from paris_integration.connections.key_rotation import RotationReport, also_rotate, rotate_encryption_keys
from paris_integration.connections.links import instances_connected_as
from paris_integration.connections.logins import (
    Attempt,
    begin_login,
    choose_account,
    complete_login,
    disconnect,
    find_choice,
    offers,
    take_state,
)
from paris_integration.connections.vault import CannotOpen, is_text_on_first_key, open_text, seal_text
from paris_integration.connections.withdrawal import account_erased
from paris_integration.errors import (
    LoginFailed,
    ParisError,
    PreviewBudgetSpent,
    RefreshBlocked,
    StorageUnavailable,
    StoreUnavailable,
    TooBusy,
)
from paris_integration.feeds.glances import glance_at
from paris_integration.feeds.reading import preview_source, read_feed
from paris_integration.feeds.refreshing import retire_other_sources
from paris_integration.feeds.selecting import select, why_left_out
from paris_integration.feeds.sources import (
    InvalidSource,
    parse_source,
    parse_source_type,
    read_source,
)
from paris_integration.media.status import picture_status
from paris_integration.media.storage import PictureFile, find_picture
from paris_integration.observing.audit import SERVICE, Action, note_act
from paris_integration.observing.metrics import count_feed_request
from paris_integration.observing.metrics_page import announce_worker_metrics, metrics_text
from paris_integration.quota.forcing import force_refresh
from paris_integration.retention.erasure import erase_instance, move_instance
from paris_integration.support.acts import (
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
from paris_integration.tasks import refresh_due_now
from paris_integration.types import (
    Actor,
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
    LeftOut,
    Login,
    PictureStatus,
    RefreshEffect,
    RefreshNow,
    Selection,
    Source,
    SourceType,
    Warning,
    WordRules,
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
    "CannotOpen",
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
    "LeftOut",
    "Login",
    "LoginFailed",
    "ParisError",
    "PictureFile",
    "PictureStatus",
    "PreviewBudgetSpent",
    "RefreshBlocked",
    "RefreshEffect",
    "RefreshNow",
    "RotationReport",
    "Selection",
    "Source",
    "SourceType",
    "StorageUnavailable",
    "StoreUnavailable",
    "TooBusy",
    "Warning",
    "WordRules",
    "account_erased",
    "also_rotate",
    "announce_worker_metrics",
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
    "find_deletion",
    "find_picture",
    "force_refresh",
    "glance_at",
    "grant_units",
    "instances_connected_as",
    "is_text_on_first_key",
    "look_at_feed",
    "metrics_text",
    "move_instance",
    "note_act",
    "note_refresh_on_behalf",
    "offers",
    "open_text",
    "open_window",
    "parse_source",
    "parse_source_type",
    "pause",
    "picture_status",
    "preview_source",
    "purge",
    "read_feed",
    "read_feed_as_member",
    "read_source",
    "refresh_due_now",
    "retire_other_sources",
    "rotate_encryption_keys",
    "seal_text",
    "select",
    "take_state",
    "why_left_out",
]

from paris_integration.quota.members import look_at_feed, read_feed_as_member
