"""Plain value types, without Django."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    """Meta's two logins. Each has its own app, secret, host and features."""

    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"


class Trouble(StrEnum):
    """What calls with a connection fail with, if Meta or our app may be the cause."""

    REFUSED = "refused"  # Meta refuses the token or its permission to read its own account
    THROTTLED = "throttled"  # a rate limit of the whole app
    UNREACHABLE = "unreachable"  # no answer, or only an error of Meta's servers
    REJECTED = "rejected"  # Meta rejects our calls: app secret, capability, API version, changed format


class VersionState(StrEnum):
    """How Meta answers calls to a version of the Graph API."""

    ALIVE = "alive"
    UPGRADED = "upgraded"  # it answers with another version
    ABSENT = "absent"  # it knows no such version: not published yet, or gone


class ConnectionState(StrEnum):
    """The state of a connection, as shown to its owner."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    RECONNECT_REQUIRED = "reconnect_required"
    PERMISSION_MISSING = "permission_missing"
    DEAUTHORISED = "deauthorised"


class Warning(StrEnum):
    """Warnings in the answer to a feed request. Answers list them in this order."""

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


def known_warnings(names: Collection[str]) -> frozenset[Warning]:
    """The stored warnings that this release knows. After a rollback, a row may have others."""
    return frozenset(warning for warning in Warning if warning.value in names)


def warning_of_fault(fault: str) -> Warning:
    """The warning of a stored fault. A fault that this release doesn't know is a plain error."""
    return next((warning for warning in Warning if warning.value == fault), Warning.PROVIDER_ERROR)


class BlockReason(StrEnum):
    """Why a requested refresh is refused: the first that applies."""

    PLAN_RESTRICTED = "PLAN_RESTRICTED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TTL_NOT_ELAPSED = "TTL_NOT_ELAPSED"


class RefreshEffect(StrEnum):
    """What a refresh requested by a member would do now."""

    CALL = "call"  # call Instagram
    CLOSED = "closed"  # nothing: the plan or connection doesn't allow a call
    REFUSED = "refused"  # be refused by quota or TTL
    PAUSED = "paused"  # be answered without a call: staff paused the widget
    PARKED = "parked"  # be answered without a call: Instagram's rate limit for the credential is reached
    BACKOFF = "backoff"  # be answered without a call: the last attempt failed


class FilterKind(StrEnum):
    """What a filter matches: the kind of the post. An album counts as its first item."""

    IMAGE = "image"
    VIDEO = "video"


class Secret:
    """A string that `repr`, `str` and formatting mask. `reveal()` returns the text."""

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
    """Who performs an action: a user, or (`user_id` None) a command or the service, by name.

    `session`: the key of the user's session, to which a login at Meta is bound. Only its hash is stored.
    """

    user_id: int | None
    name: str
    session: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A normalised source. `value`: a lower-case username or hashtag, without `@` or `#`."""

    type: SourceType
    value: str


@dataclass(frozen=True, slots=True)
class FeedKey:
    """Identifies a feed, except for its mode, which Paris decides."""

    workspace_id: UUID
    instance_id: str
    source: Source

    @property
    def columns(self) -> dict[str, UUID | str]:
        """The key as columns of a table."""
        return {
            "workspace_id": self.workspace_id,
            "instance_id": self.instance_id,
            "source_type": self.source.type.value,
            "source_value": self.source.value,
        }


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """A connection without its token.

    `account_id`: the professional account's id. `username`: lower-case. `token_version` rises with every new token.
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
    """The times that decide about a feed. Aware, UTC, limited to their ceilings. `jitter`: from 0 to 1.

    `blocked_until`: the provider's back-off. `paused_until`: a pause by staff. `slowed_until`: delays only automatic
    refreshes.
    """

    fetched_at: datetime | None
    blocked_until: datetime | None
    jitter: float
    paused_until: datetime | None = None
    slowed_until: datetime | None = None

    @property
    def held_until(self) -> datetime | None:
        """Until when no refresh may call, not even a forced one."""
        return max((at for at in (self.blocked_until, self.paused_until) if at is not None), default=None)


class PictureSize(TypedDict):
    """A copied picture in one size: a JPEG and an AVIF of the same picture. Pixels."""

    url: str
    avifUrl: str
    width: int
    height: int


class PictureSizes(TypedDict):
    """A copied picture in its sizes: 320, 640 and 1080 pixels wide, but never wider than the original."""

    small: PictureSize
    medium: PictureSize
    large: PictureSize


