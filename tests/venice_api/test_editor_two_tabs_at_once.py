"""A widget's settings are saved while somebody else deletes the widget, with PostgreSQL."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from entitlements.models import Membership, Plan, Workspace
from tests.conftest import signed_in
from tests.paris_integration.connections.test_connection_locks import wait_for_blocked
from venice_api.models import WidgetInstance

# A separate file: these tests empty the database, so they have to run after the others.
pytestmark = [pytest.mark.needs_postgres, pytest.mark.django_db(transaction=True)]
SETTINGS = {
    "name": "Front page", "source_type": "profile", "source_value": "acme.bakery", "max_posts": "12",
    "filter_type": "all", "allowed_origins": "",
}  # fmt: skip


def test_a_widget_deleted_meanwhile_does_not_come_back() -> None:
    plan, _ = Plan.objects.get_or_create(key="pro", defaults={"name": "Pro", "rank": 3})
    workspace = Workspace.objects.create(name="Acme Bakery", plan=plan)
    widget = WidgetInstance.objects.create(workspace=workspace, source_value="acme.bakery")
    editor = User.objects.create(username="editor")
    Membership.objects.create(workspace=workspace, user=editor, role="editor")
    (client,) = signed_in(editor)
    answers = []

    def save() -> None:
        try:
            answers.append(client.post(f"/editor/{widget.pk}/settings/", SETTINGS).status_code)
        finally:
            connection.close()

    saving = threading.Thread(target=save)
    with transaction.atomic():
        WidgetInstance.objects.get(pk=widget.pk).delete()
        saving.start()
        wait_for_blocked(1)
    saving.join()
    assert answers == [404]
    assert not WidgetInstance.objects.exists()
