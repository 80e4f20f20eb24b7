"""The first page of the support desk: what needs attention, for each staff role."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from outbox.models import Mail
from paris_integration.models import (
    AuditEvent,
    Connection,
    DailyUsage,
    Feed,
    GraphVersion,
    Incident,
    PictureUse,
    ProviderWindow,
)
from tests.conftest import Cast
from venice_api.models import PageSighting, WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
ROLES = ("First-line support", "Support", "Plan editors")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def feed(instance: WidgetInstance, **values: Any) -> Feed:
    fields = {
        "source_type": "profile",
        "mode": "public",
        "last_read_at": NOW - HOUR,
        "attempted_at": NOW - HOUR,
    }
    return Feed.objects.create(
        workspace=instance.workspace,
        instance_id=instance.pk,
        source_value=instance.source_value,
        **{**fields, **values},
    )


def connection(people: Cast, username: str, **values: Any) -> Connection:
    return Connection.objects.create(
        **{
            "workspace": people.workspace,
            "username": username,
            "account_id": username,
            "login": "instagram",
            "obtained_at": NOW,
            "state_changed_at": NOW - HOUR,
            **values,
        }
    )


def refusal(people: Cast, **values: Any) -> AuditEvent:
    fields = {"at": NOW - HOUR, "actor": "ann", "action": "forced_refresh", "outcome": "refused"}
    return AuditEvent.objects.create(
        **{**fields, "workspace": people.workspace, "reason": "QUOTA_EXCEEDED", **values}
    )


def mail(recipient: str, **values: Any) -> Mail:
    fields = {"kind": "invitation", "queued_at": NOW - HOUR, "next_try_at": NOW, "expires_at": NOW + DAY}
    return Mail.objects.create(recipient=recipient, **{**fields, **values})


@pytest.fixture
def rows(people: Cast, make_instance: Any) -> dict[str, Any]:
    """One of everything that needs attention, by name, beside others that don't."""
    failing, late, pictured = (make_instance(name=name) for name in ("Failing", "Late", "Pictured"))
    failed = {"outcome": "failed", "fault": "SOURCE_NOT_FOUND"}
    feed(failing, **failed)
    feed(late, outcome="succeeded", next_refresh_at=NOW - HOUR)
    shown = feed(pictured, outcome="succeeded", next_refresh_at=NOW - timedelta(minutes=14))
    # Nobody reads these.
    unread = NOW - 300 * DAY
    feed(make_instance(), **failed, last_read_at=unread)
    feed(make_instance(), outcome="succeeded", next_refresh_at=NOW - 2 * DAY, last_read_at=unread)
    feed(make_instance(), **failed, last_read_at=None)
    for host in ("shop.example", "blog.example"):
        PageSighting.objects.create(instance=failing, host=host, last_seen_at=NOW)
    PageSighting.objects.create(instance=late, host="other.example", last_seen_at=NOW)
    for item, waits, reason in (("1", 3 * HOUR, ""), ("2", 3 * HOUR, "broken"), ("3", HOUR / 2, "")):
        PictureUse.objects.create(
            feed=shown, item=item, url="https://x.example/1", wanted_since=NOW - waits, reason=reason
        )
    found = {
        "failing": failing,
        "late": late,
        "pictured": pictured,
        "dead": connection(people, "dead", state="reconnect_required"),
        "withdrawn": connection(people, "withdrawn", state="deauthorised"),
        "ends": connection(people, "ends", expires_at=NOW + 3 * DAY),
        "lasts": connection(people, "lasts", expires_at=NOW + 30 * DAY),
        "public": ProviderWindow.objects.create(
            credential="public", parked_at=NOW, parked_until=NOW + timedelta(minutes=40)
        ),
        "waiting mail": mail("waits@shop.example"),
        "lost mail": mail("lost@shop.example", next_try_at=None),
    }
    ProviderWindow.objects.create(credential=str(found["lasts"].pk), parked_at=NOW, parked_until=NOW + HOUR)
    ProviderWindow.objects.create(
        credential="over", parked_at=NOW - HOUR, parked_until=NOW - timedelta(minutes=1)
    )
    mail("young@shop.example", queued_at=NOW - timedelta(minutes=14))
    mail("old@shop.example", queued_at=NOW - 8 * DAY, next_try_at=None)
    for values in (
        {},
        {"at": NOW - 2 * HOUR},
        {"at": NOW - 8 * DAY},
        {"reason": "BACKOFF"},
        {"outcome": "done"},
    ):
        refusal(people, **values)
    DailyUsage.objects.create(workspace=people.workspace, day=NOW.date(), feed_requests=1234)
    return found


