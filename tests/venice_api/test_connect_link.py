"""Connect links: somebody without an account connects an Instagram account to one widget, once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from entitlements.changes import Actor, set_plan
from entitlements.models import Membership, Plan, Workspace
from paris_integration.connections import connect_links
from paris_integration.models import AuditEvent, Connection, ConnectionLink, ConnectLink, LoginAttempt
from paris_integration.providers.oauth import Account
from paris_integration.retention import expiry
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from tests.stored import everything_stored
from tests.venice_api.test_connect import TWO, come_back, disconnect, ended, meta, order, signed, state_of
from venice_api import mail_limits
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BASE = "http://127.0.0.1:8000"
HOUR = timedelta(hours=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "mail_at_once")]


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider, logins: FakeLogins, settings: Any) -> WidgetInstance:
    settings.PUBLIC_BASE_URL = BASE
    made: WidgetInstance = make_instance(name="Front page", source_value="acme.bakery")
    return made


def page_of(instance: WidgetInstance) -> str:
    return f"/editor/{instance.pk}/connect-link/"


def make(people: Cast, instance: WidgetInstance, who: str = "editor") -> str:
    """The path of a new link."""
    made = getattr(people, who).post(page_of(instance), {"email": ""})
    assert made.status_code == 200, made
    (path,) = re.findall(rf"{BASE}(/connect/[\w-]+)", made.content.decode())
    return str(path)


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode()).replace("&#x27;", "'").replace("&quot;", '"')


def open_link(path: str, client: Client | None = None) -> tuple[Client, str]:
    """A browser that has opened the link, and the address at which its login begins."""
    client = client or Client()
    page = client.get(path)
    assert page.status_code == 200, words(page)
    return client, re.findall(r'href="(/connect/begin/[^"?]+)', page.content.decode())[0]


def begin(path: str, login: str = "instagram") -> tuple[Client, str]:
    """A browser that is at Meta, and its state."""
    client, begins = open_link(path)
    return client, state_of(client.get(begins, {"login": login}))


def callback(client: Client, state: str, path: str = "callback") -> Any:
    return come_back(client, path, code="good", state=state)


def shown(client: Client, done: Any) -> str:
    """The page on which a login ended."""
    target, query = ended(done)
    return words(client.get(target.removeprefix(BASE), query))


def test_a_whole_login_without_an_account(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    path = make(people, instance)
    client, begins = open_link(path)
    page = client.get(path)
    assert "Acme Bakery asks to connect your Instagram account" in words(page)
    assert "your posts, with their captions" in words(page)
    assert (page["Referrer-Policy"], page["Cache-Control"]) == ("no-referrer", "no-store")
    to_meta = client.get(begins, {"login": "instagram"})
    assert to_meta["Location"].startswith("https://instagram.example/authorize?")

    done = callback(client, state_of(to_meta))

    assert "Thank you" in shown(client, done)
    assert ConnectionLink.objects.get().instance_id == instance.pk
    assert logins.exchanges == [("instagram", "good", f"{BASE}/v1/integrations/instagram/callback")]
    assert "already used" in words(Client().get(path))
    assert [(e.action, e.actor, e.user_id) for e in AuditEvent.objects.order_by("pk")] == [
        ("link_made", "editor", User.objects.get(username="editor").pk),
        ("link_opened", "connect link of editor", None),
        ("connected", "connect link of editor", None),
    ]
    code = path.rpartition("/")[2]
    assert len(code) >= 43
    assert code not in everything_stored()


def test_the_holder_learns_the_workspaces_name_alone(people: Cast, instance: WidgetInstance) -> None:
    path = make(people, instance)
    client, state = begin(path)
    pages = [client.get(path), callback(client, state)]
    told = words(pages[0]) + shown(client, pages[1])
    assert "Acme Bakery" in told
    for secret in ("Front page", "@acme.bakery", "editor", "owner", str(instance.workspace_id), instance.pk):
        assert secret not in told.replace("/editor/", "").replace("instagram-feed", "")
    assert client.get(f"/editor/{instance.pk}/").status_code == 302
    assert client.get("/v1/integrations/instagram/feed", {"instanceId": instance.pk}).status_code == 401


def test_the_choice_of_several_accounts(people: Cast, instance: WidgetInstance, logins: FakeLogins) -> None:
    logins.accounts = TWO
    client, state = begin(make(people, instance), "facebook")
    choice = callback(client, state, "callback/facebook")
    assert choice["Location"].startswith("/connect/choose/")
    assert Client().get(choice["Location"]).status_code == 400
    assert people.editor.get(choice["Location"]).status_code == 400
    assert "@northern.trails" in words(client.get(choice["Location"]))

    done = client.post(choice["Location"], {"account": TWO[1].account_id})

    assert "Thank you" in shown(client, done)
    assert Connection.objects.get().username == "northern.trails"
    assert ConnectLink.objects.get().used_at == NOW


def test_a_hashtag_needs_facebook(people: Cast, instance: WidgetInstance) -> None:
    instance.source_type, instance.source_value = "hashtag", "bread"
    instance.save()
    path = make(people, instance)
    client, begins = open_link(path)
    assert "Connect with Instagram" not in words(client.get(path))
    assert client.get(begins, {"login": "instagram"}).status_code == 200
    assert client.get(begins, {"login": "facebook"}).status_code == 302


def test_looking_at_a_link_uses_nothing_up(people: Cast, instance: WidgetInstance) -> None:
    path = make(people, instance)
    for _ in range(3):
        open_link(path)
    client, state = begin(path)
    assert "Thank you" in shown(client, callback(client, state))


@pytest.mark.parametrize("who", ["another browser", "the editor", "another holder"])
def test_a_login_belongs_to_the_browser_that_began_it(
    people: Cast, instance: WidgetInstance, who: str
) -> None:
    path = make(people, instance)
    _, state = begin(path)
    other = {"another browser": Client(), "the editor": people.editor, "another holder": open_link(path)[0]}[
        who
    ]

    done = callback(other, state)

    assert done.status_code in {302, 400}
    assert not Connection.objects.exists()
    assert ConnectLink.objects.get().used_at is None


def test_nobody_begins_without_having_opened_the_link(people: Cast, instance: WidgetInstance) -> None:
    _, begins = open_link(make(people, instance))
    for client in (Client(), people.editor):
        assert client.get(begins, {"login": "instagram"}).status_code == 404
    assert Client().get(begins.replace("begin", "result")).status_code == 404
    assert not LoginAttempt.objects.exists()


def close(what: str, people: Cast, instance: WidgetInstance, clock: Any) -> None:
    match what:
        case "withdrawn":
            link = ConnectLink.objects.get()
            people.owner.post(f"{page_of(instance)}{link.pk}/withdraw/")
        case "expired":
            clock.move_to(NOW + 72 * HOUR, tick=False)
        case "plan":
            set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
        case "deleted":
            instance.delete()
        case "moved":
            instance.workspace = Workspace.objects.get(name="Other Studio")
            instance.save()
        case "demoted":
            Membership.objects.filter(user__username="editor").update(role="viewer")
        case "removed":
            Membership.objects.filter(user__username="editor").delete()


CLOSED = [
    ("withdrawn", "This link was withdrawn"),
    ("expired", "This link has expired"),
    ("plan", "The plan of Acme Bakery doesn't include connecting accounts"),
    ("deleted", "This link is no longer needed"),
    ("moved", "This link is no longer needed"),
    ("demoted", "This link was withdrawn"),
    ("removed", "This link was withdrawn"),
]


@pytest.mark.parametrize(("what", "sentence"), CLOSED)
def test_a_closed_link_says_why(
    people: Cast, instance: WidgetInstance, clock: Any, act: Any, what: str, sentence: str
) -> None:
    path = make(people, instance)
    client, begins = open_link(path)
    act(close, what, people, instance, clock)

    page = Client().get(path)

    assert (page.status_code, sentence in words(page)) == (410, True), words(page)
    assert "Front page" not in words(page)
    late = client.get(begins, {"login": "instagram"})
    assert (late.status_code, sentence in words(late)) == (410, True)
    assert not LoginAttempt.objects.exists()


@pytest.mark.parametrize(("what", "sentence"), CLOSED)
def test_a_link_closed_while_its_holder_is_at_meta_connects_nothing(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, clock: Any, act: Any, what: str, sentence: str
) -> None:
    if what == "expired":
        path = make(people, instance)
        clock.move_to(NOW + 72 * HOUR - timedelta(minutes=5), tick=False)
        client, state = begin(path)
    else:
        client, state = begin(make(people, instance))
    act(close, what, people, instance, clock)

    done = callback(client, state)

    assert not Connection.objects.exists()
    assert not logins.exchanges
    told = words(done) if done.status_code == 400 else shown(client, done)
    assert sentence in told or "Open the link that you were sent again" in told


def test_withdrawing_a_link_deletes_the_token_that_waits_for_a_choice(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, clock: Any
) -> None:
    logins.accounts = TWO
    client, state = begin(make(people, instance), "facebook")
    choice = callback(client, state, "callback/facebook")["Location"]
    assert LoginAttempt.objects.filter(token__isnull=False).exists()

    close("withdrawn", people, instance, clock)

    assert not LoginAttempt.objects.exists()
    assert client.post(choice, {"account": TWO[0].account_id}).status_code == 400
    assert not Connection.objects.exists()


@pytest.mark.parametrize("what", ["withdrawn", "disconnected", "deleted"])
def test_what_ends_during_the_exchange_connects_nothing(
    people: Cast,
    instance: WidgetInstance,
    logins: FakeLogins,
    clock: Any,
    act: Any,
    revoked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    client, state = begin(make(people, instance))
    exchange = logins.exchange

    def while_it_runs(*args: Any, **kwargs: Any) -> Any:
        if what == "disconnected":
            disconnect(people.owner, instance)
        else:
            act(close, what, people, instance, clock)
        return exchange(*args, **kwargs)

    monkeypatch.setattr(logins, "exchange", while_it_runs)
    callback(client, state)

    assert not Connection.objects.exists()
    assert ConnectLink.objects.get().used_at is None


def test_two_browsers_with_one_link_connect_once(
    people: Cast, instance: WidgetInstance, logins: FakeLogins
) -> None:
    path = make(people, instance)
    (first, one), (second, two) = begin(path), begin(path)
    assert "Thank you" in shown(first, callback(first, one))
    logins.accounts = (Account("17841400000000009", "late.one"),)
    assert "already used" in shown(second, callback(second, two))
    assert [row.username for row in Connection.objects.all()] == ["acme.bakery"]


def test_a_link_used_during_the_exchange_connects_nothing_more(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, state = begin(make(people, instance))
    exchange = logins.exchange

    def while_it_runs(*args: Any, **kwargs: Any) -> Any:
        connect_links.use(ConnectLink.objects.get().pk, now=timezone.now())
        return exchange(*args, **kwargs)

    monkeypatch.setattr(logins, "exchange", while_it_runs)
    assert "already used" in shown(client, callback(client, state))
    assert not Connection.objects.exists()


def test_a_failed_login_leaves_the_link_open(
    people: Cast, instance: WidgetInstance, logins: FakeLogins
) -> None:
    path = make(people, instance)
    client, state = begin(path)
    denied = come_back(client, error="access_denied", state=state)
    assert "You cancelled. Nothing was connected." in shown(client, denied)
    logins.accounts = ()
    client, state = begin(path)
    logins.accounts = (Account("17841400000000001", "acme.bakery"),)
    assert "Thank you" in shown(client, callback(client, state))


@pytest.mark.parametrize("erase", ["deauthorize", "data-deletion"])
def test_a_person_who_withdraws_at_meta_during_the_login_isnt_connected(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, settings: Any, erase: str
) -> None:
    settings.INSTAGRAM_APP_SECRET = settings.FACEBOOK_APP_SECRET = "secret"
    logins.accounts = TWO
    client, state = begin(make(people, instance), "facebook")
    choice = callback(client, state, "callback/facebook")
    assert choice["Location"].startswith("/connect/choose/")
    assert meta(Client(), f"facebook/{erase}", signed(order(), "secret")).status_code == 200

    done = client.post(choice["Location"], {"account": TWO[0].account_id})
    assert done.status_code == 400
    assert not Connection.objects.exists()


def test_links_per_widget_and_logins_per_link_are_limited(people: Cast, instance: WidgetInstance) -> None:
    path = make(people, instance)
    for _ in range(4):
        make(people, instance)
    full = people.editor.post(page_of(instance), {"email": ""})
    assert (full.status_code, "Withdraw one first." in words(full)) == (409, True)
    client, begins = open_link(path)
    codes = [client.get(begins, {"login": "instagram"}).status_code for _ in range(21)]
    assert codes == [302] * 20 + [429]


def test_a_link_is_mailed(people: Cast, instance: WidgetInstance) -> None:
    sent = people.editor.post(page_of(instance), {"email": "Kim@shop.example"}, follow=True)
    assert "We've sent the link to kim@shop.example." in words(sent)
    (message,) = mail.outbox
    assert message.subject == "Acme Bakery asks to connect your Instagram account"
    (link,) = re.findall(rf"{BASE}(/connect/\S+)", str(message.body))
    assert link not in words(sent)
    client, state = begin(link)
    assert "Thank you" in shown(client, callback(client, state))
    bad = people.editor.post(page_of(instance), {"email": "nonsense"})
    assert (bad.status_code, "valid email address" in words(bad)) == (400, True)
    statuses = [
        people.editor.post(page_of(instance), {"email": "kim@shop.example"}).status_code for _ in range(3)
    ]
    assert statuses == [302, 302, 429]


def test_mailed_links_per_workspace_are_limited(
    people: Cast, instance: WidgetInstance, make_instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all widgets and members together, and to any address."""
    monkeypatch.setitem(mail_limits.MAIL_LIMITS, "workspace", "2/h/key")
    theirs = Membership.objects.get(user__username="outsider").workspace
    foreign = make_instance(name="Theirs", source_value="corner.cafe", workspace=theirs)
    other = make_instance(name="Side page", source_value="corner.cafe")
    posts = [
        (people.editor, instance, "ann", 302),
        (people.owner, other, "ben", 302),
        (people.editor, instance, "cem", 429),
        (people.owner, other, "dee", 429),
        (people.outsider, foreign, "eva", 302),
    ]
    for client, widget, name, status in posts:
        sent = client.post(page_of(widget), {"email": f"{name}@shop.example"})
        assert (sent.status_code, "sent enough mails for now" in words(sent)) == (status, status == 429), name
    assert [message.to for message in mail.outbox] == [
        [f"{name}@shop.example"] for name in ("ann", "ben", "eva")
    ]
    assert people.editor.post(page_of(instance), {"email": ""}).status_code == 200


