"""Revoking at Meta ends a person's grant for all accounts and workspaces, so only unused grants are revoked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.models import Plan, Workspace
from paris_integration.connections import lifecycle, links, revoking
from paris_integration.connections.lifecycle import GivenUp, Grant
from paris_integration.connections.logins import begin_login, complete_login, take_state
from paris_integration.errors import LoginFailed, ProviderUnavailable
from paris_integration.models import AuditEvent, Connection, ConnectionLink, Incident, LoginAttempt
from paris_integration.observing.audit import SERVICE
from paris_integration.providers.oauth import Account
from paris_integration.types import Actor, FeedKey, Login, Secret, Source, SourceType
from tests.fakes import FakeLogins
from tests.paris_integration.connections.test_connections import FACEBOOK, GRANT

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CALLER = Actor(7, "editor", "session-1")
CALLBACK = "https://feeds.example/callback"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def key(workspace: Workspace, instance_id: str = "wgt_1") -> FeedKey:
    return FeedKey(workspace.pk, instance_id, Source(SourceType.PROFILE, "acme.bakery"))


@pytest.fixture
def elsewhere() -> Workspace:
    return Workspace.objects.create(name="Other", plan=Plan.objects.get(key="pro"))


def store(at: FeedKey, grant: Grant) -> None:
    lifecycle.store_grant(at, grant, actor=SERVICE, now=NOW)


def disconnect(at: FeedKey) -> GivenUp:
    given_up = lifecycle.disconnect(at, actor=SERVICE, now=NOW)
    assert given_up is not None
    return given_up


def begin(at: FeedKey, login: Login = Login.FACEBOOK) -> str:
    """Begin a login, and return its state."""
    url = begin_login(
        at, login, actor=CALLER, redirect_uri="https://x.example", callback_uri=CALLBACK, now=NOW
    )
    return url.partition("state=")[2].partition("&")[0]


def come_back(state: str, code: str = "code", login: Login = Login.FACEBOOK) -> Account | None:
    attempt = take_state(login, state, actor=CALLER, now=NOW)
    assert attempt is not None
    return complete_login(attempt, code, actor=CALLER, callback_uri=CALLBACK, now=NOW)


def outcomes() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.filter(action="revoked").values_list("outcome", "reason"))


@pytest.mark.parametrize("grant", [GRANT, FACEBOOK], ids=["instagram", "facebook"])
def test_the_last_connection_of_a_person_is_revoked(
    workspace: Workspace, logins: FakeLogins, grant: Grant
) -> None:
    store(key(workspace), grant)

    assert revoking.revoke_unless_used(disconnect(key(workspace)))

    assert logins.revoked == [grant.token.reveal()]
    assert outcomes() == [("done", "")]


ANOTHER_ACCOUNT = {
    "account_id": "17841400000000002",
    "username": "northern.trails",
    "token": Secret("EAAB-2"),
}
OTHER_OF_PERSON = replace(FACEBOOK, **ANOTHER_ACCOUNT)
OTHER_OF_UNKNOWN = replace(FACEBOOK, app_user_id="", **ANOTHER_ACCOUNT)
UNKNOWN = replace(FACEBOOK, app_user_id="")


@pytest.mark.parametrize(
    ("grant", "other"),
    [
        pytest.param(FACEBOOK, OTHER_OF_PERSON, id="another account of the person"),
        pytest.param(FACEBOOK, replace(FACEBOOK, token=Secret("EAAB-2")), id="the same account"),
        pytest.param(
            GRANT, replace(GRANT, token=Secret("IGAA-2")), id="the same account through Instagram login"
        ),
        pytest.param(GRANT, replace(GRANT, app_user_id=""), id="the account of an unknown person"),
        pytest.param(replace(GRANT, app_user_id=""), GRANT, id="the account of a person unknown before"),
        pytest.param(FACEBOOK, OTHER_OF_UNKNOWN, id="an account of an unknown person"),
        pytest.param(UNKNOWN, OTHER_OF_PERSON, id="any account, for an unknown person"),
    ],
)
def test_other_connections_that_use_the_grant_keep_it(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins, grant: Grant, other: Grant
) -> None:
    store(key(workspace), grant)
    store(key(elsewhere, "wgt_2"), other)

    assert not revoking.revoke_unless_used(disconnect(key(workspace)))

    assert logins.revoked == []
    assert outcomes() == [("refused", "STILL_CONNECTED")]
    assert lifecycle.open_token(links.find_connection(key(elsewhere, "wgt_2"))) == other.token  # type: ignore[arg-type]


def test_the_other_account_of_a_workspace_is_kept(workspace: Workspace, logins: FakeLogins) -> None:
    store(key(workspace), FACEBOOK)
    store(key(workspace, "wgt_2"), OTHER_OF_PERSON)
    assert not revoking.revoke_unless_used(disconnect(key(workspace)))
    assert revoking.revoke_unless_used(disconnect(key(workspace, "wgt_2")))
    assert logins.revoked == ["EAAB-2"]


@pytest.mark.parametrize(
    ("grant", "other"),
    [
        pytest.param(FACEBOOK, replace(FACEBOOK, app_user_id="102000000000009"), id="another person's"),
        pytest.param(FACEBOOK, GRANT, id="the other login's"),
        pytest.param(GRANT, replace(GRANT, account_id="2", app_user_id="3"), id="another account's"),
        pytest.param(replace(GRANT, app_user_id=""), replace(GRANT, account_id="2"), id="another's"),
        pytest.param(GRANT, replace(GRANT, account_id="2", app_user_id=""), id="another account's, unknown"),
    ],
)
def test_connections_that_use_other_grants_do_not_keep_it(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins, grant: Grant, other: Grant
) -> None:
    store(key(workspace), grant)
    store(key(elsewhere, "wgt_2"), other)
    assert revoking.revoke_unless_used(disconnect(key(workspace)))
    assert logins.revoked == [grant.token.reveal()]


@pytest.mark.parametrize(
    "values", [{"state": "reconnect_required"}, {"token": None}, {"state": "deauthorised", "token": None}]
)
def test_a_dead_connection_needs_no_grant(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins, values: dict[str, Any]
) -> None:
    store(key(elsewhere, "wgt_2"), FACEBOOK)
    Connection.objects.update(**values)
    store(key(workspace), FACEBOOK)
    assert revoking.revoke_unless_used(disconnect(key(workspace)))


def test_nothing_is_revoked_in_an_incident_or_before_its_refusals_have_been_checked(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins
) -> None:
    """Connections that were refused when the incident began may still work."""
    store(key(elsewhere, "wgt_2"), FACEBOOK)
    Connection.objects.update(state="reconnect_required", check_at=NOW)
    Incident.objects.create(login="facebook", began_at=NOW, next_probe_at=NOW)
    store(key(workspace), FACEBOOK)
    assert not revoking.revoke_unless_used(disconnect(key(workspace)))
    Incident.objects.update(ended_at=NOW)
    store(key(workspace), FACEBOOK)
    assert not revoking.revoke_unless_used(disconnect(key(workspace)))
    assert outcomes() == [("refused", "STILL_CONNECTED"), ("refused", "INCIDENT")]
    Connection.objects.update(check_at=None)
    store(key(workspace), FACEBOOK)
    assert revoking.revoke_unless_used(disconnect(key(workspace)))


def test_without_a_token_nothing_is_revoked(workspace: Workspace) -> None:
    store(key(workspace), FACEBOOK)
    Connection.objects.update(token=None)
    assert lifecycle.disconnect(key(workspace), actor=SERVICE, now=NOW) is None
    assert ConnectionLink.objects.count() == Connection.objects.count() == 0


def test_a_fresh_login_that_is_stored_meanwhile_keeps_the_grant(
    workspace: Workspace, logins: FakeLogins
) -> None:
    """The check is made just before the call, not at the disconnect."""
    store(key(workspace), FACEBOOK)
    given_up = disconnect(key(workspace))
    store(key(workspace), replace(FACEBOOK, token=Secret("EAAB-fresh")))

    assert not revoking.revoke_unless_used(given_up)
    assert logins.revoked == []


def test_a_fresh_login_that_is_exchanged_meanwhile_keeps_the_grant(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins
) -> None:
    """The person is known only after the exchange, so any login whose exchange is under way counts."""
    store(key(workspace), FACEBOOK)
    given_up = disconnect(key(workspace))
    state = begin(key(elsewhere, "wgt_2"))
    logins.during_exchange = lambda: revoking.revoke_unless_used(given_up)

    assert come_back(state) is not None

    assert logins.revoked == []
    assert outcomes() == [("refused", "LOGIN_UNDER_WAY")]
    assert Connection.objects.get().state == "active"


def test_an_open_choice_keeps_the_grant_of_the_same_person_only(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins
) -> None:
    mine = replace(FACEBOOK, app_user_id="28970000000000001")  # the id that FakeLogins returns
    logins.accounts = (Account("1", "acme.bakery"), Account("2", "northern.trails"))
    assert come_back(begin(key(elsewhere, "wgt_2"))) is None
    LoginAttempt.objects.update(consumed_at=NOW - timedelta(minutes=1))
    store(key(workspace), mine)
    assert not revoking.revoke_unless_used(disconnect(key(workspace)))
    store(key(workspace), FACEBOOK)
    assert revoking.revoke_unless_used(disconnect(key(workspace)))
    LoginAttempt.objects.update(expires_at=NOW - SECOND)
    store(key(workspace), mine)
    assert revoking.revoke_unless_used(disconnect(key(workspace)))


def test_an_open_login_in_the_workspace_keeps_the_grant(workspace: Workspace, logins: FakeLogins) -> None:
    store(key(workspace), FACEBOOK)
    given_up = disconnect(key(workspace))
    state = begin(key(workspace, "wgt_2"))

    assert not revoking.revoke_unless_used(given_up)

    assert come_back(state) is not None
    assert logins.revoked == []


@pytest.mark.parametrize("ends", ["failed", "denied"])
def test_a_failed_login_does_not_keep_the_grant(
    workspace: Workspace, logins: FakeLogins, clock: Any, ends: str
) -> None:
    state = begin(key(workspace))
    if ends == "failed":
        with pytest.raises(LoginFailed):
            come_back(state, code="bad")
    else:
        assert take_state(Login.FACEBOOK, state, actor=CALLER, now=NOW) is not None
        clock.move_to(NOW + timedelta(seconds=20), tick=False)
    store(key(workspace), FACEBOOK)
    assert revoking.revoke_unless_used(disconnect(key(workspace)))


def test_a_login_that_began_before_the_call_ended_must_start_again(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins, clock: Any
) -> None:
    """Its token may have been revoked with the grant."""
    mine = replace(FACEBOOK, app_user_id="28970000000000001")
    store(key(workspace), mine)
    given_up = disconnect(key(workspace))
    before = begin(key(elsewhere, "wgt_2"))
    during: list[str] = []
    refused: list[str] = []

    def meanwhile() -> None:
        clock.move_to(NOW + 2 * SECOND, tick=False)
        during.append(begin(key(elsewhere, "wgt_3")))
        refused.append(_refusal(lambda: come_back(before, "code-1")))
        clock.move_to(NOW + 3 * SECOND, tick=False)

    logins.during_revocation = meanwhile
    assert revoking.revoke_unless_used(given_up)
    refused.append(_refusal(lambda: come_back(during[0], "code-2")))

    assert refused == ["STATE_INVALID"] * 2
    assert Connection.objects.count() == 0
    clock.move_to(NOW + 4 * SECOND, tick=False)
    assert come_back(begin(key(elsewhere, "wgt_2")), "code-3") is not None


def test_a_call_without_an_answer_may_still_take_effect(
    workspace: Workspace, elsewhere: Workspace, logins: FakeLogins, clock: Any
) -> None:
    store(key(workspace), replace(FACEBOOK, app_user_id="28970000000000001"))

    def times_out() -> None:
        raise ProviderUnavailable("time-out")

    logins.during_revocation = times_out
    assert not revoking.revoke_unless_used(disconnect(key(workspace)))
    assert outcomes() == [("failed", "ProviderUnavailable")]

    clock.move_to(NOW + 5 * SECOND, tick=False)
    assert _refusal(lambda: come_back(begin(key(elsewhere, "wgt_2")), "code-1")) == "STATE_INVALID"
    clock.move_to(NOW + 16 * SECOND, tick=False)
    assert come_back(begin(key(elsewhere, "wgt_2")), "code-2") is not None


def _refusal(login: Callable[[], object]) -> str:
    with pytest.raises(LoginFailed) as refused:
        login()
    return refused.value.reason
