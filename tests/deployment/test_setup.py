"""deploy/setup writes what compose.yaml and the units read: every secret once, for its reader only, and the host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import needs, run_python
from tests.deployment.image_steps import compose_environment

ROOT = Path(__file__).resolve().parent.parent.parent
READER = int(re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())[0])
EMPTY = {
    "secret_key_fallbacks", "instagram_app_secret", "facebook_app_secret", "public_mode_access_token",
    "s3_access_key_id", "s3_secret_access_key",
}  # fmt: skip
TLS = {"tls_certificate.pem", "tls_key.pem"}


@pytest.fixture(autouse=True)
def _as_root() -> None:
    needs("root, who may give files to other users", os.geteuid() == 0)
    needs("openssl", shutil.which("openssl") is not None)


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def setup(folder: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    command = (str(ROOT / "deploy" / "setup"), "--folder", str(folder), *arguments)
    return subprocess.run(command, input=answer, capture_output=True, text=True, timeout=30)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (*(folder / "secrets").iterdir(), folder / ".env")}


def test_it_writes_every_secret_for_its_reader_only(tmp_path: Path, compose: Any) -> None:
    done = setup(tmp_path, "feeds.example")
    secrets = tmp_path / "secrets"
    files = {path.name: path for path in secrets.iterdir()}

    assert done.returncode == 0, done.stderr
    assert set(files) == {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert {name for name, path in files.items() if path.stat().st_size == 0} == EMPTY
    random = [path.read_text() for name, path in files.items() if name not in EMPTY | TLS]
    assert len(set(random)) == len(random) == 5
    assert min(map(len, random)) >= 43
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o400}
    assert {name: path.stat().st_uid for name, path in files.items()} == {
        name: 0 if name in TLS else READER for name in files
    }
    assert (tmp_path / ".env").read_text() == "PUBLIC_BASE_URL=https://feeds.example\n"
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert not [text for text in random if text in done.stdout + done.stderr]


def test_the_containers_with_secrets_run_as_their_reader(compose: Any) -> None:
    services = compose["services"]

    assert services["redis"]["user"].split(":")[0] == str(READER)
    assert "USER feeds" in (ROOT / "Dockerfile").read_text().splitlines()
    assert all("user" not in service for service in services.values() if "build" in service)
    # They start as root, and only postgres needs a file that isn't root's.
    others = {name for name, service in services.items() if "secrets" in service and "build" not in service}
    assert others == {"postgres", "redis", "proxy"}
    assert "DAC_OVERRIDE" in services["postgres"]["cap_add"]
    assert set(services["proxy"]["secrets"]) == {"tls_certificate", "tls_key"}


def test_the_service_accepts_them(tmp_path: Path, compose: Any) -> None:
    setup(tmp_path, "feeds.example")
    (tmp_path / "secrets" / "instagram_app_secret").write_text("from-meta")
    (line,) = (tmp_path / ".env").read_text().splitlines()
    # What the operator adds to .env: an app at Meta, and the mail server.
    given = dict([line.split("=", 1)]) | {"INSTAGRAM_APP_ID": "1234567890"}
    given |= {"EMAIL_URL": "smtp+tls://mail.example:587", "DEFAULT_FROM_EMAIL": "feeds@feeds.example"}
    environment = {
        name: value.replace("/run/secrets", str(tmp_path / "secrets"))
        for name, value in compose_environment(compose["services"]["web"], given).items()
    }
    environment["VAR_DIR"] = str(tmp_path / "var")
    done = run_python("manage.py", "check", "--deploy", "--fail-level", "WARNING", env=environment)

    assert done.returncode == 0, done.stderr


def test_a_second_run_changes_nothing_but_owners_and_modes(tmp_path: Path) -> None:
    setup(tmp_path, "feeds.example")
    before = contents(tmp_path)
    kept = tmp_path / "secrets" / "instagram_app_secret"
    kept.write_text("from-meta")
    kept.chmod(0o444)
    os.chown(kept, 0, 0)
    (tmp_path / "secrets" / "metrics_token").unlink()
    (tmp_path / "secrets" / ".new").write_text("of a run that was interrupted")

    again = setup(tmp_path)
    after = contents(tmp_path)

    assert again.returncode == 0, again.stderr
    assert after["instagram_app_secret"] == "from-meta"
    assert (kept.stat().st_mode & 0o777, kept.stat().st_uid) == (0o400, READER)
    assert len(after["metrics_token"]) >= 43
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"instagram_app_secret", "metrics_token"}


def test_the_owner_of_the_checkout_can_read_the_settings(tmp_path: Path) -> None:
    """docker compose reads .env as the user who calls it."""
    os.chown(tmp_path, 1234, 1234)
    setup(tmp_path, "feeds.example")

    assert (tmp_path / ".env").stat().st_uid == 1234
    assert (tmp_path / "secrets").stat().st_uid == 0


def test_it_asks_for_the_host_name(tmp_path: Path) -> None:
    done = setup(tmp_path, answer="Feeds.Example\n")

    assert done.returncode == 0, done.stderr
    assert "Host name" in done.stderr
    assert (tmp_path / ".env").read_text() == "PUBLIC_BASE_URL=https://feeds.example\n"


def test_it_keeps_other_settings_and_the_host(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    settings.write_text("RELEASE=1\nLOG_LEVEL=DEBUG")
    setup(tmp_path, "feeds.example")
    other = setup(tmp_path, "other.example")

    assert settings.read_text() == "RELEASE=1\nLOG_LEVEL=DEBUG\nPUBLIC_BASE_URL=https://feeds.example\n"
    assert other.returncode == 1
    assert "already has PUBLIC_BASE_URL=https://feeds.example" in other.stderr


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("", "the host name is missing"),
        ("https://feeds.example", "Leave out https://"),
        ("feeds.example:8443", "Leave out https://"),
        ("feeds.example/", "Leave out https://"),
        ("feeds example.org", "Leave out https://"),
        ("localhost", "isn't a public host name"),
        ("192.0.2.1", "isn't a public host name"),
        ("feeds..example", "isn't a public host name"),
        ("feeds-.example", "isn't a public host name"),
        (f"{'a' * 64}.example", "isn't a public host name"),
        ("a." * 126 + "example", "isn't a public host name"),
        ("feeds_1.example", "only letters"),
        ("fütter.example", "xn--"),
        ("$(id).example", "only letters"),
        ("feeds.example\nDEBUG=true", "only letters"),
    ],
)
def test_a_wrong_host_name_is_refused_and_nothing_is_written(tmp_path: Path, host: str, message: str) -> None:
    done = setup(tmp_path / "new", host)

    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_certificate_replaces_the_temporary_one(tmp_path: Path) -> None:
    own = ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt"), "-subj", "/CN=feeds.example")
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run((*make, *own), check=True, capture_output=True)
    setup(tmp_path, "feeds.example")
    temporary = contents(tmp_path)
    file = (tmp_path / "secrets" / "tls_key.pem").stat().st_ino
    both = ("--certificate", str(tmp_path / "crt"), "--key", str(tmp_path / "key"))
    done = setup(tmp_path, *both)
    after = contents(tmp_path)

    assert done.returncode == 0, done.stderr
    assert after["tls_certificate.pem"] == (tmp_path / "crt").read_text() != temporary["tls_certificate.pem"]
    assert after["tls_key.pem"] == (tmp_path / "key").read_text()
    # The running proxy has this file mounted.
    assert (tmp_path / "secrets" / "tls_key.pem").stat().st_ino == file
    assert {name for name in after if after[name] != temporary[name]} == TLS

    (tmp_path / "key").write_text(temporary["tls_key.pem"])
    wrong = setup(tmp_path, *both)
    assert wrong.returncode == 1
    assert "isn't the key of" in wrong.stderr
    assert contents(tmp_path) == after


def test_the_temporary_certificate_is_for_the_host(tmp_path: Path) -> None:
    setup(tmp_path, "feeds.example")
    command = ("openssl", "x509", "-noout", "-checkhost", "feeds.example", "-in")
    done = subprocess.run(
        (*command, str(tmp_path / "secrets" / "tls_certificate.pem")), capture_output=True, text=True
    )

    assert "does match certificate" in done.stdout


def test_others_than_root_are_told_to_be_root() -> None:
    done = subprocess.run(
        ("sh", "-s", "feeds.example"), input=(ROOT / "deploy" / "setup").read_text(), cwd="/",
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 1
    assert "run it as root" in done.stderr
