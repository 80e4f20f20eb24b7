"""Staff pages for people: whether they have a second factor, and its removal when it is lost."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from venice_api.accounts import second_factor

# Not for staff: addresses are changed by their owners, and factors and sessions hold secrets.
for model in (EmailAddress, Authenticator, UserSession, User, Group):
    admin.site.unregister(model)

REMOVED = "Two-step sign-in switched off by staff."


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    readonly_fields = ("last_login", "date_joined", "two_step_sign_in")
    filter_horizontal = ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return _as_checkboxes(super().formfield_for_manytomany(db_field, request, **kwargs))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        return [*shown, ("Two-step sign-in", {"fields": ("two_step_sign_in",)})] if obj else shown

    @admin.display(description="Two-step sign-in")
    def two_step_sign_in(self, person: User) -> SafeString | str:
        if not _has_factor(person):
            return "off"
        page = reverse("admin:auth_user_remove_factor", args=[person.pk])
        return format_html('on · <a href="{}">Switch it off</a>, when the person has lost the phone', page)

    def get_urls(self) -> list[URLPattern]:
        removal = path(
            "<id>/remove-factor/",
            self.admin_site.admin_view(self.remove_factor),
            name="auth_user_remove_factor",
        )
        return [removal, *super().get_urls()]

    def remove_factor(self, request: HttpRequest, id: str) -> HttpResponse:
        """Only for superusers: whoever can remove a factor can, with a password, become that person."""
        if not request.user.is_superuser:
            raise PermissionDenied
        person = get_object_or_404(User, pk=int(unquote(id)) if unquote(id).isdecimal() else None)
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": f"Switch off two-step sign-in for {person.get_username()}?",
                "person": person,
                "has_factor": _has_factor(person),
                "opts": self.opts,
            }
            return TemplateResponse(request, "admin/auth/user/remove_factor.html", context)
        if second_factor.remove(person):
            self.log_change(request, person, REMOVED)
            self.message_user(request, "Two-step sign-in is off. We've told the person by email.")
        else:
            self.message_user(request, "It was already off.", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[person.pk]))


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """The roles of staff."""

    filter_horizontal = ()

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        return _as_checkboxes(super().formfield_for_manytomany(db_field, request, **kwargs))


def _as_checkboxes(field: Any) -> Any:
    """Django's lists with arrows between them can't be used with a screen reader."""
    if field is not None:
        field.widget = CheckboxSelectMultiple(choices=field.widget.choices)
        field.help_text = ""
    return field


def _has_factor(person: User) -> bool:
    return bool(Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).exists())
