"""Finding instances: the plain value a request needs, remembered, and forgotten when the row changes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from foundation.cache import StoreAway, forget, remember
from paris_integration.public import (
    FeedKey,
    FilterKind,
    Selection,
    Source,
    SourceType,
    StoreUnavailable,
    account_erased,
    retire_other_sources,
)
from venice_api.inputs import FilterChoice, parse_filter
from venice_api.models import WidgetInstance


@dataclass(frozen=True, slots=True)
class Instance:
    """A widget's configuration as requests need it."""

    instance_id: str
    workspace_id: str
    source_type: str
    source_value: str
    max_posts: int
    filter_type: str
    hidden_post_ids: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    token_version: int

    @property
    def source(self) -> Source:
        return Source(SourceType(self.source_type), self.source_value)

    def feed_key(self, source: Source | None = None) -> FeedKey:
        return FeedKey(UUID(self.workspace_id), self.instance_id, source or self.source)

    def selection(self, max_posts: int | None = None, chosen: FilterChoice | None = None) -> Selection:
        """What the reader asked for, completed from the configuration."""
        kind: FilterKind | None = parse_filter(self.filter_type) if chosen is None else chosen.kind
        return Selection(max_posts or self.max_posts, kind, frozenset(self.hidden_post_ids))


def find_instance(instance_id: str) -> Instance | None:
    """The instance, None when there is none. Raises StoreUnavailable when nobody can tell."""
    try:
        return remember(
            _cache_key(instance_id), lambda: load_instance(instance_id), encode=_encode, decode=_decode
        )
    except StoreAway as error:
        raise StoreUnavailable("the database is away") from error


def load_instance(instance_id: str) -> Instance | None:
    row = WidgetInstance.objects.filter(pk=instance_id).first()
    return from_row(row) if row else None


def from_row(row: WidgetInstance) -> Instance:
    return Instance(
        instance_id=row.pk,
        workspace_id=str(row.workspace_id),
        source_type=row.source_type,
        source_value=row.source_value,
        max_posts=row.max_posts,
        filter_type=row.filter_type,
        hidden_post_ids=tuple(row.hidden_post_ids),
        allowed_origins=tuple(row.allowed_origins),
        token_version=row.token_version,
    )


MAX_HIDDEN = 1_000


@transaction.atomic
def set_hidden(instance_id: str, post_id: str, *, hidden: bool) -> None:
    """Hide a post of the instance, or show it again; beyond MAX_HIDDEN the oldest hidden ones are shown again."""
    row = WidgetInstance.objects.select_for_update().get(pk=instance_id)
    others = [known for known in row.hidden_post_ids if known != post_id]
    row.hidden_post_ids = ([*others, post_id] if hidden else others)[-MAX_HIDDEN:]
    row.save(update_fields=["hidden_post_ids", "updated_at"])


def rotate_embed_token(instance_id: str) -> int | None:
    """Revoke the instance's embed token; the new version, None when there is no such instance."""
    with transaction.atomic():
        rotated = WidgetInstance.objects.filter(pk=instance_id).update(token_version=F("token_version") + 1)
        if not rotated:
            return None
        version = WidgetInstance.objects.values_list("token_version", flat=True).get(pk=instance_id)
        transaction.on_commit(lambda: forget(_cache_key(instance_id)))
    return version


@receiver([post_save, post_delete], sender=WidgetInstance, dispatch_uid="venice.forget_instance")
def _forget_instance(instance: WidgetInstance, **_: Any) -> None:
    transaction.on_commit(lambda: forget(_cache_key(instance.pk)))


@receiver(post_save, sender=WidgetInstance, dispatch_uid="venice.retire_other_sources")
def _retire_other_sources(instance: WidgetInstance, created: bool, **_: Any) -> None:
    if not created:
        retire_other_sources(from_row(instance).feed_key())


@receiver(account_erased, dispatch_uid="venice.forget_hidden_posts")
def _forget_hidden_posts(instance_ids: Collection[str], usernames: Collection[str], **_: Any) -> None:
    """Ids of an erased account's posts are the account's data, too."""
    rows = WidgetInstance.objects.filter(
        pk__in=instance_ids, source_type=SourceType.PROFILE.value, source_value__in=usernames
    ).exclude(hidden_post_ids=[])
    for row in rows:
        row.hidden_post_ids = []
        row.save(update_fields=["hidden_post_ids", "updated_at"])


def _cache_key(instance_id: str) -> str:
    # An id from a request may hold anything; keys of a cache may not.
    return f"venice:instance:v1:{instance_id.encode().hex()}"


def _encode(instance: Instance | None) -> object:
    return asdict(instance) if instance else None


def _decode(value: Any) -> Instance | None:
    if value is None:
        return None
    hidden, origins = tuple(value.pop("hidden_post_ids")), tuple(value.pop("allowed_origins"))
    return Instance(**value, hidden_post_ids=hidden, allowed_origins=origins)
