"""deploy/systemd/: accepted by systemd, the same processes and secrets as compose.yaml, and minimal privileges.

`python -m tests.deployment.unit_steps` runs them.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import needs
from tests.deployment.units import CHECKOUT, FOLDER, NAMES, SETTINGS, Unit, read_unit

ROOT = Path(__file__).resolve().parent.parent.parent
LASTING = [name for name in NAMES if name != "migrate"]


@pytest.fixture
def services() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as installed, with this checkout instead of CHECKOUT: systemd looks for the programs."""
    needs("systemd-analyze", shutil.which("systemd-analyze") is not None)
    folder = tmp_path / "system"
    shutil.copytree(FOLDER, folder)
    for file in (path for path in folder.rglob("*") if path.is_file()):
        text = file.read_text().replace(f"{CHECKOUT}/.venv/bin", os.path.dirname(sys.executable))
        file.write_text(text.replace(CHECKOUT, str(ROOT)))
    return folder


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    # Without SYSTEMD_LOG_TARGET, it logs to the journal if there is one.
    environment = {"PATH": os.environ["PATH"], "SYSTEMD_LOG_TARGET": "console"}
    command = ("systemd-analyze", *map(str, arguments))
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def verify(folder: Path) -> str:
    """What systemd says about the units, of which only problems."""
    done = analyze("verify", "--man=no", *sorted(path for path in folder.iterdir() if path.is_file()))
    return done.stdout + done.stderr


def command_of(services: Any, name: str) -> list[str]:
    command: list[str] = services[name].get("command")
    if command is None:
        (line,) = re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
        command = yaml.safe_load(line)
    return command


def test_systemd_accepts_the_units(installed: Path) -> None:
    assert len(list(installed.glob("*.service"))) == len(NAMES)
    assert verify(installed) == ""


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        ("Type=notify", "Type=notified", "parse service type"),
        ("ExecStart=", "ExecStart=/nowhere", "not executable"),
        ("Restart=always", "Restart=always\nType=oneshot", "Restart="),
    ],
)
def test_systemd_would_report_a_mistake(installed: Path, line: str, wrong: str, message: str) -> None:
    web = installed / "instagram-feeds-web.service"
    text = web.read_text()
    assert line in text
    web.write_text(text.replace(line, wrong))

    assert message in verify(installed)


