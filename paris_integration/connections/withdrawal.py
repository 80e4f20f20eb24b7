"""Deletes a person's tokens or data after Meta's deauthorise and data-deletion callbacks.

Both delete tokens, connected feeds and pending logins. A data deletion also erases everything that shows the person's
accounts. The lock order is described in `lifecycle`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.dispatch import Signal

from paris_integration import clock
from paris_integration.connections import hashtags, links, login_fences
from paris_integration.connections.lifecycle import hold_connections
from paris_integration.models import (
    AuditEvent,
    Connection,
    ConnectionLink,
    Feed,
    ForcedRefresh,
    QuotaWindow,
    RefreshReceipt,
    UnfinishedErasure,
)
from paris_integration.observing import audit
from paris_integration.observing.audit import Action, Outcome
from paris_integration.types import Actor, ConnectionState, Login, Mode, SourceType

logger = logging.getLogger(__name__)

# Sent after the commit that erased a person's data at Meta's request, for each widget that was connected to one of the
# person's accounts. `usernames`: the names of these accounts. Sent again if a receiver raises.
account_erased = Signal()


@transaction.atomic
def forget_account(login: Login, user_id: str, *, erase: bool, now: datetime) -> int:
    """Delete the person's tokens and connected feeds, and cancel their pending logins.

    `erase`: also delete the connections, the account's posts in every widget, receipts and hashtag searches, and
    finish earlier deletions of the person. `user_id`: either of the ids that Meta uses. Returns the number of
    connections affected. Idempotent.
    """
    login_fences.withdraw(login, user_id, at=clock.database_now())
    # From here on the person is locked: logins wait, so no connection or link of theirs is added meanwhile.
    of_person = Q(login=login.value) & (Q(account_id=user_id) | Q(app_user_id=user_id))
    ids = Connection.objects.filter(of_person).values_list("account_id", "app_user_id")
    login_fences.cancel_for_persons(login, {user_id, *chain.from_iterable(ids if erase else ())} - {""})
    links_of_person = ConnectionLink.objects.filter(connection__in=Connection.objects.filter(of_person))
    linked = list(links_of_person.select_for_update(of=("self",)).order_by("pk"))
    held = hold_connections(of_person)
    instances = {row.pk: [link.pk for link in linked if link.connection_id == row.pk] for row in held}
    instance_ids = set(chain.from_iterable(instances.values()))
    if erase:
        person_hash = login_fences.hash_of_person(login, user_id)
        _erase(held, instance_ids, person_hash)
        unfinished = UnfinishedErasure.objects.filter(person_hash=person_hash)
        transaction.on_commit(partial(finish_erasures, unfinished))
    else:
        Feed.objects.filter(instance_id__in=instance_ids, mode=Mode.CONNECTED.value).purge()
        transaction.on_commit(partial(links.forget, instance_ids))
        _withdraw_tokens(held, now)
    for row in held:
        audit.note(
            Action.DATA_DELETED if erase else Action.DEAUTHORISED,
            Outcome.DONE,
            workspace_id=row.workspace_id,
            instance_id=next(iter(instances[row.pk]), ""),
            actor=Actor(None, f"Meta ({login})"),
            at=now,
        )
    return len(held)


def _withdraw_tokens(rows: Iterable[Connection], now: datetime) -> None:
    Connection.objects.filter(pk__in=[row.pk for row in rows]).update(
        token=None,
        token_version=F("token_version") + 1,
        state=ConnectionState.DEAUTHORISED.value,
        cause="withdrawn at Meta",
        state_changed_at=now,
        next_renewal_at=None,
    )


def _erase(rows: Collection[Connection], instance_ids: set[str], person_hash: str) -> None:
    """Delete the locked connections, everything fetched with them, and everything that shows their accounts.

    What can be erased only after the commit is recorded for `finish_erasures`.
    """
    if not rows:
        return
    usernames = {row.username for row in rows}
    of_account = _shows(usernames)
    purged = Feed.objects.filter(Q(instance_id__in=instance_ids) | of_account).purge()
    transaction.on_commit(partial(links.forget, instance_ids))
    _erase_books(of_account & Q(instance_id__in=instance_ids))
    showing = instance_ids | {feed.instance_id for feed in purged}
    RefreshReceipt.objects.filter(instance_id__in=showing).delete()
    # Earlier releases wrote the account's name into these notes, and may run on during a deployment.
    AuditEvent.objects.filter(
        workspace_id__in={row.workspace_id for row in rows},
        action__in=[Action.CONNECTED, Action.DISCONNECTED],
        note__startswith="@",
    ).update(note="")
    Connection.objects.filter(pk__in=[row.pk for row in rows]).delete()
    # Widgets are locked before connections, so they can't be changed in this transaction.
    UnfinishedErasure.objects.create(
        person_hash=person_hash,
        account_ids=sorted({row.account_id for row in rows}),
        usernames=sorted(usernames),
        instance_ids=sorted(instance_ids),
    )


def _shows(usernames: Iterable[str]) -> Q:
    return Q(source_type=SourceType.PROFILE.value, source_value__in=usernames)


def _erase_books(of_widgets: Q) -> None:
    QuotaWindow.objects.filter(of_widgets).delete()
    ForcedRefresh.objects.filter(of_widgets).update(source_value="")


def finish_erasures(unfinished: QuerySet[UnfinishedErasure]) -> None:
    """Erase what is left after the commits of these deletions. Tries all, then raises the first error. Idempotent."""
    faults: list[Exception] = []
    for row in unfinished.order_by("pk"):
        found = [fault for step in _last_steps(row) if (fault := _fault_of(step))]
        if not found:
            row.delete()
        faults += found
    if faults:
        raise faults[0]


def _last_steps(row: UnfinishedErasure) -> Iterator[Callable[[], object]]:
    for account_id in row.account_ids:
        yield partial(_erase_ledger, account_id)
    for instance_id in row.instance_ids:
        yield partial(_clear_widget, instance_id, frozenset(row.usernames))


def _fault_of(step: Callable[[], object]) -> Exception | None:
    try:
        step()
    except Exception as fault:  # noqa: BLE001 - the other steps must be made
        logger.error("a deletion isn't finished, and is tried again: %s", type(fault).__name__)
        return fault
    return None


def _clear_widget(instance_id: str, usernames: frozenset[str]) -> None:
    account_erased.send(Connection, instance_id=instance_id, usernames=usernames)
    # A reader in public mode may have fetched the posts again before the widget lost its source.
    of_widget = _shows(usernames) & Q(instance_id=instance_id)
    Feed.objects.filter(of_widget).purge()
    _erase_books(of_widget)


def _erase_ledger(account_id: str) -> None:
    """Delete the account's hashtag searches if no connection uses the account any more."""
    # Runs after the commit, and records the erasure first: `hashtags` looks for the record after each entry it adds, so
    # nothing is left whichever comes last.
    if not Connection.objects.filter(account_id=account_id).exists():
        login_fences.note_erased_account(account_id)
        hashtags.erase(account_id)
