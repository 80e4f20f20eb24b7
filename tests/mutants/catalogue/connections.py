"""Tokens: sealing, versions, renewals, key rotation; disconnects, withdrawals, erased widgets, incidents, hashtags."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LIFECYCLE = "paris_integration/connections/lifecycle.py"
RENEWALS = "paris_integration/connections/renewals.py"
INCIDENTS = "paris_integration/connections/incidents.py"
LINKS = "paris_integration/connections/links.py"
REVOKING = "paris_integration/connections/revoking.py"
ROTATION = "paris_integration/connections/key_rotation.py"
VAULT = "paris_integration/connections/vault.py"
WITHDRAWAL = "paris_integration/connections/withdrawal.py"
FAST_COPY = "paris_integration/feeds/fast_copy.py"
SITUATION = "paris_integration/feeds/situation.py"
ON_CONNECT = "tests/venice_api/test_connect.py"
ON_CONNECTIONS = "tests/paris_integration/connections/test_connections.py"
ON_DELETION = "tests/venice_api/test_deletion.py"
ON_INCIDENTS = "tests/paris_integration/connections/test_incidents.py"
ON_LOCKS = "tests/paris_integration/connections/test_connection_locks.py"
ON_RENEWALS = "tests/paris_integration/connections/test_renewals.py"
ON_REVOKING = "tests/paris_integration/connections/test_revoking.py"
ON_VAULT = "tests/paris_integration/connections/test_vault.py"
ON_WIDGETS = "tests/venice_api/test_widget_deletion.py"

MUTANTS = (
    Mutant(
        "vault: a token can be read in another row",
        VAULT,
        'f"igfeed/token/{row_id}".encode()',
        'b"igfeed/token/"',
        (f"{ON_VAULT}::test_a_token_can_be_decrypted_only_for_its_row",),
    ),
    Mutant(
        "vault: only the first key decrypts",
        VAULT,
        "for key in settings.TOKEN_ENCRYPTION_KEYS:",
        "for key in settings.TOKEN_ENCRYPTION_KEYS[:1]:",
        (f"{ON_VAULT}::test_the_first_key_encrypts_and_all_keys_decrypt",),
    ),
    Mutant(
        "vault: any text can be stored as a token",
        "paris_integration/models/fields.py",
        '            raise TypeError("a SealedToken belongs here")\n',
        "            value = SealedToken(str(value).encode())\n",
        (f"{ON_VAULT}::test_a_secret_is_never_shown_or_stored_unencrypted",),
    ),
    Mutant(
        "rotation: overwrites a token that was renewed meanwhile",
        ROTATION,
        "filter(pk=row.pk, token=row.token).update(token=sealed)",
        "filter(pk=row.pk).update(token=sealed)",
        (f"{ON_RENEWALS}::test_rotation_keeps_a_token_renewed_meanwhile",),
    ),
    Mutant(
        "rotation: deletes what it can't read",
        ROTATION,
        "            unreadable += 1\n            continue\n",
        "            unreadable += type(row)._default_manager.filter(pk=row.pk).update(token=None)\n"
        "            continue\n",
        (f"{ON_RENEWALS}::test_rotation_skips_what_it_cannot_decrypt",),
    ),
    Mutant(
        "token version: a new token keeps the old version",
        LIFECYCLE,
        "    row.token_version += 1\n",
        "",
        (f"{ON_CONNECTIONS}::test_a_failure_with_an_older_token_does_not_mark_the_connection",),
    ),
    Mutant(
        "token version: a refusal of an older token ends the connection",
        LIFECYCLE,
        "        rows = Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)\n"
        "        if not rows",
        "        rows = Connection.objects.filter(pk=facts.connection_id)\n        if not rows",
        (f"{ON_CONNECTIONS}::test_a_failure_with_an_older_token_does_not_mark_the_connection",),
    ),
    Mutant(
        "token version: an answer to an older token is noted",
        INCIDENTS,
        "return Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)",
        "return Connection.objects.filter(pk=facts.connection_id)",
        (f"{ON_INCIDENTS}::test_a_late_refusal_of_an_old_token_does_not_affect_the_new_one",),
    ),
    Mutant(
        "renewal: overwrites a newer token",
        RENEWALS,
        "stored = Connection.objects.filter(pk=row.pk, token_version=row.token_version).update(",
        "stored = Connection.objects.filter(pk=row.pk).update(",
        (f"{ON_RENEWALS}::test_a_renewal_does_not_overwrite_a_newer_token",),
    ),
    Mutant(
        "renewal: a failure puts off the renewal of a newer token",
        RENEWALS,
        "    Connection.objects.filter(pk=row.pk, token_version=row.token_version).update(\n"
        "        renewal_failures",
        "    Connection.objects.filter(pk=row.pk).update(\n        renewal_failures",
        (f"{ON_RENEWALS}::test_a_failed_renewal_does_not_delay_the_renewal_of_a_newer_token",),
    ),
    Mutant(
        "renewal: two at once",
        RENEWALS,
        '_due(now).filter(clock.is_free("renewal_lease_expires_at"), pk=connection_id)',
        "_due(now).filter(pk=connection_id)",
        (f"{ON_RENEWALS}::test_a_renewal_under_way_is_not_started_twice",),
    ),
    Mutant(
        "renewal: of a token that is too young",
        RENEWALS,
        "Connection.objects.filter(is_due, is_old_enough, state__in=USABLE_STATES)",
        "Connection.objects.filter(is_due, state__in=USABLE_STATES)",
        (f"{ON_RENEWALS}::test_a_token_younger_than_a_day_is_not_renewed",),
    ),
    Mutant(
        "check: a temporary failure counts as a refusal",
        "paris_integration/connections/health.py",
        "    if not is_refusal(fault) or _refuse(facts, fault) is not fault:\n",
        "    if is_refusal(fault) and _refuse(facts, fault) is not fault:\n",
        (f"{ON_INCIDENTS}::test_a_check_without_an_answer_is_repeated",),
    ),
    Mutant(
        "disconnect: the posts stay",
        LIFECYCLE,
        "    _connected_feeds(key).purge()\n    given_up = None\n",
        "    given_up = None\n",
        (f"{ON_CONNECTIONS}::test_a_disconnect_leaves_no_data",),
    ),
    Mutant(
        "disconnect: the token stays",
        LIFECYCLE,
        "    held.delete()\n    return True\n",
        "    return True\n",
        (f"{ON_CONNECTIONS}::test_a_disconnect_leaves_no_data",),
    ),
    Mutant(
        "disconnect: pending logins go on",
        LIFECYCLE,
        "login_fences.cancel_for_instance(key)  # first, by the lock order",
        "pass",
        (f"{ON_CONNECT}::test_a_withdrawal_during_the_exchange_wins",),
    ),
    Mutant(
        "disconnect: a connection that another widget uses is deleted",
        LIFECYCLE,
        "    if held.links.exists():\n        return False\n",
        "",
        (f"{ON_CONNECTIONS}::test_a_connection_is_kept_while_an_instance_uses_it",),
    ),
    Mutant(
        "disconnect: of another workspace's widget",
        LIFECYCLE,
        ".filter(pk=key.instance_id, connection__workspace_id=key.workspace_id)",
        ".filter(pk=key.instance_id)",
        (f"{ON_CONNECTIONS}::test_another_workspace_cannot_disconnect_the_instance",),
    ),
    Mutant(
        "disconnect: a late refresh leaves a copy in the cache",
        FAST_COPY,
        "if cache.guarded_load(lambda: _is_gone(copy), patience_seconds=0):",
        "if False:",
        (f"{ON_CONNECTIONS}::test_a_copy_stored_after_a_disconnect_is_removed",),
    ),
    Mutant(
        "disconnect: a late reader leaves a copy in the cache",
        FAST_COPY,
        "FeedCopy, is_outdated=_is_gone)",
        "FeedCopy)",
        (f"{ON_CONNECTIONS}::test_a_copy_stored_after_a_disconnect_is_removed",),
    ),
    Mutant(
        "disconnect: locks its rows in another order",
        LIFECYCLE,
        """    login_fences.cancel_for_instance(key)  # first, by the lock order
    link = (
        ConnectionLink.objects.select_for_update(of=("self",))
        .filter(pk=key.instance_id, connection__workspace_id=key.workspace_id)
        .first()
    )
    row = next(iter(hold_connections(Q(pk=link.connection_id))), None) if link else None
