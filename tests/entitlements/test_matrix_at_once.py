"""Several people change the plan matrix at once."""

from __future__ import annotations

import pytest

from entitlements.changes import CannotUndo, set_plan_value, undo_last_change
from entitlements.models import MatrixChange, Plan, PlanEntitlement
from tests.entitlements.conftest import ACTOR, DAY
from tests.entitlements.test_members_at_once import at_once

# A separate file: these tests empty the database, so they have to run after the others.
pytestmark = [pytest.mark.needs_postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def committed(transactional_db: None) -> Plan:
    plan, _ = Plan.objects.get_or_create(key="starter", defaults={"name": "Starter", "rank": 2})
    set_plan_value(plan, DAY, 8, actor=ACTOR)
    set_plan_value(plan, DAY, 9, actor=ACTOR)
    return plan


def stored(plan: Plan, key: str) -> object:
    return PlanEntitlement.objects.get(plan=plan, key=key).value


@pytest.mark.parametrize("attempt", range(5))
def test_people_who_undo_at_once_undo_once(committed: Plan, attempt: int) -> None:
    change = MatrixChange.objects.latest("id")
    results = at_once(*(lambda: undo_last_change(change.pk, actor=ACTOR) for _ in range(4)))

    assert sorted(type(result).__name__ for result in results) == ["CannotUndo"] * 3 + ["MatrixChange"]
    assert stored(committed, DAY) == 8
    assert list(MatrixChange.objects.filter(undoes=change).values_list("cells", flat=True)) == [
        [["starter", DAY, 9, 8]]
    ]


@pytest.mark.parametrize("attempt", range(5))
def test_an_undo_and_a_new_change_at_once_lose_nothing(committed: Plan, attempt: int) -> None:
    """Whichever comes second sees the first: the undo is refused, or the new change comes after it."""
    change = MatrixChange.objects.latest("id")
    undone, _ = at_once(
        lambda: undo_last_change(change.pk, actor=ACTOR),
        lambda: set_plan_value(committed, DAY, 50, actor=ACTOR),
    )

    cells = [
        cell for row in MatrixChange.objects.filter(pk__gt=change.pk).order_by("id") for cell in row.cells
    ]
    if isinstance(undone, CannotUndo):
        assert cells == [["starter", DAY, 9, 50]]
    else:
        assert cells == [["starter", DAY, 9, 8], ["starter", DAY, 8, 50]]
    assert stored(committed, DAY) == 50
