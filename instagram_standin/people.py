"""The people who sign in with Facebook, their Pages, and the Instagram accounts linked to those.

`robin.baker` is the ordinary case: two Pages, each linked to a professional account. `sam.potter` has one, `noor.page`
a Page without an Instagram account, `kim.nopage` no Page at all. With Instagram Login people are the account itself.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from instagram_standin.posts import number_from

_KEY = re.compile(r"[a-z0-9._]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FacebookPage:
    """`instagram`: the username of the linked professional account, if any."""

    id: str
    name: str
    instagram: str | None = None
    category: str = "Local business"


@dataclass(frozen=True, slots=True)
class Person:
    """`key`: how tests and the consent page name them. `id`: app-scoped."""

    key: str
    id: str
    name: str
    pages: tuple[FacebookPage, ...] = ()


PEOPLE = (
    Person(
        "robin.baker",
        "102000000000001",
        "Robin Baker",
        (
            FacebookPage("134800000000001", "Acme Bakery", "acme.bakery", "Bakery"),
            FacebookPage("134800000000002", "Northern Trails", "northern.trails", "Outdoor recreation"),
        ),
    ),
    Person(
        "sam.potter",
        "102000000000002",
        "Sam Potter",
        (FacebookPage("134800000000003", "Tiny Studio", "tiny.studio", "Arts and crafts"),),
    ),
    Person(
        "noor.page",
        "102000000000003",
        "Noor Page",
        (FacebookPage("134800000000004", "Village Market", None, "Market"),),
    ),
    Person("kim.nopage", "102000000000004", "Kim Nopage"),
)


class People:
    def __init__(self) -> None:
        self._by_key: dict[str, Person] = {}
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._by_key = {person.key: person for person in PEOPLE}

    def put(self, person: Person) -> None:
        """Add the person, in place of one of the same key."""
        with self._lock:
            self._by_key[person.key] = person

    def plant(self, key: str, given: object) -> Person:
        """Add a person described in JSON: `{"name"?, "id"?, "pages": [{"name", "id"?, "instagram"?}]}`.

        Raises ValueError when that is no description of a person.
        """
        if not _KEY.fullmatch(key) or not isinstance(given, dict) or given.keys() - {"name", "id", "pages"}:
            raise ValueError("a person has a key of a-z 0-9 . _ and may have name, id and pages")
        pages = given.get("pages", [])
        if not isinstance(pages, list):
            raise ValueError("pages is a list of objects")
        person = Person(
            key=key,
            id=_text(given.get("id", f"10200{number_from(f'person:{key}', 10**10):010}"), "id"),
            name=_text(given.get("name", key), "name"),
            pages=tuple(_page(page, key) for page in pages),
        )
        self.put(person)
        return person

    def find(self, key: str) -> Person | None:
        """By key or id."""
        return next((person for person in self.all() if key in (person.key, person.id)), None)

    def find_page(self, page_id: str) -> FacebookPage | None:
        return next((page for person in self.all() for page in person.pages if page.id == page_id), None)

    def all(self) -> list[Person]:
        with self._lock:
            return list(self._by_key.values())


def app_scoped_id(account_id: str) -> str:
    """The `id` that an Instagram-Login app sees for an account, 17 digits, unlike the account's own `user_id`."""
    return f"28970{number_from(f'scoped:{account_id}', 10**12):012}"


def person_id_of(account_id: str) -> str:
    """The Facebook user behind a token that was planted for an account."""
    return f"10200{number_from(f'person-of:{account_id}', 10**10):010}"


def _page(given: object, key: str) -> FacebookPage:
    if not isinstance(given, dict) or given.keys() - {"name", "id", "instagram", "category"}:
        raise ValueError("a page is an object of name, id, instagram and category")
    name = _text(given.get("name", "A Page"), "name")
    linked = given.get("instagram")
    return FacebookPage(
        id=_text(given.get("id", f"13480{number_from(f'page:{key}:{name}', 10**10):010}"), "id"),
        name=name,
        instagram=None if linked is None else _text(linked, "instagram").lower(),
        category=_text(given.get("category", "Local business"), "category"),
    )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is a string")
    return value
