"""Conversion of pictures in a child process: sizes, colours, metadata, hostile files, and children that fail."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from paris_integration.errors import PictureRefused
from paris_integration.media.rendering import PROCESS, Rendered, Renderer

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


def test_pictures_are_never_enlarged_and_equal_sizes_share_their_files(renderer: Renderer) -> None:
    middle = renderer.render(encoded(Image.new("RGB", (400, 300), RED), "PNG"))
    tiny = renderer.render(encoded(Image.new("RGB", (1, 1), RED), "PNG"))

    assert dimensions(middle) == [(320, 240), (400, 300), (400, 300)]
    assert middle.sizes[1] is middle.sizes[2]
    assert dimensions(tiny) == [(1, 1)] * 3
    assert tiny.sizes[0] is tiny.sizes[2]


def test_large_pictures_are_at_most_1080_pixels_wide(renderer: Renderer) -> None:
    rendered = renderer.render(encoded(Image.new("RGB", (4000, 3001), BLUE), "JPEG"))

    assert (rendered.width, rendered.height) == (4000, 3001)
    assert dimensions(rendered) == [(320, 240), (640, 480), (1080, 810)]


def test_a_picture_is_at_least_one_pixel_high(renderer: Renderer) -> None:
    assert dimensions(renderer.render(encoded(Image.new("RGB", (4000, 1), BLUE), "PNG")))[0] == (320, 1)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_four_formats_are_read(renderer: Renderer, file_format: str) -> None:
    rendered = renderer.render(encoded(Image.new("RGB", (500, 250), RED), file_format))

    assert (rendered.width, rendered.height) == (500, 250)
    assert is_near(opened(rendered.sizes[0].jpeg).getpixel((160, 80)), RED)
    assert is_near(opened(rendered.sizes[0].avif).getpixel((160, 80)), RED)


def test_the_second_view_of_a_jpeg_from_a_phone_is_ignored(renderer: Renderer) -> None:
    first, second = Image.new("RGB", (400, 400), RED), Image.new("RGB", (400, 400), BLUE)

    rendered = renderer.render(encoded(first, "MPO", save_all=True, append_images=[second]))

    assert is_near(opened(rendered.sizes[0].jpeg).getpixel((160, 160)), RED)


def test_the_placeholder_is_the_colour_of_the_largest_area(renderer: Renderer) -> None:
    picture = Image.new("RGB", (900, 900), (30, 120, 60))
    picture.paste((240, 240, 240), (0, 0, 900, 300))

    placeholder = renderer.render(encoded(picture, "PNG")).placeholder

    assert placeholder[0] == "#"
    assert is_near(bytes.fromhex(placeholder[1:]), (30, 120, 60), 6)


# Colours and orientation


def quarters() -> Image.Image:
    """Red, green, blue and white, from the upper left corner, in rows."""
    picture = Image.new("RGB", (480, 320), RED)
    for colour, place in ((GREEN, (240, 0)), (BLUE, (0, 160)), (WHITE, (240, 160))):
        picture.paste(colour, (*place, place[0] + 240, place[1] + 160))
    return picture


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
        (99, [RED, GREEN, BLUE, WHITE]),
    ],
)
def test_the_orientation_is_applied(
    renderer: Renderer, file_format: str, orientation: int, wanted: list[tuple[int, int, int]]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation

    rendered = renderer.render(encoded(quarters(), file_format, exif=exif))

    width, height = (320, 480) if orientation in (5, 6, 7, 8) else (480, 320)
    assert (rendered.width, rendered.height) == (width, height)
    shown = opened(rendered.sizes[2].jpeg)
    corners = [
        (width // 4, height // 4),
        (3 * width // 4, height // 4),
        (width // 4, 3 * height // 4),
        (3 * width // 4, 3 * height // 4),
    ]
    assert [
        is_near(shown.getpixel(corner), colour) for corner, colour in zip(corners, wanted, strict=True)
    ] == [True] * 4


def transparent(mode: str) -> Image.Image:
    """Blue, and invisible black on the left."""
    picture = Image.new("RGBA", (400, 200), (*BLUE, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 200, 200))
    return picture.convert(mode)


def with_invisible_index() -> bytes:
    picture = Image.new("P", (400, 200), 1)
    picture.putpalette([*(0, 0, 0), *BLUE])
    picture.paste(0, (0, 0, 200, 200))
    return encoded(picture, "PNG", transparency=0)


@pytest.mark.parametrize(
    ("content", "right"),
    [
        pytest.param(encoded(transparent("RGBA"), "PNG"), BLUE, id="PNG"),
        pytest.param(encoded(transparent("RGBA"), "WEBP", lossless=True), BLUE, id="WebP"),
        pytest.param(encoded(transparent("RGBA"), "AVIF"), BLUE, id="AVIF"),
        pytest.param(encoded(transparent("LA"), "PNG"), (29, 29, 29), id="grey PNG"),
        pytest.param(with_invisible_index(), BLUE, id="PNG with a palette"),
    ],
)
def test_transparency_becomes_white_without_dark_fringes(
    renderer: Renderer, content: bytes, right: tuple[int, int, int]
) -> None:
    shown = opened(renderer.render(content).sizes[0].avif)

    assert is_near(shown.getpixel((40, 80)), WHITE)
    assert is_near(shown.getpixel((280, 80)), right)
    assert min(shown.getpixel((x, 80))[2] for x in range(150, 170)) > min(right[2], 200) - 20


def grey_of_16_bits() -> bytes:
    picture = Image.new("I;16", (400, 200), 0x8000)
    return encoded(picture, "PNG")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        pytest.param(encoded(Image.new("CMYK", (400, 200), (0, 255, 255, 0)), "JPEG"), RED, id="CMYK"),
        pytest.param(encoded(Image.new("L", (400, 200), 90), "JPEG"), (90, 90, 90), id="grey"),
        pytest.param(encoded(Image.new("1", (400, 200), 1), "PNG"), WHITE, id="black and white"),
        pytest.param(grey_of_16_bits(), (127, 127, 127), id="16 bits"),
        pytest.param(
            encoded(Image.new("RGB", (400, 200), RED).convert("P"), "PNG"),
            RED,
            id="palette without transparency",
        ),
    ],
)
def test_colour_modes(renderer: Renderer, content: bytes, wanted: tuple[int, int, int]) -> None:
    rendered = renderer.render(content)

    assert is_near(opened(rendered.sizes[0].jpeg).getpixel((100, 100)), wanted, 4)
    assert is_near(bytes.fromhex(rendered.placeholder[1:]), wanted, 4)


def swapped_profile() -> bytes:
    """An ICC profile in which red and blue are swapped."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = range(132, 132 + 12 * int.from_bytes(content[128:132], "big"), 12)
    for at in entries:
        name = bytes(content[at : at + 4])
        content[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(content)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colours_are_converted_from_the_profile_to_srgb(renderer: Renderer, file_format: str) -> None:
    picture = Image.new("RGB", (400, 200), RED)

    rendered = renderer.render(encoded(picture, file_format, icc_profile=swapped_profile()))

    assert is_near(opened(rendered.sizes[0].jpeg).getpixel((100, 100)), BLUE)


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"\0" * 600, id="zeros"),
        pytest.param(swapped_profile()[:300], id="cut off"),
        pytest.param(swapped_profile().replace(b"RGB ", b"CMYK"), id="for other colours"),
        pytest.param(swapped_profile() + bytes(3_000_000), id="huge"),
    ],
)
def test_odd_profiles_do_no_harm(renderer: Renderer, profile: bytes) -> None:
    picture = Image.new("RGB", (400, 200), GREEN)

    rendered = renderer.render(encoded(picture, "JPEG", icc_profile=profile))

    assert is_near(opened(rendered.sizes[0].jpeg).getpixel((100, 100)), GREEN)
    assert len(rendered.sizes[0].jpeg) < 5_000


