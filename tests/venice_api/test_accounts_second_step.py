"""Two-step sign-in: set up, used, lost; required of staff; and the fresh sign-in before changes of plans and roles."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.test import Client

from entitlements.models import EntitlementChange, Plan, Workspace
from tests.stored import everything_stored
from tests.venice_api.test_accounts import PASSWORD, is_in, sign_in

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=30)
SET_UP = "/accounts/second-step/set-up/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "mail_at_once")]


@pytest.fixture
def sam(act: Any) -> User:
    return User.objects.create_user("sam", "sam@shop.example", PASSWORD)


def code(secret: str, steps: int = 0, at: datetime = NOW) -> str:
    return format_hotp_value(hotp_value(secret, int(at.timestamp()) // 30 + steps))


def set_up(client: Client, act: Any) -> tuple[str, list[str]]:
    """The key of the app, and the recovery codes."""
    page = client.get(SET_UP).content.decode()
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", page)
    done = act(client.post, SET_UP, {"code": code(secret)})
    assert done["Location"] == "/accounts/second-step/recovery-codes/"
    codes = re.findall(r"<code>(\d{8})</code>", client.get(done["Location"]).content.decode())
    assert len(codes) == 10
    return secret, codes


def second_step(typed: str, client: Client | None = None) -> Client:
    client = sign_in(client=client)
    assert not is_in(client)
    client.post("/accounts/login/code/", {"code": typed})
    return client


def test_a_code_is_asked_for_after_the_password(sam: User, act: Any, clock: Any) -> None:
    secret, _ = set_up(sign_in(), act)
    assert mail.outbox[0].subject == "Two-step sign-in is on"
    clock.move_to(NOW + 2 * STEP, tick=False)

    first = Client().post("/accounts/login/", {"username": "sam", "password": PASSWORD, "next": "/editor/"})
    assert first["Location"] == "/accounts/login/code/"
    assert not is_in(second_step("000000"))
    assert is_in(second_step(code(secret, 2)))


@pytest.mark.parametrize(("steps", "passes"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_differ_by_half_a_minute(
    sam: User, act: Any, clock: Any, steps: int, passes: bool
) -> None:
    secret, _ = set_up(sign_in(), act)
    clock.move_to(NOW + 10 * STEP, tick=False)
    assert is_in(second_step(code(secret, 10 + steps))) is passes


def test_a_code_works_once(sam: User, act: Any, clock: Any) -> None:
    secret, _ = set_up(sign_in(), act)
    clock.move_to(NOW + 10 * STEP, tick=False)
    assert is_in(second_step(code(secret, 10)))
    assert not is_in(second_step(code(secret, 10)))
    clock.move_to(NOW + 11 * STEP, tick=False)
    assert not is_in(second_step(code(secret, 10)))
    assert is_in(second_step(code(secret, 11)))


def test_a_recovery_code_works_once(sam: User, act: Any) -> None:
    _, codes = set_up(sign_in(), act)
    assert is_in(second_step(codes[3]))
    assert not is_in(second_step(codes[3]))
    assert is_in(second_step(codes[4]))


def test_guessing_codes_is_limited(sam: User, act: Any, clock: Any) -> None:
    secret, _ = set_up(sign_in(), act)
    clock.move_to(NOW + 10 * STEP, tick=False)
    for n in range(5):
        second_step(f"00000{n}")
    assert not is_in(second_step(code(secret, 10)))
    clock.move_to(NOW + 21 * STEP, tick=False)
    assert is_in(second_step(code(secret, 21)))


def test_signing_in_works_while_redis_is_away(sam: User, act: Any, clock: Any, settings: Any) -> None:
    secret, codes = set_up(sign_in(), act)
    clock.move_to(NOW + 10 * STEP, tick=False)
    settings.CACHES = {
        "default": {
            "BACKEND": "foundation.cache.ResilientRedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"socket_connect_timeout": 0.1, "socket_timeout": 0.1},
        }
    }
    assert is_in(second_step(code(secret, 10)))
    assert is_in(second_step(codes[0]))
    asked = Client().post("/accounts/password/reset/", {"email": "sam@shop.example"})
    assert asked.status_code == 302
    assert mail.outbox[-1].subject == "Set a new password"


def test_secrets_are_encrypted_and_follow_the_keys(sam: User, act: Any, clock: Any, settings: Any) -> None:
    secret, codes = set_up(sign_in(), act)
    clock.move_to(NOW + 10 * STEP, tick=False)
    stored = everything_stored()
    assert secret not in stored
    assert not any(each in stored for each in codes)
    (old,) = settings.TOKEN_ENCRYPTION_KEYS
    settings.TOKEN_ENCRYPTION_KEYS = (b"n" * 32, old)
    call_command("rotate_encryption_keys")
    settings.TOKEN_ENCRYPTION_KEYS = (b"n" * 32,)
    assert is_in(second_step(code(secret, 10)))
    assert is_in(second_step(codes[0]))


def test_switching_off(sam: User, act: Any, clock: Any) -> None:
    client = sign_in()
    set_up(client, act)
    clock.move_to(NOW + timedelta(minutes=6), tick=False)
    asked = client.post("/accounts/second-step/switch-off/")
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    client.post(asked["Location"], {"password": PASSWORD})
    client.post("/accounts/second-step/switch-off/")
    assert not Authenticator.objects.exists()
    assert mail.outbox[-1].subject == "Two-step sign-in is off"
    assert is_in(sign_in())


def test_support_removes_a_lost_factor(sam: User, act: Any, desk: Client) -> None:
    set_up(sign_in(), act)
    page = f"/admin/auth/user/{sam.pk}/remove-factor/"
    assert page in desk.get(f"/admin/auth/user/{sam.pk}/change/").content.decode()
    assert Client().post(page).status_code == 302
    helper = Client()
    helper.force_login(User.objects.create_user("helper", is_staff=True))
    assert helper.post(page).status_code == 403
    assert not is_in(sign_in())

    desk.post(page)

    assert is_in(sign_in())
    assert "switched off by staff" in LogEntry.objects.get(object_id=str(sam.pk)).change_message
    assert (mail.outbox[-1].subject, mail.outbox[-1].to) == (
        "Two-step sign-in was switched off by support",
        ["sam@shop.example"],
    )
    assert desk.get("/admin/auth/user/999/remove-factor/").status_code == 404
    assert desk.get("/admin/auth/user/x/remove-factor/").status_code == 404


@pytest.fixture
def staff(settings: Any) -> User:
    settings.STAFF_MFA = "required"
    return User.objects.create_superuser("sam", "sam@shop.example", PASSWORD)


def test_staff_are_led_to_set_it_up(staff: User, act: Any) -> None:
    client = Client()
    client.post("/admin/login/", {"username": "sam", "password": PASSWORD})
    led = client.get("/admin/entitlements/workspace/")
    assert led["Location"] == SET_UP
    assert "Staff need two-step sign-in" in client.get(SET_UP).content.decode()
    assert is_in(client), "the editor's pages stay open"

    set_up(client, act)

    assert client.get("/admin/").status_code == 200


def test_a_session_without_the_second_step_confirms_it(staff: User, act: Any, clock: Any) -> None:
    older = sign_in()
    secret, _ = set_up(sign_in(), act)
    clock.move_to(NOW + 10 * STEP, tick=False)
    asked = older.get("/admin/")["Location"]
    assert asked == "/accounts/reauthenticate/code/?next=%2Fadmin%2F"
    assert older.post(asked, {"code": code(secret, 10)})["Location"] == "/admin/"
    assert older.get("/admin/").status_code == 200


def test_optional_asks_nobody(staff: User, settings: Any) -> None:
    settings.STAFF_MFA = "optional"
    assert sign_in().get("/admin/").status_code == 200


def test_who_is_not_staff_is_told_so(sam: User) -> None:
    answer = sign_in().get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "isn't a staff account" in answer.content.decode()


def test_plans_are_changed_only_after_a_sign_in_of_the_last_hour(desk: Client, clock: Any) -> None:
    workspace = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="free"))
    page = f"/admin/entitlements/workspace/{workspace.pk}/change/"
    change = {
        "name": "Acme", "plan": Plan.objects.get(key="pro").pk,
        "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0,
        "overrides-TOTAL_FORMS": 0, "overrides-INITIAL_FORMS": 0,
    }  # fmt: skip
    clock.move_to(NOW + timedelta(minutes=61), tick=False)
    assert desk.get(page).status_code == 200

    asked = desk.post(page, change)

    assert asked["Location"].startswith("/accounts/reauthenticate/?next=")
    assert not EntitlementChange.objects.exists()
    assert desk.post(asked["Location"], {"password": "wrong"}).status_code == 200
    assert not EntitlementChange.objects.exists()
    done = desk.post(asked["Location"], {"password": "x", "next": page})
    assert done.status_code == 302
    assert EntitlementChange.objects.get().new_value == "Pro"


@pytest.mark.parametrize("path", ["entitlements/plan/matrix/", "auth/user/add/", "auth/group/add/"])
def test_other_changes_of_plans_and_roles_ask_too(desk: Client, clock: Any, path: str) -> None:
    clock.move_to(NOW + timedelta(minutes=59), tick=False)
    assert "/reauthenticate/" not in desk.post(f"/admin/{path}", {}).get("Location", "")
    clock.move_to(NOW + timedelta(minutes=61), tick=False)
    assert desk.post(f"/admin/{path}", {})["Location"].startswith("/accounts/reauthenticate/")
