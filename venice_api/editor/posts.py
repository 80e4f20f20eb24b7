"""The page of a widget's posts: which of them visitors see, in which order, and with which descriptions.

Each act is a form posted to the page. With htmx the answer is the panel alone; otherwise the page loads again. Either
says once what was done, and offers to undo it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from entitlements.memberships import can_edit
from paris_integration import public as paris
from venice_api import embed_tokens, moderation
from venice_api.editor.gates import instance_and_role, page
from venice_api.instances import Instance, from_row, needs_approval
from venice_api.models import WidgetInstance
from venice_api.moderation import Act
from venice_api.values import InvalidInput

MOST_POSTS = 500  # more than a feed holds
MAX_AT_ONCE = MOST_POSTS
SHOWN_WORDS = 160
DONE_COOKIE = "posts-done"
MAX_COOKIE_LENGTH = 2_500
_POST_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_REASONS = {
    paris.LeftOut.UNAPPROVED: "Waiting for approval",
    paris.LeftOut.WORDS: "Hidden by your word filter",
    paris.LeftOut.HIDDEN: "Hidden",
    paris.LeftOut.KIND: "Not in the chosen kind of posts",
}
_DONE = {
    Act.HIDE: "hidden",
    Act.SHOW: "shown again",
    Act.PIN: "pinned to the front",
    Act.UNPIN: "unpinned",
    Act.APPROVE: "approved",
    Act.WITHDRAW: "no longer approved",
}
_REVERSE = {Act.HIDE: Act.SHOW, Act.SHOW: Act.HIDE, Act.APPROVE: Act.WITHDRAW, Act.WITHDRAW: Act.APPROVE}


@dataclass(frozen=True, slots=True)
class Done:
    """What to say after an act. `undo`: the fields of the form that undoes it. `typed`: what was refused."""

    words: str
    undo: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_refusal: bool = False
    typed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tile:
    """A post as editors see it.

    `place`: its place among the pinned posts, from 1; 0 if it isn't pinned. `tags`: its state in words. `alt_text`: the
    editor's own description; `given_alt_text`: the one that came with the post.
    """

    id: str
    picture: str
    words: str
    published_at: datetime | None
    permalink: str
    place: int
    tags: Sequence[str]
    is_shown: bool
    is_hidden: bool
    is_waiting: bool
    is_approved: bool
    is_left_out_by_words: bool
    alt_text: str
    given_alt_text: str


def _signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Like login_required. A part of a page that needs a new sign-in loads the whole sign-in page."""

    @wraps(view)
    def checked(request: HttpRequest, instance_id: str) -> HttpResponse:
        if _is_partial(request) and not request.user.is_authenticated:
            sign_in = reverse("login")
            return HttpResponseClientRedirect(f"{sign_in}?next={reverse('editor-posts', args=[instance_id])}")
        return login_required(view)(request, instance_id)

    return checked


