"""Units of forced refreshes: charging, settling, receipts, and what a request joins or is refused for."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

FORCING = "paris_integration/quota/forcing.py"
RECEIPTS = "paris_integration/quota/receipts.py"
LEDGER = "paris_integration/quota/ledger.py"
CHARGE = "paris_integration/migrations/0018_charge_unit.py"
ALLOWANCE = "paris_integration/quota/allowance.py"
ON_REFRESH = "tests/venice_api/test_refresh.py"
ON_CHARGING = "tests/races/test_charging.py"
ON_BOOKS = "tests/races/test_books.py"
ON_MODEL = "tests/paris_integration/quota/test_forced_model.py"

MUTANTS = (
    Mutant(
        "allowance: the hour isn't limited",
        ALLOWANCE,
        "\n            or _left(_hour_cap(limits, book), book.hour.used) == 0\n",
        "\n",
        (f"{ON_REFRESH}::test_each_plan_refreshes_as_often_as_the_matrix_says",),
    ),
    Mutant(
        "allowance: the plan's sources aren't limited",
        ALLOWANCE,
        "    if not is_source_in_plan(source, limits):\n        return Decision(",
        "    if False:\n        return Decision(",
        (f"{ON_REFRESH}::test_plan_restrictions_are_reported_before_other_reasons",),
    ),
    Mutant(
        "allowance: a day begins at every hour",
        ALLOWANCE,
        "return hour if self is WindowKind.HOUR else hour.replace(hour=0)",
        "return hour",
        (f"{ON_REFRESH}::test_each_plan_refreshes_as_often_as_the_matrix_says",),
    ),
    Mutant(
        "charge: more units than the hour has",
        CHARGE,
        "WHERE (held.used < p_hour_cap + held.granted) IS NOT FALSE",
        "WHERE true",
        (f"{ON_CHARGING}::test_charges_at_once_take_exactly_the_units_that_are_left",),
        needs_postgres=True,
    ),
    Mutant(
        "charge: the fence isn't compared",
        CHARGE,
        "AND fence = p_seen_fence AND (",
        "AND (",
        (f"{ON_CHARGING}::test_nothing_is_charged_after_another_flight_has_begun_and_ended",),
        needs_postgres=True,
    ),
    Mutant(
        "charge: the plan isn't compared",
        CHARGE,
        " OR is_same_plan IS NOT TRUE THEN",
        " THEN",
        (f"{ON_CHARGING}::test_a_charge_sees_the_plan_changed_while_it_waited",),
        needs_postgres=True,
    ),
    Mutant(
        "charge: the hour isn't compared",
        CHARGE,
        "    IF moment < p_hour OR moment >= p_hour + interval '1 hour' OR is_same_plan",
        "    IF is_same_plan",
        (f"{ON_CHARGING}::test_the_clock_is_read_after_the_wait_for_the_windows",),
        needs_postgres=True,
    ),
    Mutant(
        "click: a flight under way isn't joined",
        FORCING,
        "            if self._join_flight(row):\n",
        "            if False:\n",
        (f"{ON_REFRESH}::test_a_click_receives_the_result_of_the_running_refresh",),
    ),
    Mutant(
        "click: a rate limit is ignored",
        FORCING,
        "return hold is not None or (held_until is not None and held_until > self.now)",
        "return False",
        (f"{ON_REFRESH}::test_a_rate_limited_credential_is_not_called",),
    ),
    Mutant(
        "click: lease and charge in two transactions",
        FORCING,
        "            with transaction.atomic():\n                held = lease.acquire(",
        "            if True:\n                held = lease.acquire(",
        (f"{ON_REFRESH}::test_a_refused_charge_leaves_no_lease",),
    ),
    Mutant(
        "click: a unit is open after a bug",
        FORCING,
        "                ledger.settle(line, ledger.State.IN_DOUBT)\n            raise",
        "                pass\n            raise",
        (f"{ON_REFRESH}::test_a_bug_during_a_refresh_leaves_the_unit_unsettled_and_the_lease_free",),
    ),
    Mutant(
        "click: a discarded result counts as a success",
        FORCING,
        "ledger.State.IN_DOUBT if fenced else ledger.State.SUCCEEDED",
        "ledger.State.SUCCEEDED",
        (f"{ON_REFRESH}::test_a_discarded_result_leaves_the_unit_in_doubt",),
    ),
    Mutant(
        "receipts: a repeat is carried out",
        FORCING,
        "    if _wait_for_earlier(request):\n        return attempt.view()\n    try:",
        "    try:",
        (f"{ON_REFRESH}::test_a_repeat_is_answered_when_the_units_are_used_up",),
    ),
    Mutant(
        "receipts: shared by users",
        RECEIPTS,
        '{"user_id": request.user_id, "instance_id"',
        '{"user_id": 0, "instance_id"',
        (f"{ON_REFRESH}::test_a_key_belongs_to_one_user_and_one_widget",),
    ),
    Mutant(
        "receipts: shared by widgets",
        RECEIPTS,
        '"instance_id": request.instance_id, "key"',
        '"instance_id": "", "key"',
        (f"{ON_REFRESH}::test_a_key_belongs_to_one_user_and_one_widget",),
    ),
    Mutant(
        "receipts: valid for ever",
        RECEIPTS,
        "return Q(created_at__lt=now - LASTS) | Q(created_at__gt=now + LASTS)",
        "return Q(created_at__gt=now + LASTS)",
        (f"{ON_REFRESH}::test_receipts_are_valid_for_a_day_even_before_clean_up",),
    ),
    Mutant(
        "receipts: one from the future is valid",
        RECEIPTS,
        "return Q(created_at__lt=now - LASTS) | Q(created_at__gt=now + LASTS)",
        "return Q(created_at__lt=now - LASTS)",
        (f"{ON_REFRESH}::test_a_receipt_from_the_future_is_ignored",),
    ),
    # The rest is about the ledger.
    Mutant(
        "ledger: a charge without its condition",
        LEDGER,
        "_windows(key, book.at).filter(unchanged).update(",
        "_windows(key, book.at).update(",
        (f"{ON_BOOKS}::test_without_row_locks_a_charge_based_on_an_outdated_book_is_refused",),
        needs_postgres=True,
    ),
    Mutant(
        "ledger: the windows aren't locked",
        LEDGER,
        'held = _windows(key, now).select_for_update().order_by("pk")',
        'held = _windows(key, now).order_by("pk")',
        (f"{ON_BOOKS}::test_of_two_charges_for_the_last_unit_the_second_is_refused",),
        needs_postgres=True,
    ),
    Mutant(
        "ledger: the decision isn't made again under the lock",
        LEDGER,
        "    if decision.reason is not None:\n        raise RefreshRefused",
        "    if False:\n        raise RefreshRefused",
        (f"{ON_BOOKS}::test_of_two_charges_for_the_last_unit_the_second_is_refused",),
        needs_postgres=True,
    ),
    Mutant(
        "ledger: the clock is read before the lock",
        LEDGER,
        "        held_at = clock.database_now()\n",
        "        held_at = now\n",
        (f"{ON_MODEL}::test_a_charge_that_waited_across_midnight_counts_for_the_new_day",),
    ),
    Mutant(
        "ledger: units are counted in the cache",
        LEDGER,
        'if _windows(key, book.at).filter(unchanged).update(used=F("used") + 1) != len(WindowKind):',
        """from django.core.cache import cache

    cache.add(f"units:{key.instance_id}", 0)
    if cache.incr(f"units:{key.instance_id}") > (limits.force_per_hour_max or 1):""",
        (f"{ON_REFRESH}::test_an_emptied_cache_gives_no_units_back",),
    ),
    Mutant(
        "ledger: a line is settled twice",
        LEDGER,
        "ForcedRefresh.objects.filter(pk=line.pk, state=State.RESERVED).update(",
        "ForcedRefresh.objects.filter(pk=line.pk).update(",
        (f"{ON_REFRESH}::test_a_ledger_line_is_settled_only_once",),
    ),
    Mutant(
        "ledger: a failure keeps the unit",
        LEDGER,
        "        if state is State.FAILED:\n            _return_unit(line)\n",
        "",
        (f"{ON_REFRESH}::test_a_failure_costs_nothing_and_starts_the_back_off",),
    ),
    Mutant(
        "ledger: a doubt returns the unit",
        LEDGER,
        "        if state is State.FAILED:\n            _return_unit(line)\n",
        "        if state is not State.SUCCEEDED:\n            _return_unit(line)\n",
        (f"{ON_REFRESH}::test_reservations_of_a_dead_process_are_settled_as_spent",),
    ),
    Mutant(
        "ledger: a unit is returned to the current window",
        LEDGER,
        "starts_at=line.day_starts_at)",
        "starts_at=WindowKind.DAY.start_of(clock.database_now()))",
        (f"{ON_REFRESH}::test_a_unit_returns_to_the_day_it_was_charged_to",),
    ),
    Mutant(
        "ledger: lines of living processes are settled",
        LEDGER,
        "is_orphan = Q(reserved_at__lt=now - older_than)",
        "is_orphan = Q(reserved_at__lte=now)",
        (f"{ON_REFRESH}::test_reservations_of_a_dead_process_are_settled_as_spent",),
    ),
    Mutant(
        "ledger: a receipt isn't written with the charge",
        LEDGER,
        "receipts.open_for(request, line, now=book.at)",
        "pass",
        (f"{ON_REFRESH}::test_a_repeat_after_a_request_that_was_cut_off_costs_nothing_more",),
    ),
)
