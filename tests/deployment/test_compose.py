"""compose.yaml and the Dockerfile: valid to the compose client, one image, nothing secret, nothing as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import needs

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = {"DATABASE_PASSWORD": "x", "PUBLIC_BASE_URL": "https://feeds.example"}


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def validate(**environment: str) -> subprocess.CompletedProcess[str]:
    needs("docker-compose", shutil.which("docker-compose") is not None)
    command = ("docker-compose", "-f", "compose.yaml", "config", "-q")
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_the_compose_client_takes_it() -> None:
    done = validate(**NEEDED)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_what_has_no_default_is_asked_for_by_name(missing: str) -> None:
    done = validate(**{name: value for name, value in NEEDED.items() if name != missing})

    assert done.returncode != 0
    assert missing in done.stderr


def test_one_image_runs_every_part_and_migrations_come_first(compose: Any) -> None:
    services = compose["services"]
    ours = {name: services[name] for name in ("migrate", "web", "worker", "beat")}

    assert len({service["image"] for service in ours.values()}) == 1
    assert services["worker"]["deploy"]["replicas"] == 2
    for name in ("web", "worker", "beat"):
        waits_for = ours[name]["depends_on"]
        assert waits_for["migrate"] == {"condition": "service_completed_successfully"}
        assert waits_for["redis"] == {"condition": "service_healthy"}
    for name in ("postgres", "redis", "web", "worker", "proxy"):
        assert services[name]["healthcheck"]["test"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_secrets_come_from_files(compose: Any) -> None:
    environment = compose["services"]["web"]["environment"]
    mounted = {f"/run/secrets/{name}" for name in compose["services"]["web"]["secrets"]}
    from_files = {name: value for name, value in environment.items() if name.endswith("_FILE")}

    assert {"SECRET_KEY_FILE", "TOKEN_ENCRYPTION_KEYS_FILE", "METRICS_TOKEN_FILE"} <= set(from_files)
    assert set(from_files.values()) <= mounted
    assert set(compose["secrets"]) >= set(compose["services"]["web"]["secrets"])
    assert not {"SECRET_KEY", "TOKEN_ENCRYPTION_KEYS", "METRICS_TOKEN"} & set(environment)


def test_the_image_is_slim_runs_without_root_and_holds_neither_secrets_nor_tests() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    ignored = set((ROOT / ".dockerignore").read_text().split())
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    copied = {part for line in lines if line.startswith("COPY") for part in line.split()[1:-1]}

    assert all(base.endswith("-slim") for base in bases)
    assert [line for line in lines if line.startswith("USER")] == ["USER feeds"]
    assert any("--require-hashes" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert not [line for line in lines if line.startswith(("ARG", "ENV")) and "SECRET" in line]
    assert "." not in copied
    assert not copied & {"tests", "demo", "instagram_standin", "secrets"}
    assert {".git", "secrets", ".env*", "tests"} <= ignored
