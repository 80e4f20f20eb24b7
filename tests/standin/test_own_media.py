"""An account's own media, on both Graph hosts."""

from __future__ import annotations

import pytest

from instagram_standin.server import StandIn
from instagram_standin.tokens import Family
from tests.standin.callers import Reply, ask

BAKERY_ID = "17841400000000777"
HOSTS = [("ig-graph", Family.INSTAGRAM), ("fb-graph", Family.FACEBOOK)]


@pytest.fixture
def tokens(standin: StandIn) -> None:
    for _, family in HOSTS:
        standin.tokens.add(f"token-{family}", BAKERY_ID, family)


def own_media(standin: StandIn, host: str, token: str, account_id: str = BAKERY_ID, **query: object) -> Reply:
    query.setdefault("fields", "id,media_type,children{id}")
    return ask(standin, f"/{host}/v26.0/{account_id}/media", query=query, token=token)


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize(("host", "family"), HOSTS)
def test_pages_with_a_next_that_embeds_the_token(standin: StandIn, host: str, family: Family) -> None:
    page = own_media(standin, host, f"token-{family}", limit=30).json
    assert len(page["data"]) == 30
    assert page["paging"].keys() == {"cursors", "next"}
    assert f"access_token=token-{family}" in page["paging"]["next"]

    last = ask(standin, page["paging"]["next"]).json
    assert len(last["data"]) == 10
    assert last["paging"].keys() == {"cursors"}
    assert not {post["id"] for post in page["data"]} & {post["id"] for post in last["data"]}


@pytest.mark.usefixtures("tokens")
def test_usage_is_told_under_the_business_use_case(standin: StandIn) -> None:
    standin.usage.call_count = 71
    reply = own_media(standin, "ig-graph", "token-instagram")
    assert (
        f'"{BAKERY_ID}":[{{"type":"instagram","call_count":71' in reply.headers["X-Business-Use-Case-Usage"]
    )
    assert "X-App-Usage" not in reply.headers


@pytest.mark.usefixtures("tokens")
def test_a_token_of_the_other_family_is_worth_nothing(standin: StandIn) -> None:
    assert own_media(standin, "ig-graph", "token-facebook").error["code"] == 190
    assert own_media(standin, "fb-graph", "token-instagram").error["code"] == 190


@pytest.mark.usefixtures("tokens")
def test_only_the_own_account_can_be_read(standin: StandIn) -> None:
    reply = own_media(standin, "ig-graph", "token-instagram", "17841400000000888")
    assert (reply.error["code"], reply.error["error_subcode"]) == (100, 33)


@pytest.mark.usefixtures("tokens")
def test_the_instagram_host_has_no_discovery(standin: StandIn) -> None:
    query = {"fields": "business_discovery.username(tiny.studio){id}"}
    reply = ask(standin, f"/ig-graph/v26.0/{BAKERY_ID}", query=query, token="token-instagram")
    assert reply.error["code"] == 100


@pytest.mark.usefixtures("tokens")
def test_a_revoked_token_is_refused(standin: StandIn) -> None:
    standin.tokens.revoke("token-instagram")
    assert own_media(standin, "ig-graph", "token-instagram").error["code"] == 190


@pytest.mark.usefixtures("tokens")
def test_the_account_itself_can_be_read(standin: StandIn) -> None:
    query = {"fields": "username,media_count"}
    reply = ask(standin, f"/ig-graph/v26.0/{BAKERY_ID}", query=query, token="token-instagram")
    assert reply.json == {"username": "acme.bakery", "media_count": 40, "id": BAKERY_ID}


@pytest.mark.usefixtures("tokens")
def test_the_log_knows_whose_media_were_read(standin: StandIn) -> None:
    own_media(standin, "ig-graph", "token-instagram", after="QVFIUjAwMDAwMDMwMDAw")
    assert (standin.calls[0]["username"], standin.calls[0]["after"]) == (
        "acme.bakery",
        "QVFIUjAwMDAwMDMwMDAw",
    )
