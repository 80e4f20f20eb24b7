from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from paris_integration.errors import PictureRefused


@dataclass(frozen=True)
class RenderedSize:
    width: int
    height: int
    jpeg: bytes
    avif: bytes


@dataclass(frozen=True)
class Rendered:
    width: int
    height: int
    placeholder: str
    sizes: tuple[RenderedSize, RenderedSize, RenderedSize]


class Renderer:
    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None: ...

    def render(self, content: bytes) -> Rendered:
        try:
            image = Image.open(io.BytesIO(content)).convert("RGB")
        except OSError:
            raise PictureRefused("not_a_picture") from None
        made = []
        for width in (320, 640, 1080):
            width = min(width, image.width)
            small = image.resize((width, max(1, image.height * width // image.width)))
            jpeg, avif = io.BytesIO(), io.BytesIO()
            small.save(jpeg, "JPEG")
            small.save(avif, "AVIF", speed=9)
            made.append(RenderedSize(small.width, small.height, jpeg.getvalue(), avif.getvalue()))
        return Rendered(image.width, image.height, "#aabbcc", tuple(made))
