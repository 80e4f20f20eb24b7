"""Values that packages exchange: plain, frozen, and free of Django."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NotRequired, TypedDict
from uuid import UUID


class SourceType(StrEnum):
    PROFILE = "profile"
    HASHTAG = "hashtag"


class Mode(StrEnum):
    """Whose credentials read the source."""

    PUBLIC = "public"  # the operator's own Business-Discovery account
    CONNECTED = "connected"  # a connection of the workspace


class Login(StrEnum):
    """Meta's login families; each has its own app, secret, host and abilities."""

    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"


class ConnectionState(StrEnum):
    """A connection's life, as its owner is told."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    RECONNECT_REQUIRED = "reconnect_required"
    PERMISSION_MISSING = "permission_missing"
    DEAUTHORISED = "deauthorised"


class Warning(StrEnum):
    """What a reader may be told beside the posts. The order is the order in answers."""

    PLAN_RESTRICTED = "PLAN_RESTRICTED"
    HASHTAG_REQUIRES_CONNECT = "HASHTAG_REQUIRES_CONNECT"
    CONNECT_REQUIRED = "CONNECT_REQUIRED"
    WRONG_ACCOUNT = "WRONG_ACCOUNT"
    RECONNECT_REQUIRED = "RECONNECT_REQUIRED"
    PERMISSION_MISSING = "PERMISSION_MISSING"
    TOKEN_EXPIRING = "TOKEN_EXPIRING"  # noqa: S105 - a name, no secret
    SOURCE_NOT_FOUND = "SOURCE_NOT_FOUND"
    PROVIDER_RATE_LIMITED = "PROVIDER_RATE_LIMITED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    FEED_WARMING = "FEED_WARMING"
    VIDEO_UNAVAILABLE = "VIDEO_UNAVAILABLE"
    POSTS_SKIPPED = "POSTS_SKIPPED"
    PARTIAL_DATA = "PARTIAL_DATA"
    MEDIA_LINKS_EXPIRED = "MEDIA_LINKS_EXPIRED"
    HASHTAG_QUOTA_EXHAUSTED = "HASHTAG_QUOTA_EXHAUSTED"
    HASHTAG_RECENT_ONLY = "HASHTAG_RECENT_ONLY"


class BlockReason(StrEnum):
    """Why a refresh that somebody asked for is refused, the first that applies."""

    PLAN_RESTRICTED = "PLAN_RESTRICTED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TTL_NOT_ELAPSED = "TTL_NOT_ELAPSED"


class RefreshEffect(StrEnum):
    """What a refresh that a member asks for would do now."""

    CALL = "call"  # ask Instagram
    CLOSED = "closed"  # nothing: plan or connection allow no call
    REFUSED = "refused"  # be refused by quota or TTL
    PAUSED = "paused"  # be answered without a call: staff paused the widget
    PARKED = "parked"  # be answered without a call: Instagram limits the account that we read with
    BACKOFF = "backoff"  # be answered without a call: the last attempt failed


class FilterKind(StrEnum):
    """What a filter matches: the post's original kind; an album counts by its cover."""

    IMAGE = "image"
    VIDEO = "video"


class Secret:
    """A string that does not show itself: `repr`, `str` and formatting give a mask; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user, or with `user_id` None a command or the service itself, by name.

    `session`: the key of the user's session, which a login at Meta is bound to; only its hash is stored.
    """

    user_id: int | None
    name: str
    session: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A normalised source: `value` is a lower-case username or tag, without `@` or `#`."""

    type: SourceType
    value: str


@dataclass(frozen=True, slots=True)
class FeedKey:
    """Which cached dataset: PRD §7.3 without the mode, which is for Paris to decide."""

    workspace_id: UUID
    instance_id: str
    source: Source

    @property
    def columns(self) -> dict[str, UUID | str]:
        """The key as every table has it."""
        return {
            "workspace_id": self.workspace_id,
            "instance_id": self.instance_id,
            "source_type": self.source.type.value,
            "source_value": self.source.value,
        }


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What may be known of the connection an instance is linked to; never its token.

    `account_id`: the professional account's id, `username` lower-case. `token_version` rises with every new token.
    """

    connection_id: UUID
    workspace_id: UUID
    login: Login
    account_id: str
    username: str
    state: ConnectionState
    token_version: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class FeedState:
    """What deciding about a feed needs. All times aware, UTC, and as far as they count; `jitter` from 0 to 1.

    `blocked_until`: the provider's back-off. `paused_until`: staff's pause. `slowed_until`: holds back automatic
    refreshes only.
    """

    fetched_at: datetime | None
    blocked_until: datetime | None
    jitter: float
    paused_until: datetime | None = None
    slowed_until: datetime | None = None

    @property
    def held_until(self) -> datetime | None:
        """When forced refreshes may call again, too."""
        return max((at for at in (self.blocked_until, self.paused_until) if at is not None), default=None)


