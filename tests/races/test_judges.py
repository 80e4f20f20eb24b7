"""The judge of the races of forced refreshes convicts wrong books, each by its own words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.races.forced_refresh import Verdict

RIGHT = Verdict(
    cap=3,
    answers=Counter({"200": 3, "409 QUOTA_EXCEEDED": 7}),
    provider_calls=3,
    used=3,
    lines=Counter(succeeded=3),
    events=Counter(done=3, refused=7),
    open_after_wait=0,
    seconds=1.0,
)
# A process was killed in its call: one answer is lost, one line in doubt.
KILLED = replace(
    RIGHT,
    answers=Counter({"200": 2, "409 QUOTA_EXCEEDED": 7, "lost": 1}),
    lines=Counter(succeeded=2, in_doubt=1),
    events=Counter(done=2, refused=7, in_doubt=1),
    kills=1,
)


def test_right_books_are_not_convicted() -> None:
    assert RIGHT.complaints(with_kills=False) == []
    assert KILLED.complaints(with_kills=True) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cap": 2}, "more units kept than the cap"),
        ({"used": 2}, "window and ledger disagree"),
        ({"open_after_wait": 1}, "lines left open"),
        ({"provider_calls": 4}, "a call without a unit"),
        ({"provider_calls": 1}, "a success without a call"),
        ({"lines": Counter(in_doubt=3)}, "nothing succeeded"),
        ({"answers": Counter({"200": 3, "500": 1})}, "unexpected answers"),
        ({"kills": 0}, "more units in doubt than kills"),
        ({"events": Counter(done=1, refused=7, in_doubt=1)}, "successes without an audit event"),
        ({"events": Counter(done=2, refused=6, in_doubt=1)}, "refusals without an audit event"),
        ({"events": Counter(done=2, refused=7)}, "lines in doubt without an audit event"),
        ({"events": Counter(done=4, refused=7, in_doubt=1)}, "events without a request"),
    ],
)
def test_wrong_books_are_convicted(changes: dict[str, Any], complaint: str) -> None:
    assert complaint in replace(KILLED, **changes).complaints(with_kills=True)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"provider_calls": 2}, "provider calls and ledger disagree"),
        ({"lines": Counter(succeeded=2, in_doubt=1)}, "units in doubt"),
        ({"answers": Counter({"200": 3, "lost": 1})}, "answers lost"),
        ({"events": Counter(done=4, refused=7)}, "successes answered and audited differ"),
        ({"events": Counter(done=3, refused=6)}, "refusals answered and audited differ"),
    ],
)
def test_without_kills_the_books_agree_exactly(changes: dict[str, Any], complaint: str) -> None:
    assert complaint in replace(RIGHT, **changes).complaints(with_kills=False)
