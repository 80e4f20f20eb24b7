"""PostgreSQL's function that takes the lease and charges the unit of a forced refresh (`quota.charging`).

A later version of it needs another name, because the previous release calls this one while both run.
"""

from django.db import migrations

# The plan is compared, and not applied: what it allows is decided by `allowance.decide` alone. All that the function
# reads after the two windows are locked is as new as what `ledger.reserve` reads under its locks.
CREATE = """
CREATE FUNCTION paris_integration_charge_unit(
    p_feed uuid, p_seen_fence bigint, p_lease_lasts interval, p_lease_ceiling interval,
    p_hour timestamptz, p_day_cap bigint, p_hour_cap bigint, p_plan_values jsonb,
    p_user_id bigint, p_username text, p_idempotency_key text,
    OUT line_id bigint, OUT charged_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    feed record;
    day timestamptz := date_trunc('day', p_hour, 'UTC');
    moment timestamptz;
    is_same_plan boolean;
BEGIN
    -- The lease, as `feeds.lease.acquire` takes it.
    UPDATE paris_integration_feed
    SET fence = fence + 1, lease_expires_at = clock_timestamp() + p_lease_lasts
    WHERE id = p_feed AND fence = p_seen_fence AND (
        lease_expires_at IS NULL
        OR lease_expires_at <= statement_timestamp()
        OR lease_expires_at > statement_timestamp() + p_lease_ceiling
    )
    RETURNING workspace_id, instance_id, source_type, source_value INTO feed;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    -- One unit in each window: the day first, as in `ledger`. No cap (null) makes the condition null, hence IS NOT FALSE.
    INSERT INTO paris_integration_quotawindow AS held
        (workspace_id, instance_id, source_type, source_value, kind, starts_at, used, granted)
    VALUES (feed.workspace_id, feed.instance_id, feed.source_type, feed.source_value, 'day', day, 1, 0)
    ON CONFLICT (workspace_id, instance_id, source_type, source_value, kind, starts_at)
    DO UPDATE SET used = held.used + 1 WHERE (held.used < p_day_cap + held.granted) IS NOT FALSE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'IGF01';
    END IF;
    INSERT INTO paris_integration_quotawindow AS held
        (workspace_id, instance_id, source_type, source_value, kind, starts_at, used, granted)
    VALUES (feed.workspace_id, feed.instance_id, feed.source_type, feed.source_value, 'hour', p_hour, 1, 0)
    ON CONFLICT (workspace_id, instance_id, source_type, source_value, kind, starts_at)
    DO UPDATE SET used = held.used + 1 WHERE (held.used < p_hour_cap + held.granted) IS NOT FALSE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'IGF01';
    END IF;

    -- Both windows are locked now. The wait for them may have crossed the hour, and the plan may have changed.
    moment := clock_timestamp();
    SELECT jsonb_object_agg(key, value ORDER BY is_override) = p_plan_values INTO is_same_plan
    FROM (
        SELECT key, value, false AS is_override FROM entitlements_planentitlement
        WHERE plan_id = (SELECT plan_id FROM entitlements_workspace WHERE id = feed.workspace_id)
        UNION ALL
        SELECT key, value, true FROM entitlements_entitlementoverride
        WHERE workspace_id = feed.workspace_id AND (ends_at IS NULL OR ends_at > moment)
    ) AS stored
    WHERE p_plan_values ? key;
    IF moment < p_hour OR moment >= p_hour + interval '1 hour' OR is_same_plan IS NOT TRUE THEN
        RAISE SQLSTATE 'IGF01';
    END IF;

    INSERT INTO paris_integration_forcedrefresh (
        workspace_id, instance_id, source_type, source_value, feed_id, fence,
        user_id, username, reserved_at, day_starts_at, hour_starts_at, state, fault
    ) VALUES (
        feed.workspace_id, feed.instance_id, feed.source_type, feed.source_value, p_feed, p_seen_fence + 1,
        p_user_id, p_username, moment, day, p_hour, 'reserved', ''
    ) RETURNING id INTO line_id;
    IF p_idempotency_key IS NOT NULL THEN
        INSERT INTO paris_integration_refreshreceipt (user_id, instance_id, key, forced_refresh_id, created_at)
        VALUES (p_user_id, feed.instance_id, p_idempotency_key, line_id, moment)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'IGF01';
        END IF;
    END IF;
    charged_at := moment;
EXCEPTION WHEN SQLSTATE 'IGF01' THEN
    -- Everything above is undone, and the caller decides under locks.
    line_id := NULL;
END
$$
"""
DROP = "DROP FUNCTION IF EXISTS paris_integration_charge_unit"


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE, params=None)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP, params=None)


class Migration(migrations.Migration):
    dependencies = [("paris_integration", "0017_scale_indexes")]
    operations = [migrations.RunPython(create, drop)]