class ExternalChild(TypedDict):
    """One picture or video of an album, in wire format."""

    id: str
    mediaType: str
    mediaUrl: NotRequired[str]
    thumbnailUrl: NotRequired[str]
    width: NotRequired[int]
    height: NotRequired[int]
    placeholder: NotRequired[str]
    sizes: NotRequired[PictureSizes]
    altText: NotRequired[str]


class ExternalPost(TypedDict):
    """A post in wire format. Missing values are left out, never null."""

    id: str
    mediaType: str
    permalink: str
    timestamp: str
    caption: NotRequired[str]
    mediaUrl: NotRequired[str]
    thumbnailUrl: NotRequired[str]
    width: NotRequired[int]
    height: NotRequired[int]
    placeholder: NotRequired[str]  # the dominant colour, such as "#a0b1c2"
    sizes: NotRequired[PictureSizes]
    children: NotRequired[list[ExternalChild]]
    altText: NotRequired[str]
    username: NotRequired[str]
    isReel: NotRequired[bool]


class ExternalProfile(TypedDict):
    username: str
    profilePictureUrl: NotRequired[str]
    sizes: NotRequired[PictureSizes]


@dataclass(frozen=True, slots=True)
class Post:
    """A normalised post: its wire format, and values for filtering and sorting."""

    external: ExternalPost
    filter_kind: FilterKind
    published_at: datetime  # aware, UTC
    links_expire_at: datetime | None  # the earliest expiry of its media links, aware, UTC


@dataclass(frozen=True, slots=True)
class Dataset:
    """The result of a successful fetch: posts newest first, each id once."""

    posts: tuple[Post, ...]
    profile: ExternalProfile | None
    warnings: frozenset[Warning]
    is_partial: bool = False  # a later page failed: only the first posts are here


@dataclass(frozen=True, slots=True)
class EncodedPost:
    """A post ready to send. `json`: its wire format, encoded when the feed was written."""

    id: str
    filter_kind: FilterKind
    links_expire_at: datetime | None
    json: str


class LeftOut(StrEnum):
    """Why a widget doesn't show a post of its feed."""

    UNAPPROVED = "unapproved"
    WORDS = "words"
    HIDDEN = "hidden"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class WordRules:
    """Words and tags (`#sale`) of captions. Posts need one of `required`, if there are any, and none of `excluded`."""

    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which posts a reader gets. `filter_kind` None: all. `approved_ids` None: posts need no approval.

    `pinned_ids`: shown first, in this order. `alt_texts`: by post ID, in place of those that came with the posts.
    """

    max_posts: int
    filter_kind: FilterKind | None = None
    hidden_ids: frozenset[str] = frozenset()
    approved_ids: frozenset[str] | None = None
    words: WordRules = WordRules()
    pinned_ids: tuple[str, ...] = ()
    alt_texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A member's allowance of forced refreshes for a source. Remaining None: unlimited.

    `reason`: why a refresh would be refused now, or None. `allowed_at`: the first whole second at which one is allowed;
    None if it is allowed now, or if waiting doesn't help.
    """

    reason: BlockReason | None
    allowed_at: datetime | None
    remaining_today: int | None
    remaining_this_hour: int | None
    upgrade_hint: str | None


@dataclass(frozen=True, slots=True)
class RefreshNow:
    """What a refresh requested now would do, and when one would call Instagram.

    `effect`: of several reasons not to call, the one that lasts longest. `allowed_at`: the first whole second at which
    a refresh would call; None if it would now, or if waiting doesn't help. `closed_by`: the warning behind CLOSED.
    `upgrade_hint`: the lowest higher plan under which it would call now (for CLOSED: that includes the source and
    connection). `disconnect_helps`: without the connection, the source would be read in public mode.
    """

    effect: RefreshEffect
    allowed_at: datetime | None = None
    closed_by: Warning | None = None
    upgrade_hint: str | None = None
    disconnect_helps: bool = False


