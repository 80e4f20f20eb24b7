"""On which pages a widget was seen, and its reads per day. Never who read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Cast
from venice_api import embed_tokens, sightings
from venice_api.models import DailyReads, PageSighting, WidgetInstance

API = "/v1/integrations/instagram/"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def _empty_buffers() -> None:
    sightings.pages.clear()
    sightings.reads.clear()


def write() -> None:
    sightings.pages.flush()
    sightings.reads.flush()


def hosts(instance: WidgetInstance, now: datetime = NOW) -> list[str]:
    return [page.host for page in sightings.sightings_of(instance.pk, now=now).pages]


def reads(instance: WidgetInstance, now: datetime = NOW) -> list[int]:
    return [number for _, number in sightings.sightings_of(instance.pk, now=now).reads]


@pytest.mark.parametrize(
    ("origin", "referer", "host"),
    [
        ("https://shop.example", None, "shop.example"),
        ("https://Shop.Example:8443", None, "shop.example"),
        (None, "https://shop.example/private/page?user=7", "shop.example"),
        ("https://a.example", "https://b.example/", "a.example"),
        ("http://[2001:db8::1]:8000", None, "[2001:db8::1]"),
        ("https://user:secret@shop.example", None, "shop.example"),
        ("http://localhost:8000", None, ""),  # the service itself
        ("http://localhost:3000", None, "localhost"),
        ("null", None, ""),
        ("", "", ""),
        (None, None, ""),
        ("https://<script>", None, ""),
        ("https://[broken", None, ""),
        ("https://" + "a" * 300, None, ""),
        ("https://bücher.example", None, ""),
    ],
)
def test_only_the_host_of_a_page_is_noted(
    origin: str | None, referer: str | None, host: str, settings: Any
) -> None:
    settings.PUBLIC_BASE_URL = "http://localhost:8000"
    assert sightings.host_of(origin, referer) == host


def test_reads_with_an_embed_token_are_noted(people: Cast, instance: WidgetInstance) -> None:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    page = {"Origin": "https://shop.example", "Referer": "https://shop.example/about"}
    first = people.anonymous.get(f"{API}feed", {"token": token}, headers=page)
    again = people.anonymous.get(
        f"{API}feed", {"token": token}, headers=page | {"If-None-Match": first["ETag"]}
    )
    assert again.status_code == 304
    people.anonymous.get(f"{API}feed", headers={"Authorization": f"Bearer {token}"})
    people.editor.get(f"{API}feed", {"instanceId": instance.pk})  # the editor's own reads don't count
    people.anonymous.get(f"{API}feed", {"token": f"{token}x"}, headers=page)
    write()

    assert hosts(instance) == ["shop.example"]
    assert reads(instance) == [0] * 29 + [3]


def test_a_refused_page_is_not_noted(people: Cast, instance: WidgetInstance, act: Any) -> None:
    instance.allowed_origins = ["https://shop.example"]
    act(instance.save)
    token = embed_tokens.issue(instance.pk, instance.token_version)
    for origin in ("https://thief.example", "https://shop.example"):
        people.anonymous.get(f"{API}feed", {"token": token}, headers={"Origin": origin})
    write()
    assert hosts(instance) == ["shop.example"]


def test_nothing_about_the_visitor_is_stored() -> None:
    columns = {field.name for model in (PageSighting, DailyReads) for field in model._meta.concrete_fields}
    assert columns == {"id", "instance", "host", "last_seen_at", "day", "reads"}


def test_the_pages_seen_last_come_first_and_processes_add_up(instance: WidgetInstance) -> None:
    for host, ago in (("old.example", 5), ("new.example", 1), ("old.example", 9)):
        sightings.note_page(instance.pk, host, now=NOW - timedelta(days=ago))
        sightings.note_read(instance.pk, now=NOW - timedelta(days=ago))
        write()
    sightings.note_read(instance.pk, now=NOW - timedelta(days=1))
    write()

    seen = sightings.sightings_of(instance.pk, now=NOW)
    assert [(page.host, page.last_seen_at) for page in seen.pages] == [
        ("new.example", NOW - timedelta(days=1)),
        ("old.example", NOW - timedelta(days=5)),
    ]
    assert [(day.isoformat(), number) for day, number in seen.reads if number] == [
        ("2026-11-14", 1),
        ("2026-11-18", 1),
        ("2026-11-22", 2),
    ]


def test_made_up_hosts_cannot_push_out_pages_seen_today(instance: WidgetInstance) -> None:
    for number in range(sightings.MAX_PAGES):
        age = timedelta(days=3) if number == 7 else timedelta(hours=number % 20)
        sightings.note_page(instance.pk, f"page{number}.example", now=NOW - age)
    write()
    for number in range(5):
        sightings.note_page(instance.pk, f"made-up{number}.example", now=NOW)
        write()

    left = set(hosts(instance))
    assert len(left) == sightings.MAX_PAGES
    assert {host for host in left if host.startswith("made-up")} == {"made-up0.example"}
    assert "page7.example" not in left  # the only one that was not seen for a day
    sightings.note_page(instance.pk, "page1.example", now=NOW + timedelta(seconds=1))
    write()
    assert hosts(instance)[0] == "page1.example"
    assert PageSighting.objects.count() == sightings.MAX_PAGES


def test_sightings_are_kept_for_thirty_days(instance: WidgetInstance) -> None:
    for days in (29, 31):
        at = NOW - timedelta(days=days)
        sightings.note_page(instance.pk, f"seen{days}.example", now=at)
        sightings.note_read(instance.pk, now=at)
    write()

    assert hosts(instance) == ["seen29.example"]
    assert sum(reads(instance)) == 1
    assert sightings.remove_old(now=NOW) == 2
    assert list(PageSighting.objects.values_list("host", flat=True)) == ["seen29.example"]
    assert DailyReads.objects.count() == 1


def test_a_deleted_widget_leaves_none(people: Cast, instance: WidgetInstance, act: Any) -> None:
    sightings.note_page(instance.pk, "shop.example", now=NOW)
    sightings.note_read(instance.pk, now=NOW)
    write()
    gone = instance.pk
    act(instance.delete)
    sightings.note_page(gone, "shop.example", now=NOW)  # by a process that doesn't know yet
    sightings.note_read(gone, now=NOW)
    write()
    assert not PageSighting.objects.exists()
    assert not DailyReads.objects.exists()


def test_reads_wait_for_no_write(
    people: Cast, instance: WidgetInstance, django_assert_num_queries: Any
) -> None:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    page = {"Origin": "https://shop.example"}
    people.anonymous.get(f"{API}feed", {"token": token}, headers=page)
    with django_assert_num_queries(0):
        people.anonymous.get(f"{API}feed", {"token": token}, headers=page)


def test_editors_see_where_the_widget_is_shown(people: Cast, instance: WidgetInstance) -> None:
    page = f"/editor/{instance.pk}/publish/"
    assert "hasn't been seen on a page yet" in people.viewer.get(page).content.decode()
    for number, ago in ((3, 0), (6, 2)):
        for _ in range(number):
            sightings.note_read(instance.pk, now=NOW - timedelta(days=ago))
    sightings.note_page(instance.pk, "shop.example", now=NOW)
    write()

    shown = people.viewer.get(page).content.decode()
    assert "Live on 1 site." in shown
    assert "<td>shop.example</td>" in shown
    assert "9 in total, at most 6 on one day." in shown
    assert '<rect x="270" y="0.0" width="8" height="60.0"><title>2026-11-21: 6</title>' in shown
    assert '<rect x="290" y="30.0" width="8" height="30.0"><title>2026-11-23: 3</title>' in shown
    assert people.outsider.get(page).status_code == 404
