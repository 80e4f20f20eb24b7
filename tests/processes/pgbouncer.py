"""A PgBouncer in transaction mode in front of a PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.processes.redis_servers import running
from tests.processes.service import free_port

# Debian's package puts it where only root looks.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(server: str, **options: object) -> Iterator[str]:
    """`server` is the URL of the server. Yields the URL of the same database through PgBouncer."""
    parts = urlsplit(server)
    port = free_port()
    settings = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "pool_mode": "transaction",
        "auth_type": "trust", "max_client_conn": 2_000, "default_pool_size": 40, **options,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PgBouncer doesn't run as root
        users, file, log = folder / "users", folder / "ini", folder / "log"
        users.write_text(f'"{parts.username}" "{parts.password or ""}"\n')
        lines = [f"{key} = {value}" for key, value in {**settings, "auth_file": users}.items()]
        target = f"* = host={parts.hostname} port={parts.port or 5432}"
        file.write_text("\n".join(["[databases]", target, "[pgbouncer]", *lines, ""]))
        user = ("-u", "postgres") if os.geteuid() == 0 else ()
        assert PROGRAM is not None
        with log.open("wb") as output:
            command = (PROGRAM, *user, str(file))
            with running(command, port, stderr=output):
                yield parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
