"""The iframe that editors copy for sites that don't allow scripts of others."""

from __future__ import annotations

from django.utils.html import format_html


def frame_code(base_url: str, instance_id: str, token: str) -> str:
    """HTML. `base_url`: the service's."""
    return format_html(
        '<iframe src="{}/embed/{}?token={}" title="Instagram feed" width="100%" height="600"></iframe>',
        base_url,
        instance_id,
        token,
    )
