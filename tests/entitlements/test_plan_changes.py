"""What a change of plans touches is shown before it is saved."""

from __future__ import annotations

import pytest

from entitlements.changes import Actor, set_override
from entitlements.models import EntitlementChange, Workspace
from tests.entitlements.conftest import DAY, Staff
from tests.entitlements.test_admin_matrix import URL, shown, stored, typed

pytestmark = pytest.mark.django_db


def test_the_review_counts_workspaces_and_saves_nothing(
    staff: Staff, workspace: Workspace, neighbour: Workspace
) -> None:
    set_override(neighbour, DAY, 9, actor=Actor("billing"))
    before, noted = stored("starter", DAY), EntitlementChange.objects.count()

    page = staff.owner.post(URL, shown(staff) | {f"starter:{DAY}": "33", "review": "Review changes"})

    [effect] = page.context["effects"]
    assert (effect.plan, effect.key, effect.new) == ("Starter", DAY, "33")
    assert (effect.workspaces, effect.overridden) == (1, 1)
    assert "1 workspace; 1 more keeps an override." in page.content.decode()
    assert (stored("starter", DAY), EntitlementChange.objects.count()) == (before, noted)

    reviewed = typed(page)
    staff.owner.post(URL, reviewed)
    assert stored("starter", DAY) == 33
