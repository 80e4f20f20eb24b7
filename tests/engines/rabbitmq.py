"""Debian's RabbitMQ on a free port, with its data in a folder of the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes.redis_servers import listens
from tests.processes.service import free_port, wait_until

# Debian's /usr/sbin/rabbitmq-server would change the user and drop the environment.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 300  # ten on an idle machine


class RabbitMQ:
    """A node that can be killed and started again with what it has stored."""

    def __init__(self, folder: Path) -> None:
        self.port, self._epmd_port, dist_port = free_port(), free_port(), free_port()
        (folder / "conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"feeds{self.port}@localhost", "RABBITMQ_DIST_PORT": str(dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"), "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"), "RABBITMQ_CONFIG_FILE": str(folder / "conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"), "RABBITMQ_CONF_ENV_FILE": str(folder / "env"),
        }  # fmt: skip
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        self._process = subprocess.Popen(
            (str(PROGRAM),), env=self._environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: listens(self.port), START_SECONDS)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        self.kill()
        epmd = shutil.which("epmd") or "epmd"
        subprocess.run((epmd, "-port", str(self._epmd_port), "-kill"), capture_output=True, check=False)


@contextmanager
def rabbitmq(folder: Path) -> Iterator[RabbitMQ]:
    folder.mkdir()
    node = RabbitMQ(folder)
    try:
        node.start()
        yield node
    finally:
        node.end()
