"""The consent pages of both logins: check what the app asks, ask the person, send them back.

For tests without a browser the query may decide: `standin_auto=approve|deny`, with `standin_account` (a username; for
Facebook a person's key or id), `standin_pages` (ids, comma-separated; left out: all) and `standin_decline` (scopes).
Sources: "Business Login for Instagram" (2026-03-13), "oauth-authorize" (2025-07-17), "Manually build a login flow"
(2026-03-10), "Facebook Login for Business" (2026-05-05).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

from instagram_standin.accounts import LOAD_PREFIX
from instagram_standin.media import picture_path
from instagram_standin.messages import Answer, Call, Request, text_answer
from instagram_standin.tokens import SCOPES, Family, Grant, LoginApp, app_scoped_id
from instagram_standin.world import World

_CARRIED = ("client_id", "redirect_uri", "response_type", "scope", "state", "config_id")
# What a Login for Business configuration (`config_id`) asks for.
CONFIGURED = (
    "instagram_basic", "instagram_manage_insights", "pages_show_list", "pages_read_engagement", "business_management",
)  # fmt: skip


class LoginRefused(Exception):
    """The app asked wrongly: the person sees why and is not sent back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person chose. `pages`: None means all of them."""

    is_approved: bool
    account: str | None
    declined: frozenset[str]
    pages: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to tick. `inner`: what may be ticked once this is."""

    value: str
    label: str
    note: str = ""
    picture: str | None = None
    inner: Sequence[Choice] = ()


