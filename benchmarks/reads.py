"""Measure reads of feeds against a bare Django view and nginx, on PostgreSQL and Redis: `make bench`.

    python -m benchmarks.reads [--seconds 5] [--rounds 3] [--only PATTERN]

All candidates run on this machine at the same time and are measured in turns, so that a busy machine disturbs all of
them alike. Each figure is the median of the rounds. Compare ratios between machines. Needs DATABASE_URL, REDIS_URL, wrk
and nginx.
Writes benchmarks/RESULTS.md and benchmarks/results.svg.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from tests.deployment import proxy
from tests.processes.service import FEED_PATH, ROOT, Service, free_port, get, running_service, wait_until
from tests.processes.stalling import stalling_proxy
from tests.races.forced_refresh import PASSWORD, sign_in

PROCESSES = 2
CONNECTIONS = 10
WIDGETS = 1_000
WARM_UP_SECONDS = 30  # for the widgets
POSTS = 25
BARE, FILE = "bare Django view", "nginx with a file"
CAPTION = "Fresh from the oven this morning. " * 8  # makes an answer of about 15 kB
_REQUESTS = re.compile(r"Requests/sec:\s+([0-9.]+)")
_P99 = re.compile(r"99%\s+([0-9.]+)(us|ms|s)")
_ERRORS = re.compile(r"Non-2xx or 3xx responses: ([0-9]+)")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


@dataclass
class Candidate:
    """`script`: for wrk, in Lua."""

    name: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    script: str = ""
    during: Callable[[], AbstractContextManager[None]] = nullcontext
    per_second: list[float] = field(default_factory=list)
    p99_milliseconds: list[float] = field(default_factory=list)


def load(candidate: Candidate, folder: Path, seconds: float) -> None:
    """Run wrk once against the candidate, and add what it measured."""
    command = ["wrk", "--latency", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s"]
    for name, value in candidate.headers.items():
        command += ["-H", f"{name}: {value}"]
    if candidate.script:
        path = folder / "requests.lua"
        path.write_text(candidate.script)
        command += ["-s", str(path)]
    if candidate.during is not nullcontext:  # the fault begins in a healthy state
        subprocess.run([*command[:4], "-d1s", candidate.url], capture_output=True, check=True)
    with candidate.during():
        done = subprocess.run([*command, candidate.url], capture_output=True, text=True, check=True).stdout
    refused = _ERRORS.search(done)
    assert refused is None, f"{candidate.name}: {refused and refused[0]}"
    requests, p99 = _REQUESTS.search(done), _P99.search(done)
    assert requests is not None, done
    assert p99 is not None, done
    candidate.per_second.append(float(requests[1]))
    candidate.p99_milliseconds.append(float(p99[1]) * _UNITS[p99[2]])


@contextmanager
def serving(module: str, environment: dict[str, str]) -> Iterator[int]:
    """The production server with this WSGI module; its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", module]
    more = {
        "PORT": str(port),
        "WEB_CONCURRENCY": str(PROCESSES),
        "HOST": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**environment, **more}, cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(port), 30)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _answers(port: int) -> bool:
    try:
        get(f"http://127.0.0.1:{port}{FEED_PATH}")
    except OSError:
        return False
    return True


@contextmanager
def nginx_with_file(folder: Path, body: bytes) -> Iterator[str]:
    """nginx that sends the bytes from a file; the URL."""
    (folder / "www").mkdir()
    (folder / "www" / "feed.json").write_bytes(body)
    port = free_port()
    (folder / "file.conf").write_text(
        f"user root; worker_processes {PROCESSES}; pid {folder}/file.pid; error_log {folder}/file.log;\n"
        "events { worker_connections 512; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}/www; }} }}\n"
    )
    command = [
        str(proxy.NGINX),
        "-c",
        str(folder / "file.conf"),
        "-e",
        str(folder / "file.log"),
        "-g",
        "daemon off;",
    ]
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}/feed.json"
        wait_until(lambda: _is_up(url), 10)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _is_up(url: str) -> bool:
    try:
        return get(url).status == 200
    except OSError:
        return False


def measure(candidates: list[Candidate], folder: Path, *, seconds: float, rounds: int) -> None:
    for candidate in candidates:  # caches fill, processes import
        load(candidate, folder, WARM_UP_SECONDS if candidate.script else 1)
        candidate.per_second.clear()
        candidate.p99_milliseconds.clear()
    for _ in range(rounds):
        for candidate in random.sample(candidates, len(candidates)):
            if candidate.script:
                # Readers of many widgets don't all pause for a minute, as they would here between two rounds.
                load(candidate, folder, WARM_UP_SECONDS)
                candidate.per_second.pop()
                candidate.p99_milliseconds.pop()
            load(candidate, folder, seconds)


