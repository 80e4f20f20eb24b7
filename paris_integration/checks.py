"""System checks: report wrong or incomplete configuration at start, with an id and a hint."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

META_ADDRESSES = (
    "INSTAGRAM_WWW_URL",
    "INSTAGRAM_API_URL",
    "INSTAGRAM_GRAPH_URL",
    "FACEBOOK_WWW_URL",
    "FACEBOOK_GRAPH_URL",
)


@register()
def check_public_mode(**_: Any) -> list[CheckMessage]:
    given = [bool(settings.PUBLIC_MODE_IG_USER_ID), bool(settings.PUBLIC_MODE_ACCESS_TOKEN)]
    if any(given) and not all(given):
        return [
            CheckWarning(
                "Public mode is off: only one of its two settings is set.",
                hint="Set both PUBLIC_MODE_IG_USER_ID and PUBLIC_MODE_ACCESS_TOKEN, or neither.",
                id="paris.W001",
            )
        ]
    if settings.PUBLIC_MODE_IG_USER_ID and not re.fullmatch(r"[0-9]{1,30}", settings.PUBLIC_MODE_IG_USER_ID):
        return [
            Error(
                "PUBLIC_MODE_IG_USER_ID is not an account id.",
                hint="Use the number of the professional account (it starts with 17841), not its name.",
                id="paris.E001",
            )
        ]
    return []


@register()
def check_graph_version(**_: Any) -> list[CheckMessage]:
    if re.fullmatch(r"v[0-9]{1,3}\.[0-9]", settings.META_GRAPH_VERSION):
        return []
    return [
        Error(
            "META_GRAPH_VERSION is not a Graph API version.",
            hint="Use a version such as v26.0.",
            id="paris.E002",
        )
    ]


@register()
def check_meta_apps(**_: Any) -> list[CheckMessage]:
    return [
        CheckWarning(
            f"{family} login is off: only one of {family}_APP_ID and {family}_APP_SECRET is set.",
            hint="Set both or neither. You find them in the app's dashboard at Meta.",
            id="paris.W002",
        )
        for family in ("INSTAGRAM", "FACEBOOK")
        if bool(getattr(settings, f"{family}_APP_ID")) != bool(getattr(settings, f"{family}_APP_SECRET"))
    ]


@register(deploy=True)
def check_something_can_be_fetched(**_: Any) -> list[CheckMessage]:
    if settings.INSTAGRAM_APP_ID or settings.FACEBOOK_APP_ID or settings.PUBLIC_MODE_IG_USER_ID:
        return []
    return [
        CheckWarning(
            "Neither a login nor public mode is configured: no feed can be fetched.",
            hint="Set INSTAGRAM_APP_ID and its secret, FACEBOOK_APP_ID and its secret, or both PUBLIC_MODE settings.",
            id="paris.W003",
        )
    ]


@register(deploy=True)
def check_meta_addresses(**_: Any) -> list[CheckMessage]:
    return [
        CheckWarning(
            f"{name} uses http: access tokens are sent unencrypted.",
            hint="Remove the setting to use Meta's own https address.",
            id="paris.W004",
        )
        for name in META_ADDRESSES
        if urlsplit(getattr(settings, name)).scheme != "https"
    ]


@register()
def check_picture_storage(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.MEDIA_STORAGE not in {"file", "s3"}:
        found.append(
            Error(
                "MEDIA_STORAGE is unknown.",
                hint="Use file (below MEDIA_ROOT) or s3 (a bucket).",
                id="paris.E003",
            )
        )
    if settings.MEDIA_STORAGE == "s3" and not settings.S3_BUCKET:
        found.append(
            Error(
                "MEDIA_STORAGE is s3, but S3_BUCKET isn't set.",
                hint="Set S3_BUCKET to the name of a bucket that holds nothing else.",
                id="paris.E004",
            )
        )
    if bool(settings.S3_ACCESS_KEY_ID) != bool(settings.S3_SECRET_ACCESS_KEY):
        found.append(
            Error(
                "Only one of S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY is set.",
                hint="Set both, or neither to use the machine's own rights, such as its role at AWS.",
                id="paris.E005",
            )
        )
    if settings.MEDIA_ACCEL_PREFIX and not re.fullmatch(
        r"/[A-Za-z0-9._/-]*/", settings.MEDIA_ACCEL_PREFIX, re.ASCII
    ):
        found.append(
            Error(
                "MEDIA_ACCEL_PREFIX is not a path that starts and ends with a slash.",
                hint="Use the path of the proxy's internal location, such as /_media/.",
                id="paris.E006",
            )
        )
    return found


@register(deploy=True)
def check_pictures_can_be_stored(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.MEDIA_COPIES and settings.MEDIA_STORAGE == "file" and not _is_writable(settings.MEDIA_ROOT):
        found.append(
            Error(
                "MEDIA_ROOT can't be written to: no copies of pictures can be stored.",
                hint="Let this user write to the folder, or set MEDIA_COPIES to false.",
                id="paris.E007",
            )
        )
    if settings.S3_PUBLIC_URL and urlsplit(settings.S3_PUBLIC_URL).scheme != "https":
        found.append(
            CheckWarning(
                "S3_PUBLIC_URL uses http: browsers don't show its pictures on https pages.",
                hint="Use an https address of the bucket, or of a CDN in front of it.",
                id="paris.W005",
            )
        )
    return found


def _is_writable(folder: Path) -> bool:
    """Whether files can be created in the folder, or the folder itself if it doesn't exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
