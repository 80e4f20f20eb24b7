"""Holding and deleting feeds, against flights that land and units that are charged at the same moment."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from paris_integration.models import Feed


def hold(feeds: QuerySet[Feed]) -> list[Feed]:
    """The feeds, without their posts, held in the order of their keys until the transaction ends."""
    return list(feeds.defer("posts_encoded", "profile").select_for_update().order_by("pk"))


@transaction.atomic
def delete(feeds: QuerySet[Feed]) -> list[Feed]:
    """Delete the feeds and return them, so that their copies can be forgotten after the commit.

    They are held first. Deleting alone would take the ledger's rows before the feed's, and miss a line that is opened
    between the two. A feed that comes meanwhile stays.
    """
    held = hold(feeds)
    Feed.objects.filter(pk__in=[feed.pk for feed in held]).delete()
    return held
