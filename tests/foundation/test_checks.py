"""System checks: valid settings pass, and each invalid one is reported with its id and a hint."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from foundation import checks as service
from paris_integration import checks as paris
from venice_api import checks as venice

RIGHT: dict[str, Any] = {
    "DEBUG": False,
    "DEMO": False,
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    "TRUSTED_PROXIES": 1,
    "PUBLIC_BASE_URL": "https://feeds.example",
    "ALLOWED_HOSTS": ["feeds.example"],
    "SECRET_KEY": "q7J2kd0-Zx8vPw_3mRt5yUb9nLc4sHgE6aTfVoXi1uBCDMNQkWy",
    "TOKEN_ENCRYPTION_KEYS": (bytes(range(32)),),
    "REDIS_URL": "redis://redis:6379/0",
    "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}},
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EDITOR_REDIRECT_URIS": ["https://app.example/settings"],
    "UPGRADE_URL": "",
    "SUPPORT_EMAIL": "",
    "STAFF_MFA": "required",
    "METRICS_TOKEN": "m" * 24,
    "THROTTLE_READS_PER_ADDRESS": 6_000,
    "THROTTLE_READS_PER_INSTANCE": 0,
    "THROTTLE_POSTS_PER_USER": 1_200,
    "META_GRAPH_VERSION": "v26.0",
    "INSTAGRAM_APP_ID": "1",
    "INSTAGRAM_APP_SECRET": "s",
    "FACEBOOK_APP_ID": "",
    "FACEBOOK_APP_SECRET": "",
    "PUBLIC_MODE_IG_USER_ID": "17841400000000001",
    "PUBLIC_MODE_ACCESS_TOKEN": "t",
    "INSTAGRAM_WWW_URL": "https://www.instagram.com",
    "INSTAGRAM_API_URL": "https://api.instagram.com",
    "INSTAGRAM_GRAPH_URL": "https://graph.instagram.com",
    "FACEBOOK_WWW_URL": "https://www.facebook.com",
    "FACEBOOK_GRAPH_URL": "https://graph.facebook.com",
    "MEDIA_COPIES": True,
    "MEDIA_STORAGE": "file",
    "MEDIA_ROOT": Path(tempfile.gettempdir()) / "not" / "made" / "yet",
    "MEDIA_ACCEL_PREFIX": "/_media/",
    "S3_BUCKET": "",
    "S3_ACCESS_KEY_ID": "",
    "S3_SECRET_ACCESS_KEY": "",
    "S3_PUBLIC_URL": "",
}
EVERY_CHECK = (
    service.check_shape, service.check_secrets, service.check_addresses, service.check_stores,
    venice.check_redirect_uris, venice.check_redirect_uris_are_safe, venice.check_ways_to_upgrade,
    venice.check_metrics_token, venice.check_throttles, venice.check_staff_mfa, paris.check_public_mode,
    paris.check_graph_version, paris.check_meta_apps, paris.check_something_can_be_fetched, paris.check_meta_addresses,
    paris.check_picture_storage, paris.check_pictures_can_be_stored,
)  # fmt: skip
BUCKET = {"MEDIA_STORAGE": "s3", "S3_BUCKET": "pictures"}
NO_PUBLIC_MODE = {"PUBLIC_MODE_IG_USER_ID": "", "PUBLIC_MODE_ACCESS_TOKEN": ""}


class Settings:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"LOG_LEVEL": "LOUD"}, ["service.E001"]),
        ({"LOG_FORMAT": "xml"}, ["service.E002"]),
        ({"TRUSTED_PROXIES": -1}, ["service.E003"]),
        ({"DEBUG": True}, ["service.W001"]),
        ({"SECRET_KEY": "CHANGE-ME" + "x" * 40}, ["service.E004"]),
        ({"TOKEN_ENCRYPTION_KEYS": (bytes(range(32)), b"\0" * 32)}, ["service.E005"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["service.W002"]),
        ({"ALLOWED_HOSTS": ["other.example"]}, ["service.W003"]),
        ({"ALLOWED_HOSTS": [".example"]}, []),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:8000", "ALLOWED_HOSTS": ["127.0.0.1"]}, ["service.W004"]),
        ({"PUBLIC_BASE_URL": "http://[::1]:8000", "ALLOWED_HOSTS": ["[::1]"]}, ["service.W004"]),
        ({"PUBLIC_BASE_URL": "http://feeds.example"}, ["service.W005"]),
        ({"PUBLIC_BASE_URL": "http://10.0.0.4", "ALLOWED_HOSTS": ["10.0.0.4"]}, ["service.W005"]),
        ({"TRUSTED_PROXIES": 0}, ["service.W006"]),
        ({"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}}, ["service.W007"]),
        ({"REDIS_URL": ""}, ["service.W008"]),
        ({"DEMO": True}, ["service.W009"]),
        ({"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}, ["service.W010"]),
        ({"EDITOR_REDIRECT_URIS": ["/settings"]}, ["venice.E001"]),
        ({"EDITOR_REDIRECT_URIS": ["https://app.example/#x"]}, ["venice.E001"]),
        ({"EDITOR_REDIRECT_URIS": ["http://app.example/"]}, ["venice.W001"]),
        (
            {
                "UPGRADE_URL": "https://billing.example/{workspace}?plan={plan}#%7B",
                "SUPPORT_EMAIL": "a@b.example",
            },
            [],
        ),
        ({"UPGRADE_URL": "http://billing.example"}, []),
        ({"UPGRADE_URL": "javascript:alert(1)"}, ["venice.E002"]),
        ({"UPGRADE_URL": "/upgrade"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/{user}"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/{}"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/{plan!r}"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/{plan:>9}"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/{plan.name}"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/{plan"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/}"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://{plan}.example/"}, ["venice.E002"]),
        ({"UPGRADE_URL": "https://billing.example/a b"}, ["venice.E002"]),
        ({"SUPPORT_EMAIL": "help"}, ["venice.E003"]),
        ({"SUPPORT_EMAIL": "Help <help@feeds.example>"}, ["venice.E003"]),
        ({"METRICS_TOKEN": ""}, ["venice.W002"]),
        ({"METRICS_TOKEN": "short"}, ["venice.W002"]),
        ({"THROTTLE_READS_PER_ADDRESS": 5_999}, ["venice.W003"]),
        ({"THROTTLE_POSTS_PER_USER": 10}, ["venice.W003"]),
        ({"STAFF_MFA": "optional"}, ["venice.W004"]),
        ({"PUBLIC_MODE_ACCESS_TOKEN": ""}, ["paris.W001"]),
        ({"PUBLIC_MODE_IG_USER_ID": "acme"}, ["paris.E001"]),
        ({"META_GRAPH_VERSION": "26"}, ["paris.E002"]),
        ({"INSTAGRAM_APP_SECRET": ""}, ["paris.W002"]),
        ({"FACEBOOK_APP_SECRET": "s"}, ["paris.W002"]),
        ({"INSTAGRAM_APP_ID": "", "INSTAGRAM_APP_SECRET": "", **NO_PUBLIC_MODE}, ["paris.W003"]),
        ({"FACEBOOK_GRAPH_URL": "http://graph.example"}, ["paris.W004"]),
        ({"MEDIA_STORAGE": "ftp"}, ["paris.E003"]),
        ({"MEDIA_STORAGE": "s3"}, ["paris.E004"]),
        ({**BUCKET, "S3_PUBLIC_URL": "https://cdn.example"}, []),
        ({**BUCKET, "S3_SECRET_ACCESS_KEY": "s"}, ["paris.E005"]),
        ({**BUCKET, "S3_ACCESS_KEY_ID": "k", "S3_SECRET_ACCESS_KEY": "s"}, []),
        ({"MEDIA_ACCEL_PREFIX": "_media/"}, ["paris.E006"]),
        ({"MEDIA_ACCEL_PREFIX": "/_media"}, ["paris.E006"]),
        ({"MEDIA_ACCEL_PREFIX": ""}, []),
        ({"MEDIA_ROOT": Path(__file__)}, ["paris.E007"]),
        ({"MEDIA_ROOT": Path(__file__), "MEDIA_COPIES": False}, []),
        ({"MEDIA_ROOT": Path(__file__), **BUCKET}, []),
        ({**BUCKET, "S3_PUBLIC_URL": "http://cdn.example"}, ["paris.W005"]),
    ],
)
def test_each_setting(changes: dict[str, Any], expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (service, venice, paris):
        monkeypatch.setattr(module, "settings", Settings(RIGHT | changes))

    found = [message for check in EVERY_CHECK for message in check()]

    assert [message.id for message in found] == expected
    assert all(message.hint for message in found)
