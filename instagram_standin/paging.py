"""Cursors and pages. A cursor is a position in disguise; a page is a slice with the cursors around it.

Meta documents no maximum for `limit` and caps some edges silently; here it is 100.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
_PLAIN = re.compile(rb"AQHR([0-9]{7})([0-9]{4})")


def encode_cursor(offset: int, lap: int = 0) -> str:
    """`lap` tells cursors of one position apart. Multiples of three bytes need no padding, as Meta's have none."""
    return base64.urlsafe_b64encode(b"AQHR%07d%04d" % (offset, lap)).decode()


def decode_cursor(text: str) -> tuple[int, int]:
    """Offset and lap. Raises ValueError for what never was a cursor."""
    try:
        found = _PLAIN.fullmatch(base64.b64decode(text, altchars=b"-_", validate=True))
    except binascii.Error:
        found = None
    if found is None:
        raise ValueError("not a cursor")
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """`before` and `after`: the cursors of its two ends."""

    rows: Sequence[Item]
    before: str
    after: str
    is_last: bool


def page_of(posts: Sequence[Item], limit: int, after: str | None) -> Page[Item]:
    """Raises ValueError for a limit below one and for a bad cursor."""
    if limit < 1:
        raise ValueError("limit")
    start = decode_cursor(after)[0] if after else 0
    end = start + min(limit, MAX_LIMIT)
    return Page(posts[start:end], encode_cursor(start), encode_cursor(end), is_last=end >= len(posts))
