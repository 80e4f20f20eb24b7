"""The files of picture copies: headers for caches and other sites, ranges, and failures that no cache stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from paris_integration.errors import StorageUnavailable
from paris_integration.media import storage
from venice_api.api import throttles

NAME = f"{'ab12' * 10}.jpg"
OTHER = f"{'cd34' * 10}.avif"
CONTENT = bytes(range(256)) * 4
FOREVER = "public, max-age=31536000, immutable"

# Without `django_db`, so that pytest-django fails a test that queries the database.
pytestmark = [pytest.mark.cached, pytest.mark.sqlite_leg]


@pytest.fixture(autouse=True)
def _stored(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    storage.store(NAME, CONTENT)
    storage.store(OTHER, b"avif")


@pytest.fixture(params=["0123456789abcdefghijklmnopqrstuv", "bad"])
def signed_in(request: pytest.FixtureRequest) -> Client:
    """A client that sends a session cookie, as an editor's browser does, or one that no session can have."""
    client = Client()
    client.cookies["sessionid"] = request.param
    return client


@pytest.mark.parametrize(
    ("name", "kind", "content"), [(NAME, "image/jpeg", CONTENT), (OTHER, "image/avif", b"avif")]
)
def test_a_file_is_cached_for_a_year_and_shown_by_any_site(
    signed_in: Client, name: str, kind: str, content: bytes
) -> None:
    answer = signed_in.get(f"/media/{name}", headers={"Origin": "https://page.example"})

    assert (answer.status_code, answer.content) == (200, content)
    assert {field: answer[field] for field in answer.headers if field in EXPECTED} == {
        **EXPECTED,
        "Content-Type": kind,
        "Content-Length": str(len(content)),
        "ETag": f'"{name}"',
    }
    assert not answer.cookies
    assert not {"Vary", "Set-Cookie"} & set(answer.headers)


EXPECTED = {
    "Content-Type": "",
    "Content-Length": "",
    "ETag": "",
    "Cache-Control": FOREVER,
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "default-src 'none'",
}


@pytest.mark.django_db
def test_a_picture_needs_no_query(signed_in: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert signed_in.get(f"/media/{NAME}").status_code == 200


def test_head_answers_like_get_without_content(client: Client) -> None:
    get, head = client.get(f"/media/{NAME}"), client.head(f"/media/{NAME}", headers={"Range": "bytes=0-3"})

    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "X-Request-ID": ""} == {**get.headers, "X-Request-ID": ""}


@pytest.mark.parametrize(
    "sent", [f'"{NAME}"', f'W/"{NAME}"', f'"other", "{NAME}"', "*"], ids=["strong", "weak", "list", "any"]
)
def test_a_known_file_is_not_sent_again(client: Client, sent: str) -> None:
    answer = client.get(f"/media/{NAME}", headers={"If-None-Match": sent, "Range": "bytes=0-3"})

    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer["ETag"], answer["Cache-Control"]) == (f'"{NAME}"', FOREVER)
    assert client.get(f"/media/{NAME}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_known_file_that_was_removed_is_gone(client: Client) -> None:
    storage.remove([NAME])

    assert client.get(f"/media/{NAME}", headers={"If-None-Match": f'"{NAME}"'}).status_code == 404


@pytest.mark.parametrize(
    ("sent", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=1000-9999", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-9999", 0, 1024),
        ("bytes= 0 - 3", 0, 4),
    ],
)
def test_a_range_is_answered_with_its_bytes(client: Client, sent: str, start: int, end: int) -> None:
    answer = client.get(f"/media/{NAME}", headers={"Range": sent})

    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer["Content-Range"] == f"bytes {start}-{end - 1}/1024"
    assert (answer["Content-Length"], answer["Cache-Control"]) == (str(end - start), FOREVER)