# Metadata


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_no_metadata_is_left(renderer: Renderer, file_format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "canary-exif"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "canary-gps"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "canary-text")
    text.add_itxt("XML:com.adobe.xmp", "<canary-xmp/>")
    options: dict[str, Any] = {"exif": exif, "icc_profile": swapped_profile() + b"canary-icc"}
    if file_format == "PNG":
        options |= {"pnginfo": text, "dpi": (72, 72)}
    else:
        options["xmp"] = b"<canary-xmp/>"
    if file_format == "JPEG":
        options["comment"] = b"canary-comment"
    content = encoded(Image.new("RGB", (300, 300), RED), file_format, **options)
    assert b"canary" in content

    for size in renderer.render(content).sizes:
        for file in (size.jpeg, size.avif):
            picture = opened(file)
            kept = {
                "exif",
                "icc_profile",
                "xmp",
                "comment",
                "photoshop",
                "XML:com.adobe.xmp",
            } & picture.info.keys()
            assert not kept
            assert not picture.getexif()
            assert b"canary" not in file


# Hostile files


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, data: bytes = b"", *before: bytes, colour: int = 2, bits: int = 8) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"".join((b"\x89PNG\r\n\x1a\n", head, *before, chunk(b"IDAT", data), chunk(b"IEND", b"")))


