"""Business Discovery, field expressions, and the shape of posts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from instagram_standin.fields import MAX_DEPTH, Field, FieldSyntaxError, names_in, parse_fields
from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN
from tests.standin.callers import BAKERY_ID, Meta, Reply


def account(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.json["business_discovery"]


def posts(reply: Reply) -> Any:
    return account(reply)["media"]["data"]


def ask_node(meta: Meta, fields: str, path: str = f"/fb-graph/v26.0/{OPERATOR_ID}") -> Reply:
    return meta.ask(path, query={"fields": fields}, token=OPERATOR_TOKEN)


def test_the_answer_has_the_requested_fields(meta: Meta) -> None:
    reply = meta.discover(limit=5)
    assert (reply.json["id"], reply.headers["facebook-api-version"]) == (OPERATOR_ID, "v26.0")
    assert account(reply).keys() == {"username", "media_count", "media", "id"}
    assert re.fullmatch(r"17841\d{12}", account(reply)["id"])
    assert account(reply)["media"]["paging"].keys() == {"cursors"}
    assert account(reply)["media"]["paging"]["cursors"].keys() == {"after"}
    few = posts(meta.discover(media="caption,timestamp"))
    assert {key for post in few for key in post} == {"id", "caption", "timestamp"}
    assert ask_node(meta, "").json == {"id": OPERATOR_ID}
    bare = ask_node(meta, "business_discovery.username(acme.bakery){media}").json["business_discovery"]
    assert bare.keys() == {"id", "media"}
    assert all(post.keys() == {"id"} for post in bare["media"]["data"])


def test_the_bakery_has_one_of_everything(meta: Meta) -> None:
    listed = posts(meta.discover())
    assert {post["media_type"] for post in listed} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    reels = [post for post in listed if post["media_product_type"] == "REELS"]
    assert {(reel["media_type"], "/reel/" in reel["permalink"]) for reel in reels} == {("VIDEO", True)}
    muted = [post for post in listed if "media_url" not in post]
    assert {(post["media_type"], "thumbnail_url" in post) for post in muted} == {("VIDEO", True)}
    for optional in ("caption", "alt_text", "like_count"):
        assert 0 < sum(optional in post for post in listed) < len(listed)
    assert all(re.fullmatch(r"17900\d{12}", post["id"]) for post in listed)
    moments = [datetime.strptime(post["timestamp"], "%Y-%m-%dT%H:%M:%S%z") for post in listed]
    assert datetime.now(UTC) > moments[0] == max(moments)
    assert moments == sorted(moments, reverse=True)
    links = [post["media_url"] for post in listed if "media_url" in post]
    assert all(
        re.fullmatch(r"http://127\.0\.0\.1:\d+/media/\S+\?oh=\w+&oe=[0-9A-F]{8}", each) for each in links
    )
    assert len(set(links)) == len(links)

    albums = [post for post in listed if "children" in post]
    children = [child for album in albums for child in album["children"]["data"]]
    assert {album["media_type"] for album in albums} == {"CAROUSEL_ALBUM"}
    assert {child["media_type"] for child in children} == {"IMAGE", "VIDEO"}
    assert not any("caption" in child for child in children)
    assert albums[0]["media_url"] == albums[0]["children"]["data"][0]["media_url"]


def test_cursors_page_through_all_posts_and_then_end(meta: Meta) -> None:
    ids: list[str] = []
    after, sizes = None, []
    while after is not None or not ids:
        media = account(meta.discover("northern.trails", limit=50, after=after))["media"]
        ids += [post["id"] for post in media["data"]]
        sizes.append(len(media["data"]))
        after = media.get("paging", {}).get("cursors", {}).get("after")
    assert (sizes, len(set(ids))) == ([50, 50, 30], 130)
    assert len(posts(meta.discover("northern.trails", limit=5_000))) == 100


def test_other_accounts(meta: Meta) -> None:
    for username, count in (("tiny.studio", 3), ("quiet.account", 0), ("LOAD.xyz_9", 12)):
        found = account(meta.discover(username))
        assert (found["username"], len(found["media"]["data"])) == (username.lower(), count)
        assert "paging" not in found["media"]
        assert account(meta.discover(username)) == found


def test_unknown_accounts_and_tokens_are_refused(meta: Meta) -> None:
    for username in ("nobody.here", "jane.private", "load.", "load.sp ace", ""):
        assert meta.discover(username).codes == (110, 2207013)
    for token in (None, "EAAB-unknown"):
        reply = meta.discover(token=token)
        assert (reply.status, reply.codes, reply.error["type"]) == (400, (190, None), "OAuthException")
    query = {"fields": "id", "access_token": OPERATOR_TOKEN}
    assert meta.ask(f"/fb-graph/v26.0/{OPERATOR_ID}", query=query).json == {"id": OPERATOR_ID}


def test_other_paths_are_refused(meta: Meta) -> None:
    paths = {f"/{OPERATOR_ID}": (100, None), f"/v26/{OPERATOR_ID}": (2500, None), "/v26.0": (100, None)}
    paths |= {
        "": (100, None),
        f"/v26.0/{BAKERY_ID}": (100, 33),
        f"/v26.0/{OPERATOR_ID}/nothing": (2500, None),
    }
    assert {path: ask_node(meta, "id", f"/fb-graph{path}").codes for path in paths} == paths


def test_unknown_fields_are_named(meta: Meta) -> None:
    wrong = {"{shoe_size}": "(shoe_size)", "{media{width}}": "(width)", "{media.limit(0){id}}": "limit"}
    wrong |= {"{media.after(zzz){id}}": "cursor", "{id": "Syntax error"}
    for fields, named in wrong.items():
        reply = ask_node(meta, f"business_discovery.username(acme.bakery){fields}")
        assert (reply.status, reply.error["code"]) == (400, 2500 if fields == "{id" else 100)
        assert named in reply.error["message"]
    assert "username" in ask_node(meta, "business_discovery{id}").error["message"]


def test_usage_is_in_percent(meta: Meta) -> None:
    meta.control("set", call_count=87)
    assert '"call_count":87' in meta.discover().headers["X-App-Usage"]
    assert "X-Business-Use-Case-Usage" not in meta.discover().headers
    meta.control("set", sends_usage=False)
    assert "X-App-Usage" not in meta.discover().headers


def test_fields_missing_from_a_planted_post_are_filled_in(meta: Meta) -> None:
    caption = "<script>alert(1)</script> \x00 \ud83d"
    children = [{"media_type": "VIDEO"}, {"media_url": "javascript:alert(1)"}]
    album = {"media_type": "CAROUSEL_ALBUM", "media_url": None, "children": children}
    media = [{"caption": caption}, {"caption": None}, album]
    planted = {"id": "17841400000000123", "media_count": 7, "media": media}
    assert meta.control("profiles.plant", username="Odd.Captions", account=planted).status == 200

    found = account(meta.discover("odd.captions"))
    assert (found["id"], found["media_count"]) == ("17841400000000123", 7)
    first, second, third = found["media"]["data"]
    assert first["caption"] == caption
    assert {"id", "media_type", "media_url", "permalink", "timestamp"} <= first.keys()
    assert "caption" not in second
    assert first["timestamp"] > second["timestamp"]
    assert "media_url" not in third
    assert [child["media_type"] for child in third["children"]["data"]] == ["VIDEO", "IMAGE"]
    assert third["children"]["data"][1]["media_url"] == "javascript:alert(1)"


def test_other_things_cannot_be_planted(meta: Meta) -> None:
    wrong = [("x", 5), ("x", [5]), ("x", {"media": {}}), ("x", {"id": 17}), ("x" * 31, []), ("", [])]
    for username, planted in wrong:
        assert meta.control("profiles.plant", username=username, account=planted).status == 400
    meta.profiles.plant("acme.bakery", {"is_professional": False})
    assert meta.discover().codes == (110, 2207013)


def test_nested_selections_with_modifiers() -> None:
    text = "business_discovery.username(acme.bakery){id,media.limit(25).after(QV=_-){id,children{id}}},name"
    children = (Field("id"), Field("children", {}, (Field("id"),)))
    media = Field("media", {"limit": "25", "after": "QV=_-"}, children)
    discovery = Field("business_discovery", {"username": "acme.bakery"}, (Field("id"), media))
    assert parse_fields(text) == (discovery, Field("name"))
    assert list(names_in(parse_fields("a,b.c(d){e{f},g}"))) == ["a", "b", "e", "f", "g"]
    assert parse_fields("") == parse_fields("   ") == ()


def test_modifiers_and_braces_come_in_any_order() -> None:
    texts = (
        "media.limit(2).after(x){id}",
        "media.after(x).limit(2){id}",
        " media { id } . after( x ) .limit(2) ",
    )
    for text in texts:
        assert parse_fields(text) == (Field("media", {"limit": "2", "after": "x"}, (Field("id"),)),)


SYNTAX = [
    "id,", ",id", "id name", "media{", "media{}", "media{id", "media}", "media.limit", "media.limit(", "media.(2)",
    "media.limit(2))", "media{id}{id}", "1d", "a.b(c(d))", "a{" * (MAX_DEPTH + 1) + "a" + "}" * (MAX_DEPTH + 1),
]  # fmt: skip


@pytest.mark.parametrize("text", SYNTAX)
def test_other_expressions_are_syntax_errors(text: str) -> None:
    with pytest.raises(FieldSyntaxError):
        parse_fields(text)
