"""What a deletion needs: receipts that keep no posts, links bound to one workspace."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("paris_integration", "0006_pauses"),
    ]

    operations = [
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
    ]
