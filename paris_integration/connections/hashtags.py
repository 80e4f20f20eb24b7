"""Tags: their numbers, known for ever, and the ledger of the 30 that an account may search in 7 days.

The ledger is per Instagram account, over all workspaces, and asked *before* a call: Meta's own refusal is unreliable,
and every further tag would be refused, too. Source: "Hashtag search" (2024-01-26).
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
from paris_integration.types import Secret

TAGS_AT_ONCE = 30
WINDOW = timedelta(days=7)
UNAVAILABLE_FOR = timedelta(days=1)
NO_SUCH_TAG = 24  # Meta's code
FOREIGN = "id:"  # before the number of a tag that somebody else searched with this account


def number_of(tag: str, *, account_id: str, token: Secret, now: datetime) -> str:
    """Meta's number for the tag, the account's search of it entered in the ledger.

    Raises HashtagQuotaExhausted without a call when the account's 30 tags are used up, SourceNotFound for a tag that
    does not exist or is blocked (remembered for a day), and ProviderError and its kin.
    """
    known = HashtagNumber.objects.filter(tag=tag).first()
    if _is_unavailable(tag, known, account_id, now):
        raise SourceNotFound("tag known to be unavailable")
    # A search that a clock ahead has entered: when it was is not known, so that its seven days begin now.
    HashtagSearch.objects.filter(account_id=account_id, first_at__gt=now + CLOCK_TOLERANCE).update(
        first_at=now
    )
    _enter(account_id, tag, now)
    _forget_if_erased(account_id)
    if known is not None and known.number:
        return known.number
    try:
        number = registry.provider().find_hashtag_id(account_id, tag, token)
    except SourceNotFound as refusal:
        HashtagSearch.objects.filter(account_id=account_id, tag=tag).delete()
        _remember(refusal, tag, account_id, now)
        _forget_if_erased(account_id)
        raise
    HashtagNumber.objects.update_or_create(tag=tag, defaults={"number": number, "unavailable_until": None})
    return number


def searched(account_id: str, *, now: datetime) -> int:
    """How many different tags the account has searched within the window."""
    return HashtagSearch.objects.filter(account_id=account_id, first_at__gt=now - WINDOW).count()


def reconcile(account_id: str, token: Secret, *, now: datetime) -> int:
    """Enter what Meta counts and we do not, as other apps search with the same account; how many tags."""
    tags = {number.number: number.tag for number in HashtagNumber.objects.exclude(number="")}
    entered = 0
    for number in registry.provider().recently_searched(account_id, token):
        tag = tags.get(number, f"{FOREIGN}{number}")
        _, is_new = HashtagSearch.objects.get_or_create(
            account_id=account_id, tag=tag, defaults={"first_at": now}
        )
        entered += is_new
    _forget_if_erased(account_id)
    return entered


def erase(account_id: str) -> None:
    """Erase all that is noted of the account's searches."""
    for model in (HashtagSearch, HashtagRefusal, HashtagAccount):
        model._default_manager.filter(account_id=account_id).delete()


def _is_unavailable(tag: str, known: HashtagNumber | None, account_id: str, now: datetime) -> bool:
    """Whether the tag was refused within a day. A time further ahead was stored by a wrong clock."""
    latest = now + UNAVAILABLE_FOR
    if known is not None and known.unavailable_until is not None and now < known.unavailable_until <= latest:
        return True
    refusals = HashtagRefusal.objects.filter(account_id=account_id, tag=tag)
    return refusals.filter(until__gt=now, until__lte=latest).exists()


def _remember(refusal: SourceNotFound, tag: str, account_id: str, now: datetime) -> None:
    """Code 24 says that the tag is unknown or blocked, for all accounts; anything else may concern this one alone.

    Tags are the same for everyone ("Hashtag search", 2024-01-26), but code 100 has many causes, and an empty list is
    also Meta's answer where a right is missing.
    """
    until = now + UNAVAILABLE_FOR
    if refusal.code == NO_SUCH_TAG:
        HashtagNumber.objects.update_or_create(tag=tag, defaults={"number": "", "unavailable_until": until})
    else:
        HashtagRefusal.objects.update_or_create(account_id=account_id, tag=tag, defaults={"until": until})


@transaction.atomic
def _enter(account_id: str, tag: str, now: datetime) -> None:
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
    """Take the entry back when the account was erased while the caller still held its token."""
    erased = login_fences.is_erased_account(account_id)
    if erased and not Connection.objects.filter(account_id=account_id).exists():
        erase(account_id)
