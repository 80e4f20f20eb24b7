"""Several people change the members of a workspace at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.urls import reverse

from entitlements import members
from entitlements.memberships import Role
from entitlements.models import Invitation, Membership, Plan, Workspace
from tests.conftest import signed_in
from tests.entitlements.test_members import NOW, by, invite, person
from tests.pages import sent_from
from tests.paris_integration.connections.test_connection_locks import wait_for_blocked

# A separate file: these tests empty the database, so they have to run after the others.
pytestmark = [pytest.mark.needs_postgres, pytest.mark.django_db(transaction=True)]


def at_once(*acts: Callable[[], Any]) -> list[object]:
    """Run the acts in threads that start together. Returns their results, or what they raised."""
    barrier, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results[place] = act()
        except Exception as error:  # noqa: BLE001 - compared by the test
            results[place] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    running = [threading.Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return list(results)


@pytest.fixture
def committed(transactional_db: None) -> Workspace:
    plan, _ = Plan.objects.get_or_create(key="starter", defaults={"name": "Starter", "rank": 2})
    return Workspace.objects.create(name="Acme Bakery", plan=plan)


@pytest.mark.parametrize("attempt", range(5))
def test_two_owners_who_remove_each_other_leave_one(committed: Workspace, attempt: int) -> None:
    one, two = person("one", committed), person("two", committed)
    results = at_once(
        lambda: members.remove(committed.pk, two.pk, actor=by(one)),
        lambda: members.remove(committed.pk, one.pk, actor=by(two)),
    )
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "NotAnOwner"]
    assert Membership.objects.filter(workspace=committed, role="owner").count() == 1


@pytest.mark.parametrize("attempt", range(5))
def test_two_owners_who_step_down_leave_one(committed: Workspace, attempt: int) -> None:
    one, two = person("one", committed), person("two", committed)
    results = at_once(
        lambda: members.set_role(committed.pk, one.pk, Role.VIEWER, actor=by(one)),
        lambda: members.remove(committed.pk, two.pk, actor=by(two)),
    )
    assert sorted(type(result).__name__ for result in results) == ["LastOwner", "NoneType"]
    assert Membership.objects.filter(workspace=committed, role="owner").count() == 1


def test_a_link_opened_by_many_at_once_makes_one_member(committed: Workspace) -> None:
    code = invite(committed, person("olga", committed))
    people = [person(f"p{number}") for number in range(6)]
    results = at_once(*(lambda user=user: members.accept(code, user, now=NOW) for user in people))  # type: ignore[misc]
    assert sum(isinstance(result, Invitation) for result in results) == 1
    assert Membership.objects.filter(workspace=committed).count() == 2


def test_staff_see_a_role_that_an_owner_changes_while_they_save(committed: Workspace) -> None:
    owner, anna = person("one", committed), person("anna", committed, "editor")
    (desk,) = signed_in(User.objects.create_superuser("desk"))
    url = reverse("admin:entitlements_workspace_change", args=[committed.pk])
    page = desk.get(url)
    (formset,) = (
        each.formset for each in page.context["inline_admin_formsets"] if each.formset.prefix == "memberships"
    )
    (row,) = (form.prefix for form in formset.forms if form.instance.user_id == anna.pk)
    typed = sent_from(page.content.decode()) | {f"{row}-role": "owner"}

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            members.set_role(committed.pk, anna.pk, Role.VIEWER, actor=by(owner))
            saving = pool.submit(at_once, lambda: desk.post(url, typed).status_code)
            wait_for_blocked(1)
        assert saving.result() == [200]
    assert Membership.objects.get(user=anna).role == "viewer"
