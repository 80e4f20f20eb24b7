"""A real server that speaks S3, and the settings of both storages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from tests.processes.buckets import ACCESS_KEY, SECRET_KEY, s3_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


UseBucket = Callable[..., Any]


@pytest.fixture
def use_bucket(settings: Any) -> UseBucket:
    """Make a bucket the storage of pictures. Returns a client of it."""

    def use(endpoint_url: str, *, name: str | None = None, **options: object) -> Any:
        settings.MEDIA_STORAGE = "s3"
        bucket = {
            "BACKEND": "paris_integration.media.s3.PictureBucket",
            "OPTIONS": {
                "access_key": ACCESS_KEY,
                "secret_key": SECRET_KEY,
                "bucket_name": name or f"pictures-{next(_numbers)}",
                "endpoint_url": endpoint_url,
                "region_name": "us-east-1",
                "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
                **options,
            },
        }
        settings.STORAGES = {**settings.STORAGES, "media": bucket}
        return storages["media"].bucket.meta.client  # type: ignore[attr-defined]

    return use


@pytest.fixture
def use_folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return Path(settings.MEDIA_ROOT)


@pytest.fixture(params=["files", "bucket"])
def either(request: pytest.FixtureRequest) -> None:
    """Runs a test on a disk and in a bucket."""
    if request.param == "files":
        request.getfixturevalue("use_folder")
    else:
        client = request.getfixturevalue("use_bucket")(request.getfixturevalue("s3_url"))
        client.create_bucket(Bucket=storages["media"].bucket_name)  # type: ignore[attr-defined]
