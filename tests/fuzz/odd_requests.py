"""Odd requests of every kind to a real web process: no answer is a 5xx, and the process stays healthy.

    DATABASE_URL=postgres://… python -m tests.fuzz.odd_requests --requests 25000

Odd paths, queries, cookies, headers, bodies and methods, sent as a stranger, a widget, an editor and a superuser, and
bytes that aren't HTTP requests. Afterwards every pooled database connection is usable, 1,000 readiness checks are
fine, a session is read, and memory has not grown by a fifth over the second half.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

from tests.fuzz.schema import GROWTH_LIMIT, NO_LIMITS, memory_kib
from tests.processes.members import Member, ask, calling, join, read_as, usable_connections
from tests.processes.service import Service, running_service
from tests.races.forced_refresh import PASSWORD, sign_in

POOL_SIZE = 10
READY_CHECKS = 1_000
CLIENTS = 8
PARTS = 4
API = "/v1/integrations/instagram"

# Values used instead of valid ones.
ODD_TEXTS = (
    b"", b"\0", b"a\0b", b"\x80", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\n",
    b"\r\nX: y", b"\x1b[31m", b"\x7f", b"%", b"%zz", b"%00", b"%2500", b"..", b"../../etc/passwd",
    b"..%2f..%2f", b"//", b"\\", b"'", b"\"", b"' OR 1=1 --", b"{{7*7}}", b"${x}", b"%s%n", b"<script>", b"_00",
    b"_0A_00", b"__all__", b"null", b"None", b"NaN", b"-1", b"0", b"1e999", b"9" * 30, b"-" + b"9" * 30,
    b"0x10", b"1,2", b"true", b"\xe2\x80\xae", b"\xef\xbb\xbf", "\N{SNOWMAN}".encode(),
    "\N{KISS MARK}".encode() * 40, "i\N{COMBINING DOT ABOVE}".encode(), b"a" * 300, b"a" * 3_000,
    b"00000000-0000-0000-0000-000000000000", b"wgt_instagramfeed_u_", b"2026-02-30", b"0001-01-01",
    b"9999-12-31T23:59:60Z", b";", b"&", b"=", b"#", b"?", b"[]", b"a[]", b"*", b" ", b"\t", b"\xc2\xa0",
    b"\x00" * 50,
)  # fmt: skip
PATHS = (
    "/", "/healthz", "/readyz", "/metrics", "/api/schema/", "/api/docs/", "/static/{}",
    "/static/venice/pages.css", "/embed/{}", "/embed/widget.js", "/embed/{instance}", "/deletion/{}",
    "/connect/choose/{}/", "/connect/{}", "/connect/begin/{}/", "/connect/result/{}/", "/invitations/{}/",
    "/accounts/", "/accounts/login/", "/accounts/login/code/", "/accounts/email/", "/accounts/email/confirm/{}/",
    "/accounts/password/change/", "/accounts/password/reset/", "/accounts/password/reset/{}-{}/",
    "/accounts/reauthenticate/", "/accounts/reauthenticate/code/", "/accounts/sessions/",
    "/accounts/sessions/{}/end/", "/accounts/second-step/", "/accounts/second-step/set-up/",
    "/accounts/second-step/switch-off/", "/accounts/second-step/recovery-codes/",
    "/editor/workspaces/{}/members/", "/editor/workspaces/{workspace}/members/",
    "/editor/workspaces/{workspace}/members/invite/", "/editor/workspaces/{workspace}/members/{}/role/",
    "/editor/workspaces/{workspace}/members/{}/remove/",
    "/editor/workspaces/{workspace}/members/invitations/{}/resend/", "/editor/{instance}/connect-link/",
    "/editor/{instance}/connect-link/{}/withdraw/", "/admin/auth/user/{}/remove-factor/", "/admin/outbox/mail/",
    "/editor/", "/editor/{}/", "/editor/{instance}/",
    "/editor/new/{}/", "/editor/new/{workspace}/", "/v1/{}", "/editor/{}/settings/",
    "/editor/{instance}/design/",
    "/editor/{instance}/posts/", "/editor/{instance}/settings/", "/editor/{}/refresh/", "/{}", f"{API}/feed",
    f"{API}/refresh", f"{API}/connect", f"{API}/callback", f"{API}/callback/facebook", f"{API}/disconnect",
    f"{API}/meta/instagram/deauthorize", f"{API}/meta/facebook/data-deletion", f"{API}/{{}}", "/admin/",
    "/admin/login/", "/admin/{}/", "/admin/jsi18n/", "/admin/autocomplete/", "/admin/r/{}/{}/",
    "/admin/auth/user/", "/admin/auth/user/{}/change/", "/admin/auth/user/{}/password/",
    "/admin/auth/group/{}/history/", "/admin/venice_api/widgetinstance/",
    "/admin/venice_api/widgetinstance/{}/change/", "/admin/venice_api/widgetinstance/{instance}/pause/",
    "/admin/venice_api/widgetinstance/{}/grant/", "/admin/venice_api/widgetinstance/{instance}/history/",
    "/admin/entitlements/workspace/", "/admin/entitlements/workspace/{}/change/",
    "/admin/entitlements/workspace/{workspace}/change/", "/admin/entitlements/plan/matrix/",
    "/admin/entitlements/plan/matrix/undo/{}/",
    "/admin/entitlements/plan/{}/change/", "/admin/entitlements/entitlementchange/",
    "/admin/paris_integration/auditevent/", "/admin/paris_integration/auditevent/{}/change/",
    "/admin/paris_integration/dailyusage/", "/admin/paris_integration/connection/",
    "/admin/paris_integration/feed/", "/admin/venice_api/widgetinstance/{instance}/change/",
    "/admin/venice_api/widgetinstance/{instance}/posts/", "/admin/venice_api/widgetinstance/add/",
    "/admin/entitlements/invitation/", "/admin/entitlements/invitation/{}/withdraw/",
    "/admin/paris_integration/connectlink/", "/admin/paris_integration/connectlink/{}/withdraw/",
)  # fmt: skip
NAMES = (
    "instanceId", "sourceType", "sourceValue", "maxPosts", "filterType", "token", "state", "code", "error",
    "login", "redirectUri", "next", "theme", "q", "o", "p", "e", "all", "_popup", "_to_field",
    "_changelist_filters", "id__exact", "workspace__plan__id__exact", "at__year", "at__gte", "is_staff__exact",
    "username__contains", "day", "status", "reason", "app_label", "model_name", "field_name", "term", "page",
    "date_hierarchy",
)  # fmt: skip
FIELDS = (
    "username", "password", "csrfmiddlewaretoken", "next", "name", "source_type", "source_value", "max_posts",
    "post", "act", "filter_type", "allowed_origins", "account", "signed_request", "action", "_selected_action",
    "units", "hours", "note", "index", "select_across", "preview", "key", "typed_value", "email", "password1", "role",
    "workspace", "initial-name", "initial-allowed_origins", "initial-columns", "columns", "layout", "header_text",
    "required_words", "needs_approval", "show", "unpin",
)  # fmt: skip
METHODS = (
    "GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT",
    "PROPFIND", "get", "BREW", "M-SEARCH", "A" * 30,
)  # fmt: skip
TYPES = (
    "application/json", "application/json; charset=hex", "application/x-www-form-urlencoded", "text/plain",
    "multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary=\x80",
    "application/x-www-form-urlencoded; charset=utf-7", "application/json; charset=punycode", "x" * 200, "/",
    "application/xml", "",
)  # fmt: skip
HEADERS = (
    "Host", "Origin", "Referer", "Accept", "Accept-Language", "Accept-Encoding", "User-Agent",
    "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via", "X-Request-ID",
    "Authorization", "If-None-Match", "If-Modified-Since", "If-Match", "Range", "Idempotency-Key",
    "X-CSRFToken", "Expect", "Content-Length", "Cookie", "Transfer-Encoding", "Upgrade", "Connection",
    "X-HTTP-Method-Override", "Content-Encoding", "Forwarded", "X_UNDER",
)  # fmt: skip
JSON_VALUES: tuple[object, ...] = (
    None, True, 0, -1, 1e308, 10**40, "", "\0", "\ud800", "a\0b", "x" * 300, [], {}, [[]], {"a": 1}, "profile",
    "hashtag",
)  # fmt: skip
RAW = (
    b"", b"\0" * 64, b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nshort",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"G" * 9_000,
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"GET / HTTP/1.1\r\nA: " + b"b" * 9_000 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"* HTTP/1.1\r\n\r\n",
    b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n", b"GET / HTTP/0.9\r\n\r\n",
    b"\xff" * 200, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /editor/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"QUIT\r\n", b"GET \xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
)  # fmt: skip


# The first answer, after an optional "100 Continue".
_STATUS = re.compile(rb"(?:HTTP/1\.[01] 1.*?\r\n\r\n)*HTTP/1\.[01] (?P<status>[2-9][0-9][0-9])", re.DOTALL)


@dataclass(frozen=True)
class Caller:
    """A kind of client, with the headers that identify it."""

    name: str
    headers: tuple[tuple[str, str], ...] = ()
    csrf: str = ""


@dataclass
class Report:
    """The result. `complaints` is empty when there are no problems."""

    requests: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    usable_connections: int = 0
    ready: Counter[int] = field(default_factory=Counter)
    session_read: int = 0
    memory_kib: list[int] = field(default_factory=list)
    tracebacks: int = 0

    @property
    def growth(self) -> float:
        """Over the second half: the first fills the caches and starts the threads."""
        return self.memory_kib[-1] / self.memory_kib[PARTS // 2 - 1]

    @property
    def is_large(self) -> bool:
        """Memory is only judged after a few thousand requests, when the process has filled its caches."""
        return self.requests >= 10_000

    @property
    def complaints(self) -> list[str]:
        said = {
            "an answer was a 5xx": bool(self.failures),
            "tracebacks in the log": self.tracebacks > 0,
            "the pool is not whole": self.usable_connections != POOL_SIZE,
            "not always ready": set(self.ready) != {200},
            "a session cannot be read": self.session_read != 200,
            "memory has grown": self.is_large and self.growth > GROWTH_LIMIT,
            "nothing was answered": self.statuses["200"] == 0 or self.statuses["400"] == 0,
        }
        return [complaint for complaint, holds in said.items() if holds]

    def __str__(self) -> str:
        statuses = ", ".join(f"{status} {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"odd requests: {self.requests} requests ({self.kinds['raw']} raw), {len(self.failures)} answered 5xx, "
            f"{self.tracebacks} tracebacks, memory x{self.growth:.2f} "
            f"({', '.join(str(kib // 1024) for kib in self.memory_kib)} MiB), {self.seconds:.0f} s; answers: {statuses}"
        )


class Oddities:
    """Generates requests. The same seed gives the same requests."""

    def __init__(self, seed: int, member: Member, workspace: str) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the same requests in every run
        self._known = {"instance": member.instance_id, "workspace": workspace, "token": member.token}
        self._kinds: dict[str, Callable[[Caller], bytes]] = {
            "path": self._path, "query": self._query, "cookie": self._cookie, "header": self._header,
            "body": self._body, "method": self._method, "all at once": self._everything,
        }  # fmt: skip

    def next(self, callers: Sequence[Caller]) -> tuple[str, bytes]:
        """The kind of the next request, and its bytes."""
        if self._chance.random() < 0.1:
            return "raw", self._raw()
        kind = self._chance.choice(list(self._kinds))
        return kind, self._kinds[kind](self._chance.choice(callers))

    def _path(self, caller: Caller) -> bytes:
        return self._request("GET", self._address(odd=True), caller)

    def _query(self, caller: Caller) -> bytes:
        pairs = [f"{self._name(NAMES)}={self._value()}" for _ in range(self._chance.randint(1, 5))]
        return self._request("GET", f"{self._address()}?{'&'.join(pairs)}", caller)

    def _cookie(self, caller: Caller) -> bytes:
        name = self._chance.choice(("sessionid", "csrftoken", "messages", "sessionid", "other"))
        octal = "".join(f"\\{byte:03o}" for byte in self._text())
        value = self._chance.choice(
            (f'"{octal}"', self._value(), self._text().decode("latin-1").strip("\r\n\0"))
        )
        return self._request("GET", self._address(), caller, {"Cookie": f"{name}={value}"})

    def _header(self, caller: Caller) -> bytes:
        odd = {self._name(HEADERS): self._header_value() for _ in range(self._chance.randint(1, 3))}
        return self._request(self._chance.choice(("GET", "OPTIONS")), self._address(), caller, odd)

    def _body(self, caller: Caller) -> bytes:
        kind = self._chance.choice(TYPES)
        headers = {"Content-Type": kind, "X-CSRFToken": caller.csrf}
        return self._request("POST", self._address(), caller, headers, self._content(kind, caller))

    def _method(self, caller: Caller) -> bytes:
        method = self._chance.choice(METHODS)
        return self._request(method, self._address(), caller, {"X-CSRFToken": caller.csrf})

    def _everything(self, caller: Caller) -> bytes:
        kind = self._chance.choice(TYPES)
        headers = {
            "Content-Type": kind,
            "X-CSRFToken": caller.csrf,
            self._name(HEADERS): self._header_value(),
        }
        address = f"{self._address(odd=True)}?{self._name(NAMES)}={self._value()}"
        return self._request(
            self._chance.choice(METHODS), address, caller, headers, self._content(kind, caller)
        )

    def _raw(self) -> bytes:
        if self._chance.random() < 0.3:
            return self._chance.randbytes(self._chance.randint(1, 400))
        whole = self._request(
            "POST", self._address(odd=True), Caller("stranger"), {"Content-Length": "100"}, b"half"
        )
        cut = whole[: self._chance.randint(1, len(whole))]
        return self._chance.choice((*RAW, cut))

    def _request(
        self, method: str, address: str, caller: Caller, odd: dict[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        headers = {"Host": "127.0.0.1", "Connection": "close", **dict(caller.headers), **(odd or {})}
        if body and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(body))
        lines = [f"{method} {address} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode("latin-1", errors="replace") + b"\r\n\r\n" + body

    def _address(self, *, odd: bool = False) -> str:
        template = self._chance.choice(PATHS)
        while odd and "{}" not in template:
            template = self._chance.choice(PATHS)
        path = template.replace("{instance}", self._known["instance"]).replace(
            "{workspace}", self._known["workspace"]
        )
        while "{}" in path:
            path = path.replace("{}", self._value(), 1)
        return path

    def _text(self) -> bytes:
        return self._chance.choice(ODD_TEXTS) if self._chance.random() < 0.9 else self._chance.randbytes(20)

    def _value(self) -> str:
        if self._chance.random() < 0.1:
            return quote(self._chance.choice(list(self._known.values())))
        return quote_from_bytes(self._text(), safe=self._chance.choice(("", "/", "/%")))

    def _header_value(self) -> str:
        if self._chance.random() < 0.2:
            return self._chance.choice(
                (f"Bearer {self._known['token']}", "Bearer", "chunked", "100-continue", "bytes=0-1", "*")
            )
        text = self._text().decode("latin-1")
        return (
            text
            if self._chance.random() < 0.1
            else text.replace("\r", "").replace("\n", "").replace("\0", "")
        )

    def _name(self, names: Sequence[str]) -> str:
        return self._chance.choice(names)

    def _content(self, kind: str, caller: Caller) -> bytes:
        choice = self._chance.random()
        if choice < 0.2:
            return self._chance.choice(
                (b"[" * 50_000, b"{" * 500, b"\xff" * 100, b"null", b"[]", b"x" * 70_000, b"{}", b"\0")
            )
        if kind.startswith("application/json"):
            fields = {self._name(NAMES): self._chance.choice(JSON_VALUES) for _ in range(3)}
            return json.dumps({"instanceId": self._known["instance"], **fields}).encode()
        pairs = [(self._name(FIELDS), self._text()) for _ in range(4)]
        if self._chance.random() < 0.5:
            pairs.append(("csrfmiddlewaretoken", caller.csrf.encode()))
        if kind.startswith("multipart"):
            parts = [
                b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
                for name, value in pairs
            ]
            return b"".join(parts) + self._chance.choice((b"--x--\r\n", b"--x", b""))
        return b"&".join(name.encode() + b"=" + quote_from_bytes(value).encode() for name, value in pairs)


def bombard(service: Service, *, requests: int, seed: int = 1) -> Report:
    """Send the requests to the first web process. Reports its answers and its state afterwards."""
    target, witness = join(service, "target"), join(service, "witness", "acme.bakery")
    service.manage("shell", "-v", "0", "-c", _SUPERUSER.format(password=PASSWORD))
    for member in (target, witness):
        read_as(service, member)
    report = Report(requests=requests)
    began = time.monotonic()
    for part in range(PARTS):
        _send_all(service, target, report, requests // PARTS, seed + part)
        report.memory_kib.append(memory_kib(service))
    report.seconds = round(time.monotonic() - began, 1)
    report.usable_connections = usable_connections(service, witness, pool_size=POOL_SIZE)
    with calling(service) as connection:
        checks = READY_CHECKS if report.is_large else 20
        report.ready = Counter(ask(connection, "/readyz").status for _ in range(checks))
    report.session_read = read_as(service, witness).status
    report.tracebacks = service.log().count("Traceback")
    return report


_SUPERUSER = """
from django.contrib.auth.models import User
User.objects.create_superuser("root", password="{password}")
"""


def _send_all(service: Service, target: Member, report: Report, requests: int, seed: int) -> None:
    oddities, lock = Oddities(seed, target, target.workspace), threading.Lock()
    callers = _callers(service, target)
    left = requests

    def send_some(_: int) -> None:
        nonlocal left, callers
        while True:
            with lock:
                if left == 0:
                    return
                left -= 1
                if left % 1_000 == 999:
                    callers = _callers(service, target)  # sessions may have been signed out
                kind, sent = oddities.next(callers)
            status = _status_of(service.web_ports[0], sent, hangs_up=left % 20 == 0)
            with lock:
                report.kinds[kind] += 1
                report.statuses[status] += 1
                if status.startswith("5") and not (status == "501" and b"Transfer-Encoding" in sent):
                    report.failures.append(f"{status} {kind}: {sent[:600]!r}")

    with ThreadPoolExecutor(max_workers=CLIENTS) as clients:
        list(clients.map(send_some, range(CLIENTS)))


def _callers(service: Service, target: Member) -> list[Caller]:
    callers = [Caller("stranger"), Caller("widget", (("Authorization", f"Bearer {target.token}"),))]
    for name in ("target", "root"):
        cookies = sign_in(service.web_ports[0], name)
        cookie = f"sessionid={cookies.session}; csrftoken={cookies.csrf}"
        callers.append(Caller(name, (("Cookie", cookie), ("Referer", "http://127.0.0.1/")), cookies.csrf))
    return callers


def _status_of(port: int, sent: bytes, *, hangs_up: bool) -> str:
    """The status of the answer. `none` when either side closed the connection without one."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(sent)
        if hangs_up:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return "none"
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while not (found := _STATUS.match(received)) and (chunk := connection.recv(4_096)):
            received += chunk
        if found:
            return found["status"].decode()
    return "none"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=25_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(
            Path(folder), DEBUG="false", DATABASE_POOL_SIZE=str(POOL_SIZE), LOG_LEVEL="WARNING", **NO_LIMITS
        ) as service,
    ):
        report = bombard(service, requests=options.requests, seed=options.seed)
        for failure in report.failures[:20]:
            print(failure)
        if report.complaints:
            print(service.log()[-20_000:], file=sys.stderr)
    print(report, *report.complaints, sep="; ")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
