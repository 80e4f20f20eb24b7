from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0002_plans")]
    operations = [
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["viewer", "editor", "owner"])), name="membership_role_known"
            ),
        ),
    ]
