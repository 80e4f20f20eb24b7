"""The plan matrix: one page, validated cell by cell, and saved completely or not at all."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.urls import reverse

from entitlements.models import EntitlementChange, PlanEntitlement, Workspace
from entitlements.signals import limits_changed
from tests.entitlements.conftest import CACHE, DAY, HASHTAG, HOUR, PROFILE, TTL, Staff

pytestmark = pytest.mark.django_db
URL = "/admin/entitlements/plan/matrix/"


class Inputs(HTMLParser):
    """The form values that a browser would post from the unchanged page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.ids: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        name = found.get("name")
        if tag != "input" or name in (None, "csrfmiddlewaretoken") or found.get("type") == "submit":
            return
        if found.get("type") != "checkbox":
            self.values[name] = found.get("value") or ""
        elif "checked" in found:
            self.values[name] = "on"


def typed(response: Any) -> dict[str, str]:
    return Inputs(response.content.decode()).values


def shown(staff: Staff) -> dict[str, str]:
    return typed(staff.owner.get(URL))


def stored(plan: str, key: str) -> object:
    return PlanEntitlement.objects.get(plan__key=plan, key=key).value


def cell_error(response: Any, name: str) -> str:
    return " ".join(response.context["form"].errors.get(name, []))


def test_the_whole_matrix_is_on_one_screen(staff: Staff) -> None:
    response = staff.owner.get(URL)
    page = response.content.decode()

    cells = {name: value for name, value in typed(response).items() if not name.startswith("initial-")}
    assert len(list(response.context["form"])) == 32
    assert (cells[f"free:{TTL}"], cells[f"business:{HOUR}"], cells[f"pro:{CACHE}"]) == ("1440", "12", "")
    assert cells[f"free:{PROFILE}"] == "on"
    assert f"starter:{HASHTAG}" not in cells
    for words in ("Free", "Starter", "Pro", "Business", "Minimum minutes between automatic refreshes."):
        assert words in page


def test_saving_writes_the_changes_with_their_history(staff: Staff) -> None:
    values = shown(staff) | {f"free:{DAY}": " 3 ", f"starter:{HASHTAG}": "on", f"pro:{DAY}": "unlimited"}
    del values[f"business:{PROFILE}"]

    response = staff.owner.post(URL, values, follow=True)

    assert response.redirect_chain == [(URL, 302)]
    assert "Saved. Values changed: 4." in response.content.decode()
    assert (stored("free", DAY), stored("starter", HASHTAG)) == (3, True)
    assert (stored("pro", DAY), stored("business", PROFILE)) == (None, False)
    changes = EntitlementChange.objects.order_by("id").values_list(
        "actor", "subject", "old_value", "new_value"
    )
    assert list(changes) == [
        ("owner", "plan Free", "1", "3"),
        ("owner", "plan Starter", "no", "yes"),
        ("owner", "plan Pro", "24", "unlimited"),
        ("owner", "plan Business", "yes", "no"),
    ]


def test_saving_an_unchanged_page_changes_nothing(staff: Staff) -> None:
    before = list(PlanEntitlement.objects.order_by("id").values_list("id", "value"))

    response = staff.owner.post(URL, shown(staff), follow=True)

    assert "Nothing was changed." in response.content.decode()
    assert list(PlanEntitlement.objects.order_by("id").values_list("id", "value")) == before
    assert not EntitlementChange.objects.exists()


def test_a_plan_is_announced_once_however_many_of_its_cells_change(
    staff: Staff, workspace: Workspace
) -> None:
    heard: list[set[Any]] = []

    def hear(sender: object, *, workspace_ids: Any, **_: object) -> None:
        heard.append(set(workspace_ids))

    limits_changed.connect(hear)
    try:
        staff.owner.post(URL, shown(staff) | {f"starter:{DAY}": "8", f"starter:{HOUR}": "8"})
    finally:
        limits_changed.disconnect(hear)

    assert heard == [{workspace.pk}]


@pytest.mark.parametrize(
    ("cell", "text", "why"),
    [
        pytest.param(f"free:{TTL}", "0", "must be 1 or more.", id="no TTL of zero"),
        pytest.param(f"free:{TTL}", "", "is required.", id="no TTL left empty"),
        pytest.param(f"pro:{DAY}", "-1", "must be 0 or more.", id="no negative cap"),
        pytest.param(f"pro:{DAY}", "99999999", "must be 1000000 or less.", id="no cap over a million"),
        pytest.param(f"pro:{HOUR}", "often", "must be a whole number from 0", id="no words"),
        pytest.param(f"pro:{HOUR}", "9" * 41, "at most 40 characters", id="no endless digits"),
    ],
)
def test_an_invalid_value_is_reported_at_its_cell_and_no_input_is_lost(
    staff: Staff, cell: str, text: str, why: str
) -> None:
    values = shown(staff) | {cell: text, f"business:{DAY}": "111"}
    del values[f"pro:{HASHTAG}"]

    response = staff.owner.post(URL, values)

    assert response.status_code == 200
    assert why in cell_error(response, cell)
    assert list(response.context["form"].errors) == [cell]
    assert f"id_{cell}_error" in Inputs(response.content.decode()).ids
    assert typed(response) == values
    assert stored("business", DAY) == 96
    assert stored("pro", HASHTAG) is True
    assert not EntitlementChange.objects.exists()


