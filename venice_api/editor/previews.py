"""The newest posts of a source that is typed on the page of a new widget."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from paris_integration import public as paris
from venice_api import wording
from venice_api.editor.forms import SettingsForm
from venice_api.values import parse_filter

MOST_POSTS = 12
SHOWN_WORDS = 120


@dataclass(frozen=True, slots=True)
class Tile:
    """`picture`: "" if the post has none."""

    picture: str
    words: str


@dataclass(frozen=True, slots=True)
class Preview:
    """`words`: what is missing and why, in sentences."""

    source: paris.Source
    posts: list[Tile]
    words: list[str]


def preview(workspace_id: UUID, form: SettingsForm, *, now: datetime) -> Preview | None:
    """Read the source of the form, within the workspace's hourly previews. None if the form isn't valid."""
    if not form.is_valid() or form.source is None:
        return None
    selection = paris.Selection(
        min(form.cleaned_data["max_posts"], MOST_POSTS), parse_filter(form.cleaned_data["filter_type"])
    )
    try:
        view = paris.preview_source(workspace_id, form.source, selection, now=now)
    except paris.PreviewBudgetSpent as spent:
        return Preview(form.source, [], [wording.spent_previews_words(spent.retry_at)])
    return Preview(form.source, [_tile(post) for post in view.posts], wording.preview_words(view))


def _tile(post: paris.EncodedPost) -> Tile:
    external: paris.ExternalPost = json.loads(post.json)
    words = external.get("altText") or external.get("caption") or "A post without text"
    return Tile(picture=external.get("thumbnailUrl", ""), words=words[:SHOWN_WORDS])
