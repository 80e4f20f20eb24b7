"""How django-allauth behaves here: closed sign-up, our mails, django-axes counts failures, secrets are encrypted."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from outbox import sending
from paris_integration import public as paris
from venice_api.accounts import freshness
from venice_api.accounts.lockout import address_of

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - the column accepts only addresses
LONGEST_ADDRESS = 254  # characters
SEAL = "second factor"
JUST_SIGNED_IN_SECONDS = 300


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "incorrect_password": "This isn't your password.",
        "enter_current_password": "This isn't your current password.",
        "too_many_login_attempts": "Too many wrong codes. Wait five minutes, then try again.",
        "rate_limited": "Too many wrong codes. Wait five minutes, then try again.",
        "duplicate_email": "This is already your address.",
        "email_taken": "Another account uses this address.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by invitation, or by a command."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: django-axes counts wrong passwords, in the database."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        named = {"username": credentials.get("username"), "password": credentials.get("password")}
        return authenticate(request, **named)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Right after signing in, nobody has to sign in again to change their account."""
        return not freshness.is_fresh(context.request, within_seconds=JUST_SIGNED_IN_SECONDS)

    def clean_email(self, email: str) -> str:
        if len(email) > LONGEST_ADDRESS:
            raise ValidationError("This address is too long.")
        return email

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_of(request) or UNKNOWN_ADDRESS

    def is_ajax(self, request: HttpRequest) -> bool:
        """Never: these are pages, whatever the request accepts."""
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        # Not from the request: its Host header is the client's.
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.PUBLIC_BASE_URL + path.replace("UID-KEY", key)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return settings.PUBLIC_BASE_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        kind = template_prefix.rpartition("/")[2]
        if "user" not in context and self.request is not None:
            context = {**context, "user": self.request.user}
        sending.queue(
            kind,
            email,
            {
                "username": context["user"].get_username(),
                "reset_page": settings.PUBLIC_BASE_URL + reverse("account_reset_password"),
                **context,
            },
        )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Any,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """To the person's address, confirmed or not: it is the one that staff or the person gave."""
        if recipient := email or user.email:
            self.send_mail(template_prefix, recipient, {"user": user, **(context or {})})


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code isn't right, or it was already used. Wait for the next one.",
    }

    def get_totp_issuer(self) -> str:
        return "Instagram feeds"

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def encrypt(self, text: str) -> str:
        return paris.seal_text(text, purpose=SEAL)

    def decrypt(self, encrypted_text: str) -> str:
        return paris.open_text(encrypted_text, purpose=SEAL)
