"""Versions of the Graph API: when each was published, when it ends, and whether Meta serves it.

Meta's calls to a dead version are answered by another one, which the header `facebook-api-version` names. A call to a
version that was never published is taken for a call to an unknown path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from paris_integration.errors import ProviderUnavailable
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.http import HttpAnswer, HttpClient
from paris_integration.types import Login, VersionState

LIFE_YEARS = 2
# Token-less calls to a version that is served: "An active access token must be used …", and refusals of the token.
_TOKEN_WANTED = (2500, 104, 190)
# The only text that is read here, because a missing token and an unknown version have the same code.
_UNKNOWN_VERSION = "unknown path components"
_VERSION = re.compile(r"v([0-9]{1,3})\.[0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """`ends_on`: as Meta has announced it; None if it hasn't."""

    name: str
    published_on: date
    ends_on: date | None


# The oldest first. Source: https://developers.facebook.com/docs/graph-api/changelog/versions/, read in November 2026;
# v27.0 from its announcement. Add each new version, and the end of older ones that is announced with it.
VERSIONS = (
    Version("v20.0", date(2024, 5, 21), date(2026, 9, 24)),
    Version("v21.0", date(2024, 10, 2), date(2027, 1, 21)),
    Version("v22.0", date(2025, 1, 21), date(2027, 5, 20)),
    Version("v23.0", date(2025, 5, 29), date(2027, 10, 8)),
    Version("v24.0", date(2025, 10, 8), date(2028, 2, 18)),
    Version("v25.0", date(2026, 2, 18), date(2028, 7, 29)),
    Version("v26.0", date(2026, 7, 29), None),
    Version("v27.0", date(2026, 11, 4), None),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """`is_announced` False: computed from the usual life of versions, and right within about ten days."""

    on: date
    is_announced: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """How Meta answered a call to a version. `answered_as`: the version that the answer names, or ""."""

    state: VersionState
    answered_as: str = ""


def ending_of(name: str) -> Ending | None:
    """When the version ends; None if it isn't in the table. Pure.

    Meta serves a version for two years after it published the next one. Of the newest version only the earliest end is
    known: two years after its own publication.
    """
    for version, following in zip(VERSIONS, (*VERSIONS[1:], None), strict=True):
        if version.name == name:
            if version.ends_on is not None:
                return Ending(version.ends_on, is_announced=True)
            return Ending(years_after((following or version).published_on, LIFE_YEARS), is_announced=False)
    return None


def years_after(day: date, years: int) -> date:
    """The same day, years later; 28 February for 29 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def number_of(name: str) -> int:
    """The version as a number to sort by, such as 26 for v26.0; 0 if it isn't one."""
    found = _VERSION.fullmatch(name)
    return int(found[1]) if found is not None else 0


def seen_in(answer: HttpAnswer, asked: str) -> Seen:
    """What the answer to a call without a token says about the version asked. Raises ProviderUnavailable if nothing."""
    error = answer.payload.get("error") if isinstance(answer.payload, dict) else None
    envelope: Mapping[str, object] = error if isinstance(error, dict) else {}
    answered_as, code, message = answer.api_version or "", envelope.get("code"), envelope.get("message")
    if answer.status < 500 and answer.is_json:
        if isinstance(message, str) and _UNKNOWN_VERSION in message.lower():
            return Seen(VersionState.ABSENT)
        if answered_as and answered_as != asked:
            return Seen(VersionState.UPGRADED, answered_as)
        if code in _TOKEN_WANTED:
            return Seen(VersionState.ALIVE, answered_as)
    raise ProviderUnavailable(
        "no verdict on the version", code=code if isinstance(code, int) else None, status=answer.status
    )


class VersionProbe:
    """Asks Meta about versions, without a token."""

    def __init__(self, http: HttpClient, *, hosts: Mapping[Login, str], timeout_seconds: float) -> None:
        self._http = http
        self._hosts = hosts
        self._timeout_seconds = timeout_seconds

    def ask(self, login: Login, version: str) -> Seen:
        """Whether the login's host serves the version. Raises ProviderUnavailable if it doesn't say."""
        url = f"{self._hosts[login]}/{version}/me"
        answer = self._http.get_json(url, params={}, token=None, deadline=Deadline(self._timeout_seconds))
        return seen_in(answer, version)
