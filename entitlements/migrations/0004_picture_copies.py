"""The key for copies of pictures, on in every plan, including plans that staff added."""

from django.db import migrations, models

KEY = "instagram.media.copies.enabled"


def add_key(apps, schema_editor):
    entitlement_model = apps.get_model("entitlements", "PlanEntitlement")
    for plan in apps.get_model("entitlements", "Plan").objects.all():
        entitlement_model.objects.get_or_create(plan=plan, key=KEY, defaults={"value": True})


def remove_key(apps, schema_editor):
    for name in ("PlanEntitlement", "EntitlementOverride"):
        apps.get_model("entitlements", name).objects.filter(key=KEY).delete()


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0003_membership_role")]
    operations = [
        migrations.RunPython(add_key, remove_key),
        migrations.AlterField(
            model_name='entitlementoverride',
            name='key',
            field=models.CharField(choices=[('instagram.profile.enabled', 'instagram.profile.enabled'), ('instagram.hashtag.enabled', 'instagram.hashtag.enabled'), ('instagram.oauth.enabled', 'instagram.oauth.enabled'), ('instagram.refresh.ttlMinutes.min', 'instagram.refresh.ttlMinutes.min'), ('instagram.refresh.forcePerDay.max', 'instagram.refresh.forcePerDay.max'), ('instagram.refresh.forcePerHour.max', 'instagram.refresh.forcePerHour.max'), ('instagram.cache.ttlMinutes.default', 'instagram.cache.ttlMinutes.default'), ('instagram.media.copies.enabled', 'instagram.media.copies.enabled')], max_length=80),
        ),
        migrations.AlterField(
            model_name='planentitlement',
            name='key',
            field=models.CharField(choices=[('instagram.profile.enabled', 'instagram.profile.enabled'), ('instagram.hashtag.enabled', 'instagram.hashtag.enabled'), ('instagram.oauth.enabled', 'instagram.oauth.enabled'), ('instagram.refresh.ttlMinutes.min', 'instagram.refresh.ttlMinutes.min'), ('instagram.refresh.forcePerDay.max', 'instagram.refresh.forcePerDay.max'), ('instagram.refresh.forcePerHour.max', 'instagram.refresh.forcePerHour.max'), ('instagram.cache.ttlMinutes.default', 'instagram.cache.ttlMinutes.default'), ('instagram.media.copies.enabled', 'instagram.media.copies.enabled')], max_length=80),
        ),
    ]
