"""No secret leaves its place: planted ones are looked for, in every form, in all that the service writes and answers.

A whole life is walked through: both logins, with each of Meta's answers broken once, refreshes by web, worker and
command, a tag, a disconnect, the staff's pages. Then database, Redis, logs at DEBUG and answers are searched.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from django.contrib.admin.utils import quote as admin_quote

from instagram_standin.server import StandIn
from tests.figures import figure
from tests.processes import forking
from tests.processes.service import Service, running_service, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.both_legs]  # both cache and broker

API = "/v1/integrations/instagram/"
PASSWORD = "walk-through-password-1"
KEY = "c2VjcmV0LWtleS1vZi10aGUtcmluZy0zMi1ieXRlcy4="
PLANTED = {
    "SECRET_KEY": "canary-django-secret-key-0123456789abcdef",
    "TOKEN_ENCRYPTION_KEYS": KEY,
    "METRICS_TOKEN": "canary-metrics-token-77aa88bb99cc",
}
# Servers that ask for no password accept any.
PASSWORDS = {
    "DATABASE_PASSWORD": "canary-database-password-1d2e3f",
    "REDIS_PASSWORD": "canary-redis-password-4a5b6c",
}
CONTROL = "planted.control.value.42"
STEPS = [  # every call of a login and of a refresh, each broken once
    "/ig-api/oauth/access_token",
    "/ig-graph/access_token",
    "/ig-graph/v26.0/me",
    "/fb-graph/v26.0/oauth/access_token",
    "/fb-graph/v26.0/me",
    "/fb-graph/v26.0/me/permissions",
    "/fb-graph/v26.0/me/accounts",
]
FAULTS = ["html", "truncated", "reset", "status"]


class Walker:
    """A browser without a window that keeps everything it was ever answered."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.answers: list[str] = []
        self.session = requests.Session()

    def get(self, path: str, **query: str) -> requests.Response:
        return self._kept(self.session.get(self.base + path, params=query, allow_redirects=False, timeout=40))

    def post(self, path: str, form: dict[str, str] | None = None, json: object = None) -> requests.Response:
        headers = {"X-CSRFToken": self.session.cookies.get("csrftoken", "")}
        return self._kept(
            self.session.post(
                self.base + path, data=form, json=json, headers=headers, allow_redirects=False, timeout=40
            )
        )

    def sign_in(self, name: str, path: str = "/accounts/login/") -> None:
        self.get(path)
        form = {
            "username": name,
            "password": PASSWORD,
            "csrfmiddlewaretoken": self.session.cookies["csrftoken"],
        }
        assert self.post(path, form).status_code == 302

    def _kept(self, response: requests.Response) -> requests.Response:
        headers = dict(response.headers)
        # The address at Meta carries the state by design, and cookies are the session's own.
        if "/oauth" in headers.get("Location", ""):
            headers.pop("Location")
        headers.pop("Set-Cookie", None)
        self.answers.append(f"{headers}\n{response.text}")
        return response


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path, LOG_LEVEL="DEBUG", **PLANTED, **stores_with_passwords()) as running:
        running.start_worker()
        running.start_beat()
        yield running


def stores_with_passwords() -> dict[str, str]:
    """The environment of a service that sends these passwords to PostgreSQL and Redis, where the run has them."""
    url = os.environ.get("REDIS_URL")
    if not url:
        return {}
    # By name: Redis accepts any password for a user who has none.
    return PASSWORDS | {"REDIS_URL": url.replace("redis://", "redis://default@", 1)}


def log_in_at_meta(
    walker: Walker, standin: StandIn, instance_id: str, login: str, account: str
) -> tuple[str, str]:
    """Walk to the consent page, approve, and come back; the state and the code that went by."""
    begun = walker.get(f"{API}connect", instanceId=instance_id, login=login)
    location = begun.headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    sent_back = requests.get(
        location,
        params={"standin_auto": "approve", "standin_account": account},
        allow_redirects=False,
        timeout=20,
    ).headers["Location"]
    code = parse_qs(urlsplit(sent_back).query)["code"][0]
    target = urlsplit(sent_back)
    landed = walker.get(target.path, code=code, state=state)
    if "/connect/choose/" in landed.headers.get("Location", ""):
        page = walker.get(landed.headers["Location"])
        chosen = re.search(r'name="account" value="([0-9]+)"', page.text)
        assert chosen is not None
        walker.post(
            landed.headers["Location"],
            {"account": chosen[1], "csrfmiddlewaretoken": walker.session.cookies["csrftoken"]},
        )
    return state, code


