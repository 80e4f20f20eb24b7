"""Pictures, films, and their addresses."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from instagram_standin.media import FILMS, PICTURES
from instagram_standin.server import Settings, StandIn
from tests.standin.callers import ask, control, discover


def picture_link(standin: StandIn) -> str:
    return str(discover(standin, limit=1).json["business_discovery"]["media"]["data"][0]["media_url"])


def test_the_files_are_few_and_small() -> None:
    assert 18 <= len(PICTURES) <= 24
    assert all(content.startswith(b"\xff\xd8\xff") for content in PICTURES.values())
    assert all(
        content[4:8] == b"ftyp" and b"vide" in content and b"soun" not in content
        for content in FILMS.values()
    )
    assert sum(map(len, (*PICTURES.values(), *FILMS.values()))) < 1_500_000


def test_every_post_of_the_demo_has_a_picture_of_its_name(standin: StandIn) -> None:
    items = discover(standin).json["business_discovery"]["media"]["data"]
    items += [child for item in items if "children" in item for child in item["children"]["data"]]
    shown = [item.get("thumbnail_url") or item["media_url"] for item in items]
    for link in shown:
        scene = link.rpartition("/")[2].partition("-")[0]
        assert ask(standin, link).body == PICTURES[scene]
    assert len({ask(standin, link).body for link in shown[:12]}) == 12, "the first row shows twelve pictures"
    others = {ask(standin, f"/media/unknown-{number}.jpg").body for number in range(30)}
    assert 10 < len(others) < len(PICTURES)


def test_a_picture_is_served_as_jpeg_and_a_reel_as_film(standin: StandIn) -> None:
    reply = ask(standin, picture_link(standin))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert "max-age" in reply.headers["Cache-Control"]
    items = discover(standin).json["business_discovery"]["media"]["data"]
    reel = next(item for item in items if item["media_product_type"] == "REELS")
    film = ask(standin, reel["media_url"])
    assert (film.status, film.headers["Content-Type"], film.body) == (200, "video/mp4", FILMS["bakery"])
    head = ask(standin, reel["media_url"], method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(film.body)))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-99", lambda whole: whole[:100]),
        ("bytes=100-", lambda whole: whole[100:]),
        ("bytes=-50", lambda whole: whole[-50:]),
    ],
)
def test_films_are_served_in_parts(standin: StandIn, asked: str, expected: Callable[[bytes], bytes]) -> None:
    whole = ask(standin, "/media/sea-1.mp4").body
    part = ask(standin, "/media/sea-1.mp4", headers={"Range": asked})
    assert (whole, part.status, part.body) == (FILMS["outdoors"], 206, expected(whole))
    assert part.headers["Content-Range"].endswith(f"/{len(whole)}")
    assert ask(standin, "/media/sea-1.jpg", headers={"Range": "bytes=99999999-"}).status == 416


@pytest.mark.parametrize("path", ["/media/", "/media/x.gif", "/media/a/b.jpg", "/media/x.jpg/y"])
def test_other_files_are_not_found(standin: StandIn, path: str) -> None:
    assert ask(standin, path).status == 404


def test_expired_links_are_refused_and_new_ones_are_good(standin: StandIn) -> None:
    old = picture_link(standin)
    assert old == picture_link(standin), "addresses stay the same from call to call"
    assert ask(standin, old).status == 200
    control(standin, "links.expire")
    refused = ask(standin, old)
    assert (refused.status, refused.body) == (403, b"URL signature expired")
    assert refused.headers["Content-Type"].startswith("text/plain")
    link = picture_link(standin)
    assert ask(standin, link).status == 200
    assert ask(standin, f"{link.partition('oe=')[0]}oe={int(time.time()) - 1:X}").status == 403
    assert ask(standin, f"{link.partition('oe=')[0]}oe=soon").body == b"Bad URL date param"


def test_links_name_the_callers_host_or_the_public_one(standin: StandIn) -> None:
    reply = discover(standin, limit=1, headers={"Host": "standin.test:9000"})
    assert b"http://standin.test:9000/media/" in reply.body
    with StandIn(settings=Settings(public_url="https://cdn.test/x/")) as public:
        assert picture_link(public).startswith("https://cdn.test/x/media/")