class ExternalChild(TypedDict):
    """One picture or video of an album (PRD §7.2)."""

    id: str
    mediaType: str
    mediaUrl: NotRequired[str]
    thumbnailUrl: NotRequired[str]
    altText: NotRequired[str]


class ExternalPost(TypedDict):
    """`InstagramExternalPost` of PRD §7.2 with the additions of contract §3.1. Absent is absent."""

    id: str
    mediaType: str
    permalink: str
    timestamp: str
    caption: NotRequired[str]
    mediaUrl: NotRequired[str]
    thumbnailUrl: NotRequired[str]
    width: NotRequired[int]
    height: NotRequired[int]
    children: NotRequired[list[ExternalChild]]
    altText: NotRequired[str]
    username: NotRequired[str]
    isReel: NotRequired[bool]


class ExternalProfile(TypedDict):
    username: str
    profilePictureUrl: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Post:
    """One normalised post: its wire shape and what deciding about it needs."""

    external: ExternalPost
    filter_kind: FilterKind
    published_at: datetime  # aware, UTC
    links_expire_at: datetime | None  # earliest expiry its media links announce, aware, UTC


@dataclass(frozen=True, slots=True)
class Dataset:
    """What one successful fetch yields: posts newest first, every id once."""

    posts: tuple[Post, ...]
    profile: ExternalProfile | None
    warnings: frozenset[Warning]
    is_partial: bool = False  # a later page failed; what is here is the beginning


@dataclass(frozen=True, slots=True)
class EncodedPost:
    """A post as it leaves: `json` is its wire shape, encoded once when the feed was written."""

    id: str
    filter_kind: FilterKind
    links_expire_at: datetime | None
    json: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which posts of the dataset a reader wants. `filter_kind` None means all."""

    max_posts: int
    filter_kind: FilterKind | None = None
    hidden_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a member may know about forced refreshes of a source. A remaining of None is unlimited.

    `reason`: why one would be refused now, None when it would not. `allowed_at`: the first whole second at which it
    would pass; None when it would now, or when no time helps.
    """

    reason: BlockReason | None
    allowed_at: datetime | None
    remaining_today: int | None
    remaining_this_hour: int | None
    upgrade_hint: str | None


@dataclass(frozen=True, slots=True)
class RefreshNow:
    """What a refresh asked for now would do, and when one would call Instagram.

    `allowed_at`: the first whole second at which it would; None when it would now, or when no time helps. Several
    things may hold it back: `effect` is the one that lasts longest, so that it ends at `allowed_at`. `closed_by`: the
    warning that says why, for CLOSED alone. `upgrade_hint`: the name of the lowest higher plan under which it would
    call now; for CLOSED by the plan, of the lowest that includes what it would call with. `disconnect_helps`: it is
    CLOSED, and without the connection the source would be read in public mode.
    """

    effect: RefreshEffect
    allowed_at: datetime | None = None
    closed_by: Warning | None = None
    upgrade_hint: str | None = None
    disconnect_helps: bool = False


@dataclass(frozen=True, slots=True)
class FeedView:
    """What a reader gets from Paris: the posts selected and the truth about their age.

    `last_updated_at`: None when the feed was never filled. `next_refresh_allowed_at`: when the next automatic
    refresh is allowed, None when one is allowed now or under way; in the answer to a forced refresh, the next forced
    one. `is_warming`: a first fill is under way; `is_first_fill`: this reader waited for it. For members only:
    `forced`, `refresh_now`, `last_tried_at` (when Instagram was last asked, whatever came of it) and `paused_until`
    (when a pause that staff ordered ends, None without one), and `connection` (the instance's, if it has one).
    """

    posts: tuple[EncodedPost, ...]
    profile: ExternalProfile | None
    last_updated_at: datetime | None
    is_stale: bool
    next_refresh_allowed_at: datetime | None
    warnings: frozenset[Warning]
    is_warming: bool = False
    is_first_fill: bool = False
    forced: Allowance | None = None
    last_tried_at: datetime | None = None
    refresh_now: RefreshNow | None = None
    paused_until: datetime | None = None
    connection: ConnectionFacts | None = None


@dataclass(frozen=True, slots=True)
class Glance:
    """How a widget's feed fares, without its posts. Times as in FeedView."""

    last_updated_at: datetime | None
    last_tried_at: datetime | None
    warnings: frozenset[Warning]
    paused_until: datetime | None = None
