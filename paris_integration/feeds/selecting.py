"""Which posts of a feed a reader gets, and with which alternative texts. Pure functions.

The order of the steps: approval, words, hidden posts, the kind, pinned posts to the front, and then the number. No
answer of any kind contains a post that one of them leaves out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import msgspec

from paris_integration.types import EncodedPost, LeftOut, Selection, WordRules

# Scripts that are written without spaces between words: Thai to Khmer, kana and Chinese characters.
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_IS_WORD = re.compile(r"\w")


def select(posts: Iterable[EncodedPost], selection: Selection) -> tuple[EncodedPost, ...]:
    """The selected posts, in the order in which readers see them."""
    shown = [post for post in posts if why_left_out(post, selection) is None]
    if selection.pinned_ids:
        place = {post_id: number for number, post_id in enumerate(selection.pinned_ids)}
        shown.sort(key=lambda post: place.get(post.id, len(place)))  # stable: the others stay newest first
    return tuple(_with_alt_text(post, selection) for post in islice(shown, selection.max_posts))


def why_left_out(post: EncodedPost, selection: Selection) -> LeftOut | None:
    """The first reason why the post isn't shown, whatever the number of posts. None if it is."""
    if selection.approved_ids is not None and post.id not in selection.approved_ids:
        return LeftOut.UNAPPROVED
    if not matches_words(post, selection.words):
        return LeftOut.WORDS
    if post.id in selection.hidden_ids:
        return LeftOut.HIDDEN
    if selection.filter_kind not in (None, post.filter_kind):
        return LeftOut.KIND
    return None


def matches_words(post: EncodedPost, words: WordRules) -> bool:
    """Whether the caption has one of the required words or tags, if there are any, and none of the excluded ones.

    Whole words, in any case. A tag matches only as a tag; a word also matches the tag of the same name.
    """
    if not words.required and not words.excluded:
        return True
    caption = _folded(_caption_decoder.decode(post.json).caption)
    required, excluded = _pattern(words.required), _pattern(words.excluded)
    return (required is None or bool(required.search(caption))) and not (
        excluded is not None and excluded.search(caption)
    )


def may_reach_far(selection: Selection) -> bool:
    """Whether the selected posts may come from anywhere in the feed, not only from its newest posts."""
    return (
        selection.approved_ids is not None
        or bool(selection.pinned_ids)
        or bool(selection.words.required or selection.words.excluded)
    )


class _Captioned(msgspec.Struct):
    caption: str = ""


_caption_decoder = msgspec.json.Decoder(_Captioned)


def _with_alt_text(post: EncodedPost, selection: Selection) -> EncodedPost:
    words = selection.alt_texts.get(post.id)
    if not words:
        return post
    external = json.loads(post.json) | {"altText": words}
    return replace(post, json=json.dumps(external, ensure_ascii=False, separators=(",", ":")))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=1024)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """A pattern that finds one of the words in a folded text; None without words."""
    return re.compile("|".join(map(_pattern_of, words))) if words else None


def _pattern_of(word: str) -> str:
    word = " ".join(_folded(word).split())
    pattern = re.escape(word).replace(r"\ ", r"\s+")
    if _WITHOUT_SPACES.search(word):
        return pattern
    before = r"(?<!\w)" if _IS_WORD.match(word[:1]) else ""
    after = r"(?!\w)" if _IS_WORD.match(word[-1:]) else ""
    return f"{before}{pattern}{after}"
