"""What a deletion needs: receipts that keep no posts, links bound to one workspace, and what was erased of late."""

import django.db.models.deletion
from django.db import migrations, models

# On both columns together: no link joins an instance of one workspace to a connection of another. A link that the
# previous release writes has no workspace, and is not checked.
BIND = """
ALTER TABLE paris_integration_connection
    ADD CONSTRAINT connection_of_workspace UNIQUE (id, workspace_id);
ALTER TABLE paris_integration_connectionlink
    ADD CONSTRAINT link_within_workspace FOREIGN KEY (connection_id, workspace_id)
    REFERENCES paris_integration_connection (id, workspace_id) DEFERRABLE INITIALLY DEFERRED;
"""
UNBIND = """
ALTER TABLE paris_integration_connectionlink DROP CONSTRAINT link_within_workspace;
ALTER TABLE paris_integration_connection DROP CONSTRAINT connection_of_workspace;
"""


def bind(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        # PostgreSQL alters no table with checks pending, and rows have just been changed.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute(BIND)


def unbind(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute(UNBIND)


class Migration(migrations.Migration):
    dependencies = [
        ("entitlements", "0003_membership_role"),
        ("paris_integration", "0006_pauses"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasedInstance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workspace_id", models.UUIDField()),
                ("instance_id", models.CharField(max_length=200)),
                ("erased_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("workspace_id", "instance_id"), name="erased_once")],
            },
        ),
        migrations.AddField(
            model_name="connectionlink",
            name="workspace",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="entitlements.workspace"),
        ),
        # The answers hold posts. The previous release still writes the column while it runs beside this one, so it
        # stays, with a default for this release's inserts. A later release may drop it:
        # ALTER TABLE paris_integration_refreshreceipt DROP COLUMN answer.
        migrations.AlterField("refreshreceipt", "answer", models.TextField(blank=True, db_default="")),
        migrations.RunSQL(
            "UPDATE paris_integration_refreshreceipt SET answer = '' WHERE answer <> ''",
            migrations.RunSQL.noop,
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("refreshreceipt", "answer")],
        ),
        migrations.RunSQL(
            "UPDATE paris_integration_connectionlink SET workspace_id = (SELECT workspace_id "
            "FROM paris_integration_connection WHERE id = paris_integration_connectionlink.connection_id)",
            migrations.RunSQL.noop,
        ),
        migrations.RunPython(bind, unbind),
    ]