# Each line, and the rows of the list, or the one row of the page, that it leads to. In the order of the page.
LINES = (
    ("1 widget is overdue for a refresh. since 2026-11-23 11:20 UTC", ["late"]),
    (
        "1 widget on 2 sites: the profile or hashtag doesn't exist, or isn't public. last tried 2026-11-23 11:20 UTC",
        ["failing"],
    ),
    ("1 connection must be connected again. the latest 2026-11-23 11:20 UTC", ["dead"]),
    ("1 connection was withdrawn by its owner. the latest 2026-11-23 11:20 UTC", ["withdrawn"]),
    ("@lasts until 2026-11-23 13:20 UTC", ["lasts"]),
    ("The operator's account until 2026-11-23 13:00 UTC", ["public"]),
    ("1 mail has waited for more than 15 minutes. since 2026-11-23 11:20 UTC", ["waiting mail"]),
    (
        "1 mail couldn't be delivered in the last 7 days; we stopped trying. the latest 2026-11-23 11:20 UTC",
        ["lost mail"],
    ),
    ("@ends of Acme Bakery ends 2026-11-26 12:20 UTC", ["ends"]),
    ("Acme Bakery: 2 manual refreshes refused. the latest 2026-11-23 11:20 UTC", ["workspace"]),
    (
        "1 widget has waited for copies of pictures for more than an hour. since 2026-11-23 09:20 UTC",
        ["pictured"],
    ),
)


def role(name: str) -> Client:
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def lines(page: str) -> list[tuple[str, str]]:
    """The words of each line that needs attention, with its address."""
    groups = "".join(re.findall(r'<section class="attention-group">.*?</section>', page, re.S))
    found = re.findall(r'<li><a href="([^"]*)"[^>]*>(.*?)</li>', groups, re.S)
    return [(html.unescape(re.sub(r"<[^>]+>", "", words)), html.unescape(href)) for href, words in found]


@pytest.mark.parametrize("name", ROLES)
def test_every_staff_role_sees_what_needs_attention(rows: dict[str, Any], name: str) -> None:
    page = shown(role(name))
    assert [words for words, _ in lines(page)] == [words for words, _ in LINES]
    assert page.count("<polyline") == 4
    assert "2026-11-10 0," in page
    assert "2026-11-23 1234" in page


def test_each_line_leads_to_exactly_its_rows(rows: dict[str, Any], people: Cast) -> None:
    client = role("First-line support")
    rows["workspace"] = people.workspace
    for (words, href), (_, names) in zip(lines(shown(client)), LINES, strict=True):
        answer = client.get(href)
        assert answer.status_code == 200, words
        listed = answer.context.get("cl")
        there = list(listed.result_list) if listed else [answer.context["original"]]
        assert there == [rows[name] for name in names], words


def test_long_lists_end_with_a_link_to_all(people: Cast) -> None:
    for number in range(12):
        ending = connection(people, f"ends{number:02d}", expires_at=NOW + DAY + number * HOUR)
        ProviderWindow.objects.create(credential=str(ending.pk), parked_at=NOW, parked_until=NOW + HOUR)
        refusal(
            people,
            workspace=type(people.workspace).objects.create(name=f"W{number}", plan=people.workspace.plan),
        )
    client = role("Support")
    found = dict(lines(shown(client)))
    assert next(words for words in found if "of Acme" in words).startswith("@ends00")
    assert len(found) == 3 * 11
    for words in ("All 12 rate limits", "All 12 connections that end", "Refusals of all 12 workspaces"):
        assert client.get(found[words]).context["cl"].result_count == 12


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("refused", "Meta refuses many connections at once, so our app at Meta is the likely cause."),
        ("throttled", "Meta's rate limit for our whole app is reached."),
        ("unreachable", "Meta doesn't answer, or only with errors of its own servers."),
        (
            "rejected",
            "Meta rejects our app's calls: the app secret, its permissions or the Graph version may be",
        ),
    ],
)
def test_an_incident_is_a_banner(people: Cast, cause: str, words: str) -> None:
    Incident.objects.create(login="instagram", cause=cause, began_at=NOW - HOUR, next_probe_at=NOW)
    page = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown(role("Support")))).split())
    assert f"Instagram login: {words}" in page
    assert "Since 2026-11-23 11:20 UTC." in page
    assert "All its calls wait for the next test call at 2026-11-23 12:20 UTC." in page
    assert page.count("Instagram login:") == 1
    assert "Nothing needs attention." not in page


