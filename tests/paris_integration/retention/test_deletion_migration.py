"""Migrations of existing rows, and the previous release running on the migrated tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_python
from tests.processes.service import own_database

pytestmark = [pytest.mark.processes, pytest.mark.both_legs]  # each database is migrated in its own way

BEGIN = """
import json
import django; django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
now = timezone.now()
def migrate(*target):
    call_command("migrate", *target, verbosity=0)
def rows(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [list(row) for row in cursor.fetchall()] if cursor.description else []
"""

FILL = """
migrate("paris_integration", "0006")
migrate("venice_api", "0002")
old = MigrationExecutor(connection).loader.project_state(
    [("paris_integration", "0006_pauses"), ("venice_api", "0002_staff_roles")]
).apps
def make(app, model, **values):
    return old.get_model(app, model).objects.create(**values)
plan = old.get_model("entitlements", "Plan").objects.get(key="pro")
home, away = (make("entitlements", "Workspace", name=name, plan_id=plan.pk) for name in ("home", "away"))
make("venice_api", "WidgetInstance", id="wgt_here", workspace_id=home.pk, source_value="acme.bakery")
make("venice_api", "WidgetInstance", id="wgt_moved", workspace_id=away.pk, source_value="acme.bakery")
for number, instance_id in enumerate(("wgt_here", "wgt_moved", "wgt_deleted")):
    connected = make(
        "paris_integration", "Connection", workspace_id=home.pk, login="instagram", account_id=str(number),
        username="acme.bakery", obtained_at=now, state_changed_at=now,
    )
    make("paris_integration", "ConnectionLink", instance_id=instance_id, connection_id=connected.pk, linked_at=now)
    of = {"workspace_id": home.pk, "instance_id": instance_id}
    source = {"source_type": "profile", "source_value": "acme.bakery"}
    feed = make("paris_integration", "Feed", **of, **source, mode="connected", posts_encoded="[]")
    line = make(
        "paris_integration", "ForcedRefresh", **of, **source, feed_id=feed.pk, fence=1, reserved_at=now,
        day_starts_at=now, hour_starts_at=now,
    )
    make(
        "paris_integration", "RefreshReceipt", user_id=1, instance_id=instance_id, key="k", created_at=now,
        forced_refresh_id=line.pk, answer="canary",
    )
"""

CHECK = """
migrate()
links = "SELECT instance_id, workspace_id = (SELECT id FROM entitlements_workspace WHERE name = 'home') "
found = {
    "links": rows(links + "FROM paris_integration_connectionlink"),
    "connections": rows("SELECT account_id FROM paris_integration_connection"),
    "feeds": rows("SELECT instance_id FROM paris_integration_feed"),
    "lines": rows("SELECT instance_id, source_value FROM paris_integration_forcedrefresh ORDER BY id"),
    "receipts": rows("SELECT instance_id, answer FROM paris_integration_refreshreceipt ORDER BY id"),
}
# As the previous release writes: it knows the answer, and no workspace of a link.
columns = "(user_id, instance_id, key, answer, created_at)"
rows(f"INSERT INTO paris_integration_refreshreceipt {columns} VALUES (2, 'wgt_here', 'k2', 'canary', %s)", now)
rows("DELETE FROM paris_integration_connectionlink")
rows(
    "INSERT INTO paris_integration_connectionlink (instance_id, connection_id, linked_at) "
    "SELECT 'wgt_here', id, %s FROM paris_integration_connection", now,
)
from paris_integration.connections import links
from paris_integration.quota import receipts
from paris_integration.quota.receipts import Repeatable
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
key = from_row(WidgetInstance.objects.get(pk="wgt_here")).feed_key()
found["previous receipt"] = receipts.state_of(Repeatable(2, "wgt_here", "k2"), now=now).name
found["previous link"] = links.find_connection(key).account_id
receipts.keep(Repeatable(3, "wgt_here", "k3"), now=now)
found["new receipt"] = rows("SELECT answer FROM paris_integration_refreshreceipt WHERE user_id = 3")
migrate("paris_integration", "0006")
found["back"] = rows("SELECT count(*) FROM paris_integration_refreshreceipt")[0]
print(json.dumps(found))
"""


def test_leftovers_of_earlier_deletions_are_erased(tmp_path: Path) -> None:
    with own_database(tmp_path) as database_url:
        environment = {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "k" * 50,
            "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
            "VAR_DIR": str(tmp_path / "var"),
        }
        filled = run_python("-c", f"{BEGIN}\n{FILL}", env=environment)
        assert filled.returncode == 0, filled.stderr
        checked = run_python("-c", f"{BEGIN}\n{CHECK}", env=environment)
        assert checked.returncode == 0, checked.stderr
    found: dict[str, Any] = json.loads(checked.stdout)
    assert found == {
        "links": [["wgt_here", True]],
        "connections": [["0"]],
        "feeds": [["wgt_here"]],
        "lines": [["wgt_here", "acme.bakery"], ["wgt_moved", ""], ["wgt_deleted", ""]],
        "receipts": [["wgt_here", ""], ["wgt_moved", ""]],
        "previous receipt": "ENDED",
        "previous link": "0",
        "new receipt": [[""]],
        "back": [4],
    }