""",
        """    link = ConnectionLink.objects.filter(
        pk=key.instance_id, connection__workspace_id=key.workspace_id
    ).first()
    row = next(iter(hold_connections(Q(pk=link.connection_id))), None) if link else None
    list(ConnectionLink.objects.select_for_update().filter(pk=key.instance_id))
    login_fences.cancel_for_instance(key)
""",
        (f"{ON_LOCKS}::test_a_withdrawal_and_a_disconnect_do_not_wait_for_each_other",),
        needs_postgres=True,
    ),
    Mutant(
        "links: a cached link outlives its connection",
        LINKS,
        "        is_outdated=_is_gone,\n",
        "",
        (f"{ON_DELETION}::test_a_late_copy_of_the_connection_is_deleted",),
    ),
    Mutant(
        "links: another workspace's connection is used",
        LINKS,
        "return facts if facts and facts.workspace_id == key.workspace_id else None",
        "return facts",
        (f"{ON_WIDGETS}::test_no_path_reads_with_another_workspaces_account",),
    ),
    Mutant(
        "revoking: a grant that is still used",
        REVOKING,
        "if others.filter(_may_be_of(given_up)).exists():",
        "if False:",
        (f"{ON_REVOKING}::test_other_connections_that_use_the_grant_keep_it",),
    ),
    Mutant(
        "revoking: during an incident",
        REVOKING,
        "if given_up.login.value in incidents.open_logins():",
        "if False:",
        (f"{ON_REVOKING}::test_nothing_is_revoked_in_an_incident_or_before_its_refusals_have_been_checked",),
    ),
    Mutant(
        "withdrawal: a deauthorisation keeps the tokens",
        WITHDRAWAL,
        "        _withdraw_tokens(held, now)\n",
        "",
        (f"{ON_CONNECTIONS}::test_a_deauthorisation_by_meta_ends_the_connections_of_the_person",),
    ),
    Mutant(
        "withdrawal: a running renewal stores its token",
        WITHDRAWAL,
        '        token_version=F("token_version") + 1,\n',
        "",
        (f"{ON_RENEWALS}::test_a_withdrawal_during_a_renewal_takes_precedence",),
    ),
    Mutant(
        "withdrawal: receipts stay",
        WITHDRAWAL,
        "    RefreshReceipt.objects.filter(instance_id__in=showing).delete()\n",
        "",
        (f"{ON_DELETION}::test_nothing_is_left",),
    ),
    Mutant(
        "withdrawal: the account's posts stay in other widgets",
        WITHDRAWAL,
        "Feed.objects.filter(Q(instance_id__in=instance_ids) | of_account).purge()",
        "Feed.objects.filter(instance_id__in=instance_ids).purge()",
        (f"{ON_DELETION}::test_posts_of_the_account_are_deleted_from_every_widget",),
    ),
    Mutant(
        "withdrawal: a running search leaves an entry",
        "paris_integration/connections/hashtags.py",
        "    _enter(account_id, tag, now)\n    _forget_if_erased(account_id)\n",
        "    _enter(account_id, tag, now)\n",
        (f"{ON_DELETION}::test_a_running_search_leaves_no_entry_in_the_ledger",),
    ),
    Mutant(
        "erasure: a read restores the feed of a deleted widget",
        SITUATION,
        "    if row.is_erased:  # the insert waited",
        "    if False:  # the insert waited",
        (f"{ON_WIDGETS}::test_a_running_read_does_not_restore_a_deleted_feed",),
    ),
    Mutant(
        "incident: it ends connections",
        "paris_integration/connections/health.py",
        "    if incidents.covers(facts.login, Trouble.REFUSED, at=at):\n",
        "    if False:\n",
        (f"{ON_INCIDENTS}::test_a_failure_of_our_app_ends_at_most_four_connections_and_recovers",),
    ),
    Mutant(
        "incident: narrowed, and its refusals begin another",
        "paris_integration/connections/health.py",
        "    if incidents.is_on_its_own(facts):\n",
        "    if False:\n",
        (f"{ON_INCIDENTS}::test_a_day_after_narrowing_each_refused_connection_is_checked",),
    ),
    Mutant(
        "incident: narrowed, and only one connection is checked",
        INCIDENTS,
        "        if not has_narrowed_for_long(incident, at=at):\n",
        "        if True:\n",
        (f"{ON_INCIDENTS}::test_a_day_after_narrowing_each_refused_connection_is_checked",),
    ),
    Mutant(
        "incident: each process probes",
        INCIDENTS,
        "claimed = _still(incident).filter(probes=incident.probes)",
        "claimed = _still(incident)",
        (f"{ON_INCIDENTS}::test_of_two_processes_that_see_the_same_probe_due_one_makes_it",),
    ),
    Mutant(
        "incident: calls go on",
        "paris_integration/feeds/refreshing.py",
        "until = incidents.held_until(incident, now=now) if incident is not None else None",
        "until = None",
        (f"{ON_INCIDENTS}::test_an_incident_stops_the_calls_of_one_login_but_not_of_the_other",),
    ),
    Mutant(
        "hashtags: more than thirty in seven days",
        "paris_integration/connections/hashtags.py",
        "if current.count() >= TAGS_AT_ONCE:",
        "if False:",
        (f"{ON_CONNECTIONS}::test_after_thirty_tags_in_seven_days_the_next_makes_no_call",),
    ),
)
