"""Pictures, videos, and their URLs."""

from __future__ import annotations

import time

from instagram_standin.media import FILMS, PICTURES
from instagram_standin.server import Settings
from tests.standin.callers import Meta


def picture_link(meta: Meta) -> str:
    return str(meta.discover(limit=1).json["business_discovery"]["media"]["data"][0]["media_url"])


def test_the_files_are_few_and_small() -> None:
    assert 18 <= len(PICTURES) <= 24
    assert all(content.startswith(b"\xff\xd8\xff") for content in PICTURES.values())
    assert all(film[4:8] == b"ftyp" and b"vide" in film and b"soun" not in film for film in FILMS.values())
    assert sum(map(len, (*PICTURES.values(), *FILMS.values()))) < 1_500_000


def test_every_demo_post_has_a_picture_named_after_it(meta: Meta) -> None:
    items = meta.discover().json["business_discovery"]["media"]["data"]
    items += [child for item in items if "children" in item for child in item["children"]["data"]]
    shown = [item.get("thumbnail_url") or item["media_url"] for item in items]
    for link in shown:
        scene = link.rpartition("/")[2].partition("-")[0]
        assert meta.ask(link).body == PICTURES[scene]
    assert len({meta.ask(link).body for link in shown[:12]}) == 12, "the first twelve posts look different"
    assert len({meta.ask(f"/media/unknown-{number}.jpg").body for number in range(30)}) > 10


def test_a_picture_is_served_as_jpeg_and_a_reel_as_mp4(meta: Meta) -> None:
    reply = meta.ask(picture_link(meta))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert "max-age" in reply.headers["Cache-Control"]
    items = meta.discover().json["business_discovery"]["media"]["data"]
    reel = next(item for item in items if item["media_product_type"] == "REELS")
    film = meta.ask(reel["media_url"])
    assert (film.status, film.headers["Content-Type"], film.body) == (200, "video/mp4", FILMS["bakery"])
    head = meta.ask(reel["media_url"], method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(film.body)))


def test_files_are_served_in_parts(meta: Meta) -> None:
    whole = FILMS["outdoors"]
    for asked, part in {"0-99": whole[:100], "100-": whole[100:], "-50": whole[-50:]}.items():
        reply = meta.ask("/media/sea-1.mp4", headers={"Range": f"bytes={asked}"})
        assert (reply.status, reply.body) == (206, part)
        assert reply.headers["Content-Range"].endswith(f"/{len(whole)}")
    assert meta.ask("/media/sea-1.jpg", headers={"Range": "bytes=99999999-"}).status == 416
    for path in ("/media/", "/media/x.gif", "/media/a/b.jpg", "/media/x.jpg/y"):
        assert meta.ask(path).status == 404


def test_expired_links_are_refused_and_new_ones_work(meta: Meta) -> None:
    old = picture_link(meta)
    assert old == picture_link(meta), "addresses stay the same from call to call"
    assert meta.ask(old).status == 200
    meta.control("links.expire")
    refused = meta.ask(old)
    assert (refused.status, refused.body) == (403, b"URL signature expired")
    assert refused.headers["Content-Type"].startswith("text/plain")
    link = picture_link(meta)
    assert meta.ask(link).status == 200
    assert meta.ask(f"{link.partition('oe=')[0]}oe={int(time.time()) - 1:X}").status == 403
    assert meta.ask(f"{link.partition('oe=')[0]}oe=soon").body == b"Bad URL date param"


def test_links_can_live_for_a_minute(meta: Meta) -> None:
    meta.control("links.live_for", seconds=60)
    expires_at = int(picture_link(meta).partition("oe=")[2], 16)
    assert 55 <= expires_at - time.time() <= 60


def test_links_use_the_callers_host_or_the_public_one(meta: Meta) -> None:
    reply = meta.discover(limit=1, headers={"Host": "meta.test:9000"})
    assert b"http://meta.test:9000/media/" in reply.body
    with Meta(settings=Settings(public_url="https://cdn.test/x/")) as public:
        assert picture_link(public).startswith("https://cdn.test/x/media/")
