"""Instances: a cached value for requests, dropped from the cache when the row changes; and the signals of a save."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone

from foundation.cache import StoreAway, forget, remember
from foundation.prepared import Prepared
from paris_integration import public as paris
from paris_integration.public import (
    FeedKey,
    FilterKind,
    Selection,
    Source,
    SourceType,
    StoreUnavailable,
    WordRules,
)
from venice_api.acting import current_actor
from venice_api.models import WidgetInstance
from venice_api.values import FilterChoice, parse_filter

_instances: Prepared[WidgetInstance] = Prepared(
    lambda instance_id: WidgetInstance.objects.filter(pk=instance_id), instance_id=str
)


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
    video_notice: bool = True
    appearance: dict[str, Any] = field(default_factory=dict)
    pinned_post_ids: tuple[str, ...] = ()
    required_words: tuple[str, ...] = ()
    excluded_words: tuple[str, ...] = ()
    approved_post_ids: tuple[str, ...] | None = None  # None: posts need no approval
    alt_texts: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        return Source(SourceType(self.source_type), self.source_value)

    def feed_key(self, source: Source | None = None) -> FeedKey:
        return FeedKey(UUID(self.workspace_id), self.instance_id, source or self.source)

    def selection(
        self,
        max_posts: int | None = None,
        chosen: FilterChoice | None = None,
        *,
        source: Source | None = None,
    ) -> Selection:
        """What the reader asked for, completed from the widget's configuration.

        `source`: the one that is read. Only posts of the saved one need approval: a member previews another one to see
        its posts.
        """
        kind: FilterKind | None = parse_filter(self.filter_type) if chosen is None else chosen.kind
        is_saved = source is None or source == self.source
        approved = self.approved_post_ids if is_saved else None
        return Selection(
            max_posts=max_posts or self.max_posts,
            filter_kind=kind,
            hidden_ids=frozenset(self.hidden_post_ids),
            approved_ids=None if approved is None else frozenset(approved),
            words=WordRules(self.required_words, self.excluded_words),
            pinned_ids=self.pinned_post_ids,
            alt_texts=self.alt_texts,
        )


def find_instance(instance_id: str) -> Instance | None:
    """The instance, or None. Raises StoreUnavailable when neither cache nor database can answer."""
    try:
        return remember(
            _cache_key(instance_id),
            lambda: load_instance(instance_id),
            Instance,
            # Otherwise a revoked token could work until the next check, 30 seconds later.
            is_outdated=lambda instance: load_instance(instance_id) != instance,
        )
    except StoreAway as error:
        raise StoreUnavailable("the database is unavailable") from error


def load_instance(instance_id: str) -> Instance | None:
    row = _instances.first(instance_id=instance_id)
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
        appearance=row.appearance,
        pinned_post_ids=tuple(row.pinned_post_ids),
        required_words=tuple(row.required_words),
        excluded_words=tuple(row.excluded_words),
        approved_post_ids=tuple(row.approved_post_ids) if needs_approval(row) else None,
        alt_texts=row.alt_texts,
    )


def needs_approval(row: WidgetInstance) -> bool:
    """Whether visitors see only approved posts. Profiles never need approval: all of their posts are by one account."""
    return bool(row.needs_approval) and row.source_type == SourceType.HASHTAG.value


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
    # The same transaction may delete more widgets of this workspace. Another one that holds one of them would wait for
    # connections that this one holds.
    siblings = WidgetInstance.objects.filter(Q(pk=instance.pk) | Q(workspace_id=instance.workspace_id))
    list(siblings.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
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
    "appearance": "looks",
    "required_words": "words",
    "excluded_words": "words",
    "needs_approval": "approval",
    "alt_texts": "alternative texts",
}
_MARKS = {
    "hidden_post_ids": (paris.Action.POST_HIDDEN, paris.Action.POST_SHOWN),
    "pinned_post_ids": (paris.Action.POST_PINNED, paris.Action.POST_UNPINNED),
    "approved_post_ids": (paris.Action.POST_APPROVED, paris.Action.APPROVAL_WITHDRAWN),
}


def _changes(before: WidgetInstance, after: WidgetInstance) -> Iterator[tuple[paris.Action, str]]:
    """The audit entries of a save. They name the changed settings, but no accounts or posts."""
    changed = {word for name, word in _SETTINGS.items() if getattr(before, name) != getattr(after, name)}
    if changed:
        yield paris.Action.SETTINGS_CHANGED, ", ".join(sorted(changed))
    for name, (added_as, removed_as) in _MARKS.items():
        marked, were_marked = set(getattr(after, name)), set(getattr(before, name))
        for action, posts in ((added_as, marked - were_marked), (removed_as, were_marked - marked)):
            if posts:
                yield action, f"{len(posts)} posts" if len(posts) > 1 else ""


def _forget_on_commit(instance_id: str) -> None:
    # Not row.pk: Django has cleared it by then if the row was deleted.
    transaction.on_commit(partial(forget, _cache_key(instance_id)))


@receiver(paris.account_erased, dispatch_uid="venice.forget_account")
@transaction.atomic
def _forget_account(instance_id: str, usernames: Collection[str], **_: Any) -> None:
    """Delete what a widget that shows the account keeps of it: its name as the source, and what it keeps of its posts.

    Without a source, a widget shows nothing until an editor chooses one. If it kept the source, public mode would load
    the posts again.
    """
    row = _hold(instance_id)
    if row is None or row.source_type != SourceType.PROFILE.value or row.source_value not in usernames:
        return
    row.source_value, row.alt_texts = "", {}
    row.hidden_post_ids, row.pinned_post_ids, row.approved_post_ids = [], [], []
    row.save(
        update_fields=[
            "source_value",
            "alt_texts",
            "hidden_post_ids",
            "pinned_post_ids",
            "approved_post_ids",
            "updated_at",
        ]
    )


def _cache_key(instance_id: str) -> str:
    # Hex, because an id from a request may contain characters that cache keys may not.
    return f"venice:instance:v2:{instance_id.encode().hex()}"