def test_an_invalid_value_can_be_corrected_on_the_same_page(staff: Staff) -> None:
    response = staff.owner.post(URL, shown(staff) | {f"free:{TTL}": "x", f"free:{DAY}": "2"})
    response = staff.owner.post(URL, typed(response) | {f"free:{TTL}": "720"})

    assert response.status_code == 302
    assert (stored("free", TTL), stored("free", DAY)) == (720, 2)


@pytest.mark.parametrize(
    "name", ["free:instagram.other", "gold:instagram.profile.enabled", "initial-free:instagram.other"]
)
def test_an_unknown_key_or_plan_is_refused(staff: Staff, name: str) -> None:
    response = staff.owner.post(URL, shown(staff) | {name: "1", f"free:{DAY}": "9"})

    assert response.status_code == 200
    assert "is not a known plan and entitlement key" in response.content.decode()
    assert stored("free", DAY) == 1


def test_markup_in_a_value_is_escaped(staff: Staff) -> None:
    response = staff.owner.post(URL, shown(staff) | {f"free:{DAY}": "<b>", "free:<i>": "1"})

    assert "<b>" not in response.content.decode()
    assert "<i>" not in response.content.decode()


def test_two_people_editing_different_cells_do_not_undo_each_others_changes(staff: Staff) -> None:
    mine, theirs = shown(staff), shown(staff)

    staff.owner.post(URL, theirs | {f"free:{DAY}": "2", f"free:{HASHTAG}": "on"})
    staff.owner.post(URL, mine | {f"pro:{DAY}": "30"})

    assert (stored("free", DAY), stored("free", HASHTAG), stored("pro", DAY)) == (2, True, 30)


@pytest.mark.parametrize(
    ("key", "theirs", "mine", "kept", "said", "then"),
    [
        pytest.param(DAY, "2", "3", 2, "changed this to 2.", 3, id="a number"),
        pytest.param(DAY, "", "3", None, "changed this to unlimited.", 3, id="unlimited"),
    ],
)
def test_a_second_change_of_the_same_cell_asks_before_replacing_the_first(
    staff: Staff, key: str, theirs: str, mine: str, kept: object, said: str, then: object
) -> None:
    page = shown(staff)
    staff.owner.post(URL, page | {f"free:{key}": theirs})

    response = staff.owner.post(URL, page | {f"free:{key}": mine})
    assert said in cell_error(response, f"free:{key}")
    assert stored("free", key) == kept

    assert staff.owner.post(URL, typed(response)).status_code == 302
    assert stored("free", key) == then


def test_the_same_change_by_two_people_is_no_conflict(staff: Staff) -> None:
    page = shown(staff) | {f"free:{DAY}": "2", f"free:{HASHTAG}": "on"}

    assert [staff.owner.post(URL, page).status_code for _ in range(2)] == [302, 302]
    assert EntitlementChange.objects.count() == 2


def test_a_partial_form_turns_nothing_off(staff: Staff) -> None:
    staff.owner.post(URL, {"initial-free:" + DAY: "1", f"free:{DAY}": "2"})

    assert stored("free", DAY) == 2
    assert stored("business", PROFILE) is True
    assert EntitlementChange.objects.count() == 1


def test_a_missing_value_shows_the_effective_value_and_can_be_set(staff: Staff) -> None:
    PlanEntitlement.objects.filter(plan__key="pro").delete()
    values = shown(staff)
    assert (values[f"pro:{DAY}"], values[f"pro:{TTL}"]) == ("0", "1440")

    staff.owner.post(URL, values | {f"pro:{DAY}": "24"})

    assert stored("pro", DAY) == 24


def test_support_can_view_but_not_change(staff: Staff) -> None:
    response = staff.support.get(URL)
    page = response.content.decode()

    assert typed(response) == {}
    assert "Save plans" not in page
    for words in ("<td>1440</td>", "<td>yes</td>", "<td>as refresh</td>"):
        assert words in page
    assert staff.support.post(URL, shown(staff) | {f"free:{DAY}": "9"}).status_code == 403
    assert stored("free", DAY) == 1


def test_staff_without_permission_for_values_are_refused(staff: Staff) -> None:
    assert staff.clerk.get(URL).status_code == 403
    assert staff.clerk.post(URL, {f"free:{DAY}": "9"}).status_code == 403
    assert stored("free", DAY) == 1


@pytest.mark.parametrize("who", ["outsider", "anonymous"])
def test_other_users_are_sent_to_sign_in(staff: Staff, who: str) -> None:
    client = getattr(staff, who)

    for response in (client.get(URL), client.post(URL, {f"free:{DAY}": "9"})):
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))
    assert stored("free", DAY) == 1


def test_the_list_of_plans_links_to_the_matrix(staff: Staff) -> None:
    plans = reverse("admin:entitlements_plan_changelist")

    assert f'href="{URL}"' in staff.owner.get(plans).content.decode()
    assert f'href="{URL}"' in staff.support.get(plans).content.decode()
    assert f'href="{URL}"' not in staff.clerk.get(plans).content.decode()