def widgets_script(paths_of_widgets: list[str]) -> str:
    paths = ",".join(f'"{path}"' for path in paths_of_widgets)
    return (
        f"local paths = {{{paths}}}\n"
        "math.randomseed(os.time())\n"
        "request = function() return wrk.format('GET', paths[math.random(#paths)]) end\n"
    )


def many_widgets(service: Service, workspace: str, count: int) -> list[str]:
    """Widgets of so many different accounts, filled; their paths with tokens."""
    script = (
        "from venice_api.models import WidgetInstance\n"
        "from venice_api import embed_tokens\n"
        "from paris_integration.models import Feed\n"
        "from django.utils import timezone\n"
        "first = Feed.objects.exclude(posts_encoded='').order_by('pk').first()\n"
        "now = timezone.now()\n"
        f"rows = WidgetInstance.objects.bulk_create([WidgetInstance(workspace_id='{workspace}', "
        "source_type='profile', source_value=f'account{n}', max_posts=25) "
        f"for n in range({count})])\n"
        "Feed.objects.bulk_create([Feed(workspace_id=row.workspace_id, instance_id=row.pk, source_type='profile', "
        "source_value=row.source_value, mode='public', posts_encoded=first.posts_encoded, profile=first.profile, "
        "outcome='succeeded', fetched_at=now, attempted_at=now, last_read_at=now, next_refresh_at=None) "
        "for row in rows])\n"
        "print('\\n'.join(embed_tokens.issue(row.pk, row.token_version) for row in rows))\n"
    )
    tokens = service.manage("shell", "-v", "0", "-c", script).split()
    return [f"{FEED_PATH}?token={token}" for token in tokens]


def run(seconds: float, rounds: int, only: str) -> list[Candidate]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database, redis = urlsplit(os.environ["DATABASE_URL"]), urlsplit(os.environ["REDIS_URL"])
        redis_proxy = stack.enter_context(stalling_proxy(str(redis.hostname), redis.port or 6379))
        service = stack.enter_context(
            running_service(
                folder,
                DEBUG="false",
                THROTTLE_READS_PER_ADDRESS="0",
                THROTTLE_READS_PER_INSTANCE="0",
                WEB_CONCURRENCY=str(PROCESSES),
            )
        )
        database_proxy = stack.enter_context(stalling_proxy(str(database.hostname), database.port or 5432))
        workspace = service.workspace("business", editor="bench", password=PASSWORD)
        service.standin.profiles.plant("bench", [{"caption": f"Post {n}. {CAPTION}"} for n in range(POSTS)])
        made = service.instance(workspace, "bench", "--max-posts", str(POSTS))
        path = f"{FEED_PATH}?token={made['embedToken']}"
        first = service.read(made["embedToken"])
        assert len(first.json["posts"]) == POSTS, first.json
        (folder / "body").write_bytes(first.body)
        behind_proxies = {
            "DATABASE_URL": _moved(service.environment["DATABASE_URL"], database_proxy.port),
            "REDIS_URL": _moved(os.environ["REDIS_URL"], redis_proxy.port),
        }
        ours = stack.enter_context(serving("config.wsgi", service.environment))
        proxied = stack.enter_context(serving("config.wsgi", {**service.environment, **behind_proxies}))
        bare = stack.enter_context(
            serving("benchmarks.bare_view", {**service.environment, "BODY_FILE": str(folder / "body")})
        )
        file_url = stack.enter_context(nginx_with_file(folder, first.body))
        nginx = stack.enter_context(proxy.running_proxy(folder / "nginx", web_port=ours))
        base, bad = f"http://127.0.0.1:{ours}", f"http://127.0.0.1:{proxied}{path}"
        ready = f"http://127.0.0.1:{proxied}/readyz"
        bearer = {"Authorization": f"Bearer {made['embedToken']}"}
        cookies = sign_in(ours, "bench")
        member = {"Cookie": f"sessionid={cookies.session}; csrftoken={cookies.csrf}"}
        candidates = [
            Candidate(BARE, f"http://127.0.0.1:{bare}{path}"),
            Candidate(FILE, file_url),
            Candidate("warm read, token in the URL", base + path),
            Candidate("warm read, token in the header", f"{base}{FEED_PATH}?", bearer),
            Candidate("304", base + path, {"If-None-Match": first.headers["ETag"]}),
            Candidate("nginx of deploy/ in front", nginx + path),
            Candidate("member's read", f"{base}{FEED_PATH}?instanceId={made['instanceId']}", member),
        ]
        candidates += [
            Candidate("warm read, stores behind a TCP proxy", bad),
            Candidate("Redis stopped", bad, during=fault(redis_proxy.refuse, redis_proxy.listen, ready)),
            Candidate("Redis hanging", bad, during=fault(redis_proxy.stall, redis_proxy.go_on, ready)),
            Candidate(
                "PostgreSQL stopped",
                bad,
                during=fault(database_proxy.refuse, database_proxy.listen, ready),
            ),
            Candidate(
                "PostgreSQL hanging", bad, during=fault(database_proxy.stall, database_proxy.go_on, ready)
            ),
        ]
        script = widgets_script(many_widgets(service, workspace, WIDGETS))
        candidates.append(Candidate("1,000 widgets at random", base, script=script))
        candidates = [found for found in candidates if found.name == BARE or re.search(only, found.name)]
        measure(candidates, folder, seconds=seconds, rounds=rounds)
    return candidates


