"""The history under the plan matrix, and undoing its last change."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entitlements.changes import set_plan_value, set_plan_values
from entitlements.limits import limits_for
from entitlements.models import EntitlementChange, MatrixChange, PlanEntitlement, Workspace
from tests.entitlements.conftest import ACTOR, CACHE, DAY, HASHTAG, TTL, Staff, plan
from tests.entitlements.test_admin_matrix import URL, shown, stored
from venice_api.accounts.freshness import SESSION_KEY

pytestmark = pytest.mark.django_db
Cells = list[tuple[str, str, str, str]]


def undo_url(change: MatrixChange | int) -> str:
    number = change if isinstance(change, int) else change.pk
    return reverse("admin:entitlements_plan_matrix_undo", args=[number])


def last() -> MatrixChange:
    return MatrixChange.objects.latest("id")


def save(staff: Staff, **values: str) -> None:
    """Save cells of Free, by the names of the keys' constants."""
    cells = {f"free:{globals()[name]}": text for name, text in values.items()}
    assert staff.owner.post(URL, shown(staff) | cells).status_code == 302


def history(client: Client, page: str = "") -> list[tuple[str, Cells]]:
    found = client.get(URL, {"page": page} if page else {}).context["history"]
    return [
        (entry.actor, [(cell.plan, cell.key, cell.old, cell.new) for cell in entry.cells]) for entry in found
    ]


def text_of(response: Any) -> str:
    return str(response.content.decode()).replace("&#x27;", "'")


# History


def test_each_saved_change_is_one_entry_newest_first(staff: Staff) -> None:
    set_plan_value(plan("pro"), TTL, 45, actor=ACTOR)
    save(staff, DAY="3", HASHTAG="on", CACHE="2000")
    save(staff, DAY="3")  # nothing changed

    entries = [
        (
            "owner",
            [
                ("Free", HASHTAG, "no", "yes"),
                ("Free", DAY, "1", "3"),
                ("Free", CACHE, "as refresh", "2000"),
            ],
        ),
        ("test", [("Pro", TTL, "60", "45")]),
    ]
    assert history(staff.owner) == entries
    assert history(staff.support) == entries


def test_two_plans_saved_together_are_one_entry(staff: Staff) -> None:
    values = shown(staff) | {f"free:{DAY}": "3", f"pro:{DAY}": "unlimited"}
    staff.owner.post(URL, values)

    assert history(staff.owner) == [
        ("owner", [("Free", DAY, "1", "3"), ("Pro", DAY, "24", "unlimited")]),
    ]
    assert EntitlementChange.objects.count() == 2


@pytest.mark.parametrize(
    ("page", "first", "number"),
    [
        ("", "14", 10),
        ("2", "4", 3),
        ("3", "4", 3),
        ("0", "4", 3),
        ("x", "14", 10),
        ("9" * 5000, "14", 10),
    ],
)
def test_the_history_has_pages_of_ten(staff: Staff, page: str, first: str, number: int) -> None:
    for value in range(2, 15):
        set_plan_value(plan("free"), DAY, value, actor=ACTOR)

    entries = history(staff.owner, page)

    assert len(entries) == number
    assert entries[0][1][0][3] == first


def test_the_first_page_alone_offers_to_undo(staff: Staff) -> None:
    for value in range(2, 14):
        set_plan_value(plan("free"), DAY, value, actor=ACTOR)

    assert text_of(staff.owner.get(URL)).count("Undo this change") == 1
    assert f'href="{undo_url(last())}"' in text_of(staff.owner.get(URL))
    assert "Undo this change" not in text_of(staff.owner.get(URL, {"page": "2"}))


def test_a_page_with_typed_values_has_no_links_that_would_lose_them(staff: Staff) -> None:
    set_plan_value(plan("free"), DAY, 3, actor=ACTOR)
    values = shown(staff)

    for typed in ({f"free:{DAY}": "9", "review": "1"}, {f"free:{DAY}": "wrong"}):
        page = text_of(staff.owner.post(URL, values | typed))
        assert f'value="{typed[f"free:{DAY}"]}"' in page
        assert "Undo this change" not in page


