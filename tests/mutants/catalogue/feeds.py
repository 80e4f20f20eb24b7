"""Leases and fences, the TTL, back-off and rate limits, partial answers, waiting readers, previews."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LEASE = "paris_integration/feeds/lease.py"
REFRESHING = "paris_integration/feeds/refreshing.py"
SCHEDULE = "paris_integration/feeds/schedule.py"
READING = "paris_integration/feeds/reading.py"
FAST_COPY = "paris_integration/feeds/fast_copy.py"
RATE_LIMITS = "paris_integration/feeds/rate_limits.py"
CLOCK = "paris_integration/clock.py"
ON_READING = "tests/paris_integration/feeds/test_reading.py"
ON_SCHEDULE = "tests/paris_integration/feeds/test_schedule.py"
ON_CLOCKS = "tests/paris_integration/feeds/test_wrong_clocks.py"
ON_SELECTING = "tests/paris_integration/feeds/test_selecting.py"
ON_DESK = "tests/venice_api/test_support_desk.py"

MUTANTS = (
    Mutant(
        "fence: a flight that lost its lease writes",
        LEASE,
        "Feed.objects.filter(pk=lease.feed_id, fence=lease.fence)",
        "Feed.objects.filter(pk=lease.feed_id)",
        (f"{ON_READING}::test_a_leader_paused_beyond_its_lease_cannot_write",),
    ),
    Mutant(
        "fence: landing doesn't raise it",
        LEASE,
        'flight.update(fence=F("fence") + 1, lease_expires_at=None, **values)',
        "flight.update(lease_expires_at=None, **values)",
        (f"{ON_READING}::test_a_look_during_a_flight_does_not_repeat_it",),
    ),
    Mutant(
        "fence: a discarded result is published",
        REFRESHING,
        "if landed.result is not Result.FENCED:",
        "if True:",
        (f"{ON_READING}::test_a_leader_paused_beyond_its_lease_cannot_write",),
    ),
    Mutant(
        "fence: a late hold overwrites a newer result",
        REFRESHING,
        "if Feed.objects.filter(pk=row.pk, fence=row.fence).update(**values):",
        "if Feed.objects.filter(pk=row.pk).update(**values):",
        (f"{ON_READING}::test_a_hold_does_not_overwrite_a_flight_that_began_meanwhile",),
    ),
    Mutant(
        "lease: two flights at once",
        LEASE,
        'Feed.objects.filter(clock.is_free("lease_expires_at"), pk=feed_id, fence=seen_fence).update(',
        "Feed.objects.filter(pk=feed_id, fence=seen_fence).update(",
        (f"{ON_READING}::test_a_flight_elsewhere_is_not_repeated",),
    ),
    Mutant(
        "lease: the row isn't looked at again under the lock",
        LEASE,
        "pk=feed_id, fence=seen_fence).update(",
        "pk=feed_id).update(",
        (f"{ON_READING}::test_a_look_before_a_flight_landed_does_not_get_the_lease",),
    ),
    Mutant(
        "lease: shorter than a call",
        REFRESHING,
        "return timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) + LEASE_MARGIN",
        "return timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) / 2",
        (f"{ON_READING}::test_a_lease_lasts_longer_than_the_longest_call",),
    ),
    Mutant(
        "lease: kept after a bug",
        REFRESHING,
        "lease.write(flight.held, attempted_at=flight.now)",
        "pass",
        (f"{ON_READING}::test_a_bug_returns_the_lease_and_raises",),
    ),
    Mutant(
        "lease: one from a wrong clock holds a feed for days",
        CLOCK,
        '        | Q((f"{column}__gt", moment + LEASE_CEILING))\n',
        "",
        (f"{ON_CLOCKS}::test_a_lease_stamped_far_ahead_is_ignored",),
    ),
    Mutant(
        "TTL: jitter is subtracted",
        SCHEDULE,
        "state.fetched_at + ttl + ttl * JITTER_SHARE * state.jitter",
        "state.fetched_at + ttl - ttl * JITTER_SHARE * state.jitter",
        (f"{ON_SCHEDULE}::test_jitter_only_adds_time_and_is_enforced_as_announced",),
    ),
    Mutant(
        "TTL: the plan's floor can be undercut",
        SCHEDULE,
        "max(limits.refresh_ttl_minutes_min, limits.cache_ttl_minutes_default or 0)",
        "limits.cache_ttl_minutes_default or limits.refresh_ttl_minutes_min",
        (f"{ON_SCHEDULE}::test_cache_ttl_and_refresh_ttl",),
    ),
    Mutant(
        "TTL: a message refreshes a feed that isn't due",
        REFRESHING,
        "    if allowed_at is not None:\n",
        "    if False:\n",
        (f"{ON_READING}::test_doubled_and_late_messages_change_nothing",),
    ),
    Mutant(
        "TTL: announced times are rounded down",
        SCHEDULE,
        "return moment.replace(microsecond=0) + timedelta(seconds=1)",
        "return moment.replace(microsecond=0)",
        (f"{ON_SCHEDULE}::test_whole_second_rounds_up",),
    ),
    Mutant(
        "beat: a claimed feed is claimed again at once",
        REFRESHING,
        "Feed.objects.filter(pk__in=ids).update(next_refresh_at=now + CLAIM_LASTS)",
        "Feed.objects.filter(pk__in=ids).update(next_refresh_at=now)",
        (f"{ON_READING}::test_beat_claims_due_and_recently_read_feeds_once",),
    ),
    Mutant(
        "back-off: not stored",
        REFRESHING,
        "        blocked_until=blocked_until,\n        next_refresh_at=blocked_until,\n",
        "        blocked_until=None,\n        next_refresh_at=blocked_until,\n",
        (f"{ON_READING}::test_a_failed_refresh_keeps_the_old_posts_and_backs_off",),
    ),
    Mutant(
        "back-off: doesn't grow",
        SCHEDULE,
        "cap = min(TRANSIENT_FIRST_SECONDS * 2.0**doublings,",
        "cap = min(TRANSIENT_FIRST_SECONDS,",
        (f"{ON_SCHEDULE}::test_back_off",),
    ),
    Mutant(
        "back-off: without a floor",
        SCHEDULE,
        "return max(FLOOR_SECONDS, cap * random_share)",
        "return cap * random_share",
        (f"{ON_SCHEDULE}::test_back_off",),
    ),
    Mutant(
        "back-off: grows beyond an hour",
        SCHEDULE,
        "2.0**doublings, clock.TRANSIENT_CEILING.total_seconds())",
        "2.0**doublings, 24 * clock.TRANSIENT_CEILING.total_seconds())",
        (f"{ON_SCHEDULE}::test_back_off",),
    ),
    Mutant(
        "back-off: a stored time counts beyond its ceiling",
        CLOCK,
        "return min(until, set_at + ceiling)",
        "return until",
        (f"{ON_SCHEDULE}::test_a_stored_wait_counts_up_to_its_ceiling",),
    ),
    Mutant(
        "parking: Meta's own time is ignored",
        SCHEDULE,
        "    if isinstance(fault, RateLimited):\n        if fault.retry_after_seconds is not None:",
        "    if isinstance(fault, RateLimited):\n        if False:",
        (f"{ON_SCHEDULE}::test_back_off",),
    ),
    Mutant(
        "parking: other feeds of the credential go on calling",
        REFRESHING,
        "    if parked_until is not None:\n        return Hold(",
        "    if False:\n        return Hold(",
        (f"{ON_READING}::test_a_throttle_holds_back_every_feed_of_the_credential",),
    ),
    Mutant(
        "parking: a shorter wait replaces a longer one",
        RATE_LIMITS,
        "if counted is None or counted < until:",
        "if True:",
        (f"{ON_READING}::test_a_shorter_wait_does_not_shorten_a_longer_one",),
    ),
    Mutant(
        "parking: full usage is ignored",
        SCHEDULE,
        "    if regain_minutes > 0:\n        return min(",
        "    if False:\n        return min(",
        (f"{ON_READING}::test_usage_at_the_limit_stops_the_calls_of_the_credential",),
    ),
    Mutant(
        "parking: the feed doesn't wait for a limit that another feed reached",
        REFRESHING,
        "if closed_until is not None and closed_until > blocked_until:",
        "if False:",
        (f"{ON_READING}::test_a_failure_during_a_rate_limit_announces_when_the_limit_ends",),
    ),
    Mutant(
        "pause: refreshes go on",
        "paris_integration/types.py",
        "for at in (self.blocked_until, self.paused_until) if at is not None",
        "for at in (self.blocked_until,) if at is not None",
        (f"{ON_DESK}::test_a_pause_stops_all_refreshes_and_ends_on_time",),
    ),
    Mutant(
        "last good: an error replaces the posts",
        REFRESHING,
        "        failures=failures,\n",
        '        failures=failures,\n        posts_encoded="[]",\n',
        (f"{ON_READING}::test_a_failed_refresh_keeps_the_old_posts_and_backs_off",),
    ),
    Mutant(
        "last good: a partial answer replaces a fuller copy",
        REFRESHING,
        "if raw.later_page_error is not None and _would_lose_posts(flight.row, dataset):",
        "if False:",
        (f"{ON_READING}::test_a_partial_answer_does_not_replace_a_fuller_copy",),
    ),
    Mutant(
        "last good: a copy from the future is fresh until then",
        SCHEDULE,
        "return fetched_at - now > clock.CLOCK_TOLERANCE",
        "return False",
        (f"{ON_CLOCKS}::test_a_copy_stamped_in_the_future_is_stale",),
    ),
    Mutant(
        "last good: a poisoned copy fails the read",
        "foundation/cache.py",
        "    except Exception:  # noqa: BLE001 - nothing in the cache may fail a reader\n",
        "    except ZeroDivisionError:\n",
        ("tests/foundation/test_cache.py::test_unreadable_copies_count_as_missing",),
    ),
    Mutant(
        "deleted data: a copy stored after the deletion stays",
        "foundation/cache.py",
        "    forget(key)\n    return guarded_load(origin.load), None\n",
        "    return guarded_load(origin.load), None\n",
        (
            "tests/foundation/test_cache.py::"
            "test_nothing_stays_cached_about_what_was_deleted_while_it_was_loaded",
        ),
    ),
    Mutant(
        "deleted data: a copy stays though the deletion can't be ruled out",
        "foundation/cache.py",
        "    except StoreAway:\n        forget(key)\n        return fresh, None\n",
        "    except StoreAway:\n        return fresh, None\n",
        ("tests/foundation/test_cache.py::test_a_value_whose_deletion_cannot_be_ruled_out_is_not_cached",),
    ),
    Mutant(
        "deleted data: a check leaves the copy of a row that is gone",
        "foundation/cache.py",
        "        if has_copy:\n            forget(key)\n",
        "",
        ("tests/foundation/test_cache.py::test_the_copy_of_a_deleted_row_is_removed_by_the_next_check",),
    ),
    Mutant(
        "embed tokens: a widget that changes while it is cached stays as it was",
        "venice_api/instances.py",
        "            is_outdated=lambda instance: load_instance(instance_id) != instance,\n",
        "",
        (
            "tests/venice_api/test_feed.py"
            "::test_a_token_that_is_revoked_while_the_widget_is_being_cached_is_refused",
        ),
    ),
    Mutant(
        "deleted data: values in use are never checked ahead of time",
        "foundation/cache.py",
        "        return {key: self._origins[key] for key in self.keys if self._checked_at_seconds[key] < before}\n",
        "        return {}\n",
        ("tests/foundation/test_cache.py::test_values_are_checked_again_before_they_are_too_old",),
    ),
    Mutant(
        "waiters: each goes upstream",
        "paris_integration/waiting.py",
        "            flight = self._flights.get(flight_key)\n",
        "            flight = None\n",
        ("tests/paris_integration/test_waiting.py::test_waiters_share_one_flight",),
    ),
    Mutant(
        "waiters: one that gives up goes upstream",
        "paris_integration/waiting.py",
        "            return Wait.STILL_FLYING, None\n",
        "            return Wait.LANDED, job()\n",
        ("tests/paris_integration/test_waiting.py::test_a_waiter_that_gives_up_starts_nothing",),
    ),
    Mutant(
        "waiters: without a limit",
        "paris_integration/waiting.py",
        "        if not self._places.acquire(blocking=False):\n            return Wait.NO_PLACE, None\n",
        "        self._places.acquire(blocking=False)\n",
        ("tests/paris_integration/test_waiting.py::test_waiters_beyond_the_places_are_refused_at_once",),
    ),
    Mutant(
        "waiters: flights without a limit",
        "paris_integration/waiting.py",
        "if flight is None and len(self._flights) < self._flight_places:",
        "if flight is None:",
        ("tests/paris_integration/test_waiting.py::test_flights_beyond_the_places_are_not_started",),
    ),
    Mutant(
        "previews: without a budget",
        "paris_integration/feeds/previews.py",
        "PreviewWindow.objects.filter(pk=window.pk, used__lt=settings.PREVIEW_FETCHES_PER_HOUR)",
        "PreviewWindow.objects.filter(pk=window.pk)",
        (f"{ON_READING}::test_previews_are_limited_per_workspace_and_hour",),
    ),
    Mutant(
        "previews: counted in the cache",
        "paris_integration/feeds/previews.py",
        """    if not charged.update(used=F("used") + 1):
