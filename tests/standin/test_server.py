"""The server: connections, many at once, and the process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from instagram_standin.server import OPERATOR_ID, Settings
from tests.standin.callers import Meta


def test_a_connection_serves_many_calls(meta: Meta) -> None:
    with meta.connection() as caller:
        for _ in range(3):
            caller.request("GET", "/_control")
            response = caller.getresponse()
            assert (response.status, response.read()[:15]) == (200, b'{"status":"ok",')
            assert response.getheader("Connection") is None


def test_settings_hide_their_secrets_and_other_paths_do_not_exist(meta: Meta) -> None:
    assert (meta.ask("/").status, meta.ask("/fb-graphite/v26.0/1").status) == (404, 404)
    assert "hush" not in repr(Settings(operator_token="hush-token", facebook_app_secret="hush-secret"))


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "instagram_standin", *arguments]
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, **environment}, **kept) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_reports_when_it_is_ready_and_ends_on_a_signal(number: signal.Signals) -> None:
    with process("--port", "0", STANDIN_OPERATOR_TOKEN="my-own") as running:
        line = running.stdout.readline()
        assert "ready on http://127.0.0.1:" in line
        path = f"/fb-graph/v26.0/{OPERATOR_ID}?access_token=my-own"
        with socket.create_connection(("127.0.0.1", int(line.rsplit(":", 1)[1])), timeout=5) as caller:
            caller.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            assert caller.recv(4096).startswith(b"HTTP/1.1 200")
        running.send_signal(number)
        rest, errors = running.communicate(timeout=5)
        assert (running.returncode, rest) == (0, "")
        assert errors == f"GET /fb-graph/v26.0/{OPERATOR_ID} 200\n", (
            "without the query, which holds the token"
        )


def test_a_port_in_use_is_reported_in_one_line(meta: Meta) -> None:
    with process("--port", str(meta.port)) as running:
        output, errors = running.communicate(timeout=10)
        assert (running.returncode, output, errors.count("\n")) == (1, "", 1)
        assert f"port {meta.port} is taken" in errors
