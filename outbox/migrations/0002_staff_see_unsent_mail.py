"""The staff roles may see unsent mails."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("First-line support", "Support", "Plan editors")


def grant(apps, schema_editor):
    # Django creates permissions after all migrations, which is too late to assign them here.
    config = apps.get_app_config("outbox")
    config.models_module = True
    create_permissions(config, apps=apps, using=schema_editor.connection.alias, verbosity=0)
    config.models_module = None
    Permission = apps.get_model("auth", "Permission")
    seeing = Permission.objects.get(content_type__app_label="outbox", codename="view_mail")
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(seeing)


class Migration(migrations.Migration):
    dependencies = [
        ("outbox", "0001_initial"),
        ("venice_api", "0002_staff_roles"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