@pytest.mark.parametrize("sent", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused(client: Client, sent: str) -> None:
    answer = client.get(f"/media/{NAME}", headers={"Range": sent})

    assert (answer.status_code, answer.content) == (416, b"")
    assert (answer["Content-Range"], answer["Cache-Control"]) == ("bytes */1024", "no-store")


@pytest.mark.parametrize(
    "sent",
    ["bytes=0-1,4-5", "bytes=9-3", "bytes=-", "bytes=x-y", "lines=0-1", "bytes=" + "9" * 99 + "-", "٣"],
)
def test_other_ranges_get_the_whole_file(client: Client, sent: str) -> None:
    answer = client.get(f"/media/{NAME}", HTTP_RANGE=sent)

    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize(
    ("sent", "status"), [(f'"{NAME}"', 206), ('"other"', 200), ("Tue, 20 Jan 2026 03:00:00 GMT", 200)]
)
def test_a_range_of_another_version_gets_the_whole_file(client: Client, sent: str, status: int) -> None:
    answer = client.get(f"/media/{NAME}", headers={"Range": "bytes=0-3", "If-Range": sent})

    assert answer.status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "",
        "ab/",
        f"ab/{NAME}",
        f"{'0' * 40}.jpg",
        NAME.upper(),
        NAME.replace("jpg", "png"),
        f"{NAME}%0A",
        f"{NAME}/",
        f"../media/{NAME}",
        "..%2F..%2Fdb.sqlite3",
        "%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_everything_else_is_not_found_and_not_stored(client: Client, path: str) -> None:
    answer = client.get(f"/media/{path}")

    assert (answer.status_code, answer.content) == (404, b"")
    assert answer["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_only_reading_is_allowed(client: Client) -> None:
    assert [
        getattr(client, method)(f"/media/{NAME}").status_code for method in ("post", "put", "delete")
    ] == [405] * 3


def test_a_storage_that_is_away_is_a_503_that_is_not_stored(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str) -> bytes:
        raise StorageUnavailable("unreachable", "ReadTimeoutError")

    monkeypatch.setattr(storage, "read", fail)
    answer = client.get(f"/media/{NAME}")

    assert (answer.status_code, answer.content) == (503, b"")
    assert (answer["Retry-After"], answer["Cache-Control"]) == ("5", "no-store")
    assert "unreachable (ReadTimeoutError)" in caplog.text


def test_pictures_are_limited_by_address_apart_from_feeds(client: Client, settings: Any) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = 2
    answers = [client.get(f"/media/{NAME}") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2]["Cache-Control"] == "no-store"
    assert int(answers[2]["Retry-After"]) >= 1
    throttles.check_read(answers[2].wsgi_request, None)  # raises nothing


def test_behind_nginx_the_file_is_left_to_it(client: Client, settings: Any) -> None:
    settings.MEDIA_ACCEL_PREFIX = "/_media/"
    answer = client.get(f"/media/{NAME}", headers={"Range": "bytes=0-3"})

    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer["X-Accel-Redirect"], answer["Content-Type"]) == (f"/_media/ab/{NAME}", "image/jpeg")
    assert "Cache-Control" not in answer.headers
    assert client.get(f"/media/{NAME}", headers={"If-None-Match": f'"{NAME}"'}).status_code == 304
    missing = client.get(f"/media/{'0' * 40}.jpg")
    assert (missing.status_code, missing["Cache-Control"]) == (404, "no-store")
    assert "X-Accel-Redirect" not in missing.headers


def test_old_urls_lead_to_the_storages_public_ones(client: Client, settings: Any) -> None:
    settings.MEDIA_STORAGE, settings.S3_PUBLIC_URL = "s3", "https://cdn.example"
    settings.MEDIA_ACCEL_PREFIX = "/_media/"
    answer = client.get(f"/media/{OTHER}")

    assert (answer.status_code, answer["Location"]) == (301, f"https://cdn.example/cd/{OTHER}")
    assert answer["Cache-Control"] == "public, max-age=86400"
    assert client.get("/media/other").status_code == 404