def frames(file_format: str) -> bytes:
    pictures = [Image.new("RGB", (64, 64), colour) for colour in (RED, GREEN, BLUE)]
    return encoded(pictures[0], file_format, save_all=True, append_images=pictures[1:], duration=100)


def webp_of(width: int, height: int) -> bytes:
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body = b"WEBP" + canvas + (height - 1).to_bytes(3, "little") + b"VP8L" + struct.pack("<I", 0)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif_of(width: int, height: int) -> bytes:
    content = encoded(Image.new("RGB", (64, 64), RED), "AVIF")
    size = b"ispe\0\0\0\0" + struct.pack(">II", 64, 64)
    assert size in content
    return content.replace(size, b"ispe\0\0\0\0" + struct.pack(">II", width, height))


def jpeg_of(width: int, height: int) -> bytes:
    content = encoded(Image.new("RGB", (64, 64), RED), "JPEG")
    return content.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", height, width))


PNG_PHOTO = encoded(opened(PHOTO).resize((200, 250)), "PNG")
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not_a_picture"),
    "HTML": (b"<!doctype html><title>Sign in</title>", "not_a_picture"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_a_picture"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_a_picture"),
    "random bytes": (bytes(range(256)) * 100, "not_a_picture"),
    "film": (b"\0\0\0\x20ftypisom" + bytes(100), "unsupported_format"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "unsupported_format"),
    "GIF": (encoded(Image.new("P", (64, 64)), "GIF"), "unsupported_format"),
    "animated GIF": (frames("GIF"), "unsupported_format"),
    "BMP": (encoded(Image.new("RGB", (64, 64)), "BMP"), "unsupported_format"),
    "TIFF": (encoded(Image.new("RGB", (64, 64)), "TIFF"), "unsupported_format"),
    "JPEG 2000": (encoded(Image.new("RGB", (64, 64)), "JPEG2000"), "unsupported_format"),
    "animated PNG": (frames("PNG"), "unsupported_format"),
    "animated WebP": (frames("WEBP"), "unsupported_format"),
    "AVIF sequence": (frames("AVIF"), "unsupported_format"),
    "PNG of 30,000 × 30,000": (png(30_000, 30_000), "too_many_pixels"),
    "PNG of the largest size": (png(2**31 - 1, 2**31 - 1), "too_many_pixels"),
    "PNG of 1 × 60,000": (png(1, 60_000, zlib.compress(bytes(4 * 60_000))), "too_many_pixels"),
    "PNG of 60,000 × 1": (png(60_000, 1, zlib.compress(bytes(180_001))), "too_many_pixels"),
    "PNG just over the limit": (png(10_000, 5_001), "too_many_pixels"),
    "JPEG of 65,500 × 65,500": (jpeg_of(65_500, 65_500), "too_many_pixels"),
    "WebP of 16,383 × 16,383": (webp_of(16_383, 16_383), "too_many_pixels"),
    "AVIF of 16,000 × 16,000": (avif_of(16_000, 16_000), "too_many_pixels"),
    "PNG without pixels": (png(0, 0), "broken"),
    "truncated PNG": (PNG_PHOTO[: len(PNG_PHOTO) // 2], "broken"),
    "PNG without data": (png(640, 640), "broken"),
    "PNG of signature and head": (PNG_PHOTO[:33], "broken"),
    "PNG signature": (b"\x89PNG\r\n\x1a\n", "broken"),
    "truncated JPEG": (PHOTO[: len(PHOTO) // 2], "broken"),
    "JPEG signature": (b"\xff\xd8\xff\xe0", "broken"),
    "truncated WebP": (encoded(opened(PHOTO), "WEBP")[:5_000], "broken"),
    "truncated AVIF": (encoded(opened(PHOTO), "AVIF")[:5_000], "broken"),
    "AVIF signature": (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "broken"),
    "text bomb in a PNG": (
        png(
            9,
            9,
            zlib.compress(bytes(9 * 28)),
            chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 1)),
        ),
        "broken",
    ),
    "profile bomb in a PNG": (
        png(
            9,
            9,
            zlib.compress(bytes(9 * 28)),
            chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000), 1)),
        ),
        "broken",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_hostile_files_are_refused_with_a_reason_and_the_next_picture_works(
    renderer: Renderer, kind: str
) -> None:
    content, reason = REFUSED[kind]
    began = time.monotonic()

    assert refusal(renderer, content) == reason

    assert time.monotonic() - began < 5
    assert renderer.render(PNG_PHOTO).width == 200


