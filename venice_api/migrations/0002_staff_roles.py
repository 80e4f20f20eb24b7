"""Staff roles: first-line support looks, support acts for customers, plan editors edit plans. None sees users' secrets."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOK = [
    "entitlements.plan",
    "entitlements.planentitlement",
    "entitlements.workspace",
    "entitlements.membership",
    "entitlements.entitlementoverride",
    "entitlements.entitlementchange",
    "paris_integration.connection",
    "paris_integration.feed",
    "paris_integration.providerwindow",
    "paris_integration.forcedrefresh",
    "paris_integration.auditevent",
    "paris_integration.dailyusage",
    "venice_api.widgetinstance",
]
VIEW = [f"{label.replace('.', '.view_')}" for label in LOOK]
ROLES = {
    "First-line support": VIEW,
    "Support": [*VIEW, "venice_api.act_for_customer"],
    "Plan editors": [
        *VIEW,
        "entitlements.change_plan",
        "entitlements.change_planentitlement",
        "entitlements.change_workspace",
        "entitlements.add_entitlementoverride",
        "entitlements.change_entitlementoverride",
        "entitlements.delete_entitlementoverride",
    ],
}


def create_roles(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    # Django creates permissions after all migrations, which is too late to assign them here.
    for label in ("entitlements", "paris_integration", "venice_api"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, using=schema_editor.connection.alias, verbosity=0)
        config.models_module = None
    for name, wanted in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        for full_name in wanted:
            label, codename = full_name.split(".")
            group.permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))


def remove_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("venice_api", "0001_initial"),
        ("entitlements", "0003_membership_role"),
        ("paris_integration", "0005_daily_usage"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="widgetinstance",
            options={
                "permissions": [("act_for_customer", "Can act for a customer")],
                "verbose_name": "widget instance",
            },
        ),
        migrations.RunPython(create_roles, remove_roles),
    ]
