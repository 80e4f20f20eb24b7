"""Conversion of pictures in a child process: sizes, colours, metadata, hostile files, and children that fail."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from paris_integration.errors import PictureRefused
from paris_integration.media.rendering import Rendered, Renderer

PHOTO = Path("instagram_standin/pictures/cake.jpg").read_bytes()  # 960 × 1200 pixels
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer() as running:
        yield running


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    picture = Image.open(BytesIO(content))
    picture.load()
    return picture


def dimensions(rendered: Rendered) -> list[tuple[int, int]]:
    return [(size.width, size.height) for size in rendered.sizes]


def is_near(found: Any, wanted: tuple[int, int, int], tolerance: int = 16) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(found, wanted, strict=True))


def refusal(renderer: Renderer, content: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        renderer.render(content)
    return refused.value.reason


# Sizes and files


def test_a_photo_is_converted_to_three_sizes_of_jpeg_and_avif(renderer: Renderer) -> None:
    rendered = renderer.render(PHOTO)

    assert (rendered.width, rendered.height) == (960, 1200)
    assert dimensions(rendered) == [(320, 400), (640, 800), (960, 1200)]
    for size in rendered.sizes:
        for content, file_format in ((size.jpeg, "JPEG"), (size.avif, "AVIF")):
            picture = opened(content)
            assert (picture.format, picture.size, picture.mode) == (
                file_format,
                (size.width, size.height),
                "RGB",
            )
    assert len(rendered.sizes[0].avif) < 10_000