def test_surplus_data_does_not_expand(renderer: Renderer) -> None:
    data = zlib.compress(bytes(9 * 28) + bytes(50_000_000), 1)

    assert renderer.render(png(9, 9, data)).width == 9


def test_bytes_changed_at_random_crash_nothing(renderer: Renderer) -> None:
    small = opened(PHOTO).resize((96, 120))
    originals = [encoded(small, file_format) for file_format in ("JPEG", "PNG", "WEBP", "AVIF")]
    outcomes = set()
    for number in range(120):
        content = bytearray(originals[number % 4])
        for step in range(1, 6):
            content[(number * 7919 * step) % len(content)] ^= 1 + (number * step) % 255
        try:
            renderer.render(bytes(content))
            outcomes.add("rendered")
        except PictureRefused as refused:
            outcomes.add(refused.reason)

    assert (
        {"rendered", "broken"}
        <= outcomes
        <= {"rendered", "broken", "unsupported_format", "not_a_picture", "too_many_pixels"}
    )


# 8000 × 6250 pixels in one colour: of all formats, WebP takes the most memory.
BOMB = b'RIFF\x1c\0\0\0WEBPVP8L\x0f\0\0\0/?_\x1a\x06\x07\x10\xfd\x8f\xfe\x07"\xa2\xff\x01\0'


def test_the_largest_picture_fits_in_the_memory(renderer: Renderer) -> None:
    assert dimensions(renderer.render(BOMB)) == [(320, 250), (640, 500), (1080, 844)]


def test_a_picture_beyond_the_memory_is_refused() -> None:
    with Renderer(memory_bytes=500 * 1024**2) as renderer:
        assert refusal(renderer, BOMB) == "too_much_memory"
        assert renderer.render(PNG_PHOTO).width == 200


# Children that fail


