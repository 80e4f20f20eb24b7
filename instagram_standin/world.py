"""Everything the stand-in remembers, in one place, so that it can be put back as it was."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from instagram_standin.callbacks import Callbacks
from instagram_standin.calls import CallLog
from instagram_standin.fault_book import FaultBook
from instagram_standin.hashtags import Hashtags
from instagram_standin.links import Links
from instagram_standin.logins import LoginApp, Logins
from instagram_standin.people import People
from instagram_standin.profiles import Profile, Profiles
from instagram_standin.tokens import Family, TokenRegistry
from instagram_standin.usage import Usage

OPERATOR_ID = "17841400000000001"
OPERATOR_TOKEN = "standin-operator-token"  # noqa: S105 - worth something here only
INSTAGRAM_APP_ID = "standin-instagram-app"
INSTAGRAM_APP_SECRET = "standin-instagram-secret"  # noqa: S105 - likewise
FACEBOOK_APP_ID = "standin-facebook-app"
FACEBOOK_APP_SECRET = "standin-facebook-secret"  # noqa: S105 - likewise


@dataclass(frozen=True, slots=True)
class Settings:
    """`public_url`: where callers reach the stand-in, for links; None means the host they named.

    The secrets are asked for where Meta asks for them; the Facebook one also verifies `appsecret_proof` where one is
    sent. None lets all pass.
    """

    operator_id: str = OPERATOR_ID
    operator_token: str = field(default=OPERATOR_TOKEN, repr=False)
    instagram_app_id: str = INSTAGRAM_APP_ID
    instagram_app_secret: str | None = field(default=INSTAGRAM_APP_SECRET, repr=False)
    facebook_app_id: str = FACEBOOK_APP_ID
    facebook_app_secret: str | None = field(default=FACEBOOK_APP_SECRET, repr=False)
    public_url: str | None = None


class World:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.profiles = Profiles()
        self.people = People()
        self.logins = Logins(
            (
                LoginApp(Family.INSTAGRAM, settings.instagram_app_id, settings.instagram_app_secret),
                LoginApp(Family.FACEBOOK, settings.facebook_app_id, settings.facebook_app_secret),
            )
        )
        self.tokens = TokenRegistry()
        self.hashtags = Hashtags()
        self.callbacks = Callbacks(self.logins, self.tokens)
        self.links = Links(settings.public_url)
        self.usage = Usage()
        self.faults = FaultBook()
        self.calls = CallLog()
        self._install_operator()

    def reset(self) -> None:
        """As after the start: whatever was planted, issued, set or recorded is gone."""
        self.profiles.reset()
        self.people.reset()
        self.logins.reset()
        self.tokens.clear()
        self.hashtags.reset()
        self.links.reset()
        self.faults.clear()
        self.calls.clear()
        fresh = Usage()
        for level in fields(Usage):
            setattr(self.usage, level.name, getattr(fresh, level.name))
        self._install_operator()

    def _install_operator(self) -> None:
        """The account in whose name public profiles are read; it may be one of the demo's."""
        operator_id = self.settings.operator_id
        if self.profiles.find_by_id(operator_id) is None:
            self.profiles.put(
                Profile(id=operator_id, username="feed.operator", details={"name": "Feed operator"})
            )
        self.tokens.add(self.settings.operator_token, operator_id, Family.FACEBOOK)
