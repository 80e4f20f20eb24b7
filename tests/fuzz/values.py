"""Fuzzes the functions that read what others wrote: Meta's answers, signed requests, embed tokens, cursors, pictures.

    python -m tests.fuzz.values --inputs 100000

Each target states what must hold for any input, and names the exceptions that callers handle; anything else fails.
Prints one line per target: inputs, refused inputs, failures, seconds, and by how much memory grew. Inputs are recorded
answers and valid values with parts replaced, and arbitrary ones.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import io
import json
import math
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

BATCH = 1_000  # Hypothesis remembers all examples of a run, so a long run would grow by that alone
GROWTH_LIMIT = 1.2
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
APP_SECRET = "an app secret"
CANARY = "provider-text-canary"

ODD_TEXTS = (
    "", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202e", "\ufeff", "١٢٣", "²", "9" * 30, "9" * 5_000, "-1", "1e999",
    "NaN", "null", "true", "javascript:alert(1)", "https://", "https://[", "https://[::1", "https://a:99999/", "//x/y",
    "http://127.0.0.1/x.jpg", "https://user:pass@host/x.jpg", "https://x.example/" + "a" * 5_000, "https://x.example/\n",
    "https://x.example/?oe=ffffffff", "https://x.example/?oe=zz", "https://x.example/?oe=FFFFFFFFF",
    "2026-02-30T00:00:00+0000", "9999-12-31T23:59:59-2359", "0001-01-01T00:00:00+2359", "2026-11-02T07:15:04",
    "20261102T071504Z", "2026-W01-1", "IMAGE", "VIDEO", "CAROUSEL_ALBUM", "REELS", "STORY", "</script>", "}{",
    "a).media{id}", "x" * 501, "%00", "..", "--5", "\N{KISS MARK}" * 40, CANARY,
)  # fmt: skip
ODD_NUMBERS = (
    0,
    -1,
    1,
    4,
    10,
    17,
    100,
    190,
    200,
    613,
    80_002,
    2**31,
    2**39,
    2**63,
    10**40,
    10**400,
    1e308,
    -1e308,
    0.5,
)
ODD_HEADERS = (
    "0", "60", "-5", "1e9", "٣", "9" * 400, "Mon, 30 Nov 2026 12:00:00 GMT", "Mon, 99 Nov 9999 99:99:99 GMT",
    "tomorrow", "Thu, 01 Jan 1970 00:00:00 -9999",
    '{"call_count": 99}', '{"call_count": NaN}', '{"call_count": Infinity}',
    '{"call_count": -1e999}', '{"total_time": "x"}', "[" * 5_000, '{"1": [{"estimated_time_to_regain_access": 9e99}]}',
    '{"1": [{"estimated_time_to_regain_access": NaN, "call_count": true}]}', '{"1": {"call_count": 1}}', "null", "[]",
)  # fmt: skip


def odd_value(chance: random.Random, depth: int = 0) -> Any:
    """A JSON value, often one that code trips over."""
    kind = chance.random()
    if depth < 3 and kind < 0.15:
        return [odd_value(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    if depth < 3 and kind < 0.3:
        names = ("id", "data", "code", "error", "after", "media_type", "children", "x", "")
        return {chance.choice(names): odd_value(chance, depth + 1) for _ in range(chance.randint(0, 3))}
    if kind < 0.6:
        return chance.choice(ODD_TEXTS)
    if kind < 0.75:
        return "".join(
            chr(chance.choice((chance.randrange(128), chance.randrange(0x11_0000)))) for _ in range(8)
        )
    return chance.choice((None, True, False, chance.randint(-(2**70), 2**70), *ODD_NUMBERS))


def odd_text(chance: random.Random) -> str:
    return chance.choice(ODD_TEXTS) if chance.random() < 0.7 else str(odd_value(chance, 3))


class Broken(AssertionError):
    """A rule of a target doesn't hold."""


def rule(holds: bool, text: str) -> None:
    if not holds:
        raise Broken(text)


