"""Files of pictures: the same behaviour on a disk and in a bucket, and each kind of failure by its reason."""

from __future__ import annotations

import errno
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paris_integration.errors import StorageUnavailable
from paris_integration.media import files, storage

NAME = f"{'ab12' * 10}.jpg"
OTHER = f"{'cd34' * 10}.avif"
ODD_NAMES = [
    "", "/", "..", f"../{NAME}", f"{NAME}/..", NAME.upper(), f"{NAME}\n", f"\n{NAME}", NAME[1:], f"0{NAME}",
    NAME.replace("jpg", "png"), NAME.replace(".jpg", ""), f"ab/{NAME}", NAME.replace("a", "а"), f"{NAME}\0",
]  # fmt: skip


@pytest.mark.usefixtures("either")
def test_a_stored_file_is_read_listed_and_removed() -> None:
    storage.store(NAME, b"first")
    storage.store(OTHER, b"second")

    assert (storage.read(NAME), storage.read(OTHER)) == (b"first", b"second")
    assert (storage.exists(NAME), storage.exists(OTHER)) == (True, True)
    found = {stored.name: stored.modified_at for stored in storage.listing()}
    assert set(found) == {NAME, OTHER}
    assert all(abs(datetime.now(UTC) - at) < timedelta(minutes=1) for at in found.values())

    storage.remove([NAME])

    assert (storage.read(NAME), storage.exists(NAME)) == (None, False)
    assert [stored.name for stored in storage.listing()] == [OTHER]


@pytest.mark.usefixtures("either")
def test_storing_a_file_again_writes_it_only_if_its_size_differs() -> None:
    storage.store(NAME, b"first")
    storage.store(NAME, b"other")
    assert storage.read(NAME) == b"first"

    storage.store(NAME, b"complete")  # the first was cut short
    assert storage.read(NAME) == b"complete"


@pytest.mark.usefixtures("either")
def test_missing_files_and_an_empty_storage_are_no_errors() -> None:
    assert list(storage.listing()) == []
    assert storage.read(NAME) is None
    storage.remove([])
    storage.remove([NAME, OTHER])
    storage.store(NAME, b"x")
    storage.remove([OTHER, NAME, NAME])
    assert list(storage.listing()) == []


@pytest.mark.usefixtures("use_folder")
@pytest.mark.parametrize("name", ODD_NAMES)
def test_nothing_but_a_pictures_name_reaches_the_storage(name: str) -> None:
    assert not storage.is_name(name)
    assert (storage.read(name), storage.exists(name), storage.public_url(name)) == (None, False, None)
    with pytest.raises(ValueError, match="not the name"):
        storage.store(name, b"x")
    with pytest.raises(ValueError, match="not the name"):
        storage.remove([NAME, name])


def test_a_file_has_its_type_and_its_place(use_folder: Path) -> None:
    storage.store(NAME, b"x")

    assert [path.relative_to(use_folder) for path in use_folder.rglob("*.*")] == [Path("ab") / NAME]
    assert [storage.content_type_of(name) for name in (NAME, OTHER)] == ["image/jpeg", "image/avif"]
    assert (storage.has_public_urls(), storage.public_url(NAME)) == (False, None)


def test_the_reverse_proxy_may_read_the_files(use_folder: Path) -> None:
    storage.store(NAME, b"x")

    assert (use_folder / "ab" / NAME).stat().st_mode & 0o777 == 0o644


def test_a_reader_never_sees_a_part_of_a_file(use_folder: Path) -> None:
    whole = {bytes([letter]) * 300_000 for letter in b"abc"}
    is_over = threading.Event()
    seen: set[bytes | None] = set()

    def look() -> None:
        while not is_over.is_set():
            seen.add(storage.read(NAME))

    reader = threading.Thread(target=look)
    reader.start()
    for content in [*whole] * 10:
        storage.remove([NAME])
        storage.store(NAME, content)
    is_over.set()
    reader.join()

    assert seen <= {None, *whole}


def test_two_writers_of_one_file_leave_one_whole_file(use_folder: Path) -> None:
    start = threading.Barrier(8)

    def write() -> None:
        start.wait()
        storage.store(NAME, b"x" * 100_000)

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [path.name for path in use_folder.rglob("*") if path.is_file()] == [NAME]
    assert storage.read(NAME) == b"x" * 100_000


def test_a_repeated_store_makes_the_file_look_new(use_folder: Path) -> None:
    storage.store(NAME, b"x")
    os.utime(use_folder / "ab" / NAME, (0, 0))
    storage.store(NAME, b"x")

    (found,) = storage.listing()
    assert datetime.now(UTC) - found.modified_at < timedelta(minutes=1)


def test_the_listing_leaves_out_strange_files_and_removes_abandoned_ones(use_folder: Path) -> None:
    storage.store(NAME, b"x")
    shard = use_folder / "ab"
    new, old = shard / f"new{files.TEMPORARY_SUFFIX}", shard / f"old{files.TEMPORARY_SUFFIX}"
    strange = [use_folder / "README", shard / "notes.txt", use_folder / "cd" / NAME, use_folder / NAME]
    (use_folder / "cd").mkdir()
    for path in (new, old, *strange):
        path.write_text("")
    then = time.time() - files.ABANDONED_AFTER_SECONDS - 60
    os.utime(old, (then, then))

    assert [stored.name for stored in storage.listing()] == [NAME]
    assert [path.exists() for path in (new, old, *strange)] == [True, False, True, True, True, True]


def test_the_listing_survives_files_that_disappear(use_folder: Path) -> None:
    names = [f"ab{number:038x}.jpg" for number in range(50)]
    for name in names:
        storage.store(name, b"x")
    found = []
    for stored in storage.listing():
        found.append(stored.name)
        storage.remove(names)

    assert found[0] in names


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.EROFS, "read_only"),
        (errno.EACCES, "read_only"),
        (errno.ESTALE, "unreachable"),
        (errno.EIO, "unreachable"),
        (errno.EMFILE, "failed"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_fails_is_named_by_reason_and_keeps_no_part(
    number: int, reason: str, call: str, use_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(use_folder / "canary"))

    monkeypatch.setattr(*_step(call), fail)
    with pytest.raises(StorageUnavailable) as caught:
        storage.store(NAME, b"x")

    assert caught.value.reason == reason
    assert str(caught.value) == f"{reason} ({errno.errorcode[number]})"
    assert caught.value.__suppress_context__
    monkeypatch.undo()
    assert [path for path in use_folder.rglob("*") if path.is_file()] == []


def _step(call: str) -> tuple[Any, str]:
    steps: dict[str, tuple[Any, str]] = {
        "write": (files.tempfile, "mkstemp"),
        "fsync": (files.os, "fsync"),
        "replace": (files.os, "replace"),
    }
    return steps[call]
