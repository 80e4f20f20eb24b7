"""Indexes for the support desk's search by a part of a widget's name, and by its source."""

from django.db import migrations

from foundation.migrating import AddTrigramIndex


class Migration(migrations.Migration):
    atomic = False  # so that the table can be written meanwhile

    dependencies = [("venice_api", "0007_staff_see_invitations")]

    operations = [AddTrigramIndex("venice_api.WidgetInstance", "name", "instance_name_parts")]
