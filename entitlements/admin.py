"""Admin pages for staff: the plan matrix, workspaces with their effective limits, and the history of changes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import BigIntegerField
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from entitlements import changes, keys, members
from entitlements.changes import Actor
from entitlements.limits import effective_values
from entitlements.matrix import MatrixForm
from entitlements.matrix_history import page_of_history
from entitlements.models import (
    EntitlementChange,
    EntitlementOverride,
    Invitation,
    Membership,
    Plan,
    Workspace,
)
from entitlements.reviews import SIMULATED_DAYS, CellChange, effects_of
from foundation.changes_forms import ChangesForm
from foundation.staff_pages import (
    NamedAutocomplete,
    ReadOnlyAdmin,
    code_column,
    coded,
    end_state,
    end_state_filter,
    id_column,
    moment_column,
    text_column,
    time_filter,
    worded_filter,
)

MAY_ACT = "venice_api.act_for_customer"
KEY_WORDS = {key.name: key.meaning.partition(". ")[0].rstrip(".") for key in keys.KEYS}


def actor_of(request: HttpRequest) -> Actor:
    return Actor(request.user.get_username(), request.user)


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin):
    """Names and billing codes. The values of all plans are edited in the matrix."""

    list_display = ("plan_name", "rank", "billing_code")
    fields = ("name", "key", "rank", "billing_code", "matrix_link")
    readonly_fields = ("key", "rank", "matrix_link")
    change_list_template = "admin/entitlements/plan_list.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        return False

    @admin.display(description="Name", ordering="name")
    def plan_name(self, plan: Plan) -> SafeString | str:
        return coded(plan.key, {plan.key: plan.name})

    @admin.display(description="Values")
    def matrix_link(self, plan: Plan) -> SafeString:
        return format_html('<a href="{}">In the plan matrix</a>', reverse("admin:entitlements_plan_matrix"))

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        changes.describe_plan(obj, name=obj.name, billing_code=obj.billing_code, actor=actor_of(request))

    def get_urls(self) -> list[URLPattern]:
        matrix = path(
            "matrix/", self.admin_site.admin_view(self.matrix_view), name="entitlements_plan_matrix"
        )
        undo = path(
            "matrix/undo/<int:change_id>/",
            self.admin_site.admin_view(self.undo_view),
            name="entitlements_plan_matrix_undo",
        )
        return [matrix, undo, *super().get_urls()]

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        """The matrix of all plans: read-only without the change permission, 403 without the view permission."""
        may_edit = _may_edit_values(request)
        if not may_edit and not request.user.has_perm("entitlements.view_planentitlement"):
            raise PermissionDenied
        if request.method != "POST":
            return self._matrix_page(request, MatrixForm(_plans()), may_edit=may_edit)
        if not may_edit:
            raise PermissionDenied
        if "review" in request.POST:  # without locks, as the simulation takes a while
            form = MatrixForm(_plans(), request.POST)
            reviewed = form.changed_cells() if form.is_valid() else None
            return self._matrix_page(request, form, may_edit=True, reviewed=reviewed)
        with transaction.atomic():
            form = MatrixForm(_plans(lock=True), request.POST)
            if not form.is_valid():
                return self._matrix_page(request, form, may_edit=True)
            different = form.save(actor_of(request))
        self.message_user(
            request, f"Saved. Values changed: {different}." if different else "Nothing was changed."
        )
        return HttpResponseRedirect(reverse("admin:entitlements_plan_matrix"))

    def undo_view(self, request: HttpRequest, change_id: int) -> HttpResponse:
        """What undoing the last change would do; a POST undoes it."""
        if not _may_edit_values(request):
            raise PermissionDenied
        try:
            if request.method == "POST":
                changes.undo_last_change(change_id, actor=actor_of(request))
                self.message_user(request, "The last change is undone.")
                return HttpResponseRedirect(reverse("admin:entitlements_plan_matrix"))
            last, cells = changes.cells_to_undo(change_id)
        except changes.CannotUndo as error:
            self.message_user(request, f"Nothing was undone. {error}", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:entitlements_plan_matrix"))
        context = {"title": "Undo the last change", "last": last, **self._review(cells)}
        return self._page(request, "admin/entitlements/matrix_undo.html", context)

    def _matrix_page(
        self,
        request: HttpRequest,
        form: MatrixForm,
        *,
        may_edit: bool,
        reviewed: list[CellChange] | None = None,
    ) -> HttpResponse:
        # Not below values that are being edited: its links would lose them.
        names = {plan.key: plan.name for plan in form.plans}
        history = None if form.is_bound else page_of_history(request.GET.get("page"), names)
        context = {
            "title": "Plan matrix",
            "form": form,
            "may_edit": may_edit,
            "history": history,
            **({} if reviewed is None else self._review(reviewed)),
        }
        return self._page(request, "admin/entitlements/matrix.html", context)

    def _review(self, cells: list[CellChange]) -> dict[str, Any]:
        return {"effects": effects_of(cells, timezone.now()), "simulated_days": SIMULATED_DAYS}

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        whole = {"effects": None, **self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, template, whole)


def _may_edit_values(request: HttpRequest) -> bool:
    return request.user.has_perm("entitlements.change_planentitlement")


def _plans(*, lock: bool = False) -> list[Plan]:
    plans = Plan.objects.order_by("rank").prefetch_related("entitlements")
    return list(plans.select_for_update(no_key=True) if lock else plans)


class OncePerWorkspace(BaseInlineFormSet):
    """Reports duplicate rows at the field.

    Django's own check skips a constraint that includes the inline's parent and, for rows submitted together, doesn't
    say which one is the duplicate.
    """

    once: str
    why: str

    def add_fields(self, form: Any, index: int | None) -> None:
        """Add a label to each field for screen readers."""
        super().add_fields(form, index)
        # In a tabular inline only the table head shows the names of the fields.
        for name, field in form.fields.items():
            field.widget.attrs.setdefault("aria-label", str(field.label or name))

    def clean(self) -> None:
        mine = [form.instance.pk for form in self.initial_forms]
        of_workspace: Any = self.queryset
        others = of_workspace.exclude(pk__in=mine)
        taken = set(others.values_list(self.once, flat=True))
        for form in self.forms:
            typed = getattr(form, "cleaned_data", {})
            value = typed.get(self.once)
            if value is None or typed.get(DELETION_FIELD_NAME):
                continue
            value = getattr(value, "pk", value)
            if value in taken:
                form.add_error(self.once, self.why)
            taken.add(value)


class OverrideForm(ChangesForm):
    """The value is entered as text and parsed by the key's kind. The key of an existing override can't change."""

    typed_value = forms.CharField(
        label="Value",
        required=False,
        max_length=40,
        help_text="true or false, a whole number, or unlimited. Empty means unlimited.",
    )

    class Meta:
        model = EntitlementOverride
        fields = ("key", "typed_value", "ends_at", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].choices = [("", "---------"), *KEY_WORDS.items()]  # type: ignore[attr-defined]
        if not self.instance._state.adding:
            self.fields["typed_value"].initial = _typed(self.instance)
            self.fields["key"].disabled = True

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        key = cleaned.get("key")
        if key and "typed_value" in cleaned:
            try:
                self.instance.value = keys.parse_value(key, cleaned["typed_value"])
            except ValueError as error:
                self.add_error("typed_value", str(error).removeprefix(f"{key}: "))
        ends_at = cleaned.get("ends_at")
        if ends_at is not None and "ends_at" in self.changed_data and ends_at <= timezone.now():
            self.add_error("ends_at", "Must be in the future.")
        return cleaned


def _typed(override: EntitlementOverride) -> str:
    return keys.text_for(override.key, override.value)


class OverrideFormSet(OncePerWorkspace):
    once = "key"
    why = "This workspace already has an override for this key."


class OverrideInline(admin.TabularInline):
    model = EntitlementOverride
    formset = OverrideFormSet
    form = OverrideForm
    fields = ("key", "typed_value", "ends_at", "note", "created_by")
    readonly_fields = ("created_by",)
    extra = 0
    verbose_name_plural = "overrides (replace the plan's values)"

    @admin.display(description="Value")
    def typed_value(self, override: EntitlementOverride) -> str:
        """Shown to users with only the view permission."""
        return _typed(override)


class MembershipFormSet(OncePerWorkspace):
    once = "user"
    why = "This user is already a member of this workspace."


class MembershipForm(ChangesForm):
    class Meta:
        model = Membership
        fields = ("user", "role")


class MembershipInline(admin.TabularInline):
    model = Membership
    form = MembershipForm
    formset = MembershipFormSet
    extra = 0
    autocomplete_fields = ("user",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["widget"] = NamedAutocomplete(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class WorkspaceForm(ChangesForm):
    class Meta:
        model = Workspace
        fields = ("name", "plan")


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):
    form = WorkspaceForm
    list_display = ("short_name", "plan_name", "short_id", "created")
    list_filter = ("plan",)
    list_select_related = ("plan",)
    search_fields = ("name", "id")
    search_help_text = "Search by name or id."
    fields = ("id", "name", "plan", "effective_limits", "changes_link", "usage_link", "created")
    readonly_fields = ("id", "effective_limits", "changes_link", "usage_link", "created")
    inlines = (MembershipInline, OverrideInline)
    # Deleting a workspace also deletes its widgets and feeds, so it is done one at a time, with the confirmation page.
    actions = None

    short_name = text_column("name", 50)
    short_id = id_column("id", "ID")
    created = moment_column("created_at", "Created")

    class Media:
        css = {"all": ("entitlements/admin.css",)}

    @admin.display(description="Plan", ordering="plan__rank")
    def plan_name(self, workspace: Workspace) -> SafeString | str:
        return coded(workspace.plan.key, {workspace.plan.key: workspace.plan.name})

    @admin.display(description="Effective limits")
    def effective_limits(self, workspace: Workspace) -> SafeString | str:
        if workspace._state.adding:
            return "Shown once the workspace is saved."
        values = effective_values(workspace.pk, now=timezone.now())
        return render_to_string("admin/entitlements/effective_limits.html", {"values": values})

    @admin.display(description="History")
    def changes_link(self, workspace: Workspace) -> SafeString | str:
        if workspace._state.adding:
            return "-"
        page = reverse("admin:entitlements_entitlementchange_changelist")
        return format_html(
            '<a href="{}?workspace__id__exact={}">Changes to plan and overrides</a>', page, workspace.pk
        )

    @admin.display(description="Usage")
    def usage_link(self, workspace: Workspace) -> SafeString | str:
        if workspace._state.adding:
            return "-"
        page = reverse("admin:paris_integration_dailyusage_changelist")
        return format_html('<a href="{}?workspace__id__exact={}">Daily usage</a>', page, workspace.pk)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], Any, set[str], list[Any]]:
        """As Django's, but the permission to delete workspaces is enough."""
        # The admin pages of related rows are read-only, which Django would count as missing permissions.
        found, counts, _, protected = super().get_deleted_objects(objs, request)
        return found, counts, set(), protected

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Workspace | None:
        """The workspace. While a form is checked and saved, the row is locked, as in `changes` and `members`."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST" and connection.in_atomic_block:
            row = Workspace.objects.select_for_update(no_key=True).filter(pk=row.pk).first()
        return row

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        if not change:
            changes.add_workspace(obj, actor=actor_of(request))
            return
        changes.set_plan(obj, obj.plan, actor=actor_of(request))
        if "name" in form.changed_data:
            obj.save(update_fields=["name"])

    def save_formset(self, request: HttpRequest, form: Any, formset: BaseInlineFormSet, change: bool) -> None:
        if formset.model is Membership:
            _save_members(formset, form.instance, actor_of(request))
            return
        if formset.model is not EntitlementOverride:
            super().save_formset(request, form, formset, change)
            return
        actor = actor_of(request)
        edited = formset.save(commit=False)
        for override in formset.deleted_objects:
            changes.remove_override(override, actor=actor)
        for override in edited:
            changes.set_override(
                override.workspace,
                override.key,
                override.value,
                actor=actor,
                ends_at=override.ends_at,
                note=override.note,
            )


def _save_members(formset: BaseInlineFormSet, workspace: Workspace, actor: Actor) -> None:
    """Save the memberships, and record each difference in the history."""
    before = _roles_in(workspace)
    formset.save()
    after = _roles_in(workspace)
    for username in sorted(before.keys() | after.keys()):
        old, new = before.get(username, "none"), after.get(username, "removed")
        if old != new:
            members.note_staff_change(workspace, username, old, new, actor=actor)


def _roles_in(workspace: Workspace) -> dict[str, str]:
    rows = Membership.objects.filter(workspace=workspace).select_related("user")
    return {row.user.get_username(): row.role for row in rows}


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Who is invited, to which workspace, by whom and until when. Without the link's code."""

    list_display = ("to", "role", "owner", "by", "sent", "until", "state")
    list_filter = (end_state_filter("accepted_at", "accepted"), "role")
    search_fields = ("email", "inviter", "workspace__name", "workspace__id")
    search_help_text = "Search by address, inviter, workspace name or id."
    list_select_related = ("workspace",)
    ordering = ("-sent_at",)
    fields = ("email", "role", "workspace", "inviter", "sent", "until", "state", "accepted", "withdrawn")
    change_form_template = "admin/withdrawable_change.html"

    to = text_column("email", 40, "To")
    owner = text_column("workspace", 30)
    by = text_column("inviter", 30, "Invited by")
    sent = moment_column("sent_at", "Sent")
    until = moment_column("expires_at", "Works until")
    accepted = moment_column("accepted_at", "Accepted")
    withdrawn = moment_column("withdrawn_at", "Withdrawn")

    @admin.display(description="State")
    def state(self, invitation: Invitation) -> str:
        return end_state(invitation, "accepted_at", "accepted")

    def get_urls(self) -> list[URLPattern]:
        withdrawal = path(
            "<int:id>/withdraw/",
            self.admin_site.admin_view(self.withdraw_view),
            name="entitlements_invitation_withdraw",
        )
        return [withdrawal, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        invitation = context["original"]
        if request.user.has_perm(MAY_ACT) and self.state(invitation) == "open":
            context["withdrawal"] = reverse("admin:entitlements_invitation_withdraw", args=[invitation.pk])
        return super().render_change_form(request, context, *args, **kwargs)

    def withdraw_view(self, request: HttpRequest, id: int) -> HttpResponse:
        """Ask, then withdraw the invitation."""
        if not request.user.has_perm(MAY_ACT):
            raise PermissionDenied
        is_id = id <= BigIntegerField.MAX_BIGINT
        invitation = Invitation.objects.filter(pk=id).select_related("workspace").first() if is_id else None
        if invitation is None:
            raise Http404
        page = reverse("admin:entitlements_invitation_change", args=[invitation.pk])
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": f"Withdraw the invitation of {invitation.email}?",
                "opts": self.opts,
                "act_name": "entitlements_invitation_withdraw",
                "lost": [
                    f"The link in the mail to {invitation.email}: it stops working, and they can't join "
                    f"{invitation.workspace} with it."
                ],
                "button": "Withdraw the invitation",
                "back": page,
            }
            return TemplateResponse(request, "admin/confirm_act.html", context)
        try:
            members.withdraw_by_staff(invitation, actor=actor_of(request), now=timezone.now())
        except members.NoSuchMember:
            self.message_user(request, "The invitation was no longer open.", messages.WARNING)
        else:
            self.message_user(request, "The invitation is withdrawn.")
        return HttpResponseRedirect(page)


@admin.register(EntitlementChange)
class EntitlementChangeAdmin(ReadOnlyAdmin):
    """What was changed, when and by whom."""

    list_display = ("when", "who", "about", "what", "old", "new", "why")
    list_filter = (("key", worded_filter(KEY_WORDS)), "actor", ("at", time_filter("time")))
    search_fields = ("subject", "workspace__name", "workspace__id", "actor", "note")
    search_help_text = "Search by workspace name or id, plan, actor or note."
    date_hierarchy = "at"
    show_facets = admin.ShowFacets.NEVER
    fields = ("when", "actor", "subject", "what", "old_value", "new_value", "note")

    when = moment_column("at", "Time")
    who = text_column("actor", 20, "Who")
    about = text_column("subject", 30, "Plan or workspace")
    what = code_column("key", KEY_WORDS, "What")
    old = text_column("old_value", 20, "From")
    new = text_column("new_value", 20, "To")
    why = text_column("note", 40, "Note")
