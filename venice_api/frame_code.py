"""The iframe that editors copy for sites that don't allow scripts of others, and the script that sizes it."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from django.utils.html import format_html
from django.utils.safestring import mark_safe

_SCRIPT = """\
addEventListener("message", ({ data, origin, source }) => {
  if (origin !== ORIGIN || data?.type !== "instagram-feed:height") return;
  for (const each of document.querySelectorAll("iframe")) if (each.contentWindow === source) each.height = data.height;
});
"""


def frame_code(base_url: str, instance_id: str, token: str) -> str:
    """HTML. `base_url`: the service's.

    The script accepts heights only from the service, each for the iframe that sends it.
    """
    parts = urlsplit(base_url)
    # A JSON string without "<" can't end the script.
    origin = json.dumps(f"{parts.scheme}://{parts.netloc}").replace("<", "\\u003c")
    return format_html(
        '<iframe src="{}/embed/{}?token={}" title="Instagram feed" width="100%" height="600" '
        'style="border: 0"></iframe>\n<script>\n{}</script>',
        base_url,
        instance_id,
        token,
        mark_safe(_SCRIPT.replace("ORIGIN", origin)),  # noqa: S308 - made here
    )