@dataclass(frozen=True)
class Target:
    """`check` returns whether the input was accepted, and raises if it broke something.

    `share`: of all inputs, in percent.
    """

    name: str
    share: int
    make: Callable[[random.Random], Any]
    check: Callable[[Any], bool]


# Recorded answers with some parts replaced, removed or repeated.


@cache
def recorded_payloads(*folders: str) -> tuple[Any, ...]:
    from tests.recorded import DATA, load

    return tuple(load(path).payload for name in folders for path in sorted((DATA / name).glob("*.json")))


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all parts of a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from places_in(value[key], (*path, key))


def edited(value: Any, path: tuple[Any, ...], act: str, new: Any) -> Any:
    """A copy with the part at `path` replaced, removed or repeated."""
    key, *rest = path
    edit = value.copy()
    if rest:
        edit[key] = edited(value[key], tuple(rest), act, new)
    elif act == "remove":
        del edit[key]
    elif act == "repeat" and isinstance(edit, list):
        edit.append(edit[key])
    else:
        edit[key] = new
    return edit


def altered(chance: random.Random, originals: Sequence[Any]) -> Any:
    """One of these values with up to three parts changed."""
    value = chance.choice(originals)
    for _ in range(chance.randint(0, 3)):
        places = list(places_in(value))
        if not places:
            return odd_value(chance)
        act = chance.choice(("replace", "replace", "replace", "remove", "repeat"))
        value = edited(value, chance.choice(places), act, odd_value(chance))
    return value


@cache
def recorded_pages() -> tuple[Any, ...]:
    """The recorded answers with media, one page each."""
    folders = ("own_media", "business_discovery", "hashtags")
    return tuple(
        page
        for payload in recorded_payloads(*folders)
        for page in (payload if isinstance(payload, list) else [payload])
    )


@cache
def recorded_media() -> tuple[Any, ...]:
    return tuple(item for page in recorded_pages() if isinstance(page, dict) for item in page.get("data", ()))


def media_item(chance: random.Random) -> Any:
    return altered(chance, recorded_media()) if chance.random() < 0.9 else odd_value(chance)


# Targets


def raw_feed(chance: random.Random) -> Any:
    from paris_integration.errors import ProviderUnavailable
    from paris_integration.providers.base import RawFeed

    names = ("username", "profile_picture_url", "media_count", "x")
    profile = {name: odd_value(chance) for name in chance.sample(names, chance.randint(0, 4))}
    return RawFeed(
        media=tuple(media_item(chance) for _ in range(chance.randint(0, 6))),
        profile=chance.choice((None, profile)),
        later_page_error=chance.choice((None, ProviderUnavailable("later page"))),
    )


def check_normaliser(raw: Any) -> bool:
    from paris_integration.providers.normalize import dataset

    result = dataset(raw, fetched_at=NOW, max_posts=4, plain_http_hosts=["127.0.0.1"])
    ids = [post.external["id"] for post in result.posts]
    rule(len(ids) <= 4 and len(set(ids)) == len(ids), "at most four posts, each once")
    text = json.dumps([post.external for post in result.posts], ensure_ascii=False, allow_nan=False)
    rule("\0" not in text and "\\u0000" not in text, "no NUL")
    text.encode()  # no lone surrogates
    for post in result.posts:
        rule(post.published_at.tzinfo is UTC, "times in UTC")
        rule(post.external["timestamp"].endswith("Z"), "times end in Z")
        for item in (post.external, *post.external.get("children", ())):
            rule(bool({"mediaUrl", "thumbnailUrl"} & item.keys()) or "children" in item, "something to show")
            for name in ("mediaUrl", "thumbnailUrl", "permalink"):
                url = item.get(name, "https://")
                rule(url.startswith(("https://", "http://127.0.0.1")), f"{name} has an allowed scheme")
    moments = [post.published_at for post in result.posts]
    rule(moments == sorted(moments, reverse=True), "newest first")
    return bool(ids)


