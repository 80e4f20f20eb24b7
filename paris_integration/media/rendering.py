"""Converts pictures to three sizes of JPEG and AVIF, in a child process.

Decoders are C code that hostile files may crash, hang or fill with memory; only another process can be limited and
ended. The child (`rendering_process`) doesn't import Django, gets no environment and no descriptors besides its pipes,
and its answers are checked like any input.
"""

from __future__ import annotations

import os
import re
import selectors
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated

import msgspec

from paris_integration.errors import PictureRefused

PROCESS = Path(__file__).with_name("rendering_process.py")
SECONDS = 20.0
MEMORY_BYTES = 1024**3
SIDE_LIMIT = 16_383
READ_BYTES = 256 * 1024
REASONS = frozenset({"not_a_picture", "unsupported_format", "too_many_pixels", "broken", "too_much_memory"})

LENGTH, LENGTHS = struct.Struct(">I"), struct.Struct(">II")
HEAD_LIMIT_BYTES, FILES_LIMIT_BYTES = 4096, 128 * 1024**2
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class RenderedSize:
    """A picture in one size, as files without metadata."""

    width: int
    height: int
    jpeg: bytes
    avif: bytes


@dataclass(frozen=True, slots=True)
class Rendered:
    """A converted picture. `width`, `height`: of the original, upright. `placeholder`: dominant colour, "#rrggbb".

    `sizes`: small, medium and large. Sizes that are equal are the same object.
    """

    width: int
    height: int
    placeholder: str
    sizes: tuple[RenderedSize, RenderedSize, RenderedSize]


class Renderer:
    """Converts pictures one at a time. Starts its child for the first one and replaces it after a failure.

    Not thread-safe: use one per thread, as a context manager.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        command: Sequence[str] | None = None,
    ) -> None:
        self._seconds = seconds
        # The child's own limit is later than ours; it matters only if this process is killed.
        self._command = command or (
            # Isolated (without the working directory, user packages and PYTHON variables), and writing no bytecode.
            *(sys.executable, "-I", "-B", str(PROCESS)),
            *(str(memory_bytes), str(int(seconds) + 5)),
        )
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=5)

    def render(self, content: bytes) -> Rendered:
        """The picture in its sizes.

        Raises PictureRefused: `not_a_picture`, `unsupported_format` (also animations), `too_many_pixels`, `broken`,
        `took_too_long`, `too_much_memory`, `crashed`. Raises OSError if no child can be started.
        """
        ends = time.monotonic() + self._seconds
        is_new = self._child is None
        try:
            return self._render(content, ends)
        except PictureRefused as refused:
            if refused.reason != "crashed" or is_new:
                raise
        return self._render(content, ends)  # the child may have been killed while it was idle

    def _render(self, content: bytes, ends: float) -> Rendered:
        child = self._child = self._child or self._start()
        is_usable = False
        try:
            rendered = _rendered(*_exchange(child, content, ends))
            is_usable = True
            return rendered
        except PictureRefused as refused:
            is_usable = refused.reason in REASONS - {"too_much_memory"}
            raise
        finally:
            if not is_usable:
                self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - our own script
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            close_fds=True,
            bufsize=0,
        )
        for descriptor in _pipes_of(child):
            os.set_blocking(descriptor, False)
        return child


_Side = Annotated[int, msgspec.Meta(ge=1, le=SIDE_LIMIT)]
_Length = Annotated[int, msgspec.Meta(ge=0, le=FILES_LIMIT_BYTES)]


class _Head(msgspec.Struct):
    refused: str | None = None
    width: _Side = 0
    height: _Side = 0
    placeholder: str = ""
    sizes: tuple[_Size, _Size, _Size] | None = None


class _Size(msgspec.Struct, array_like=True):
    width: _Side
    height: _Side
    jpeg_bytes: _Length
    avif_bytes: _Length


_head_decoder = msgspec.json.Decoder(_Head)


def _pipes_of(child: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The descriptors of its stdin and stdout."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("a child without pipes")
    return child.stdin.fileno(), child.stdout.fileno()


def _exchange(child: subprocess.Popen[bytes], content: bytes, ends: float) -> tuple[bytes, bytes]:
    """Send the picture; the JSON and the files of the answer. Raises PictureRefused `took_too_long` and `crashed`."""
    target, source = _pipes_of(child)
    waiting = [memoryview(LENGTH.pack(len(content))), memoryview(content)]
    answer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(target, selectors.EVENT_WRITE)
        selector.register(source, selectors.EVENT_READ)
        while (wanted := _wanted_bytes(answer)) is None or len(answer) < wanted:
            ready = selector.select(max(ends - time.monotonic(), 0))
            if not ready:
                raise PictureRefused("took_too_long")
            try:
                for key, _ in ready:
                    if key.fd == source:
                        read = os.read(source, READ_BYTES)
                        if not read:
                            raise PictureRefused("crashed")
                        answer += read
                    elif waiting:
                        waiting[0] = waiting[0][os.write(target, waiting[0]) :]
                        if not waiting[0]:
                            del waiting[0]
                    else:
                        selector.unregister(target)
            except OSError:
                raise PictureRefused("crashed") from None
    text_bytes, _ = LENGTHS.unpack_from(answer)
    files_at = LENGTHS.size + text_bytes
    return bytes(answer[LENGTHS.size : files_at]), bytes(answer[files_at:])


def _wanted_bytes(answer: bytearray) -> int | None:
    """The length of the whole answer; None if it isn't known yet."""
    if len(answer) < LENGTHS.size:
        return None
    text_bytes, files_bytes = LENGTHS.unpack_from(answer)
    if text_bytes > HEAD_LIMIT_BYTES or files_bytes > FILES_LIMIT_BYTES:
        raise PictureRefused("crashed")
    return LENGTHS.size + int(text_bytes) + int(files_bytes)


def _rendered(text: bytes, files: bytes) -> Rendered:
    """The answer as a picture. Raises PictureRefused."""
    try:
        head = _head_decoder.decode(text)
    except msgspec.DecodeError:
        raise PictureRefused("crashed") from None
    if head.refused is not None:
        raise PictureRefused(head.refused if head.refused in REASONS else "crashed")
    sizes: list[RenderedSize] = []
    position = 0
    for size in head.sizes or ():
        if sizes and not size.jpeg_bytes and (size.width, size.height) == (sizes[-1].width, sizes[-1].height):
            sizes.append(sizes[-1])
            continue
        avif_at, ends_at = position + size.jpeg_bytes, position + size.jpeg_bytes + size.avif_bytes
        jpeg, avif = files[position:avif_at], files[avif_at:ends_at]
        if not (jpeg.startswith(b"\xff\xd8\xff") and avif[4:12] == b"ftypavif"):
            raise PictureRefused("crashed")
        sizes.append(RenderedSize(size.width, size.height, jpeg, avif))
        position = ends_at
    is_whole = head.width and head.height and len(sizes) == 3
    if not is_whole or position != len(files) or not _COLOUR.fullmatch(head.placeholder):
        raise PictureRefused("crashed")
    small, medium, large = sizes
    return Rendered(head.width, head.height, head.placeholder, (small, medium, large))