@dataclass(frozen=True, slots=True)
class FeedView:
    """The answer to a feed request: the selected posts and their age.

    `last_updated_at`: None if the feed was never fetched. `next_refresh_allowed_at`: when the next automatic refresh is
    allowed, None if it is allowed now or running; after a forced refresh, when the next forced one is allowed.
    `is_warming`: the first fetch is running. `is_first_fill`: this request waited for it. For members only: `forced`,
    `refresh_now`, `last_tried_at` (the last call, successful or not), `paused_until` (a pause by staff) and
    `connection` (the instance's, or None). `same_until`: until then the same cached values give the same view; None:
    not known. `asked_for`: the feed that the worker was asked to refresh because it is due, or None.
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
    same_until: datetime | None = None
    asked_for: UUID | None = None


class CauseCode(StrEnum):
    """Why a widget's posts aren't fresh, in the order in which an explanation lists causes, worst first.

    Of the waits (PAUSED to PROVIDER_ERROR), the one that lasts longest comes first.
    """

    # Nothing loads until somebody acts.
    PLAN_SOURCE = "PLAN_SOURCE"  # the plan doesn't include this type of source
    PLAN_CONNECTION = "PLAN_CONNECTION"  # the plan doesn't include connected accounts, and one is connected
    NO_SOURCE = "NO_SOURCE"  # the account's data was deleted at Meta's request, and no other source is chosen
    NOT_CONNECTED = "NOT_CONNECTED"  # no account is connected, and public mode is off
    FACEBOOK_LOGIN_NEEDED = "FACEBOOK_LOGIN_NEEDED"  # a hashtag without an account connected through Facebook
    WRONG_ACCOUNT = "WRONG_ACCOUNT"  # the connected account can't read this profile
    CONNECTION_REFUSED = "CONNECTION_REFUSED"  # Meta no longer accepts the token
    ACCESS_WITHDRAWN = "ACCESS_WITHDRAWN"  # the owner withdrew the access at Instagram or Facebook
    PERMISSION_MISSING = "PERMISSION_MISSING"  # the connection lacks a permission
    TOKEN_UNREADABLE = "TOKEN_UNREADABLE"  # noqa: S105 - we can't decrypt the stored token
    OPERATOR_TOKEN = "OPERATOR_TOKEN"  # noqa: S105 - Meta refuses the token of public mode
    CALL_REFUSED = "CALL_REFUSED"  # Meta refuses this call, but not the connection
    SOURCE_NOT_FOUND = "SOURCE_NOT_FOUND"
    # Nothing loads before a time.
    PAUSED = "PAUSED"  # by staff
    INCIDENT = "INCIDENT"  # calls with many connections fail: Meta or our app is the cause
    RATE_LIMITED = "RATE_LIMITED"
    HASHTAG_QUOTA = "HASHTAG_QUOTA"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    # Nothing forbids a refresh.
    WARMING = "WARMING"  # the first fetch is running
    NEVER_LOADED = "NEVER_LOADED"  # nobody has viewed the widget yet
    WORKER_SILENT = "WORKER_SILENT"  # a refresh is due, and no worker has made it
    NOBODY_READING = "NOBODY_READING"  # unread for ACTIVE_FEED_DAYS: beat doesn't refresh it
    REFRESHING = "REFRESHING"
    DUE = "DUE"
    SLOWED = "SLOWED"  # near a rate limit, automatic refreshes wait longer
    WAITING_FOR_TTL = "WAITING_FOR_TTL"
    # Beside the age of the posts.
    CONNECTION_ENDING = "CONNECTION_ENDING"  # within 7 days
    ACCOUNT_UNUSED = "ACCOUNT_UNUSED"  # the connected account isn't the profile, which is read in public mode
    LINKS_EXPIRED = "LINKS_EXPIRED"
    PARTIAL_DATA = "PARTIAL_DATA"
    PICTURES_FULL = "PICTURES_FULL"
    PICTURES_WAITING = "PICTURES_WAITING"
    FRESH = "FRESH"


class FeedCondition(StrEnum):
    """The state of a widget's posts in a word."""

    FRESH = "fresh"  # younger than the TTL of the plan
    STALE = "stale"  # a refresh is under way, due, or due at a known time
    IDLE = "idle"  # nobody views the widget, so nothing is loaded
    WAITING = "waiting"  # no call is made before a time
    BLOCKED = "blocked"  # until the customer acts
    BROKEN = "broken"  # until the operator acts


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason in an explanation. Times are aware, and `until` is None if waiting doesn't help.

    `since`: when it began; the time of the request if that isn't stored.
    """

    code: CauseCode
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PictureStatus:
    """How many of a widget's pictures have copies. `reason`: why most of the others have none, or empty."""

    copied: int
    wanted: int
    reason: str


@dataclass(frozen=True, slots=True)
class Glance:
    """The status of a widget's feed, without posts. Times as in FeedView."""

    last_updated_at: datetime | None
    last_tried_at: datetime | None
    warnings: frozenset[Warning]
    paused_until: datetime | None = None
