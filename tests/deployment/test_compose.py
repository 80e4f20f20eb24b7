"""compose.yaml and the Dockerfile: valid for the compose client, one image, no secrets, minimal privileges."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import yaml
from django.conf import settings

from tests.conftest import needs, run_python
from tests.processes.service import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = {"PUBLIC_BASE_URL": "https://feeds.example"}
TASK = "paris_integration.tasks.copy_pictures"
PINNED = re.compile(r"[a-z]+(/[a-z]+)?:\d+\.\d+(\.\d+)?(-[a-z]+)*(@sha256:[0-9a-f]{64})?")


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def validate(**environment: str) -> subprocess.CompletedProcess[str]:
    needs("docker-compose", shutil.which("docker-compose") is not None)
    command = ("docker-compose", "-f", "compose.yaml", "config", "-q")
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_the_compose_client_accepts_the_file() -> None:
    done = validate(**NEEDED)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_a_missing_setting_without_a_default_is_named(missing: str) -> None:
    done = validate(**{name: value for name, value in NEEDED.items() if name != missing})

    assert done.returncode != 0
    assert missing in done.stderr


def test_one_image_runs_every_part_and_migrations_come_first(compose: Any) -> None:
    services = compose["services"]
    ours = {name: services[name] for name in ("migrate", "web", "worker", "pictures", "beat")}

    assert len({service["image"] for service in ours.values()}) == 1
    assert services["worker"]["deploy"]["replicas"] == 2
    for name in ("web", "worker", "pictures", "beat"):
        waits_for = ours[name]["depends_on"]
        assert waits_for["migrate"] == {"condition": "service_completed_successfully"}
        assert waits_for["redis"] == {"condition": "service_healthy"}
    for name in ("postgres", "redis", "web", "worker", "pictures", "beat", "proxy"):
        assert services[name]["healthcheck"]["test"]
    for name in ("worker", "pictures", "beat"):
        assert services[name]["environment"]["HEARTBEAT_FILE"].startswith("/tmp/"), "of this container alone"
        assert services[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "foundation.heartbeat"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_secrets_come_from_files(compose: Any) -> None:
    environment = compose["services"]["web"]["environment"]
    mounted = {f"/run/secrets/{name}" for name in compose["services"]["web"]["secrets"]}
    from_files = {name: value for name, value in environment.items() if name.endswith("_FILE")}

    names = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "TOKEN_ENCRYPTION_KEYS", "METRICS_TOKEN"}
    names |= {"DATABASE_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}
    assert {f"{name}_FILE" for name in names} <= set(from_files)
    assert set(from_files.values()) <= mounted
    assert set(compose["secrets"]) >= set(compose["services"]["web"]["secrets"])
    assert not names & set(environment)
    assert "PASSWORD}" not in (ROOT / "compose.yaml").read_text()
    assert all(urlsplit(environment[name]).password is None for name in ("DATABASE_URL", "REDIS_URL"))


def test_the_addresses_and_passwords_of_the_services_match(compose: Any, tmp_path: Path) -> None:
    """The settings that the containers get, with the secret files in this test's folder."""
    environment = {
        name: str(value).replace("/run/secrets", str(tmp_path))
        for name, value in compose["services"]["web"]["environment"].items()
        if not str(value).startswith("${")
    }
    for secret in compose["services"]["web"]["secrets"]:
        (tmp_path / secret).write_text(
            {"secret_key": "k" * 40, "token_encryption_keys": "A" * 43 + "="}.get(secret, "")
        )
    (tmp_path / "database_password").write_text("of-the-database\n")
    (tmp_path / "redis_password").write_text("of-redis\n")
    script = "import config.settings as s; print(s.DATABASES['default']['PASSWORD'], s.REDIS_URL, s.CELERY_BROKER_URL)"
    done = run_python("-c", script, env={**environment, **NEEDED, "VAR_DIR": str(tmp_path)})

    assert done.stdout.split() == ["of-the-database", *["redis://:of-redis@redis:6379/0"] * 2], done.stderr


