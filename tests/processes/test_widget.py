"""The widget in a real browser, on a publisher's page of another origin, against the running service."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.fakes import media
from tests.processes.payloads import PAYLOADS
from tests.processes.publishing import opened, publisher, wait_for, widget
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


def test_posts_on_a_publishers_page(service: Service, browser: Browser) -> None:
    with (
        publisher(service, widget(service, "acme.bakery")) as url,
        opened(browser, url, viewport={"width": 1280, "height": 2400}) as (page, said, hosts),
    ):
        tiles = page.locator("instagram-feed li a.tile")
        assert tiles.count() == 12
        first = tiles.first
        assert first.get_attribute("rel") == "noopener noreferrer"
        assert (first.get_attribute("href") or "").startswith("https://www.instagram.com/p/")
        assert first.locator("img").get_attribute("alt") == (
            "A scored sourdough loaf on a round wooden board, dusted with flour"
        )
        pictures = page.locator("instagram-feed li img")
        assert all(picture.get_attribute("alt") for picture in pictures.all())
        drawn = pictures.evaluate_all(
            "all => all.filter(image => image.complete && image.naturalWidth > 0).length"
        )
        assert drawn == 12
        assert kinds_shown(page.locator("instagram-feed"))[:2] == ["Reel", "Album"]
        assert hosts == {
            urlsplit(url).netloc,
            f"127.0.0.1:{service.web_ports[0]}",
            urlsplit(service.standin.base_url).netloc,
        }
        assert said == []


def kinds_shown(feed: Locator) -> list[str]:
    """What the icons on the tiles stand for."""
    found: list[str] = feed.locator(".badge").evaluate_all("all => all.map(badge => badge.ariaLabel)")
    return found


@pytest.mark.parametrize(
    ("width", "columns"), [(1280, 5), (900, 5), (899, 4), (480, 4), (479, 3), (300, 3), (299, 2), (160, 2)]
)
def test_columns_follow_the_width_of_the_element(
    service: Service, browser: Browser, width: int, columns: int
) -> None:
    feed = widget(service, "tiny.studio", "columns=5 columns-narrow=4")
    with publisher(service, f"<main>{feed}</main>") as url, opened(browser, url) as (page, _, _):
        page.locator("main").evaluate("(main, width) => { main.style.width = `${width}px` }", width)
        template = page.locator("instagram-feed ul").evaluate(
            "grid => getComputedStyle(grid).gridTemplateColumns"
        )
        assert len(template.split()) == columns


def test_several_widgets_and_their_attributes(service: Service, browser: Browser) -> None:
    body = widget(service, "tiny.studio", "max-posts=2") + widget(
        service, "acme.bakery", "filter=video hide-profile"
    )
    with publisher(service, body) as url, opened(browser, url) as (page, _, _):
        first, second = page.locator("instagram-feed").all()
        assert (first.locator("li").count(), first.locator(".profile").count()) == (2, 1)
        assert set(kinds_shown(second)) == {"Reel", "Video"}
        assert second.locator(".profile").count() == 0


def test_modules_load_on_a_strict_page(service: Service, browser: Browser) -> None:
    """Its policy allows scripts of the service alone, no inline styles, and only Trusted Types."""
    look = "follow-button=on header-text=Brot captions=below show-date=on lang=de"
    feeds = [widget(service, "tiny.studio", f"{look} layout={layout}") for layout in ("carousel", "masonry")]
    with publisher(service, "".join(feeds)) as url, opened(browser, url) as (page, said, _):
        assert page.locator("instagram-feed .slider .carousel a.tile").count() == 3
        assert page.locator("instagram-feed .masonry a.tile").count() == 3
        assert page.locator("instagram-feed .follow").all_inner_texts() == ["Folgen"] * 2
        page.locator("instagram-feed .masonry a.tile").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert said == []


@pytest.mark.parametrize(
    ("username", "words", "may_retry"),
    [("quiet.account", "There are no posts to show yet.", False), ("", "can't be shown right now.", True)],
    ids=["empty", "broken"],
)
def test_states_have_words(
    service: Service, browser: Browser, username: str, words: str, may_retry: bool
) -> None:
    body = widget(service, username) if username else "<instagram-feed token=forged></instagram-feed>"
    with publisher(service, body) as url, opened(browser, url) as (page, _, _):
        expect(page.locator("instagram-feed .note p").first).to_contain_text(words)
        assert page.get_by_role("button", name="Try again").count() == may_retry


def test_a_feed_that_is_warming_arrives_by_itself(service: Service, browser: Browser) -> None:
    service.standin.faults.add("slow", seconds=7, username="load.warming", times=1)
    with (
        publisher(service, widget(service, "load.warming")) as url,
        opened(browser, url, settles=False) as (page, _, _),
    ):
        page.locator("instagram-feed li a.tile").first.wait_for(timeout=20_000)


def plant_payloads(service: Service) -> int:
    """An account whose every word and address is hostile; how many of its posts can be shown."""
    picture = f"{service.standin.base_url}/media/x.jpg"
    texts = [
        media(
            n,
            caption=text,
            alt_text=text,
            username=text,
            media_url=picture,
            permalink=f"https://x.example/{n}",
        )
        for n, text in enumerate(PAYLOADS)
    ]
    addresses = [media(100 + n, permalink=text, media_url=picture) for n, text in enumerate(PAYLOADS)]
    service.standin.profiles.plant("evil.account", texts + addresses)
    return len(PAYLOADS)


def test_injected_markup_stays_text(service: Service, browser: Browser) -> None:
    shown = min(plant_payloads(service), 48)
    seen: list[str | None] = []
    made = service.shared_instance("evil.account", "--max-posts", "48")
    element = f"<instagram-feed token='{made['embedToken']}'></instagram-feed>"
    with publisher(service, element) as url, opened(browser, url) as (page, said, _):
        tiles = page.locator("instagram-feed li a.tile")
        assert tiles.count() == shown
        captions = tiles.locator(".caption").all_text_contents()
        assert [text.strip() for text in captions] == [text.strip() for text in PAYLOADS[:shown]]
        tiles.first.click()
        for _ in range(shown):
            seen.append(page.locator("dialog .words p").nth(1).text_content())
            page.keyboard.press("ArrowRight")
        assert [(text or "").strip() for text in seen] == [text.strip() for text in PAYLOADS[:shown]]
        assert page.evaluate("window.hacked") is None
        assert all(
            link.startswith("https://") for link in tiles.evaluate_all("all => all.map(link => link.href)")
        )
        assert [text for text in said if "404" not in text] == []
    frame = f"http://127.0.0.1:{service.web_ports[0]}/embed/{made['instanceId']}?token={made['embedToken']}"
    for javascript in (True, False):
        with opened(browser, frame, java_script_enabled=javascript) as (page, said, _):
            assert page.locator("instagram-feed ul.plain a").count() == shown
            assert [text for text in said if "404" not in text] == []
            if javascript:
                assert page.evaluate("window.hacked") is None


def test_the_frame_needs_no_javascript(service: Service, browser: Browser) -> None:
    made = service.shared_instance("tiny.studio")
    frame = f"http://127.0.0.1:{service.web_ports[0]}/embed/{made['instanceId']}?token={made['embedToken']}"
    with opened(browser, frame, java_script_enabled=False) as (page, _, _):
        links = page.locator("instagram-feed ul.plain a")
        assert links.count() == 3
        assert links.first.is_visible()
        assert all(image.get_attribute("alt") for image in links.locator("img").all())
    with opened(browser, frame) as (page, _, _):
        assert page.locator("instagram-feed li a.tile").count() == 3
        assert not page.locator("instagram-feed ul.plain").is_visible()


@pytest.mark.parametrize(("theme", "ink"), [("light", "rgb(31, 27, 36)"), ("dark", "rgb(241, 237, 244)")])
def test_the_frame_has_the_look_of_its_page(service: Service, browser: Browser, theme: str, ink: str) -> None:
    """Whatever the reader's own: a page that is only ever light gets no dark box."""
    made = service.shared_instance("tiny.studio")
    frame = f"http://127.0.0.1:{service.web_ports[0]}/embed/{made['instanceId']}?token={made['embedToken']}"
    other = "dark" if theme == "light" else "light"
    with opened(browser, f"{frame}&theme={theme}", color_scheme=other) as (page, _, _):
        assert page.locator("instagram-feed .posts").evaluate("feed => getComputedStyle(feed).color") == ink
        canvas = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
        assert canvas == theme


