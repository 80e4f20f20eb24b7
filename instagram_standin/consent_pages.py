"""The HTML a person sees while signing in: plain, readable without scripts, and not to be mistaken for Meta's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from instagram_standin.messages import Answer

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5a6274; --line: #c9cedb; --card: #fff; --back: #eef1f6;
  --deed: #2455c3; --deed-ink: #fff; --warm: #fff4d6; --warm-ink: #5d4300 }
@media (prefers-color-scheme: dark) { :root { --ink: #eef1f7; --soft: #b3bccd; --line: #47506380; --card: #1c2230;
  --back: #11151e; --deed: #8fb0ff; --deed-ink: #0d1730; --warm: #3a2f12; --warm-ink: #ffe2a0 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; background: var(--back); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif }
main { max-width: 32rem; margin: 0 auto; padding: 1.75rem; background: var(--card); border-radius: 1rem;
  box-shadow: 0 1px 2px #0002, 0 8px 30px #0000001a }
h1 { margin: 0 0 .25rem; font-size: 1.4rem; line-height: 1.25 }
p { margin: .25rem 0 1rem; color: var(--soft) }
.notice { margin: 0 0 1.25rem; padding: .5rem .75rem; border-radius: .5rem; background: var(--warm);
  color: var(--warm-ink); font-size: .875rem }
fieldset { margin: 0 0 1.25rem; padding: 0; border: 0; min-width: 0 }
legend { padding: 0; margin-bottom: .5rem; font-weight: 600 }
.choice { display: flex; align-items: center; gap: .75rem; min-height: 3rem; padding: .5rem .75rem;
  margin-bottom: .5rem; border: 1px solid var(--line); border-radius: .75rem; cursor: pointer; overflow-wrap: anywhere }
.choice:has(:checked) { border-color: var(--deed); box-shadow: inset 0 0 0 1px var(--deed) }
.choice:focus-within { outline: 3px solid var(--deed); outline-offset: 2px }
.choice small { display: block; color: var(--soft) }
.choice input { flex: none; width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--deed) }
.choice img { width: 2.5rem; height: 2.5rem; border-radius: 50%; object-fit: cover }
.inner { margin: 0 0 .75rem 1.75rem }
.person:not(:has(input[type=radio]:checked)) .inner { display: none }
.deeds { display: flex; flex-wrap: wrap; gap: .75rem }
button { flex: 1 1 9rem; min-height: 2.75rem; padding: .5rem 1rem; border: 1px solid var(--deed); border-radius: .75rem;
  background: transparent; color: var(--ink); font: inherit; font-weight: 600; cursor: pointer }
button.main { background: var(--deed); color: var(--deed-ink) }
button:focus-visible { outline: 3px solid var(--deed); outline-offset: 2px }
code { overflow-wrap: anywhere }
"""

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    # No form-action: browsers would apply it to the redirect back to the app as well.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to tick. `inner`: what may be ticked once this is."""

    value: str
    label: str
    note: str = ""
    picture: str | None = None
    inner: Sequence[Choice] = ()


def consent_page(
    *,
    title: str,
    app_id: str,
    path: str,
    hidden: Mapping[str, str],
    accounts: Sequence[Choice],
    scopes: Iterable[str],
) -> Answer:
    """The question to a person: as whom, which Pages, which permissions; the form goes back to `path`."""
    permissions = [Choice(scope, scope) for scope in scopes]
    body = f"""
<h1>{escape(title)}</h1>
<p><code>{escape(app_id)}</code> would like to read your account.</p>
<form method="post" action="{escape(path)}">
{"".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items())}
<fieldset><legend>Continue as</legend>
{"".join(_person(choice, is_first=place == 0) for place, choice in enumerate(accounts))}
</fieldset>
<fieldset><legend>Permissions</legend>
{"".join(_tick("scope_granted", choice) for choice in permissions)}
</fieldset>
<div class="deeds">
<button class="main" name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</div>
</form>"""
    return Answer(200, _page(title, body), _HEADERS)


def refusal_page(message: str) -> Answer:
    """What a person sees when the app asked wrongly: nobody is sent back anywhere."""
    body = f"<h1>Sorry, this login cannot go on</h1><p role=alert>{escape(message)}</p>"
    return Answer(400, _page("This login cannot go on", body), _HEADERS)


def _page(title: str, body: str) -> bytes:
    notice = "This is a stand-in for Meta, for trials and demos. No real account is involved."
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{_STYLE}</style></head><body><main><p class="notice">{notice}</p>{body}</main></body></html>'
    ).encode()


def _person(choice: Choice, *, is_first: bool) -> str:
    inner = "".join(_tick("page", page) for page in choice.inner)
    granted = (
        f'<fieldset class="inner"><legend>Pages of {escape(choice.label)}</legend>{inner}</fieldset>'
        if inner
        else ""
    )
    return f'<div class="person">{_input("radio", "account", choice, is_checked=is_first)}{granted}</div>'


def _tick(name: str, choice: Choice) -> str:
    return _input("checkbox", name, choice, is_checked=True)


def _input(kind: str, name: str, choice: Choice, *, is_checked: bool) -> str:
    picture = f'<img src="{escape(choice.picture)}" alt="" width="40" height="40">' if choice.picture else ""
    note = f"<small>{escape(choice.note)}</small>" if choice.note else ""
    checked = " checked" if is_checked else ""
    return (
        f'<label class="choice"><input type="{kind}" name="{name}" value="{escape(choice.value)}"{checked}>'
        f"{picture}<span>{escape(choice.label)}{note}</span></label>"
    )
