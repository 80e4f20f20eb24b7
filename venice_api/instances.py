"""Instances: a cached value for requests, dropped from the cache when the row changes; and the signals of a save."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone

from foundation.cache import StoreAway, forget, remember
from paris_integration import public as paris
from paris_integration.public import FeedKey, FilterKind, Selection, Source, SourceType, StoreUnavailable
from venice_api.acting import current_actor
from venice_api.models import WidgetInstance
from venice_api.values import FilterChoice, parse_filter


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
    video_notice: bool = True  # with a default, so that copies cached by the previous release stay readable

    @property
    def source(self) -> Source:
        return Source(SourceType(self.source_type), self.source_value)

    def feed_key(self, source: Source | None = None) -> FeedKey:
        return FeedKey(UUID(self.workspace_id), self.instance_id, source or self.source)

    def selection(self, max_posts: int | None = None, chosen: FilterChoice | None = None) -> Selection:
        """What the reader asked for, completed from the widget's configuration."""
        kind: FilterKind | None = parse_filter(self.filter_type) if chosen is None else chosen.kind
        return Selection(max_posts or self.max_posts, kind, frozenset(self.hidden_post_ids))


def find_instance(instance_id: str) -> Instance | None:
    """The instance, or None. Raises StoreUnavailable when neither cache nor database can answer."""
    try:
        return remember(_cache_key(instance_id), lambda: load_instance(instance_id), Instance)
    except StoreAway as error:
        raise StoreUnavailable("the database is unavailable") from error


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
        video_notice=row.video_notice,
    )


MAX_HIDDEN = 1_000


@transaction.atomic
def set_hidden(instance_id: str, post_id: str, *, hidden: bool) -> None:
    """Hide a post of the instance, or show it again. Beyond MAX_HIDDEN, the posts hidden first are shown again."""
    row = WidgetInstance.objects.select_for_update().get(pk=instance_id)
    others = [known for known in row.hidden_post_ids if known != post_id]
    row.hidden_post_ids = ([*others, post_id] if hidden else others)[-MAX_HIDDEN:]
    row.save(update_fields=["hidden_post_ids", "updated_at"])


@transaction.atomic
def rotate_embed_token(instance_id: str, *, reason: str = "") -> int | None:
    """Revoke the instance's embed token. Returns the new version, or None if there is no such instance."""
    row = _hold(instance_id)
    if row is None:
        return None
    version = row.token_version + 1
    WidgetInstance.objects.filter(pk=instance_id).update(token_version=version)
    _note(paris.Action.TOKEN_ROTATED, row, reason)
    _forget_on_commit(instance_id)
    return version


# These run in the transaction of every save and every deletion.


@receiver(pre_save, sender=WidgetInstance, dispatch_uid="venice.hold_instance")
def _hold_saved(instance: WidgetInstance, raw: bool, **_: Any) -> None:
    instance._saved = None if raw or instance._state.adding else _hold(instance.pk)


@receiver(post_save, sender=WidgetInstance, dispatch_uid="venice.after_save")
def _after_save(instance: WidgetInstance, created: bool, raw: bool, **_: Any) -> None:
    _forget_on_commit(instance.pk)
    before, instance._saved = instance._saved, None
    if created and not raw:
        _note(paris.Action.WIDGET_CREATED, instance)
    if before is None:
        return
    after = WidgetInstance.objects.get(pk=instance.pk)  # `instance` may have unsaved fields
    if after.workspace_id != before.workspace_id:
        _move(before, to=after.workspace_id)
    paris.retire_other_sources(from_row(after).feed_key())
    for action, detail in _changes(before, after):
        _note(action, after, detail)


@receiver(pre_delete, sender=WidgetInstance, dispatch_uid="venice.erase_instance")
def _erase(instance: WidgetInstance, **_: Any) -> None:
    row = _hold(instance.pk)
    if row is None:  # another request has just deleted it
        return
    paris.erase_instance(from_row(row).feed_key(), actor=current_actor(), now=timezone.now())
    _forget_on_commit(row.pk)


def _move(row: WidgetInstance, *, to: UUID) -> None:
    paris.move_instance(from_row(row).feed_key(), to=to, actor=current_actor(), now=timezone.now())


def _note(action: paris.Action, row: WidgetInstance, detail: str = "") -> None:
    key = from_row(row).feed_key()
    paris.note_act(action, key, actor=current_actor(), at=timezone.now(), detail=detail)


def _hold(instance_id: str) -> WidgetInstance | None:
    """The current row, locked until the transaction ends."""
    return WidgetInstance.objects.select_for_update().filter(pk=instance_id).first()


_SETTINGS = {
    "name": "name",
    "source_type": "source",
    "source_value": "source",
    "max_posts": "posts shown",
    "filter_type": "kinds of posts",
    "allowed_origins": "allowed sites",
    "video_notice": "video notice",
}


def _changes(before: WidgetInstance, after: WidgetInstance) -> Iterator[tuple[paris.Action, str]]:
    """The audit entries of a save. They name the changed settings, but no accounts or posts."""
    changed = {word for name, word in _SETTINGS.items() if getattr(before, name) != getattr(after, name)}
    if changed:
        yield paris.Action.SETTINGS_CHANGED, ", ".join(sorted(changed))
    hidden, were_hidden = set(after.hidden_post_ids), set(before.hidden_post_ids)
    for action, posts in (
        (paris.Action.POST_HIDDEN, hidden - were_hidden),
        (paris.Action.POST_SHOWN, were_hidden - hidden),
    ):
        if posts:
            yield action, f"{len(posts)} posts" if len(posts) > 1 else ""


def _forget_on_commit(instance_id: str) -> None:
    # Not row.pk: Django has cleared it by then if the row was deleted.
    transaction.on_commit(partial(forget, _cache_key(instance_id)))


@receiver(paris.account_erased, dispatch_uid="venice.forget_account")
def _forget_account(instance_ids: Collection[str], usernames: Collection[str], **_: Any) -> None:
    """Delete what widgets that show the account keep of it: its name as their source, and the ids of hidden posts.

    Without a source, a widget shows nothing until an editor chooses one. If it kept the source, public mode would load
    the posts again.
    """
    rows = WidgetInstance.objects.filter(
        pk__in=instance_ids, source_type=SourceType.PROFILE.value, source_value__in=usernames
    )
    for row in rows:
        row.source_value, row.hidden_post_ids = "", []
        row.save(update_fields=["source_value", "hidden_post_ids", "updated_at"])


def _cache_key(instance_id: str) -> str:
    # Hex, because an id from a request may contain characters that cache keys may not.
    return f"venice:instance:v1:{instance_id.encode().hex()}"
