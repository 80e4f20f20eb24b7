"""Converts pictures in a child process, because decoding untrusted files may take any time and memory, or crash."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from paris_integration.errors import PictureRefused

CHILD = Path(__file__).with_name("render_child.py")
TIME_SECONDS = 20.0
MAX_ANSWER_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class RenderedSize:
    """One size: pixels, and the picture in both formats."""

    width: int
    height: int
    jpeg: bytes
    avif: bytes


@dataclass(frozen=True, slots=True)
class Rendered:
    """A converted picture. `width` and `height` are the original's pixels, upright; `placeholder` is like "#a0b1c2"."""

    width: int
    height: int
    placeholder: str
    sizes: tuple[RenderedSize, RenderedSize, RenderedSize]  # small, medium, large


class Renderer:
    """Converts one picture after another in a child process, which it starts on first use and after each failure.

    Use it in a `with` block, from one thread.
    """

    def __init__(self, *, time_seconds: float = TIME_SECONDS) -> None:
        self._time_seconds = time_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def render(self, content: bytes) -> Rendered:
        """The picture in its sizes, upright, in sRGB, without metadata, never enlarged.

        Raises PictureRefused: `not_a_picture`, `unsupported_format` (not a still JPEG, PNG, WebP or AVIF),
        `too_many_pixels`, `broken`, `too_much_memory`, `took_too_long`, `crashed`.
        """
        child = self._child = self._child or _start()
        late = threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(self._time_seconds, end)
        timer.daemon = True
        timer.start()
        try:
            return _exchange(child, content)
        except (OSError, ValueError, struct.error) as error:
            # The child was killed or has crashed: the pipes are closed.
            self._end()
            raise PictureRefused("took_too_long" if late.is_set() else "crashed") from error
        except BaseException as error:
            if not isinstance(error, PictureRefused):
                self._end()  # its answer would be read as the next picture's
            raise
        finally:
            timer.cancel()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        with suppress(OSError):
            child.communicate()


def _start() -> subprocess.Popen[bytes]:
    # Without environment, so that a flaw in a decoder finds no secrets.
    return subprocess.Popen(  # noqa: S603 - our own file
        (sys.executable, "-I", str(CHILD)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    )


def _exchange(child: subprocess.Popen[bytes], content: bytes) -> Rendered:
    sink, source = child.stdin, child.stdout
    if sink is None or source is None:
        raise OSError("no pipes")
    sink.write(struct.pack(">Q", len(content)))
    sink.write(content)
    sink.flush()
    (length,) = struct.unpack(">I", _read(source, 4))
    described = json.loads(_read(source, length))
    if not isinstance(described, Mapping):
        raise ValueError("not an object")
    if "refused" in described:
        raise PictureRefused(str(described["refused"]))
    small, medium, large = (_size(source, entry) for entry in described["sizes"])
    return Rendered(
        int(described["width"]),
        int(described["height"]),
        str(described["placeholder"]),
        (small, medium, large),
    )


def _size(source: IO[bytes], entry: Any) -> RenderedSize:
    width, height, jpeg_bytes, avif_bytes = map(int, entry)
    return RenderedSize(width, height, _read(source, jpeg_bytes), _read(source, avif_bytes))


def _read(source: IO[bytes], length: int) -> bytes:
    if not 0 <= length <= MAX_ANSWER_BYTES:
        raise ValueError("too long")
    content = source.read(length)
    if len(content) < length:
        raise OSError("the child has ended")
    return content
