"""Files by seed, made once and kept in memory; the oldest go first."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable

from instagram_standin.pictures import clips
from instagram_standin.pictures.scenes import draw

JPEG_QUALITY = 84
KEPT_FILES = 600


class Gallery:
    def __init__(self, capacity: int = KEPT_FILES) -> None:
        self._capacity = capacity
        self._files: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def jpeg(self, seed: str) -> bytes:
        return self._kept("jpg", seed, _jpeg)

    def film(self, seed: str) -> bytes:
        """An MP4. Only where `clips.can_film()`."""
        return self._kept("mp4", seed, clips.film)

    def _kept(self, kind: str, seed: str, make: Callable[[str], bytes]) -> bytes:
        with self._lock:
            found = self._files.get((kind, seed))
        if found is not None:
            return found
        # Two first askers may both make it: the outcome is the same, and nobody waits for a stranger's file.
        made = make(seed)
        with self._lock:
            self._files[kind, seed] = made
            while len(self._files) > self._capacity:
                self._files.popitem(last=False)
        return made


def _jpeg(seed: str) -> bytes:
    file = io.BytesIO()
    draw(seed).save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()
