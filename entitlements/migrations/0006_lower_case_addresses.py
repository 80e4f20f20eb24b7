"""The addresses of accounts are kept in lower case, because people sign in with them."""

from django.conf import settings
from django.db import migrations
from django.db.models.functions import Lower


def lower(apps, schema_editor):
    apps.get_model("auth", "User").objects.exclude(email=Lower("email")).update(email=Lower("email"))


class Migration(migrations.Migration):
    dependencies = [
        ("entitlements", "0005_invitations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(lower, migrations.RunPython.noop)]