def test_the_banner_ends_with_the_incident_and_says_if_it_is_narrow(people: Cast) -> None:
    row = Incident.objects.create(
        login="facebook", began_at=NOW - HOUR, next_probe_at=NOW, narrowed_at=NOW - HOUR / 2
    )
    client = role("Support")
    assert "Connections that didn't fail work. The others wait" in html.unescape(shown(client))
    row.ended_at = NOW
    row.save()
    assert "Facebook login" not in shown(client)
    assert "Nothing needs attention." in shown(client)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (datetime(2028, 9, 4, tzinfo=UTC), None),
        (
            datetime(2028, 9, 6, tzinfo=UTC),
            "Meta ends v26.0 on 2028-11-04 (by the usual life of versions), in 59 days. "
            "Set META_GRAPH_VERSION to a newer version. Meta serves v27.0, v28.0.",
        ),
    ],
)
def test_the_end_of_our_graph_version_is_announced_60_days_ahead(
    people: Cast, clock: Any, at: datetime, words: str | None
) -> None:
    for version in ("v25.0", "v26.0", "v28.0", "v27.0"):
        GraphVersion.objects.create(
            login="facebook", version=version, state="alive", since=NOW, checked_at=NOW
        )
    clock.move_to(at, tick=False)
    page = html.unescape(shown(role("Support")))
    if words is None:
        assert "Nothing needs attention." in page
    else:
        assert words in page


def test_a_graph_version_that_another_one_answers_for_is_shown_to_staff(people: Cast) -> None:
    GraphVersion.objects.create(
        login="instagram",
        version="v26.0",
        state="upgraded",
        answered_as="v27.0",
        since=NOW - DAY,
        checked_at=NOW,
    )
    client = role("Support")
    page = html.unescape(re.sub(r"<[^>]+>", "", shown(client)))
    assert "Meta's host of Instagram login answers calls to v26.0 with v27.0." in page
    assert "since 2026-11-22 12:20 UTC" in page
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss", password="x"))
    ((words, href),) = lines(shown(boss))
    assert words.startswith("Meta's host of Instagram login")
    assert list(boss.get(href).context["cl"].result_list) == list(GraphVersion.objects.all())


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ((), None),
        (("view_feed",), None),
        (("view_feed", "view_widgetinstance"), {"late", "failing", "pictured"}),
        (("view_connection",), {"dead", "withdrawn", "ends"}),
        (("view_providerwindow",), {"lasts", "public"}),
        (("view_mail",), {"waiting mail", "lost mail"}),
        (("view_auditevent", "view_workspace"), {"workspace"}),
        (("view_dailyusage",), set()),
    ],
)
def test_people_see_only_what_they_may_view(
    rows: dict[str, Any], permissions: tuple[str, ...], expected: set[str] | None
) -> None:
    user = User.objects.create_user("new", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    page = shown(client)
    assert ("What needs attention" in page) is (expected is not None)
    seen = lines(page)
    names = {words: names[0] for words, names in LINES}
    assert {names[words] for words, _ in seen} == (expected or set())
    assert [client.get(href).status_code for _, href in seen] == [200] * len(seen)
    assert ("<polyline" in page) is (permissions == ("view_dailyusage",))


def test_a_calm_desk_says_so(people: Cast, make_instance: Any) -> None:
    feed(make_instance(), outcome="succeeded", next_refresh_at=NOW + HOUR)
    connection(people, "lasts", expires_at=NOW + 30 * DAY)
    page = shown(role("Support"))
    assert "Nothing needs attention." in page
    assert lines(page) == []


def test_the_number_of_queries_does_not_grow(
    rows: dict[str, Any], make_instance: Any, django_assert_max_num_queries: Any
) -> None:
    client = role("Support")
    for number in range(5):
        feed(make_instance(source_value=f"more{number}"), outcome="failed", fault="PROVIDER_ERROR")
    with django_assert_max_num_queries(30):
        shown(client)


@pytest.mark.parametrize("kind", ["failing-", "failing-NO_SUCH", "nothing", "x" * 3_000])
def test_odd_filters_list_nothing(rows: dict[str, Any], kind: str) -> None:
    answer = role("Support").get(reverse("admin:venice_api_widgetinstance_changelist"), {"attention": kind})
    assert answer.status_code == 200
    assert list(answer.context["cl"].result_list) == []
