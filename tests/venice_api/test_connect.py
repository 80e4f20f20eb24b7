"""Connect, callback, choice and disconnect: who can use them, where they redirect, and single-use states."""

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
from django.utils import timezone

from entitlements.changes import Actor, set_plan
from entitlements.models import Membership, Plan
from paris_integration import public as paris
from paris_integration.connections import logins, vault
from paris_integration.errors import LoginFailed
from paris_integration.models import Connection, ConnectionLink, DeletionRequest, LoginAttempt
from paris_integration.providers.oauth import Account
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from tests.stored import everything_stored
from venice_api.models import WidgetInstance

API = "/v1/integrations/instagram/"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EDITOR_URL = "https://app.example/widgets"
BASE = "http://127.0.0.1:8000"
TWO = (Account("17841400000000001", "acme.bakery"), Account("17841400000000002", "northern.trails"))
APP_USER, ACCOUNT = "28970000000000001", "17841400000000001"

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


def disconnect(client: Client, instance: WidgetInstance) -> Any:
    body = json.dumps({"instanceId": instance.pk})
    return client.post(f"{API}disconnect", body, content_type="application/json")


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


def test_a_complete_login(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    begun = connect(people.editor, instance)
    state = state_of(begun)

    done = come_back(people.editor, code="good", state=state)

    assert begun["Location"].startswith("https://instagram.example/authorize?")
    assert begun["Cache-Control"] == "no-store"
    assert ended(done) == (own_page(instance), {"status": "connected", "account": "acme.bakery"})
    assert logins.exchanges == [("instagram", "good", f"{BASE}{API}callback")]
    assert ConnectionLink.objects.get().instance_id == instance.pk
    assert len(state) >= 43
    assert state not in str(list(LoginAttempt.objects.values()))


@pytest.mark.parametrize("ending", ["#_", "#_=_"])
def test_the_fragment_that_meta_appends_is_removed_from_code_and_state(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, ending: str
) -> None:
    """Browsers don't send fragments, but a URL that was pasted or forwarded may contain one."""
    state = state_of(connect(people.editor, instance))
    come_back(people.editor, code=f"first{ending}", state=state)
    state = state_of(connect(people.editor, instance))
    come_back(people.editor, code="second", state=f"{state}{ending}")

    assert [code for _, code, _ in logins.exchanges] == ["first", "second"]


def test_the_default_login_depends_on_the_source(
    people: Cast, instance: WidgetInstance, logins: FakeLogins
) -> None:
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
def test_who_can_connect(people: Cast, instance: WidgetInstance, who: str, status: int, error: str) -> None:
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
def test_an_unknown_redirect_uri_is_refused(people: Cast, instance: WidgetInstance, uri: str) -> None:
    response = connect(people.editor, instance, redirectUri=uri)

    assert (response.status_code, list(response.json()["fields"])) == (400, ["redirectUri"])
    assert "Location" not in response
    assert LoginAttempt.objects.count() == 0


def test_configured_redirect_uris_are_accepted(people: Cast, instance: WidgetInstance) -> None:
    state = state_of(connect(people.editor, instance, redirectUri=EDITOR_URL))
    assert ended(come_back(people.editor, code="1", state=state))[0] == EDITOR_URL
    state = state_of(connect(people.editor, instance, redirectUri="https://app.example/w?tab=feed"))
    assert ended(come_back(people.editor, code="2", state=state)) == (
        "https://app.example/w",
        {"tab": "feed", "status": "connected", "account": "acme.bakery"},
    )
    assert connect(people.editor, instance, redirectUri=own_page(instance)).status_code == 302


def test_a_plan_without_connected_accounts_cannot_connect(
    people: Cast, instance: WidgetInstance, logins: FakeLogins
) -> None:
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
def test_failed_logins_redirect_with_a_reason(
    people: Cast, instance: WidgetInstance, query: dict[str, str], reason: str
) -> None:
    state = state_of(connect(people.editor, instance))

    done = come_back(people.editor, state=state, **query)

    assert ended(done) == (own_page(instance), {"status": "error", "reason": reason})
    assert Connection.objects.count() == 0
    page = people.editor.get(done["Location"].removeprefix(BASE), follow=True).content.decode()
    assert 'role="status"' in page
    again = come_back(people.editor, state=state, code="good")
    assert ended(again)[1]["reason"] == "STATE_INVALID"


@pytest.mark.parametrize("reason", ["PERMISSION_MISSING", "NO_PROFESSIONAL_ACCOUNT", "EXCHANGE_FAILED"])
def test_failures_of_the_code_exchange_redirect_with_a_reason(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, reason: str
) -> None:
    logins.failure = LoginFailed(reason)
    done = come_back(people.editor, state=state_of(connect(people.editor, instance)), code="1")
    assert ended(done)[1] == {"status": "error", "reason": reason}


def test_a_state_is_valid_once_for_ten_minutes_and_in_one_session(
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


def test_a_state_is_used_up_before_its_code_is_exchanged(
    people: Cast, instance: WidgetInstance, logins: FakeLogins
) -> None:
    state = state_of(connect(people.editor, instance))
    others: list[Any] = []

    def come_back_again() -> None:
        logins.during_exchange = lambda: None
        others.append(come_back(people.editor, code="2", state=state))

    logins.during_exchange = come_back_again

    assert ended(come_back(people.editor, code="1", state=state))[1]["status"] == "connected"
    assert ended(others[0])[1] == {"status": "error", "reason": "STATE_INVALID"}
    assert [code for _, code, _ in logins.exchanges] == ["1"]


def test_a_state_belongs_to_the_user_who_began_the_login(people: Cast, instance: WidgetInstance) -> None:
    """A session changes with its user. So this is asked of Paris directly."""
    state, session = state_of(connect(people.editor, instance)), people.editor.session.session_key or ""
    ids = dict(User.objects.values_list("username", "pk"))

    def take(user_id: int | None) -> paris.Attempt | None:
        actor = paris.Actor(user_id, "x", session)
        return paris.take_state(paris.Login.INSTAGRAM, state, actor=actor, now=NOW)

    assert [take(ids["owner"]), take(ids["outsider"]), take(None)] == [None, None, None]
    assert take(ids["editor"]) is not None


def test_logins_in_several_tabs_at_once(people: Cast, instance: WidgetInstance, make_instance: Any) -> None:
    twin = make_instance(name="Twin")
    first, second = state_of(connect(people.editor, instance)), state_of(connect(people.editor, twin))

    assert ended(come_back(people.editor, code="2", state=second))[0] == own_page(twin)
    assert ended(come_back(people.editor, code="1", state=first))[0] == own_page(instance)
    assert Connection.objects.count() == 1
    assert ConnectionLink.objects.count() == 2


def test_a_role_lost_during_the_login(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    state = state_of(connect(people.editor, instance))
    Membership.objects.filter(user__username="editor").update(role="viewer")
    assert ended(come_back(people.editor, code="1", state=state))[1]["reason"] == "STATE_INVALID"
    assert logins.exchanges == []


def test_signed_out_during_the_login(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    state = state_of(connect(people.editor, instance))
    response = come_back(people.anonymous, code="1", state=state)
    assert response.status_code == 400
    assert "Location" not in response
    assert state not in response.content.decode()
    assert logins.exchanges == []


def test_choosing_one_of_several_accounts(
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
    assert LoginAttempt.objects.count() == 0


@pytest.mark.parametrize("accounts", [TWO[:1], TWO], ids=["one account", "a choice"])
def test_a_token_without_expiry_is_stored_without_one(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, accounts: tuple[Account, ...]
) -> None:
    logins.accounts, logins.lasts = accounts, None
    begun = connect(people.editor, instance, login="facebook")
    done = come_back(people.editor, "callback/facebook", code="1", state=state_of(begun))
    if accounts == TWO:
        people.editor.post(done["Location"], {"account": ACCOUNT})
    row = Connection.objects.get()
    assert (row.never_expires, row.expires_at, row.next_renewal_at) == (True, None, None)


def test_disconnect(people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    revoked: list[Any] = []
    monkeypatch.setattr(logins, "_revoke", lambda *args: revoked.append(args))
    come_back(people.editor, code="1", state=state_of(connect(people.editor, instance)))

    def post(client: Client) -> Any:
        return disconnect(client, instance)

    assert post(people.viewer).status_code == 403
    assert post(people.outsider).status_code == 404
    assert post(people.anonymous).status_code == 401
    assert Connection.objects.count() == 1
    for _ in range(2):
        response = post(people.editor)
        assert (response.status_code, response.json()) == (200, {"status": "disconnected"})
    assert Connection.objects.count() == ConnectionLink.objects.count() == 0
    assert people.editor.get(f"{API}disconnect").status_code == 405


# A disconnect, a deauthorisation or a deletion wins over a login that began before it

WITHDRAWALS = [
    pytest.param("disconnect", "", id="disconnect"),
    pytest.param("deauthorize", APP_USER, id="deauthorisation of the person"),
    pytest.param("deauthorize", ACCOUNT, id="deauthorisation of the account"),
    pytest.param("data-deletion", APP_USER, id="deletion for the person"),
    pytest.param("data-deletion", ACCOUNT, id="deletion for the account"),
]


@pytest.fixture
def withdraw(people: Cast, instance: WidgetInstance, settings: Any) -> Any:
    settings.INSTAGRAM_APP_SECRET, settings.FACEBOOK_APP_SECRET = SECRETS["instagram"], SECRETS["facebook"]

    def act(what: str, user_id: str, family: str) -> None:
        if what == "disconnect":
            answer = disconnect(people.editor, instance)
        else:
            issued_at = int(timezone.now().timestamp())
            sent = signed(order(user_id, issued_at=issued_at), SECRETS[family])
            answer = meta(Client(), f"{family}/{what}", sent)
        assert answer.status_code == 200, answer.content

    return act


@pytest.mark.parametrize(("what", "user_id"), WITHDRAWALS)
@pytest.mark.parametrize("family", ["instagram", "facebook"])
@pytest.mark.parametrize("accounts", [TWO[:1], TWO], ids=["one account", "a choice"])
def test_a_withdrawal_during_the_exchange_wins(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, withdraw: Any, family: str,
    what: str, user_id: str, accounts: tuple[Account, ...],
) -> None:  # fmt: skip
    logins.accounts = accounts
    state = state_of(connect(people.editor, instance, login=family))
    logins.during_exchange = lambda: withdraw(what, user_id, family)

    path = "callback" if family == "instagram" else "callback/facebook"
    done = come_back(people.editor, path, code="1", state=state)

    assert ended(done) == (own_page(instance), {"status": "error", "reason": "STATE_INVALID"})
    assert Connection.objects.count() == ConnectionLink.objects.count() == 0
    assert not LoginAttempt.objects.filter(token__isnull=False).exists()
    assert "token-for" not in everything_stored()


@pytest.mark.parametrize(("what", "user_id"), WITHDRAWALS)
def test_a_withdrawal_cancels_a_waiting_choice(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, withdraw: Any, what: str, user_id: str
) -> None:
    logins.accounts = TWO
    state = state_of(connect(people.editor, instance, login="facebook"))
    page = come_back(people.editor, "callback/facebook", code="1", state=state)["Location"]
    assert people.editor.get(page).status_code == 200

    withdraw(what, user_id, "facebook")

    assert people.editor.get(page).status_code == 400
    assert people.editor.post(page, {"account": ACCOUNT}).status_code == 400
    assert Connection.objects.count() == LoginAttempt.objects.count() == 0
    stored = everything_stored()
    assert ACCOUNT not in stored
    assert "northern.trails" not in stored


@pytest.mark.parametrize(("what", "user_id"), WITHDRAWALS)
def test_a_withdrawal_before_the_choice_is_stored_wins(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, withdraw: Any,
    monkeypatch: pytest.MonkeyPatch, what: str, user_id: str,
) -> None:  # fmt: skip
    """The withdrawal happens after the page has checked the choice and before it is stored."""
    logins.accounts = TWO
    state = state_of(connect(people.editor, instance, login="facebook"))
    page = come_back(people.editor, "callback/facebook", code="1", state=state)["Location"]
    real = paris.choose_account

    def late(*args: Any, **kwargs: Any) -> Any:
        withdraw(what, user_id, "facebook")
        return real(*args, **kwargs)

    monkeypatch.setattr(paris, "choose_account", late)
    done = people.editor.post(page, {"account": ACCOUNT})

    assert ended(done) == (own_page(instance), {"status": "error", "reason": "STATE_INVALID"})
    assert Connection.objects.count() == LoginAttempt.objects.count() == 0


@pytest.mark.parametrize(("what", "user_id"), WITHDRAWALS)
def test_a_login_that_begins_after_a_withdrawal_is_stored(
    people: Cast, instance: WidgetInstance, withdraw: Any, clock: Any, what: str, user_id: str
) -> None:
    withdraw(what, user_id, "instagram")
    clock.move_to(NOW + timedelta(seconds=1), tick=False)

    done = come_back(people.editor, code="1", state=state_of(connect(people.editor, instance)))

    assert ended(done)[1]["status"] == "connected"


@pytest.mark.parametrize(
    ("what", "user_id"), [*WITHDRAWALS[:1], ("deauthorize", "404"), ("data-deletion", "404")]
)
def test_other_logins_are_not_affected(
    people: Cast, instance: WidgetInstance, make_instance: Any, logins: FakeLogins, withdraw: Any,
    what: str, user_id: str,
) -> None:  # fmt: skip
    """Logins of other widgets, other people and the other login family are not affected."""
    twin = make_instance(name="Twin")
    state = state_of(connect(people.editor, twin))
    logins.during_exchange = lambda: [
        withdraw(what, user_id, "instagram"),
        withdraw("data-deletion", APP_USER, "facebook"),
    ]

    assert ended(come_back(people.editor, code="1", state=state))[1]["status"] == "connected"


@pytest.mark.parametrize("same", [True, False], ids=["the same account twice", "one account each"])
def test_a_choice_can_be_used_only_once(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """Two clicks at once: one is stored between the other's read of the choice and its write."""
    logins.accounts = TWO
    state = state_of(connect(people.editor, instance, login="facebook"))
    page = come_back(people.editor, "callback/facebook", code="1", state=state)["Location"]
    real, between = vault.open_token, []

    def at_once(*args: Any, **kwargs: Any) -> Any:
        if not between:
            between.append(None)
            between[0] = people.editor.post(page, {"account": TWO[0].account_id})
        return real(*args, **kwargs)

    monkeypatch.setattr(vault, "open_token", at_once)
    late = people.editor.post(page, {"account": TWO[0 if same else 1].account_id})

    assert ended(between[0])[1] == {"status": "connected", "account": "acme.bakery"}
    assert ended(late)[1] == {"status": "error", "reason": "STATE_INVALID"}
    row = Connection.objects.get()
    assert (row.username, row.token_version) == ("acme.bakery", 2)


def test_the_editor_page_shows_the_connection_state(people: Cast, instance: WidgetInstance) -> None:
    page = own_page(instance).removeprefix(BASE)
    assert "No account is connected" in people.editor.get(page).content.decode()
    come_back(people.editor, code="1", state=state_of(connect(people.editor, instance)))
    shown = people.editor.get(page).content.decode()
    assert "@acme.bakery, through Instagram login" in shown
    assert "Disconnect" in shown
    assert "Disconnect" not in people.viewer.get(page).content.decode()
    Connection.objects.update(state="reconnect_required")
    assert "Reconnect it to load new posts." in people.editor.get(page).content.decode()
    assert people.viewer.post(f"{page}disconnect/").status_code == 403
    assert people.outsider.post(f"{page}disconnect/").status_code == 404
    assert people.editor.post(f"{page}disconnect/").status_code == 302
    assert Connection.objects.count() == 0


def test_the_link_in_an_email_leads_to_meta_after_signing_in(people: Cast, instance: WidgetInstance) -> None:
    """The link in a notice: signed-in users go straight to Meta, others sign in first."""
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
    return {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": int(NOW.timestamp())} | more


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
    assert sorted(row.connections_deleted for row in DeletionRequest.objects.all()) == [0, 1]


@pytest.mark.usefixtures("connected")
def test_a_deletion_request_that_is_sent_again_gets_the_same_code(client: Client, clock: Any) -> None:
    sent = signed(order(), SECRETS["instagram"])
    first = meta(client, "instagram/data-deletion", sent).json()
    clock.move_to(NOW + timedelta(hours=23), tick=False)

    assert meta(client, "instagram/data-deletion", sent).json() == first
    assert DeletionRequest.objects.count() == 1
    another = signed(order(issued_at=int(NOW.timestamp()) + 1), SECRETS["instagram"])
    assert meta(client, "instagram/data-deletion", another).json() != first
    facebook = signed(order(), SECRETS["facebook"])
    assert meta(client, "facebook/data-deletion", facebook).json() != first
    assert DeletionRequest.objects.count() == 3


@pytest.mark.parametrize(
    ("age", "status"),
    [
        pytest.param(timedelta(0), 200, id="now"),
        pytest.param(timedelta(hours=23, minutes=59), 200, id="almost a day"),
        pytest.param(timedelta(days=1, seconds=1), 400, id="over a day"),
        pytest.param(timedelta(days=4_000), 400, id="years"),
        pytest.param(-timedelta(minutes=4), 200, id="a clock that is a little fast"),
        pytest.param(-timedelta(minutes=6), 400, id="the future"),
        pytest.param(-timedelta(days=30_000), 400, id="the far future"),
    ],
)
@pytest.mark.usefixtures("connected")
def test_the_maximum_age_of_a_signed_request(client: Client, age: timedelta, status: int) -> None:
    issued_at = int((NOW - age).timestamp())
    sent = signed(order(issued_at=issued_at), SECRETS["instagram"])

    for what in ("deauthorize", "data-deletion"):
        assert meta(client, f"instagram/{what}", sent).status_code == status
    assert Connection.objects.filter(state="active").exists() is (status == 400)


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
        pytest.param(signed(order(None), SECRETS["instagram"]), id="without a user"),
        pytest.param(signed(order({"id": 1}), SECRETS["instagram"]), id="an object as user"),
        pytest.param(
            signed(order("\u0661\u0662"), SECRETS["instagram"]), id="a user in digits of another script"
        ),
        pytest.param(signed([1], SECRETS["instagram"]), id="a list"),
        *[
            pytest.param(signed(order(issued_at=odd), SECRETS["instagram"]), id=f"issued at {odd!r}")
            for odd in (None, True, "1795435200", [1], 10**400, -(10**400), float("nan"), float("inf"))
        ],
        pytest.param("é.é", id="no ASCII"),
        pytest.param("A" * 9_000 + "." + "B" * 9_000, id="too long"),
    ],
)
@pytest.mark.usefixtures("connected")
def test_forged_requests_change_nothing(client: Client, sent: str) -> None:
    for what in ("deauthorize", "data-deletion"):
        assert meta(client, f"instagram/{what}", sent).status_code == 400
    assert Connection.objects.get().state == "active"


@pytest.mark.usefixtures("connected")
def test_signed_requests_require_post(client: Client) -> None:
    assert client.get(f"{API}meta/instagram/deauthorize").status_code == 405
    assert client.post(f"{API}meta/myspace/deauthorize").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    assert meta(strict, "instagram/deauthorize", GOOD).status_code == 200
