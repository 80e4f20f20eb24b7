"""What editors change about a widget's posts: hide, pin and approve them, filter them by words, and describe them.

Each function changes the row while it is locked, and returns a Change for the message and its undo button. Undoing
restores the former value of what was changed, and leaves changes that others made meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction

from venice_api.models import WidgetInstance
from venice_api.values import InvalidInput, clean_text

MAX_PINNED = 12
MAX_HIDDEN = 1_000
MAX_APPROVED = 1_000
MAX_WORDS = 50
MAX_WORD_LENGTH = 100
MAX_ALT_TEXTS = 500
MAX_ALT_TEXT_LENGTH = 1_000


class Act(StrEnum):
    """What can be done to one or more posts."""

    HIDE = "hide"
    SHOW = "show"
    PIN = "pin"  # to the front, before other pinned posts
    UNPIN = "unpin"
    APPROVE = "approve"
    WITHDRAW = "withdraw"  # the approval


@dataclass(frozen=True, slots=True)
class Change:
    """What an act changed. `pins_before`: the pinned posts, in order, before posts were pinned or unpinned."""

    act: Act
    post_ids: tuple[str, ...]
    pins_before: tuple[str, ...] = ()


def moderate(instance_id: str, act: Act, post_ids: Sequence[str]) -> Change:
    """Do the act on posts. Posts that are in the wanted state already aren't changed.

    Beyond MAX_HIDDEN and MAX_APPROVED, the posts marked first lose their mark. Raises InvalidInput when more than
    MAX_PINNED posts would be pinned.
    """
    with _locked(instance_id) as row:
        name, is_added, limit = _LISTS[act]
        before: list[str] = getattr(row, name)
        if is_added:
            changed = [each for each in dict.fromkeys(post_ids) if each not in before or act is Act.PIN]
        else:
            changed = [each for each in dict.fromkeys(post_ids) if each in before]
        others = [each for each in before if each not in changed]
        if act is Act.PIN:
            after = [*changed, *others]
            if len(after) > MAX_PINNED:
                raise InvalidInput("posts", f"At most {MAX_PINNED} posts can be pinned. Unpin one first.")
        else:
            after = [*others, *changed][-limit:] if is_added else others
        _save(row, **{name: after})
        return Change(act, tuple(changed), tuple(before) if name == "pinned_post_ids" else ())


def set_pins(instance_id: str, post_ids: Sequence[str]) -> None:
    """Pin exactly these posts, in this order. Raises InvalidInput for more than MAX_PINNED."""
    wanted = list(dict.fromkeys(post_ids))
    if len(wanted) > MAX_PINNED:
        raise InvalidInput("posts", f"At most {MAX_PINNED} posts can be pinned.")
    with _locked(instance_id) as row:
        _save(row, pinned_post_ids=wanted)


def set_words(
    instance_id: str, required: Sequence[str], excluded: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Filter by words and tags of captions (see `parse_words`). Returns the former lists."""
    with _locked(instance_id) as row:
        before = (row.required_words, row.excluded_words)
        _save(row, required_words=list(required), excluded_words=list(excluded))
        return before


def set_approval(instance_id: str, *, needed: bool, approving: Iterable[str] = ()) -> bool:
    """Whether posts need approval. `approving`: approved with the change. Returns the former setting."""
    with _locked(instance_id) as row:
        before = row.needs_approval
        approved = list(dict.fromkeys([*row.approved_post_ids, *approving]))[-MAX_APPROVED:]
        _save(row, needs_approval=needed, approved_post_ids=approved)
        return before


def set_alt_text(instance_id: str, post_id: str, text: str) -> str:
    """Describe a post for people who don't see it; "" restores the text that came with it. Returns the former text."""
    text = text.strip()
    if text:
        clean_text("altText", text.replace("\r\n", " ").replace("\n", " "), limit=MAX_ALT_TEXT_LENGTH)
    with _locked(instance_id) as row:
        before: str = row.alt_texts.get(post_id, "")
        others = {known: words for known, words in row.alt_texts.items() if known != post_id}
        if text and len(others) >= MAX_ALT_TEXTS:
            del others[next(iter(others))]
        _save(row, alt_texts=others | ({post_id: " ".join(text.split())} if text else {}))
        return before


def parse_words(field: str, text: str) -> list[str]:
    """Words, phrases and tags, separated by commas or lines. Raises InvalidInput."""
    found = []
    for part in text.replace("\r", "\n").replace(",", "\n").split("\n"):
        word = " ".join(part.split())
        if not word or word == "#":
            continue
        found.append(clean_text(field, word, limit=MAX_WORD_LENGTH))
    words = list({word.casefold(): word for word in reversed(found)}.values())[::-1]
    if len(words) > MAX_WORDS:
        raise InvalidInput(field, f"Enter at most {MAX_WORDS} words.")
    return words


@contextmanager
def _locked(instance_id: str) -> Iterator[WidgetInstance]:
    """The row, locked until the block ends. Raises WidgetInstance.DoesNotExist."""
    with transaction.atomic():
        yield WidgetInstance.objects.select_for_update().get(pk=instance_id)


def _save(row: WidgetInstance, **values: object) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values, "updated_at"])


_LISTS: dict[Act, tuple[str, bool, int]] = {
    Act.HIDE: ("hidden_post_ids", True, MAX_HIDDEN),
    Act.SHOW: ("hidden_post_ids", False, MAX_HIDDEN),
    Act.PIN: ("pinned_post_ids", True, MAX_PINNED),
    Act.UNPIN: ("pinned_post_ids", False, MAX_PINNED),
    Act.APPROVE: ("approved_post_ids", True, MAX_APPROVED),
    Act.WITHDRAW: ("approved_post_ids", False, MAX_APPROVED),
}