def test_a_value_and_plan_of_another_release_are_shown_as_stored(staff: Staff) -> None:
    MatrixChange.objects.create(actor="anna", cells=[["gold", "instagram.other", 1, None]])

    assert history(staff.owner) == [("anna", [("gold", "instagram.other", "1", "None")])]


# Undoing


def test_undoing_is_reviewed_first_and_saves_nothing(staff: Staff, workspace: Workspace) -> None:
    set_plan_value(plan("starter"), TTL, 77, actor=ACTOR)

    page = staff.owner.get(undo_url(last()))

    [effect] = page.context["effects"]
    assert (effect.change.old, effect.change.new, effect.workspaces) == (77, 360, 1)
    assert effect.estimate is not None
    assert "from 77 to 360" in text_of(page)
    assert "Nothing is saved yet." in text_of(page)
    assert (stored("starter", TTL), MatrixChange.objects.count()) == (77, 1)


def test_the_last_change_is_undone_with_all_its_cells(staff: Staff) -> None:
    save(staff, DAY="3", HASHTAG="on", CACHE="2000")
    undone = last()

    response = staff.owner.post(undo_url(undone), follow=True)

    assert response.redirect_chain == [(URL, 302)]
    assert "The last change is undone." in text_of(response)
    assert (stored("free", DAY), stored("free", HASHTAG), stored("free", CACHE)) == (1, False, None)
    assert history(staff.owner)[0] == (
        "owner",
        [
            ("Free", HASHTAG, "yes", "no"),
            ("Free", DAY, "3", "1"),
            ("Free", CACHE, "2000", "as refresh"),
        ],
    )
    assert last().undoes == undone
    assert "undid the change of" in text_of(response)
    assert text_of(response).count("(undone)") == 1
    notes = EntitlementChange.objects.order_by("-id").values_list("actor", "key", "old_value", "new_value")
    assert notes[0] == ("owner", CACHE, "2000", "as refresh")


def test_an_undo_can_be_undone_and_that_too(staff: Staff) -> None:
    save(staff, DAY="3")

    for expected in (1, 3, 1):
        assert staff.owner.post(undo_url(last())).status_code == 302
        assert stored("free", DAY) == expected
    assert MatrixChange.objects.count() == 4


def test_a_change_is_undone_once(staff: Staff) -> None:
    save(staff, DAY="3")
    undone = last()

    staff.owner.post(undo_url(undone))
    again = staff.owner.post(undo_url(undone), follow=True)

    assert "Nothing was undone. Only the last change can be undone." in text_of(again)
    assert f"owner has changed the matrix since: Free, {DAY}, from 3 to 1." in text_of(again)
    assert stored("free", DAY) == 1
    assert MatrixChange.objects.count() == 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_change_before_the_last_is_not_undone(staff: Staff, method: str) -> None:
    save(staff, DAY="3")
    earlier = last()
    set_plan_value(plan("pro"), TTL, 45, actor=ACTOR)

    response = getattr(staff.owner, method)(undo_url(earlier), follow=True)

    assert f"test has changed the matrix since: Pro, {TTL}, from 60 to 45." in text_of(response)
    assert (stored("free", DAY), stored("pro", TTL)) == (3, 45)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_cell_that_changed_since_is_named_and_nothing_is_undone(staff: Staff, method: str) -> None:
    """The previous release saves without an entry in this history."""
    save(staff, DAY="3", CACHE="2000")
    PlanEntitlement.objects.filter(plan__key="free", key=DAY).update(value=5)

    response = getattr(staff.owner, method)(undo_url(last()), follow=True)

    assert f"Nothing was undone. Free, {DAY}, from 1 to 3, but it has changed since, to 5." in text_of(
        response
    )
    assert (stored("free", DAY), stored("free", CACHE)) == (5, 2000)
    assert MatrixChange.objects.count() == 1


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        pytest.param(["gold", DAY, 1, 2], "this plan no longer exists.", id="a plan that is gone"),
        pytest.param(["free", "x.y", 1, 2], "the old value is no longer allowed.", id="a key that is gone"),
        pytest.param(
            ["free", TTL, 0, 1440], "the old value is no longer allowed.", id="a value out of range"
        ),
    ],
)
def test_an_entry_of_another_release_is_not_undone(staff: Staff, cell: list[Any], why: str) -> None:
    MatrixChange.objects.create(actor="anna", cells=[cell])

    assert why in text_of(staff.owner.post(undo_url(last()), follow=True))
    assert MatrixChange.objects.count() == 1


