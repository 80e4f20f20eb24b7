"""The history of changes and the page of plans: search, filters, and no editing of the history."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from entitlements.changes import Actor, set_override, set_plan, set_plan_value
from entitlements.models import EntitlementChange, Plan, Workspace
from tests.entitlements.conftest import DAY, HASHTAG, TTL, Staff, plan

pytestmark = pytest.mark.django_db
LIST = "/admin/entitlements/entitlementchange/"


@pytest.fixture
def history(workspace: Workspace, neighbour: Workspace) -> None:
    set_plan(workspace, plan("pro"), actor=Actor("anna"))
    set_override(workspace, HASHTAG, True, actor=Actor("ben"), note="trial")
    set_override(neighbour, HASHTAG, True, actor=Actor("anna"))
    set_plan_value(plan("free"), TTL, 720, actor=Actor("anna"))


def found(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 200
    return [(row.subject, row.key) for row in response.context["cl"].result_list]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        pytest.param({"key": HASHTAG}, [("Other Studio", HASHTAG), ("Acme Bakery", HASHTAG)], id="by key"),
        pytest.param({"actor": "ben"}, [("Acme Bakery", HASHTAG)], id="by actor"),
        pytest.param({"q": "plan free"}, [("plan Free", TTL)], id="by plan"),
        pytest.param({"q": "bakery"}, [("Acme Bakery", HASHTAG), ("Acme Bakery", "plan")], id="by name"),
        pytest.param({"q": "trial"}, [("Acme Bakery", HASHTAG)], id="by note"),
        pytest.param({"at__year": "2000"}, [], id="by date"),
    ],
)
def test_changes_are_listed_newest_first(
    staff: Staff, query: dict[str, str], rows: list[tuple[str, str]]
) -> None:
    for client in (staff.owner, staff.support):
        assert found(client.get(LIST, query)) == rows


@pytest.mark.usefixtures("history")
def test_a_workspaces_page_links_to_its_changes(staff: Staff, workspace: Workspace) -> None:
    page = staff.owner.get(reverse("admin:entitlements_workspace_change", args=[workspace.pk]))
    link = f"{LIST}?workspace__id__exact={workspace.pk}"
    expected = [("Acme Bakery", HASHTAG), ("Acme Bakery", "plan")]

    assert f'href="{link}"' in page.content.decode()
    assert found(staff.owner.get(link)) == expected
    assert found(staff.owner.get(LIST, {"q": str(workspace.pk)})) == expected


@pytest.mark.usefixtures("history")
def test_the_history_cannot_be_changed(staff: Staff) -> None:
    change = EntitlementChange.objects.earliest("id")
    page = reverse("admin:entitlements_entitlementchange_change", args=[change.pk])

    assert staff.owner.get(page).status_code == 200
    assert staff.owner.post(page, {"actor": "nobody"}).status_code == 403
    assert staff.owner.get(f"{LIST}add/").status_code == 403
    assert staff.owner.post(f"{LIST}{change.pk}/delete/", {"post": "yes"}).status_code == 403
    staff.owner.post(LIST, {"action": "delete_selected", "_selected_action": [str(change.pk)], "post": "yes"})
    change.refresh_from_db()
    assert change.actor == "anna"
    assert EntitlementChange.objects.count() == 4


@pytest.mark.parametrize("who", ["outsider", "anonymous"])
def test_other_users_are_sent_to_sign_in(staff: Staff, who: str) -> None:
    response = getattr(staff, who).get(LIST)

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def test_staff_without_rights_do_not_see_the_history(staff: Staff) -> None:
    assert staff.clerk.get(LIST).status_code == 403


def test_a_plan_is_renamed_with_its_history(staff: Staff) -> None:
    page = reverse("admin:entitlements_plan_change", args=[plan("pro").pk])
    posted = {"name": "Professional", "billing_code": "pro-2026", "key": "hacked", "rank": "9"}

    assert staff.owner.post(page, posted).status_code == 302

    held = Plan.objects.get(name="Professional")
    assert (held.key, held.rank, held.billing_code) == ("pro", 2, "pro-2026")
    changed = EntitlementChange.objects.order_by("id").values_list("actor", "subject", "key", "new_value")
    assert list(changed) == [
        ("owner", "plan Pro", "name", "Professional"),
        ("owner", "plan Pro", "billing code", "pro-2026"),
    ]


def test_plans_cannot_be_added_or_deleted_here(staff: Staff) -> None:
    pro = plan("pro")

    assert staff.owner.get("/admin/entitlements/plan/add/").status_code == 403
    assert staff.owner.post(f"/admin/entitlements/plan/{pro.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Plan.objects.count() == 4


def test_the_day_cap_key_is_not_a_plan_change(staff: Staff, workspace: Workspace) -> None:
    """The history of a plan doesn't include a workspace with the same name."""
    workspace.name = "Starter"
    workspace.save()
    set_override(workspace, DAY, 7, actor=Actor("anna"))
    set_plan_value(plan("starter"), DAY, 8, actor=Actor("anna"))

    assert found(staff.owner.get(LIST)) == [("plan Starter", DAY), ("Starter", DAY)]
