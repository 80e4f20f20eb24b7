"""Where the files of picture copies are: on a disk or in a bucket, as `STORAGES["media"]` says.

A file's name is its digest and its type, such as `<40 hexadecimal digits>.avif`. Its key in the storage is
`<first two digits>/<name>`. A name always has the same content, so files are never changed. All functions raise
StorageUnavailable when the storage is away, full or refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from django.conf import settings
from django.core.files.storage import storages

from paris_integration.feeds.pictures import picture_url

CONTENT_TYPES = {"jpg": "image/jpeg", "avif": "image/avif"}
_NAME = re.compile(r"[0-9a-f]{40}\.(?:jpg|avif)", re.ASCII)


class Backend(Protocol):
    """PictureFiles or PictureBucket."""

    def size_of(self, key: str) -> int | None: ...
    def put(self, key: str, content: bytes) -> None: ...
    def touch(self, key: str) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def drop(self, keys: Iterable[str]) -> None: ...
    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the storage."""

    name: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class PictureFile:
    """What a browser gets for a name: the content, or the URL from which it fetches the file itself."""

    key: str  # in the storage
    content_type: str
    content: bytes = b""
    public_url: str | None = None


def is_name(text: str) -> bool:
    """Whether `text` can be the name of a picture's file."""
    return _NAME.fullmatch(text) is not None


def key_of(name: str) -> str:
    """The file's place in the storage. Raises ValueError for anything that is no name."""
    if not is_name(name):
        raise ValueError("not the name of a picture")
    return f"{name[:2]}/{name}"


def content_type_of(name: str) -> str:
    return CONTENT_TYPES[name.rpartition(".")[2]]


def store(name: str, content: bytes) -> None:
    """Write a file, unless one of the same size is there. Readers never see a part of it."""
    key, backend = key_of(name), _backend()
    if backend.size_of(key) == len(content):
        backend.touch(key)
    else:
        backend.put(key, content)


def remove(names: Iterable[str]) -> None:
    """Remove files. Those that don't exist are fine. After a fault, some may be left: call it again."""
    _backend().drop([key_of(name) for name in names])


def read(name: str) -> bytes | None:
    """The file's content. None if there is no such file, or if no file can have this name."""
    return _backend().get(key_of(name)) if is_name(name) else None


def exists(name: str) -> bool:
    return is_name(name) and _backend().size_of(key_of(name)) is not None


def find_picture(name: str, *, with_content: bool = True) -> PictureFile | None:
    """A file for a browser; None if there is none, or if no file can have this name.

    `with_content` false: without reading it, for a reverse proxy that does. A file that has a public URL is neither
    read nor looked for.
    """
    if not is_name(name):
        return None
    key, kind = key_of(name), content_type_of(name)
    url = public_url(name)
    if url is not None:
        return PictureFile(key, kind, public_url=url)
    if not with_content:
        return PictureFile(key, kind) if exists(name) else None
    content = read(name)
    return None if content is None else PictureFile(key, kind, content)


def listing(prefix: str = "") -> Iterator[Stored]:
    """The files of pictures whose names begin with `prefix`: all, or two digits or more. In any order, page by page.

    Other files in the storage are left out.
    """
    for key, modified_at in _backend().entries(f"{prefix[:2]}/{prefix}" if prefix else ""):
        name = key[3:]
        if is_name(name) and key == key_of(name):
            yield Stored(name, modified_at)


def has_public_urls() -> bool:
    """Whether browsers fetch the files from the storage, or from a CDN in front of it."""
    return settings.MEDIA_STORAGE == "s3" and bool(settings.S3_PUBLIC_URL)


def public_url(name: str) -> str | None:
    """The file's URL in the storage; None if browsers fetch it from the service."""
    return picture_url(name) if has_public_urls() and is_name(name) else None


def _backend() -> Backend:
    return cast(Backend, storages["media"])