@pytest.mark.parametrize("number", [0, 1, 10**30])
def test_a_change_that_does_not_exist_is_not_undone(staff: Staff, number: int) -> None:
    for method in (staff.owner.get, staff.owner.post):
        assert "There is no change to undo." in text_of(method(undo_url(number), follow=True))


def test_a_value_that_was_missing_goes_back_to_what_it_counted_as(staff: Staff) -> None:
    PlanEntitlement.objects.filter(plan__key="pro").delete()
    set_plan_values(plan("pro"), {TTL: 30, HASHTAG: True}, actor=ACTOR)

    staff.owner.post(undo_url(last()))

    assert (stored("pro", TTL), stored("pro", HASHTAG)) == (1440, False)


def test_limits_follow_an_undo(
    staff: Staff, workspace: Workspace, django_capture_on_commit_callbacks: Any
) -> None:
    set_plan_value(plan("starter"), TTL, 77, actor=ACTOR)
    assert limits_for(workspace.pk, now=timezone.now()).refresh_ttl_minutes_min == 77

    with django_capture_on_commit_callbacks(execute=True):
        staff.owner.post(undo_url(last()))

    assert limits_for(workspace.pk, now=timezone.now()).refresh_ttl_minutes_min == 360


# Who may


@pytest.mark.parametrize("who", ["support", "clerk"])
def test_staff_without_the_permission_cannot_undo(staff: Staff, who: str) -> None:
    set_plan_value(plan("free"), DAY, 3, actor=ACTOR)
    client = getattr(staff, who)

    for response in (client.get(undo_url(last())), client.post(undo_url(last()))):
        assert response.status_code == 403
    assert stored("free", DAY) == 3


@pytest.mark.parametrize("who", ["outsider", "anonymous"])
def test_other_users_are_sent_to_sign_in(staff: Staff, who: str) -> None:
    set_plan_value(plan("free"), DAY, 3, actor=ACTOR)
    client = getattr(staff, who)

    for response in (client.get(undo_url(last())), client.post(undo_url(last()))):
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))
    assert stored("free", DAY) == 3


@pytest.mark.parametrize(
    ("role", "may_edit"), [("First-line support", False), ("Support", False), ("Plan editors", True)]
)
def test_staff_roles_see_the_history_and_editors_the_buttons(role: str, may_edit: bool) -> None:
    set_plan_value(plan("free"), DAY, 3, actor=ACTOR)
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)

    page = text_of(client.get(URL))

    assert f"Free, <code>{DAY}</code>: from 1 to 3" in page
    assert ("Undo this change" in page) is may_edit
    assert ("Review changes" in page) is may_edit
    assert client.get(undo_url(last())).status_code == (200 if may_edit else 403)
    assert client.post(undo_url(last())).status_code == (302 if may_edit else 403)
    assert stored("free", DAY) == (1 if may_edit else 3)


def test_undoing_needs_a_fresh_sign_in(staff: Staff) -> None:
    set_plan_value(plan("free"), DAY, 3, actor=ACTOR)
    session = staff.owner.session
    session[SESSION_KEY] = time.time() - 3_700
    session.save()

    response = staff.owner.post(undo_url(last()))

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/reauthenticate/")
    assert stored("free", DAY) == 3
