"""The status of picture copies, as editors and support staff see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from paris_integration.media import copying
from paris_integration.models import Feed, PictureUse
from paris_integration.public import PictureStatus
from tests.conftest import Cast
from tests.pictures import FakePictureHost
from venice_api import embed_tokens, wording

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "provider", "folder")]


@pytest.fixture
def filled(make_instance: Callable[..., Any]) -> Any:
    instance = make_instance()
    token = embed_tokens.issue(instance.pk, instance.token_version)
    assert Client().get("/v1/integrations/instagram/feed", {"token": token}).json()["posts"]
    return instance


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, ""),
        (PictureStatus(12, 12, ""), "12 of 12 copied"),
        (PictureStatus(3, 12, ""), "3 of 12 copied, the others are being copied"),
        (
            PictureStatus(10, 12, "link_expired"),
            "10 of 12 copied; Instagram's links had expired; the next refresh brings new ones",
        ),
        (
            PictureStatus(10, 12, "too_many_pixels"),
            "10 of 12 copied; the files aren't pictures that we can convert",
        ),
    ],
    ids=["none wanted", "all", "some waiting", "expired links", "odd files"],
)
def test_the_words(status: PictureStatus | None, words: str) -> None:
    assert wording.picture_words(status) == words


def test_every_reason_in_the_table_has_words_of_its_own() -> None:
    reasons = (
        "link_expired",
        "not_found",
        "http_error",
        "unreachable",
        "timed_out",
        "workspace_full",
        "storage",
    )
    said = {wording.picture_words(PictureStatus(0, 1, reason)) for reason in reasons}
    assert len(said) == len(reasons)


def test_the_editor_and_the_desk_say_how_many_pictures_are_copied(
    people: Cast, desk: Client, filled: Any, host: FakePictureHost
) -> None:
    host.files["/v/0.jpg"] = b"GIF89a"
    copying.copy_pictures(Feed.objects.get().pk)

    editor = people.editor.get(f"/editor/{filled.pk}/").content.decode()
    staff = desk.get(
        reverse("admin:venice_api_widgetinstance_change", args=[quote(filled.pk)])
    ).content.decode()

    assert PictureUse.objects.filter(picture__isnull=False).count() == 2
    for page in (editor, staff):
        assert "2 of 3 copied" in page


def test_the_pages_say_nothing_of_copies_that_are_switched_off(
    people: Cast, desk: Client, filled: Any, settings: Any
) -> None:
    settings.MEDIA_COPIES = False
    editor = people.editor.get(f"/editor/{filled.pk}/").content.decode()
    staff = desk.get(
        reverse("admin:venice_api_widgetinstance_change", args=[quote(filled.pk)])
    ).content.decode()
    assert "of 3 copied" not in editor
    assert "<dt>Pictures</dt>" not in editor
    assert "no copies are made" in staff
