"""The consent pages of both logins: check what the app asks, ask the person, send them back.

For tests without a browser the query may decide: `standin_auto=approve|deny`, with `standin_account` (a username; for
Facebook a person's key or id), `standin_pages` (ids, comma-separated; left out: all) and `standin_decline` (scopes).
Sources: "Business Login for Instagram" (2026-03-13), "oauth-authorize" (2025-07-17), "Manually build a login flow"
(2026-03-10), "Facebook Login for Business" (2026-05-05).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import ClassVar, NamedTuple
from urllib.parse import urlencode, urlsplit

from instagram_standin.accounts import LOAD_PREFIX, find_person
from instagram_standin.messages import Answer, Call, Request, text_answer
from instagram_standin.tokens import SCOPES, Family, Grant, LoginApp, app_scoped_id
from instagram_standin.world import Host

_CARRIED = ("client_id", "redirect_uri", "response_type", "scope", "state", "config_id")
# What a Login for Business configuration (`config_id`) asks for.
CONFIGURED = (
    "instagram_basic,instagram_manage_insights,pages_show_list,pages_read_engagement,business_management"
)


class LoginRefused(Exception):
    """The app asked wrongly: the person sees why and is not sent back."""


class Decision(NamedTuple):
    """What the person chose. `pages`: None means all of them."""

    is_approved: bool
    account: str
    declined: frozenset[str]
    pages: frozenset[str] | None


class ConsentHost(Host):
    """`fragment`: added to the address after a success. `denial`: what the app also gets when the person declines."""

    dialog: ClassVar[re.Pattern[str]]
    family: ClassVar[Family]
    fragment: ClassVar[str]
    denial: ClassVar[Mapping[str, str]]

    def answer(self, call: Call) -> Answer:
        request = call.request
        if not self.dialog.fullmatch(request.path.removeprefix(self.prefix)):
            return text_answer("There is no such page.", 404)
        if request.method not in ("GET", "HEAD", "POST"):
            return text_answer("Method not allowed", 405)
        try:
            return self._decide(request)
        except LoginRefused as refused:
            return _page(400, "This login cannot continue", f"<p role=alert>{escape(str(refused))}</p>")

    @abstractmethod
    def people(self) -> Sequence[str]:
        """The choices on the page: who may sign in, the ordinary case first."""

    @abstractmethod
    def grant(self, decision: Decision, scopes: frozenset[str]) -> Grant:
        """Raises LoginRefused for an account that does not exist."""

    def _decide(self, request: Request) -> Answer:
        given, app = request.parameters(), self.world.apps[self.family]
        redirect_uri = given.get("redirect_uri", "")
        if given.get("client_id") != app.id:
            raise LoginRefused("Invalid App ID: it is not the id of this login's app.")
        _check_redirect(app, redirect_uri)
        if given.get("response_type", "code") != "code":
            raise LoginRefused("Invalid response_type: only code is supported.")
        has_configuration = self.family is Family.FACEBOOK and given.get("config_id")
        asked = _scopes(CONFIGURED if has_configuration else given.get("scope", ""), self.family)
        state = {"state": given["state"]} if "state" in given else {}
        decision = _decision(request, given, asked)
        if decision is None:
            return self._question(request.path, given, asked)
        if not decision.is_approved:
            denial = {"error": "access_denied", "error_reason": "user_denied", **self.denial}
            return _sent_back(redirect_uri, {**denial, **state})
        if decision.declined and has_configuration:  # consent to a configuration is all or nothing
            decision = decision._replace(declined=asked)
        code = self.world.codes.issue(self.grant(decision, asked - decision.declined), redirect_uri)
        return _sent_back(redirect_uri, {"code": code, **state}, self.fragment)

    def _question(self, path: str, given: Mapping[str, str], asked: frozenset[str]) -> Answer:
        """As whom, which Pages, which permissions; the form goes back to `path`."""
        hidden = {name: given[name] for name in _CARRIED if name in given}
        carried = [f'<input type="hidden" name="{name}" value="{escape(hidden[name])}">' for name in hidden]
        permissions = [_tick("scope_granted", scope, scope) for scope in sorted(asked)]
        body = f"""<p><code>{escape(given["client_id"])}</code> would like to read your account.</p>