""",
        """    from django.core.cache import cache

    cache.add(f"previews:{window.pk}", 0)
    charged.update(used=F("used") + 1)
    if cache.incr(f"previews:{window.pk}") > settings.PREVIEW_FETCHES_PER_HOUR:
""",
        (f"{ON_READING}::test_an_emptied_cache_gives_no_previews_back",),
    ),
    Mutant(
        "selecting: hidden posts are shown",
        "paris_integration/feeds/selecting.py",
        "if post.id in selection.hidden_ids:",
        "if False:",
        (f"{ON_SELECTING}::test_the_order_of_the_steps",),
    ),
    Mutant(
        "selecting: posts are shown before their approval",
        "paris_integration/feeds/selecting.py",
        "if selection.approved_ids is not None and post.id not in selection.approved_ids:",
        "if False:",
        (f"{ON_SELECTING}::test_the_order_of_the_steps",),
    ),
    Mutant(
        "sources: a username is matched at its start",
        "paris_integration/feeds/sources.py",
        "USERNAME.fullmatch(value)",
        "USERNAME.match(value)",
        ("tests/paris_integration/feeds/test_sources.py::test_invalid_usernames_are_refused",),
    ),
    Mutant(
        "sources: a tag is matched at its start",
        "paris_integration/feeds/sources.py",
        "TAG.fullmatch(value)",
        "TAG.match(value)",
        ("tests/paris_integration/feeds/test_sources.py::test_invalid_tags_are_refused",),
    ),
    Mutant(
        "previews: a preview during a fetch is charged",
        "paris_integration/feeds/reading.py",
        "    return _verdict(found, found.copy).is_due and not lease.is_held(found.row.pk)",
        "    return _verdict(found, found.copy).is_due",
        (f"{ON_READING}::test_a_preview_during_a_fetch_costs_nothing",),
    ),
    Mutant(
        "beat: claims while workers are late",
        "paris_integration/tasks.py",
        "    if waiting is not None and waiting >= MESSAGES_WAITING_AT_MOST:",
        "    if False:",
        (
            "tests/paris_integration/test_tasks.py::test_feeds_stay_in_the_database_while_the_workers_are_late",
        ),
    ),
    Mutant(
        "limits: beat forgets the feeds of a changed plan",
        "paris_integration/feeds/rescheduling.py",
        "        _reschedule(change.workspace_ids, now)",
        "        pass",
        (
            "tests/paris_integration/feeds/test_rescheduling.py"
            "::test_feeds_of_many_workspaces_are_checked_by_beat",
        ),
    ),
)
