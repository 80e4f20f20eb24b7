"""Every URL of the service sends a strict policy, nosniff, and no permission for other sites to frame it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from tests.figures import figure
from venice_api import embed_tokens
from venice_api.models import WidgetInstance

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_leg, pytest.mark.slow]


def addresses(patterns: Any, prefix: str = "/") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every URL pattern as a URL, with its parameters filled by name."""
    for pattern in patterns:
        here = prefix + _plain(pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern):
            yield here, pattern.pattern.converters


def _plain(pattern: Any) -> str:
    text = str(pattern.pattern)
    for mark in ("^", "$", "\\Z", "(?P<family>", "(?P<app_label>", "(?P<url>"):
        text = text.replace(mark, "")
    return text


@pytest.fixture
def everything(
    people: Cast, make_instance: Any, provider: FakeProvider, logins: FakeLogins
) -> tuple[Cast, WidgetInstance, list[str]]:
    instance = make_instance(allowed_origins=["https://shop.example"])
    token = embed_tokens.issue(instance.pk, instance.token_version)
    known = {
        "instance_id": instance.pk,
        "workspace_id": str(people.workspace.pk),
        "object_id": instance.pk,
        "attempt_id": "6f7d9b6c-1c1e-4b52-8f0f-0a7a1f1d2c3b",
    }
    found = []
    for address, converters in addresses(get_resolver().url_patterns):
        for name in converters:
            for kind in ("str", "uuid", "path", "int"):
                address = address.replace(f"<{kind}:{name}>", known.get(name, "1"))
        found.append(address.replace("instagram|facebook)", "instagram").replace(".*", "nothing"))
    found += [
        f"/embed/{instance.pk}?token={token}",
        f"/v1/integrations/instagram/feed?token={token}",
        "/nothing",
    ]
    return people, instance, found


def test_every_answer_has_its_security_headers(
    everything: tuple[Cast, WidgetInstance, list[str]],
) -> None:
    people, instance, found = everything
    staff = Client(raise_request_exception=False)
    staff.force_login(User.objects.create_superuser("root", password="x"))
    assert len(found) > 60
    seen: Counter[int] = Counter()
    for address in found:
        for client in (people.anonymous, people.editor, people.outsider, staff):
            for method in ("get", "post", "delete"):
                if "logout" in address and client is not people.anonymous:
                    continue
                response = getattr(client, method)(address)
                seen[response.status_code] += 1
                _check(address, response, instance)
                assert response.status_code != 500, f"{method} {address}"
    assert set(seen) >= {200, 302, 400, 401, 403, 404, 405}
    figure("S5", "security headers", is_met=True, addresses=len(found), answers=seen, without_headers=0)


def _check(address: str, response: Any, instance: WidgetInstance) -> None:
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy, address
    assert "default-src 'none'" in policy or "default-src 'self'" in policy, address
    assert response["X-Content-Type-Options"] == "nosniff", address
    assert response.has_header("Referrer-Policy"), address
    if address.startswith(f"/embed/{instance.pk}") and response.status_code == 200:
        assert policy.endswith("frame-ancestors 'self' https://shop.example")
        assert not response.has_header("X-Frame-Options")
    elif response.status_code == 200 and response.get("Content-Type", "").startswith("text/html"):
        assert "frame-ancestors 'none'" in policy, address
        assert response["X-Frame-Options"] == "DENY", address
        assert response["Cross-Origin-Opener-Policy"] == "same-origin", address
