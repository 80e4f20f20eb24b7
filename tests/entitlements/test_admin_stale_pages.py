"""A workspace's admin page that was opened before somebody else's change doesn't take the change back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entitlements.changes import remove_override, set_override, set_plan
from entitlements.memberships import Role, role_in
from entitlements.models import EntitlementChange, EntitlementOverride, Membership, Workspace
from tests.entitlements.conftest import ACTOR, DAY, Staff, errors_of, plan
from tests.pages import sent_from

pytestmark = pytest.mark.django_db
END = datetime(2031, 5, 1, 12, tzinfo=UTC)


def url_of(workspace: Workspace) -> str:
    return reverse("admin:entitlements_workspace_change", args=[workspace.pk])


def shown(answer: Any) -> dict[str, str]:
    return sent_from(answer.content.decode())


def prefix_of(answer: Any, name: str, row: Any) -> str:
    """The prefix of the row's fields on the page."""
    formsets = [each.formset for each in answer.context["inline_admin_formsets"]]
    (found,) = [form.prefix for each in formsets for form in each.forms
                if each.prefix == name and form.instance.pk == row.pk]  # fmt: skip
    return str(found)


@pytest.fixture
def member(workspace: Workspace) -> Membership:
    return Membership.objects.create(workspace=workspace, user=User.objects.create_user("anna"), role="owner")


def test_plan_role_and_override_are_kept(staff: Staff, workspace: Workspace, member: Membership) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR)
    typed = shown(staff.owner.get(url_of(workspace)))
    set_plan(workspace, plan("pro"), actor=ACTOR)
    Membership.objects.update(role="viewer")
    set_override(workspace, DAY, 9, actor=ACTOR, ends_at=END, note="for the fair")
    before = EntitlementChange.objects.count()

    assert staff.owner.post(url_of(workspace), typed | {"name": "Acme Bakeries"}).status_code == 302

    workspace.refresh_from_db()
    override.refresh_from_db()
    assert (workspace.name, workspace.plan.key) == ("Acme Bakeries", "pro")
    assert role_in(member.user_id, workspace.pk) is Role.VIEWER
    assert (override.value, override.ends_at, override.note) == (9, END, "for the fair")
    assert EntitlementChange.objects.count() == before


def test_a_name_is_kept(staff: Staff, workspace: Workspace) -> None:
    typed = shown(staff.owner.get(url_of(workspace)))
    Workspace.objects.update(name="Theirs")
    staff.owner.post(url_of(workspace), typed | {"plan": str(plan("pro").pk)})
    workspace.refresh_from_db()
    assert (workspace.name, workspace.plan.key) == ("Theirs", "pro")


def test_one_field_of_an_override_is_changed_and_the_others_are_kept(
    staff: Staff, workspace: Workspace
) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR)
    page = staff.owner.get(url_of(workspace))
    row = prefix_of(page, "overrides", override)
    set_override(workspace, DAY, 9, actor=ACTOR, ends_at=END)
    typed = shown(page) | {f"{row}-note": "asked by phone"}
    assert staff.owner.post(url_of(workspace), typed).status_code == 302
    override.refresh_from_db()
    assert (override.value, override.ends_at, override.note) == (9, END, "asked by phone")


def said(words: str) -> list[str]:
    return [f"Somebody else has {words} meanwhile. Save again to replace it with yours."]


def test_a_plan_that_both_changed_is_reported(staff: Staff, workspace: Workspace) -> None:
    typed = shown(staff.owner.get(url_of(workspace))) | {"plan": str(plan("business").pk)}
    set_plan(workspace, plan("pro"), actor=ACTOR)

    refused = staff.owner.post(url_of(workspace), typed)

    assert refused.context["adminform"].form.errors == {"plan": said("saved “Pro”")}
    assert Workspace.objects.get().plan.key == "pro"
    assert staff.owner.post(url_of(workspace), shown(refused)).status_code == 302
    assert Workspace.objects.get().plan.key == "business"
    change = EntitlementChange.objects.latest("pk")
    assert (change.key, change.old_value, change.new_value) == ("plan", "Pro", "Business")