def test_pictures_are_copied_by_one_service_and_sent_by_the_proxy(compose: Any) -> None:
    services = compose["services"]
    image = (ROOT / "Dockerfile").read_text()
    root = re.findall(r"MEDIA_ROOT=(\S+)", image)[0]
    command = services["pictures"]["command"]

    assert command[command.index("--queues") + 1] == settings.CELERY_TASK_ROUTES[TASK]["queue"] == "pictures"
    assert "--queues" not in services["worker"]["command"]
    # Neither starts a separate process for pictures.
    assert [services[name]["environment"]["PICTURE_THREADS"] for name in ("worker", "pictures")] == ["0", "0"]
    for name in ("web", "worker", "pictures"):
        assert services[name]["volumes"] == [f"media:{root}"], name
        prefix = services[name]["environment"]["MEDIA_ACCEL_PREFIX"]
        assert f'"^{prefix}(' in (ROOT / "deploy/nginx/locations.conf").read_text()
    assert f"-o feeds -g feeds /var/lib/feeds {root}\n" in image
    # nginx only reads them.
    assert [volume for volume in services["proxy"]["volumes"] if volume.startswith("media:")] == [
        "media:/srv/media:ro"
    ]
    assert "alias /srv/media/" in (ROOT / "deploy/nginx/locations.conf").read_text()


def test_every_container_has_minimal_privileges(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name
        assert "privileged" not in service, name
        # Only third-party images that start as root to change the owner of their folders.
        needs_rights = {"postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER"}, "proxy": {"CHOWN"}}.get(name, set())
        assert set(service.get("cap_add", [])) == needs_rights | (
            {"SETGID", "SETUID"} if needs_rights else set()
        ), name


def test_images_are_pinned(compose: Any) -> None:
    others = [service["image"] for service in compose["services"].values() if "build" not in service]
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)

    assert len(others) == 3
    assert [image for image in (*others, *bases) if not PINNED.fullmatch(image)] == []
    assert {base.partition("-")[0].rpartition(".")[0] for base in bases} == {"python:3.13"}


def test_the_data_of_postgresql_is_in_the_volume(compose: Any) -> None:
    """From 18 on, the image keeps its data in /var/lib/postgresql/<version>/docker, before in …/data."""
    service = compose["services"]["postgres"]
    version = int(re.findall(r"^postgres:(\d+)", service["image"])[0])

    assert version >= 18
    assert service["volumes"] == [f"postgres{version}:/var/lib/postgresql"]
    assert f"postgres{version}" in compose["volumes"]
    assert "PGDATA" not in service["environment"]


def test_redis_requires_the_password_and_does_not_expose_it(compose: Any, tmp_path: Path) -> None:
    # Debian 12 has Redis instead of Valkey. It takes the same options.
    kind = "valkey" if shutil.which("valkey-server") else "redis"
    needs("redis-server", shutil.which(f"{kind}-server") is not None)
    service, port = compose["services"]["redis"], free_port()
    (tmp_path / "redis_password").write_text("of-redis_-1\n")
    *shell, script = (part.replace("$$", "$") for part in service["command"])
    script = script.replace("/run/secrets", str(tmp_path)).replace(
        "/tmp/valkey.conf", str(tmp_path / "valkey.conf")
    )
    script = script.replace("valkey-server", f"{kind}-server")
    process = subprocess.Popen(
        (*shell, f"{script.rstrip()} --port {port} --bind 127.0.0.1"), stdout=subprocess.DEVNULL
    )
    client = redis.Redis(port=port, password="of-redis_-1")
    check = service["healthcheck"]["test"][1].replace("$$", "$").replace("/run/secrets", str(tmp_path))
    check = check.replace("valkey-cli", f"{kind}-cli -p {port}")
    try:
        wait_until(
            lambda: subprocess.run(("sh", "-c", check)).returncode == 0,
            10,
        )
        assert client.ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
        assert b"of-redis" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert (tmp_path / "valkey.conf").stat().st_mode & 0o077 == 0
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-lru"
    finally:
        client.close()
        process.terminate()
        process.wait()


def test_the_image_is_slim_and_runs_without_root_secrets_or_tests() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    ignored = set((ROOT / ".dockerignore").read_text().split())
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    copied = {part for line in lines if line.startswith("COPY") for part in line.split()[1:-1]}

    assert all("-slim-" in base for base in bases)
    assert [line for line in lines if line.startswith("USER")] == ["USER feeds"]
    assert any("--require-hashes" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert not [line for line in lines if line.startswith(("ARG", "ENV")) and "SECRET" in line]
    assert "." not in copied
    assert not copied & {"tests", "demo", "instagram_standin", "secrets"}
    assert {".git", "secrets", ".env*", "tests"} <= ignored
