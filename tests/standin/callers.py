"""HTTP clients for the stand-in, without the product's code."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from instagram_standin.consent import CONFIGURED
from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn

BAKERY_ID = "17841400000000777"
TRAILS_ID = "17841400000000888"
MEDIA = (
    "id,caption,media_type,media_product_type,media_url,thumbnail_url,permalink,shortcode,timestamp,username,alt_text,"
    "like_count,comments_count,is_shared_to_feed,children{id,media_type,media_url,thumbnail_url,caption}"
)
CALLBACK = "https://paris.example/callback"
INSTAGRAM_DIALOG = "/ig-www/oauth/authorize"
FACEBOOK_DIALOG = "/fb-www/v26.0/dialog/oauth"
INSTAGRAM_APP = {"client_id": "standin-instagram-app", "client_secret": "standin-instagram-secret"}
FACEBOOK_APP = {"client_id": "standin-facebook-app", "client_secret": "standin-facebook-secret"}
REQUEST = {"redirect_uri": CALLBACK, "response_type": "code", "state": "s-1"}


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

    @property
    def codes(self) -> tuple[int, int | None]:
        """The code and subcode of an error."""
        return self.error["code"], self.error.get("error_subcode")


class Meta(StandIn):
    """The stand-in, with methods for the calls that an app makes."""

    @contextmanager
    def connection(self, timeout: float = 5) -> Iterator[http.client.HTTPConnection]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as opened:
            yield opened

    def ask(
        self, path: str, *, method: str = "GET", query: Any = None, token: str | None = None, **options: Any
    ) -> Reply:
        """Make one call on a new connection. `path` may be a full URL. `options`: headers, payload, form, timeout."""
        parts = urlsplit(path)
        asked = urlencode(query) if query else parts.query
        headers = options.get("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        body = json.dumps(options["payload"]) if "payload" in options else None
        if "form" in options:
            body = urlencode(options["form"], doseq=True)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with self.connection(options.get("timeout", 5)) as caller:
            caller.request(method, f"{parts.path}?{asked}" if asked else parts.path, body, headers)
            response = caller.getresponse()
            return Reply(response.status, {**response.headers}, response.read())

    def control(self, action: str, **arguments: object) -> Reply:
        return self.ask("/_control", method="POST", payload={"action": action, **arguments})

    def discover(
        self, username: str = "acme.bakery", *, limit: int = 25, after: str | None = None, **options: Any
    ) -> Reply:
        """A Business Discovery call of the operator. `options`: media (its fields), token, and those of `ask`."""
        media = f"media.limit({limit}){f'.after({after})' if after else ''}{{{options.pop('media', MEDIA)}}}"
        fields = f"business_discovery.username({username}){{username,media_count,{media}}}"
        options.setdefault("token", OPERATOR_TOKEN)
        return self.ask(f"/fb-graph/v26.0/{OPERATOR_ID}", query={"fields": fields}, **options)

    def own_media(self, host: str, token: str, account_id: str = BAKERY_ID, **query: object) -> Reply:
        path = f"/{host}/v26.0/{account_id}/media"
        return self.ask(path, query={"fields": "id,media_type,children{id}", **query}, token=token)

    def instagram_dialog(self, **changes: object) -> Reply:
        known = {"client_id": INSTAGRAM_APP["client_id"], "scope": "instagram_business_basic"}
        return self.ask(INSTAGRAM_DIALOG, query=_changed({**known, **REQUEST}, changes))

    def facebook_dialog(self, **changes: object) -> Reply:
        known = {"client_id": FACEBOOK_APP["client_id"], "scope": CONFIGURED}
        return self.ask(FACEBOOK_DIALOG, query=_changed({**known, **REQUEST}, changes))

    def instagram_code(self, account: str = "acme.bakery", **changes: object) -> str:
        reply = self.instagram_dialog(standin_auto="approve", standin_account=account, **changes)
        return sent_back_with(reply)["code"]

    def facebook_code(self, person: str = "robin.baker", **changes: object) -> str:
        reply = self.facebook_dialog(standin_auto="approve", standin_account=person, **changes)
        return sent_back_with(reply)["code"]

    def exchange_instagram(self, code: str, /, **changes: object) -> Reply:
        form = {**INSTAGRAM_APP, "grant_type": "authorization_code", "redirect_uri": CALLBACK, "code": code}
        return self.ask("/ig-api/oauth/access_token", method="POST", form=_changed(form, changes))

    def exchange_facebook(self, **changes: object) -> Reply:
        query = _changed({**FACEBOOK_APP, "redirect_uri": CALLBACK}, changes)
        return self.ask("/fb-graph/v26.0/oauth/access_token", query=query)

    def lengthen_instagram(self, token: str, **changes: object) -> Reply:
        known = {"grant_type": "ig_exchange_token", "access_token": token, **INSTAGRAM_APP}
        return self.ask("/ig-graph/access_token", query=_changed(known, changes))

    def refresh_instagram(self, token: str) -> Reply:
        query = {"grant_type": "ig_refresh_token", "access_token": token}
        return self.ask("/ig-graph/refresh_access_token", query=query)

    def short_instagram_token(self, account: str = "acme.bakery") -> str:
        first = self.exchange_instagram(self.instagram_code(account)).json
        return str(first["data"][0]["access_token"])

    def instagram_token(self, account: str = "acme.bakery") -> str:
        """A long-lived token from a complete login."""
        return str(self.lengthen_instagram(self.short_instagram_token(account)).json["access_token"])

    def facebook_token(self, person: str = "robin.baker", **changes: object) -> str:
        """A long-lived token from a complete login."""
        short = self.exchange_facebook(code=self.facebook_code(person, **changes)).json["access_token"]
        long = self.exchange_facebook(grant_type="fb_exchange_token", fb_exchange_token=short)
        return str(long.json["access_token"])


def sent_back_with(reply: Reply) -> dict[str, str]:
    """The parameters of the redirect to the app. Fails when there was none."""
    assert reply.status == 302, reply.body
    query = urlsplit(reply.headers["Location"]).query
    return {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}


def _changed(known: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """A value of None removes the name."""
    return {name: value for name, value in {**known, **changes}.items() if value is not None}
