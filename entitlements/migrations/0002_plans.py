"""The four plans with the matrix of PRD §6.2. What Starter may optionally have is off here and on by override."""

from django.db import migrations

KEYS = (
    "instagram.profile.enabled",
    "instagram.hashtag.enabled",
    "instagram.oauth.enabled",
    "instagram.refresh.ttlMinutes.min",
    "instagram.refresh.forcePerDay.max",
    "instagram.refresh.forcePerHour.max",
    "instagram.cache.ttlMinutes.default",
)
PLANS = (
    ("free", "Free", (True, False, False, 1440, 1, 0, None)),
    ("starter", "Starter", (True, False, False, 360, 6, 1, None)),
    ("pro", "Pro", (True, True, True, 60, 24, 4, None)),
    ("business", "Business", (True, True, True, 15, 96, 12, None)),
)


def create_plans(apps, schema_editor):
    plan_model = apps.get_model("entitlements", "Plan")
    entitlement_model = apps.get_model("entitlements", "PlanEntitlement")
    for rank, (key, name, values) in enumerate(PLANS):
        plan, _ = plan_model.objects.get_or_create(key=key, defaults={"name": name, "rank": rank})
        for entitlement_key, value in zip(KEYS, values, strict=True):
            entitlement_model.objects.get_or_create(plan=plan, key=entitlement_key, defaults={"value": value})


def remove_plans(apps, schema_editor):
    """Plans that workspaces are on stay: going forward again finds them."""
    unused = apps.get_model("entitlements", "Plan").objects.filter(workspaces__isnull=True)
    unused.filter(key__in=[key for key, _, _ in PLANS]).delete()


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0001_initial")]
    operations = [migrations.RunPython(create_plans, remove_plans)]