@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("outsider", 404), ("anonymous", 302)])
def test_only_editors_and_owners_make_and_withdraw_links(
    people: Cast, instance: WidgetInstance, who: str, status: int
) -> None:
    make(people, instance, "owner")
    (link,) = ConnectLink.objects.all()
    client = getattr(people, who)
    assert client.get(page_of(instance)).status_code == status
    assert client.post(page_of(instance), {"email": ""}).status_code == status
    assert client.post(f"{page_of(instance)}{link.pk}/withdraw/").status_code == status
    assert (ConnectLink.objects.count(), ConnectLink.objects.get().withdrawn_at) == (1, None)
    forged = Client(enforce_csrf_checks=True)
    forged.cookies = people.editor.cookies
    assert forged.post(page_of(instance), {"email": ""}).status_code == 403


def test_a_link_of_another_widget_isnt_withdrawn(
    people: Cast, instance: WidgetInstance, make_instance: Any
) -> None:
    make(people, instance)
    other = make_instance()
    link = ConnectLink.objects.get()
    done = people.editor.post(f"{page_of(other)}{link.pk}/withdraw/", follow=True)
    assert "no longer open" in words(done)
    assert ConnectLink.objects.get().withdrawn_at is None


def test_a_plan_without_connections_makes_no_links(people: Cast, instance: WidgetInstance) -> None:
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
    assert "Your plan doesn't include" in words(people.editor.get(page_of(instance)))
    assert people.editor.post(page_of(instance), {"email": ""}).status_code == 403


@pytest.mark.parametrize("code", ["x", "%00", "a" * 4_000, "%F0%9F%98%80"])
def test_a_made_up_link(db: None, code: str) -> None:
    assert Client().get(f"/connect/{code}").status_code in {400, 404}


def test_old_links_are_removed(people: Cast, instance: WidgetInstance, clock: Any) -> None:
    make(people, instance)
    assert expiry.remove_expired(now=NOW + 32 * 24 * HOUR)["connectLinks"] == 0
    assert expiry.remove_expired(now=NOW + 34 * 24 * HOUR)["connectLinks"] == 1