def answer(chance: random.Random) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an answer of Meta."""
    kind = chance.random()
    if kind < 0.8:
        originals = recorded_payloads("error_codes", "other_answers")
        body = json.dumps(altered(chance, originals)).encode()
    elif kind < 0.85:
        odd = (b"", b"[" * 100_000, b'{"error":' * 20_000, b"\xef\xbb\xbf{}", b"<html>", b'{"a": NaN}')
        body = chance.choice(odd)
    else:
        body = chance.choice((chance.randbytes(20), json.dumps(odd_value(chance)).encode()))
    headers = {}
    for name in ("Retry-After", "X-App-Usage", "X-Business-Use-Case-Usage"):
        if chance.random() < 0.5:
            headers[name] = chance.choice((chance.choice(ODD_HEADERS), json.dumps(odd_value(chance))))
    return chance.choice((200, 204, 400, 401, 403, 404, 429, 500, 502, 599)), body, headers


def answer_of(status: int, body: bytes, headers: Mapping[str, str]) -> Any:
    from paris_integration.providers.http import HttpAnswer, parse_json, retry_after_of, usage_of

    payload, is_json = parse_json(body)
    return HttpAnswer(status, payload, is_json, usage_of(headers), retry_after_of(headers, now=NOW))


def check_faults(sent: tuple[int, bytes, dict[str, str]]) -> bool:
    from paris_integration.errors import ProviderError, RateLimited
    from paris_integration.providers.faults import fault_of, hashtag_fault_of, tag_search_fault_of

    got = answer_of(*sent)
    rule(0 <= got.usage.percent <= 1_000_000, "usage is a number in its range")
    rule(0 <= got.usage.regain_minutes <= 1_000_000, "minutes are a number in their range")
    rule(got.retry_after_seconds is None or 0 <= got.retry_after_seconds <= 86_400, "at most a day")
    faults = [read(got) for read in (fault_of, hashtag_fault_of, tag_search_fault_of)]
    for fault in faults:
        rule(fault is None or isinstance(fault, ProviderError), "a fault of ours")
        if fault is None:
            continue
        rule(CANARY not in f"{fault!s} {fault!r} {fault.rejected_field}", "no text of the provider")
        if isinstance(fault, RateLimited) and fault.retry_after_seconds is not None:
            rule(math.isfinite(fault.retry_after_seconds), "a finite wait")
    if got.status >= 400:
        rule(all(fault is not None for fault in faults), "a refusal is a fault")
    return faults[0] is None


class ScriptedHttp:
    """Answers calls in order, then with the last answer. Checks what is sent."""

    def __init__(self, script: list[Any]) -> None:
        self.script, self.calls = script, 0

    def get_json(self, url: str, *, params: Mapping[str, str], token: Any, deadline: Any) -> Any:
        from paris_integration.providers.paging import MAX_CALLS

        self.calls += 1
        rule(self.calls <= 2 * MAX_CALLS, "a fetch ends")
        rule(url.startswith("https://graph.example/v26.0/"), "only Meta's host is called")
        sent = params.get("after", "") + params.get("fields", "").partition(".after(")[2].partition("){")[0]
        rule(not set(sent) - set(CURSOR_CHARACTERS), "cursors don't extend the expression")
        status, payload = self.script[min(self.calls, len(self.script)) - 1]
        body = json.dumps(payload).encode()
        return answer_of(status, body, {})


CURSOR_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=.|~+/%-"


def fetch(chance: random.Random) -> tuple[str, list[Any]]:
    """What is asked for, and the answers."""
    script = []
    for _ in range(chance.randint(1, 4)):
        if chance.random() < 0.7:
            page = altered(chance, recorded_pages()) if chance.random() < 0.9 else odd_value(chance)
            script.append((200, page))
        else:
            script.append(
                (chance.choice((200, 400, 403, 500)), altered(chance, recorded_payloads("error_codes")))
            )
    if chance.random() < 0.3:
        found = {"data": [{"id": odd_value(chance)}]}
        script.insert(0, (200, altered(chance, (found,))))
    return chance.choice(("own", "discovery", "hashtag", "tag id", "searched")), script


def check_fetch(asked: Any) -> bool:
    from paris_integration.errors import ProviderError
    from paris_integration.providers.base import DiscoveryRequest, HashtagRequest, OwnMediaRequest
    from paris_integration.providers.graph import GraphProvider
    from paris_integration.types import Login, Secret

    what, script = asked
    token = Secret("token")
    provider = GraphProvider(
        ScriptedHttp(script),  # type: ignore[arg-type]
        facebook_graph_url="https://graph.example", instagram_graph_url="https://graph.example", version="v26.0",
        timeout_seconds=60,
    )  # fmt: skip
    try:
        if what == "tag id":
            found = provider.find_hashtag_id("17841400000000001", "cats", token)
            # The number becomes part of an address, so it must be one that the provider accepts there.
            provider.fetch(HashtagRequest("17841400000000001", found, token), max_posts=10)
        elif what == "searched":
            for number in provider.recently_searched("17841400000000001", token):
                rule(number.isdecimal() and number.isascii() and len(number) <= 30, "numbers of tags")
        else:
            request = {
                "own": OwnMediaRequest(Login.INSTAGRAM, "17841400000000001", "acme.bakery", token),
                "discovery": DiscoveryRequest("17841400000000001", "acme.bakery", token),
                "hashtag": HashtagRequest("17841400000000001", "17843800000000001", token),
            }[what]
            check_normaliser(provider.fetch(request, max_posts=60))  # type: ignore[arg-type]
    except ProviderError:
        return False
    return True


LOGIN_ANSWERS: tuple[dict[str, Any], ...] = (
    {"access_token": "a-token", "expires_in": 5_183_944, "permissions": "instagram_business_basic"},
    {"access_token": "a-token", "permissions": ["instagram_business_basic"], "user_id": 17841400000000001},
    {"data": {"is_valid": True, "expires_at": 1_800_000_000}},
    {"data": [{"id": "2", "user_id": "1", "username": "acme.bakery", "account_type": "BUSINESS"}]},
    {"data": [{"permission": "instagram_basic", "status": "granted"}], "id": "2"},
    {
        "data": [{"instagram_business_account": {"id": "1", "username": "acme.bakery"}}],
        "paging": {"next": "https://graph.example/next", "cursors": {"after": "A"}},
    },
)


class ScriptedLogin:
    """Answers every call of a login with an answer that has all fields, and with those of the script first."""

    def __init__(self, script: list[Any]) -> None:
        self.script = list(script)

    def get_json(self, url: str, *, params: Mapping[str, str], token: Any, deadline: Any) -> Any:
        rule(all(value.isascii() for name, value in params.items() if name != "after"), "parameters in ASCII")
        rule(token is None or (token.reveal().isascii() and token.reveal().isprintable()), "a token to send")
        rule(url.isascii(), "an address in ASCII")
        place = next((n for n, (part, _) in enumerate(self.script) if part in url), None)
        payload = self.script.pop(place)[1] if place is not None else self.usual(url)
        return answer_of(200, json.dumps(payload).encode(), {})

    def post_form(self, url: str, *, form: Mapping[str, str], deadline: Any) -> Any:
        return self.get_json(url, params=form, token=None, deadline=deadline)

    def usual(self, url: str) -> Any:
        token, _, debugged, me, granted, accounts = LOGIN_ANSWERS
        parts = {"debug_token": debugged, "permissions": granted, "accounts": accounts, "token": token}
        found = next((payload for part, payload in parts.items() if part in url), None)
        return found or {**me["data"][0], "data": me["data"]}


def login(chance: random.Random) -> tuple[bool, bool, list[Any]]:
    """Whether it is Instagram's, whether it is a renewal, and answers by part of their address."""
    parts = ("access_token", "refresh", "debug_token", "/me", "permissions", "accounts", "")
    script = [
        (chance.choice(parts), altered(chance, LOGIN_ANSWERS) if chance.random() < 0.9 else odd_value(chance))
        for _ in range(chance.randint(0, 3))
    ]
    return chance.random() < 0.5, chance.random() < 0.5, script


