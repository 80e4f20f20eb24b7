"""Sign-in, second factor, fresh sign-ins, members and invitations, mails."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MEMBERS = "entitlements/members.py"
INVITATIONS = "venice_api/accounts/invitations.py"
PAGE = "venice_api/accounts/members.py"
FACTOR = "venice_api/accounts/second_factor.py"
ON_MEMBERS = "tests/entitlements/test_members.py"
ON_PAGE = "tests/venice_api/test_members.py"
ON_AT_ONCE = "tests/entitlements/test_members_at_once.py"
ON_INVITATIONS = "tests/venice_api/test_invitations.py"
ON_STEP = "tests/venice_api/test_accounts_second_step.py"

MUTANTS = (
    Mutant(
        "invitation: used more than once",
        MEMBERS,
        "    if invitation.accepted_at is not None:\n        return InvitationState.ACCEPTED\n",
        "",
        (f"{ON_MEMBERS}::test_an_invitation_makes_a_member_once",),
    ),
    Mutant(
        "invitation: used by many at once",
        MEMBERS,
        "Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)",
        "Workspace.objects.get(pk=workspace_id)",
        (f"{ON_AT_ONCE}::test_two_owners_who_remove_each_other_leave_one",),
        needs_postgres=True,
    ),
    Mutant(
        "invitation: valid for ever",
        MEMBERS,
        "is_current = now < invitation.expires_at <= now + INVITATION_LASTS",
        "is_current = invitation.expires_at <= now + INVITATION_LASTS",
        (f"{ON_MEMBERS}::test_a_link_ends_after_seven_days",),
    ),
    Mutant(
        "invitation: a wrong clock makes it valid for long",
        MEMBERS,
        "is_current = now < invitation.expires_at <= now + INVITATION_LASTS",
        "is_current = now < invitation.expires_at",
        (f"{ON_MEMBERS}::test_a_wrong_clock_keeps_no_link_open",),
    ),
    Mutant(
        "invitation: used after it was withdrawn",
        MEMBERS,
        "    if invitation.withdrawn_at is not None:\n        return InvitationState.WITHDRAWN\n",
        "",
        (f"{ON_MEMBERS}::test_a_withdrawn_link",),
    ),
    Mutant(
        "invitation: sending it again keeps the old link",
        MEMBERS,
        "    invitation.secret_hash = hash_of(secret)\n",
        "    invitation.secret_hash = invitation.secret_hash or hash_of(secret)\n",
        (f"{ON_MEMBERS}::test_sending_again_replaces_the_link",),
    ),
    Mutant(
        "invitation: its secret is stored",
        "foundation/random_secrets.py",
        "return hashlib.sha256(secret.encode()).hexdigest()",
        "return secret",
        (f"{ON_MEMBERS}::test_an_invitation_makes_a_member_once",),
    ),
    Mutant(
        "invitation: for another address",
        INVITATIONS,
        "        if user.email.lower() != found.email:\n",
        "        if False:\n",
        (f"{ON_INVITATIONS}::test_a_link_for_another_address_says_so",),
    ),
    Mutant(
        "invitation: makes a second account for an address",
        INVITATIONS,
        "    if filter_users_by_email(found.email):\n",
        "    if False:\n",
        (f"{ON_INVITATIONS}::test_an_account_is_never_made_for_an_address_that_has_one",),
    ),
    Mutant(
        "invitation: a username can be somebody's address",
        INVITATIONS,
        '        if "@" in username:  # could be',
        "        if False:  # could be",
        (f"{ON_INVITATIONS}::test_a_bad_account_is_refused_at_its_field",),
    ),
    Mutant(
        "members: changed by anybody",
        MEMBERS,
        "    if owner is not None and role_in(owner.user.pk, workspace_id) is not Role.OWNER:\n",
        "    if False:\n",
        (f"{ON_MEMBERS}::test_only_owners_change_members",),
    ),
    Mutant(
        "members: of another workspace",
        MEMBERS,
        'Membership.objects.select_related("user").filter(workspace=workspace, user_id=user_id).first()',
        'Membership.objects.select_related("user").filter(user_id=user_id).first()',
        (f"{ON_MEMBERS}::test_other_workspaces_are_out_of_reach",),
    ),
    Mutant(
        "members: the last owner leaves",
        MEMBERS,
        "if member.role == Role.OWNER.value and not owners.exclude(pk=member.pk).exists():",
        "if False:",
        (f"{ON_MEMBERS}::test_the_last_owner_stays",),
    ),
    Mutant(
        "members: their page is open to all members",
        PAGE,
        "        if role is not Role.OWNER:\n",
        "        if False:\n",
        (f"{ON_PAGE}::test_only_owners_open_it",),
    ),
    Mutant(
        "members: mails without a limit",
        "venice_api/mail_limits.py",
        'MAIL_LIMITS = {"address": "3/h/key", "workspace": "60/h/key"}',
        'MAIL_LIMITS = {"address": "3000/h/key", "workspace": "6000/h/key"}',
        (f"{ON_PAGE}::test_mails_per_address_are_limited",),
    ),
    Mutant(
        "mails: no limit per workspace",
        "venice_api/mail_limits.py",
        '    keys = {"address": email, "workspace": str(workspace_id)}',
        '    keys = {"address": email}',
        (
            f"{ON_PAGE}::test_mails_per_workspace_are_limited",
            "tests/venice_api/test_connect_link.py::test_mailed_links_per_workspace_are_limited",
        ),
    ),
    Mutant(
        "fresh sign-in: roles change after an old one",
        PAGE,
        "@changes_need_fresh_sign_in\n@_act\ndef set_role",
        "@_act\ndef set_role",
        (f"{ON_PAGE}::test_roles_are_changed_only_after_a_sign_in_of_the_last_hour",),
    ),
    Mutant(
        "fresh sign-in: every sign-in is fresh",
        "venice_api/accounts/freshness.py",
        "0 <= time.time() - signed_in_at <= within_seconds",
        "0 <= time.time() - signed_in_at",
        (f"{ON_STEP}::test_plans_are_changed_only_after_a_sign_in_of_the_last_hour",),
    ),
    Mutant(
        "fresh sign-in: not asked for in the admin",
        "venice_api/accounts/freshness.py",
        "        return _confirm_first(request)\n\n    def process_exception",
        "        return None\n\n    def process_exception",
        (f"{ON_STEP}::test_plans_are_changed_only_after_a_sign_in_of_the_last_hour",),
    ),
    Mutant(
        "fresh sign-in: passwords are kept in the session",
        "venice_api/accounts/freshness.py",
        'request.method == "POST" and _asks_for_secrets(request)',
        "False",
        ("tests/venice_api/test_fresh_sign_in.py::test_a_password_for_somebody_else_is_not_stored",),
    ),
    Mutant(
        "second factor: staff without one",
        FACTOR,
        "    if not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():\n",
        "    if False:\n",
        (f"{ON_STEP}::test_staff_are_led_to_set_it_up",),
    ),
    Mutant(
        "second factor: staff with a password alone",
        FACTOR,
        'if any(record["method"] == "mfa" for record in get_authentication_records(request, user)):',
        "if True:",
        (f"{ON_STEP}::test_a_session_without_the_second_step_confirms_it",),
    ),
    Mutant(
        "second factor: pages below the admin are open",
        FACTOR,
        "not request.path.startswith(index)",
        "request.path != index",
        (f"{ON_STEP}::test_staff_are_led_to_set_it_up",),
    ),
    Mutant(
        "second factor: secrets in plain text",
        "venice_api/accounts/adapters.py",
        "return paris.seal_text(text, purpose=SEAL)",
        "return text",
        (f"{ON_STEP}::test_secrets_are_encrypted_and_follow_the_keys",),
    ),
    Mutant(
        "sign-in: guesses without a limit",
        "config/settings.py",
        "AXES_FAILURE_LIMIT = 10",
        "AXES_FAILURE_LIMIT = 10_000",
        ("tests/venice_api/test_sign_in.py::test_guessing_is_locked_out_until_the_wait_is_over",),
    ),
    Mutant(
        "sign-in: name and address are counted apart",
        "venice_api/accounts/forms.py",
        "return found[0].get_username() if len(found) == 1 else typed",
        "return typed",
        (
            "tests/venice_api/test_accounts.py::test_signing_in_by_name_or_address",
            "tests/venice_api/test_accounts.py::test_guesses_by_name_and_by_address_count_together",
        ),
    ),
    Mutant(
        "sign-in: the link for a new password names the Host header",
        "venice_api/accounts/adapters.py",
        'return settings.PUBLIC_BASE_URL + path.replace("UID-KEY", key)',
        'return context.request.build_absolute_uri(path.replace("UID-KEY", key))',
        ("tests/venice_api/test_accounts.py::test_the_link_names_our_address_not_the_hosts_header",),
    ),
    Mutant(
        "sessions: of another person are ended",
        "venice_api/accounts/views.py",
        "UserSession.objects.filter(pk=session_id, user=request.user.pk).first()",
        "UserSession.objects.filter(pk=session_id).first()",
        ("tests/venice_api/test_accounts.py::test_nobody_ends_the_sessions_of_others",),
    ),
    Mutant(
        "mails: two workers send one",
        "outbox/sending.py",
        "    if not due.update(next_try_at=now + LEASE):",
        "    if not due.update(next_try_at=now):",
        ("tests/outbox/test_sending.py::test_two_workers_send_a_mail_once",),
    ),
    Mutant(
        "mails: the text of one that was given up stays",
        "outbox/sending.py",
        'mail.next_try_at, mail.subject, mail.text, mail.html = None, "", "", ""',
        "mail.next_try_at = None",
        ("tests/outbox/test_sending.py::test_a_mail_is_given_up_when_its_links_no_longer_work",),
    ),
)
