"""Whether a pending login may still store its result: a disconnect, a deauthorisation or a deletion cancels it.

A disconnect deletes the widget's login attempts. The person behind a login is known only after the code exchange, so
Meta's callbacks also store the time of the withdrawal in a row for the person. Every login locks and reads that row
before it stores. Call all functions inside the transaction that stores or erases. Times are the database's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac

from paris_integration import clock
from paris_integration.errors import LoginFailed
from paris_integration.models import LoginAttempt, PersonFence
from paris_integration.types import FeedKey, Login


def claim(attempt_id: UUID, login: Login, person_ids: Iterable[str]) -> LoginAttempt:
    """Lock the persons and the login attempt, and return the attempt, which may now store its result.

    `person_ids`: the ids of the person and the accounts. Raises LoginFailed if the attempt was used or cancelled, or if
    one of the persons withdrew after it began.
    """
    fences = hold_persons(login, person_ids)
    # Lock all attempts of the widget, so that two logins for it store one after the other.
    instance_ids = LoginAttempt.objects.filter(pk=attempt_id).values("instance_id")
    attempt = _hold(LoginAttempt.objects.filter(instance_id__in=instance_ids)).get(attempt_id)
    if attempt is None:
        raise LoginFailed("STATE_INVALID", "cancelled")
    if PersonFence.objects.filter(pk__in=fences, withdrawn_at__gte=attempt.began_at).exists():
        raise LoginFailed("STATE_INVALID", "withdrawn")
    return attempt


def hold_persons(login: Login, person_ids: Iterable[str]) -> list[str]:
    """Lock the rows of these persons, creating missing ones. Returns the keys in lock order."""
    keys = sorted({hash_of_person(login, person_id) for person_id in person_ids if person_id})
    now = clock.database_now()
    # An upsert locks existing and new rows in one statement, in the order given.
    PersonFence.objects.bulk_create(
        [PersonFence(person_hash=key, held_at=now) for key in keys],
        update_conflicts=True,
        unique_fields=["person_hash"],
        update_fields=["held_at"],
    )
    return keys


def withdraw(login: Login, person_id: str, *, at: datetime) -> None:
    """Lock the person or account, and refuse their logins that began at `at` or earlier."""
    fence = PersonFence.objects.filter(pk__in=hold_persons(login, [person_id]))
    fence.filter(Q(withdrawn_at__isnull=True) | Q(withdrawn_at__lt=at)).update(withdrawn_at=at)


def end_withdrawal(login: Login, person_id: str, *, until: datetime, at: datetime) -> None:
    """Move the end of a withdrawal from `until` to `at`."""
    PersonFence.objects.filter(pk=hash_of_person(login, person_id), withdrawn_at=until).update(
        withdrawn_at=at
    )


def note_erased_account(account_id: str) -> None:
    """Record that the account's data was erased. Kept as long as the other rows."""
    withdraw(Login.FACEBOOK, _erased(account_id), at=clock.database_now())


def is_erased_account(account_id: str) -> bool:
    return PersonFence.objects.filter(pk=hash_of_person(Login.FACEBOOK, _erased(account_id))).exists()


def cancel_for_instance(key: FeedKey) -> None:
    """Cancel the widget's pending logins, including those whose code is being exchanged."""
    _delete(LoginAttempt.objects.filter(workspace_id=key.workspace_id, instance_id=key.instance_id))


def cancel_for_link(link_id: UUID) -> None:
    """Cancel the pending logins that were begun with this connect link."""
    _delete(LoginAttempt.objects.filter(connect_link_id=link_id))


def cancel_for_persons(login: Login, person_ids: Iterable[str]) -> None:
    """Cancel the logins of these persons or accounts that wait for the choice of an account."""
    wanted = set(person_ids)
    brought = LoginAttempt.objects.filter(login=login.value).exclude(app_user_id="", token__isnull=True)
    concerned = [
        attempt_id
        for attempt_id, app_user_id, accounts in brought.values_list("pk", "app_user_id", "accounts")
        if wanted & {app_user_id, *(account_id for account_id, _ in accounts)}
    ]
    _delete(LoginAttempt.objects.filter(pk__in=concerned))


def _hold(attempts: QuerySet[LoginAttempt]) -> dict[UUID, LoginAttempt]:
    return {row.pk: row for row in attempts.select_for_update().order_by("pk")}


def _delete(attempts: QuerySet[LoginAttempt]) -> None:
    LoginAttempt.objects.filter(pk__in=_hold(attempts)).delete()


def hash_of_person(login: Login, person_id: str) -> str:
    return salted_hmac("paris.person_fence", f"{login}:{person_id}", algorithm="sha256").hexdigest()


def _erased(account_id: str) -> str:
    return f"erased {account_id}"  # the prefix keeps it apart from Meta's ids, which are numbers
