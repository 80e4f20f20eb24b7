"""Where "Upgrade" leads on the editor's pages."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from django.conf import settings

from entitlements.models import Workspace


def upgrade_href(workspace: Workspace, plan_name: str) -> str:
    """UPGRADE_URL for this workspace and plan, else a mail to SUPPORT_EMAIL; "" when neither is set."""
    if settings.UPGRADE_URL:
        filled: str = settings.UPGRADE_URL.format(
            workspace=quote(str(workspace.pk), safe=""), plan=quote(plan_name, safe="")
        )
        return filled
    if settings.SUPPORT_EMAIL:
        subject = f"Upgrade {workspace.name} to {plan_name}"
        body = f"Please upgrade the workspace {workspace.name} ({workspace.pk}) to the {plan_name} plan."
        query = urlencode({"subject": subject, "body": body}, quote_via=quote)
        return f"mailto:{quote(settings.SUPPORT_EMAIL, safe='@')}?{query}"
    return ""