def test_no_secret_is_found_anywhere(service: Service) -> None:
    standin = service.standin
    base = f"http://127.0.0.1:{service.web_ports[0]}"
    workspace = service.workspace("business", editor="ed", password=PASSWORD)
    instance = service.instance(workspace, "acme.bakery")
    superuser = service.environment | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    created = forking.run(
        "manage.py",
        "createsuperuser",
        "--noinput",
        "--username",
        "root",
        "--email",
        "r@x.example",
        env=superuser,
    )
    assert created.returncode == 0, created.stderr
    editor, staff = Walker(base), Walker(base)
    editor.sign_in("ed")
    staff.sign_in("root", "/admin/login/")
    passing: list[str] = []

    logins = (("instagram", "acme.bakery"), ("facebook", "robin.baker"))
    for number, path in enumerate(STEPS):
        standin.faults.add(FAULTS[number % len(FAULTS)], path=path, times=1)
        for login, account in logins:
            passing += log_in_at_meta(editor, standin, instance["instanceId"], login, account)
        standin.faults.clear()
    for fault in ("html", "deep", "error200", "status"):
        standin.faults.add(fault, path="/media", times=1)
        editor.post(f"{API}refresh", json={"instanceId": instance["instanceId"]})
        editor.get(f"{API}feed", instanceId=instance["instanceId"])
        service.manage("refresh_due")
        standin.faults.clear()
    service.read(instance["embedToken"])
    control = service.instance(workspace, CONTROL)
    editor.answers.append(service.read(control["embedToken"]).body.decode())
    pages = ("connection", "feed", "auditevent", "forcedrefresh", "providerwindow", "dailyusage")
    for page in pages:
        listed = staff.get(f"/admin/paris_integration/{page}/")
        assert listed.status_code == 200
        for link in set(re.findall(rf"/admin/paris_integration/{page}/[^/\"]+/change/", listed.text)):
            staff.get(link)
    staff.get(f"/admin/venice_api/widgetinstance/{admin_quote(instance['instanceId'])}/change/")
    editor.get(f"/editor/{instance['instanceId']}/")
    metrics = staff.get("/metrics")
    assert "instagram_refresh_attempts_total{" in metrics.text
    bearer = {"Authorization": f"Bearer {PLANTED['METRICS_TOKEN']}", "X-Forwarded-For": "203.0.113.9"}
    assert requests.get(f"{base}/metrics", headers=bearer, timeout=20).text.startswith("# HELP")
    wait_until(lambda: len(service.log()) > 1_000, 10)

    secrets = {
        **PLANTED,
        "operator token": service.environment["PUBLIC_MODE_ACCESS_TOKEN"],
        "instagram app secret": service.environment["INSTAGRAM_APP_SECRET"],
        "facebook app secret": service.environment["FACEBOOK_APP_SECRET"],
    }
    secrets |= {name: text for name, text in PASSWORDS.items() if name in service.environment}
    secrets |= {f"state or code {number}": text for number, text in enumerate(passing)}
    issued = [token for token in standin.tokens.select() if token != secrets["operator token"]]
    assert len(issued) >= 8
    secrets |= {f"token {number}": token for number, token in enumerate(issued)}
    app_secret = service.environment["FACEBOOK_APP_SECRET"].encode()
    secrets |= {
        f"proof {number}": hmac.new(app_secret, token.encode(), hashlib.sha256).hexdigest()
        for number, token in enumerate(issued)
    }
    # The session's row and cache entry hold its cookie by design; nothing else may.
    cookies = {f"cookie {cookie.name}": cookie.value or "" for cookie in editor.session.cookies}
    assert set(cookies) >= {"cookie sessionid", "cookie csrftoken"}
    assert len(secrets) >= 12

    places = {
        "database": _database(service),
        "redis": _redis(service),
        "log": service.log(),
        "answers": "\n".join(editor.answers + staff.answers),
        "metric files": _metric_files(service),
    }
    assert "instagram_provider_calls" in places["metric files"]

    def found(name: str, secret: str, without: tuple[str, ...] = ()) -> list[str]:
        return [
            f"{name} as {form} in {place}"
            for form, text in forms_of(secret).items()
            for place, content in places.items()
            if place not in without and text in content
        ]

    hits = [each for name, secret in secrets.items() for each in found(name, secret)]
    hits += [
        each
        for name, secret in cookies.items()
        for each in found(name, secret, without=("database", "redis"))
    ]
    figure(
        "S1", "a whole life at DEBUG, every call of Meta broken once", is_met=not hits,
        secrets=len(secrets) + len(cookies), forms=len(forms_of(KEY)), places=len(places),
        megabytes=sum(map(len, places.values())) / 1e6, hits=hits or 0,
        control_found_in=len({each.rpartition(" in ")[2] for each in found("control", CONTROL)}),
    )  # fmt: skip
    assert hits == []
    # The search can find: a control that went the same ways, as a widget's source, is seen in each place.
    assert {each.rpartition(" in ")[2] for each in found("control", CONTROL)} >= {
        "database",
        "redis",
        "answers",
    }
    assert '"logger"' in places["log"]


