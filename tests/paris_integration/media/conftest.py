"""A real server that speaks S3, and the settings of both storages."""

from __future__ import annotations

import itertools
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from tests.processes.service import free_port, wait_until

ACCESS_KEY, SECRET_KEY = "canary-access-key", "canary-secret-key"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    port = free_port()
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/moto-api/data.json"), 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


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
