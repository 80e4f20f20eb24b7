"""A provider's picture server, and a storage in a folder of the test."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from paris_integration import registry
from tests.fakes import FakePictureHost


def jpeg(number: int, width: int = 24, height: int = 18) -> bytes:
    """A small picture, different for each number."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), (number * 4 % 256, 200 - number * 3 % 200, 90)).save(
        content, "JPEG", quality=95
    )
    return content.getvalue()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakePictureHost:
    """Serves /v/0.jpg to /v/59.jpg, and /v/me.jpg."""
    fake = FakePictureHost()
    fake.files = {f"/v/{number}.jpg": jpeg(number) for number in range(60)} | {"/v/me.jpg": jpeg(200)}
    monkeypatch.setattr(registry, "file_client", lambda: fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Copies are on, and stored here."""
    settings.MEDIA_COPIES = True
    settings.MEDIA_STORAGE = "file"
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}
