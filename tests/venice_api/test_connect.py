"""Connect, callback, choice, disconnect: who may go, where it ends, and that a state is good once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from entitlements.changes import Actor, set_plan
from entitlements.models import Membership, Plan
from paris_integration import oauth_pipeline
from paris_integration.errors import LoginFailed
from paris_integration.models import Connection, ConnectionLink, DeletionRequest, LoginAttempt
from paris_integration.providers.oauth import Account
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from venice_api.models import WidgetInstance

API = "/v1/integrations/instagram/"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EDITOR_URL = "https://app.example/widgets"
BASE = "http://127.0.0.1:8000"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(time_machine: Any, settings: Any) -> Any:
    settings.EDITOR_REDIRECT_URIS = [EDITOR_URL, "https://app.example/w?tab=feed"]
    settings.PUBLIC_BASE_URL = BASE
    time_machine.move_to(NOW, tick=False)
    return time_machine


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider, logins: FakeLogins) -> WidgetInstance:
    made: WidgetInstance = make_instance()
    return made


def connect(client: Client, instance: WidgetInstance, **query: str) -> Any:
    return client.get(f"{API}connect", {"instanceId": instance.pk} | query)


def state_of(response: Any) -> str:
    assert response.status_code == 302, response.content
    return parse_qs(urlsplit(response["Location"]).query)["state"][0]


def come_back(client: Client, path: str = "callback", **query: str) -> Any:
    return client.get(f"{API}{path}", query)


def ended(response: Any) -> tuple[str, dict[str, str]]:
    assert response.status_code == 302, response.content
    parts = urlsplit(response["Location"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return f"{parts.scheme}://{parts.netloc}{parts.path}", query


def own_page(instance: WidgetInstance) -> str:
    return f"{BASE}/editor/{instance.pk}/"


def test_a_whole_login(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    begun = connect(people.editor, instance)
    state = state_of(begun)

    done = come_back(people.editor, code="good#_", state=state)

    assert begun["Location"].startswith("https://instagram.example/authorize?")
    assert begun["Cache-Control"] == "no-store"
    assert ended(done) == (own_page(instance), {"status": "connected", "account": "acme.bakery"})
    assert logins.exchanges == [("instagram", "good", f"{BASE}{API}callback")]
    assert ConnectionLink.objects.get().instance_id == instance.pk
    assert len(state) >= 43
    assert state not in str(list(LoginAttempt.objects.values()))


def test_the_login_follows_the_source(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    assert urlsplit(connect(people.editor, instance)["Location"]).hostname == "instagram.example"
    facebook = connect(people.editor, instance, login="facebook")
    assert urlsplit(facebook["Location"]).hostname == "facebook.example"
    instance.source_type, instance.source_value = "hashtag", "bread"
    instance.save()
    tag = connect(people.editor, instance)
    assert urlsplit(tag["Location"]).hostname == "facebook.example"
    done = come_back(people.editor, "callback/facebook", code="c", state=state_of(tag))
    assert ended(done)[1]["status"] == "connected"
    assert logins.exchanges == [("facebook", "c", f"{BASE}{API}callback/facebook")]


@pytest.mark.parametrize(
    ("who", "status", "error"),
    [
        ("viewer", 403, "FORBIDDEN"),
        ("outsider", 404, "INSTANCE_NOT_FOUND"),
        ("anonymous", 401, "AUTHENTICATION_REQUIRED"),
    ],
)
def test_who_may_connect(people: Cast, instance: WidgetInstance, who: str, status: int, error: str) -> None:
    response = connect(getattr(people, who), instance)

    assert (response.status_code, response.json()["error"]) == (status, error)
    assert LoginAttempt.objects.count() == 0


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        f"{EDITOR_URL}/",
        f"{EDITOR_URL}?x=1",
        f"{EDITOR_URL}#x",
        "https://app.example@evil.example/widgets",
        "https://evil.example\\@app.example/widgets",
        "//app.example/widgets",
        "/editor/",
        "https:/app.example/widgets",
        "https://app.example:443/widgets",
        "HTTPS://APP.EXAMPLE/widgets",
        "https://app.example/%77idgets",
        "https://app.example/widgets\r\nLocation: https://evil.example",
        " https://app.example/widgets",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_foreign_redirect_goes_nowhere(people: Cast, instance: WidgetInstance, uri: str) -> None:
    response = connect(people.editor, instance, redirectUri=uri)

    assert (response.status_code, list(response.json()["fields"])) == (400, ["redirectUri"])
    assert "Location" not in response
    assert LoginAttempt.objects.count() == 0


def test_redirects_that_are_set_up(people: Cast, instance: WidgetInstance) -> None:
    state = state_of(connect(people.editor, instance, redirectUri=EDITOR_URL))
    assert ended(come_back(people.editor, code="1", state=state))[0] == EDITOR_URL
    state = state_of(connect(people.editor, instance, redirectUri="https://app.example/w?tab=feed"))
    assert ended(come_back(people.editor, code="2", state=state)) == (
        "https://app.example/w",
        {"tab": "feed", "status": "connected", "account": "acme.bakery"},
    )
    assert connect(people.editor, instance, redirectUri=own_page(instance)).status_code == 302


def test_a_plan_without_connections(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    state = state_of(connect(people.editor, instance))
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))

    refused = {"status": "error", "reason": "PLAN_RESTRICTED"}
    assert ended(connect(people.editor, instance, redirectUri=EDITOR_URL)) == (EDITOR_URL, refused)
    assert ended(come_back(people.editor, code="1", state=state)) == (own_page(instance), refused)
    assert logins.exchanges == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"error": "access_denied", "error_reason": "user_denied"}, "ACCESS_DENIED"),
        ({"error": "server_error"}, "EXCHANGE_FAILED"),
        ({}, "EXCHANGE_FAILED"),
        ({"code": ""}, "EXCHANGE_FAILED"),
        ({"code": "x" * 2001}, "EXCHANGE_FAILED"),
        ({"code": "bad"}, "EXCHANGE_FAILED"),
    ],
)
def test_ways_to_fail(people: Cast, instance: WidgetInstance, query: dict[str, str], reason: str) -> None:
    state = state_of(connect(people.editor, instance))

    done = come_back(people.editor, state=state, **query)

    assert ended(done) == (own_page(instance), {"status": "error", "reason": reason})
    assert Connection.objects.count() == 0
    page = people.editor.get(done["Location"].removeprefix(BASE)).content.decode()
    assert 'role="status"' in page
    again = come_back(people.editor, state=state, code="good")
    assert ended(again)[1]["reason"] == "STATE_INVALID"


@pytest.mark.parametrize("reason", ["PERMISSION_MISSING", "NO_PROFESSIONAL_ACCOUNT", "EXCHANGE_FAILED"])
def test_what_the_exchange_finds_is_told(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, reason: str
) -> None:
    logins.failure = LoginFailed(reason)
    done = come_back(people.editor, state=state_of(connect(people.editor, instance)), code="1")
    assert ended(done)[1] == {"status": "error", "reason": reason}


def test_a_state_is_good_once_for_ten_minutes_and_for_one_session(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, clock: Any
) -> None:
    used, late, foreign = (state_of(connect(people.editor, instance)) for _ in range(3))
    assert ended(come_back(people.editor, code="1", state=used))[1]["status"] == "connected"
    other_session = Client()
    other_session.force_login(User.objects.get(username="editor"))

    for client, path, state in (
        (people.editor, "callback", used),
        (people.owner, "callback", foreign),
        (people.outsider, "callback", foreign),
        (other_session, "callback", foreign),
        (people.editor, "callback/facebook", foreign),
        (people.editor, "callback", "made-up"),
        (people.editor, "callback", ""),
    ):
        where, said = ended(come_back(client, path, code="2", state=state))
        assert (where, said) == (f"{BASE}/editor/", {"status": "error", "reason": "STATE_INVALID"})
    clock.move_to(NOW + timedelta(minutes=10, seconds=1), tick=False)
    assert ended(come_back(people.editor, code="3", state=late))[1]["reason"] == "STATE_INVALID"
    assert len(logins.exchanges) == 1


def test_several_tabs_at_once(people: Cast, instance: WidgetInstance, make_instance: Any) -> None:
    twin = make_instance(name="Twin")
    first, second = state_of(connect(people.editor, instance)), state_of(connect(people.editor, twin))

    assert ended(come_back(people.editor, code="2", state=second))[0] == own_page(twin)
    assert ended(come_back(people.editor, code="1", state=first))[0] == own_page(instance)
    assert Connection.objects.count() == 1
    assert ConnectionLink.objects.count() == 2


def test_a_role_lost_on_the_way(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    state = state_of(connect(people.editor, instance))
    Membership.objects.filter(user__username="editor").update(role="viewer")
    assert ended(come_back(people.editor, code="1", state=state))[1]["reason"] == "STATE_INVALID"
    assert logins.exchanges == []


def test_signed_out_on_the_way(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    state = state_of(connect(people.editor, instance))
    response = come_back(people.anonymous, code="1", state=state)
    assert response.status_code == 400
    assert "Location" not in response
    assert state not in response.content.decode()
    assert logins.exchanges == []


def test_one_of_several_accounts_is_chosen(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, clock: Any
) -> None:
    logins.accounts = (Account("1", "acme.bakery"), Account("2", "northern.trails"))
    begun = connect(people.editor, instance, login="facebook")

    to_choice = come_back(people.editor, "callback/facebook", code="1", state=state_of(begun))

    page = to_choice["Location"]
    assert page.startswith("/connect/choose/")
    shown = people.editor.get(page).content.decode()
    assert "@acme.bakery" in shown
    assert "@northern.trails" in shown
    assert "token-for" not in shown
    assert people.owner.get(page).status_code == 400
    assert people.owner.post(page, {"account": "1"}).status_code == 400
    assert people.editor.post(page, {"account": "3"}).status_code == 400
    assert people.editor.post(page).status_code == 400
    assert Connection.objects.count() == 0
    done = people.editor.post(page, {"account": "2"})
    assert ended(done) == (own_page(instance), {"status": "connected", "account": "northern.trails"})
    assert Connection.objects.get().username == "northern.trails"
    assert people.editor.post(page, {"account": "1"}).status_code == 400
    assert LoginAttempt.objects.get().token is None


def test_disconnect(people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    revoked: list[Any] = []
    monkeypatch.setattr(oauth_pipeline, "_revoke", lambda *args: revoked.append(args))
    come_back(people.editor, code="1", state=state_of(connect(people.editor, instance)))

    def post(client: Client) -> Any:
        body = json.dumps({"instanceId": instance.pk})
        return client.post(f"{API}disconnect", body, content_type="application/json")

    assert post(people.viewer).status_code == 403
    assert post(people.outsider).status_code == 404
    assert post(people.anonymous).status_code == 401
    assert Connection.objects.count() == 1
    for _ in range(2):
        response = post(people.editor)
        assert (response.status_code, response.json()) == (200, {"status": "disconnected"})
    assert Connection.objects.count() == ConnectionLink.objects.count() == 0
    assert people.editor.get(f"{API}disconnect").status_code == 405


def test_the_editor_page_tells_the_state(people: Cast, instance: WidgetInstance) -> None:
    page = own_page(instance).removeprefix(BASE)
    assert "No account is connected" in people.editor.get(page).content.decode()
    come_back(people.editor, code="1", state=state_of(connect(people.editor, instance)))
    shown = people.editor.get(page).content.decode()
    assert "@acme.bakery, by Instagram login" in shown
    assert "Disconnect" in shown
    assert "Disconnect" not in people.viewer.get(page).content.decode()
    Connection.objects.update(state="reconnect_required")
    assert "please reconnect" in people.editor.get(page).content.decode()
    assert people.viewer.post(f"{page}disconnect/").status_code == 403
    assert people.outsider.post(f"{page}disconnect/").status_code == 404
    assert people.editor.post(f"{page}disconnect/").status_code == 302
    assert Connection.objects.count() == 0


def test_a_mail_leads_to_meta_by_way_of_the_sign_in_page(people: Cast, instance: WidgetInstance) -> None:
    """The link of a notice: those who are signed in pass at once, the others sign in first."""
    next_page = f"{API}connect?instanceId={instance.pk}&login=instagram"
    passed = people.editor.get("/accounts/login/", {"next": next_page}, follow=True)
    assert passed.redirect_chain[0][0] == next_page
    assert urlsplit(passed.redirect_chain[1][0]).hostname == "instagram.example"
    form = people.anonymous.get("/accounts/login/", {"next": next_page})
    assert 'name="next"' in form.content.decode()


# Meta's own callbacks

SECRETS = {"instagram": "ig-secret", "facebook": "fb-secret"}


def signed(payload: Any, secret: str, **replaced: str) -> str:
    def encode(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    body = encode(json.dumps(payload).encode())
    signature = encode(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())
    return f"{replaced.get('signature', signature)}.{replaced.get('body', body)}"


def order(user_id: object = "28970000000000001", **more: Any) -> dict[str, Any]:
    return {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": 1_795_000_000} | more


@pytest.fixture
def connected(people: Cast, instance: WidgetInstance, settings: Any) -> WidgetInstance:
    settings.INSTAGRAM_APP_SECRET, settings.FACEBOOK_APP_SECRET = SECRETS["instagram"], SECRETS["facebook"]
    come_back(people.editor, code="1", state=state_of(connect(people.editor, instance)))
    return instance


def meta(client: Client, what: str, signed_request: str) -> Any:
    return client.post(f"{API}meta/{what}", {"signed_request": signed_request})


@pytest.mark.usefixtures("connected")
def test_deauthorised_at_meta(client: Client) -> None:
    for user_id in ("28970000000000001", 28970000000000001):
        assert (
            meta(client, "instagram/deauthorize", signed(order(user_id), SECRETS["instagram"])).status_code
            == 200
        )
    row = Connection.objects.get()
    assert (row.state, row.token) == ("deauthorised", None)


@pytest.mark.usefixtures("connected")
def test_data_deletion(client: Client, settings: Any) -> None:
    answers = [
        meta(client, "instagram/data-deletion", signed(order(user_id), SECRETS["instagram"])).json()
        for user_id in ("17841400000000001", "17841400000000001", "404")
    ]

    assert Connection.objects.count() == ConnectionLink.objects.count() == 0
    for answer in answers:
        assert set(answer) == {"url", "confirmation_code"}
        assert answer["confirmation_code"].isalnum()
        page = client.get(answer["url"].removeprefix(BASE))
        assert (page.status_code, answer["confirmation_code"] in page.content.decode()) == (200, True)
    assert client.get("/deletion/NOSUCHCODE").status_code == 404
    assert [row.connections_deleted for row in DeletionRequest.objects.order_by("-connections_deleted")] == [
        1,
        0,
        0,
    ]


GOOD = signed(order(), SECRETS["instagram"])


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("", id="nothing"),
        pytest.param("x", id="no dot"),
        pytest.param(GOOD + ".x", id="two dots"),
        pytest.param(signed(order(), SECRETS["facebook"]), id="the other family's secret"),
        pytest.param(signed(order(), ""), id="no secret"),
        pytest.param("." + GOOD.split(".")[1], id="no signature"),
        pytest.param(GOOD[:-2], id="cut off"),
        pytest.param(signed(order(algorithm="none"), SECRETS["instagram"]), id="no algorithm"),
        pytest.param(signed(order(algorithm="HMAC-SHA1"), SECRETS["instagram"]), id="another algorithm"),
        pytest.param(signed(order(None), SECRETS["instagram"]), id="nobody"),
        pytest.param(signed(order({"id": 1}), SECRETS["instagram"]), id="an object as user"),
        pytest.param(signed([1], SECRETS["instagram"]), id="a list"),
        pytest.param("é.é", id="no ASCII"),
        pytest.param("A" * 9_000 + "." + "B" * 9_000, id="too long"),
    ],
)
@pytest.mark.usefixtures("connected")
def test_forged_orders_touch_nothing(client: Client, sent: str) -> None:
    for what in ("deauthorize", "data-deletion"):
        assert meta(client, f"instagram/{what}", sent).status_code == 400
    assert Connection.objects.get().state == "active"


@pytest.mark.usefixtures("connected")
def test_orders_come_by_post(client: Client) -> None:
    assert client.get(f"{API}meta/instagram/deauthorize").status_code == 405
    assert client.post(f"{API}meta/myspace/deauthorize").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    assert meta(strict, "instagram/deauthorize", GOOD).status_code == 200
