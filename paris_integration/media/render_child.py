"""The process that decodes and converts pictures: a plain script that needs only Pillow. `rendering` starts it.

Reads pictures from standard input, each after its length (8 bytes), and answers each with the length of a JSON object
(4 bytes), the object, and the files that it describes. It has no secrets, no descriptors but its pipes, and can't write
files. Its memory is limited; its parent limits its time.
"""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
import warnings
from typing import Any, BinaryIO

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

WIDTHS = (320, 640, 1080)
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000
MEMORY_BYTES = 1024**3
JPEG = {"quality": 78, "optimize": True, "progressive": True}
# Measured on 960-pixel photos: a 320 px file has 4.5 KB, and the six files of a picture take a quarter of a second.
AVIF = {"quality": 50, "speed": 8, "max_threads": 1}
ORIENTATION = 0x0112  # the EXIF tag
KNOWN_OTHERS = (b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"<svg", b"<?xml")


class Refused(Exception):
    """The reason, as `PictureRefused` has it."""


def main() -> None:
    for limit, number in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (number, number))
    os.nice(5)  # behind refreshes and requests
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (content := read_picture(source)) is not None:
        described, files = answer(content)
        head = json.dumps(described).encode()
        sink.write(struct.pack(">I", len(head)) + head)
        for file in files:
            sink.write(file)
        sink.flush()


def read_picture(source: BinaryIO) -> bytes | None:
    head = source.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack(">Q", head)
    content = source.read(length)
    return content if len(content) == length else None


def answer(content: bytes) -> tuple[dict[str, Any], list[bytes]]:
    try:
        return convert(content)
    except Refused as reason:
        return {"refused": str(reason)}, []
    except MemoryError:
        return {"refused": "too_much_memory"}, []
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"refused": "too_many_pixels"}, []
    except Exception:  # noqa: BLE001 - Pillow raises many kinds of errors for damaged files
        return {"refused": "broken"}, []


def convert(content: bytes) -> tuple[dict[str, Any], list[bytes]]:
    image = opened(content)
    width, height = image.size
    if is_turned(image):
        width, height = height, width
    image = loaded(image)
    color = dominant_color(image)
    sizes: list[list[int]] = []
    files: list[bytes] = []
    made: list[bytes] = []
    for target in sorted(WIDTHS, reverse=True):
        size = scaled(width, height, target)
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
            made = []
        made = made or [saved(image, "JPEG", JPEG), saved(image, "AVIF", AVIF)]
        sizes.insert(0, [*size, *map(len, made)])
        files[:0] = made
    return {"width": width, "height": height, "placeholder": color, "sizes": sizes}, files


def opened(content: bytes) -> Image.Image:
    """The picture, not yet decoded. Raises Refused."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        start = content[:256].lstrip().lower()
        is_other = any(start.startswith(known.lower()) for known in KNOWN_OTHERS)
        raise Refused("unsupported_format" if is_other else "not_a_picture") from None
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refused("too_many_pixels")
    # Cameras store a preview beside a JPEG; that is no animation.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise Refused("unsupported_format")
    return image


def is_turned(image: Image.Image) -> bool:
    return image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)


def loaded(image: Image.Image) -> Image.Image:
    """The picture upright, in sRGB, on white, and without metadata."""
    # JPEGs are decoded at an eighth, a quarter or half of their size if that is large enough.
    image.draft(None, (max(WIDTHS), max(WIDTHS)))
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    image = in_srgb(image, profile) if profile else image
    if image.mode.startswith(("I", "F")):
        image = eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    image.info = {}
    return image


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    if image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile: the values are taken as they are
    return converted if converted is not None else image


def eight_bits(image: Image.Image) -> Image.Image:
    """A picture with 16 bits per value, as one with 8."""
    wide = image.convert("I")
    highest: Any = wide.getextrema()[1]
    return wide.point(lambda value: value * (1 / 256)).convert("L") if highest > 255 else wide.convert("L")


def dominant_color(image: Image.Image) -> str:
    few = image.resize((32, 32), Image.Resampling.BOX).quantize(colors=6)
    counted: Any = few.convert("RGB").getcolors(maxcolors=32 * 32)
    red, green, blue = max(counted, key=lambda entry: entry[0])[1]
    return f"#{red:02x}{green:02x}{blue:02x}"


def scaled(width: int, height: int, target: int) -> tuple[int, int]:
    target = min(target, width)
    return target, max(1, round(height * target / width))


def saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


if __name__ == "__main__":
    main()