def check_login(asked: Any) -> bool:
    from paris_integration.errors import LoginFailed, ProviderError
    from paris_integration.providers.login_values import App, Urls
    from paris_integration.providers.oauth import MetaLogins
    from paris_integration.types import Login, Secret

    is_instagram, is_renewal, script = asked
    kind = Login.INSTAGRAM if is_instagram else Login.FACEBOOK
    urls = Urls(*(f"https://{host}.example" for host in ("www", "api", "ig", "fbwww", "fb")), version="v26.0")
    apps = {kind: App("app", Secret("secret"))}
    logins = MetaLogins(ScriptedLogin(script), urls, apps, timeout_seconds=60)  # type: ignore[arg-type]
    try:
        if is_renewal:
            tokens = [logins.renew(kind, Secret("old"), now=NOW)]
        else:
            result = logins.exchange(kind, code="code", redirect_uri="https://x.example/", now=NOW)
            tokens = [result.token]
            names = (result.app_user_id, *result.scopes, *(each.account_id for each in result.accounts))
            rule(all(name.isascii() and name.isprintable() for name in names), "names that can be stored")
            rule(all(each.username.isascii() for each in result.accounts), "usernames in ASCII")
    except (LoginFailed, ProviderError):
        return False
    for token in tokens:
        rule(
            token.secret.reveal().isascii() and len(token.secret.reveal()) <= 2_000, "a short token in ASCII"
        )
        rule(token.expires_at is None or token.expires_at.tzinfo is UTC, "a time in UTC")
    return True


