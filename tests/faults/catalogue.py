"""The figures of docs/reliability.md: what each means, and the tests that measure it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Lane(Enum):
    """The two lanes run side by side, each with its own servers; in the second, those without any come last."""

    ALONE = "alone"  # what measures how long readers wait
    FIRST = "first"
    SECOND = "second"
    SQLITE = "SQLite"


@dataclass(frozen=True)
class Figure:
    """`hard`: beyond this a test fails. A goal that is only missed is reported. `tests`: arguments for pytest."""

    goal: str
    hard: str
    tests: tuple[str, ...]
    lane: Lane = Lane.FIRST


FORCED = "tests/races/test_forced_refresh.py::"
MODEL = "tests/paris_integration/quota/test_forced_model.py::"

FAULTS = "tests/faults/"
EDGES = f"{FAULTS}test_edges.py::"
FEEDS = "tests/processes/test_feed_races.py::"
CONNECTIONS = "tests/races/test_connections.py::test_concurrent_changes_of_connections_leave_no_errors"

FIGURES: dict[str, Figure] = {
    "Q1": Figure(
        "10,000 racing POSTs over 8 processes (caps 1, 96, 2,000; one widget and 50): no unit over-spent or lost",
        "a unit over-spent",
        (
            f"{FORCED}test_racing_posts_neither_exceed_the_limit_nor_lose_units",
            f"{FAULTS}test_quota.py::test_released_at_once_posts_for_fifty_widgets",
            f"{FAULTS}test_quota.py::test_the_judge_convicts_a_naive_service",
        ),
    ),
    "Q2": Figure(
        "the same with a `kill -9` every 250 ms: none over-spent, in doubt at most one per kill, all settled in 60 s",
        "a unit over-spent, or a line left open",
        (f"{FORCED}test_killed_processes_neither_exceed_the_limit_nor_leave_units_open",),
    ),
    "Q3": Figure(
        "the same with Redis flushed every second, refusing, hung, full: none over-spent",
        "a unit over-spent",
        (f"{FAULTS}test_quota.py::test_racing_posts_while_redis_is_in_trouble",),
    ),
    "Q6": Figure(
        "one unit for one idempotency key, under 100 repeats at once and 100 later, and with a lost COMMIT",
        "more than one",
        (
            f"{FORCED}test_racing_repeats_cost_one_unit_a_day",
            f"{FAULTS}test_quota.py::test_an_answer_to_a_commit_that_is_lost",
        ),
    ),
    "D1": Figure(
        "the audit trail after Q2 has every answer and every settled line: none missing, none twice",
        "a missing event",
        (f"{FORCED}test_killed_processes_neither_exceed_the_limit_nor_leave_units_open",),
    ),
    "C1": Figure(
        "one call for 1,000 cold reads at once over 4 processes, with the provider at 0.3 s, 3 s and beyond the wait",
        "a second call, a 500, or no answer",
        (f"{FAULTS}test_herds.py::test_a_herd_of_cold_readers_costs_one_call",),
    ),
    "C2": Figure(
        "1,000 cold reads of a failing provider: at most 3 calls",
        "more than 10",
        (f"{FAULTS}test_herds.py::test_a_herd_at_a_failing_provider",),
    ),
    "C3": Figure(
        "500 readers who arrive while the result is written: still one call",
        "a second call",
        (f"{FAULTS}test_herds.py::test_readers_who_arrive_while_the_result_is_committed",),
    ),
    "C4": Figure(
        "a leader that is paused or killed: at most 2 calls, and never older over newer in 200 trials",
        "older data over newer",
        (
            f"{FAULTS}test_herds.py::test_a_leader_that_was_paused_beyond_its_lease_writes_nothing",
            f"{FAULTS}test_herds.py::test_a_killed_leader",
        ),
    ),
    "A5": Figure(
        "recovery: requests right 2 s after a web process is killed; a feed refreshable 30 s and fresh 60 s after a "
        "worker is killed in its call, or after the provider is back",
        "twice as long",
        (
            f"{FAULTS}test_herds.py::test_a_killed_leader",
            f"{FAULTS}test_recovery.py::test_a_killed_web_process_is_replaced",
            f"{FAULTS}test_recovery.py::test_a_feed_is_fresh_soon_after_the_provider_is_back",
            f"{FAULTS}test_recovery.py::test_calls_during_an_outage_and_after_a_throttle",
        ),
        lane=Lane.ALONE,
    ),
    "A1": Figure(
        "all reads of filled feeds are answered 200 with a warning while Meta is away; p99 at most 250 ms and twice "
        "the healthy one",
        "a read without its posts",
        (f"{FAULTS}test_outages.py::test_reads_during_outages_of_meta",),
        lane=Lane.ALONE,
    ),
    "A2": Figure(
        "Redis refusing or hung: all warm reads 200, p99 at most 500 ms, normal within 5 s of its return",
        "less than 99.9 %, or a 500",
        (f"{FAULTS}test_outages.py::test_reads_while_redis_is_in_trouble",),
        lane=Lane.ALONE,
    ),
    "A3": Figure(
        "PostgreSQL gone or hung: 99 % of warm reads 200, each within 1 s, no 500, normal within 5 s, no restart",
        "a 500, or a read longer than 3 s",
        (f"{FAULTS}test_outages.py::test_reads_while_postgresql_is_in_trouble",),
        lane=Lane.ALONE,
    ),
    "A6": Figure(
        "at most 3 calls per refresh, 1.1 in the mean; after a throttle no call before its stated end",
        "more than 1.5, or a call before that time",
        (f"{FAULTS}test_recovery.py::test_calls_during_an_outage_and_after_a_throttle",),
    ),
    "A7": Figure(
        "two beats, four workers, every message twice, 500 due feeds: exactly 500 calls",
        "a second call within the TTL",
        (f"{FAULTS}test_recovery.py::test_two_beats_four_workers_and_every_message_twice",),
    ),
    "A8": Figure(
        "bombs, drips and huge bodies: at most 50 MB more, over within 10 s ± 1, the last good posts kept",
        "more than 15 s, or the posts lost",
        (f"{FAULTS}test_recovery.py::test_hostile_bodies",),
        lane=Lane.SECOND,
    ),
    "A9": Figure(
        "a full disk: all reads 200, refreshes refused without a charge, right within 5 s, nothing corrupt",
        "corruption, or a success that wasn't one",
        (f"{FAULTS}test_recovery.py::test_a_full_disk_of_the_database",),
        lane=Lane.SECOND,
    ),
    "A4": Figure(
        "with 200 clients stuck on one feed, others are read without an error, p99 at most twice the one before",
        "an error",
        (f"{FEEDS}test_a_hanging_key_leaves_the_others_alone",),
        lane=Lane.ALONE,
    ),
    "O1": Figure(
        "100 callbacks at once: one exchange; 200 wrong states: no exchange and no token",
        "a second exchange",
        (CONNECTIONS, f"{EDGES}test_callbacks"),
        lane=Lane.SECOND,
    ),
    "O2": Figure(
        "50 renewals of one token at once, with a slow answer: one call",
        "a second call",
        (CONNECTIONS,),
        lane=Lane.SECOND,
    ),
    "O3": Figure(
        "1,000 disconnects against refreshes, over processes: no token, link, copy or post is left",
        "anything left",
        (CONNECTIONS,),
        lane=Lane.SECOND,
    ),
    "O4": Figure(
        "a rotation of 1,000 tokens, killed 20 times: all can be read at each stop, none is on an old key at the end",
        "a token lost",
        (CONNECTIONS,),
        lane=Lane.SECOND,
    ),
    "D2": Figure(
        "metrics, over processes, equal the counts of clients and provider",
        "more than 1 % off",
        ("tests/races/test_metrics_load.py::test_one_scrape_matches_what_clients_and_provider_counted",),
        lane=Lane.SECOND,
    ),
    "Q4": Figure(
        "`nextRefreshAllowedAt` is exact to the second in 500 random states",
        "more than 1 % wrong",
        (
            f"{MODEL}test_the_allowance_is_enforced_as_announced_to_the_second",
            f"{MODEL}test_announced_times_are_enforced_to_the_second",
        ),
        lane=Lane.SQLITE,
    ),
    "Q5": Figure(
        "the service and a model of the contract agree in 2,000 histories of 50 steps",
        "a divergence",
        (f"{MODEL}test_model_and_service_agree_on_every_history",),
        lane=Lane.SQLITE,
    ),
    "C5": Figure(
        "no automatic call before the TTL in 10,000 simulated feed-days; 500 aligned feeds are spread so that no "
        "second has more than 5 times the mean",
        "an early call",
        (f"{FAULTS}test_schedule.py",),
        lane=Lane.SQLITE,
    ),
    "S3": Figure(
        "tenants, redirects (60), signed requests (40) and embed tokens (40): all forgeries refused; foreign and "
        "missing widgets look and last the same",
        "one accepted",
        (
            f"{EDGES}test_walls_between_tenants",
            f"{EDGES}test_redirects_lead_nowhere_else",
            f"{EDGES}test_forged_signed_requests",
            f"{EDGES}test_forged_embed_tokens",
        ),
        lane=Lane.SECOND,
    ),
    "S4": Figure(
        "200 foreign sources with a valid public token: no call; 30 spellings: one row",
        "a call",
        (f"{EDGES}test_a_public_token_buys_no_calls",),
        lane=Lane.SECOND,
    ),
    "S1": Figure(
        "no secret in database, Redis, logs at DEBUG, answers and metrics, in any form; a planted control is found",
        "a hit",
        ("tests/processes/test_secrets.py::test_no_secret_is_found_anywhere",),
        lane=Lane.SECOND,
    ),
    "S5": Figure(
        "security headers on every answer; the checks of a deployment pass, and unsafe settings don't start",
        "a header missing on an answer to a write or from the editor",
        (
            "tests/venice_api/test_security_headers.py",
            "tests/foundation/test_configuration.py::test_a_valid_production_configuration_passes_every_check",
            "tests/foundation/test_configuration.py::test_production_refuses_to_start_with_a_default_secret",
        ),
        lane=Lane.SQLITE,
    ),
    "M2": Figure(
        "races and crashes on PostgreSQL with several processes; all of this within 15 minutes on two cores",
        "a test that fails",
        (),
    ),
}
