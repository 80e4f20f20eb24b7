"""The permissions each login product knows. Sources: "Permissions reference" and App Review pages (2026)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Family(StrEnum):
    """The two login products, each with a host of its own; a token of one is worth nothing on the other."""

    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"


INSTAGRAM_BASIC = "instagram_business_basic"
PUBLIC_PROFILE = "public_profile"

# The values without `instagram_` in front died on 27 January 2025: who asks for them is refused.
SCOPES: Mapping[Family, frozenset[str]] = {
    Family.INSTAGRAM: frozenset(
        {
            INSTAGRAM_BASIC,
            "instagram_business_content_publish",
            "instagram_business_manage_comments",
            "instagram_business_manage_insights",
            "instagram_business_manage_messages",
        }
    ),
    Family.FACEBOOK: frozenset(
        {
            PUBLIC_PROFILE,
            "ads_management",
            "ads_read",
            "business_management",
            "email",
            "instagram_basic",
            "instagram_manage_comments",
            "instagram_manage_insights",
            "pages_manage_metadata",
            "pages_read_engagement",
            "pages_show_list",
        }
    ),
}

# What a Login for Business configuration (`config_id`) of the stand-in asks for.
CONFIGURED = (
    "instagram_basic",
    "instagram_manage_insights",
    "pages_show_list",
    "pages_read_engagement",
    "business_management",
)
