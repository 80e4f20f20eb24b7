"""deploy/backup and deploy/restore: what comes back elsewhere, and that nothing secret is in the backup in clear."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from instagram_standin.tokens import Family
from tests.conftest import needs
from tests.databases import direct_url, fresh_database
from tests.marks import needs_postgres
from tests.processes.pgbouncer import PROGRAM, pgbouncer
from tests.processes.service import ROOT, Service, get, running_service, wait_until
from tests.processes.test_pictures import are_ours, pictures_of
from tests.processes.test_secrets import PASSWORD, PLANTED, Walker, log_in_at_meta

pytestmark = [pytest.mark.processes, needs_postgres]


@dataclass(frozen=True)
class BackedUp:
    """A service with a connected widget whose pictures are copied, and its backup."""

    service: Service
    folder: Path
    token: str
    secrets: dict[str, str]


# Without the process that converts pictures: it has the lowest priority, and the backup is about files of any content.
_COPY_PICTURES = """
from paris_integration.media import copying
from paris_integration.media.rendering import Rendered, RenderedSize, Renderer
from paris_integration.models import Feed

def converted(self, content):
    size = RenderedSize(24, 18, content, b"avif of " + content)
    return Rendered(24, 18, "#aabbcc", (size, size, size))

Renderer.render = converted
for feed in Feed.objects.all():
    copying.copy_pictures(feed.pk)
