"""Indexes for lists and clean-ups of tables with millions of rows."""

from django.db import migrations, models

from foundation.migrating import AddIndexBesideWrites


class Migration(migrations.Migration):
    atomic = False  # so that the tables can be written meanwhile

    dependencies = [
        ('entitlements', '0007_matrix_history'),
        ('paris_integration', '0016_support_desk_indexes'),
    ]

    operations = [
        AddIndexBesideWrites(
            model_name='auditevent',
            index=models.Index(fields=['action', 'at'], name='audit_by_action'),
        ),
        AddIndexBesideWrites(
            model_name='auditevent',
            index=models.Index(fields=['actor', 'at'], name='audit_by_actor'),
        ),
        AddIndexBesideWrites(
            model_name='auditevent',
            index=models.Index(condition=models.Q(('outcome', 'done'), _negated=True), fields=['outcome', 'at'], name='audit_not_done'),
        ),
        AddIndexBesideWrites(
            model_name='auditevent',
            index=models.Index(condition=models.Q(('reason', ''), _negated=True), fields=['reason', 'at'], name='audit_by_reason'),
        ),
        AddIndexBesideWrites(
            model_name='dailyusage',
            index=models.Index(fields=['day', 'workspace'], name='daily_usage_by_day'),
        ),
        AddIndexBesideWrites(
            model_name='feed',
            index=models.Index(fields=['last_read_at', 'created_at'], name='feed_unread'),
        ),
        AddIndexBesideWrites(
            model_name='forcedrefresh',
            index=models.Index(fields=['reserved_at'], name='forced_by_time'),
        ),
        AddIndexBesideWrites(
            model_name='forcedrefresh',
            index=models.Index(fields=['instance_id', 'reserved_at'], name='forced_by_instance'),
        ),
        AddIndexBesideWrites(
            model_name='forcedrefresh',
            index=models.Index(condition=models.Q(('fault', ''), _negated=True), fields=['fault', 'reserved_at'], name='forced_by_fault'),
        ),
        AddIndexBesideWrites(
            model_name='forcedrefresh',
            index=models.Index(condition=models.Q(('state', 'in_doubt')), fields=['settled_at'], name='forced_in_doubt'),
        ),
        migrations.RemoveIndex(
            model_name='dailyusage',
            name='daily_usage_age',
        ),
    ]
