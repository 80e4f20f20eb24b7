"""Which versions of the Graph API Meta serves, and when ours ends. Each host is asked once a day, without a token."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.db.models import Q

from paris_integration import clock, registry
from paris_integration.errors import ProviderUnavailable
from paris_integration.models import GraphVersion
from paris_integration.providers.versions import VERSIONS, Ending, Seen, ending_of, number_of
from paris_integration.types import Login, VersionState

logger = logging.getLogger(__name__)

CHECK_EVERY = timedelta(hours=23)  # beat asks hourly
CHECK_AGAIN = timedelta(hours=1)  # after a check that Meta didn't answer
WARN_BEFORE = timedelta(days=60)
NEW_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Gone:
    """A host that no longer serves our version. `answered_as`: the version that answers instead, or ""."""

    login: Login
    answered_as: str
    since: datetime


@dataclass(frozen=True, slots=True)
class OurVersion:
    """The version in use. `ending` None: it isn't in the table.

    `served`: the logins whose host serves it. `newer`: newer ones that Meta serves.
    """

    name: str
    ending: Ending | None
    time_left: timedelta | None
    served: tuple[Login, ...]
    gone: tuple[Gone, ...]
    newer: tuple[str, ...]

    @property
    def needs_attention(self) -> bool:
        return bool(self.gone) or (self.time_left is not None and self.time_left < WARN_BEFORE)


def check_versions() -> int:
    """Ask each host that is due which versions it serves. Returns how many answers came."""
    return sum(_check(login) for login in Login if _claim(login, clock.database_now()))


def our_version(*, now: datetime) -> OurVersion:
    """What is known about META_GRAPH_VERSION. Makes one query."""
    name = settings.META_GRAPH_VERSION
    rows = list(GraphVersion.objects.order_by("login"))
    ending = ending_of(name)
    ends_at = datetime.combine(ending.on, time(), UTC) if ending is not None else None
    ours = [row for row in rows if row.version == name]
    gone = (VersionState.UPGRADED.value, VersionState.ABSENT.value)
    served = [row for row in rows if row.state == VersionState.ALIVE.value]
    alive = {row.version for row in served}
    newer = sorted((each for each in alive if number_of(each) > number_of(name)), key=number_of)
    return OurVersion(
        name=name,
        ending=ending,
        time_left=ends_at - now if ends_at is not None else None,
        served=tuple(Login(row.login) for row in served if row.version == name),
        gone=tuple(Gone(Login(row.login), row.answered_as, row.since) for row in ours if row.state in gone),
        newer=tuple(newer),
    )


def _claim(login: Login, at: datetime) -> bool:
    """Whether the login's host is due, for one process only. Our version's row says when it was asked last."""
    ours = {"login": login.value, "version": settings.META_GRAPH_VERSION}
    _, is_first = GraphVersion.objects.get_or_create(**ours, defaults={"since": at, "checked_at": at})
    # A time in the future was written by a wrong clock.
    is_due = Q(checked_at__lte=at - CHECK_EVERY) | Q(checked_at__gt=at + clock.CLOCK_TOLERANCE)
    return is_first or bool(GraphVersion.objects.filter(is_due, **ours).update(checked_at=at))


def _check(login: Login) -> int:
    """Ask about our version, the table's, and those after the newest. Stops at the first missing answer."""
    ours = settings.META_GRAPH_VERSION
    newest = max(number_of(ours), *(number_of(version.name) for version in VERSIONS))
    known = dict.fromkeys([ours, *(version.name for version in VERSIONS)])
    answers = 0
    try:
        for name in known:
            _note(login, name, registry.version_probe().ask(login, name))
            answers += 1
        for number in range(newest + 1, newest + 1 + NEW_AT_ONCE):
            seen = registry.version_probe().ask(login, f"v{number}.0")
            answers += 1
            if seen.state is not VersionState.ALIVE:
                break
            _note(login, f"v{number}.0", seen)
    except ProviderUnavailable as fault:
        logger.info("Graph versions not checked: %s", fault, extra={"fields": {"login": login.value}})
        again_at = clock.database_now() - CHECK_EVERY + CHECK_AGAIN
        GraphVersion.objects.filter(login=login.value, version=ours).update(checked_at=again_at)
    return answers


def _note(login: Login, name: str, seen: Seen) -> None:
    at = clock.database_now()
    row, _ = GraphVersion.objects.get_or_create(
        login=login.value, version=name, defaults={"since": at, "checked_at": at}
    )
    if (row.state, row.answered_as) != (seen.state.value, seen.answered_as):
        is_ours = name == settings.META_GRAPH_VERSION
        log = logger.error if is_ours and seen.state is not VersionState.ALIVE else logger.info
        fields = {
            "login": login.value,
            "version": name,
            "state": seen.state.value,
            "answeredAs": seen.answered_as,
        }
        log("Graph version %s is %s", name, seen.state.value, extra={"fields": fields})
        row.since = at
    row.state, row.answered_as, row.checked_at = seen.state.value, seen.answered_as, at
    row.save()
