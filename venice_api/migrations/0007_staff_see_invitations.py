"""The staff roles may see invitations and connect links."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = ("First-line support", "Support", "Plan editors")
SEEN = (("entitlements", "view_invitation"), ("paris_integration", "view_connectlink"))


def grant(apps, schema_editor):
    Permission = apps.get_model("auth", "Permission")
    groups = list(apps.get_model("auth", "Group").objects.filter(name__in=ROLES))
    for label, codename in SEEN:
        # Django creates permissions after all migrations, which is too late to assign them here.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, using=schema_editor.connection.alias, verbosity=0)
        config.models_module = None
        seeing = Permission.objects.get(content_type__app_label=label, codename=codename)
        for group in groups:
            group.permissions.add(seeing)


class Migration(migrations.Migration):
    dependencies = [
        ("venice_api", "0006_support_desk_indexes"),
        ("entitlements", "0005_invitations"),
        ("paris_integration", "0015_connect_links"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
