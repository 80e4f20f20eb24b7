"""Short films for reels: a slow move over the still of the same seed, so that a reel and its cover belong together.

Pillow writes no video files, but its AVIF sequences are AV1 frames in the very container of MP4. Told to be a film
instead of a picture, such a file plays wherever AV1 does (Chromium, Chrome, Firefox, recent Safari).
"""

from __future__ import annotations

import io

from PIL import Image, features

from instagram_standin.pictures.scenes import draw

FRAMES = 24
FRAME_MILLISECONDS = 83
WIDTH = 360
CLOSEST = 0.84  # share of the still that is seen when the move ends


def can_film() -> bool:
    """Whether this Pillow was built with AVIF."""
    return bool(features.check("avif"))


def film(seed: str) -> bytes:
    """An MP4 of two seconds, without sound."""
    still = draw(seed)
    frames = [_frame(still, step / (FRAMES - 1)) for step in range(FRAMES)]
    sequence = io.BytesIO()
    frames[0].save(
        sequence,
        "AVIF",
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_MILLISECONDS,
        speed=10,
        quality=45,
        max_threads=1,
    )
    return _as_film(bytearray(sequence.getvalue()))


def _frame(still: Image.Image, progress: float) -> Image.Image:
    share = 1 - (1 - CLOSEST) * progress
    width, height = still.width * share, still.height * share
    left, top = (still.width - width) * progress, (still.height - height) / 2
    size = (WIDTH, WIDTH * still.height // still.width)
    return still.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))


def _as_film(avif: bytearray) -> bytes:
    """The same boxes with three labels changed (ISO/IEC 14496-12).

    The brand says MP4, the track's handler says film, and the edit list, which asks for endless repetition, becomes
    free space, with the durations it had made endless set to the film's own. Lengths stay, so no offset moves.
    """
    avif[8:12] = b"isom"
    movie = avif.index(b"moov")
    handler = avif.index(b"pict", movie)
    avif[handler : handler + 4] = b"vide"
    edits = avif.index(b"edts", movie)
    avif[edits : edits + 4] = b"free"
    # Version 1 headers: 64-bit durations, counted from the four letters of the box's name.
    media_duration = avif.index(b"mdhd", movie) + 28
    duration = avif[media_duration : media_duration + 8]
    for name, offset in ((b"mvhd", 28), (b"tkhd", 32)):
        place = avif.index(name, movie) + offset
        avif[place : place + 8] = duration
    return bytes(avif)
