"""Support staff's screens: the plan matrix, workspaces with their effective limits, the history of changes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from entitlements import changes, keys
from entitlements.changes import Actor
from entitlements.limits import effective_values
from entitlements.models import (
    EntitlementChange,
    EntitlementOverride,
    Membership,
    Plan,
    PlanEntitlement,
    Workspace,
)


def actor_of(request: HttpRequest) -> Actor:
    return Actor(request.user.get_username(), request.user)


class MatrixForm(forms.Form):
    """Every plan and key in one form; what cannot be is said at its cell, and what was typed stays."""

    def __init__(self, plans: list[Plan], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plans = plans
        for plan in plans:
            values = {row.key: row.value for row in plan.entitlements.all()}
            for key in keys.KEYS:
                self.fields[f"{plan.key}:{key.name}"] = _matrix_field(plan, key, values.get(key.name))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for name in self.fields:
            if name in self.errors:
                continue
            key = name.split(":", 1)[1]
            try:
                cleaned[name] = _from_cell(key, self.cleaned_data.get(name))
            except ValueError as error:
                self.add_error(name, str(error).removeprefix(f"{key}: "))
        return cleaned

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"key": key, "cells": [self[f"{plan.key}:{key.name}"] for plan in self.plans]}
            for key in keys.KEYS
        ]

    def save(self, actor: Actor) -> None:
        for plan in self.plans:
            for key in keys.KEYS:
                changes.set_plan_value(
                    plan, key.name, self.cleaned_data[f"{plan.key}:{key.name}"], actor=actor
                )


def _matrix_field(plan: Plan, key: keys.Key, value: keys.Value) -> forms.Field:
    label = f"{plan.name}: {key.name}"
    if key.kind is keys.Kind.BOOL:
        return forms.BooleanField(label=label, required=False, initial=value)
    attributes = {"inputmode": "numeric", "placeholder": key.empty_means or "", "size": 8}
    widget = forms.TextInput(attrs=attributes)
    return forms.CharField(label=label, required=False, initial="" if value is None else value, widget=widget)


def _from_cell(key: str, cell: Any) -> keys.Value:
    if isinstance(cell, bool):
        return keys.check_value(key, cell)
    return keys.parse_value(key, str(cell or ""))


class PlanEntitlementReadOnly(admin.TabularInline):
    model = PlanEntitlement
    fields = readonly_fields = ("key", "value")
    can_delete = False
    extra = 0
    verbose_name_plural = "values (edited in the matrix)"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin):
    list_display = ("name", "key", "rank", "billing_code")
    inlines = (PlanEntitlementReadOnly,)
    change_list_template = "admin/entitlements/plan_list.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        return ("key", "rank")

    def get_urls(self) -> list[URLPattern]:
        matrix = path(
            "matrix/", self.admin_site.admin_view(self.matrix_view), name="entitlements_plan_matrix"
        )
        return [matrix, *super().get_urls()]

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        """The whole matrix on one screen; who may only look gets it read-only."""
        if not self.has_view_or_change_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        may_edit = self.has_change_permission(request)
        plans = list(Plan.objects.order_by("rank").prefetch_related("entitlements"))
        form = MatrixForm(plans, request.POST if request.method == "POST" and may_edit else None)
        if form.is_bound and form.is_valid():
            form.save(actor_of(request))
            self.message_user(request, "The plans were saved.")
            return HttpResponseRedirect(reverse("admin:entitlements_plan_matrix"))
        if not may_edit:
            for field in form.fields.values():
                field.disabled = True
        context = {
            **self.admin_site.each_context(request),
            "title": "Plan matrix",
            "form": form,
            "plans": plans,
            "may_edit": may_edit,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/entitlements/matrix.html", context)


class OverrideForm(forms.ModelForm):
    typed_value = forms.CharField(
        label="Value", required=False, help_text="true, false, a whole number, or unlimited", max_length=40
    )

    class Meta:
        model = EntitlementOverride
        fields = ("key", "typed_value", "ends_at", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["typed_value"].initial = _typed(self.instance.value)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "key" in cleaned:
            try:
                self.instance.value = keys.parse_value(cleaned["key"], cleaned.get("typed_value") or "")
            except ValueError as error:
                self.add_error("typed_value", str(error).removeprefix(f"{cleaned['key']}: "))
        ends_at = cleaned.get("ends_at")
        if ends_at is not None and "ends_at" in self.changed_data and ends_at <= timezone.now():
            self.add_error("ends_at", "Must lie in the future.")
        return cleaned


def _typed(value: keys.Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "unlimited" if value is None else str(value)


class OverrideInline(admin.TabularInline):
    model = EntitlementOverride
    form = OverrideForm
    extra = 0


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):
    list_display = ("name", "plan", "id", "created_at")
    list_filter = ("plan",)
    list_select_related = ("plan",)
    search_fields = ("name", "id")
    fields = ("id", "name", "plan", "effective_limits", "created_at")
    readonly_fields = ("id", "effective_limits", "created_at")
    inlines = (MembershipInline, OverrideInline)

    @admin.display(description="Effective limits")
    def effective_limits(self, workspace: Workspace) -> SafeString | str:
        if workspace._state.adding:
            return "Shown once the workspace is saved."
        rows = (
            (
                value.key,
                value.words,
                value.source + (f" until {value.until:%Y-%m-%d %H:%M} UTC" if value.until else ""),
            )
            for value in effective_values(workspace.pk, now=timezone.now())
        )
        cells = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
        head = format_html("<thead><tr><th>Key</th><th>Value</th><th>Comes from</th></tr></thead>")
        return format_html("<table>{}<tbody>{}</tbody></table>", head, cells)

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        chosen = obj.plan
        held = Workspace.objects.get(pk=obj.pk)
        changes.set_plan(held, chosen, actor=actor_of(request))
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: BaseInlineFormSet, change: bool) -> None:
        if formset.model is not EntitlementOverride:
            super().save_formset(request, form, formset, change)
            return
        actor = actor_of(request)
        for override in formset.save(commit=False):
            if override.pk:
                before = EntitlementOverride.objects.get(pk=override.pk)
                if before.key != override.key:
                    changes.remove_override(before, actor=actor)
            changes.set_override(
                override.workspace,
                override.key,
                override.value,
                actor=actor,
                ends_at=override.ends_at,
                note=override.note,
            )
        for override in formset.deleted_objects:
            changes.remove_override(override, actor=actor)


@admin.register(EntitlementChange)
class EntitlementChangeAdmin(admin.ModelAdmin):
    list_display = ("at", "actor", "subject", "key", "old_value", "new_value", "note")
    list_filter = ("key", "at")
    search_fields = ("actor", "subject", "note")
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: EntitlementChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EntitlementChange | None = None) -> bool:
        return False