@_signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def posts(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The page, or one act on it: `act` is an `Act`, `pins`, `words`, `approval` or `describe`."""
    row, role = instance_and_role(request, instance_id)
    may_edit = can_edit(role)
    if request.method != "POST":
        done = _done_before(request)
        response = _answer(request, row, may_edit, done)
        if done is not None:
            response.delete_cookie(DONE_COOKIE, path=request.path)
        return response
    if not may_edit:
        raise PermissionDenied
    try:
        done = _do(request.POST, row)
        row.refresh_from_db()
    except InvalidInput as error:
        typed = {name: value for name, value in request.POST.items() if isinstance(value, str)}
        done = Done(error.message, is_refusal=True, typed=typed)
    except WidgetInstance.DoesNotExist:  # deleted meanwhile
        raise Http404 from None
    if request.POST.get("undoes") and not done.is_refusal:
        done = Done("Undone.")
    if _is_partial(request) or done.is_refusal:
        return _answer(request, row, may_edit, done)
    response = HttpResponseRedirect(request.path + _anchor(request.POST))
    _keep_for_next_page(response, done, path=request.path)
    return response


# The message waits in the browser, not in the session: sessions outlive the posts whose ids it contains.


def _keep_for_next_page(response: HttpResponse, done: Done, *, path: str) -> None:
    value = json.dumps(asdict(done))
    if len(value) > MAX_COOKIE_LENGTH:
        value = json.dumps(asdict(replace(done, undo={})))
    response.set_signed_cookie(
        DONE_COOKIE,
        value,
        max_age=60,
        path=path,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def _done_before(request: HttpRequest) -> Done | None:
    kept = request.get_signed_cookie(DONE_COOKIE, default=None, max_age=60)
    return Done(**json.loads(kept)) if kept else None


def _is_partial(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _anchor(typed: QueryDict) -> str:
    ids = typed.getlist("post")
    return f"#post-{ids[0]}" if len(ids) == 1 else ""


def _do(typed: QueryDict, row: WidgetInstance) -> Done:
    """Do the act. Raises BadRequest for what no form of the page sends, and InvalidInput."""
    match typed.get("act", ""):
        case "words":
            return _set_words(typed, row)
        case "approval":
            return _set_approval(typed, row)
        case "describe":
            return _describe(typed, row)
        case "pins":
            moderation.set_pins(
                row.pk, _post_ids(typed, may_be_empty=True), shown=typed.getlist("shown_post")
            )
            return Done("The order of the pinned posts was changed.")
        case name if name in set(Act):
            return _moderate(Act(name), _post_ids(typed, may_be_empty="bulk" in typed), row)
        case _:
            raise BadRequest("act must be given")


def _post_ids(typed: QueryDict, *, may_be_empty: bool = False) -> list[str]:
    ids = typed.getlist("post")
    is_valid = len(ids) <= MAX_AT_ONCE and all(_POST_ID.fullmatch(each) for each in ids)
    if not is_valid or not (ids or may_be_empty):
        raise BadRequest("post must be given")
    return ids


def _moderate(act: Act, post_ids: Sequence[str], row: WidgetInstance) -> Done:
    if not post_ids:
        return Done("Select at least one post first.", is_refusal=True)
    change = moderation.moderate(row.pk, act, post_ids)
    number = len(change.post_ids)
    if not number:
        return Done("Nothing was changed.")
    words = f"{number} post{'s' if number > 1 else ''} {_DONE[act]}."
    if act in _REVERSE:
        return Done(words, {"act": [_REVERSE[act]], "post": change.post_ids})
    return Done(words, {"act": ["pins"], "post": change.pins_before, "shown_post": change.pins_after})


def _set_words(typed: QueryDict, row: WidgetInstance) -> Done:
    words = _words_in(typed)
    is_page_known = "shown_required" in typed and "shown_excluded" in typed
    shown = _words_in(typed, "shown_") if is_page_known else None
    before, after = moderation.set_words(row.pk, words, shown=shown)
    if before == after:
        return Done("Nothing was changed.")
    undo = {"act": ["words"]} | _fields_of(before) | _fields_of(after, "shown_")
    return Done("The words were saved.", undo)


def _words_in(typed: QueryDict, prefix: str = "") -> moderation.Words:
    required, excluded = (
        moderation.parse_words(name, typed.get(prefix + name, "")) for name in ("required", "excluded")
    )
    return moderation.Words(required, excluded)


def _fields_of(words: moderation.Words, prefix: str = "") -> dict[str, list[str]]:
    return {
        f"{prefix}required": ["\n".join(words.required)],
        f"{prefix}excluded": ["\n".join(words.excluded)],
    }


def _set_approval(typed: QueryDict, row: WidgetInstance) -> Done:
    needed = typed.get("needed") == "yes"
    # What visitors see when approval is switched on stays; only new posts wait. Undoing restores the setting alone.
    approving = [] if typed.get("undoes") or not needed else [post.id for post in all_posts(row)]
    before = moderation.set_approval(row.pk, needed=needed, approving=approving)
    if before == needed:
        return Done("Nothing was changed.")
    undo = {"act": ["approval"], "needed": ["yes" if before else "no"]}
    if needed:
        return Done("New posts wait for your approval from now on. Those shown now stay.", undo)
    return Done("New posts are shown without approval.", undo)


def _describe(typed: QueryDict, row: WidgetInstance) -> Done:
    (post_id, *_) = _post_ids(typed)
    before, after = moderation.set_alt_text(
        row.pk, post_id, typed.get("text", ""), shown=typed.get("shown_text")
    )
    undo = {"act": ["describe"], "post": [post_id], "text": [before], "shown_text": [after]}
    return Done("The description was saved.", undo)


def all_posts(row: WidgetInstance) -> tuple[paris.EncodedPost, ...]:
    """The posts of the widget's feed, whatever visitors see of them."""
    view = paris.look_at_feed(from_row(row).feed_key(), paris.Selection(MOST_POSTS), now=timezone.now())
    return view.posts


_FILTERS: Mapping[str, tuple[str, Callable[[Tile], bool]]] = {
    "": ("All", lambda tile: True),
    "shown": ("Shown", lambda tile: tile.is_shown),
    "waiting": ("Waiting for approval", lambda tile: tile.is_waiting),
    "pinned": ("Pinned", lambda tile: tile.place > 0),
    "hidden": ("Hidden", lambda tile: tile.is_hidden),
}


def _answer(request: HttpRequest, row: WidgetInstance, may_edit: bool, done: Done | None) -> HttpResponse:
    found = all_posts(row)
    tiles = tiles_of(found, from_row(row))
    asks_approval = needs_approval(row)
    chosen = request.GET.get("show", "")
    chosen = chosen if chosen in _FILTERS else ""
    refused = done.typed if done else {}
    typed = refused if refused.get("act") == "words" else {}
    context = {
        "instance": row,
        "may_edit": may_edit,
        "done": done,
        "undo": [(name, value) for name, values in (done.undo if done else {}).items() for value in values],
        "tiles": [tile for tile in tiles if _FILTERS[chosen][1](tile)],
        "filters": [
            (name, words, sum(map(matches, tiles)))
            for name, (words, matches) in _FILTERS.items()
            if name != "waiting" or asks_approval
        ],
        "chosen": chosen,
        "number": len(tiles),
        "number_shown": sum(tile.is_shown for tile in tiles),
        "number_waiting": sum(tile.is_waiting for tile in tiles),
        "number_left_out": sum(tile.is_left_out_by_words for tile in tiles),
        "lost_pins": [each for each in row.pinned_post_ids if each not in {tile.id for tile in tiles}],
        "max_pinned": moderation.MAX_PINNED,
        "asks_approval": asks_approval,
        "may_ask_approval": row.source_type == WidgetInstance.SourceType.HASHTAG,
        "words": moderation.Words(row.required_words, row.excluded_words),
        "required": typed.get("required", ", ".join(row.required_words)),
        "excluded": typed.get("excluded", ", ".join(row.excluded_words)),
        "refused_description": refused if refused.get("act") == "describe" else {},
        "token": embed_tokens.issue(row.pk, row.token_version),
    }
    template = "editor/posts_panel.html" if _is_partial(request) else "editor/posts.html"
    status = 400 if done and done.is_refusal and not _is_partial(request) else 200
    return page(request, template, context, status=status)


def tiles_of(found: Sequence[paris.EncodedPost], instance: Instance) -> list[Tile]:
    """All posts of the feed: the pinned ones first, then in the order of the feed."""
    selection = instance.selection()
    shown = {post.id for post in paris.select(found, selection)}
    places = {post_id: place for place, post_id in enumerate(instance.pinned_post_ids, start=1)}
    tiles = [
        _tile(
            post,
            instance,
            place=places.get(post.id, 0),
            reason=paris.why_left_out(post, selection),
            is_shown=post.id in shown,
        )
        for post in found
    ]
    return sorted(tiles, key=lambda tile: tile.place or len(places) + 1)


def _tile(
    post: paris.EncodedPost, instance: Instance, *, place: int, reason: paris.LeftOut | None, is_shown: bool
) -> Tile:
    external: paris.ExternalPost = json.loads(post.json)
    given = external.get("altText", "")
    words = external.get("caption") or given or "A post without text"
    sizes = external.get("sizes")
    tags = [f"Pinned · {place}"] if place else []
    if reason is not None:
        tags.append(_REASONS[reason])
    elif not is_shown:
        tags.append(f"Not among the first {instance.max_posts}")
    return Tile(
        id=post.id,
        picture=sizes["small"]["url"] if sizes else external.get("thumbnailUrl", ""),
        words=words if len(words) <= SHOWN_WORDS else f"{words[:SHOWN_WORDS].rstrip()}…",
        published_at=parse_datetime(external["timestamp"]),
        permalink=external["permalink"],
        place=place,
        tags=tags,
        is_shown=is_shown,
        is_hidden=post.id in instance.hidden_post_ids,
        is_waiting=reason is paris.LeftOut.UNAPPROVED,
        is_approved=instance.approved_post_ids is not None and post.id in instance.approved_post_ids,
        is_left_out_by_words=reason is paris.LeftOut.WORDS,
        alt_text=instance.alt_texts.get(post.id, ""),
        given_alt_text=given,
    )