@pytest.mark.parametrize("name", NAMES)
def test_no_unit_has_more_privileges_than_it_needs(installed: Path, name: str) -> None:
    # 10 is an unconfined service. The rest is the network, and files that others may read.
    done = analyze(
        "security", "--offline=true", "--threshold=16", installed / f"instagram-feeds-{name}.service"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_are_those_of_the_containers(services: Any, name: str) -> None:
    command = read_unit(name).command

    assert command[0].startswith(f"{CHECKOUT}/.venv/bin/")
    assert [os.path.basename(command[0]), *command[1:]] == command_of(services, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_are_those_of_the_containers(services: Any, name: str) -> None:
    """In containers, .env fills in the settings that begin with a $. Units read all of .env."""
    unit, inside = read_unit(name), dict(services[name]["environment"])
    inside.pop("HEARTBEAT_FILE", None)  # for a container's health check; systemd restarts what ends
    fixed = {key: str(value) for key, value in inside.items() if not str(value).startswith("${")}
    secret = {
        key: value.removeprefix("/run/secrets/") for key, value in fixed.items() if key.endswith("_FILE")
    }
    # A host's processes share their metrics, so web's /metrics has those of the workers.
    own = {"DATABASE_URL", "REDIS_URL", "WORKER_METRICS_HOST", "WORKER_METRICS_PORT"}
    own |= {key for key, value in fixed.items() if value == unit.environment.get(key)} | set(secret)

    assert set(fixed) <= own
    assert {key: value for key, value in unit.environment.items() if key.endswith("_FILE")} == {
        key: f"%d/{name}" for key, name in secret.items()
    }
    assert unit.credentials == {name: f"{SETTINGS}/secrets/{name}" for name in secret.values()}
    assert unit.last("EnvironmentFile") == f"{SETTINGS}/.env"
    assert unit.environment["TRUSTED_PROXIES"] == "1"
    assert unit.environment.get("PICTURE_THREADS") == fixed.get("PICTURE_THREADS")


def test_migrations_come_first_and_everything_starts_and_stops_with_the_target() -> None:
    target = (FOLDER / "instagram-feeds.target").read_text()

    assert read_unit("migrate").last("Type") == "oneshot"
    for unit in map(read_unit, NAMES):
        assert f"instagram-feeds-{unit.name}.service" in target
        assert unit.entries["PartOf"] == ["instagram-feeds.target"]
    for unit in map(read_unit, LASTING):
        assert "instagram-feeds-migrate.service" in unit.entries["After"]
        assert "instagram-feeds-migrate.service" in unit.entries["Wants"]
        # A migration that fails while the database is away must not keep the others from starting.
        assert "Requires" not in unit.entries


@pytest.mark.parametrize("name", LASTING)
def test_processes_have_time_to_finish_and_are_started_again(services: Any, name: str) -> None:
    unit: Unit = read_unit(name)

    assert unit.last("TimeoutStopSec") == services[name]["stop_grace_period"] == "40s"
    assert unit.last("KillMode") == "mixed"
    assert unit.last("Restart") == "always"
    assert unit.last("StartLimitIntervalSec") == "0"


def test_commands_run_with_the_settings_of_the_units(tmp_path: Path) -> None:
    """deploy/manage in a folder of this test, with the current user instead of the units'."""
    checkout, etc = tmp_path / "checkout", tmp_path / "etc"
    common = checkout / "deploy" / "systemd" / "instagram-feeds-.service.d" / "common.conf"
    shutil.copytree(ROOT / "deploy", checkout / "deploy")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    # Prints what manage.py would get.
    python = checkout / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\npwd; id -un; echo "$@"; env\n')
    python.chmod(0o755)
    (etc / "secrets").mkdir(parents=True)
    for name, path in read_unit("web").credentials.items():
        (etc / "secrets" / Path(path).name).write_text(f"the {name}\n")
    link = "https://billing.example/?workspace={workspace}&plan={plan}"
    (etc / ".env").write_text(f"# settings\nTRUSTED_PROXIES=2\nUPGRADE_URL={link}\nLOG_LEVEL='DEBUG'\n")
    user = pwd.getpwuid(os.geteuid()).pw_name
    common.write_text(
        common.read_text().replace(SETTINGS, str(etc)).replace("User=instagram-feeds", f"User={user}")
    )
    needs("root, who may change users", os.geteuid() == 0)

    done = subprocess.run(
        (checkout / "deploy" / "manage", "create_staff", "two words"), capture_output=True, text=True
    )
    folder, name, arguments, *rest = done.stdout.splitlines()
    environment = dict(line.split("=", 1) for line in rest)

    assert (folder, name, arguments) == (str(checkout), user, "manage.py create_staff two words")
    assert environment["SECRET_KEY"] == "the secret_key"
    assert environment["DATABASE_PASSWORD"] == "the database_password"
    assert environment["DATABASE_URL"] == read_unit("web").environment["DATABASE_URL"]
    assert environment["TRUSTED_PROXIES"] == "2"  # .env wins
    assert environment["UPGRADE_URL"] == link
    assert environment["LOG_LEVEL"] == "DEBUG"
    assert not [name for name in environment if name.endswith("_FILE")]

    other = subprocess.run(
        (
            checkout / "deploy" / "manage",
            "--run",
            "sh",
            "-c",
            'pwd; echo "$DATABASE_PASSWORD $1"',
            "sh",
            "two words",
        ),
        capture_output=True,
        text=True,
    )
    assert other.stdout.splitlines() == [str(checkout), "the database_password two words"]

    common.write_text(common.read_text().replace(f"User={user}", "User=nobody-of-this-name"))
    failed = subprocess.run((checkout / "deploy" / "manage", "check"), capture_output=True, text=True)
    assert failed.returncode == 1
    assert "nobody-of-this-name" in failed.stderr
