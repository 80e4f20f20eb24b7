"""An index for the support desk's search by a part of a workspace's name."""

from django.db import migrations

from foundation.migrating import AddTrigramIndex


class Migration(migrations.Migration):
    atomic = False  # so that the table can be written meanwhile

    dependencies = [("entitlements", "0007_matrix_history")]

    operations = [AddTrigramIndex("entitlements.Workspace", "name", "workspace_name_parts")]