def signed_request(chance: random.Random) -> tuple[str, bool]:
    """A signed request, and whether it has the right signature."""
    content = {
        "algorithm": "HMAC-SHA256",
        "issued_at": (NOW + timedelta(seconds=chance.randint(-100_000, 1_000))).timestamp(),
        "user_id": str(chance.randint(0, 10**20)),
    }
    kind = chance.random()
    if kind < 0.3:
        payload = json.dumps(altered(chance, (content,))).encode()
    elif kind < 0.6:
        name = chance.choice(list(content))
        payload = json.dumps(content | {name: odd_value(chance)}).encode()
    else:
        payload = chance.choice(
            (chance.randbytes(20), json.dumps(odd_value(chance)).encode(), b"[" * 5_000, b"9" * 5_000, b"")
        )
    right = signed(payload)
    if chance.random() < 0.6:
        return right, True
    forged = (
        odd_text(chance), f"{odd_text(chance)}.{odd_text(chance)}", signed(payload, "another secret"), right + "=",
        right[chance.randint(1, 20) :], right[: -chance.randint(1, 20)] if payload else ".", right.swapcase(),
    )  # fmt: skip
    text = chance.choice(forged)
    return text, text == right


def signed(content: bytes, secret: str = APP_SECRET) -> str:
    payload = base64.urlsafe_b64encode(content).rstrip(b"=")
    signature = hmac.new(secret.encode(), payload, hashlib.sha256).digest()
    return f"{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}.{payload.decode()}"


def check_signed_request(sent: Any) -> bool:
    from paris_integration.connections.callbacks import InvalidSignedRequest, verify
    from paris_integration.types import Secret

    text, is_rightly_signed = sent
    try:
        order = verify(text, Secret(APP_SECRET), now=NOW)
    except InvalidSignedRequest:
        return False
    rule(is_rightly_signed, "a forged request is refused")
    rule(order.user_id.isdecimal() and order.user_id.isascii(), "a number in ASCII")
    rule(len(order.user_id) <= 40, "a short number")
    return True


