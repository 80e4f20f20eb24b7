"""PostgreSQL dies during load, and its synchronous replica takes over: first read-only, then promoted."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.conftest import needs
from tests.engines.clusters import bin_folder, cluster
from tests.marks import needs_postgres, needs_redis
from tests.processes import service as services
from tests.processes.members import join, read_as
from tests.processes.service import running_service, wait_until
from tests.processes.stalling import stalling_proxy
from tests.races import forced_refresh

pytestmark = [pytest.mark.engines, pytest.mark.processes, needs_postgres, needs_redis]

READ_ONLY_SECONDS = 2.0
FORCING_CLIENTS = 4


def test_a_replica_takes_over_without_a_lost_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = bin_folder()
    needs("postgresql", programs is not None)
    assert programs is not None
    with cluster(programs) as servers, stalling_proxy("127.0.0.1", servers.ports["primary"]) as proxy:
        # The address stays the same, as with a virtual address or a pooler.
        address = f"postgres://postgres@127.0.0.1:{proxy.port}"
        with psycopg.connect(servers.url("primary"), autocommit=True) as database:
            database.execute("CREATE DATABASE migrated")
        services._migrate(f"{address}/migrated")
        monkeypatch.setenv("DATABASE_URL", f"{address}/postgres")
        monkeypatch.delenv("DATABASE_SERVER_URL", raising=False)
        monkeypatch.setattr(services, "template_database", lambda *_: "migrated")
        with running_service(tmp_path, webs=2) as service:
            service.start_worker()
            service.start_beat()
            member = join(service, "failover")
            assert service.read(member.token).json["posts"]
            over = threading.Event()
            reads: Counter[int] = Counter()
            pages: Counter[int] = Counter()

            def load(place: int) -> None:
                while not over.is_set():
                    reads[
                        service.read(member.token, web=place % 2, query=f"&maxPosts={1 + place}").status
                    ] += 1
                    pages[read_as(service, member).status] += 1
                    time.sleep(0.05)

            def force() -> forced_refresh.Verdict:
                endless = itertools.takewhile(lambda _: not over.is_set(), itertools.count())
                return forced_refresh.run(
                    service, cap=100_000, posts=endless, clients=FORCING_CLIENTS, with_kills=False
                )

            with ThreadPoolExecutor(max_workers=5) as pool:
                forcing = pool.submit(force)
                readers = []
                try:
                    wait_until(lambda: forcing.done() or _calls(service) > 0, 180)
                    readers = [pool.submit(load, place) for place in range(4)]
                    time.sleep(2)
                    servers.stop("primary")
                    proxy.lead_to(("127.0.0.1", servers.ports["replica"]))
                    died_at = time.monotonic()
                    wait_until(lambda: read_as(service, member).status == 200, 60)
                    readable_after = time.monotonic() - died_at
                    time.sleep(READ_ONLY_SECONDS)
                    before = _calls(service)
                    servers.promote()
                    promoted_at = time.monotonic()
                    wait_until(lambda: _calls(service) > before + 3, 60)
                    refreshing_after = time.monotonic() - promoted_at
                    time.sleep(1)
                finally:
                    over.set()
                verdict = forcing.result()
                for reader in readers:
                    reader.result()
            print(
                f"read again after {readable_after:.1f} s, refreshed {refreshing_after:.1f} s after the promotion; "
                f"reads {dict(reads)}, members' reads {dict(pages)}, forced {dict(verdict.answers)}, "
                f"units {verdict.used}, ledger {dict(verdict.lines)}"
            )
            assert set(reads) == {200}
            assert set(pages) <= {200, 503}
            assert set(verdict.answers) == {"200", "503"}
            assert verdict.complaints(with_kills=True, lost_commits=FORCING_CLIENTS) == [], verdict
            assert verdict.answers["200"] <= verdict.events["done"]
            assert "Traceback" not in service.log()


def _calls(service: services.Service) -> int:
    return sum(call["username"] == "load.race100000" for call in service.standin.calls)
