"""Many reads and refreshes over two web processes and two workers. Then every counter is compared with other counts.

    python -m tests.races.metrics_load --requests 20000 --refreshes 500

Needs DATABASE_URL of a PostgreSQL server. Creates a database there. The clients count their answers, and the stand-in
its calls. One scrape of one web process must match, although a web process is restarted halfway.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.metrics import Page, parse
from tests.processes.service import FEED_PATH, Service, get, running_service, wait_until
from tests.races.forced_refresh import PASSWORD, Cookies, _postgres_url, post, sign_in

ENVIRONMENT = {"LOG_LEVEL": "ERROR", "FEED_COLD_WAIT_SECONDS": "0.2"}
SLOW_SECONDS = 3.0
CAP = 5
WORDS = {304: "not_modified", 400: "invalid", 401: "unauthenticated", 403: "forbidden", 503: "unavailable"}


@dataclass
class Books:
    """The clients' answers: feed requests by workspace and result, refreshes by workspace and answer."""

    reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    posts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Widget:
    workspace: str
    instance_id: str
    token: str


@dataclass(frozen=True)
class Verdict:
    """`differences`: each counter with its value and the expected one. Empty when all agree."""

    reads: dict[str, int]
    posts: dict[str, int]
    provider_calls: int
    compared: int
    differences: list[tuple[str, object, object]]
    seconds: float


