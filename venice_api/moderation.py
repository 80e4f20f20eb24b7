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

from foundation.changes_forms import changed_meanwhile
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
    """What an act changed. When posts were pinned or unpinned: all pinned posts before and after, in order."""

    act: Act
    post_ids: tuple[str, ...]
    pins_before: tuple[str, ...] = ()
    pins_after: tuple[str, ...] = ()


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
        if name != "pinned_post_ids":
            return Change(act, tuple(changed))
        return Change(act, tuple(changed), tuple(before), tuple(after))


def set_pins(instance_id: str, post_ids: Sequence[str], *, shown: Sequence[str]) -> None:
    """Pin exactly these posts, in this order, instead of those in `shown`.

    Raises InvalidInput for more than MAX_PINNED, and when other posts than `shown` are pinned meanwhile.
    """
    wanted = list(dict.fromkeys(post_ids))
    if len(wanted) > MAX_PINNED:
        raise InvalidInput("posts", f"At most {MAX_PINNED} posts can be pinned.")
    with _locked(instance_id) as row:
        if row.pinned_post_ids not in (list(shown), wanted):
            raise InvalidInput(
                "posts", "The pinned posts have been changed meanwhile, so this can't be undone."
            )
        _save(row, pinned_post_ids=wanted)


@dataclass(frozen=True, slots=True)
class Words:
    """The words and tags that captions must contain one of, and those they may not contain (see `parse_words`)."""

    required: Sequence[str] = ()
    excluded: Sequence[str] = ()


def set_words(instance_id: str, words: Words, *, shown: Words | None = None) -> tuple[Words, Words]:
    """Filter by words and tags of captions. Returns the former words and the new ones.

    `shown`: the words that the page showed. A list that wasn't changed there isn't changed here. Raises InvalidInput
    when somebody else has changed it meanwhile.
    """
    with _locked(instance_id) as row:
        before = Words(row.required_words, row.excluded_words)
        required, excluded = list(words.required), list(words.excluded)
        if shown is not None:
            required = _merged("required", required, list(shown.required), row.required_words)
            excluded = _merged("excluded", excluded, list(shown.excluded), row.excluded_words)
        _save(row, required_words=required, excluded_words=excluded)
        return before, Words(required, excluded)


def _merged(field: str, wanted: list[str], shown: list[str], now: list[str]) -> list[str]:
    if wanted == shown:
        return now
    if now not in (shown, wanted):
        raise InvalidInput(field, changed_meanwhile(", ".join(now)))
    return wanted


def set_approval(instance_id: str, *, needed: bool, approving: Iterable[str] = ()) -> bool:
    """Whether posts need approval. `approving`: approved with the change. Returns the former setting."""
    with _locked(instance_id) as row:
        before = row.needs_approval
        approved = list(dict.fromkeys([*row.approved_post_ids, *approving]))[-MAX_APPROVED:]
        _save(row, needs_approval=needed, approved_post_ids=approved)
        return before


def set_alt_text(instance_id: str, post_id: str, text: str, *, shown: str | None = None) -> tuple[str, str]:
    """Describe a post for people who don't see it; "" restores the text that came with it.

    Returns the former text and the new one. `shown`: the text that the page showed. Raises InvalidInput for a text that
    is too long, and when somebody else has changed it meanwhile.
    """
    text = text.strip()
    if text:
        clean_text("altText", text.replace("\r\n", " ").replace("\n", " "), limit=MAX_ALT_TEXT_LENGTH)
    text = " ".join(text.split())
    with _locked(instance_id) as row:
        before: str = row.alt_texts.get(post_id, "")
        if shown is not None and before not in (shown, text):
            raise InvalidInput("altText", changed_meanwhile(before))
        others = {known: words for known, words in row.alt_texts.items() if known != post_id}
        if text and len(others) >= MAX_ALT_TEXTS:
            del others[next(iter(others))]
        _save(row, alt_texts=others | ({post_id: text} if text else {}))
        return before, text


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
