"""The members page: who may use it, and what it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from entitlements.models import EntitlementChange, Invitation, Membership, Workspace
from tests.conftest import Cast, signed_in
from venice_api import mail_limits

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
INVITED = {"email": "Kim@shop.example", "role": "editor"}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "mail_at_once")]


def url(people: Cast, path: str = "") -> str:
    return f"/editor/workspaces/{people.workspace.pk}/members/{path}"


def of(name: str) -> User:
    return User.objects.get(username=name)


def role_of(name: str) -> str | None:
    return Membership.objects.filter(user__username=name).values_list("role", flat=True).first()


def acts(people: Cast) -> list[tuple[str, dict[str, str]]]:
    invitation = Invitation.objects.create(
        workspace=people.workspace, email="old@shop.example", role="viewer", secret_hash="x", inviter="owner",
        sent_at=NOW, expires_at=NOW + timedelta(days=7),
    )  # fmt: skip
    return [
        ("invite/", INVITED),
        (f"invitations/{invitation.pk}/resend/", {}),
        (f"invitations/{invitation.pk}/withdraw/", {}),
        (f"{of('viewer').pk}/role/", {"role": "owner"}),
        (f"{of('editor').pk}/remove/", {}),
    ]


@pytest.mark.parametrize(
    ("who", "status"), [("editor", 403), ("viewer", 403), ("outsider", 404), ("anonymous", 302)]
)
def test_only_owners_open_it(people: Cast, who: str, status: int) -> None:
    client = getattr(people, who)
    assert client.get(url(people)).status_code == status
    before = list(Membership.objects.order_by("pk").values())
    for path, typed in acts(people):
        assert client.post(url(people, path), typed).status_code == status
        assert client.get(url(people, path)).status_code in {405, status}
    assert list(Membership.objects.order_by("pk").values()) == before
    assert not EntitlementChange.objects.exists()
    assert not mail.outbox


def test_acts_need_a_csrf_token(people: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = people.owner.cookies
    for path, typed in acts(people):
        assert client.post(url(people, path), typed).status_code == 403


def test_the_list_links_to_it_for_owners_only(people: Cast) -> None:
    assert url(people) in people.owner.get("/editor/").content.decode()
    assert url(people) not in people.editor.get("/editor/").content.decode()


def test_inviting(people: Cast) -> None:
    done = people.owner.post(url(people, "invite/"), INVITED, follow=True).content.decode()
    assert "We&#x27;ve sent an invitation to kim@shop.example." in done
    assert "kim@shop.example: none → editor, open" in done
    (message,) = mail.outbox
    assert message.subject == "owner invites you to Acme Bakery"
    assert message.to == ["kim@shop.example"]
    assert "until 30 November 2026, 12:00 UTC" in str(message.body)
    assert "http://127.0.0.1:8000/invitations/" in str(message.body)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"email": "nonsense", "role": "editor"}, "valid email address"),
        ({"email": "", "role": "editor"}, "required"),
        ({"email": "kim@shop.example", "role": "king"}, "not one of the available choices"),
        ({"email": "a" * 300 + "@shop.example", "role": "editor"}, "at most 254"),
        ({"email": "ed@shop.example", "role": "editor"}, "already a member"),
        ({"email": "ki\0m@shop.example", "role": "editor"}, "Null characters"),
    ],
)
def test_a_bad_invitation_is_refused_at_its_field(people: Cast, typed: dict[str, str], words: str) -> None:
    User.objects.filter(username="editor").update(email="ed@shop.example")
    refused = people.owner.post(url(people, "invite/"), typed)
    assert refused.status_code == 400
    assert words in refused.content.decode()
    assert not mail.outbox


def test_mails_per_address_are_limited(people: Cast) -> None:
    sent = [people.owner.post(url(people, "invite/"), INVITED).status_code for _ in range(4)]
    assert sent == [302, 302, 302, 429]
    assert len(mail.outbox) == 3


def test_mails_per_workspace_are_limited(people: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mail_limits.MAIL_LIMITS, "workspace", "2/h/key")
    sent = [
        people.owner.post(url(people, "invite/"), INVITED | {"email": f"kim{n}@shop.example"})
        for n in range(3)
    ]
    assert [each.status_code for each in sent] == [302, 302, 429]
    assert "sent enough mails for now" in sent[2].content.decode()
    assert len(mail.outbox) == 2


def test_sending_again_and_withdrawing(people: Cast) -> None:
    people.owner.post(url(people, "invite/"), INVITED)
    (invitation,) = Invitation.objects.all()
    again = people.owner.post(url(people, f"invitations/{invitation.pk}/resend/"), follow=True)
    assert "a new link" in again.content.decode()
    assert len(mail.outbox) == 2
    gone = people.owner.post(url(people, f"invitations/{invitation.pk}/withdraw/"), follow=True)
    assert "is withdrawn" in gone.content.decode()
    for act in ("withdraw", "resend"):
        late = people.owner.post(url(people, f"invitations/{invitation.pk}/{act}/"), follow=True)
        assert "has already changed" in late.content.decode()
    assert len(mail.outbox) == 2


def test_changing_a_role(people: Cast) -> None:
    done = people.owner.post(url(people, f"{of('viewer').pk}/role/"), {"role": "editor"}, follow=True)
    assert "The role is changed." in done.content.decode()
    assert role_of("viewer") == "editor"
    assert people.owner.post(url(people, f"{of('viewer').pk}/role/"), {"role": "king"}).status_code == 400
    (change,) = EntitlementChange.objects.all()
    assert (change.key, change.old_value, change.new_value, change.note, change.actor) == (
        "member", "viewer", "editor", "viewer", "owner",
    )  # fmt: skip


def test_a_removed_member_is_locked_out_at_once_in_running_sessions(people: Cast, make_instance: Any) -> None:
    instance = make_instance()
    pages = (f"/editor/{instance.pk}/", f"/v1/integrations/instagram/feed?instanceId={instance.pk}")
    assert [people.editor.get(page).status_code for page in pages] == [200, 200]

    people.owner.post(url(people, f"{of('editor').pk}/remove/"))

    assert [people.editor.get(page).status_code for page in pages] == [404, 404]
    assert people.editor.post(f"/editor/{instance.pk}/refresh/").status_code == 404
    assert "Acme Bakery" not in people.editor.get("/editor/").content.decode()


def test_the_last_owner_stays(people: Cast) -> None:
    me = of("owner").pk
    for path, typed in ((f"{me}/remove/", {}), (f"{me}/role/", {"role": "viewer"})):
        refused = people.owner.post(url(people, path), typed, follow=True)
        assert "A workspace needs an owner." in refused.content.decode()
    people.owner.post(url(people, f"{of('editor').pk}/role/"), {"role": "owner"})
    left = people.owner.post(url(people, f"{me}/remove/"))
    assert left["Location"] == "/editor/"
    assert people.owner.get(url(people)).status_code == 404
    assert people.editor.get(url(people)).status_code == 200


def test_members_of_another_workspace_are_out_of_reach(people: Cast) -> None:
    done = people.owner.post(url(people, f"{of('outsider').pk}/remove/"), follow=True)
    assert "has already changed" in done.content.decode()
    assert role_of("outsider") == "owner"
    assert people.owner.post(f"/editor/workspaces/{people.workspace.pk}/members/x/role/").status_code == 404


def test_roles_are_changed_only_after_a_sign_in_of_the_last_hour(people: Cast, clock: Any) -> None:
    (owner,) = signed_in(of("owner"))
    clock.move_to(NOW + timedelta(minutes=61), tick=False)
    path = url(people, f"{of('viewer').pk}/role/")

    asked = owner.post(path, {"role": "owner"})

    assert asked["Location"].startswith("/accounts/reauthenticate/?next=")
    assert role_of("viewer") == "viewer"
    done = owner.post(asked["Location"], {"password": "x", "next": path})
    assert (done.status_code, done["Location"]) == (302, url(people))
    assert role_of("viewer") == "owner"
    for other in ("invite/", f"{of('viewer').pk}/remove/"):
        assert owner.post(url(people, other), INVITED).status_code == 302


def test_a_page_of_a_deleted_workspace(people: Cast) -> None:
    Workspace.objects.filter(pk=people.workspace.pk).delete()
    assert people.owner.get(url(people)).status_code == 404
