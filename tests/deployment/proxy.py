"""Runs a real nginx on loopback with the files of deploy/. Only addresses and folders are changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.processes.service import free_port, get, wait_until

FILES = Path(__file__).resolve().parent.parent.parent / "deploy" / "nginx"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# If root starts nginx, its workers run as the user `nobody`, who can't read a test's folder.
_AS_ME = "user root;" if os.geteuid() == 0 else ""


def prepare(
    folder: Path,
    *,
    web_port: int,
    port: int,
    tls_port: int,
    media: Path | None = None,
    changes: Mapping[str, str] | None = None,
) -> Path:
    """Write the configuration to `folder`, for `nginx -c`, with a self-signed certificate.

    `media`: the service's MEDIA_ROOT. `changes`: further texts to replace.
    """
    folder.mkdir(parents=True)
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = (
        "-subj",
        "/CN=localhost",
        "-days",
        "1",
        "-keyout",
        str(folder / "key"),
        "-out",
        str(folder / "crt"),
    )
    subprocess.run((*make, *names), check=True, capture_output=True)
    changes = {
        **(changes or {}),
        "pid /tmp/nginx.pid;": f"pid {folder}/pid;",
        "server web:8000;": f"server 127.0.0.1:{web_port};",
        # The tests use plain HTTP, so the includes of the TLS server are added to the other server.
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "location / {\n            return 301 https://$host$request_uri;\n        }": "include locations.conf;",
        "listen 8443 ssl;": f"listen 127.0.0.1:{tls_port} ssl;",
        "/run/secrets/tls_certificate": str(folder / "crt"),
        "/run/secrets/tls_key": str(folder / "key"),
        "/srv/media": str(media or folder / "media"),
        "/srv/acme": str(folder / "acme"),
        "/var/cache/nginx/feeds": str(folder / "cache"),
        "/dev/stdout": str(folder / "access.log"),
        "/dev/stderr": str(folder / "error.log"),
    }
    left = set(changes)
    for source in FILES.glob("*.conf"):
        text = source.read_text()
        for old, new in changes.items():
            if old in text:
                left.discard(old)
                text = text.replace(old, new)
        (folder / source.name).write_text(text)
    assert not left, f"no longer in deploy/nginx: {left}"
    return folder / "nginx.conf"


def check(configuration: Path) -> subprocess.CompletedProcess[str]:
    """The result of `nginx -t`."""
    return subprocess.run(
        (str(NGINX), "-t", "-e", str(configuration.parent / "error.log"), "-c", str(configuration)),
        capture_output=True,
        text=True,
    )


# Lets the service decide about each picture, with X-Accel-Redirect.
ASK_THE_SERVICE = {"if (-f /srv/media/$shard/$shard$rest)": "if (-f /nothing)"}


@contextmanager
def running_proxy(
    folder: Path, *, web_port: int, media: Path | None = None, changes: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run nginx. Yields its base URL."""
    port = free_port()
    configuration = prepare(
        folder, web_port=web_port, port=port, tls_port=free_port(), media=media, changes=changes
    )
    command = (
        str(NGINX),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(configuration),
        "-g",
        f"{_AS_ME} daemon off;",
    )
    process = subprocess.Popen(command, start_new_session=True)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/proxy-health"), 10)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)


def _answers(url: str) -> bool:
    try:
        return get(url, timeout=2).status == 204
    except OSError:
        return False
