"""`python -m tests.deployment.image_steps`: build and run the image without a container engine.

Takes the files of `git archive HEAD` without those in .dockerignore, and follows the Dockerfile's instructions in a
folder that is used as the image's root, with a new virtual environment from the hashed requirements. Then runs migrate,
web, worker, pictures and beat with the commands and environment of compose.yaml, on a new database of PostgreSQL,
Redis, and the stand-in instead of Meta. At last it reads a feed that web has filled and that worker and beat have
refreshed.

It doesn't check the base image, the image's system user (`useradd` is skipped) or the network. Uses the servers of
DATABASE_URL, which must allow creating databases, and REDIS_URL, or local ones.
"""

from __future__ import annotations

import base64
import fnmatch
import io
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn
from tests.databases import fresh_database
from tests.processes.service import FEED_PATH, free_port, get, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379/0"
LEFT_OUT = re.compile(r"useradd [^&]*&&\s*")
OWNER = re.compile(r" -o feeds -g feeds")


@dataclass
class Image:
    """The folder used as the image's root, and the settings made by the Dockerfile so far."""

    root: Path
    context: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)

    def inside(self, path: str) -> Path:
        return self.root / os.path.normpath(os.path.join(self.folder, path)).lstrip("/")

    def moved(self, text: str) -> str:
        """`text` with the absolute paths of the image's folders replaced by their paths in this folder."""
        return re.sub(r"(?<![\w./-])/(venv|srv|var/lib/feeds|run/secrets)\b", rf"{self.root}/\1", text)

    def process_environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {name: self.moved(value) for name, value in {**self.environment, **more}.items()}
        own["PATH"] = own.get("PATH", "$PATH").replace("$PATH", f"{self.root}/bin:{os.environ['PATH']}")
        return {"HOME": str(self.root), "LANG": "C.UTF-8", **own}

    def run(self, command: Sequence[str], **more: str) -> str:
        """Run a command and return its standard output. Raises CalledProcessError."""
        done = subprocess.run(
            [self.moved(part) for part in command],
            cwd=self.inside("."), env=self.process_environment(more), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        done.check_returncode()
        return done.stdout


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """The (keyword, arguments) of each instruction, without comments and with continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            keyword, _, rest = line.strip().partition(" ")
            yield keyword.upper(), rest.strip()


class UnknownStep(Exception):
    """The Dockerfile has an instruction that this check doesn't support yet. Add support for it here."""


def follow(image: Image, keyword: str, rest: str) -> None:
    """Run one instruction. Raises UnknownStep if it isn't supported."""
    match keyword:
        case "FROM":
            image.environment, image.folder, image.user = {}, "/", "root"
        case "ENV":
            image.environment |= dict(part.split("=", 1) for part in shlex.split(rest))
        case "WORKDIR":
            image.folder = rest
            image.inside(".").mkdir(parents=True, exist_ok=True)
        case "COPY":
            _copy(image, rest.split())
        case "RUN":
            image.run(("sh", "-ec", OWNER.sub("", LEFT_OUT.sub("", rest))))
        case "USER":
            image.user = rest
        case "CMD":
            image.command = json.loads(rest)
        case "EXPOSE" | "HEALTHCHECK":
            pass
        case _:
            raise UnknownStep(f"{keyword} {rest}")


def _copy(image: Image, words: list[str]) -> None:
    if words[0].startswith("--from="):
        # Both stages use the same folder, so files from the first stage are in place already.
        if words[1] != words[2] or not image.inside(words[1]).exists():
            raise UnknownStep(f"COPY {' '.join(words)}")
        return
    *sources, target = words
    for source in sources:
        origin, place = image.context / source, image.inside(target)
        if origin.is_dir():
            shutil.copytree(origin, place, dirs_exist_ok=True)
        else:
            place = place / source if target.endswith("/") or place.is_dir() else place
            shutil.copy2(origin, place)


def clean_context(folder: Path) -> Path:
    """The build context: the files of HEAD without those in .dockerignore."""
    archive = subprocess.run(("git", "archive", "HEAD"), cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    for pattern in (folder / ".dockerignore").read_text().split():
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return folder


def build(folder: Path) -> Image:
    image = Image(folder / "root", clean_context(folder / "context"))
    (image.root / "bin").mkdir(parents=True)
    # The base image's `python`: the interpreter these tests were installed from, without their packages.
    (image.root / "bin" / "python").symlink_to(
        Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    )
    for keyword, rest in instructions((image.context / "Dockerfile").read_text()):
        say(f"{keyword} {rest}")
        follow(image, keyword, rest)
    return image


def compose_environment(service: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    """The service's environment with ${NAME}, ${NAME:-default} and ${NAME:?message} filled in."""

    def fill(found: re.Match[str]) -> str:
        name, kind, text = found.groups()
        if given.get(name):
            return given[name]
        if kind == ":?":
            raise SystemExit(f"{name}: {text}")
        return text or ""

    pattern = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")
    return {name: pattern.sub(fill, str(value)) for name, value in service["environment"].items()}


def write_secrets(image: Image, names: Sequence[str]) -> None:
    random_ones = {
        "secret_key": secrets.token_urlsafe(48),
        "token_encryption_keys": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "metrics_token": secrets.token_urlsafe(32),
        "public_mode_access_token": OPERATOR_TOKEN,
    }
    folder = image.root / "run" / "secrets"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(random_ones.get(name, ""))


def main() -> int:
    server = os.environ.get("DATABASE_URL") or POSTGRES
    with tempfile.TemporaryDirectory() as name, fresh_database(server) as database_url, StandIn() as standin:
        folder = Path(name)
        image = build(folder)
        services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        port = free_port()
        given = {
            "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
            "PUBLIC_MODE_IG_USER_ID": OPERATOR_ID,
        }
        write_secrets(image, services["web"]["secrets"])
        environment = {
            **compose_environment(services["web"], given),
            # The addresses of the local servers and of the stand-in. Everything else is as in compose.yaml.
            "DATABASE_URL": database_url,
            "REDIS_URL": os.environ.get("REDIS_URL") or REDIS,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "MEDIA_HOSTS": "127.0.0.1",
            **standin.meta_urls,
        }
        look_at_the_image(image)
        say("migrate: " + " ".join(services["migrate"]["command"]))
        image.run(services["migrate"]["command"], **environment)
        with processes(image, services, environment, folder / "log"):
            read_a_feed(image, environment, standin, port)
    say("The image's steps work.")
    return 0


def look_at_the_image(image: Image) -> None:
    """Check that the image doesn't run as root, has no tests and no secrets, and has its static files."""
    held = {path.name for path in image.inside(".").iterdir()}
    assert image.user not in {"", "root", "0"}, image.user
    assert not held & {"tests", "demo", "instagram_standin", "secrets", ".git", ".env"}, held
    assert list((image.inside("staticfiles")).rglob("*.gz")), "no compressed static files"
    kept = [str(path) for path in image.inside(".").rglob("*") if fnmatch.fnmatch(path.name, "*.pem")]
    assert not kept, kept
    say(f"In the image: {', '.join(sorted(held))}")


@contextmanager
def processes(
    image: Image, services: dict[str, Any], environment: dict[str, str], log_path: Path
) -> Iterator[None]:
    """Run web, two workers, pictures and beat by the commands of compose.yaml or of the image."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    with log_path.open("ab") as log:
        for name in ("web", "worker", "pictures", "beat"):
            command = services[name].get("command", image.command)
            for number in range(services[name].get("deploy", {}).get("replicas", 1)):
                say(f"{name}: {' '.join(command)}")
                started[f"{name} {number + 1}"] = subprocess.Popen(
                    [image.moved(part) for part in command],
                    cwd=image.inside("."), env=image.process_environment(environment),
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
    try:
        yield
        ended = {name: process.poll() for name, process in started.items() if process.poll() is not None}
        assert not ended, f"ended by themselves: {ended}"
    except BaseException:
        print(log_path.read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for name, process in started.items():
            try:
                say(f"{name} ended with {process.wait(timeout=40)}")
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def read_a_feed(image: Image, environment: dict[str, str], standin: StandIn, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: _status(f"{base}/healthz") == 200, 60)
    ready = get(f"{base}/readyz")
    say(f"/readyz: {ready.status} {ready.body.decode()}")
    assert (ready.status, ready.json["status"]) == (200, "ready")

    manage = ("python", "manage.py")
    made = image.run((*manage, "create_workspace", "Image", "--plan", "business"), **environment)
    workspace = json.loads(made)["workspaceId"]
    ttl = ("set_override", workspace, "instagram.refresh.ttlMinutes.min", "1")
    image.run((*manage, *ttl), **environment)
    made = image.run(
        (*manage, "create_instance", "--workspace", workspace, "--profile", "acme.bakery"), **environment
    )
    url = f"{base}{FEED_PATH}?token={json.loads(made)['embedToken']}"

    feed = get(url)
    assert feed.status == 200, feed.body
    assert feed.json["posts"], feed.json
    say(f"A feed of {len(feed.json['posts'])} posts, {feed.headers['Cache-Control']}")
    began = time.monotonic()
    wait_until(lambda: get(url).json["lastUpdated"] != feed.json["lastUpdated"], 150)
    say(
        f"Refreshed by worker and beat after {time.monotonic() - began:.0f} seconds; {len(standin.calls)} calls"
    )


def _status(url: str) -> int | None:
    try:
        return get(url, timeout=2).status
    except OSError:
        return None


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
