"""Hidden, pinned, approved and filtered posts, alternative texts and looks: in every answer that a reader can get."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from paris_integration import public as paris
from paris_integration.connections import lifecycle
from paris_integration.types import Login
from tests.conftest import Cast
from tests.fakes import FakeProvider, media, video
from venice_api import appearance, embed_tokens, moderation
from venice_api.appearance import Appearance
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.moderation import Act, Words
from venice_api.values import InvalidInput

API = "/v1/integrations/instagram/"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IDS = [media(number)["id"] for number in range(6)]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "provider")]


@pytest.fixture
def widget(make_instance: Callable[..., Any], provider: FakeProvider) -> WidgetInstance:
    """Six posts: 0 and 3 are about bread, 1 is a video with the tag #sale."""
    captions = ["Fresh bread", "Cups #sale", "A tart", "Bread again", "Closed", "Open"]
    provider.accounts["acme.bakery"] = [
        (video if number == 1 else media)(number, caption=caption) for number, caption in enumerate(captions)
    ]
    made: WidgetInstance = make_instance()
    return made


def token_of(widget: WidgetInstance) -> str:
    return embed_tokens.issue(widget.pk, widget.token_version)


@pytest.fixture
def answers(people: Cast, widget: WidgetInstance, act: Any) -> Callable[..., list[Any]]:
    """The feed as each kind of reader gets it: token in the URL, token in a header, member, and a refresh."""

    def read(**query: Any) -> list[Any]:
        token = token_of(widget)
        return [
            people.anonymous.get(f"{API}feed", {"token": token} | query).json(),
            people.anonymous.get(f"{API}feed", query, headers={"Authorization": f"Bearer {token}"}).json(),
            people.viewer.get(f"{API}feed", {"instanceId": widget.pk} | query).json(),
        ]

    return read


def shown(answer: Any) -> list[int]:
    return [IDS.index(post["id"]) for post in answer["posts"]]


CHANGES: list[tuple[str, Callable[[str], object], dict[str, Any], list[int]]] = [
    ("hidden posts", lambda pk: moderation.moderate(pk, Act.HIDE, [IDS[0], IDS[2]]), {}, [1, 3, 4, 5]),
    ("pinned posts", lambda pk: moderation.moderate(pk, Act.PIN, [IDS[4], IDS[3]]), {}, [4, 3, 0, 1, 2, 5]),
    ("pinned and few", lambda pk: moderation.moderate(pk, Act.PIN, [IDS[5]]), {"maxPosts": 2}, [5, 0]),
    (
        "pinned and videos",
        lambda pk: moderation.moderate(pk, Act.PIN, [IDS[5]]),
        {"filterType": "video"},
        [1],
    ),
    ("required words", lambda pk: moderation.set_words(pk, Words(["bread"])), {}, [0, 3]),
    (
        "excluded words",
        lambda pk: moderation.set_words(pk, Words(excluded=["#sale", "closed"])),
        {},
        [0, 2, 3, 5],
    ),
]


