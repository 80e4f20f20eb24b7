"""The broker's probe: it connects like Celery, with any scheme, and gives the reason of a failure."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from foundation import probes
from tests.processes.redis_servers import private_redis
from tests.processes.service import free_port


@pytest.fixture
def probe(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The probe's error for a broker URL. None when it works."""
    monkeypatch.setattr(probes, "LIMIT_SECONDS", 0.5)

    def ask(url: str, **options: Any) -> str | None:
        settings.BROKER_ADDRESS = url
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = options
        return probes.Prober({"broker": probes.probe_broker}).ask()["broker"].reason

    return ask


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis that requires a password."""
    port = free_port()
    with private_redis(tmp_path, "--port", str(port), "--requirepass", "right", port=port):
        yield port


def test_redis(probe: Any, server: int) -> None:
    assert probe(f"redis://:right@127.0.0.1:{server}/0", global_keyprefix="x:") is None
    assert probe(f"redis://:wrong@127.0.0.1:{server}/0") == "refuses the sign-in"
    assert probe(f"redis://127.0.0.1:{server}/0") == "refuses the sign-in"
    assert probe(f"redis://127.0.0.1:{free_port()}/0") == "cannot be reached"


def test_a_redis_that_is_full_or_a_replica_fails_the_probe(probe: Any, server: int) -> None:
    with closing(redis.Redis(port=server, password="right")) as client:
        client.config_set("maxmemory", 1)

    assert probe(f"redis://:right@127.0.0.1:{server}/0") == "refuses to be written"


def test_redis_over_tls(probe: Any, tmp_path: Path) -> None:
    port, key, certificate = free_port(), tmp_path / "key", tmp_path / "crt"
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    more = (
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    )
    subprocess.run((*make, *more), check=True, capture_output=True)
    options = (
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
        "--tls-ca-cert-file",
        str(certificate),
    )
    serve = ("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", *options)
    with private_redis(tmp_path, *serve, port=port):
        assert probe(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}") is None
        assert probe(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none") is None
        assert probe(f"redis://127.0.0.1:{port}/0") is not None


def test_amqp(probe: Any) -> None:
    assert probe(f"amqp://feeds:canary@127.0.0.1:{free_port()}//") == "cannot be reached"
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert (
            probe(f"amqp://feeds:canary@127.0.0.1:{mute.getsockname()[1]}//")
            == "no answer within 1.5 seconds"
        )


def test_memory_always_works(probe: Any) -> None:
    assert probe("memory://") is None


def test_folders_must_be_writable(probe: Any, tmp_path: Path) -> None:
    assert probe("filesystem://localhost//", data_folder_out=str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []
    missing = probe("filesystem://localhost//", data_folder_out=str(tmp_path / "missing"))
    assert missing == "the queue's folder cannot be written"
