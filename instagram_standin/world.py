"""Everything that the stand-in remembers, in one place, so that it can be reset."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from instagram_standin import demo_world
from instagram_standin.accounts import Profile, Profiles
from instagram_standin.callbacks import Callbacks
from instagram_standin.errors import business_usage
from instagram_standin.faults import FaultBook
from instagram_standin.hashtags import Hashtags
from instagram_standin.media import Links
from instagram_standin.messages import Answer, Call, CallLog, Request, fitted
from instagram_standin.tokens import Codes, Family, LoginApp, TokenRegistry

OPERATOR_ID = "17841400000000001"
OPERATOR_TOKEN = "standin-operator-token"  # noqa: S105 - known to the stand-in only
INSTAGRAM_APP_ID = "standin-instagram-app"
INSTAGRAM_APP_SECRET = "standin-instagram-secret"  # noqa: S105 - likewise
FACEBOOK_APP_ID = "standin-facebook-app"
FACEBOOK_APP_SECRET = "standin-facebook-secret"  # noqa: S105 - likewise


@dataclass(frozen=True, slots=True)
class Settings:
    """`public_url`: where callers reach the stand-in; None means the host they named.

    The secrets are needed where Meta needs them; the Facebook one also verifies `appsecret_proof` where one is sent.
    """

    operator_id: str = OPERATOR_ID
    operator_token: str = field(default=OPERATOR_TOKEN, repr=False)
    instagram_app_id: str = INSTAGRAM_APP_ID
    instagram_app_secret: str = field(default=INSTAGRAM_APP_SECRET, repr=False)
    facebook_app_id: str = FACEBOOK_APP_ID
    facebook_app_secret: str = field(default=FACEBOOK_APP_SECRET, repr=False)
    public_url: str | None = None


@dataclass(slots=True)
class Options:
    """How the stand-in answers, where Meta was seen to answer in more than one way; and how full the limits are."""

    # Usage headers, in percent. Meta leaves them out for quiet apps.
    call_count: int = 3
    total_time: int = 2
    total_cputime: int = 2
    regain_minutes: int = 0
    sends_usage: bool = True
    # Instagram's code exchange: `{"data": [{...}]}` with strings, or flat with a number and a list of permissions.
    wraps_token: bool = True
    sends_permissions: bool = True
    # Instagram's /me: flat, or wrapped in `data`; its ids as strings, or as JSON numbers.
    wraps_me: bool = False
    numeric_ids: bool = False
    refresh_keeps_token: bool = False
    # Facebook: `expires_in` may be missing, and the app setting "Require App Secret" may be on.
    sends_expires_in: bool = True
    requires_proof: bool = False
    instagram_short_life_seconds: int = 3_600
    facebook_short_life_seconds: int = 5_158
    long_life_seconds: int = 5_183_944
    # An unknown tag: an empty list instead of code 24. The feature: Instagram Public Content Access.
    unknown_tag_is_empty: bool = False
    has_hashtag_feature: bool = True
    # The Graph versions that are served. Older ones are answered by the oldest of these, newer ones aren't known.
    oldest_version: int = 21
    newest_version: int = 27

    def percentages(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("call_count", "total_time", "total_cputime")}

    def app_usage(self) -> dict[str, str]:
        """The header of calls under the Platform limit: Business Discovery, hashtags."""
        usage = json.dumps(self.percentages(), separators=(",", ":"))
        return {"X-App-Usage": usage} if self.sends_usage else {}

    def business_usage(self, account_id: str) -> dict[str, str]:
        """The header of calls under the Business Use Case limit: an account's own media."""
        usage = business_usage(account_id, self.percentages(), self.regain_minutes)
        return usage if self.sends_usage else {}


class World:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.reset()

    def reset(self) -> None:
        """As after the start: everything planted, issued, set or logged is gone."""
        settings, newest = self.settings, self.started_at - timedelta(hours=1)
        self.options = Options()
        self.apps = {
            Family.INSTAGRAM: LoginApp(settings.instagram_app_id, settings.instagram_app_secret),
            Family.FACEBOOK: LoginApp(settings.facebook_app_id, settings.facebook_app_secret),
        }
        self.profiles = Profiles(
            demo_world.profiles(newest), lambda name: demo_world.load_profile(name, newest), self.started_at
        )
        self.people = list(demo_world.PEOPLE)
        self.codes = Codes()
        self.tokens = TokenRegistry()
        self.hashtags = Hashtags(demo_world.TAGS, self.profiles)
        self.callbacks = Callbacks(self.apps, self.tokens)
        self.links = Links(settings.public_url)
        self.faults = FaultBook()
        self.calls = CallLog()
        # The account in whose name public profiles are read; it may be one of the demo's.
        if self.profiles.find_by_id(settings.operator_id) is None:
            self.profiles.put(
                Profile(settings.operator_id, "feed.operator", details={"name": "Feed operator"})
            )
        self.tokens.add(settings.operator_token, settings.operator_id, Family.FACEBOOK)

    def set(self, **options: Any) -> Options:
        """Change some of the options. Raises TypeError."""
        self.options = replace(self.options, **fitted(Options, options))
        return self.options


class Host(ABC):
    """One of Meta's hosts, under its prefix."""

    prefix: ClassVar[str]

    def __init__(self, world: World) -> None:
        self.world = world

    def describe(self, request: Request) -> Call:
        """What is asked for, as far as it can be read: never raises."""
        return Call(request)

    @abstractmethod
    def answer(self, call: Call) -> Answer: ...
