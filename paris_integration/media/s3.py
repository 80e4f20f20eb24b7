"""Pictures as objects in a bucket of S3, or of another storage with the same protocol.

Imported only with MEDIA_STORAGE=s3, because boto3 takes half a second to import.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from storages.backends.s3 import S3Storage

from foundation.cache import Breaker
from paris_integration.errors import StorageUnavailable

CONNECT_SECONDS, READ_SECONDS, TRIES = 2, 5, 2
KEYS_PER_REMOVAL = KEYS_PER_PAGE = 1_000  # the protocol's limits
# Pictures that a web process reads at once. All others of its threads keep answering, also while the storage is slow.
READS_AT_ONCE = 48
READ_WAIT_SECONDS = 1.0
_CODE = re.compile(r"[A-Za-z0-9]{1,60}", re.ASCII)
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "XAmzStorageFull", "InsufficientCapacity", "507"})
# Storages that can't remove many objects in one request, or expect a checksum that boto3 no longer sends.
_NO_BULK = frozenset({"NotImplemented", "MethodNotAllowed", "MissingContentMD5", "MalformedXML"})


class PictureBucket(S3Storage):  # type: ignore[misc]  # has no types
    """A bucket with bounded waits. Every fault of the storage is a StorageUnavailable."""

    def __init__(self, **options: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=READS_AT_ONCE,
            signature_version="s3v4",
            s3={"addressing_style": "auto"},
            # Checksums of boto3's own that several other storages refuse.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        super().__init__(client_config=config, **options)
        self._places = threading.BoundedSemaphore(READS_AT_ONCE)
        self._breaker = Breaker(open_seconds=2.0)

    @property
    def _client(self) -> Any:
        """One for all threads. `connection` would make one for each, which takes long and much memory."""
        return self.bucket.meta.client

    def size_of(self, key: str) -> int | None:
        with _faults():
            try:
                return int(self._client.head_object(Bucket=self.bucket_name, Key=key)["ContentLength"])
            except ClientError as error:
                # An answer to HEAD has no body, and so no code that tells a missing object from a missing bucket.
                if _code_of(error) in _MISSING:
                    return None
                raise

    def put(self, key: str, content: bytes) -> None:
        with _faults():
            self._client.put_object(
                Bucket=self.bucket_name, Key=key, Body=content, **self._get_write_parameters(key)
            )

    def touch(self, key: str) -> None:
        """An object's time can't be changed."""

    def get(self, key: str) -> bytes | None:
        """At once a StorageUnavailable for two seconds after the storage didn't answer."""
        if not self._breaker.allows():
            raise StorageUnavailable("unreachable")
        if not self._places.acquire(timeout=READ_WAIT_SECONDS):
            raise StorageUnavailable("busy")
        try:
            content = self._get(key)
        except StorageUnavailable as error:
            if error.reason == "unreachable":
                self._breaker.fault()
            raise
        finally:
            self._places.release()
        self._breaker.success()
        return content

    def _get(self, key: str) -> bytes | None:
        with _faults():
            try:
                answer = self._client.get_object(Bucket=self.bucket_name, Key=key)
                with answer["Body"] as body:
                    return bytes(body.read())
            except ClientError as error:
                if _code_of(error) in _MISSING:
                    return None
                raise

    def drop(self, keys: Iterable[str]) -> None:
        waiting = list(keys)
        for start in range(0, len(waiting), KEYS_PER_REMOVAL):
            with _faults():
                self._drop(waiting[start : start + KEYS_PER_REMOVAL])

    def _drop(self, keys: list[str]) -> None:
        try:
            answer = self._client.delete_objects(
                Bucket=self.bucket_name, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        except ClientError as error:
            if _code_of(error) not in _NO_BULK:
                raise
            for key in keys:
                self._client.delete_object(Bucket=self.bucket_name, Key=key)
            return
        for refused in answer.get("Errors", ()):
            code = str(refused.get("Code", ""))
            if code not in _MISSING:
                raise StorageUnavailable(_reason_of(code, 403), _plain(code))

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """The key and time of change of each object whose key begins with `prefix`, read page by page."""
        with _faults():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket_name, Prefix=prefix, PaginationConfig={"PageSize": KEYS_PER_PAGE}
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"], entry["LastModified"]


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        # Without their cause, whose text contains URLs and keys.
        raise _unavailable(error) from None


def _unavailable(error: Exception) -> StorageUnavailable:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = _code_of(error)
        return StorageUnavailable(_reason_of(code, status), _plain(code))
    is_away = isinstance(error, NoConnection | HTTPClientError | OSError)
    return StorageUnavailable("unreachable" if is_away else "failed", type(error).__name__)


def _reason_of(code: str, status: int) -> str:
    if code in _FULL or status == 507:
        return "full"
    if code == "NoSuchBucket":
        return "no_bucket"
    if status in {401, 403}:
        return "refused"
    return "unreachable" if status >= 500 or status in {408, 429} else "failed"


def _code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _plain(code: str) -> str:
    """The storage's error code; empty if it is anything else, such as a sentence."""
    return code if _CODE.fullmatch(code) else ""
