"""What a browser sends back from a page on which nothing was typed."""

from __future__ import annotations

from html.parser import HTMLParser

_SENT_ALWAYS = ("hidden", "text", "number", "email", "url")


def sent_from(page: str, action: str = "") -> dict[str, str]:
    """The inputs of the form with this action, by name, without the CSRF token. Of several values, the last."""
    reader = _Reader(action)
    reader.feed(page)
    assert reader.is_found, "no such form"
    reader.sent.pop("csrfmiddlewaretoken", None)
    return {name: "\r\n".join(value.splitlines()) for name, value in reader.sent.items()}


class _Reader(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.action, self.is_found, self.sent = action, False, dict[str, str]()
        self._is_inside, self._select, self._textarea = False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = found.get("method") == "post" and found.get("action", "") == self.action
            self.is_found = self.is_found or self._is_inside
        if not self._is_inside:
            return
        name, kind = found.get("name", ""), found.get("type", "text")
        if tag == "input" and name and (kind in _SENT_ALWAYS or "checked" in found):
            self.sent[name] = found.get("value", "on" if "checked" in found else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in found or self._select not in self.sent):
            self.sent[self._select] = found["value"]
        elif tag == "textarea":
            self._textarea, self.sent[name] = name, ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea":
            self.sent[self._textarea] = self.sent.get(self._textarea, "").removeprefix("\n")
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._is_inside and self._textarea:
            self.sent[self._textarea] += data
