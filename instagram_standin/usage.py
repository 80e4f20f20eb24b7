"""What the usage headers say. All counts are percentages; source: Graph API "Rate limits" (2026)."""

from __future__ import annotations

import json
from dataclasses import dataclass

APP_HEADER = "X-App-Usage"
BUSINESS_HEADER = "X-Business-Use-Case-Usage"


@dataclass(slots=True)
class Usage:
    """The levels told with every answer. `is_told` False leaves the headers out, as Meta does for quiet apps."""

    call_count: int = 3
    total_time: int = 2
    total_cputime: int = 2
    regain_minutes: int = 0
    is_told: bool = True

    def app_header(self) -> dict[str, str]:
        """For calls under the Platform limit: Business Discovery, hashtags."""
        return {APP_HEADER: _compact(self._percentages())} if self.is_told else {}

    def business_header(self, account_id: str) -> dict[str, str]:
        """For calls under the Business Use Case limit: an account's own media."""
        if not self.is_told:
            return {}
        return {BUSINESS_HEADER: business_usage(account_id, self._percentages(), self.regain_minutes)}

    def _percentages(self) -> dict[str, int]:
        return {
            "call_count": self.call_count,
            "total_time": self.total_time,
            "total_cputime": self.total_cputime,
        }


def business_usage(account_id: str, percentages: dict[str, int], regain_minutes: float) -> str:
    """The value of X-Business-Use-Case-Usage for one account."""
    entry = {"type": "instagram", **percentages, "estimated_time_to_regain_access": regain_minutes}
    return _compact({account_id: [entry]})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
