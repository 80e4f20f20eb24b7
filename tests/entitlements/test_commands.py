"""Management commands: JSON on stdout; invalid input is named and writes nothing."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from entitlements.limits import fresh_limits_for
from entitlements.memberships import Role, role_in
from entitlements.models import EntitlementChange, EntitlementOverride, Membership, Workspace
from tests.entitlements.conftest import CACHE, DAY, HASHTAG, NOW, TTL

pytestmark = pytest.mark.django_db
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def run(command: str, *arguments: str) -> Any:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_create_workspace_without_an_editor() -> None:
    answer = run("create_workspace", "Acme Bakery", "--plan", "pro")

    workspace = Workspace.objects.get(pk=UUID(answer["workspaceId"]))
    assert answer == {"workspaceId": str(workspace.pk), "plan": "pro", "editor": None}
    assert (workspace.name, workspace.plan.key) == ("Acme Bakery", "pro")
    assert not Membership.objects.exists()
    assert EntitlementChange.objects.get().actor == "command create_workspace"


def test_create_workspace_with_a_new_editor() -> None:
    answer = run("create_workspace", "Acme", "--plan", "free", "--editor", "anna", "--password", "pw")

    anna = User.objects.get(username="anna")
    assert answer["editor"] == "anna"
    assert role_in(anna.pk, UUID(answer["workspaceId"])) is Role.EDITOR
    assert anna.check_password("pw")
    assert (anna.is_staff, anna.is_superuser) == (False, False)


NEW_EDITOR = ("--editor", "anna", "--password", "pw")


def test_create_workspace_with_the_editors_address() -> None:
    run("create_workspace", "Acme", "--plan", "free", *NEW_EDITOR, "--email", "Anna@Shop.example")
    assert User.objects.get().email == "anna@shop.example"
    run("create_workspace", "Two", "--plan", "free", "--editor", "anna", "--email", "new@shop.example")
    assert User.objects.get().email == "new@shop.example"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((*NEW_EDITOR, "--email", "nonsense"), "--email: 'nonsense' is not an email address."),
        ((*NEW_EDITOR, "--email", "a" * 250 + "@b.example"), "--email: must have 1 to 254 characters."),
        ((*NEW_EDITOR, "--email", "TAKEN@shop.example"), "--email: another account has the address"),
        (("--email", "anna@shop.example"), "--email: requires --editor."),
    ],
)
def test_a_wrong_address_creates_nothing(more: tuple[str, ...], words: str) -> None:
    User.objects.create_user("other", "taken@shop.example")
    with pytest.raises(CommandError, match=words.replace(".", r"\.")):
        run("create_workspace", "Acme", "--plan", "free", *more)
    assert not Workspace.objects.exists()
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "password"),
    [
        pytest.param((), "old", id="keeps the password"),
        pytest.param(("--password", "new"), "new", id="takes the password that is given"),
    ],
)
def test_create_workspace_with_an_existing_editor(arguments: tuple[str, ...], password: str) -> None:
    anna = User.objects.create_user("anna", password="old")

    answer = run("create_workspace", "Acme", "--plan", "free", "--editor", "anna", *arguments)

    anna.refresh_from_db()
    assert anna.check_password(password)
    assert role_in(anna.pk, UUID(answer["workspaceId"])) is Role.EDITOR


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(("Acme", "--plan", "gold"), "--plan: there is no plan 'gold'. Plans: free,", id="plan"),
        pytest.param((" ", "--plan", "pro"), "NAME: must have 1 to 200", id="an empty name"),
        pytest.param(("x" * 201, "--plan", "pro"), "NAME: must have 1 to 200", id="a long name"),
        pytest.param(("a\udcffb", "--plan", "pro"), "NAME: must be valid text", id="bytes that are not text"),
        pytest.param(
            ("Acme", "--plan", "pro", "--editor", "anna"), "--password: required", id="new without password"
        ),
        pytest.param(
            ("Acme", "--plan", "pro", "--editor", "anna", "--password", ""),
            "--password: must not be empty",
            id="an empty password",
        ),
        pytest.param(
            ("Acme", "--plan", "pro", "--password", "pw"),
            "--password: requires",
            id="password without an editor",
        ),
        pytest.param(
            ("Acme", "--plan", "pro", "--editor", "", "--password", "pw"),
            "--editor: must have 1 to 150",
            id="an empty editor",
        ),
        pytest.param(
            ("Acme", "--plan", "pro", "--editor", "an na!", "--password", "pw"),
            "--editor: Enter a valid username",
            id="an invalid username",
        ),
        pytest.param(
            ("Acme", "--plan", "pro", "--editor", "a" * 151, "--password", "pw"),
            "--editor: must have 1 to 150",
            id="a username that is too long",
        ),
    ],
)
def test_create_workspace_refuses_invalid_input(arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError) as refused:
        run("create_workspace", *arguments)

    assert why in str(refused.value)
    assert not Workspace.objects.exists()
    assert not User.objects.exists()
    assert not EntitlementChange.objects.exists()


def test_set_plan(workspace: Workspace) -> None:
    answer = run("set_plan", str(workspace.pk), "business")

    assert answer == {"workspaceId": str(workspace.pk), "plan": "business"}
    assert fresh_limits_for(workspace.pk, now=NOW).plan_key == "business"
    assert EntitlementChange.objects.get().actor == "command set_plan"


@pytest.mark.parametrize(
    ("workspace_id", "key", "why"),
    [
        pytest.param("acme", "pro", "WORKSPACE: 'acme' is not a workspace id", id="not an id"),
        pytest.param(
            UNKNOWN_ID, "pro", f"WORKSPACE: there is no workspace '{UNKNOWN_ID}'", id="an unknown id"
        ),
        pytest.param(None, "gold", "KEY: there is no plan 'gold'. Plans: free, starter,", id="no such plan"),
    ],
)
def test_set_plan_refuses_invalid_input(
    workspace: Workspace, workspace_id: str | None, key: str, why: str
) -> None:
    with pytest.raises(CommandError) as refused:
        run("set_plan", workspace_id or str(workspace.pk), key)

    assert why in str(refused.value)
    assert fresh_limits_for(workspace.pk, now=NOW).plan_key == "starter"
    assert not EntitlementChange.objects.exists()


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        pytest.param(HASHTAG, "true", True, id="a switch"),
        pytest.param(TTL, "1", 1, id="a number"),
        pytest.param(DAY, "unlimited", None, id="unlimited"),
        pytest.param(CACHE, "none", None, id="none"),
    ],
)
def test_set_override(workspace: Workspace, key: str, typed: str, value: object) -> None:
    answer = run("set_override", str(workspace.pk), key, typed)

    assert answer == {"workspaceId": str(workspace.pk), "key": key, "value": value, "until": None, "note": ""}
    override = EntitlementOverride.objects.get()
    assert (override.workspace, override.key, override.value) == (workspace, key, value)
    assert EntitlementChange.objects.get().actor == "command set_override"


@pytest.mark.parametrize(
    ("until", "printed"),
    [
        pytest.param("2026-12-31T23:00:00Z", "2026-12-31T23:00:00Z", id="UTC"),
        pytest.param("2026-12-31T23:00:00+02:00", "2026-12-31T21:00:00Z", id="with an offset"),
        pytest.param("2026-12-31T23:00", "2026-12-31T23:00:00Z", id="without an offset"),
        pytest.param("2026-12-31", "2026-12-31T00:00:00Z", id="a date alone"),
        pytest.param("2026-12-31T23:00:00.9Z", "2026-12-31T23:00:00Z", id="fractions are dropped"),
    ],
)
def test_an_override_with_an_end_and_a_note(workspace: Workspace, until: str, printed: str) -> None:
    answer = run("set_override", str(workspace.pk), HASHTAG, "yes", "--until", until, "--note", "trial")

    assert (answer["until"], answer["note"]) == (printed, "trial")
    stored = EntitlementOverride.objects.get().ends_at
    assert stored == datetime.fromisoformat(printed)
    limits = [fresh_limits_for(workspace.pk, now=stored - timedelta(seconds=late)) for late in (1, 0)]
    assert [each.hashtag_enabled for each in limits] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param((HASHTAG, "maybe"), f"VALUE: {HASHTAG}: must be true or false.", id="value"),
        pytest.param((DAY, "-1"), f"VALUE: {DAY}: must be 0 or more.", id="a negative cap"),
        pytest.param((TTL, "unlimited"), f"VALUE: {TTL}: is required.", id="an unlimited TTL"),
        pytest.param(("instagram.x", "1"), "KEY: 'instagram.x' is not an entitlement key.", id="key"),
        pytest.param((HASHTAG, "yes", "--until", "soon"), "--until: 'soon' is not a time", id="not a time"),
        pytest.param((HASHTAG, "yes", "--until", ""), "--until: '' is not a time", id="an empty time"),
        pytest.param(
            (HASHTAG, "yes", "--until", "2026-11-23T12:00:00Z"), "--until: must be in the future", id="now"
        ),
        pytest.param(
            (HASHTAG, "yes", "--until", "9999-12-31T23:59:59-05:00"), "--until: ", id="past the calendar"
        ),
        pytest.param((HASHTAG, "yes", "--note", "n" * 501), "--note: must have 0 to 500", id="a long note"),
    ],
)
def test_set_override_refuses_invalid_input(
    workspace: Workspace, arguments: tuple[str, ...], why: str
) -> None:
    with pytest.raises(CommandError) as refused:
        run("set_override", str(workspace.pk), *arguments)

    assert why in str(refused.value)
    assert not EntitlementOverride.objects.exists()
    assert not EntitlementChange.objects.exists()


def test_set_override_refuses_an_unknown_workspace() -> None:
    with pytest.raises(CommandError, match="WORKSPACE: there is no workspace"):
        run("set_override", UNKNOWN_ID, HASHTAG, "yes")


def test_a_second_override_replaces_the_first(workspace: Workspace) -> None:
    run("set_override", str(workspace.pk), DAY, "7", "--until", "2027-01-01")
    run("set_override", str(workspace.pk), DAY, "8")

    override = EntitlementOverride.objects.get()
    assert (override.value, override.ends_at) == (8, None)
    assert datetime.now(UTC) == NOW
