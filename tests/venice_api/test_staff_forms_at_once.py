"""Staff and an editor save the same widget at once, with PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from entitlements.models import Plan, Workspace
from tests.conftest import signed_in
from tests.venice_api.test_staff_forms import page_of, shown
from venice_api import appearance, moderation
from venice_api.editor.design import _store
from venice_api.models import WidgetInstance
from venice_api.moderation import Act

# A separate file: these tests empty the database, so they have to run after the others.
pytestmark = [pytest.mark.needs_postgres, pytest.mark.django_db(transaction=True)]
TIMES = 12


def at_once(*acts: Callable[[], None]) -> None:
    barrier = threading.Barrier(len(acts))
    failed: list[Exception] = []

    def run(act: Callable[[], None]) -> None:
        try:
            barrier.wait()
            act()
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)
        finally:
            connection.close()

    running = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failed == []


def test_neither_loses_anything() -> None:
    plan, _ = Plan.objects.get_or_create(key="pro", defaults={"name": "Pro", "rank": 3})
    workspace = Workspace.objects.create(name="Acme Bakery", plan=plan)
    widget = WidgetInstance.objects.create(workspace=workspace, source_value="acme.bakery")
    (desk,) = signed_in(User.objects.create(username="desk", is_staff=True, is_superuser=True))
    typed = shown(desk, widget)  # opened once, before the editor's changes

    def staff() -> None:
        for number in range(TIMES):
            now = typed | {"initial-name": WidgetInstance.objects.get(pk=widget.pk).name}
            answer = desk.post(page_of(widget), now | {"name": f"Name {number}", "gap": "20"})
            assert answer.status_code == 302

    def editor() -> None:
        for number in range(TIMES):
            moderation.moderate(widget.pk, Act.HIDE, [f"post{number}"])
            moderation.set_words(widget.pk, moderation.Words([f"word{number}"]))

    def designer() -> None:
        looks = appearance.Appearance(theme="dark", gap=20)
        for number in range(TIMES):
            _store(widget.pk, appearance.stored(looks) | {"headerText": f"Text {number}"})

    at_once(staff, editor, designer)
    widget.refresh_from_db()
    assert widget.name == f"Name {TIMES - 1}"
    assert widget.hidden_post_ids == [f"post{number}" for number in range(TIMES)]
    assert widget.required_words == [f"word{TIMES - 1}"]
    looks = appearance.parse(widget.appearance)
    assert (looks.theme, looks.header_text, looks.gap) == ("dark", f"Text {TIMES - 1}", 20)