def forms_of(secret: str) -> dict[str, str]:
    """How a secret may look: as it is, in an address, hex, JSON, cut off, in base64 at each of the three alignments."""
    raw = secret.encode()
    forms = {
        "plain": secret,
        "url": quote(secret, safe=""),
        "hex": raw.hex(),
        "json": json.dumps(secret)[1:-1],
    }
    # Twelve characters tell a secret: the first, or the last of those whose beginning is no secret.
    forms["cut"] = secret[-12:] if secret.startswith("standin-") else secret[:12]
    for shift in range(3):
        for name, encode in (("base64", b64encode), ("urlsafe base64", urlsafe_b64encode)):
            encoded = encode(b"\0" * shift + raw).decode()
            skipped = [0, 2, 3][shift]
            forms[f"{name} shifted by {shift}"] = encoded[skipped : len(encoded) - 4]
    return forms


def _database(service: Service) -> str:
    url = service.environment["DATABASE_URL"]
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        return "\n".join(path.read_bytes().decode("latin-1") for path in folder.glob("db.sqlite3*"))
    dumped = subprocess.run(
        ("pg_dump", "--no-owner", url.replace("postgres://", "postgresql://")),
        capture_output=True,
        check=True,
    )
    return dumped.stdout.decode("utf-8", "replace")


def _metric_files(service: Service) -> str:
    files = Path(service.environment["VAR_DIR"]).glob("metrics/**/*.db")
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


def _unpacked(content: bytes) -> bytes:
    """The file, and beside it what the embedded cache has compressed in it."""
    head, _, packed = content.partition(b"\x78\x9c")
    return content + zlib.decompress(b"\x78\x9c" + packed) if packed else head


def _redis(service: Service) -> str:
    """Every key and value of the Redis database, or the files of the embedded cache and broker."""
    url = service.environment.get("REDIS_URL")
    if not url:
        folder = Path(service.environment["VAR_DIR"])
        files = (path for path in folder.rglob("*") if path.is_file() and "db.sqlite3" not in path.name)
        return "\n".join(_unpacked(path.read_bytes()).decode("latin-1") for path in files)
    import redis

    store = redis.Redis.from_url(url, password=service.environment.get("REDIS_PASSWORD"))
    content = []
    for key in store.scan_iter(count=1_000):
        kind = store.type(key)
        values = {
            b"string": lambda key=key: [store.get(key)],
            b"list": lambda key=key: store.lrange(key, 0, -1),
            b"set": lambda key=key: list(store.smembers(key)),
            b"hash": lambda key=key: [*store.hgetall(key).keys(), *store.hgetall(key).values()],
            b"zset": lambda key=key: store.zrange(key, 0, -1),
        }.get(kind, list)()
        content += [key, *[value for value in values if value is not None]]
    return "\n".join(part.decode("latin-1") for part in content)
