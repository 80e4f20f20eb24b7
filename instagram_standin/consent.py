"""What both consent pages do alike: check what the app asks, ask the person, send them back.

For tests without a browser the query may decide: `standin_auto=approve|deny`, with `standin_account` (a username; for
Facebook a person's key or id), `standin_pages` (ids, comma-separated; left out: all) and `standin_decline` (scopes).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

from instagram_standin.calls import Call
from instagram_standin.consent_pages import Choice, consent_page, refusal_page
from instagram_standin.logins import Consent, LoginApp
from instagram_standin.messages import Answer, Request, text_answer
from instagram_standin.scopes import SCOPES, Family
from instagram_standin.world import World

AUTO = "standin_auto"
_CARRIED = ("client_id", "redirect_uri", "response_type", "scope", "state", "config_id")


class LoginRefused(Exception):
    """Told to the person, who is not sent back: the app asked wrongly."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`pages`: None means all of them."""

    is_approved: bool
    account: str | None
    declined: frozenset[str]
    pages: frozenset[str] | None = None


class ConsentHost(ABC):
    prefix: ClassVar[str]
    family: ClassVar[Family]
    title: ClassVar[str]
    fragment: ClassVar[str]  # added to the address after a success
    wrong_app: ClassVar[str]
    usual_response_type: ClassVar[str | None] = None

    def __init__(self, world: World) -> None:
        self.world = world

    def describe(self, request: Request) -> Call:
        return Call(request)

    def answer(self, call: Call) -> Answer:
        request = call.request
        if not self.is_dialog(request.path.removeprefix(self.prefix).strip("/").split("/")):
            return text_answer("There is no such page.", 404)
        if request.method not in ("GET", "HEAD", "POST"):
            return text_answer("Method not allowed", 405)
        try:
            return self._decide(request)
        except LoginRefused as refused:
            return refusal_page(str(refused))

    # What differs

    @abstractmethod
    def is_dialog(self, path: Sequence[str]) -> bool: ...

    @abstractmethod
    def choices(self) -> Sequence[Choice]:
        """Who may sign in, the ordinary case first."""

    @abstractmethod
    def consent(self, decision: Decision, app: LoginApp, asked: Sequence[str], redirect_uri: str) -> Consent:
        """Raises LoginRefused for an account that does not exist."""

    @abstractmethod
    def denial(self) -> Mapping[str, str]:
        """What the app is told when the person declines."""

    def scopes_asked(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Separated by commas or spaces. Raises LoginRefused for none and for unknown ones."""
        asked = tuple(dict.fromkeys(given.get("scope", "").replace(",", " ").split()))
        unknown = [scope for scope in asked if scope not in SCOPES[self.family]]
        if unknown or not asked:
            raise LoginRefused(f"Invalid Scopes: {', '.join(unknown) or 'none given'}.")
        return asked

    # What is alike

    def _decide(self, request: Request) -> Answer:
        given = request.parameters()
        app, redirect_uri = self._app(given), given.get("redirect_uri", "")
        self._check_redirect(app, redirect_uri)
        if given.get("response_type", self.usual_response_type) != "code":
            raise LoginRefused("Invalid response_type: only code is known here.")
        asked = self.scopes_asked(given)
        decision = self.decision(request, given, asked)
        if decision is None:
            return consent_page(
                title=self.title,
                app_id=app.id,
                path=request.path,
                hidden={name: given[name] for name in _CARRIED if name in given},
                accounts=self.choices(),
                scopes=asked,
            )
        if not decision.is_approved:
            return self._sent_back(redirect_uri, self.denial(), given.get("state"))
        code = self.world.logins.issue_code(self.consent(decision, app, asked, redirect_uri))
        return self._sent_back(redirect_uri, {"code": code}, given.get("state"), self.fragment)

    def _app(self, given: Mapping[str, str]) -> LoginApp:
        app = self.world.logins.apps[self.family]
        if given.get("client_id") != app.id:
            raise LoginRefused(self.wrong_app)
        return app

    def _check_redirect(self, app: LoginApp, uri: str) -> None:
        is_plain = uri.isascii() and uri.isprintable() and " " not in uri and "#" not in uri
        try:
            has_host = bool(urlsplit(uri).hostname)
        except ValueError:
            has_host = False
        if not (is_plain and has_host and app.accepts_redirect(uri)):
            raise LoginRefused("Invalid redirect_uri: it is not among those registered for the app.")

    def decision(self, request: Request, given: Mapping[str, str], asked: Sequence[str]) -> Decision | None:
        """What the person chose; None when nobody has decided yet."""
        if request.method == "POST":
            form = request.form()
            return Decision(
                is_approved=given.get("decision") == "approve",
                account=given.get("account"),
                declined=frozenset(asked) - frozenset(form.get("scope_granted", ())),
                pages=frozenset(form.get("page", ())),
            )
        if AUTO not in given:
            return None
        pages = given.get("standin_pages")
        return Decision(
            is_approved=given[AUTO] == "approve",
            account=given.get("standin_account"),
            declined=frozenset(given.get("standin_decline", "").split(",")) & frozenset(asked),
            pages=None if pages is None else frozenset(pages.split(",")),
        )

    def _sent_back(
        self, redirect_uri: str, told: Mapping[str, str], state: str | None, fragment: str = ""
    ) -> Answer:
        told = {**told, **({} if state is None else {"state": state})}
        joint = "&" if "?" in redirect_uri else "?"
        location = f"{redirect_uri}{joint}{urlencode(told)}{fragment}"
        return Answer(302, b"", {"Location": location, "Cache-Control": "no-store"})