def run(service: Service, *, requests: int, refreshes: int, clients: int = 16) -> Verdict:
    """`service` has two web processes and two workers running, and no beat."""
    began = time.monotonic()
    main = service.workspace("business", editor="main-editor", password=PASSWORD)
    capped = service.workspace("business", editor="capped-editor", password=PASSWORD)
    for workspace, cap in ((main, "unlimited"), (capped, str(CAP))):
        service.manage("set_override", workspace, "instagram.refresh.forcePerDay.max", cap)
        service.manage("set_override", workspace, "instagram.refresh.forcePerHour.max", "unlimited")
    names = ["load.calm", "load.stale", "load.slow", "load.broken", *(f"load.forced{n}" for n in range(4))]
    widgets = {name: _widget(service, main, name) for name in names}
    widgets["load.capped"] = _widget(service, capped, "load.capped")
    books = Books()
    filled = [widget for name, widget in widgets.items() if name != "load.slow"]
    _spread(service, 1, [lambda c, w=widget: _read(c, books, w, first=True) for widget in filled])  # type: ignore[misc]
    service.standin.faults.add("status", username="load.broken")
    service.standin.faults.add("status", username="load.stale")
    service.standin.faults.add("slow", username="load.slow", seconds=SLOW_SECONDS)
    service.age("load.stale")

    warming = min(requests // 20, 3 * clients)  # all come before the slow answer
    _spread(service, clients, [lambda c: _read(c, books, widgets["load.slow"])] * warming)
    time.sleep(SLOW_SECONDS + 1)
    half = (requests - warming) // 2
    _spread(service, clients, _mixture(service, books, widgets, half))
    os.killpg(service.webs[0].pid, signal.SIGTERM)
    service.webs[0].wait(timeout=40)
    service.restart_web(0)
    cookies = {
        main: sign_in(service.web_ports[0], "main-editor"),
        capped: sign_in(service.web_ports[1], "capped-editor"),
    }
    forcing = [
        threading.Thread(
            target=_force, args=(service, books, widget, cookies[widget.workspace], share, place)
        )
        for place, (widget, share) in enumerate(_shares(widgets, refreshes))
    ]
    for thread in forcing:
        thread.start()
    _spread(service, clients, _mixture(service, books, widgets, requests - warming - half))
    for thread in forcing:
        thread.join()
    return _compare(service, books, main=main, capped=capped, seconds=time.monotonic() - began)


def _widget(service: Service, workspace: str, username: str) -> Widget:
    made = service.instance(workspace, username)
    return Widget(workspace, made["instanceId"], made["embedToken"])


def _shares(widgets: dict[str, Widget], refreshes: int) -> list[tuple[Widget, int]]:
    """The refreshes per widget. Each widget has one client, as requests that join a flight aren't counted."""
    few = max(refreshes // 20, CAP + 3)
    rest = refreshes - 2 * few
    four = [rest // 4 + (place < rest % 4) for place in range(4)]
    forced = [(widgets[f"load.forced{place}"], four[place]) for place in range(4)]
    return [*forced, (widgets["load.capped"], few), (widgets["load.broken"], few)]


Act = Callable[[http.client.HTTPConnection], None]


def _mixture(service: Service, books: Books, widgets: dict[str, Widget], number: int) -> list[Act]:
    calm, stale = widgets["load.calm"], widgets["load.stale"]
    etag = service.read(calm.token).headers["ETag"]
    books.reads[(calm.workspace, "hit")] += 1
    forged = Widget("_unknown", calm.instance_id, "forged")
    elsewhere = Widget("_unknown", calm.instance_id, calm.token)
    kinds: list[Act] = [
        lambda c: _read(c, books, calm),
        lambda c: _read(c, books, calm, query="&maxPosts=3"),
        lambda c: _read(c, books, widgets["load.forced1"]),
        lambda c: _read(c, books, widgets["load.capped"]),
        lambda c: _read(c, books, calm, headers={"If-None-Match": etag}),
        lambda c: _read(c, books, stale),
        lambda c: _read(c, books, forged),
        lambda c: _read(c, books, calm, query="&maxPosts=many"),
        lambda c: _read(c, books, elsewhere, query="&instanceId=wgt_instagramfeed_u_other"),
        lambda c: _read(c, books, widgets["load.slow"]),
    ]
    return [kinds[place % len(kinds)] for place in range(number - 1)]


def _spread(service: Service, clients: int, acts: list[Act]) -> None:
    def client(place: int) -> None:
        connection = _connect(service, place)
        for act in acts[place::clients]:
            act(connection)
        connection.close()

    with ThreadPoolExecutor(max_workers=clients) as pool:
        list(pool.map(client, range(clients)))


def _connect(service: Service, place: int) -> http.client.HTTPConnection:
    port = service.web_ports[place % len(service.web_ports)]
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def _read(
    connection: http.client.HTTPConnection,
    books: Books,
    widget: Widget,
    *,
    query: str = "",
    headers: dict[str, str] | None = None,
    first: bool = False,
) -> None:
    try:
        connection.request("GET", f"{FEED_PATH}?token={widget.token}{query}", headers=headers or {})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        with books.lock:
            books.lost += 1
        return
    word = WORDS.get(response.status, str(response.status))
    if response.status == 200:
        said = json.loads(body)
        word = "warming" if "FEED_WARMING" in said["warnings"] else "stale" if said["stale"] else "hit"
        word = "filled" if first and said["posts"] else word
    with books.lock:
        books.reads[(widget.workspace, word)] += 1


def _force(service: Service, books: Books, widget: Widget, cookies: Cookies, times: int, place: int) -> None:
    connection = _connect(service, place)
    for _ in range(times):
        try:
            answer = post(connection, widget.instance_id, cookies)
        except (OSError, http.client.HTTPException):
            connection.close()
            answer = "lost"
        with books.lock:
            books.posts[(widget.instance_id, answer)] += 1
            books.posts[(widget.workspace, answer)] += 1
    connection.close()


def _compare(service: Service, books: Books, *, main: str, capped: str, seconds: float) -> Verdict:
    calls = [call for call in service.standin.calls if call["method"] == "GET"]
    wait_until(lambda: _scrape(service)[("instagram_database_up", ())] == 1, 10)
    time.sleep(1)  # repeated answers are counted every half second
    page = _scrape(service)
    repeated = int(_sum(page, "instagram_feed_answers_repeated_total"))
    firsts = Counter(call["username"] for call in calls if call["after"] is None)
    attempts = _of(page, "instagram_refresh_attempts_total", "kind", "outcome")
    served = sum(
        n
        for (_, word), n in books.reads.items()
        if word in ("hit", "stale", "filled", "warming", "not_modified")
    )
    quota_hits = books.posts[(capped, "409 QUOTA_EXCEEDED")]
    broken_forced = firsts["load.broken"] - 1
    succeeded = sum(n for name, n in firsts.items() if str(name).startswith("load.forced")) - 4
    pairs: list[tuple[str, object, object]] = [
        ("feed requests", _of(page, "instagram_feed_requests_total", "workspace", "result"), dict(books.reads)),
        ("lost answers", 0, books.lost + books.posts[(main, "lost")] + books.posts[(capped, "lost")]),
        ("latency of venice", _observed(page, "venice"), sum(books.reads.values()) - repeated),
        ("latency of paris", _observed(page, "paris"), served - repeated),
        ("cache look-ups for feeds", _sum(page, "instagram_cache_requests_total", layer="feed"), served - repeated),
        ("calls to the provider", _sum(page, "instagram_provider_calls_total"), len(calls)),
        ("latency of provider", _observed(page, "provider"), len(calls)),
        ("flights", sum(attempts.values()), sum(firsts.values())),
        ("forced, succeeded, by the provider's log", attempts.get(("forced", "succeeded")), succeeded + CAP),
        (
            "forced, succeeded, by the clients",
            attempts.get(("forced", "succeeded")),
            books.posts[(main, "200")] + books.posts[(capped, "200")] - _broken_posts(page, main) - broken_forced,
        ),
        ("forced, failed", attempts.get(("forced", "failed")), broken_forced),
        ("first fills", attempts.get(("cold", "succeeded")), 9),
        ("automatic, failed", attempts.get(("automatic", "failed"), 0), firsts["load.stale"] - 1),
        (
            "errors of the provider",
            _of(page, "instagram_provider_errors_total", "workspace", "reason"),
            {(main, "unavailable"): broken_forced + firsts["load.stale"] - 1},
        ),
        ("blocked by quota", _blocked(page, capped, "QUOTA_EXCEEDED"), quota_hits),
        ("units spent", page[("instagram_units_today", (("outcome", "spent"),))], succeeded + CAP),
        ("units given back", page[("instagram_units_today", (("outcome", "given_back"),))], broken_forced),
    ]  # fmt: skip
    for workspace in (main, capped):
        own = sum(n for (name, _), n in books.reads.items() if name == workspace)
        pairs.append(("daily usage", _daily(service, workspace, own), own))
    return Verdict(
        reads=_by_word(books.reads),
        posts=_by_word(books.posts, only=(main, capped)),
        provider_calls=len(calls),
        compared=len(pairs),
        differences=[pair for pair in pairs if pair[1] != pair[2]],
        seconds=seconds,
    )


def _broken_posts(page: Page, main: str) -> int:
    """Refreshes answered without a call, because of a back-off after an earlier failure."""
    return _blocked(page, main, "BACKOFF")


def _by_word(counted: Counter[tuple[str, str]], only: tuple[str, ...] = ()) -> dict[str, int]:
    words: Counter[str] = Counter()
    for (name, word), number in counted.items():
        words[word] += number if not only or name in only else 0
    return dict(words)


def _scrape(service: Service) -> Page:
    return parse(get(f"http://127.0.0.1:{service.web_ports[1]}/metrics").body.decode())


def _of(page: Page, name: str, *labels: str, **fixed: str) -> dict[object, float]:
    """The series of a counter, summed by these labels."""
    sums: Counter[object] = Counter()
    for (found, pairs), value in page.items():
        values = dict(pairs)
        if found == name and all(values[label] == text for label, text in fixed.items()):
            sums[tuple(values[label] for label in labels)] += value  # type: ignore[assignment]
    return dict(sums)  # type: ignore[arg-type]


def _blocked(page: Page, workspace: str, reason: str) -> int:
    return int(_sum(page, "instagram_refresh_blocked_total", workspace=workspace, reason=reason))


def _observed(page: Page, layer: str) -> float:
    return page[("instagram_latency_seconds_count", (("layer", layer),))]


def _sum(page: Page, name: str, **fixed: str) -> float:
    return sum(_of(page, name, **fixed).values())


def _daily(service: Service, workspace: str, awaited: int) -> int:
    """The row of daily usage, after every process has written its counts."""
    sql = b"SELECT coalesce(sum(feed_requests), 0) FROM paris_integration_dailyusage WHERE workspace_id = %s"
    with psycopg.connect(_postgres_url(service), autocommit=True) as database:
        found = 0
        for _ in range(60):
            row = database.execute(sql, [workspace]).fetchone()
            found = int(row[0]) if row else 0
            if found >= awaited:
                break
            time.sleep(0.25)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--refreshes", type=int, default=500)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), webs=2, **ENVIRONMENT) as service,
    ):
        service.start_worker()
        service.start_worker()
        verdict = run(service, requests=options.requests, refreshes=options.refreshes)
        report = {
            "requests": sum(verdict.reads.values()),
            "answers": verdict.reads,
            "refreshes": verdict.posts,
            "providerCalls": verdict.provider_calls,
            "comparisons": verdict.compared,
            "differences": [[name, str(said), str(other)] for name, said, other in verdict.differences],
            "seconds": round(verdict.seconds, 1),
        }
        print(json.dumps(report), flush=True)
    return 1 if verdict.differences else 0


if __name__ == "__main__":
    sys.exit(main())
