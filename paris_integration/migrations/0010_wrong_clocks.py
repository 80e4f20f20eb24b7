"""When waits were set, so that each counts only up to its ceiling; and staff's pauses in columns of their own."""

from django.db import migrations, models
from django.utils import timezone


def move_pauses(apps, schema_editor):
    """The feeds of the previous release carry a pause as a back-off. That stays, for its processes read no other."""
    Pause = apps.get_model("paris_integration", "Pause")
    Feed = apps.get_model("paris_integration", "Feed")
    now = timezone.now()
    for pause in Pause.objects.filter(until__gt=now):
        Feed.objects.filter(instance_id=pause.pk).update(paused_at=now, paused_until=pause.until)
        Pause.objects.filter(pk=pause.pk).update(ordered_at=now)


class Migration(migrations.Migration):
    dependencies = [
        ("paris_integration", "0009_incidents"),
    ]

    operations = [
        migrations.AddField(
            model_name="feed",
            name="blocked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="feed",
            name="paused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="feed",
            name="paused_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="feed",
            name="slowed_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="pause",
            name="ordered_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="providerwindow",
            name="parked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="action",
            field=models.CharField(
                choices=[
                    ("forced_refresh", "refresh asked for"),
                    ("units_granted", "units granted"),
                    ("connected", "connected"),
                    ("disconnected", "disconnected"),
                    ("token_died", "token died"),
                    ("token_renewed", "token renewed"),
                    ("token_accepted", "token accepted again"),
                    ("revoked", "revoked at Meta"),
                    ("deauthorised", "deauthorised at Meta"),
                    ("data_deleted", "data deleted on request"),
                    ("backoff_cleared", "back-off cleared"),
                    ("on_behalf", "refreshed on behalf"),
                    ("paused", "paused"),
                    ("purged", "posts purged"),
                    ("reconnect_asked", "asked to reconnect"),
                    ("token_rotated", "embed token rotated"),
                    ("window_opened", "rate-limit window opened"),
                    ("widget_created", "widget created"),
                    ("widget_deleted", "widget deleted"),
                    ("widget_moved", "widget moved to another workspace"),
                    ("settings_changed", "settings changed"),
                    ("post_hidden", "post hidden"),
                    ("post_shown", "post shown again"),
                ],
                max_length=32,
            ),
        ),
        migrations.RunPython(move_pauses, migrations.RunPython.noop),
    ]
