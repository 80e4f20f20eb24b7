"""Hashtags: Meta's number for each, and the count of the 30 that an account may search in 7 days.

Searches are counted per Instagram account, over all workspaces, and checked before each call.
Source: "Hashtag search" (2024-01-26).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from paris_integration import registry
from paris_integration.clock import CLOCK_TOLERANCE
from paris_integration.connections import login_fences
from paris_integration.errors import HashtagQuotaExhausted, SourceNotFound
from paris_integration.models import (
    Connection,
    HashtagAccount,
    HashtagNumber,
    HashtagRefusal,
    HashtagSearch,
)
from paris_integration.providers.deadlines import Deadline
from paris_integration.types import Secret

TAGS_AT_ONCE = 30
WINDOW = timedelta(days=7)
UNAVAILABLE_FOR = timedelta(days=1)
NO_SUCH_TAG = 24  # Meta's code
FOREIGN = "id:"  # prefix for a tag known only by its number: another app searched it with this account


def number_of(
    tag: str, *, account_id: str, token: Secret, now: datetime, deadline: Deadline | None = None
) -> str:
    """Meta's number for the tag. Counts the search.

    Raises HashtagQuotaExhausted, without a call, when the account has searched 30 tags; SourceNotFound for an unknown
    or blocked tag (remembered for a day); and other ProviderErrors.
    """
    known = HashtagNumber.objects.filter(tag=tag).first()
    if _is_unavailable(tag, known, account_id, now):
        raise SourceNotFound("tag known to be unavailable")
    # An entry from the future was written by a wrong clock. Its real time is unknown, so its seven days begin now.
    HashtagSearch.objects.filter(account_id=account_id, first_at__gt=now + CLOCK_TOLERANCE).update(
        first_at=now
    )
    # Counted before the call: Meta's own refusal is unreliable, and a crash after the call would lose the count.
    _enter(account_id, tag, now)
    _forget_if_erased(account_id)
    if known is not None and known.number:
        return known.number
    try:
        number = registry.provider().find_hashtag_id(account_id, tag, token, deadline=deadline)
    except SourceNotFound as refusal:
        # A tag that Meta refuses takes none of the 30.
        HashtagSearch.objects.filter(account_id=account_id, tag=tag).delete()
        _remember(refusal, tag, account_id, now)
        _forget_if_erased(account_id)
        raise
    HashtagNumber.objects.update_or_create(tag=tag, defaults={"number": number, "unavailable_until": None})
    return number


def searched(account_id: str, *, now: datetime) -> int:
    """How many different tags the account has searched in the last 7 days."""
    return HashtagSearch.objects.filter(account_id=account_id, first_at__gt=now - WINDOW).count()


def reconcile(account_id: str, token: Secret, *, now: datetime) -> int:
    """Add the searches that Meta counts and we don't: other apps may use the same account. Returns how many."""
    numbers = registry.provider().recently_searched(account_id, token)
    known = HashtagNumber.objects.filter(number__in=numbers)
    tags = dict(known.values_list("number", "tag"))
    entered = 0
    for number in numbers:
        tag = tags.get(number, f"{FOREIGN}{number}")
        _, is_new = HashtagSearch.objects.get_or_create(
            account_id=account_id, tag=tag, defaults={"first_at": now}
        )
        entered += is_new
    _forget_if_erased(account_id)
    return entered


def erase(account_id: str) -> None:
    """Delete everything recorded about the account's searches."""
    for model in (HashtagSearch, HashtagRefusal, HashtagAccount):
        model._default_manager.filter(account_id=account_id).delete()


def _is_unavailable(tag: str, known: HashtagNumber | None, account_id: str, now: datetime) -> bool:
    """Whether Meta refused the tag within the last day, to this account or to everyone."""
    latest = now + UNAVAILABLE_FOR  # a later time was stored by a wrong clock
    if known is not None and known.unavailable_until is not None and now < known.unavailable_until <= latest:
        return True
    refusals = HashtagRefusal.objects.filter(account_id=account_id, tag=tag)
    return refusals.filter(until__gt=now, until__lte=latest).exists()


def _remember(refusal: SourceNotFound, tag: str, account_id: str, now: datetime) -> None:
    """Remember the refusal for a day: for all accounts, or for this one only."""
    until = now + UNAVAILABLE_FOR
    # Code 24 means unknown or blocked, and tags are the same for everyone ("Hashtag search", 2024-01-26). Code 100 has
    # many causes, and Meta also returns an empty list when a permission is missing.
    if refusal.code == NO_SUCH_TAG:
        HashtagNumber.objects.update_or_create(tag=tag, defaults={"number": "", "unavailable_until": until})
    else:
        HashtagRefusal.objects.update_or_create(account_id=account_id, tag=tag, defaults={"until": until})


@transaction.atomic
def _enter(account_id: str, tag: str, now: datetime) -> None:
    # The lock keeps two workers from counting 29 each and both adding a tag.
    HashtagAccount.objects.select_for_update().get_or_create(account_id=account_id)
    current = HashtagSearch.objects.filter(account_id=account_id)
    current.filter(first_at__lte=now - WINDOW).delete()
    if current.filter(tag=tag).exists():
        return
    if current.count() >= TAGS_AT_ONCE:
        oldest = current.order_by("first_at").values_list("first_at", flat=True)[0]
        exhausted = HashtagQuotaExhausted("30 tags in 7 days")
        exhausted.retry_after_seconds = (oldest + WINDOW - now).total_seconds()
        raise exhausted
    HashtagSearch.objects.create(account_id=account_id, tag=tag, first_at=now)


def _forget_if_erased(account_id: str) -> None:
    """Delete the new entry if the account was erased while the caller still held its token."""
    erased = login_fences.is_erased_account(account_id)
    if erased and not Connection.objects.filter(account_id=account_id).exists():
        erase(account_id)
