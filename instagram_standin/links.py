"""Addresses of pictures and films, signed and short-lived as on Meta's CDN.

Rows name their files by path (`/media/<seed>.jpg`); an address is made when an answer is: with the caller's own host,
`oe` for the moment of expiry (hexadecimal Unix seconds), and `oh` for the generation of links. `expire_all` ends the
generation: what was handed out is refused, what is handed out next is good.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

MEDIA_PREFIX = "/media/"
DEFAULT_LIFE_SECONDS = 4 * 86_400
EXPIRED = "URL signature expired"
BAD_DATE = "Bad URL date param"
_HEX = re.compile(r"[0-9A-Fa-f]{1,9}", re.ASCII)


class Links:
    """`public_url`: where callers reach the stand-in; None means the host they named in their request."""

    def __init__(self, public_url: str | None = None) -> None:
        self._public_url = public_url.rstrip("/") if public_url else None
        self.life_seconds: float = DEFAULT_LIFE_SECONDS
        self._generation = 1

    def reset(self) -> None:
        """Long-lived again. Links that were expired stay so."""
        self.life_seconds = DEFAULT_LIFE_SECONDS

    def expire_all(self) -> None:
        self._generation += 1

    def address(self, path: str, host: str) -> str:
        """The absolute address of a file, good for `life_seconds`."""
        return f"{self.origin(host)}{path}?oh=00_A{self._generation}&oe={self._expiry():X}"

    def origin(self, host: str) -> str:
        return self._public_url or f"http://{host}"

    def refusal(self, query: Mapping[str, str]) -> str | None:
        """Why a link with this query is refused, None when it is good. A bare path is always good."""
        if "oe" not in query:
            return None
        if not _HEX.fullmatch(query["oe"]):
            return BAD_DATE
        is_current = query.get("oh", "") == f"00_A{self._generation}"
        return None if is_current and int(query["oe"], 16) > time.time() else EXPIRED

    def _expiry(self) -> int:
        # Meta's addresses stay the same for hours; so do these, unless their life is too short for that.
        step = 3_600 if self.life_seconds >= 86_400 else 1
        return int((time.time() + self.life_seconds) // step + 1) * step