def _moved(url: str, port: int) -> str:
    """The URL with the address of a proxy on this machine."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()


def fault(
    begin: Callable[[], None], end: Callable[[], None], ready_url: str
) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def during() -> Iterator[None]:
        begin()
        try:
            yield
        finally:
            end()
            time.sleep(3)  # the next fault is another one, not the second of two at once
            # Broken connections are noticed when they are used, and breakers close.
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(get, [ready_url] * 10 * CONNECTIONS))

    return during


def report(candidates: list[Candidate], seconds: float, rounds: int) -> str:
    versions = f"Python {platform.python_version()}, " + ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("Django", "gunicorn", "redis")
    )
    return f"""# Reads of feeds

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}. {os.cpu_count()} cores, shared with the load; {versions}.
{PROCESSES} web processes, {CONNECTIONS} kept-alive connections, {POSTS} posts.
Median of {rounds} rounds of {seconds:g} seconds in random order, with the lowest and highest in brackets.
Compare the ratios, not the figures, with another machine.

{table(candidates)}

The faults begin with the measurement. They are compared with the warm read behind the same TCP proxy, which is written
in Python, but the reads don't pass through it.

![Reads a second](results.svg)
"""


def table(candidates: list[Candidate]) -> str:
    by_name = {candidate.name: statistics.median(candidate.per_second) for candidate in candidates}
    file = by_name.get(FILE, math.nan)
    lines = [
        "| measure | reads a second | p99 | against the bare view | against nginx with a file |",
        "|---|---|---|---|---|",
    ]
    for candidate in candidates:
        median = by_name[candidate.name]
        lowest, highest = min(candidate.per_second), max(candidate.per_second)
        lines.append(
            f"| {candidate.name} | {median:,.0f} ({lowest:,.0f}–{highest:,.0f}) "
            f"| {statistics.median(candidate.p99_milliseconds):.1f} ms "
            f"| {median / by_name[BARE]:.2f} × | {median / file:.3f} × |"
        )
    return "\n".join(lines)


def picture(candidates: list[Candidate]) -> str:
    """One bar for each candidate, as SVG."""
    row, left, width = 26, 260, 420
    medians = [statistics.median(candidate.per_second) for candidate in candidates]
    bars = []
    for number, (candidate, median) in enumerate(zip(candidates, medians, strict=True)):
        top, length = 10 + number * row, max(1, round(median / max(medians) * width))
        bars.append(
            f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(candidate.name)}</text>'
            f'<rect x="{left}" y="{top}" width="{length}" height="{row - 8}" rx="3" fill="#3b6fd4"/>'
            f'<text x="{left + length + 6}" y="{top + 14}">{median:,.0f}</text>'
        )
    height = 20 + row * len(candidates)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" '
        'font-family="sans-serif" font-size="13"><title>Reads a second</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(bars)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", default="", help="measure the bare view and what matches this pattern, and write no files"
    )
    arguments = parser.parse_args()
    if shutil.which("wrk") is None or proxy.NGINX is None:
        sys.exit("The benchmark needs wrk and nginx.")
    candidates = run(arguments.seconds, arguments.rounds, arguments.only)
    print(table(candidates))
    if not arguments.only:
        folder = ROOT / "benchmarks"
        (folder / "RESULTS.md").write_text(report(candidates, arguments.seconds, arguments.rounds))
        (folder / "results.svg").write_text(picture(candidates))


if __name__ == "__main__":
    main()