def test_a_role_that_both_changed_is_reported(staff: Staff, workspace: Workspace, member: Membership) -> None:
    page = staff.owner.get(url_of(workspace))
    typed = shown(page) | {f"{prefix_of(page, 'memberships', member)}-role": "editor"}
    Membership.objects.update(role="viewer")

    refused = staff.owner.post(url_of(workspace), typed)

    assert errors_of(refused, "memberships") == [{"role": said("saved “Viewer”")}]
    assert role_in(member.user_id, workspace.pk) is Role.VIEWER
    assert staff.owner.post(url_of(workspace), shown(refused)).status_code == 302
    assert role_in(member.user_id, workspace.pk) is Role.EDITOR


def test_an_override_that_both_changed_is_reported(staff: Staff, workspace: Workspace) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR, note="old")
    page = staff.owner.get(url_of(workspace))
    row = prefix_of(page, "overrides", override)
    mine = {"typed_value": "8", "ends_at_0": "2032-01-01", "ends_at_1": "00:00:00", "note": "mine"}
    typed = shown(page) | {f"{row}-{name}": value for name, value in mine.items()}
    set_override(workspace, DAY, 9, actor=ACTOR, ends_at=END)

    refused = staff.owner.post(url_of(workspace), typed)

    assert errors_of(refused, "overrides") == [
        {
            "typed_value": said("saved “9”"),
            "ends_at": said("saved “2031-05-01 12:00:00 UTC”"),
            "note": said("emptied this"),
        }
    ]
    assert EntitlementOverride.objects.get().value == 9
    again = shown(refused)
    assert {name: again[f"{row}-{name}"] for name in mine} == mine
    assert staff.owner.post(url_of(workspace), again).status_code == 302
    override.refresh_from_db()
    assert (override.value, override.ends_at, override.note) == (
        8, datetime(2032, 1, 1, tzinfo=UTC), "mine",
    )  # fmt: skip


def test_a_refused_page_still_changes_the_end_once_it_is_corrected(
    staff: Staff, workspace: Workspace
) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR)
    page = staff.owner.get(url_of(workspace))
    row = prefix_of(page, "overrides", override)
    ends = {f"{row}-ends_at_0": "2032-01-01", f"{row}-ends_at_1": "00:00:00"}
    refused = staff.owner.post(url_of(workspace), shown(page) | ends | {f"{row}-typed_value": "many"})
    assert list(errors_of(refused, "overrides")[0]) == ["typed_value"]

    staff.owner.post(url_of(workspace), shown(refused) | {f"{row}-typed_value": "7"})

    override.refresh_from_db()
    assert override.ends_at == datetime(2032, 1, 1, tzinfo=UTC)


def remove_member(workspace: Workspace, member: Membership, override: EntitlementOverride) -> None:
    member.delete()


def remove_the_override(workspace: Workspace, member: Membership, override: EntitlementOverride) -> None:
    remove_override(override, actor=ACTOR)


@pytest.mark.parametrize("removal", [remove_member, remove_the_override])
def test_what_was_removed_does_not_come_back(
    staff: Staff, workspace: Workspace, member: Membership, removal: Any
) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR)
    typed = shown(staff.owner.get(url_of(workspace))) | {"name": "Acme Bakeries"}
    removal(workspace, member, override)
    counts = Membership.objects.count(), EntitlementOverride.objects.count()

    staff.owner.post(url_of(workspace), typed)

    assert (Membership.objects.count(), EntitlementOverride.objects.count()) == counts


def test_an_ended_override_can_be_left_as_it_is(staff: Staff, workspace: Workspace) -> None:
    set_override(workspace, DAY, 7, actor=ACTOR, ends_at=timezone.now() - timedelta(days=1))
    typed = shown(staff.owner.get(url_of(workspace))) | {"name": "Acme Bakeries"}
    assert staff.owner.post(url_of(workspace), typed).status_code == 302
    assert Workspace.objects.get().name == "Acme Bakeries"


@pytest.mark.parametrize("name", ["support", "outsider"])
def test_others_change_nothing(staff: Staff, workspace: Workspace, name: str) -> None:
    typed = shown(staff.owner.get(url_of(workspace))) | {"plan": str(plan("pro").pk)}
    client: Client = getattr(staff, name)
    assert client.post(url_of(workspace), typed).status_code in (302, 403)
    assert Workspace.objects.get().plan.key == "starter"
