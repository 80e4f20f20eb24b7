"""Erase what is left of widgets that were deleted, or moved to another workspace, before this took it along."""

from django.db import migrations
from django.db.models import Exists, OuterRef

BATCH = 500


def forget(apps, schema_editor):
    def model(name):
        return apps.get_model("paris_integration", name)

    widgets = apps.get_model("venice_api", "WidgetInstance").objects.filter(pk=OuterRef("instance_id"))
    gone = ~Exists(widgets.filter(workspace_id=OuterRef("workspace_id")))
    linked_elsewhere = ~Exists(widgets.filter(workspace_id=OuterRef("connection__workspace_id")))

    remove(model("ConnectionLink").objects.filter(linked_elsewhere))
    remove(model("Connection").objects.filter(links__isnull=True))
    for name in ("LoginAttempt", "Feed", "Pause", "QuotaWindow"):
        remove(model(name).objects.filter(gone))
    model("ForcedRefresh").objects.filter(gone).update(source_value="")
    remove(model("RefreshReceipt").objects.filter(~Exists(widgets)))


def remove(rows):
    while ids := list(rows.values_list("pk", flat=True)[:BATCH]):
        rows.model.objects.filter(pk__in=ids).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("paris_integration", "0007_deletion"),
        ("venice_api", "0002_staff_roles"),
    ]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
