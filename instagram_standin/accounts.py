"""Who there is: Instagram accounts with their posts, and the people of Facebook with their Pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from instagram_standin.media import Row, Sketch, compose, planted, without_nulls
from instagram_standin.tokens import number_from

LOAD_PREFIX = "load."
USERNAME = re.compile(r"(?!\.)(?!.*\.\.)[a-z0-9._]{0,29}[a-z0-9_]", re.ASCII)
# Planted posts are numbered from here, so that none has the id of a post that it replaces.
_FIRST_PLANTED = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """An Instagram account. `posts`: rows of media.py, newest first. `details`: further fields of IG User."""

    id: str
    username: str
    posts: Sequence[Row] = ()
    is_professional: bool = True
    details: Row = field(default_factory=dict)

    def row(self) -> Row:
        return {"id": self.id, "username": self.username, "media_count": len(self.posts), **self.details}


def settled(
    username: str,
    sketches: Sequence[Sketch],
    details: Row,
    *,
    newest: datetime,
    hours_between: int = 30,
    account_id: str | None = None,
    is_professional: bool = True,
) -> Profile:
    """An account whose posts are some hours apart, at minutes that look like a person's."""

    def moment(index: int) -> datetime:
        wobble = number_from(f"time:{username}:{index}", hours_between * 1_800)
        return newest - timedelta(hours=hours_between * index, seconds=wobble)

    posts = [compose(sketch, username, index, moment(index)) for index, sketch in enumerate(sketches)]
    return Profile(account_id or account_id_of(username), username, posts, is_professional, details)


class Profiles:
    """The accounts, found by username in any case. Every name beginning `load.` belongs to one, which `make` makes."""

    def __init__(self, profiles: Iterable[Profile], make: Callable[[str], Profile], now: datetime) -> None:
        self._by_name = {profile.username: profile for profile in profiles}
        self._make = make
        self._now = now

    def put(self, profile: Profile) -> None:
        """Add the account, in place of one with the same name."""
        self._by_name[profile.username] = profile

    def plant(self, username: str, account: object) -> Profile:
        """Add an account described in JSON: a list of media, or an object with `media` and fields of IG User.

        A medium says only what matters; see `media.planted`. Raises ValueError for anything else.
        """
        name = username.lower()
        described = {"media": account} if isinstance(account, list) else account
        if not USERNAME.fullmatch(name) or not isinstance(described, dict):
            raise ValueError("an account has a username, and is an object or a list of media")
        details = without_nulls({"name": name, **described})
        media, account_id = details.pop("media", []), details.pop("id", account_id_of(name))
        if not isinstance(media, list) or not all(isinstance(medium, dict) for medium in media):
            raise ValueError("media is a list of objects")
        if not isinstance(account_id, str) or not account_id.isdecimal():
            raise ValueError("id is a string of digits")
        posts = [
            planted(medium, name, _FIRST_PLANTED + index, self._now - timedelta(hours=index + 1))
            for index, medium in enumerate(media)
        ]
        is_professional = details.pop("is_professional", True) is not False
        profile = Profile(account_id, name, posts, is_professional, details)
        self.put(profile)
        return profile

    def find(self, username: str) -> Profile | None:
        name = username.lower()
        known = self._by_name.get(name)
        if known is None and name.startswith(LOAD_PREFIX) and USERNAME.fullmatch(name):
            known = self._make(name)
            self.put(known)
        return known

    def find_by_id(self, account_id: str) -> Profile | None:
        return next((known for known in self.all() if known.id == account_id), None)

    def all(self) -> list[Profile]:
        """By username."""
        return sorted(self._by_name.values(), key=lambda profile: profile.username)


def account_id_of(username: str) -> str:
    return f"17841{number_from(f'account:{username}', 10**12):012}"


@dataclass(frozen=True, slots=True)
class FacebookPage:
    """`instagram`: the username of the linked professional account, if any."""

    id: str
    name: str
    instagram: str | None = None
    category: str = "Local business"


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in with Facebook. `key`: their name in tests and on the consent page. `id`: app-scoped."""

    key: str
    id: str
    name: str
    pages: tuple[FacebookPage, ...] = ()


def find_person(people: Iterable[Person], key: str) -> Person | None:
    """By key or id."""
    return next((person for person in people if key in (person.key, person.id)), None)


def find_page(people: Iterable[Person], page_id: str) -> FacebookPage | None:
    return next((page for person in people for page in person.pages if page.id == page_id), None)