def child_of(renderer: Renderer) -> int:
    assert renderer._child is not None
    return renderer._child.pid


def test_one_child_serves_several_pictures_and_ends_with_the_context() -> None:
    with Renderer() as renderer:
        assert renderer._child is None
        renderer.render(PNG_PHOTO)
        child = child_of(renderer)
        renderer.render(PNG_PHOTO)
        assert child_of(renderer) == child

    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_child_that_was_killed_while_idle_is_replaced() -> None:
    with Renderer() as renderer:
        renderer.render(PNG_PHOTO)
        killed = child_of(renderer)
        os.kill(killed, signal.SIGKILL)

        assert renderer.render(PNG_PHOTO).width == 200
        assert child_of(renderer) != killed


def test_a_child_survives_the_signals_that_stop_its_worker() -> None:
    with Renderer() as renderer:
        renderer.render(PNG_PHOTO)
        child = child_of(renderer)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(child, number)
        renderer.render(PNG_PHOTO)
        assert child_of(renderer) == child


@pytest.mark.parametrize(
    "content", [PNG_PHOTO, PNG_PHOTO + bytes(5_000_000)], ids=["small", "larger than the pipe"]
)
def test_a_child_that_hangs_is_ended_and_replaced(content: bytes) -> None:
    with Renderer() as renderer:
        renderer.render(PNG_PHOTO)
        renderer._seconds = 0.3
        hung = child_of(renderer)
        os.kill(hung, signal.SIGSTOP)
        began = time.monotonic()

        assert refusal(renderer, content) == "took_too_long"

        assert time.monotonic() - began < 2
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)
        renderer._seconds = 20
        assert renderer.render(PNG_PHOTO).width == 200


READ = """
import os, struct, sys, time
size, = struct.unpack(">I", sys.stdin.buffer.read(4))
sys.stdin.buffer.read(size)
"""


def answering(code: str) -> Renderer:
    """A renderer whose child runs this code after the picture has been read."""
    return Renderer(seconds=1, command=(sys.executable, "-I", "-S", "-c", READ + code))


def raw(head: Any, files: bytes = b"", files_bytes: int | None = None) -> str:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    lengths = struct.pack(">II", len(text), len(files) if files_bytes is None else files_bytes)
    return f"sys.stdout.buffer.write({lengths + text + files!r}); sys.stdout.flush()"


GOOD = {"width": 1, "height": 1, "placeholder": "#000000"}
JPEG_BYTES, AVIF_BYTES = b"\xff\xd8\xff\xe0", b"\0\0\0\x18ftypavif"
BAD_CHILDREN = {
    "ends at once": ("sys.exit()", "crashed"),
    "is killed": ("os.kill(os.getpid(), 9)", "crashed"),
    "segmentation fault": ("os.kill(os.getpid(), 11)", "crashed"),
    "ends in the middle": ("sys.stdout.buffer.write(b'abc')", "crashed"),
    "says nothing": ("time.sleep(60)", "took_too_long"),
    "closes its answer": ("os.close(1); time.sleep(60)", "crashed"),
    "announces too much": (raw(GOOD, files_bytes=2**32 - 1), "crashed"),
    "stops in the files": (raw(GOOD, b"x", files_bytes=2) + "; time.sleep(60)", "took_too_long"),
    "is no JSON": (raw(b"\xff"), "crashed"),
    "is a list": (raw([]), "crashed"),
    "has no sizes": (raw(GOOD), "crashed"),
    "unknown reason": (raw({"refused": "<script>"}), "crashed"),
    "HTML as a JPEG": (
        raw({**GOOD, "sizes": [[1, 1, 6, 12], [1, 1, 0, 0], [1, 1, 0, 0]]}, b"<html>" + AVIF_BYTES),
        "crashed",
    ),
    "negative lengths": (raw({**GOOD, "sizes": [[1, 1, -4, -12], [1, 1, 0, 0], [1, 1, 0, 0]]}), "crashed"),
    "sides of nothing": (
        raw(
            {**GOOD, "width": 0, "sizes": [[1, 1, 4, 12], [1, 1, 0, 0], [1, 1, 0, 0]]},
            JPEG_BYTES + AVIF_BYTES,
        ),
        "crashed",
    ),
    "no sides": (
        raw(
            {"placeholder": "#000000", "sizes": [[1, 1, 4, 12], [1, 1, 0, 0], [1, 1, 0, 0]]},
            JPEG_BYTES + AVIF_BYTES,
        ),
        "crashed",
    ),
    "surplus files": (
        raw({**GOOD, "sizes": [[1, 1, 4, 12], [1, 1, 0, 0], [1, 1, 0, 0]]}, JPEG_BYTES + AVIF_BYTES + b"x"),
        "crashed",
    ),
    "an unusual placeholder": (
        raw(
            {**GOOD, "placeholder": "red;x", "sizes": [[1, 1, 4, 12], [1, 1, 0, 0], [1, 1, 0, 0]]},
            JPEG_BYTES + AVIF_BYTES,
        ),
        "crashed",
    ),
}