class ConsentHost(ABC):
    """`fragment`: added to the address after a success. `denial`: what the app gets when the person declines."""

    prefix: ClassVar[str]
    dialog: ClassVar[re.Pattern[str]]
    family: ClassVar[Family]
    fragment: ClassVar[str]
    denial: ClassVar[Mapping[str, str]]

    def __init__(self, world: World) -> None:
        self.world = world

    def describe(self, request: Request) -> Call:
        return Call(request)

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
    def choices(self) -> Sequence[Choice]:
        """Who may sign in, the ordinary case first."""

    @abstractmethod
    def grant(self, decision: Decision, scopes: frozenset[str]) -> Grant:
        """Raises LoginRefused for an account that does not exist."""

    def scopes_asked(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Separated by commas or spaces. Raises LoginRefused for none and for unknown ones."""
        asked = tuple(dict.fromkeys(given.get("scope", "").replace(",", " ").split()))
        unknown = [scope for scope in asked if scope not in SCOPES[self.family]]
        if unknown or not asked:
            raise LoginRefused(f"Invalid Scopes: {', '.join(unknown) or 'none given'}.")
        return asked

    def decision(self, request: Request, given: Mapping[str, str], asked: Sequence[str]) -> Decision | None:
        """None when the person has still to decide."""
        if request.method == "POST":
            form = request.form()
            return Decision(
                is_approved=given.get("decision") == "approve",
                account=given.get("account"),
                declined=frozenset(asked) - frozenset(form.get("scope_granted", ())),
                pages=frozenset(form.get("page", ())),
            )
        if "standin_auto" not in given:
            return None
        pages = given.get("standin_pages")
        return Decision(
            is_approved=given["standin_auto"] == "approve",
            account=given.get("standin_account"),
            declined=frozenset(given.get("standin_decline", "").split(",")) & frozenset(asked),
            pages=None if pages is None else frozenset(pages.split(",")),
        )

    def _decide(self, request: Request) -> Answer:
        given, app = request.parameters(), self.world.apps[self.family]
        redirect_uri = given.get("redirect_uri", "")
        if given.get("client_id") != app.id:
            raise LoginRefused("Invalid App ID: it is not the id of this login's app.")
        _check_redirect(app, redirect_uri)
        if given.get("response_type", "code") != "code":
            raise LoginRefused("Invalid response_type: only code is supported.")
        asked = self.scopes_asked(given)
        decision = self.decision(request, given, asked)
        if decision is None:
            hidden = {name: given[name] for name in _CARRIED if name in given}
            return _question(self.family, app.id, request.path, hidden, self.choices(), asked)
        state = {"state": given["state"]} if "state" in given else {}
        if not decision.is_approved:
            return _sent_back(redirect_uri, {**self.denial, **state})
        grant = self.grant(decision, frozenset(asked) - decision.declined)
        code = self.world.codes.issue(grant, redirect_uri)
        return _sent_back(redirect_uri, {"code": code, **state}, self.fragment)


class InstagramConsent(ConsentHost):
    """`GET /ig-www/oauth/authorize`."""

    prefix = "/ig-www"
    dialog = re.compile(r"/oauth/authorize/?")
    family = Family.INSTAGRAM
    fragment = "#_"
    denial = {
        "error": "access_denied",
        "error_reason": "user_denied",
        "error_description": "The user denied your request",
    }

    def choices(self) -> Sequence[Choice]:
        shown = [
            profile
            for profile in self.world.profiles.all()
            if not profile.username.startswith(LOAD_PREFIX) and profile.id != self.world.settings.operator_id
        ]
        return [
            Choice(
                profile.username,
                f"@{profile.username}",
                "Professional account" if profile.is_professional else "Personal account: no app can read it",
                str(profile.details.get("profile_picture_url", picture_path("avatar_leaf", "profile"))),
            )
            # The first is ticked, and it should be one that works.
            for profile in sorted(shown, key=lambda profile: not profile.is_professional)
        ]

    def grant(self, decision: Decision, scopes: frozenset[str]) -> Grant:
        name = decision.account or self.choices()[0].value
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
    denial = {
        "error": "access_denied",
        "error_code": "200",
        "error_description": "Permissions error",
        "error_reason": "user_denied",
    }

    def scopes_asked(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return CONFIGURED if given.get("config_id") else super().scopes_asked(given)

    def decision(self, request: Request, given: Mapping[str, str], asked: Sequence[str]) -> Decision | None:
        """With a configuration consent is all or nothing."""
        decision = super().decision(request, given, asked)
        if decision is not None and decision.declined and given.get("config_id"):
            return Decision(decision.is_approved, decision.account, frozenset(asked), decision.pages)
        return decision

    def choices(self) -> Sequence[Choice]:
        return [
            Choice(
                person.key,
                person.name,
                "1 Page" if len(person.pages) == 1 else f"{len(person.pages) or 'No'} Pages",
                inner=[
                    Choice(
                        page.id,
                        page.name,
                        f"Instagram: @{page.instagram}" if page.instagram else "No Instagram account",
                    )
                    for page in person.pages
                ],
            )
            for person in self.world.people.all()
        ]

    def grant(self, decision: Decision, scopes: frozenset[str]) -> Grant:
        person = self.world.people.find(decision.account or self.world.people.all()[0].key)
        if person is None:
            raise LoginRefused(f"There is no person {decision.account}.")
        pages = [page for page in person.pages if decision.pages is None or page.id in decision.pages]
        linked = [self.world.profiles.find(page.instagram) for page in pages if page.instagram]
        accounts = tuple(profile.id for profile in linked if profile is not None and profile.is_professional)
        granted, page_ids = scopes | {"public_profile"}, tuple(page.id for page in pages)
        return Grant(self.family, accounts, person.id, granted, decision.declined, page_ids)


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


# The pages: plain, readable without scripts, and not to be mistaken for Meta's own

_STYLE = """
:root { color-scheme: light dark; --line: #8888; --deed: #2455c3 }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; background: Canvas; color: CanvasText; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 32rem; margin: 0 auto; padding: 1.75rem; border: 1px solid var(--line); border-radius: 1rem }
h1 { margin: 0 0 .25rem; font-size: 1.4rem }
.notice { margin: 0 0 1.25rem; padding: .5rem .75rem; border-radius: .5rem; background: #fff4d6; color: #5d4300 }
fieldset { margin: 0 0 1.25rem; padding: 0; border: 0; min-width: 0 }
legend { padding: 0; margin-bottom: .5rem; font-weight: 600 }
.choice { display: flex; align-items: center; gap: .75rem; min-height: 3rem; padding: .5rem .75rem;
  margin-bottom: .5rem; border: 1px solid var(--line); border-radius: .75rem; overflow-wrap: anywhere }
.choice small { display: block }
.choice img { width: 2.5rem; height: 2.5rem; border-radius: 50% }
.inner { margin: 0 0 .75rem 1.75rem }
.person:not(:has(input[type=radio]:checked)) .inner { display: none }
button { min-height: 2.75rem; padding: .5rem 2rem; border: 1px solid var(--deed); border-radius: .75rem;
  background: transparent; color: inherit; font: inherit; font-weight: 600 }
button.main { background: var(--deed); color: #fff }
"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    # No form-action: browsers would apply it to the redirect back to the app as well.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def _question(
    family: Family,
    app_id: str,
    path: str,
    hidden: Mapping[str, str],
    people: Sequence[Choice],
    scopes: Sequence[str],
) -> Answer:
    """As whom, which Pages, which permissions; the form goes back to `path`."""
    carried = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in hidden.items()
    )
    who = "".join(_person(choice, is_first=place == 0) for place, choice in enumerate(people))
    what = "".join(_input("checkbox", "scope_granted", Choice(scope, scope)) for scope in scopes)
    body = f"""<p><code>{escape(app_id)}</code> would like to read your account.</p>
<form method="post" action="{escape(path)}">{carried}
<fieldset><legend>Continue as</legend>{who}</fieldset>
<fieldset><legend>Permissions</legend>{what}</fieldset>
<button class="main" name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</form>"""
    return _page(200, f"Sign in with {family.capitalize()}", body)


def _page(status: int, title: str, body: str) -> Answer:
    notice = "This is a stand-in for Meta, for trials and demos. No real account is involved."
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><main><p class="notice">{notice}</p><h1>{title}</h1>{body}</main></body></html>'
    )
    return Answer(status, page.encode(), _HEADERS)


def _person(choice: Choice, *, is_first: bool) -> str:
    inner = "".join(_input("checkbox", "page", page) for page in choice.inner)
    if inner:
        inner = f'<fieldset class="inner"><legend>Pages of {escape(choice.label)}</legend>{inner}</fieldset>'
    return f'<div class="person">{_input("radio", "account", choice, is_checked=is_first)}{inner}</div>'


def _input(kind: str, name: str, choice: Choice, *, is_checked: bool = True) -> str:
    picture = f'<img src="{escape(choice.picture)}" alt="" width="40" height="40">' if choice.picture else ""
    note = f"<small>{escape(choice.note)}</small>" if choice.note else ""
    checked = " checked" if is_checked else ""
    return (
        f'<label class="choice"><input type="{kind}" name="{name}" value="{escape(choice.value)}"{checked}>'
        f"{picture}<span>{escape(choice.label)}{note}</span></label>"
    )
