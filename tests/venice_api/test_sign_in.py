"""Signing in, and the lockout after failed attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from venice_api.tasks import forget_failed_sign_ins, remove_ended_sessions

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "the-right-password-1"
PAGES = ("/accounts/login/", "/admin/login/")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(time_machine: Any) -> Any:
    time_machine.move_to(NOW, tick=False)
    User.objects.create_superuser("robin", password=PASSWORD)
    User.objects.create_user("sam", password=PASSWORD)
    return time_machine


def sign_in(page: str, name: str, password: str, address: str = "10.0.0.1", **headers: str) -> Any:
    typed = {"username": name, "password": password}
    return Client().post(page, typed, REMOTE_ADDR=address, headers=headers)


@pytest.mark.parametrize("page", PAGES)
def test_guessing_is_locked_out_until_the_wait_is_over(page: str, clock: Any) -> None:
    guesses = [sign_in(page, "robin", f"guess-{n}").status_code for n in range(12)]
    assert guesses == [200] * 9 + [429] * 3

    locked = sign_in(page, "robin", PASSWORD)
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert "Wait 15 minutes" in locked.content.decode()
    assert PASSWORD not in locked.content.decode()
    assert sign_in(page, "robin", PASSWORD, address="10.0.0.2").status_code == 302
    assert sign_in("/accounts/login/", "sam", PASSWORD).status_code == 302
    clock.move_to(NOW + timedelta(minutes=15, seconds=1), tick=False)
    assert sign_in(page, "robin", PASSWORD).status_code == 302


def test_a_successful_sign_in_resets_the_count() -> None:
    for _ in range(3):
        assert [sign_in(PAGES[0], "sam", "guess").status_code for _ in range(9)] == [200] * 9
        assert sign_in(PAGES[0], "sam", PASSWORD).status_code == 302


@pytest.mark.parametrize(("proxies", "is_locked"), [(0, True), (1, False)])
def test_a_forged_address_does_not_avoid_the_lockout(settings: Any, proxies: int, is_locked: bool) -> None:
    settings.TRUSTED_PROXIES = proxies
    for n in range(10):
        sign_in(PAGES[0], "sam", "guess", **{"X-Forwarded-For": f"198.51.100.{n}"})
    last = sign_in(PAGES[0], "sam", PASSWORD, **{"X-Forwarded-For": "203.0.113.9"})
    assert (last.status_code == 429) is is_locked


def test_no_password_is_stored_and_old_failures_are_deleted(clock: Any) -> None:
    sign_in(PAGES[0], "sam", "a-secret-typo")
    (attempt,) = AccessAttempt.objects.values()
    assert "a-secret-typo" not in str(attempt)
    assert forget_failed_sign_ins() == 0
    clock.move_to(NOW + timedelta(minutes=16), tick=False)
    assert forget_failed_sign_ins() == 1


@pytest.mark.parametrize(("days", "left"), [(13, {"sam", "robin"}), (15, {"robin"}), (22, set())])
def test_ended_sessions_are_deleted(clock: Any, days: int, left: set[str]) -> None:
    """A session lasts two weeks. Robin signs in a week after Sam."""
    sign_in(PAGES[0], "sam", PASSWORD)
    clock.move_to(NOW + timedelta(days=7), tick=False)
    sign_in(PAGES[0], "robin", PASSWORD)
    clock.move_to(NOW + timedelta(days=days), tick=False)

    remove_ended_sessions()

    assert set(UserSession.objects.values_list("user__username", flat=True)) == left
    assert Session.objects.count() == len(left)


def test_a_sign_out_leaves_no_address(clock: Any) -> None:
    client = Client()
    client.post(PAGES[0], {"username": "sam", "password": PASSWORD})
    assert UserSession.objects.count() == 1
    client.post("/accounts/logout/")
    clock.move_to(NOW + timedelta(hours=2), tick=False)

    remove_ended_sessions()

    assert not UserSession.objects.exists()
