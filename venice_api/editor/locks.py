"""What a plan or a login locks on the editor's pages, with the reason and what would unlock it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from entitlements.limits import Limits, plan_that_allows
from paris_integration.public import Login, SourceType, offers


@dataclass(frozen=True, slots=True)
class Lock:
    """`plan`: the name of the lowest higher plan that unlocks it, None when no plan does."""

    reason: str
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class LoginChoice:
    """One way to connect an account. `lock` None: available now."""

    login: Login
    lock: Lock | None


def lock_of_source(
    source_type: SourceType, limits: Limits, workspace_id: UUID, *, now: datetime
) -> Lock | None:
    if allows_source(source_type, limits):
        return None
    return _by_plan(
        excluded_words(source_type, limits),
        workspace_id,
        lambda higher: allows_source(source_type, higher),
        now,
    )


def excluded_words(source_type: SourceType, limits: Limits) -> str:
    """That the plan doesn't include this type of source."""
    name = "hashtags" if source_type is SourceType.HASHTAG else "profiles"
    return f"Your {limits.plan_name} plan doesn't include {name}."


def allows_source(source_type: SourceType, limits: Limits) -> bool:
    return limits.hashtag_enabled if source_type is SourceType.HASHTAG else limits.profile_enabled


def lock_of_accounts(limits: Limits, workspace_id: UUID, *, now: datetime) -> Lock | None:
    """The lock on both logins; None when the plan includes connected accounts."""
    if limits.oauth_enabled:
        return None
    reason = f"Your {limits.plan_name} plan doesn't include connected accounts."
    return _by_plan(reason, workspace_id, lambda higher: higher.oauth_enabled, now)


def login_choices(source_type: SourceType) -> list[LoginChoice]:
    """Both logins, the suitable one first, each with its lock for reasons other than the plan."""
    fitting = [Login.INSTAGRAM, Login.FACEBOOK]
    if source_type is SourceType.HASHTAG:
        fitting.reverse()
    return [LoginChoice(login, _by_nature(login, source_type)) for login in fitting]


def _by_nature(login: Login, source_type: SourceType) -> Lock | None:
    if not offers(login):
        return Lock(f"{login.title()} login isn't set up on this service.")
    if source_type is SourceType.HASHTAG and login is Login.INSTAGRAM:
        return Lock("Instagram login can't read hashtags. Use Facebook login.")
    return None


def _by_plan(reason: str, workspace_id: UUID, allows: Callable[[Limits], bool], now: datetime) -> Lock:
    return Lock(reason, plan_that_allows(workspace_id, allows, now=now))
