"""Pictures from the worker to the page: real processes, real files, and an Instagram whose links die."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.processes.publishing import opened, publisher, widget
from tests.processes.service import Service, get, running_service, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.browser]

DRAWN = "all => all.filter(image => image.complete && image.naturalWidth > 0).length"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), MEDIA_COPIES="true") as running:
        yield running


def posts(service: Service, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.read(token).json["posts"]
    return found


def pictures_of(service: Service, token: str) -> list[str]:
    """The links to the pictures of the posts and their albums."""
    found = posts(service, token)
    items = found + [child for post in found for child in post.get("children", [])]
    return [item["thumbnailUrl"] for item in items]


def are_ours(service: Service, links: list[str]) -> bool:
    ours = f"http://127.0.0.1:{service.web_ports[0]}/media/"
    return all(link.startswith(ours) for link in links)


def test_pictures_outlive_their_links_and_instagram(service: Service, browser: Browser) -> None:
    service.standin.links.live_for(600)
    element = widget(service, "acme.bakery")
    token = service.shared_instance("acme.bakery")["embedToken"]
    first = pictures_of(service, token)
    assert first
    assert not are_ours(service, first)
    worker = service.start_worker()
    wait_until(
        lambda: are_ours(service, pictures_of(service, token)), 180
    )  # a failure is repeated after a minute

    with publisher(service, element, policy="default-src * 'unsafe-inline'") as url:
        service.standin.links.expire()
        service.standin.stop()
        for link in pictures_of(service, token):
            answer = get(link)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
        for width in (360, 1280):
            with opened(browser, url, viewport={"width": width, "height": 4000}) as (page, said, hosts):
                pictures = page.locator("instagram-feed img")
                assert pictures.count() == 13
                assert pictures.evaluate_all(DRAWN) == 13
                assert (said, len(hosts)) == ([], 2)
    worker.end()
