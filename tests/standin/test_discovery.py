"""Business Discovery, and the shape of posts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn
from tests.standin.callers import BAKERY_ID, Reply, ask, control, discover


def account(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.json["business_discovery"]


def posts(reply: Reply) -> Any:
    return account(reply)["media"]["data"]


def ask_node(standin: StandIn, fields: str, path: str = f"/fb-graph/v26.0/{OPERATOR_ID}") -> Reply:
    return ask(standin, path, query={"fields": fields}, token=OPERATOR_TOKEN)


def test_the_answer_has_the_discovered_and_the_asking_account(standin: StandIn) -> None:
    reply = discover(standin, limit=5)
    assert reply.json["id"] == OPERATOR_ID
    assert account(reply).keys() == {"username", "media_count", "media", "id"}
    assert re.fullmatch(r"17841\d{12}", account(reply)["id"])
    assert account(reply)["media"]["paging"].keys() == {"cursors"}
    assert account(reply)["media"]["paging"]["cursors"].keys() == {"after"}
    assert reply.headers["facebook-api-version"] == "v26.0"


def test_only_the_fields_asked_for_come(standin: StandIn) -> None:
    fields = {key for post in posts(discover(standin, media="caption,timestamp")) for key in post}
    assert fields == {"id", "caption", "timestamp"}
    assert ask_node(standin, "").json == {"id": OPERATOR_ID}
    bare = ask_node(standin, "business_discovery.username(acme.bakery){media}").json["business_discovery"]
    assert bare.keys() == {"id", "media"}
    assert all(post.keys() == {"id"} for post in bare["media"]["data"])


def test_the_bakery_has_one_of_everything(standin: StandIn) -> None:
    listed = posts(discover(standin))
    assert {post["media_type"] for post in listed} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    reels = [post for post in listed if post["media_product_type"] == "REELS"]
    assert reels
    assert all("/reel/" in reel["permalink"] and reel["media_type"] == "VIDEO" for reel in reels)
    muted = [post for post in listed if "media_url" not in post]
    assert muted
    assert all(post["media_type"] == "VIDEO" and "thumbnail_url" in post for post in muted)
    for optional in ("caption", "alt_text", "like_count"):
        assert 0 < sum(optional in post for post in listed) < len(listed)

    assert all(re.fullmatch(r"17900\d{12}", post["id"]) for post in listed)
    moments = [datetime.strptime(post["timestamp"], "%Y-%m-%dT%H:%M:%S%z") for post in listed]
    assert moments == sorted(moments, reverse=True)
    assert moments[0] < datetime.now(UTC)
    links = [post["media_url"] for post in listed if "media_url" in post]
    assert all(
        re.fullmatch(r"http://127\.0\.0\.1:\d+/media/\S+\?oh=\w+&oe=[0-9A-F]{8}", link) for link in links
    )
    assert len(set(links)) == len(links)


def test_only_albums_have_children_and_children_have_no_caption(standin: StandIn) -> None:
    albums = [post for post in posts(discover(standin)) if "children" in post]
    children = [child for album in albums for child in album["children"]["data"]]
    assert {album["media_type"] for album in albums} == {"CAROUSEL_ALBUM"}
    assert {child["media_type"] for child in children} == {"IMAGE", "VIDEO"}
    assert not any("caption" in child for child in children)
    assert albums[0]["media_url"] == albums[0]["children"]["data"][0]["media_url"]


def test_cursors_lead_through_all_posts_and_then_end(standin: StandIn) -> None:
    ids: list[str] = []
    cursors: list[str | None] = [None]
    for _ in range(3):
        media = account(discover(standin, "northern.trails", limit=50, after=cursors[-1]))["media"]
        ids += [post["id"] for post in media["data"]]
        cursors.append(media.get("paging", {}).get("cursors", {}).get("after"))
    assert len(ids) == len(set(ids)) == 130
    assert len(set(cursors)) == 3
    assert cursors[-1] is None
    assert len(posts(discover(standin, "northern.trails"))) == 25
    assert len(posts(discover(standin, "northern.trails", limit=5_000))) == 100


@pytest.mark.parametrize(
    ("username", "count"), [("tiny.studio", 3), ("quiet.account", 0), ("load.0001", 12), ("LOAD.xyz_9", 12)]
)
def test_other_accounts(standin: StandIn, username: str, count: int) -> None:
    found = account(discover(standin, username))
    assert (found["username"], len(found["media"]["data"])) == (username.lower(), count)
    assert "paging" not in found["media"]
    assert account(discover(standin, username)) == found


@pytest.mark.parametrize("username", ["nobody.here", "jane.private", "load.", "load.sp ace", ""])
def test_unknown_and_personal_accounts_are_answered_alike(standin: StandIn, username: str) -> None:
    reply = discover(standin, username)
    assert (reply.status, reply.codes) == (400, (110, 2207013))


def test_a_bad_token_is_refused(standin: StandIn) -> None:
    for token in (None, "EAAB-unknown"):
        reply = discover(standin, token=token)
        assert (reply.status, reply.codes, reply.error["type"]) == (400, (190, None), "OAuthException")
    query = {"fields": "id", "access_token": OPERATOR_TOKEN}
    assert ask(standin, f"/fb-graph/v26.0/{OPERATOR_ID}", query=query).json == {"id": OPERATOR_ID}


PATHS = [
    (f"/fb-graph/{OPERATOR_ID}", (100, None)), (f"/fb-graph/v26/{OPERATOR_ID}", (2500, None)),
    ("/fb-graph/v26.0", (100, None)), ("/fb-graph", (100, None)), (f"/fb-graph/v26.0/{BAKERY_ID}", (100, 33)),
    (f"/fb-graph/v26.0/{OPERATOR_ID}/nothing", (2500, None)),
]  # fmt: skip


@pytest.mark.parametrize(("path", "codes"), PATHS)
def test_other_paths_are_refused(standin: StandIn, path: str, codes: tuple[int, int | None]) -> None:
    reply = ask_node(standin, "id", path)
    assert (reply.status, reply.codes) == (400, codes)


FIELDS = [
    ("{shoe_size}", 100, "(shoe_size)"), ("{media{width}}", 100, "(width)"), ("{media.limit(0){id}}", 100, "limit"),
    ("{media.after(zzz){id}}", 100, "cursor"), ("{id", 2500, "Syntax error"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "named"), FIELDS)
def test_wrong_fields_are_named(standin: StandIn, fields: str, code: int, named: str) -> None:
    reply = ask_node(standin, f"business_discovery.username(acme.bakery){fields}")
    assert (reply.status, reply.error["code"]) == (400, code)
    assert named in reply.error["message"]
    assert "username" in ask_node(standin, "business_discovery{id}").error["message"]


def test_usage_is_in_percent(standin: StandIn) -> None:
    control(standin, "set", call_count=87)
    assert '"call_count":87' in discover(standin).headers["X-App-Usage"]
    assert "X-Business-Use-Case-Usage" not in discover(standin).headers
    control(standin, "set", sends_usage=False)
    assert "X-App-Usage" not in discover(standin).headers


def test_a_planted_post_says_only_what_matters(standin: StandIn) -> None:
    caption = "<script>alert(1)</script> \x00 \ud83d"
    album = {
        "media_type": "CAROUSEL_ALBUM",
        "media_url": None,
        "children": [{"media_type": "VIDEO"}, {"media_url": "javascript:alert(1)"}],
    }
    media = [{"caption": caption}, {"caption": None}, album]
    planted = {"id": "17841400000000123", "media_count": 7, "media": media}
    assert control(standin, "profiles.plant", username="Odd.Captions", account=planted).status == 200

    found = account(discover(standin, "odd.captions"))
    assert (found["id"], found["media_count"]) == ("17841400000000123", 7)
    first, second, third = found["media"]["data"]
    assert first["caption"] == caption
    assert {"id", "media_type", "media_url", "permalink", "timestamp"} <= first.keys()
    assert "caption" not in second
    assert first["timestamp"] > second["timestamp"]
    assert "media_url" not in third
    assert [child["media_type"] for child in third["children"]["data"]] == ["VIDEO", "IMAGE"]
    assert third["children"]["data"][1]["media_url"] == "javascript:alert(1)"


def test_other_things_cannot_be_planted(standin: StandIn) -> None:
    for username, planted in (
        ("x", 5),
        ("x", [5]),
        ("x", {"media": {}}),
        ("x", {"id": 17}),
        ("x" * 31, []),
        ("", []),
    ):
        assert control(standin, "profiles.plant", username=username, account=planted).status == 400
    standin.profiles.plant("acme.bakery", {"is_professional": False})
    assert discover(standin).codes == (110, 2207013)
