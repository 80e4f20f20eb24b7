"""One widget's page, from one look at its feed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from entitlements.limits import Limits
from entitlements.memberships import Role, can_edit
from paris_integration import public as paris
from paris_integration.public import SourceType
from venice_api import appearance, embed_tokens, explaining, wording
from venice_api.editor import locks
from venice_api.editor.forms import SettingsForm
from venice_api.editor.gates import page
from venice_api.editor.platforms import Codes
from venice_api.embed_code import Reserve, embed_code
from venice_api.frame_code import frame_code
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

_REFRESHES_NOTHING = frozenset({paris.RefreshEffect.CLOSED, paris.RefreshEffect.PAUSED})


def show(
    request: HttpRequest,
    instance: WidgetInstance,
    role: Role,
    limits: Limits,
    form: SettingsForm,
    *,
    draft: paris.Source | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page. `draft`: a source that was typed but not saved, previewed instead of the saved one."""
    now = timezone.now()
    known = from_row(instance)
    explanation = paris.explain_instance(known.feed_key(), now=now)
    view = explanation.view
    notes = wording.notes(view, known.source.type, limits.plan_name)
    context = {
        "instance": instance,
        "workspace": instance.workspace,
        "form": form,
        "draft": draft,
        "may_edit": can_edit(role),
        "limits": limits,
        "number_waiting": _number_waiting(view.posts, known.selection()),
        "notes": list(notes.values()),
        "plan_is_noted": paris.Warning.PLAN_RESTRICTED in notes,
        "preview_words": wording.all_warning_words(besides=() if draft else notes),
        **_cause(explanation, known.source.type, notes.values()),
        **_freshness(explanation, known.feed_key(), limits),
        **_account(instance, view.connection, limits, now),
        **_embed_code(instance),
        **source_locks(limits, instance.workspace_id, now=now),
    }
    return page(request, "editor/detail.html", context, status=status)


def source_locks(limits: Limits, workspace_id: UUID, *, now: datetime) -> dict[str, object]:
    """The lock on each type of source; None where there is none."""
    kinds = {kind.value: locks.lock_of_source(kind, limits, workspace_id, now=now) for kind in SourceType}
    return {"source_locks": kinds}


def _cause(
    explanation: paris.Explanation, source_type: SourceType, notes: Collection[str]
) -> dict[str, object]:
    """The first cause, and its sentence unless a note on the page says the same."""
    words = explaining.editor_words(explanation.first, explanation, source_type)
    return {"cause": explanation.first, "why": "" if words in notes else words}


def _freshness(explanation: paris.Explanation, key: paris.FeedKey, limits: Limits) -> dict[str, object]:
    view = explanation.view
    is_off = view.refresh_now is not None and view.refresh_now.effect in _REFRESHES_NOTHING
    return {
        "view": view,
        "health": wording.health_of(view),
        "period": "" if is_off else wording.period_words(limits.refresh_ttl_minutes_min),
        "pictures": wording.picture_words(paris.picture_status(key)),
        "remaining": wording.remaining_words(view.forced) if view.forced and not is_off else "",
        "refresh_block": wording.block_of(view, explained=explanation.first.code),
        "upgrade_hint": view.refresh_now.upgrade_hint if view.refresh_now else None,
    }


def _account(
    instance: WidgetInstance, connection: paris.ConnectionFacts | None, limits: Limits, now: datetime
) -> dict[str, object]:
    return {
        "connection": connection,
        "state_words": wording.connection_words(connection.state) if connection else "",
        "logins": locks.login_choices(SourceType(instance.source_type)),
        "accounts_lock": locks.lock_of_accounts(limits, instance.workspace_id, now=now),
    }


def embed_codes(instance: WidgetInstance) -> Codes:
    base_url, token = settings.PUBLIC_BASE_URL, embed_tokens.issue(instance.pk, instance.token_version)
    return Codes(
        base_url=base_url,
        token=token,
        html=embed_code(base_url, token, _reserve(instance)),
        frame=frame_code(base_url, instance.pk, token),
        support_email=settings.SUPPORT_EMAIL,
    )


def _embed_code(instance: WidgetInstance) -> dict[str, object]:
    codes = embed_codes(instance)
    return {"token": codes.token, "reserve": _reserve(instance).words, "script_code": codes.html}


def _reserve(instance: WidgetInstance) -> Reserve:
    looks = appearance.to_send(instance.appearance)
    return Reserve.of(instance.max_posts, looks, has_profile=instance.source_type == SourceType.PROFILE)


def _number_waiting(posts: Iterable[paris.EncodedPost], selection: paris.Selection) -> int:
    return sum(paris.why_left_out(post, selection) is paris.LeftOut.UNAPPROVED for post in posts)
