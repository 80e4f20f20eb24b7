"""Pictures are copied behind a refresh, served by us, and removed when no feed shows them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from entitlements.changes import Actor as Staff
from entitlements.changes import set_override
from entitlements.models import Workspace
from paris_integration import tasks
from paris_integration.errors import StorageUnavailable
from paris_integration.feeds import pictures
from paris_integration.media import copying, storage, sweeping
from paris_integration.models import Feed, Picture, PictureStore, PictureUse
from paris_integration.public import (
    Actor,
    FeedKey,
    FilterKind,
    Selection,
    Warning,
    erase_instance,
    picture_status,
    purge,
    read_feed,
    refresh_due_now,
)
from tests.fakes import FakeProvider, RecordingDispatcher, media, video
from tests.pictures import FakePictureHost, files_in, jpeg

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
JITTERED_HOUR = HOUR * 1.1 + timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
STAFF = Actor(None, "test")

pytestmark = pytest.mark.usefixtures("clock", "host", "folder", "provider")


def read(key: FeedKey, now: datetime = NOW, **selected: Any) -> Any:
    return read_feed(key, Selection(**({"max_posts": 12} | selected)), now=now)


def posts(key: FeedKey, now: datetime = NOW, **selected: Any) -> list[dict[str, Any]]:
    return [json.loads(post.json) for post in read(key, now, **selected).posts]


def copy_all() -> copying.CopyOutcome:
    """Copy the pictures of the only feed, as the worker does."""
    return copying.copy_pictures(Feed.objects.get().pk)


def is_ours(url: str) -> bool:
    return url.startswith("http://127.0.0.1:8000/media/")


def copied(key: FeedKey, now: datetime = NOW, **selected: Any) -> list[bool]:
    return [is_ours(post["thumbnailUrl"]) for post in posts(key, now, **selected)]


def test_the_first_read_has_the_links_of_instagram_and_the_next_has_ours(
    key: FeedKey, provider: FakeProvider, host: FakePictureHost, folder: Path
) -> None:
    host.files["/v/0.jpg"] = jpeg(0, 1200, 900)
    provider.accounts["acme.bakery"] = [media(0)]
    provider.profile = {"profile_picture_url": "https://scontent.cdninstagram.com/v/me.jpg"}

    assert posts(key) == [
        {
            "id": "17900000000000000",
            "mediaType": "IMAGE",
            "permalink": "https://www.instagram.com/p/A0/",
            "timestamp": "2026-11-20T23:00:00Z",
            "caption": "Post 0",
            "mediaUrl": "https://scontent.cdninstagram.com/v/0.jpg",
            "thumbnailUrl": "https://scontent.cdninstagram.com/v/0.jpg",
        }
    ]
    assert host.calls == []

    outcome = copy_all()

    assert (outcome.result, outcome.copied, outcome.failed) == (copying.Result.DONE, 2, 0)
    view = read(key)
    (post,) = (json.loads(each.json) for each in view.posts)
    digest = Picture.objects.get(width=1200).digest
    sizes = {
        name: {
            "url": f"http://127.0.0.1:8000/media/{digest}{width:08x}.jpg",
            "avifUrl": f"http://127.0.0.1:8000/media/{digest}{width:08x}.avif",
            "width": width,
            "height": height,
        }
        for name, width, height in (("small", 320, 240), ("medium", 640, 480), ("large", 1080, 810))
    }
    assert post.pop("placeholder").startswith("#")
    assert post == {
        "id": "17900000000000000",
        "mediaType": "IMAGE",
        "permalink": "https://www.instagram.com/p/A0/",
        "timestamp": "2026-11-20T23:00:00Z",
        "caption": "Post 0",
        "mediaUrl": sizes["large"]["url"],
        "thumbnailUrl": sizes["medium"]["url"],
        "width": 1200,
        "height": 900,
        "sizes": sizes,
    }
    assert view.profile["profilePictureUrl"] == view.profile["sizes"]["small"]["url"]
    assert view.profile["sizes"]["large"]["width"] == 24  # never enlarged
    assert len(files_in(folder)) == 3 * 2 + 2
    assert picture_status(key).copied == picture_status(key).wanted == 2


def test_an_album_and_a_video_keep_their_own_fields(
    key: FeedKey, provider: FakeProvider, host: FakePictureHost
) -> None:
    child = {"id": "18", "media_type": "IMAGE", "media_url": "https://scontent.cdninstagram.com/v/5.jpg"}
    film = {
        "id": "19",
        "media_type": "VIDEO",
        "media_url": "https://video.cdninstagram.com/v/6.mp4",
        "thumbnail_url": "https://scontent.cdninstagram.com/v/6.jpg",
    }
    album = media(
        1,
        media_type="CAROUSEL_ALBUM",
        media_url=child["media_url"],
        children={"data": [child, film]},
    )
    muted = video(2, media_url=None)
    provider.accounts["acme.bakery"] = [video(0), album, muted]
    read(key)

    copy_all()

    reel, cover, still = posts(key)
    assert reel["mediaUrl"] == "https://video.cdninstagram.com/v/0.mp4"
    assert is_ours(reel["thumbnailUrl"])
    assert is_ours(cover["mediaUrl"])
    assert is_ours(cover["children"][0]["mediaUrl"])
    assert cover["children"][1]["mediaUrl"] == film["media_url"]
    assert is_ours(cover["children"][1]["thumbnailUrl"])
    assert (still["mediaType"], "mediaUrl" in still, is_ours(still["thumbnailUrl"])) == ("IMAGE", False, True)
    assert host.calls.count(child["media_url"]) == 1  # the cover is the first child's file


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ({"max_posts": 2}, {0, 1}),
        ({"max_posts": 2, "filter_kind": FilterKind.VIDEO}, {3, 5}),
        ({"max_posts": 1, "hidden_ids": frozenset({media(0)["id"]})}, {0, 1}),
        ({"max_posts": 1, "pinned_ids": (media(6)["id"],)}, set(range(8))),
    ],
    ids=[
        "the first two posts",
        "the first two videos",
        "one post and its replacement",
        "any post may be pinned",
    ],
)
def test_only_pictures_that_can_be_shown_are_copied(
    key: FeedKey, provider: FakeProvider, selected: dict[str, Any], expected: set[int]
) -> None:
    provider.accounts["acme.bakery"] = [video(n) if n in (3, 5) else media(n) for n in range(8)]
    read(key, **selected)
    copy_all()
    assert set(PictureUse.objects.values_list("file_name", flat=True)) == {f"{n}.jpg" for n in expected}


def test_a_reader_who_requests_more_posts_gets_copies_of_them_too(
    key: FeedKey, provider: FakeProvider, dispatched: RecordingDispatcher
) -> None:
    provider.accounts["acme.bakery"] = [media(n) for n in range(8)]
    read(key, max_posts=2)
    copy_all()
    dispatched.copied_ids.clear()

    read(key, max_posts=5)

    assert dispatched.copied_ids == [Feed.objects.get().pk]
    copy_all()
    assert copied(key, max_posts=8) == [True] * 5 + [False] * 3


def test_an_unchanged_feed_is_refreshed_without_picture_work(
    key: FeedKey, provider: FakeProvider, host: FakePictureHost, dispatched: RecordingDispatcher, clock: Any
) -> None:
    read(key)
    copy_all()
    host.calls.clear()
    dispatched.copied_ids.clear()
    later = NOW + JITTERED_HOUR
    clock.move_to(later)
    provider.accounts["acme.bakery"] = [
        media(n, media_url=f"https://scontent.cdninstagram.com/v/{n}.jpg?oe=99") for n in range(3)
    ]

    tasks.refresh_feed(str(Feed.objects.get().pk))

    assert (dispatched.copied_ids, host.calls, Feed.objects.get().pictures_due_at) == ([], [], None)
    assert copied(key, later) == [True] * 3


def test_a_new_post_gets_its_copy_and_the_one_that_left_loses_it(
    key: FeedKey, provider: FakeProvider, folder: Path, clock: Any
) -> None:
    provider.accounts["acme.bakery"] = [media(n) for n in (1, 2)]
    read(key)
    copy_all()
    before = files_in(folder)
    provider.accounts["acme.bakery"] = [media(n) for n in (0, 1)]
    later = NOW + JITTERED_HOUR
    clock.move_to(later)

    refresh_due_now(now=later)

    assert copied(key, later) == [True] * 2
    left = {name for name in before if name not in files_in(folder)}
    assert (len(files_in(folder)), len(left)) == (4, 2)


def test_a_changed_picture_replaces_the_old_one(
    key: FeedKey, provider: FakeProvider, clock: Any, folder: Path
) -> None:
    provider.accounts["acme.bakery"] = [video(0)]
    read(key)
    copy_all()
    old = posts(key)[0]["thumbnailUrl"]
    provider.accounts["acme.bakery"] = [video(0, thumbnail_url="https://scontent.cdninstagram.com/v/9.jpg")]
    later = NOW + JITTERED_HOUR
    clock.move_to(later)

    tasks.refresh_feed(str(Feed.objects.get().pk))
    assert posts(key, later)[0]["thumbnailUrl"] == old  # until the new one is stored
    copy_all()
    sweeping.remove_unused()

    assert posts(key, later)[0]["thumbnailUrl"] not in (old, "https://scontent.cdninstagram.com/v/9.jpg")
    assert len(files_in(folder)) == 2


def test_a_failed_fetch_is_tried_again_after_a_wait_that_grows(
    key: FeedKey, provider: FakeProvider, host: FakePictureHost, clock: Any
) -> None:
    provider.accounts["acme.bakery"] = [media(0)]
    read(key)
    host.problem = "timed_out"
    waits = []
    for _ in range(3):
        outcome = copy_all()
        assert (outcome.result, outcome.failed) == (copying.Result.UNFINISHED, 1)
        due_at = Feed.objects.get().pictures_due_at
        assert due_at is not None
        assert copy_all().result is copying.Result.NOT_DUE
        waits.append(due_at - datetime.now(UTC))
        clock.move_to(due_at)
    assert MINUTE <= waits[0] < waits[1] < waits[2] < timedelta(minutes=20)
    assert picture_status(key).reason == "timed_out"

    host.problem = None
    assert copy_all().result is copying.Result.DONE
    assert picture_status(key).copied == 1


def test_an_expired_link_is_replaced_by_the_one_of_the_next_refresh(
    key: FeedKey, provider: FakeProvider, host: FakePictureHost, clock: Any
) -> None:
    provider.accounts["acme.bakery"] = [media(0)]
    read(key)
    host.problem = "link_expired"
    for _ in range(5):
        copy_all()
        clock.move_to(Feed.objects.get().pictures_due_at)
    copy_all()
    host.problem = None
    later = datetime.now(UTC) + JITTERED_HOUR
    clock.move_to(later)
    provider.accounts["acme.bakery"] = [
        media(0, media_url="https://scontent.cdninstagram.com/v/0.jpg?oh=fresh")
    ]

    tasks.refresh_feed(str(Feed.objects.get().pk))
    copy_all()

    assert host.calls[-1].endswith("oh=fresh")
    assert copied(key, later) == [True]


def test_one_bad_picture_does_not_stop_the_others(key: FeedKey, host: FakePictureHost) -> None:
    host.files["/v/0.jpg"] = b"<html>no picture</html>"
    read(key)
    outcome = copy_all()
    assert (outcome.copied, outcome.failed) == (2, 1)
    assert copied(key) == [False, True, True]
    status = picture_status(key)
    assert (status.copied, status.wanted) == (2, 3)


def another_feed(key: FeedKey, instance_id: str = "wgt_2") -> FeedKey:
    return replace(key, instance_id=instance_id)


def test_feeds_that_show_the_same_picture_share_its_files(key: FeedKey, folder: Path) -> None:
    other = another_feed(key)
    for each in (key, other):
        read(each)
    for feed_id in Feed.objects.values_list("pk", flat=True):
        copying.copy_pictures(feed_id)
    assert (Picture.objects.count(), PictureUse.objects.count(), len(files_in(folder))) == (3, 6, 6)

    purge(other, actor=STAFF, note="test", now=NOW)
    sweeping.remove_unused()
    assert copied(key) == [True] * 3
    assert len(files_in(folder)) == 6

    purge(key, actor=STAFF, note="test", now=NOW)
    sweeping.remove_unused()
    assert (Picture.objects.count(), files_in(folder)) == (0, set())


def delete_workspace(key: FeedKey) -> None:
    Workspace.objects.get(pk=key.workspace_id).delete()


def delete_rows_directly(key: FeedKey) -> None:
    Feed.objects.filter(instance_id=key.instance_id).delete()


@pytest.mark.parametrize(
    "end",
    [
        lambda key: purge(key, actor=STAFF, note="test", now=NOW),
        lambda key: erase_instance(key, actor=STAFF, now=NOW),
        delete_workspace,
        delete_rows_directly,
    ],
    ids=["a purge", "the deletion of the widget", "the deletion of the workspace", "a deletion in the admin"],
)
@pytest.mark.usefixtures("either")
def test_no_file_is_left_behind(end: Callable[[FeedKey], None], key: FeedKey) -> None:
    read(key)
    copy_all()
    assert len(list(storage.listing())) == 6

    end(key)
    assert tasks.remove_unused_pictures() == 3

    assert (list(storage.listing()), Picture.objects.count(), PictureUse.objects.count()) == ([], 0, 0)


def test_what_was_fetched_before_a_purge_is_not_kept_after_it(
    key: FeedKey, host: FakePictureHost, folder: Path
) -> None:
    read(key)
    feed_id = Feed.objects.get().pk
    host.during_call = lambda: purge(key, actor=STAFF, note="test", now=NOW)

    copying.copy_pictures(feed_id)
    sweeping.remove_unused()

    assert (files_in(folder), Picture.objects.count(), PictureUse.objects.count()) == (set(), 0, 0)


def test_the_entitlement_key_switches_copies_off(
    key: FeedKey, workspace: Workspace, folder: Path, clock: Any
) -> None:
    read(key)
    copy_all()
    set_override(workspace, "instagram.media.copies.enabled", False, actor=Staff("test"))
    cache.clear()
    later = NOW + JITTERED_HOUR
    clock.move_to(later)

    refresh_due_now(now=later)

    assert copied(key, later) == [False] * 3
    assert files_in(folder) == set()


def test_without_copies_the_links_stay_those_of_instagram(
    key: FeedKey, settings: Any, dispatched: RecordingDispatcher
) -> None:
    settings.MEDIA_COPIES = False
    read(key)
    assert dispatched.copied_ids == []
    assert copied(key) == [False] * 3
    assert picture_status(key) is None


def test_copies_that_are_switched_off_are_not_shown_and_soon_removed(
    key: FeedKey, settings: Any, folder: Path, clock: Any
) -> None:
    read(key)
    copy_all()
    settings.MEDIA_COPIES = False
    cache.clear()
    assert copied(key) == [False] * 3

    clock.move_to(NOW + JITTERED_HOUR)
    tasks.refresh_feed(str(Feed.objects.get().pk))
    assert tasks.enqueue_due_copies() == 1
    tasks.remove_unused_pictures()

    assert files_in(folder) == set()


def test_a_full_workspace_keeps_the_links_of_instagram_and_says_so(
    key: FeedKey, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MEDIA_BYTES_PER_WORKSPACE = 1
    read(key)
    copy_all()
    assert copied(key) == [True, False, False]
    assert picture_status(key).reason == "workspace_full"
    store = PictureStore.objects.get()
    assert store.is_full
    assert store.stored_bytes == Picture.objects.get().stored_bytes
    assert caplog.text.count("MEDIA_BYTES_PER_WORKSPACE") == 1


def test_while_the_storage_is_away_reads_go_on_and_copies_are_made_later(
    key: FeedKey, monkeypatch: pytest.MonkeyPatch, clock: Any, folder: Path
) -> None:
    def fails(name: str, content: bytes) -> None:
        raise StorageUnavailable("full")

    with monkeypatch.context() as away:
        away.setattr(storage, "store", fails)
        read(key)
        assert copy_all().result is copying.Result.UNFINISHED
        assert copied(key) == [False] * 3
        assert picture_status(key).reason == "storage"
    clock.move_to(Feed.objects.get().pictures_due_at)
    assert copy_all().result is copying.Result.DONE
    sweeping.remove_unused()
    assert copied(key) == [True] * 3
    assert len(files_in(folder)) == 6


def test_a_picture_stays_listed_until_the_storage_has_removed_it(
    key: FeedKey, monkeypatch: pytest.MonkeyPatch, clock: Any, folder: Path
) -> None:
    def fails(names: object) -> None:
        raise StorageUnavailable("unreachable")

    read(key)
    copy_all()
    purge(key, actor=STAFF, note="test", now=NOW)
    with monkeypatch.context() as away:
        away.setattr(storage, "remove", fails)
        assert sweeping.remove_unused() == 0
    assert Picture.objects.filter(is_leaving=True).count() == 3

    clock.shift(timedelta(minutes=3))
    assert sweeping.remove_unused() == 3
    assert files_in(folder) == set()


@pytest.mark.parametrize("written", [0, 1, 2], ids=["no file", "one file", "all files"])
def test_the_files_of_a_killed_worker_are_swept(
    key: FeedKey,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    clock: Any,
    folder: Path,
    written: int,
) -> None:
    class Killed(BaseException):
        pass

    def dies(digest: str, rendered: Any) -> None:
        for kind in ("jpg", "avif")[:written]:
            storage.store(f"{digest}00000018.{kind}", b"half")
        leases.append(Picture.objects.get().writing_until)
        raise Killed

    leases: list[Any] = []
    provider.accounts["acme.bakery"] = [media(0)]
    read(key)
    with monkeypatch.context() as patched:
        patched.setattr(copying, "_store", dies)
        with pytest.raises(Killed):
            copy_all()
    Picture.objects.update(writing_until=leases[0])  # a killed process doesn't give its lease back
    purge(key, actor=STAFF, note="test", now=NOW)
    assert sweeping.remove_unused() == 0  # the worker may still be writing

    clock.shift(copying.WRITING_LASTS + MINUTE)
    assert sweeping.remove_unused() == 1
    assert (files_in(folder), Picture.objects.count()) == (set(), 0)


def test_a_second_worker_waits_for_the_first_one(key: FeedKey, provider: FakeProvider, clock: Any) -> None:
    provider.accounts["acme.bakery"] = [media(0)]
    read(key)
    digest = hashlib.sha256(copying.CONVERSION + jpeg(0)).hexdigest()[: pictures.PICTURE_DIGEST_LENGTH]
    copying.reserve(digest)

    outcome = copy_all()

    assert (outcome.result, outcome.copied, outcome.failed) == (copying.Result.UNFINISHED, 0, 0)
    due_at = Feed.objects.get().pictures_due_at
    assert due_at is not None
    assert due_at - NOW <= timedelta(seconds=10)
    clock.shift(copying.WRITING_LASTS + MINUTE)  # the first one has died
    assert copy_all().result is copying.Result.DONE


def test_a_feed_is_copied_by_one_worker_at_a_time(key: FeedKey, host: FakePictureHost) -> None:
    read(key)
    seconds: list[copying.Result] = []

    def a_second_worker() -> None:
        host.during_call = lambda: None
        seconds.append(copy_all().result)

    host.during_call = a_second_worker

    assert copy_all().copied == 3
    assert seconds == [copying.Result.NOT_DUE]
    assert len(host.calls) == 3


def test_a_picture_that_is_being_removed_is_not_used(key: FeedKey, folder: Path) -> None:
    read(key)
    copy_all()
    Picture.objects.update(is_leaving=True, writing_until=NOW + MINUTE)  # the sweep is removing the files
    other = another_feed(key)
    read(other)
    feed_id = Feed.objects.get(instance_id=other.instance_id).pk

    outcome = copying.copy_pictures(feed_id)

    assert (outcome.result, outcome.copied) == (copying.Result.UNFINISHED, 0)
    assert not PictureUse.objects.filter(feed=feed_id, picture__isnull=False).exists()


def test_files_without_a_row_and_rows_without_a_file_are_repaired(
    key: FeedKey, provider: FakeProvider, clock: Any, folder: Path
) -> None:
    read(key)
    copy_all()
    storage.store(f"{'a' * 40}.jpg", b"orphan")
    for path in folder.rglob("*.*"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    lost = Picture.objects.order_by("pk")[0]
    for name in sweeping.names_of(lost):
        storage.remove([name])
    later = datetime.now(UTC) + sweeping.SETTLED_AFTER * 2
    clock.move_to(later)

    found = sweeping.repair(now=later)

    assert (found["files"], found["pictures"]) == (1, 1)
    assert sorted(copied(key, NOW)) == [False, True, True]
    copy_all()
    assert copied(key, NOW) == [True] * 3
    assert f"{'a' * 40}.jpg" not in files_in(folder)


def test_uses_of_a_feed_that_the_previous_release_deleted_are_repaired(key: FeedKey, folder: Path) -> None:
    read(key)
    copy_all()
    feeds = Feed.objects.all()
    feeds._raw_delete(feeds.db)

    assert sweeping.repair(now=NOW)["endedUses"] == 3
    assert sweeping.remove_unused() == 3
    assert files_in(folder) == set()


def test_copies_of_an_unread_feed_are_given_up_and_come_back_with_a_reader(
    key: FeedKey, clock: Any, folder: Path
) -> None:
    read(key)
    copy_all()
    later = NOW + timedelta(days=15)
    clock.move_to(later)

    assert sweeping.repair(now=later)["unread"] == 1
    copy_all()
    sweeping.remove_unused()
    assert files_in(folder) == set()

    read(key, later)
    copy_all()
    assert copied(key, later) == [True] * 3


def test_the_warning_about_expired_links_concerns_links_without_a_copy(
    key: FeedKey, provider: FakeProvider, clock: Any
) -> None:
    expires = NOW + timedelta(hours=2)
    oe = f"oe={int(expires.timestamp()):X}"
    picture = f"https://scontent.cdninstagram.com/v/0.jpg?{oe}"
    provider.accounts["acme.bakery"] = [media(0, media_url=picture)]
    read(key)
    assert Warning.MEDIA_LINKS_EXPIRED in read(key, expires).warnings

    copy_all()

    assert Warning.MEDIA_LINKS_EXPIRED not in read(key, expires + timedelta(days=300)).warnings


def test_the_file_of_a_video_still_expires(key: FeedKey, provider: FakeProvider) -> None:
    expires = NOW + timedelta(hours=2)
    film = f"https://video.cdninstagram.com/v/0.mp4?oe={int(expires.timestamp()):X}"
    provider.accounts["acme.bakery"] = [video(0, media_url=film)]
    read(key)
    copy_all()
    assert Warning.MEDIA_LINKS_EXPIRED not in read(key, expires - MINUTE).warnings
    assert Warning.MEDIA_LINKS_EXPIRED in read(key, expires).warnings


def test_a_time_from_a_wrong_clock_delays_no_copy(key: FeedKey) -> None:
    read(key)
    Feed.objects.update(pictures_due_at=NOW + timedelta(days=400))
    assert copying.due_feeds(now=NOW, limit=10) == [Feed.objects.get().pk]
    assert copy_all().result is copying.Result.DONE


def test_a_cached_copy_of_the_previous_release_is_still_read(key: FeedKey, provider: FakeProvider) -> None:
    read(key)
    Feed.objects.update(pictures_reach=[], copies="{}", pictures_due_at=None)
    cache.clear()
    assert copied(key) == [False] * 3
    copy_all()
    assert copied(key) == [True] * 3