@pytest.mark.parametrize(
    ("change", "query", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_every_reader_gets_the_moderated_feed(
    widget: WidgetInstance,
    people: Cast,
    answers: Callable[..., list[Any]],
    act: Any,
    change: Callable[[str], object],
    query: dict[str, Any],
    expected: list[int],
) -> None:
    before = answers()[0]
    assert shown(before) == [0, 1, 2, 3, 4, 5]
    links = dict(enumerate(post["permalink"] for post in before["posts"]))
    act(change, widget.pk)

    assert [shown(answer) for answer in answers(**query)] == [expected] * 3
    if not query:
        body = {"instanceId": widget.pk}
        refreshed = people.editor.post(f"{API}refresh", body, content_type="application/json")
        assert shown(refreshed.json()) == expected
        frame = people.anonymous.get(f"/embed/{widget.pk}", {"token": token_of(widget)}).content.decode()
        assert [number for number, link in links.items() if link in frame] == sorted(expected)


def test_a_change_gives_a_new_etag(widget: WidgetInstance, people: Cast, act: Any) -> None:
    query = {"token": token_of(widget)}
    before = people.anonymous.get(f"{API}feed", query)
    headers = {"If-None-Match": before["ETag"]}
    assert people.anonymous.get(f"{API}feed", query, headers=headers).status_code == 304

    act(moderation.moderate, widget.pk, Act.PIN, [IDS[3]])

    after = people.anonymous.get(f"{API}feed", query, headers=headers)
    assert after.status_code == 200
    assert after["Cache-Control"] == before["Cache-Control"]
    assert after["Cache-Control"].startswith("public, ")


def test_posts_of_a_hashtag_can_wait_for_approval(
    make_instance: Callable[..., Any], provider: FakeProvider, people: Cast, act: Any
) -> None:
    widget = make_instance(source_type="hashtag", source_value="bread", needs_approval=True)
    key = _instance(widget).feed_key()
    grant = lifecycle.Grant(Login.FACEBOOK, "178", "102", "acme", (), lifecycle.Secret("EAAB-2"), None)
    lifecycle.store_grant(key, grant, actor=paris.SERVICE, now=NOW)
    provider.tags["bread"] = "17843800000000001"
    token = token_of(widget)

    def read() -> Any:
        return people.anonymous.get(f"{API}feed", {"token": token})

    waiting = read()
    assert waiting.json()["posts"] == []
    assert waiting.json()["lastUpdated"]
    refreshed = people.editor.post(
        f"{API}refresh", {"instanceId": widget.pk}, content_type="application/json"
    )
    assert refreshed.json()["posts"] == []
    assert "/p/" not in people.anonymous.get(f"/embed/{widget.pk}", {"token": token}).content.decode()
    seen = [post.id for post in paris.look_at_feed(key, paris.Selection(max_posts=48), now=NOW).posts]
    assert len(seen) > 2

    act(moderation.moderate, widget.pk, Act.APPROVE, seen[1:3])
    assert [post["id"] for post in read().json()["posts"]] == seen[1:3]
    act(moderation.moderate, widget.pk, Act.WITHDRAW, seen[1:2])
    assert [post["id"] for post in read().json()["posts"]] == seen[2:3]
    act(moderation.set_approval, widget.pk, needed=False)
    assert [post["id"] for post in read().json()["posts"]] == seen[:12]


def test_posts_of_a_profile_need_no_approval(make_instance: Callable[..., Any]) -> None:
    known = _instance(make_instance(needs_approval=True))
    assert known.selection().approved_ids is None


def test_a_member_previews_another_source_without_approval(make_instance: Callable[..., Any]) -> None:
    known = _instance(make_instance(source_type="hashtag", source_value="bread", needs_approval=True))
    other = paris.Source(paris.SourceType.HASHTAG, "cake")
    assert known.selection(source=other).approved_ids is None
    assert known.selection(source=known.source).approved_ids == frozenset()


def test_an_alternative_text_of_an_editor_is_sent(
    widget: WidgetInstance, answers: Callable[..., list[Any]], act: Any
) -> None:
    act(moderation.set_alt_text, widget.pk, IDS[1], "  Two blue\r\ncups ")
    assert [answer["posts"][1].get("altText") for answer in answers()] == ["Two blue cups"] * 3
    assert act(moderation.set_alt_text, widget.pk, IDS[1], "") == ("Two blue cups", "")
    assert "altText" not in answers()[0]["posts"][1]


def test_looks_are_sent_once_they_are_saved(
    widget: WidgetInstance, people: Cast, answers: Callable[..., list[Any]], act: Any
) -> None:
    assert all("appearance" not in answer for answer in answers())
    widget.appearance = appearance.stored(Appearance(layout="carousel", gap=4, header_text="Baked daily"))
    act(widget.save)

    sent = answers()
    assert sent[0]["appearance"] == {
        "layout": "carousel",
        "columns": {"wide": 4, "narrow": 2},
        "gap": 4,
        "radius": 10,
        "tileRatio": "1:1",
        "header": True,
        "headerText": "Baked daily",
        "followButton": False,
        "captions": "hover",
        "captionLength": 150,
        "showDate": False,
        "click": "lightbox",
        "theme": "auto",
        "pageSize": 0,
    }
    assert [answer["appearance"] for answer in sent] == [sent[0]["appearance"]] * 3


@pytest.mark.parametrize(
    ("saved", "sent"),
    [
        ({"layout": "masonry"}, "masonry"),
        ({"layout": "masonry", "sparkle": 7}, "masonry"),
        ({"layout": "spiral"}, None),
        ({"gap": -1}, None),
        ({"columns": {"wide": 0, "narrow": 1}}, None),
        (["grid"], None),
    ],
)
def test_looks_of_another_release_never_break_a_read(
    widget: WidgetInstance, answers: Callable[..., list[Any]], act: Any, saved: Any, sent: str | None
) -> None:
    WidgetInstance.objects.filter(pk=widget.pk).update(appearance=saved)
    found = answers()[0]
    assert found.get("appearance", {}).get("layout") == sent
    assert len(found["posts"]) == 6


def test_marks_that_exist_already_are_not_changed(widget: WidgetInstance) -> None:
    assert moderation.moderate(widget.pk, Act.HIDE, [IDS[0], IDS[0]]).post_ids == (IDS[0],)
    assert moderation.moderate(widget.pk, Act.HIDE, [IDS[0], IDS[1]]).post_ids == (IDS[1],)
    assert moderation.moderate(widget.pk, Act.SHOW, [IDS[1], IDS[2]]).post_ids == (IDS[1],)
    widget.refresh_from_db()
    assert widget.hidden_post_ids == [IDS[0]]


def test_a_post_pinned_later_comes_first_and_undoing_restores_the_order(widget: WidgetInstance) -> None:
    moderation.moderate(widget.pk, Act.PIN, [IDS[1]])
    moderation.moderate(widget.pk, Act.PIN, [IDS[2], IDS[3]])
    change = moderation.moderate(widget.pk, Act.PIN, [IDS[1]])
    widget.refresh_from_db()
    assert widget.pinned_post_ids == [IDS[1], IDS[2], IDS[3]]
    moderation.set_pins(widget.pk, change.pins_before, shown=change.pins_after)
    widget.refresh_from_db()
    assert widget.pinned_post_ids == [IDS[2], IDS[3], IDS[1]]


def test_no_more_than_twelve_posts_can_be_pinned(widget: WidgetInstance) -> None:
    moderation.moderate(widget.pk, Act.PIN, [str(number) for number in range(12)])
    with pytest.raises(InvalidInput, match="Unpin one first"):
        moderation.moderate(widget.pk, Act.PIN, ["12"])
    moderation.moderate(widget.pk, Act.PIN, ["5"])  # moves to the front
    with pytest.raises(InvalidInput):
        moderation.set_pins(widget.pk, [str(number) for number in range(13)], shown=["5"])
    widget.refresh_from_db()
    assert widget.pinned_post_ids[:2] == ["5", "0"]
    assert len(widget.pinned_post_ids) == 12


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", []),
        (" bread , #sale,\r\n new  cups\n\n", ["bread", "#sale", "new cups"]),
        ("Bread, bread, BREAD", ["Bread"]),
        ("#, ,", []),
    ],
)
def test_words_are_separated_by_commas_or_lines(typed: str, words: list[str]) -> None:
    assert moderation.parse_words("required", typed) == words


@pytest.mark.parametrize("typed", ["x" * 101, ",".join(map(str, range(51))), "a\x07b"])
def test_odd_words_are_refused(typed: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        moderation.parse_words("required", typed)
    assert raised.value.field == "required"


def test_alternative_texts_are_bounded(widget: WidgetInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moderation, "MAX_ALT_TEXTS", 2)
    for number in range(3):
        moderation.set_alt_text(widget.pk, IDS[number], f"text {number}")
    widget.refresh_from_db()
    assert widget.alt_texts == {IDS[1]: "text 1", IDS[2]: "text 2"}
    with pytest.raises(InvalidInput):
        moderation.set_alt_text(widget.pk, IDS[0], "x" * 1_001)


def test_approving_with_the_setting_keeps_what_is_shown(widget: WidgetInstance) -> None:
    assert moderation.set_approval(widget.pk, needed=True, approving=IDS[:2]) is False
    assert moderation.set_approval(widget.pk, needed=False) is True
    widget.refresh_from_db()
    assert (widget.needs_approval, widget.approved_post_ids) == (False, IDS[:2])


def _instance(widget: WidgetInstance) -> Any:
    return from_row(widget)
