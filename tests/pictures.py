"""Pictures, a provider's picture server, and what is in the storage."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from paris_integration.errors import FileRefused


def jpeg(number: int, width: int = 24, height: int = 18) -> bytes:
    """A small picture, different for each number."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), (number * 4 % 256, 200 - number * 3 % 200, 90)).save(
        content, "JPEG", quality=95
    )
    return content.getvalue()


class FakePictureHost:
    """The provider's picture server. `.files` maps the path of a link to its content, `.calls` lists the links."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.problem: str | None = None
        self.during_call: Callable[[], None] = lambda: None

    def fetch(self, url: str, *, deadline: object) -> bytes:
        self.calls.append(url)
        self.during_call()
        if self.problem is not None:
            raise FileRefused(self.problem)
        path = urlsplit(url).path
        if path not in self.files:
            raise FileRefused("not_found")
        return self.files[path]


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}
