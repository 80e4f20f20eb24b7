"""The models of Paris, with one module for each package that owns some."""

from paris_integration.models.connections import (
    Connection,
    ConnectionLink,
    ConnectLink,
    DeletionRequest,
    GraphVersion,
    HashtagAccount,
    HashtagNumber,
    HashtagRefusal,
    HashtagSearch,
    Incident,
    LoginAttempt,
    PersonFence,
    UnfinishedErasure,
)
from paris_integration.models.feeds import Feed, LimitsChange, Pause, PreviewWindow, ProviderWindow
from paris_integration.models.media import Picture, PictureStore, PictureUse, UnusedMark
from paris_integration.models.observing import AuditEvent, DailyUsage
from paris_integration.models.quota import ForcedRefresh, QuotaWindow, RefreshReceipt
from paris_integration.models.retention import ErasedInstance

__all__ = [
    "AuditEvent",
    "ConnectLink",
    "Connection",
    "ConnectionLink",
    "DailyUsage",
    "DeletionRequest",
    "ErasedInstance",
    "Feed",
    "ForcedRefresh",
    "GraphVersion",
    "HashtagAccount",
    "HashtagNumber",
    "HashtagRefusal",
    "HashtagSearch",
    "Incident",
    "LimitsChange",
    "LoginAttempt",
    "Pause",
    "PersonFence",
    "Picture",
    "PictureStore",
    "PictureUse",
    "PreviewWindow",
    "ProviderWindow",
    "QuotaWindow",
    "RefreshReceipt",
    "UnfinishedErasure",
    "UnusedMark",
]
