"""Pictures as files below MEDIA_ROOT, on a disk that all processes share."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from django.core.files.storage import FileSystemStorage

from paris_integration.errors import StorageUnavailable

# A worker that is killed while it writes leaves such a file behind. No write takes this long.
ABANDONED_AFTER_SECONDS = 3_600
TEMPORARY_SUFFIX = ".part"
_REASONS = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
    errno.EIO: "unreachable",
    errno.ESTALE: "unreachable",
    errno.ETIMEDOUT: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENOTCONN: "unreachable",
}


class PictureFiles(FileSystemStorage):
    """Files that appear whole or not at all. Every fault of the disk is a StorageUnavailable."""

    def size_of(self, key: str) -> int | None:
        with _faults():
            try:
                return os.stat(self.path(key)).st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, key: str, content: bytes) -> None:
        path = self.path(key)
        with _faults():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=TEMPORARY_SUFFIX)
            try:
                with open(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    # mkstemp lets only its own user read the file; the reverse proxy has another one.
                    os.fchmod(file.fileno(), self.file_permissions_mode or 0o644)
                    # The database will say that the copy is there: a power cut must not leave an empty file.
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise

    def touch(self, key: str) -> None:
        """Make the file look new, so that a sweep for old files without a picture leaves it alone."""
        with _faults(), suppress(FileNotFoundError):
            os.utime(self.path(key))

    def get(self, key: str) -> bytes | None:
        with _faults():
            try:
                with open(self.path(key), "rb") as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            with _faults(), suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self.path(key))

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """The key and time of change of each file: of all, or of a folder's files with the same start of their names.

        Removes what killed writers have left behind in these folders.
        """
        wanted, _, start = prefix.partition("/")
        with _faults():
            for folder in _scan(os.fspath(self.location)):
                is_wanted = folder.name == wanted if wanted else len(folder.name) == 2
                if is_wanted and folder.is_dir(follow_symlinks=False):
                    yield from _entries_of(folder.path, folder.name, start)


def _entries_of(path: str, folder: str, start: str) -> Iterator[tuple[str, datetime]]:
    for entry in _scan(path):
        with suppress(FileNotFoundError):  # removed since
            changed_at = entry.stat(follow_symlinks=False).st_mtime
            if not entry.name.endswith(TEMPORARY_SUFFIX):
                if entry.name.startswith(start):
                    yield f"{folder}/{entry.name}", datetime.fromtimestamp(changed_at, UTC)
            elif time.time() - changed_at > ABANDONED_AFTER_SECONDS:
                os.unlink(entry.path)


def _scan(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        # Without its cause, whose text contains a path.
        raise StorageUnavailable(_REASONS.get(error.errno or 0, "failed"), name) from None
