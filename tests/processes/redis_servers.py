"""Redis servers of a test's own: a single one, or a primary and a replica with three Sentinels."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.processes.service import free_port, wait_until

SERVICE = "feeds"
PASSWORD, SENTINEL_PASSWORD = "right:p@ss/1,2;3", "sentinels+4"


@contextmanager
def private_redis(folder: Path, *arguments: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = ("redis-server", "--save", "", "--bind", "127.0.0.1", "--dir", str(folder), *arguments)
    with running(command, port) as process:
        yield process


@contextmanager
def running(command: Sequence[str], port: int, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on `port`, until the end of the block."""
    process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, **options})
    try:
        wait_until(lambda: listens(port), 10)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class WatchedServers:
    """A primary, its replica, and the Sentinels that watch them. All require passwords."""

    servers: dict[int, subprocess.Popen[bytes]]
    sentinel_ports: tuple[int, ...]
    first_port: int
    tls: dict[str, str]

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)

    def primary_port(self) -> int:
        """The port of the primary, by the majority of the Sentinels."""
        found = [self._primary_by(port) for port in self.sentinel_ports]
        return max(found, key=found.count)

    def _primary_by(self, sentinel_port: int) -> int:
        with closing(self.client(sentinel_port, SENTINEL_PASSWORD)) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(SERVICE)[1])

    def are_ready(self) -> bool:
        """Whether each Sentinel knows the replica and the other Sentinels."""
        for port in self.sentinel_ports:
            with closing(self.client(port, SENTINEL_PASSWORD)) as sentinel:
                state = sentinel.sentinel_masters()[SERVICE]
                replicas = sentinel.sentinel_slaves(SERVICE)
            known = state["num-other-sentinels"] == len(self.sentinel_ports) - 1 and state["num-slaves"] == 1
            if not known or replicas[0]["master-link-status"] != "ok":
                return False
        return True

    def client(self, port: int, password: str = PASSWORD) -> redis.Redis:
        secured = {"ssl": True, **self.tls} if self.tls else {}
        return redis.Redis("127.0.0.1", port, password=password, decode_responses=True, **secured)  # type: ignore[arg-type]


@contextmanager
def watched_servers(
    folder: Path, *, down_after_ms: int = 1_000, certificate: Path | None = None, key: Path | None = None
) -> Iterator[WatchedServers]:
    """`certificate` and `key`: all connections are encrypted."""
    tls: dict[str, str] = {}
    if certificate is not None:
        tls = {
            "tls-cert-file": str(certificate),
            "tls-key-file": str(key),
            "tls-ca-cert-file": str(certificate),
        }
        tls |= {"tls-auth-clients": "no", "tls-replication": "yes"}
    first, second, *sentinel_ports = (free_port() for _ in range(5))
    common = {"bind": "127.0.0.1", **tls}
    server = {
        **common, "save": '""', "requirepass": f'"{PASSWORD}"', "masterauth": f'"{PASSWORD}"',
        "repl-diskless-sync-delay": "0",
    }  # fmt: skip
    watched = {
        f"sentinel monitor {SERVICE}": f"127.0.0.1 {first} 2",
        f"sentinel auth-pass {SERVICE}": f'"{PASSWORD}"',
        f"sentinel down-after-milliseconds {SERVICE}": str(down_after_ms),
        f"sentinel failover-timeout {SERVICE}": "5000",
        "sentinel sentinel-pass": SENTINEL_PASSWORD,
        "requirepass": SENTINEL_PASSWORD,
    }
    with ExitStack() as stack:

        def start(port: int, options: dict[str, str], *more: str) -> subprocess.Popen[bytes]:
            place = folder / str(port)
            place.mkdir()
            listen = {"port": "0", "tls-port": str(port)} if tls else {"port": str(port)}
            lines = [f"{name} {value}\n" for name, value in {"dir": str(place), **listen, **options}.items()]
            (place / "conf").write_text("".join(lines))
            return stack.enter_context(running(("redis-server", str(place / "conf"), *more), port))

        servers = {first: start(first, server)}
        servers[second] = start(second, {**server, "replicaof": f"127.0.0.1 {first}"})
        watch = WatchedServers(
            servers, tuple(sentinel_ports), first, {"ssl_ca_certs": str(certificate)} if certificate else {}
        )
        with closing(watch.client(second)) as replica:
            wait_until(lambda: replica.info("replication").get("master_link_status") == "up", 20)
        for port in sentinel_ports:
            start(port, {**common, **watched}, "--sentinel")
        wait_until(watch.are_ready, 20)
        yield watch