@pytest.mark.parametrize("kind", BAD_CHILDREN)
def test_a_child_that_misbehaves_harms_only_its_picture(kind: str) -> None:
    code, reason = BAD_CHILDREN[kind]
    began = time.monotonic()
    with answering(code) as renderer:
        assert refusal(renderer, PNG_PHOTO) == reason
        assert renderer._child is None
    assert time.monotonic() - began < 3


def test_a_child_that_never_reads_is_ended() -> None:
    with Renderer(
        seconds=0.3, command=(sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)")
    ) as renderer:
        assert refusal(renderer, bytes(10_000_000)) == "took_too_long"


ENDLESS = """
import runpy, sys, time
sys.argv = ["rendering_process", str(2**30), "1"]
main = runpy.run_path(sys.path.pop())["main"]
main.__globals__["converted"] = lambda _: time.sleep(60)
main()
"""


def test_a_child_ends_itself_if_its_parent_does_not() -> None:
    script = f"import sys; sys.path.append({str(PROCESS)!r})\n{ENDLESS}"
    with Renderer(seconds=10, command=(sys.executable, "-I", "-c", script)) as renderer:
        began = time.monotonic()
        assert refusal(renderer, PNG_PHOTO) == "crashed"
        assert time.monotonic() - began < 4


def test_the_child_inherits_no_environment_and_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary")
    with Path("README.md").open() as file, Renderer() as renderer:
        os.set_inheritable(file.fileno(), True)
        renderer.render(PNG_PHOTO)
        process = Path(f"/proc/{child_of(renderer)}")

        assert process.joinpath("environ").read_bytes() in (b"", b"LC_CTYPE=C.UTF-8\0")
        opened_files = {path.readlink().name.partition(":")[0] for path in process.joinpath("fd").iterdir()}
        assert opened_files == {"pipe", "null"}
        limits = process.joinpath("limits").read_text()
        assert "1073741824" in next(
            line for line in limits.splitlines() if line.startswith("Max address space")
        )


def test_the_child_imports_neither_django_nor_the_project() -> None:
    with Renderer() as renderer:
        renderer.render(PNG_PHOTO)
        mapped = Path(f"/proc/{child_of(renderer)}/maps").read_text()
    source = PROCESS.read_text()

    assert "PIL" in mapped
    assert "paris_integration" not in source.replace("paris_integration/", "")
    assert "django" not in source.lower()


def test_threads_with_a_renderer_each_work_side_by_side() -> None:
    def work(number: int) -> list[tuple[int, int]]:
        with Renderer() as renderer:
            return [
                dimensions(renderer.render(encoded(Image.new("RGB", (100 + number, 50)), "PNG")))[0]
                for _ in range(3)
            ]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [[(100 + number, 50)] * 3 for number in range(4)]
