"""The child process of `rendering`: decodes pictures with Pillow and writes them in three sizes.

Runs as a script, without the project's packages. Reads from stdin the length of a picture (4 bytes, big-endian) and the
picture, and answers on stdout with two lengths (4 bytes each), a JSON object and files. The object is
`{"refused": reason}`, or `width`, `height`, `placeholder`, and `sizes`: for each size its width, its height, and the
bytes of its JPEG and its AVIF, which follow in this order. A size equal to the one before has no files.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from math import ceil
from typing import Any

# The import of a plugin registers its format.
from PIL import (  # noqa: F401
    AvifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

LENGTH, LENGTHS = struct.Struct(">I"), struct.Struct(">II")

WIDTHS = (320, 640, 1080)
PIXEL_LIMIT = 50_000_000
SIDE_LIMIT = 16_383
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
JPEG_OPTIONS = {"quality": 78, "optimize": True, "progressive": True}
# Photos of 960 × 1200 pixels: as faithful as the JPEG in less than half the bytes; 200 ms of CPU time for all sizes.
AVIF_OPTIONS = {"quality": 55, "speed": 8, "max_threads": 1}
REDUCING_GAP = 3.0
COLOUR_GROUPS = 8

SRGB = ImageCms.createProfile("sRGB")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
# GIF, BMP, TIFF, icons, JPEG 2000, Photoshop, JPEG XL
OTHER_SIGNATURES = (b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"\0\0\0\x0cjP", b"8BPS", b"\xff\x0a")
ORIENTATION_TAG = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = {TURNS[5], TURNS[6], TURNS[7], TURNS[8]}


class Refused(Exception):
    """The message is the reason."""


def main() -> None:
    """Answer pictures from stdin until it ends. Arguments: bytes of memory, and seconds for a picture."""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(10)  # refreshes come first
    for number in (signal.SIGINT, signal.SIGTERM):  # a worker that is asked to stop finishes its picture
        signal.signal(number, signal.SIG_IGN)
    configure_pillow()
    while head := sys.stdin.buffer.read(LENGTH.size):
        signal.alarm(seconds)  # ends this process even if its parent was killed
        answer, files = answer_to(sys.stdin.buffer.read(LENGTH.unpack(head)[0]))
        text = json.dumps(answer).encode()
        sys.stdout.buffer.write(LENGTHS.pack(len(text), len(files)) + text + files)
        sys.stdout.buffer.flush()
        signal.alarm(0)


def configure_pillow() -> None:
    """Set Pillow's global options: one thread, and an error beyond the limit of pixels, before anything is decoded."""
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT // 2  # Pillow warns above it and raises above twice as many
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def answer_to(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON object and the files."""
    try:
        return converted(content)
    except Refused as refused:
        reason = str(refused)
    except Image.DecompressionBombError:
        reason = "too_many_pixels"
    except MemoryError:
        reason = "too_much_memory"
    except Exception:  # noqa: BLE001 - decoders raise exceptions of any class for damaged files
        reason = "broken"
    return {"refused": reason}, b""


def converted(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON object and the files of a picture."""
    picture = open_checked(content)
    original_size = picture.size
    # Lets the JPEG decoder skip pixels; its result is at least this large.
    scale = min(1.0, WIDTHS[-1] / min(original_size))
    picture.draft(None, (ceil(original_size[0] * scale), ceil(original_size[1] * scale)))
    picture.load()
    turn = turn_of(picture)
    width, height = original_size if turn not in SIDEWAYS else original_size[::-1]
    sizes = [scaled(width, height, limit) for limit in WIDTHS]

    large = sizes[-1] if turn not in SIDEWAYS else sizes[-1][::-1]
    profile = picture.info.get("icc_profile")
    picture = with_plain_mode(picture)
    picture = picture.resize(large, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    picture = in_srgb(on_white(picture), profile)
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info = {}  # AVIF and JPEG would get the comment and the profile from here

    answer = {"width": width, "height": height, "placeholder": dominant_colour(picture)}
    listed: list[tuple[int, ...]] = []
    files = bytearray()
    for place, size in enumerate(sizes):
        if place and size == sizes[place - 1]:
            listed.append((*size, 0, 0))
            continue
        resized = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
        jpeg, avif = saved(resized, "JPEG", JPEG_OPTIONS), saved(resized, "AVIF", AVIF_OPTIONS)
        listed.append((*size, len(jpeg), len(avif)))
        files += jpeg + avif
    return {**answer, "sizes": listed}, bytes(files)


def open_checked(content: bytes) -> Image.Image:
    """The picture, not decoded yet. Raises Refused for formats, animations and sizes that aren't allowed."""
    try:
        picture = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise Refused(reason_of_unknown(content)) from None
    if picture.width * picture.height > PIXEL_LIMIT or max(picture.size) > SIDE_LIMIT:
        raise Refused("too_many_pixels")
    # MPO is a JPEG from a phone, followed by other views of the same picture.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise Refused("unsupported_format")
    return picture


def reason_of_unknown(content: bytes) -> str:
    """Why Pillow doesn't open the content."""
    is_ours = content.startswith(SIGNATURES) or content[8:12] in (b"WEBP", b"avif", b"avis")
    if is_ours:
        return "broken"
    is_other = content.startswith(OTHER_SIGNATURES) or content[4:8] == b"ftyp"
    return "unsupported_format" if is_other else "not_a_picture"


def turn_of(picture: Image.Image) -> Image.Transpose | None:
    """What the EXIF orientation asks for. Unreadable EXIF data is ignored."""
    try:
        return TURNS.get(picture.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 - the parser raises exceptions of any class
        return None


def scaled(width: int, height: int, limit: int) -> tuple[int, int]:
    """The size at most `limit` wide, never enlarged."""
    if width <= limit:
        return width, height
    return limit, max(1, round(height * limit / width))


def with_plain_mode(picture: Image.Image) -> Image.Image:
    """The picture as L, RGB, CMYK, or RGBa (premultiplied, so that hidden colours don't bleed when it's resized)."""
    if picture.mode.startswith("I"):  # 16 bits
        return picture.point(lambda value: value * (1 / 257)).convert("L")
    if picture.has_transparency_data:
        return picture.convert("RGBA").convert("RGBa")
    if picture.mode in ("L", "RGB", "CMYK"):
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")


def on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBa":
        return picture
    picture = picture.convert("RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


def in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture as RGB in sRGB. A profile that doesn't fit the picture is ignored."""
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            found = ImageCms.profileToProfile(picture, source, SRGB, outputMode="RGB")
            if found is not None:
                return found
    return picture.convert("RGB")


def dominant_colour(picture: Image.Image) -> str:
    """The mean of the largest group of similar colours."""
    tiny = picture.resize((48, 48), Image.Resampling.BOX, reducing_gap=REDUCING_GAP).quantize(COLOUR_GROUPS)
    counts = tiny.histogram()
    index = counts.index(max(counts))
    palette = tiny.getpalette() or []
    return f"#{bytes(palette[3 * index : 3 * index + 3]).hex()}"


def saved(picture: Image.Image, file_format: str, options: dict[str, Any]) -> bytes:
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


if __name__ == "__main__":
    main()
