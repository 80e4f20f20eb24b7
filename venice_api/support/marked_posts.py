"""The posts that a widget's owner has hidden or pinned, as staff see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from venice_api.editor.posts import Tile, all_posts, tiles_of
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.moderation import Act

MOST = 60


@dataclass(frozen=True, slots=True)
class MarkedPost:
    """`tile`: None if the post is no longer in the feed."""

    id: str
    tile: Tile | None


@dataclass(frozen=True, slots=True)
class MarkedPosts:
    """Posts with one mark. `act` and `button`: what removes it. `more`: how many aren't listed."""

    title: str
    act: str
    button: str
    posts: Sequence[MarkedPost]
    more: int


def marked_posts(row: WidgetInstance) -> list[MarkedPosts]:
    instance = from_row(row)
    tiles = {tile.id: tile for tile in tiles_of(all_posts(row), instance)}

    def group(title: str, act: Act, button: str, ids: Sequence[str]) -> MarkedPosts:
        posts = [MarkedPost(post_id, tiles.get(post_id)) for post_id in ids[:MOST]]
        return MarkedPosts(title, act.value, button, posts, len(ids) - len(posts))

    return [
        group("Hidden posts", Act.SHOW, "Show again", instance.hidden_post_ids[::-1]),
        group("Pinned posts", Act.UNPIN, "Unpin", instance.pinned_post_ids),
    ]
