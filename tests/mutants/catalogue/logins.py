"""Logins at Meta: states, choices, connect links, redirects; and Meta's signed requests."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LOGINS = "paris_integration/connections/logins.py"
FENCES = "paris_integration/connections/login_fences.py"
CONNECT_LINKS = "paris_integration/connections/connect_links.py"
CALLBACKS = "paris_integration/connections/callbacks.py"
VIEWS = "venice_api/connect/views.py"
ON_CONNECT = "tests/venice_api/test_connect.py"
ON_LINKS = "tests/venice_api/test_connect_link.py"
ON_CLOCKS = "tests/paris_integration/feeds/test_wrong_clocks.py"
ONCE = (f"{ON_CONNECT}::test_a_state_is_valid_once_for_ten_minutes_and_in_one_session",)
FORGED = (f"{ON_CONNECT}::test_forged_requests_change_nothing",)
AGE = (f"{ON_CONNECT}::test_the_maximum_age_of_a_signed_request",)

MUTANTS = (
    Mutant(
        "state: used more than once",
        LOGINS,
        "        consumed_at__isnull=True,\n",
        "",
        (f"{ON_CONNECT}::test_a_state_is_used_up_before_its_code_is_exchanged",),
    ),
    Mutant(
        "state: used in another session",
        LOGINS,
        "LoginAttempt.objects.filter(session_hash=hash_of(actor.session))",
        "LoginAttempt.objects.all()",
        ONCE,
    ),
    Mutant(
        "state: used by another user",
        LOGINS,
        "return mine.filter(user_id=actor.user_id)",
        "return mine",
        (f"{ON_CONNECT}::test_a_state_belongs_to_the_user_who_began_the_login",),
    ),
    Mutant(
        "state: used for the other login",
        LOGINS,
        "        login=login.value,\n        expires_at__gt=now,\n",
        "        expires_at__gt=now,\n",
        ONCE,
    ),
    Mutant(
        "state: valid for ever",
        LOGINS,
        "        login=login.value,\n        expires_at__gt=now,\n",
        "        login=login.value,\n",
        ONCE,
    ),
    Mutant(
        "state: a wrong clock makes it valid for days",
        LOGINS,
        "        expires_at__lte=now + LONGEST,\n        consumed_at__isnull=True,\n",
        "        consumed_at__isnull=True,\n",
        (f"{ON_CLOCKS}::test_a_login_lasts_ten_minutes_by_any_clock",),
    ),
    Mutant(
        "state: stored in plain text",
        LOGINS,
        "        state_hash=hash_of(state),\n        user_id=actor.user_id,\n",
        "        state_hash=state,\n        user_id=actor.user_id,\n",
        (f"{ON_CONNECT}::test_a_complete_login",),
    ),
    Mutant(
        "login: rights aren't checked again",
        VIEWS,
        "        _check_rights_again(request, attempt)\n        account = paris.complete_login(",
        "        account = paris.complete_login(",
        (f"{ON_CONNECT}::test_a_role_lost_during_the_login",),
    ),
    Mutant(
        "login: the plan isn't checked again",
        VIEWS,
        "    if not fresh_limits_for(attempt.workspace_id, now=timezone.now()).oauth_enabled:\n",
        "    if False:\n",
        (f"{ON_CONNECT}::test_a_plan_without_connected_accounts_cannot_connect",),
    ),
    Mutant(
        "login: stored after a withdrawal",
        FENCES,
        "if PersonFence.objects.filter(pk__in=fences, withdrawn_at__gte=attempt.began_at).exists():",
        "if False:",
        (f"{ON_CONNECT}::test_a_withdrawal_during_the_exchange_wins",),
    ),
    Mutant(
        "choice: used twice",
        "paris_integration/connections/lifecycle.py",
        "login_fences.claim(attempt_id, grant.login, persons).delete()",
        "login_fences.claim(attempt_id, grant.login, persons)",
        (f"{ON_CONNECT}::test_a_choice_can_be_used_only_once",),
    ),
    Mutant(
        "choice: outlives a withdrawal",
        "paris_integration/connections/withdrawal.py",
        "    login_fences.cancel_for_persons(login, {user_id, *chain",
        "    (login, {user_id, *chain",
        (f"{ON_CONNECT}::test_a_withdrawal_cancels_a_waiting_choice",),
    ),
    Mutant(
        "deletion: forgotten when a step fails",
        "paris_integration/connections/withdrawal.py",
        "        if not found:\n            row.delete()\n",
        "        row.delete()\n",
        ("tests/venice_api/test_deletion.py::test_a_deletion_that_fails_after_its_commit_is_finished",),
    ),
    Mutant(
        "choice: of an account that wasn't offered",
        VIEWS,
        "    if chosen not in {account.account_id for account in attempt.accounts}:\n",
        "    if not chosen:\n",
        (f"{ON_CONNECT}::test_choosing_one_of_several_accounts",),
    ),
    Mutant(
        "connect link: used twice",
        CONNECT_LINKS,
        "        pk=link_id, used_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=now\n",
        "        pk=link_id, withdrawn_at__isnull=True, expires_at__gt=now\n",
        (f"{ON_LINKS}::test_a_link_used_during_the_exchange_connects_nothing_more",),
    ),
    Mutant(
        "connect link: outlives its withdrawal",
        CONNECT_LINKS,
        "    login_fences.cancel_for_link(link_id)\n",
        "",
        (f"{ON_LINKS}::test_withdrawing_a_link_deletes_the_token_that_waits_for_a_choice",),
    ),
    Mutant(
        "connect link: valid for ever",
        CONNECT_LINKS,
        "LinkState.OPEN if now < row.expires_at <= now + LINK_LASTS else LinkState.EXPIRED",
        "LinkState.OPEN",
        (f"{ON_LINKS}::test_a_closed_link_says_why",),
    ),
    Mutant(
        "connect link: its maker's rights aren't checked",
        "venice_api/connect/links.py",
        "    if role is None or not can_edit(role):\n",
        "    if False:\n",
        (f"{ON_LINKS}::test_a_link_closed_while_its_holder_is_at_meta_connects_nothing",),
    ),
    Mutant(
        "connect link: begun without having opened it",
        "venice_api/connect/links.py",
        "if link is None or str(link_id) not in request.session.get(SESSION_KEY, []):",
        "if link is None:",
        (f"{ON_LINKS}::test_nobody_begins_without_having_opened_the_link",),
    ),
    Mutant(
        "connect link: of another widget is withdrawn",
        CONNECT_LINKS,
        "ConnectLink.objects.filter(pk=link_id, workspace_id=key.workspace_id, instance_id=key.instance_id)",
        "ConnectLink.objects.filter(pk=link_id)",
        (f"{ON_LINKS}::test_a_link_of_another_widget_isnt_withdrawn",),
    ),
    Mutant(
        "redirect: matched by its beginning",
        "venice_api/api/inputs.py",
        'if uri not in self.context["redirect_uris"]:',
        'if not uri.startswith(tuple(self.context["redirect_uris"])):',
        (f"{ON_CONNECT}::test_an_unknown_redirect_uri_is_refused",),
    ),
    Mutant(
        "redirect: any",
        "venice_api/api/inputs.py",
        'if uri not in self.context["redirect_uris"]:',
        "if False:",
        (f"{ON_CONNECT}::test_an_unknown_redirect_uri_is_refused",),
    ),
    Mutant(
        "signed request: any signature",
        CALLBACKS,
        "if not hmac.compare_digest(sent, expected):",
        "if False:",
        FORGED,
    ),
    Mutant(
        "signed request: the beginning of the signature is enough",
        CALLBACKS,
        "if not hmac.compare_digest(sent, expected):",
        "if not expected.startswith(sent):",
        FORGED,
    ),
    Mutant(
        "signed request: any algorithm",
        CALLBACKS,
        'if not isinstance(content, dict) or content.get("algorithm") != "HMAC-SHA256":',
        "if not isinstance(content, dict):",
        FORGED,
    ),
    Mutant(
        "signed request: the other login's secret",
        CALLBACKS,
        "secret = registry.app_secret(login)",
        "secret = registry.app_secret(Login.FACEBOOK)",
        FORGED,
    ),
    Mutant(
        "signed request: any age",
        CALLBACKS,
        "return (now - MAX_AGE).timestamp() <= issued_at <= (now + MAX_SKEW).timestamp()",
        "return issued_at <= (now + MAX_SKEW).timestamp()",
        AGE,
    ),
    Mutant(
        "signed request: from the future",
        CALLBACKS,
        "return (now - MAX_AGE).timestamp() <= issued_at <= (now + MAX_SKEW).timestamp()",
        "return (now - MAX_AGE).timestamp() <= issued_at",
        AGE,
    ),
    Mutant(
        "signed request: a repeat gets another code",
        CALLBACKS,
        "        signature_hash=order.signature_hash,\n",
        "        signature_hash=secrets.token_hex(32),\n",
        (f"{ON_CONNECT}::test_a_deletion_request_that_is_sent_again_gets_the_same_code",),
    ),
)