<form method="post" action="{escape(path)}">{"".join(carried)}
<fieldset><legend>Continue as</legend>{"".join(self.people())}</fieldset>
<fieldset><legend>Permissions</legend>{"".join(permissions)}</fieldset>
<button class="main" name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</form>"""
        return _page(200, f"Sign in with {self.family.capitalize()}", body)


class InstagramConsent(ConsentHost):
    """`GET /ig-www/oauth/authorize`."""

    prefix = "/ig-www"
    dialog = re.compile(r"/oauth/authorize/?")
    family = Family.INSTAGRAM
    fragment = "#_"
    denial = {"error_description": "The user denied your request"}

    def people(self) -> Sequence[str]:
        choices: list[str] = []
        # The first is ticked, so it should be one that works.
        for profile in sorted(self.world.profiles.all(), key=lambda profile: not profile.is_professional):
            if profile.username.startswith(LOAD_PREFIX) or profile.id == self.world.settings.operator_id:
                continue
            note = (
                "Professional account" if profile.is_professional else "Personal account: no app can read it"
            )
            picture = str(profile.details.get("profile_picture_url", ""))
            choices.append(
                _radio(profile.username, f"@{profile.username}", note, picture, is_first=not choices)
            )
        return choices

    def grant(self, decision: Decision, scopes: frozenset[str]) -> Grant:
        name = decision.account or "acme.bakery"
        profile = self.world.profiles.find(name) or self.world.profiles.find_by_id(name)
        if profile is None:
            raise LoginRefused(f"There is no account {name}.")
        return Grant(self.family, (profile.id,), app_scoped_id(profile.id), scopes, decision.declined)


class FacebookConsent(ConsentHost):
    """`GET /fb-www/{version}/dialog/oauth`, with `scope`, or with `config_id` as Login for Business does."""

    prefix = "/fb-www"
    dialog = re.compile(r"/v[0-9]+\.0/dialog/oauth/?", re.ASCII)
    family = Family.FACEBOOK
    fragment = "#_=_"
    denial = {"error_code": "200", "error_description": "Permissions error"}

    def people(self) -> Sequence[str]:
        choices: list[str] = []
        for person in self.world.people:
            note = "1 Page" if len(person.pages) == 1 else f"{len(person.pages) or 'No'} Pages"
            choices.append(_radio(person.key, person.name, note, is_first=not choices))
            pages = [
                _tick("page", page.id, page.name, f"Instagram: {page.instagram or 'no account'}")
                for page in person.pages
            ]
            choices.append(f'<div class="inner">{"".join(pages)}</div>' if pages else "")
        return choices

    def grant(self, decision: Decision, scopes: frozenset[str]) -> Grant:
        person = find_person(self.world.people, decision.account or "robin.baker")
        if person is None:
            raise LoginRefused(f"There is no person {decision.account}.")
        pages = [page for page in person.pages if decision.pages is None or page.id in decision.pages]
        linked = [self.world.profiles.find(page.instagram) for page in pages if page.instagram]
        accounts = tuple(profile.id for profile in linked if profile is not None and profile.is_professional)
        granted, page_ids = scopes | {"public_profile"}, tuple(page.id for page in pages)
        return Grant(self.family, accounts, person.id, granted, decision.declined, page_ids)


def _decision(request: Request, given: Mapping[str, str], asked: frozenset[str]) -> Decision | None:
    """None while the person has still to decide."""
    if request.method == "POST":
        form = request.form()
        declined, pages = asked - set(form.get("scope_granted", ())), frozenset(form.get("page", ()))
        return Decision(given.get("decision") == "approve", given.get("account", ""), declined, pages)
    if "standin_auto" not in given:
        return None
    declined = asked & set(given.get("standin_decline", "").split(","))
    some = frozenset(given["standin_pages"].split(",")) if "standin_pages" in given else None
    return Decision(given["standin_auto"] == "approve", given.get("standin_account", ""), declined, some)


def _scopes(text: str, family: Family) -> frozenset[str]:
    """Separated by commas or spaces. Raises LoginRefused for none and for unknown ones."""
    asked = frozenset(text.replace(",", " ").split())
    if not asked or asked - SCOPES[family]:
        raise LoginRefused(f"Invalid Scopes: {', '.join(asked - SCOPES[family]) or 'none given'}.")
    return asked


def _check_redirect(app: LoginApp, uri: str) -> None:
    is_plain = uri.isascii() and uri.isprintable() and " " not in uri and "#" not in uri
    try:
        has_host = bool(urlsplit(uri).hostname)
    except ValueError:
        has_host = False
    if not (is_plain and has_host and app.accepts_redirect(uri)):
        raise LoginRefused("Invalid redirect_uri: it is not among those registered for the app.")


def _sent_back(redirect_uri: str, answer: Mapping[str, str], fragment: str = "") -> Answer:
    joint = "&" if "?" in redirect_uri else "?"
    location = f"{redirect_uri}{joint}{urlencode(answer)}{fragment}"
    return Answer(302, b"", {"Location": location, "Cache-Control": "no-store"})


# The page: plain, readable without scripts, and not to be mistaken for one of Meta's

_STYLE = """
:root { color-scheme: light dark }
body { margin: 2rem 1rem; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 32rem; margin: auto; padding: 1.75rem; border: 1px solid #8888; border-radius: 1rem }
.notice { padding: .5rem .75rem; border-radius: .5rem; background: #fff4d6; color: #5d4300 }
fieldset { margin: 0 0 1.25rem; padding: 0; border: 0 }
legend { margin-bottom: .5rem; font-weight: 600 }
.choice { display: flex; align-items: center; gap: .75rem; min-height: 3rem; padding: .5rem .75rem;
  margin-bottom: .5rem; border: 1px solid #8888; border-radius: .75rem; overflow-wrap: anywhere }
.choice small { display: block }
.choice img { width: 2.5rem; height: 2.5rem; border-radius: 50% }
.inner { margin-left: 1.75rem }
.choice:not(:has(input[type=radio]:checked)) + .inner { display: none }
button { min-height: 2.75rem; padding: .5rem 2rem; border: 1px solid #2455c3; border-radius: .75rem;
  background: none; color: inherit; font: inherit; font-weight: 600 }
.main { background: #2455c3; color: #fff }
"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    # No form-action: browsers would apply it to the redirect back to the app as well.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def _page(status: int, title: str, body: str) -> Answer:
    notice = "This is a stand-in for Meta, for trials and demos. No real account is involved."
    page = f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><main><p class="notice">{notice}</p><h1>{title}</h1>{body}</main></body></html>"""
    return Answer(status, page.encode(), _HEADERS)


def _radio(value: str, label: str, note: str, picture: str = "", *, is_first: bool) -> str:
    image = f'<img src="{escape(picture)}" alt="">' if picture else ""
    return _choice(
        f'type="radio" name="account"{" checked" * is_first}', value, f"{image}{_words(label, note)}"
    )


def _tick(name: str, value: str, label: str, note: str = "") -> str:
    return _choice(f'type="checkbox" name="{name}" checked', value, _words(label, note))


def _choice(attributes: str, value: str, words: str) -> str:
    return f'<label class="choice"><input {attributes} value="{escape(value)}">{words}</label>'


def _words(label: str, note: str) -> str:
    return f"<span>{escape(label)}{f'<small>{escape(note)}</small>' if note else ''}</span>"
