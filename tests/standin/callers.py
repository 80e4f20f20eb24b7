"""How these tests call the stand-in: plain HTTP from the standard library, nothing of the product."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from instagram_standin.server import StandIn
from instagram_standin.world import OPERATOR_ID, OPERATOR_TOKEN

MEDIA = (
    "id,caption,media_type,media_product_type,media_url,thumbnail_url,permalink,shortcode,timestamp,username,alt_text,"
    "like_count,comments_count,is_shared_to_feed,children{id,media_type,media_url,thumbnail_url,caption}"
)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


@contextmanager
def connection(standin: StandIn, timeout: float = 5) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection("127.0.0.1", standin.port, timeout=timeout)
    try:
        yield opened
    finally:
        opened.close()


def ask(
    standin: StandIn,
    path: str,
    *,
    method: str = "GET",
    query: Mapping[str, object] | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    payload: object = None,
    form: Mapping[str, object] | None = None,
    timeout: float = 5,
) -> Reply:
    """One call on a connection of its own. `path` may be a whole address of the stand-in."""
    parts = urlsplit(path)
    target = parts.path + ("?" + (urlencode(query) if query else parts.query) if query or parts.query else "")
    sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    body = None if payload is None else json.dumps(payload)
    if form is not None:
        body = urlencode(form, doseq=True)
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    with connection(standin, timeout) as caller:
        caller.request(method, target, body=body, headers=sent)
        response = caller.getresponse()
        return Reply(response.status, {**response.headers}, response.read())


def discover(
    standin: StandIn,
    username: str = "acme.bakery",
    *,
    limit: int | None = None,
    after: str | None = None,
    media: str = MEDIA,
    **options: Any,
) -> Reply:
    """A Business Discovery call of the operator."""
    modifiers = (f".limit({limit})" if limit else "") + (f".after({after})" if after else "")
    fields = f"business_discovery.username({username}){{username,media_count,media{modifiers}{{{media}}}}}"
    options.setdefault("token", OPERATOR_TOKEN)
    return ask(standin, f"/fb-graph/v26.0/{OPERATOR_ID}", query={"fields": fields}, **options)


def control(standin: StandIn, method: str, path: str, payload: object = None) -> Reply:
    return ask(standin, f"/_control/{path}", method=method, payload=payload)
