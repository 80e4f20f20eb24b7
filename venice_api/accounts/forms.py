"""The forms of the account pages, where they differ from django-allauth's."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.forms import ChangePasswordForm, LoginForm, ResetPasswordKeyForm, SetPasswordForm
from allauth.account.internal.userkit import filter_users_by_email
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

NEW_PASSWORD = {"password1": "New password", "password2": "New password again"}
LONGEST_USERNAME = User._meta.get_field("username").max_length or 0


def username_of(typed: str) -> str:
    """The username of the only account with this address; otherwise what was typed.

    Failures are counted by username, so that name and address of one person have one count.
    """
    if "@" not in typed or User.objects.filter(username=typed).exists():
        return typed
    found = filter_users_by_email(typed, is_active=True, prefer_verified=True)
    return found[0].get_username() if len(found) == 1 else typed


class SignInForm(LoginForm):  # type: ignore[misc]
    """By username or address. The field is called `username`, as in Django's own form."""

    username = forms.CharField(strip=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["login"]

    def user_credentials(self) -> dict[str, str]:
        return {
            "username": User.normalize_username(username_of(self.cleaned_data["username"])),
            "password": self.cleaned_data["password"],
        }

    def clean(self) -> dict[str, Any]:
        # Cleaned last, so `login` is what the parent's messages are about.
        self.cleaned_data["login"] = self.cleaned_data.get("username", "")
        return cast(dict[str, Any], super().clean() or self.cleaned_data)

    def _clean_with_password(self, credentials: dict[str, str]) -> dict[str, Any]:
        # Longer names aren't counted: they don't fit django-axes' column.
        if len(credentials["username"]) > LONGEST_USERNAME:
            raise ValidationError("Wrong username or password.")
        return dict(super()._clean_with_password(credentials))


class ChangePassword(ChangePasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        _label(self, {"oldpassword": "Current password", **NEW_PASSWORD})


class SetPassword(SetPasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        _label(self, NEW_PASSWORD)


class ResetPassword(ResetPasswordKeyForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        _label(self, NEW_PASSWORD)


def _label(form: forms.Form, labels: dict[str, str]) -> None:
    for name, label in labels.items():
        form.fields[name].label = label
        form.fields[name].widget.attrs.pop("placeholder", None)
