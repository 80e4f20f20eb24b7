"""The storage of collected static files."""

from __future__ import annotations

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """WhiteNoise's storage, compressing with gzip only, and no source maps.

    Brotli would take 40 seconds of a processor for the pages of the admin and the API's documentation. The scripts that
    publishers' pages load are compressed by `venice_api.embed.scripts`.
    """

    def create_compressor(self, **options: Any) -> Compressor:
        options["extensions"] = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
        return Compressor(**options, use_brotli=False)