def test_a_picture_that_is_gone_leaves_a_link(service: Service, browser: Browser) -> None:
    service.standin.profiles.plant(
        "lost.pictures", [media(1, media_url=f"{service.standin.base_url}/media/x.jpg?oe=1")]
    )
    with publisher(service, widget(service, "lost.pictures")) as url, opened(browser, url) as (page, _, _):
        assert page.locator("instagram-feed .lost").inner_text() == "Post 1\nView on Instagram"


def test_the_frame_shows_posts_and_tells_its_height(service: Service, browser: Browser) -> None:
    made = service.shared_instance("tiny.studio")
    frame = f"http://127.0.0.1:{service.web_ports[0]}/embed/{made['instanceId']}?token={made['embedToken']}"
    with publisher(service, f"<iframe src='{frame}' width=800 height=300></iframe>") as url:
        page = browser.new_page()
        page.add_init_script("window.heights = []; addEventListener('message', e => heights.push(e.data))")
        page.goto(url)
        page.frame_locator("iframe").locator("li a.tile").first.wait_for()
        page.wait_for_function("heights.some(message => message.height > 200)")
        message = page.evaluate("heights.at(-1)")
        assert (message["type"], message["instanceId"]) == ("instagram-feed:height", made["instanceId"])
        assert set(message) == {"type", "instanceId", "height"}
        page.close()


def test_the_frame_may_be_framed_by_the_instances_sites_only(service: Service, browser: Browser) -> None:
    made = service.shared_instance("tiny.studio", "--allowed-origin", "https://shop.example")
    frame = f"http://127.0.0.1:{service.web_ports[0]}/embed/{made['instanceId']}?token={made['embedToken']}"
    with (
        publisher(service, f"<iframe src='{frame}'></iframe>") as url,
        opened(browser, url) as (page, said, _),
    ):
        assert page.frame_locator("iframe").locator("instagram-feed").count() == 0
        wait_for(page, lambda: any("frame-ancestors" in text for text in said))
