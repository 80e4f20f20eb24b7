"""The accounts of the world: who they are and what they posted.

Besides the demo accounts, every username beginning `load.` is a professional account, made from its name when asked
for; accounts may be planted at run time. Usernames are looked up without regard to case.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from instagram_standin import demo_world
from instagram_standin.demo_world import Account
from instagram_standin.posts import FILM, Kind, Row, Sketch, compose, compose_child, number_from, wire_time

_USERNAME = re.compile(r"(?!\.)(?!.*\.\.)[a-z0-9._]{0,29}[a-z0-9_]", re.ASCII)
_ID = re.compile(r"[0-9]{1,30}", re.ASCII)
# Planted posts are numbered from here, so that they are never mistaken for the posts they replace.
_FIRST_PLANTED = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """An account. `posts`: rows of posts.py, newest first. `details`: further fields of IG User."""

    id: str
    username: str
    posts: Sequence[Row] = ()
    is_professional: bool = True
    details: Row = field(default_factory=dict)

    def row(self) -> Row:
        return {
            "id": self.id,
            "username": self.username,
            "media_count": len(self.posts),
            **self.details,
        }


class Profiles:
    """`started_at`: the day before which everything was posted, so that a process shows one world all its life."""

    def __init__(self, started_at: datetime | None = None) -> None:
        now = started_at or datetime.now(UTC)
        self._today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._by_name: dict[str, Profile] = {}
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """The demo accounts and no others."""
        world = {account.username: self._settle(account) for account in demo_world.ACCOUNTS}
        with self._lock:
            self._by_name = world

    def put(self, profile: Profile) -> None:
        """Add the account, in place of one of the same name."""
        with self._lock:
            self._by_name[profile.username] = profile

    def plant(self, username: str, given: object) -> Profile:
        """Add an account described in JSON: a list of media, or an object with `media` and fields of IG User.

        A medium needs to say only what matters: what it leaves out is made up, what it sets to null is absent. Raises
        ValueError when that is no description of an account.
        """
        name = username.lower()
        if not _USERNAME.fullmatch(name):
            raise ValueError("not a username")
        described = {"media": given} if isinstance(given, list) else given
        if not isinstance(described, dict):
            raise ValueError("a profile is an object, or a list of media")
        details = {key: value for key, value in described.items() if value is not None}
        media = details.pop("media", [])
        if not isinstance(media, list) or not all(isinstance(medium, dict) for medium in media):
            raise ValueError("media is a list of objects")
        account_id = details.pop("id", account_id_of(name))
        if not isinstance(account_id, str) or not _ID.fullmatch(account_id):
            raise ValueError("id is a string of digits")
        profile = Profile(
            id=account_id,
            username=name,
            posts=[self._planted(medium, name, index) for index, medium in enumerate(media)],
            is_professional=details.pop("is_professional", True) is not False,
            details={"name": name, **details},
        )
        self.put(profile)
        return profile

    def find(self, username: str) -> Profile | None:
        name = username.lower()
        with self._lock:
            known = self._by_name.get(name)
        if known is None and name.startswith(demo_world.LOAD_PREFIX) and _USERNAME.fullmatch(name):
            known = self._settle(demo_world.load_account(name))
            self.put(known)
        return known

    def find_by_id(self, account_id: str) -> Profile | None:
        with self._lock:
            return next((known for known in self._by_name.values() if known.id == account_id), None)

    def usernames(self) -> list[str]:
        with self._lock:
            return sorted(self._by_name)

    def _settle(self, account: Account) -> Profile:
        return Profile(
            id=account.id or account_id_of(account.username),
            username=account.username,
            posts=[
                compose(sketch, account.username, index, self._moment(account, index))
                for index, sketch in enumerate(account.sketches)
            ],
            is_professional=account.is_professional,
            details=account.details,
        )

    def _moment(self, account: Account, index: int) -> datetime:
        """Some hours apart, at a minute that looks like a person's; later posts have the lower index."""
        step = timedelta(hours=account.hours_between)
        wobble = number_from(f"time:{account.username}:{index}", int(step.total_seconds()) * 4 // 5)
        return self._today - timedelta(hours=3) - step * index - timedelta(seconds=wobble)

    def _planted(self, given: Row, username: str, index: int) -> Row:
        number = _FIRST_PLANTED + index
        published_at = self._today - timedelta(hours=index + 1)
        kind = Kind.VIDEO if given.get("media_type") == "VIDEO" else Kind.IMAGE
        made_up = dict(compose(Sketch("shapes", kind=kind), username, number, published_at))
        row = _without_nulls({**made_up, **given})
        children = row.get("children")
        if isinstance(children, list):
            row["children"] = [
                _planted_child(child, f"{username}:{number}:{place}", wire_time(published_at))
                for place, child in enumerate(children)
            ]
        return row


def account_id_of(username: str) -> str:
    return f"17841{number_from(f'account:{username}', 10**12):012}"


def _planted_child(given: object, key: str, timestamp: str) -> object:
    if not isinstance(given, dict):
        return given
    scene = f"{FILM}shapes" if given.get("media_type") == "VIDEO" else "shapes"
    return _without_nulls({**compose_child(scene, key, timestamp), **given})


def _without_nulls(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None}
