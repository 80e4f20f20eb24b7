"""A workspace's admin page: plan, members, overrides and effective limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from entitlements.changes import set_override
from entitlements.limits import fresh_limits_for
from entitlements.memberships import Role, role_in
from entitlements.models import EntitlementChange, EntitlementOverride, Membership, Workspace
from tests.entitlements.conftest import ACTOR, CACHE, DAY, HASHTAG, TTL, Staff, errors_of, plan

pytestmark = pytest.mark.django_db
LIST = "/admin/entitlements/workspace/"
Row = dict[str, object]


def url_of(workspace: Workspace) -> str:
    return reverse("admin:entitlements_workspace_change", args=[workspace.pk])


def page_of(
    workspace: Workspace | None = None,
    *,
    overrides: tuple[Row, ...] = (),
    memberships: tuple[Row, ...] = (),
    **values: object,
) -> dict[str, str]:
    """The form values that a browser posts. Rows with an `id` exist already."""
    page: dict[str, object] = {}
    if workspace is not None:
        page = {"name": workspace.name, "plan": workspace.plan_id}
    for prefix, rows in (("overrides", overrides), ("memberships", memberships)):
        page[f"{prefix}-TOTAL_FORMS"] = len(rows)
        page[f"{prefix}-INITIAL_FORMS"] = sum("id" in row for row in rows)
        for number, row in enumerate(rows):
            page |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
            page[f"{prefix}-{number}-workspace"] = workspace.pk if workspace else ""
    return {name: str(value) for name, value in (page | values).items()}


def override_row(key: str, value: str, **more: object) -> Row:
    return {"key": key, "typed_value": value, **more}


def ends(at: Any) -> Row:
    return {"ends_at_0": f"{at:%Y-%m-%d}", "ends_at_1": f"{at:%H:%M:%S}"}


def existing_row(override: EntitlementOverride, value: str, **more: object) -> Row:
    return {"id": override.pk, "typed_value": value, **more}


def test_effective_limits_are_shown_with_their_origin(staff: Staff, workspace: Workspace) -> None:
    end = timezone.now() + timedelta(days=3)
    set_override(workspace, HASHTAG, True, actor=ACTOR, ends_at=end)
    set_override(workspace, DAY, None, actor=ACTOR)

    page = staff.owner.get(url_of(workspace)).content.decode()

    assert f"<td>override until {end:%Y-%m-%d %H:%M:%S} UTC</td>" in page
    assert "<td>unlimited</td>" in page
    assert page.count("<td>plan Starter</td>") == 6


def test_assigning_a_plan(staff: Staff, workspace: Workspace) -> None:
    response = staff.owner.post(
        url_of(workspace), page_of(workspace, plan=plan("pro").pk, name="Acme Bakeries")
    )

    assert response.status_code == 302
    workspace.refresh_from_db()
    assert (workspace.name, workspace.plan.key) == ("Acme Bakeries", "pro")
    change = EntitlementChange.objects.get()
    assert (change.actor, change.key, change.old_value, change.new_value) == (
        "owner",
        "plan",
        "Starter",
        "Pro",
    )


def test_adding_a_workspace_with_members_and_overrides(staff: Staff) -> None:
    anna = User.objects.create_user("anna")
    posted = page_of(
        name="Fresh",
        plan=plan("free").pk,
        overrides=(override_row(HASHTAG, "yes"),),
        memberships=({"user": anna.pk, "role": "viewer"},),
    )
    assert staff.owner.get(f"{LIST}add/").status_code == 200

    response = staff.owner.post(f"{LIST}add/", posted)

    assert response.status_code == 302
    workspace = Workspace.objects.get(name="Fresh")
    assert role_in(anna.pk, workspace.pk) is Role.VIEWER
    assert fresh_limits_for(workspace.pk, now=timezone.now()).hashtag_enabled
    changed = EntitlementChange.objects.order_by("id").values_list("key", "new_value")
    assert list(changed) == [("plan", "Free"), ("member", "viewer"), (HASHTAG, "yes")]


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        pytest.param(HASHTAG, "true", True, id="a switch"),
        pytest.param(TTL, "5", 5, id="a number"),
        pytest.param(DAY, "unlimited", None, id="unlimited"),
        pytest.param(CACHE, "", None, id="nothing typed, where a key may be empty"),
    ],
)
def test_adding_an_override(staff: Staff, workspace: Workspace, key: str, typed: str, value: object) -> None:
    row = override_row(key, typed, note="trial")

    response = staff.owner.post(url_of(workspace), page_of(workspace, overrides=(row,)))

    assert response.status_code == 302
    override = EntitlementOverride.objects.get()
    assert (override.key, override.value, override.ends_at, override.note) == (key, value, None, "trial")
    assert override.created_by is not None
    assert override.created_by.username == "owner"
    assert EntitlementChange.objects.get().actor == "owner"


@pytest.mark.parametrize(
    ("row", "field", "why"),
    [
        pytest.param(override_row(HASHTAG, "maybe"), "typed_value", "must be true or false.", id="a switch"),
        pytest.param(override_row(HASHTAG, ""), "typed_value", "must be true or false.", id="not a switch"),
        pytest.param(override_row(DAY, "-1"), "typed_value", "must be 0 or more.", id="a negative cap"),
        pytest.param(override_row(TTL, "unlimited"), "typed_value", "is required.", id="an endless TTL"),
        pytest.param(override_row("", "5"), "key", "This field is required.", id="no key"),
        pytest.param(override_row("instagram.x", "5"), "key", "Select a valid choice.", id="an unknown key"),
        pytest.param(
            override_row(DAY, "5", ends_at_0="2020-01-01", ends_at_1="00:00"),
            "ends_at",
            "Must be in the future.",
            id="an end in the past",
        ),
        pytest.param(
            override_row(DAY, "5", ends_at_0="soon", ends_at_1="00:00"),
            "ends_at",
            "Enter a valid date.",
            id="an end that is not a time",
        ),
    ],
)
def test_an_invalid_override_is_reported_at_its_row_and_nothing_is_written(
    staff: Staff, workspace: Workspace, row: Row, field: str, why: str
) -> None:
    posted = page_of(workspace, overrides=(row,), plan=plan("pro").pk)

    response = staff.owner.post(url_of(workspace), posted)

    assert response.status_code == 200
    [errors] = errors_of(response, "overrides")
    assert list(errors) == [field]
    assert why in " ".join(errors[field])
    assert not EntitlementOverride.objects.exists()
    assert fresh_limits_for(workspace.pk, now=timezone.now()).plan_key == "starter"
    assert not EntitlementChange.objects.exists()


def test_editing_an_override_keeps_its_key(staff: Staff, workspace: Workspace) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR)
    row = existing_row(override, "8", key=HASHTAG, note="more")

    response = staff.owner.post(url_of(workspace), page_of(workspace, overrides=(row,)))

    assert response.status_code == 302
    override.refresh_from_db()
    assert (override.key, override.value, override.note) == (DAY, 8, "more")
    assert EntitlementChange.objects.count() == 2


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        pytest.param(HASHTAG, False, "false", id="a switch that is off"),
        pytest.param(DAY, None, "unlimited", id="unlimited"),
        pytest.param(CACHE, None, "none", id="none"),
        pytest.param(TTL, 5, "5", id="a number"),
    ],
)
def test_saving_an_unchanged_page_changes_nothing(
    staff: Staff, workspace: Workspace, key: str, value: Any, text: str
) -> None:
    override = set_override(workspace, key, value, actor=ACTOR)
    assert f'value="{text}"' in staff.owner.get(url_of(workspace)).content.decode()

    staff.owner.post(url_of(workspace), page_of(workspace, overrides=(existing_row(override, text),)))

    assert EntitlementChange.objects.count() == 1


def test_an_expired_override_does_not_prevent_saving(staff: Staff, workspace: Workspace) -> None:
    past = timezone.now().replace(microsecond=0) - timedelta(days=1)
    override = set_override(workspace, DAY, 7, actor=ACTOR, ends_at=past)
    row = existing_row(override, "7", **ends(past))

    response = staff.owner.post(url_of(workspace), page_of(workspace, overrides=(row,), name="Renamed"))

    assert response.status_code == 302
    assert Workspace.objects.get(pk=workspace.pk).name == "Renamed"


def test_removing_an_override_and_adding_another_of_its_key(staff: Staff, workspace: Workspace) -> None:
    override = set_override(workspace, DAY, 7, actor=ACTOR)
    rows = (existing_row(override, "7", DELETE="on"), override_row(DAY, "9"))

    response = staff.owner.post(url_of(workspace), page_of(workspace, overrides=rows))

    assert response.status_code == 302
    assert EntitlementOverride.objects.get().value == 9
    changed = EntitlementChange.objects.order_by("id").values_list("old_value", "new_value")
    assert list(changed)[1:] == [("7", "no override"), ("no override", "9")]


def test_a_key_can_be_overridden_only_once(staff: Staff, workspace: Workspace) -> None:
    set_override(workspace, DAY, 7, actor=ACTOR)
    rows = (override_row(DAY, "8"), override_row(TTL, "8"), override_row(TTL, "9"))

    response = staff.owner.post(url_of(workspace), page_of(workspace, overrides=rows))

    why = {"key": ["This workspace already has an override for this key."]}
    assert errors_of(response, "overrides") == [why, {}, why]
    assert EntitlementOverride.objects.get().value == 7


def test_members_are_added_changed_and_removed(staff: Staff, workspace: Workspace) -> None:
    anna, ben = (User.objects.create_user(name) for name in ("anna", "ben"))
    held = Membership.objects.create(workspace=workspace, user=anna, role="viewer")
    rows = ({"id": held.pk, "user": anna.pk, "role": "owner"}, {"user": ben.pk, "role": "editor"})

    staff.owner.post(url_of(workspace), page_of(workspace, memberships=rows))
    assert (role_in(anna.pk, workspace.pk), role_in(ben.pk, workspace.pk)) == (Role.OWNER, Role.EDITOR)

    row = {"id": held.pk, "user": anna.pk, "role": "owner", "DELETE": "on"}
    staff.owner.post(url_of(workspace), page_of(workspace, memberships=(row,)))
    assert role_in(anna.pk, workspace.pk) is None


def test_changes_of_members_by_staff_are_in_the_history(staff: Staff, workspace: Workspace) -> None:
    anna = User.objects.create_user("anna")
    staff.owner.post(
        url_of(workspace), page_of(workspace, memberships=({"user": anna.pk, "role": "viewer"},))
    )
    row = {"id": Membership.objects.get().pk, "user": anna.pk}
    staff.owner.post(url_of(workspace), page_of(workspace, memberships=({**row, "role": "owner"},)))
    staff.owner.post(url_of(workspace), page_of(workspace, memberships=({**row, "role": "owner"},)))
    staff.owner.post(
        url_of(workspace), page_of(workspace, memberships=({**row, "role": "owner", "DELETE": "on"},))
    )

    noted = EntitlementChange.objects.filter(key="member").order_by("pk")
    assert [(change.old_value, change.new_value, change.note, change.actor) for change in noted] == [
        ("none", "viewer", "anna, by staff", "owner"),
        ("viewer", "owner", "anna, by staff", "owner"),
        ("owner", "removed", "anna, by staff", "owner"),
    ]


def test_a_person_can_be_a_member_only_once(staff: Staff, workspace: Workspace) -> None:
    anna = User.objects.create_user("anna")
    Membership.objects.create(workspace=workspace, user=anna, role="viewer")
    row = {"user": anna.pk, "role": "owner"}

    response = staff.owner.post(url_of(workspace), page_of(workspace, memberships=(row,)))

    assert errors_of(response, "memberships") == [
        {"user": ["This user is already a member of this workspace."]}
    ]
    assert role_in(anna.pk, workspace.pk) is Role.VIEWER


def found(response: Any) -> set[UUID]:
    return {row.pk for row in response.context["cl"].result_list}


@pytest.mark.parametrize("part", [slice(None), slice(0, 8)], ids=["the whole id", "its beginning"])
def test_search_by_id(staff: Staff, workspace: Workspace, neighbour: Workspace, part: slice) -> None:
    response = staff.owner.get(LIST, {"q": str(workspace.pk)[part]})

    assert found(response) == {workspace.pk}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param("bakery", {"Acme Bakery"}, id="a word of the name"),
        pytest.param("other studio", {"Other Studio"}, id="two words of the name"),
        pytest.param("' OR 1=1 --", set(), id="nonsense"),
    ],
)
def test_search_by_name(
    staff: Staff, workspace: Workspace, neighbour: Workspace, words: str, names: set[str]
) -> None:
    response = staff.owner.get(LIST, {"q": words})

    assert {row.name for row in response.context["cl"].result_list} == names


def test_workspaces_are_deleted_one_at_a_time(staff: Staff, workspace: Workspace) -> None:
    staff.owner.post(
        LIST, {"action": "delete_selected", "_selected_action": [str(workspace.pk)], "post": "yes"}
    )
    assert Workspace.objects.filter(pk=workspace.pk).exists()

    delete = reverse("admin:entitlements_workspace_delete", args=[workspace.pk])
    assert "Are you sure" in staff.owner.get(delete).content.decode()
    staff.owner.post(delete, {"post": "yes"})
    assert not Workspace.objects.filter(pk=workspace.pk).exists()


def test_support_can_view_but_not_change(staff: Staff, workspace: Workspace) -> None:
    set_override(workspace, DAY, None, actor=ACTOR, note="for the fair")

    page = staff.support.get(url_of(workspace))
    assert page.status_code == 200
    for words in ("Effective limits", "<td>unlimited</td>", "for the fair", "<p>unlimited</p>"):
        assert words in page.content.decode()

    row = override_row(TTL, "1")
    assert staff.support.post(url_of(workspace), page_of(workspace, overrides=(row,))).status_code == 403
    assert EntitlementOverride.objects.count() == 1


def test_a_clerk_can_assign_plans_but_not_overrides(staff: Staff, workspace: Workspace) -> None:
    posted = page_of(workspace, plan=plan("pro").pk, overrides=(override_row(TTL, "1"),))

    assert staff.clerk.post(url_of(workspace), posted).status_code == 302
    assert Workspace.objects.get(pk=workspace.pk).plan.key == "pro"
    assert not EntitlementOverride.objects.exists()


@pytest.mark.parametrize("who", ["outsider", "anonymous"])
def test_other_users_are_sent_to_sign_in(staff: Staff, workspace: Workspace, who: str) -> None:
    client = getattr(staff, who)
    posted = page_of(workspace, plan=plan("business").pk)

    for response in (client.get(LIST), client.get(url_of(workspace)), client.post(url_of(workspace), posted)):
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))
    assert fresh_limits_for(workspace.pk, now=timezone.now()).plan_key == "starter"
