"""The demo's workspace, widgets and users. Seeding is idempotent."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from entitlements.models import Membership, Plan, Workspace
from venice_api import embed_tokens
from venice_api.models import WidgetInstance

WORKSPACE_NAME = "Acme Bakery"
PLAN_KEY = "pro"
EDITOR_NAME = "editor"
ADMIN_NAME = "admin"


@dataclass(frozen=True, slots=True)
class DemoWidget:
    name: str
    username: str
    max_posts: int
    filter_type: str = "all"


WIDGETS = (
    DemoWidget("Front page", "acme.bakery", 12),
    DemoWidget("Reels", "acme.bakery", 4, "video"),
    DemoWidget("Trail diary", "northern.trails", 8),
)


@transaction.atomic
def seed(password: str) -> None:
    """Create or update the demo's rows. Both users get `password`; the admin can also use the editor."""
    plan = Plan.objects.get(key=PLAN_KEY)
    workspace, _ = Workspace.objects.get_or_create(name=WORKSPACE_NAME, defaults={"plan": plan})
    for name, role, is_admin in ((EDITOR_NAME, "editor", False), (ADMIN_NAME, "owner", True)):
        user, _ = User.objects.get_or_create(
            username=name,
            defaults={"is_staff": is_admin, "is_superuser": is_admin, "email": f"{name}@acme.example"},
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
        Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": role})
    for widget in WIDGETS:
        WidgetInstance.objects.get_or_create(
            workspace=workspace,
            name=widget.name,
            defaults={
                "source_type": "profile",
                "source_value": widget.username,
                "max_posts": widget.max_posts,
                "filter_type": widget.filter_type,
            },
        )


def widgets() -> list[tuple[WidgetInstance, str]]:
    """The demo's instances with their embed tokens, in the order of WIDGETS."""
    rows = {row.name: row for row in WidgetInstance.objects.filter(workspace__name=WORKSPACE_NAME)}
    seeded = [rows[widget.name] for widget in WIDGETS if widget.name in rows]
    return [(row, embed_tokens.issue(row.pk, row.token_version)) for row in seeded]