"""


def run(
    program: str, *arguments: str | Path, env: dict[str, str], is_direct: bool = True
) -> subprocess.CompletedProcess[str]:
    url = direct_url(env["DATABASE_URL"]) if is_direct else env["DATABASE_URL"]
    return subprocess.run(
        [ROOT / "deploy" / program, *arguments],
        env={"PATH": os.environ["PATH"], **env, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    needs("pg_dump", shutil.which("pg_dump") is not None)
    tmp_path = tmp_path_factory.mktemp("service")
    planted = {**PLANTED, "SECRET_KEY": "canary-django-secret-key-0123456789abcdef-0123456789"}
    with running_service(tmp_path, MEDIA_COPIES="true", PUBLIC_MODE_IG_USER_ID="", **planted) as service:
        walker = Walker(f"http://127.0.0.1:{service.web_ports[0]}")
        workspace = service.workspace("pro", editor="ed", password=PASSWORD)
        made = service.instance(workspace, "tiny.studio")
        walker.sign_in("ed")
        state, code = log_in_at_meta(walker, service.standin, made["instanceId"], "instagram", "tiny.studio")
        token = made["embedToken"]
        assert service.read(token).json["posts"]
        service.environment["PUBLIC_BASE_URL"] = walker.base  # of the pictures' links
        service.manage("shell", "-v", "0", "-c", _COPY_PICTURES)
        wait_until(lambda: are_ours(service, pictures_of(service, token)), 10)
        granted = service.standin.tokens.select(family=Family.INSTAGRAM)
        assert granted
        secrets = {
            "session": walker.session.cookies["sessionid"],
            "password": PASSWORD,
            "state": state,
            "code": code,
            **{f"token {number}": value for number, value in enumerate(granted)},
            **planted,
        }
        folder = tmp_path / "backup"
        done = run("backup", folder, env=service.environment)
        assert done.returncode == 0, done.stderr
        yield BackedUp(service, folder, token, secrets)


def restored(backed_up: BackedUp, folder: Path, url: str, **more: str) -> dict[str, str]:
    """The environment of a service elsewhere."""
    folders = {"VAR_DIR": str(folder / "var"), "MEDIA_ROOT": str(folder / "pictures"), "DATABASE_URL": url}
    return {**backed_up.service.environment, **folders, **more}


def test_feeds_pictures_and_tokens_are_back_elsewhere(backed_up: BackedUp, tmp_path: Path) -> None:
    before = backed_up.service.read_anew(backed_up.token).json
    backed_up.service.standin.faults.add("status")  # Meta answers nothing any more
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        environment = restored(backed_up, tmp_path, url)
        done = run("restore", backed_up.folder, env=environment)
        assert done.returncode == 0, done.stderr
        assert '"opened": 1' in done.stdout

        elsewhere = Service(backed_up.service.standin, environment, tmp_path / "log")
        try:
            elsewhere.start_web()
            after = elsewhere.read(backed_up.token).json
            assert [post["id"] for post in after["posts"]] == [post["id"] for post in before["posts"]]
            paths = [urlsplit(link).path for link in pictures_of(elsewhere, backed_up.token)]
            assert paths
            for path in paths:
                assert path.startswith("/media/")
                assert get(f"http://127.0.0.1:{elsewhere.web_ports[0]}{path}").status == 200
            again = run("restore", backed_up.folder, env=environment)
            assert (again.returncode, "isn't empty" in again.stderr) == (1, True)
        finally:
            elsewhere.stop()
            backed_up.service.standin.faults.clear()


def test_a_missing_key_is_named_before_anything_is_restored(backed_up: BackedUp, tmp_path: Path) -> None:
    facts = json.loads((backed_up.folder / "backup.json").read_text())
    (key,) = facts["encryptionKeys"]
    other = urlsafe_b64encode(b"another key of 32 bytes exactly!").decode()
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        environment = restored(
            backed_up, tmp_path, url, TOKEN_ENCRYPTION_KEYS=other, SECRET_KEY="another-secret-key-" * 4
        )
        done = run("restore", backed_up.folder, env=environment)

        assert done.returncode == 1
        assert f"TOKEN_ENCRYPTION_KEYS lacks the key {key['id']}" in done.stderr
        assert f"lack the key {facts['signingKeys'][0]}" in done.stderr
        with psycopg.connect(url.replace("postgres:", "postgresql:", 1)) as database:
            assert database.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone() == (0,)

        forced = run("restore", backed_up.folder, "--without-keys", env=environment)
        assert forced.returncode == 1
        assert "1 secrets can't be opened" in forced.stderr


@pytest.mark.parametrize("program", ["backup", "restore"])
def test_pgbouncer_is_refused_and_its_sessions_stay_as_they_are(
    backed_up: BackedUp, tmp_path: Path, program: str
) -> None:
    needs("pgbouncer", PROGRAM is not None)
    folder = backed_up.folder if program == "restore" else tmp_path / "backup"
    server = direct_url(backed_up.service.environment["DATABASE_URL"])
    with pgbouncer(server, default_pool_size=1) as url:
        done = run(
            program, folder, env={**backed_up.service.environment, "DATABASE_URL": url}, is_direct=False
        )
        assert done.returncode == 1
        assert "not that of PgBouncer" in done.stderr
        with psycopg.connect(url.replace("postgres:", "postgresql:", 1)) as database:
            assert database.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert not (tmp_path / "backup").exists()


def test_nothing_secret_is_in_the_backup(backed_up: BackedUp) -> None:
    text = subprocess.run(
        ["pg_restore", "--file=-", backed_up.folder / "database.dump"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert backed_up.token.split(".")[0] not in text
    assert "tiny.studio" in text  # the search finds what is there
    with tarfile.open(backed_up.folder / "pictures.tar") as pictures:
        names = pictures.getnames()
    assert [name for name in names if name.endswith(".avif")]
    described = (backed_up.folder / "backup.json").read_text()
    for name, secret in backed_up.secrets.items():
        for form in (secret, secret.encode().hex(), b64encode(secret.encode()).decode().rstrip("=")):
            assert form not in text, name
            assert form not in described, name
    for path in (backed_up.folder, *backed_up.folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_damaged_backup_is_refused(backed_up: BackedUp, tmp_path: Path) -> None:
    copy = shutil.copytree(backed_up.folder, tmp_path / "copy")
    with (copy / "database.dump").open("r+b") as dump:
        dump.seek(1000)
        dump.write(b"x" * 10)

    done = run("restore", copy, env=restored(backed_up, tmp_path, "postgres://nobody@127.0.0.1:1/none"))

    assert (done.returncode, "damaged or incomplete" in done.stderr) == (1, True)