def embed_token(chance: random.Random) -> tuple[str, bool]:
    """A token, and whether it has the right signature."""
    from venice_api import embed_tokens as tokens

    payload = chance.choice((
        json.dumps([odd_text(chance), odd_value(chance)]), json.dumps(odd_value(chance)),
        json.dumps(["wgt_instagramfeed_u_1", chance.randint(0, 10)]),
        "[1, Infinity]", '["a", NaN]', "[" * 400, '["a", "٣"]', '["a", 1e999]', "9" * 400,
    ))  # fmt: skip
    encoded = base64.urlsafe_b64encode(payload.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    right = tokens._signer().sign(encoded)
    if chance.random() < 0.5:
        return right, True
    place = chance.randrange(len(right))
    forged = (
        odd_text(chance), f"{odd_text(chance)}.{odd_text(chance)}", f"{encoded}.x", right[:place], right.swapcase(),
        right[:place] + odd_text(chance) + right[place + 1 :],
    )  # fmt: skip
    text = chance.choice(forged)
    return text, text == right


def check_embed_token(sent: Any) -> bool:
    from venice_api import embed_tokens as tokens

    text, is_rightly_signed = sent
    try:
        token = tokens.verify(text)
    except tokens.InvalidEmbedToken:
        return False
    rule(is_rightly_signed, "a forged token is refused")
    rule(isinstance(token.instance_id, str) and isinstance(token.version, int), "an id and a version")
    return True


def cursor(chance: random.Random) -> tuple[int, list[Any]]:
    """A kind of media list, and pages of it: each the account's fields, and the media."""
    listed = []
    for number in range(chance.randint(1, 5)):
        plain = "".join(chance.choices(CURSOR_CHARACTERS, k=chance.choice((1, 20, 500, 501))))
        page: Any = {
            "data": [{"id": f"{number}{place}"} for place in range(chance.randint(0, 3))],
            "paging": {
                "cursors": {"after": chance.choice((plain, odd_text(chance), odd_value(chance)))},
                "next": chance.choice(("https://graph.example/next", odd_value(chance))),
            },
        }
        if chance.random() < 0.4:
            page = altered(chance, (page,))
        listed.append((chance.choice((None, {}, {"media_count": odd_value(chance)})), page))
    return chance.randrange(3), listed


def check_cursor(sent: Any) -> bool:
    from paris_integration.errors import UnexpectedPayload
    from paris_integration.providers.base import Usage
    from paris_integration.providers.paging import Edge, Page, Pages

    edge, listed = sent
    found = Pages(list(Edge)[edge], 20, limit=10)
    for account, media in listed:
        try:
            found.add(Page(account, media, Usage()))
        except UnexpectedPayload:
            return False
        if found.cursor is not None:
            rule(0 < len(found.cursor) <= 500, "a short cursor")
            rule(not set(found.cursor) - set(CURSOR_CHARACTERS), "cursors don't extend the expression")
    feed = found.as_feed()
    rule(not (found.broke_off and feed.later_page_error is None), "a broken end is reported")
    return found.cursor is not None


@cache
def drawn_pictures() -> tuple[bytes, ...]:
    """Small valid pictures in all formats and modes, some with a profile or EXIF data."""
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = Image.Exif()
    turned[0x0112] = 6
    made = []
    for mode in ("RGB", "RGBA", "L", "P", "1", "CMYK", "I;16"):
        for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
            picture = Image.linear_gradient("L").resize((24, 18)).convert("L" if mode == "I;16" else mode)
            for options in ({}, {"icc_profile": profile, "exif": turned.tobytes()}):
                content = io.BytesIO()
                try:
                    picture.save(content, kind, **options)
                except (OSError, ValueError):
                    continue  # the format can't hold this mode
                made.append(content.getvalue())
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP", "GIF"):
        content = io.BytesIO()
        frames[0].save(content, kind, save_all=True, append_images=frames[1:])
        made.append(content.getvalue())
    return tuple(made)


def picture(chance: random.Random) -> bytes:
    """A picture with flipped, removed, repeated or inserted bytes, often in its head, where lengths are."""
    content = bytearray(chance.choice(drawn_pictures()))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        place = chance.randrange(max(min(chance.choice((64, 10**9)), len(content)), 1))
        match chance.choice(("flip", "flip", "number", "cut", "remove", "repeat", "insert")):
            case "flip":
                content[place : place + 1] = chance.randbytes(1)
            case "number":
                size = chance.choice((2, 4))
                content[place : place + size] = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * size
            case "cut":
                del content[place:]
            case "remove":
                del content[place : place + chance.randint(1, 30)]
            case "repeat":
                content[place:place] = content[place : place + chance.randint(1, 200)]
            case _:
                content[place:place] = chance.randbytes(chance.randint(1, 12))
    return bytes(content)


def check_picture(content: bytes) -> bool:
    from paris_integration.errors import PictureRefused

    try:
        rendered = renderer().render(content)
    except PictureRefused as refused:
        rule(refused.reason != "crashed", "the decoder doesn't crash")
        rule(refused.reason != "took_too_long", "the decoder ends in time")
        return False
    rule(len(rendered.sizes) == 3 and rendered.width > 0, "three sizes")
    return True


@cache
def renderer() -> Any:
    from paris_integration.media.rendering import Renderer

    return _closing.enter_context(Renderer())


_closing = ExitStack()

TARGETS = (
    Target("normaliser", 19, raw_feed, check_normaliser),
    Target("fault table", 20, answer, check_faults),
    Target("fetch", 10, fetch, check_fetch),
    Target("login", 5, login, check_login),
    Target("signed_request", 15, signed_request, check_signed_request),
    Target("embed token", 15, embed_token, check_embed_token),
    Target("cursor", 11, cursor, check_cursor),
    Target("media decoder", 5, picture, check_picture),
)


@dataclass
class Report:
    """What a run of a target saw. `failures`: the shrunk input and traceback of each kind."""

    target: str
    inputs: int = 0
    accepted: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    growth: float = 1.0

    @property
    def complaints(self) -> list[str]:
        said = {
            f"{len(self.failures)} failures": bool(self.failures),
            "nothing was accepted": self.accepted == 0,
            "nothing was refused": self.accepted == self.inputs,
            # A short run mostly measures what imports and caches need.
            "memory has grown": self.inputs >= 5 * BATCH and self.growth > GROWTH_LIMIT,
        }
        return [complaint for complaint, holds in said.items() if holds]

    def __str__(self) -> str:
        return (
            f"values/{self.target}: {self.inputs} inputs, {self.accepted} accepted, {len(self.failures)} failures, "
            f"memory x{self.growth:.2f}, {self.seconds:.0f} s"
        )


def run(target: Target, inputs: int, *, first_seed: int = 1) -> Report:
    report = Report(target.name)
    began = time.monotonic()
    # One draw per input: a strategy for each part would take most of a run's time.
    strategy = st.randoms(use_true_random=True).map(target.make)
    memory_before = 0

    def check(value: Any) -> None:
        report.inputs += 1
        report.accepted += target.check(value)

    for batch in range(math.ceil(inputs / BATCH)):
        examples = min(BATCH, inputs - batch * BATCH)
        test = settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink), print_blob=False,
        )(seed(first_seed + batch)(given(strategy)(check)))  # fmt: skip
        try:
            test()
        except Exception:  # noqa: BLE001 - any exception is a finding
            report.failures.append(traceback.format_exc()[-3_000:])
        if batch <= max(inputs // BATCH // 5, 1):  # by then, caches are full
            memory_before = memory_kib()
    report.growth = memory_kib() / memory_before
    report.seconds = time.monotonic() - began
    return report


def memory_kib() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


@contextmanager
def renderers() -> Iterator[None]:
    """The child process of the media decoder ends with this."""
    with _closing:
        yield
    renderer.cache_clear()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[target.name for target in TARGETS])
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    chosen = [target for target in TARGETS if options.only in (None, target.name)]
    reports = []
    with renderers():
        for target in chosen:
            report = run(target, options.inputs * target.share // 100, first_seed=options.seed)
            reports.append(report)
            for failure in report.failures[:3]:
                print(failure, file=sys.stderr)
            print(report, *report.complaints, sep="; ", flush=True)
    total = sum(report.inputs for report in reports)
    failed = sum(len(report.failures) for report in reports)
    print(
        f"values: {total} inputs in all, {failed} failures, {sum(report.seconds for report in reports):.0f} s"
    )
    return 1 if any(report.complaints for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
