"""Pictures, films, and the links to them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest
from PIL import Image

from instagram_standin.links import Links
from instagram_standin.pictures.gallery import Gallery
from instagram_standin.pictures.scenes import SCENES, draw
from instagram_standin.server import StandIn
from instagram_standin.world import Settings
from tests.standin.callers import ask, control, discover


def picture_link(standin: StandIn) -> str:
    return str(discover(standin, limit=1).json["business_discovery"]["media"]["data"][0]["media_url"])


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_can_be_drawn(scene: str) -> None:
    picture = draw(f"{scene}-1")
    assert picture.size == (640, 640)
    assert len(picture.getcolors(1 << 24)) > 500


def test_a_seed_decides_the_picture() -> None:
    assert draw("coffee-1").tobytes() == draw("coffee-1").tobytes()
    assert draw("coffee-1").tobytes() != draw("coffee-2").tobytes()
    assert draw("unheard-of").size == (640, 640)


def test_a_picture_is_served_as_jpeg(standin: StandIn) -> None:
    reply = ask(standin, picture_link(standin))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert "max-age" in reply.headers["Cache-Control"]
    assert Image.open(io.BytesIO(reply.body)).size == (640, 640)


def test_album_pictures_are_portraits(standin: StandIn) -> None:
    items = discover(standin).json["business_discovery"]["media"]["data"]
    child = next(item for item in items if "children" in item)["children"]["data"][0]
    reply = ask(standin, child["media_url"])
    assert Image.open(io.BytesIO(reply.body)).size == (640, 800)


def test_a_reel_has_a_film(standin: StandIn) -> None:
    items = discover(standin).json["business_discovery"]["media"]["data"]
    reel = next(item for item in items if item["media_product_type"] == "REELS")
    reply = ask(standin, reel["media_url"])
    assert (reply.status, reply.headers["Content-Type"]) == (200, "video/mp4")
    assert reply.body[4:12] == b"ftypisom"
    assert b"vide" in reply.body
    assert len(reply.body) < 100_000


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-99", lambda whole: whole[:100]),
        ("bytes=100-", lambda whole: whole[100:]),
        ("bytes=-50", lambda whole: whole[-50:]),
    ],
)
def test_films_can_be_had_in_parts(standin: StandIn, asked: str, expected: Callable[[bytes], bytes]) -> None:
    whole = ask(standin, "/media/sea-1.mp4").body
    part = ask(standin, "/media/sea-1.mp4", headers={"Range": asked})
    assert (part.status, part.body) == (206, expected(whole))
    assert part.headers["Content-Range"].endswith(f"/{len(whole)}")


def test_a_range_beyond_the_end_is_refused(standin: StandIn) -> None:
    assert ask(standin, "/media/sea-1.jpg", headers={"Range": "bytes=99999999-"}).status == 416


@pytest.mark.parametrize("path", ["/media/", "/media/x.gif", "/media/a/b.jpg", "/media/x.jpg/y"])
def test_other_files_are_not_found(standin: StandIn, path: str) -> None:
    assert ask(standin, path).status == 404


def test_head_has_the_length_and_no_body(standin: StandIn) -> None:
    whole = ask(standin, "/media/sea-1.jpg")
    head = ask(standin, "/media/sea-1.jpg", method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))


def test_expired_links_are_refused_and_new_ones_are_good(standin: StandIn) -> None:
    old = picture_link(standin)
    assert ask(standin, old).status == 200
    control(standin, "POST", "links", {"expire": True})
    refused = ask(standin, old)
    assert (refused.status, refused.body) == (403, b"URL signature expired")
    assert refused.headers["Content-Type"].startswith("text/plain")
    assert ask(standin, picture_link(standin)).status == 200


def test_a_link_ends_at_its_oe(standin: StandIn) -> None:
    past = f"{int(time.time()) - 1:X}"
    link = picture_link(standin)
    assert ask(standin, link.partition("oe=")[0] + f"oe={past}").status == 403
    assert ask(standin, link.partition("oe=")[0] + "oe=soon").body == b"Bad URL date param"


def test_links_live_as_long_as_told(standin: StandIn) -> None:
    control(standin, "POST", "links", {"life_seconds": 60})
    expiry = int(picture_link(standin).partition("oe=")[2], 16)
    assert 55 < expiry - time.time() <= 62
    assert control(standin, "POST", "links", {"life": 60}).status == 400


def test_long_lived_links_stay_the_same_from_call_to_call() -> None:
    links = Links()
    assert len({links.address("/media/x.jpg", "h") for _ in range(3)}) == 1


def test_links_name_the_callers_host_or_the_public_one(standin: StandIn) -> None:
    reply = discover(standin, limit=1, headers={"Host": "standin.test:9000"})
    assert b"http://standin.test:9000/media/" in reply.body
    with StandIn(settings=Settings(public_url="https://cdn.test/x/")) as public:
        assert picture_link(public).startswith("https://cdn.test/x/media/")


def test_the_gallery_forgets_the_oldest() -> None:
    gallery = Gallery(capacity=1)
    first = gallery.jpeg("arches-1")
    assert gallery.jpeg("arches-1") is first
    gallery.jpeg("arches-2")
    again = gallery.jpeg("arches-1")
    assert again is not first
    assert again == first
