"""The reverse proxy example, tested with a real nginx in front of a real web process."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.http import HttpResponse

from tests.conftest import needs
from tests.deployment.origin import Origin, running_origin
from tests.deployment.proxy import ASK_THE_SERVICE, FILES, NGINX, check, prepare, running_proxy
from tests.processes.service import FEED_PATH, Answer, free_port, get, running_service, wait_until
from venice_api.api import http_caching

pytestmark = [pytest.mark.processes, pytest.mark.sqlite_leg]
SECRET_PATHS = (
    "/connect/canary", "/invitations/canary/", "/accounts/password/reset/1-canary/", "/accounts/email/confirm/canary/",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nginx() -> None:
    needs("nginx", NGINX is not None)


def test_nginx_accepts_the_files(tmp_path: Path) -> None:
    ports = {"web_port": free_port(), "port": free_port(), "tls_port": free_port()}
    done = check(prepare(tmp_path / "nginx", **ports))

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_the_guides_changes_for_a_host_without_containers_fit_the_files(tmp_path: Path) -> None:
    """Runs the commands of docs/operations.md. Then only folders of the host are replaced by those of the test."""
    guide = (FILES.parent.parent / "docs" / "operations.md").read_text()
    (commands,) = re.findall(r"^ *(sed -i -e .*?)^ *nginx -t", guide, flags=re.DOTALL | re.MULTILINE)
    folder = prepare(tmp_path / "nginx", web_port=free_port(), port=free_port(), tls_port=free_port()).parent
    before = "".join(source.read_text() for source in FILES.glob("*.conf"))
    for source in FILES.glob("*.conf"):
        shutil.copy(source, folder)
    subprocess.run(("sh", "-ec", commands), cwd=folder, check=True)

    changes = re.findall(r"-e 's([/#])(.+?)\1(.+?)\1'", commands)
    assert len(changes) == 10
    after = "".join((folder / source.name).read_text() for source in FILES.glob("*.conf"))
    for _, old, new in changes:
        assert old in before, old
        assert new in after
    for inside in ("/run/secrets", "/srv/", "/tmp/", "/dev/", "web:8000", ":8080", ":8443"):
        assert inside not in after.replace("#", "")
    for text, place in {
        "/etc/instagram-feeds/secrets/tls_certificate.pem": folder / "crt",
        "/etc/instagram-feeds/secrets/tls_key.pem": folder / "key",
        "/run/nginx.pid": folder / "pid",
        "/var/": f"{folder}/",
        "user www-data;": "user root;",
    }.items():
        for file in FILES.glob("*.conf"):
            (folder / file.name).write_text((folder / file.name).read_text().replace(text, str(place)))
    for name in ("log/nginx", "cache/nginx"):
        (folder / name).mkdir(parents=True)
    done = check(folder / "nginx.conf")

    assert done.returncode == 0, done.stderr


def test_files_of_certificate_challenges_are_served_without_asking_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    with running_proxy(folder, web_port=free_port()) as base:
        challenges = folder / "acme" / ".well-known" / "acme-challenge"
        challenges.mkdir(parents=True)
        (challenges / "a-token").write_text("a-token.of-the-account")

        found = get(f"{base}/.well-known/acme-challenge/a-token")
        missing = get(f"{base}/.well-known/acme-challenge/another")
        others = get(f"{base}/.well-known/security.txt")

    assert (found.status, found.body) == (200, b"a-token.of-the-account")
    assert found.headers["Content-Type"] == "text/plain"
    assert missing.status == 404
    assert others.status == 502  # no service runs


def test_feeds_are_cached_by_token_and_origin_and_outlive_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    with running_service(tmp_path) as service:
        origins = ("--allowed-origin", "https://a.example", "https://b.example")
        token = service.instance(service.workspace(), "load.proxied", *origins)["embedToken"]
        other = service.instance(service.workspace(), "load.other")["embedToken"]
        service.read(token)
        with running_proxy(folder, web_port=service.web_ports[0]) as base:

            def read(query: str = f"?token={token}", **headers: str) -> Answer:
                return get(f"{base}{FEED_PATH}{query}", headers=headers)

            first, second = read(Origin="https://a.example"), read(Origin="https://a.example")
            assert [first.headers["X-Cache"], second.headers["X-Cache"]] == ["MISS", "HIT"]
            assert second.json == first.json
            assert len(second.json["posts"]) == 12
            assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]

            elsewhere = read(Origin="https://b.example")
            assert elsewhere.headers["X-Cache"] == "MISS"
            assert elsewhere.headers["Access-Control-Allow-Origin"] == "https://b.example"
            assert read(Origin="https://foreign.example").status == 403

            known = read(Origin="https://a.example", **{"If-None-Match": first.headers["ETag"]})
            assert (known.status, known.headers["X-Cache"]) == (304, "HIT")

            in_header = [read("", Authorization=f"Bearer {token}") for _ in range(2)]
            assert [answer.status for answer in in_header] == [200, 200]
            assert {answer.headers["X-Cache"] for answer in in_header} == {"BYPASS"}
            assert [get(f"{base}/{name}").status for name in ("metrics", "readyz")] == [404, 404]
            assert get(f"{base}/healthz").status == 200
            for path in SECRET_PATHS:
                assert get(f"{base}{path}").status in {200, 404}

            os.killpg(service.webs[0].pid, signal.SIGKILL)
            service.webs[0].wait()
            kept = read(Origin="https://a.example")
            assert (kept.status, kept.json) == (200, first.json)
            assert read(f"?token={other}").status == 502

        log = (folder / "access.log").read_text() + (folder / "error.log").read_text()
        assert FEED_PATH in log
        assert token not in log
        assert "GET /connect/*** 404" in log
        assert "canary" not in log


def test_kept_posts_are_served_during_an_outage_for_as_long_as_the_setting_allows(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    with running_service(tmp_path, STALE_IF_ERROR_SECONDS="5") as service:
        token = service.instance(service.workspace(), "load.proxied")["embedToken"]
        service.read(token)
        with running_proxy(folder, web_port=service.web_ports[0]) as base:
            url = f"{base}{FEED_PATH}?token={token}"
            fresh = get(url)
            os.killpg(service.webs[0].pid, signal.SIGKILL)
            service.webs[0].wait()
            # The clock of nginx can't be changed.
            wait_until(lambda: get(url).headers["X-Cache"] == "STALE", 20)
            stale = get(url)
            wait_until(lambda: get(url).status == 502, 20)

    assert fresh.headers["X-Cache"] == "MISS"
    assert (stale.status, stale.json) == (200, fresh.json)


_WITHDRAW = """
from venice_api.models import WidgetInstance
rows = {{name: WidgetInstance.objects.get(pk=pk) for name, pk in {ids!r}.items()}}
rows["origin"].allowed_origins = ["https://other.example"]
rows["source"].source_value = "load.elsewhere"
rows["hidden"].hidden_post_ids = {posts!r}
for row in rows.values():
    row.save()
"""


def test_withdrawn_posts_leave_the_proxy_within_a_minute(tmp_path: Path) -> None:
    page = {"Origin": "https://page.example"}
    with running_service(tmp_path) as service:
        workspace = service.workspace()
        kinds = ("origin", "source", "hidden", "rotated")
        made = {
            kind: service.instance(workspace, f"load.{kind}", "--allowed-origin", page["Origin"])
            for kind in kinds
        }
        with running_proxy(tmp_path / "nginx", web_port=service.web_ports[0]) as base:
            urls = {kind: f"{base}{FEED_PATH}?token={one['embedToken']}" for kind, one in made.items()}
            old = {kind: _ids(get(url, headers=page)) for kind, url in urls.items()}
            assert all(len(posts) == 12 for posts in old.values())
            service.standin.faults.add("slow", seconds=20, username="load.elsewhere")
            ids = {kind: one["instanceId"] for kind, one in made.items() if kind != "rotated"}
            script = _WITHDRAW.format(ids=ids, posts=list(old["hidden"]))
            assert all(
                _ids(get(url, headers=page)) == old[kind] for kind, url in urls.items()
            )  # cached a moment ago
            service.manage("shell", "-v", "0", "-c", script)
            service.manage("rotate_embed_token", made["rotated"]["instanceId"])
            withdrawn_at = time.monotonic()

            left = dict(urls)
            while left:  # under constant requests
                assert time.monotonic() - withdrawn_at < 60, left
                left = {kind: url for kind, url in left.items() if _ids(get(url, headers=page)) & old[kind]}
            statuses = {kind: get(url, headers=page).status for kind, url in urls.items()}
            assert statuses == {"origin": 403, "source": 200, "hidden": 200, "rotated": 401}

            os.killpg(service.webs[0].pid, signal.SIGKILL)
            service.webs[0].wait()
            during_outage = {kind: get(url, headers=page) for kind, url in urls.items()}

    assert [kind for kind, answer in during_outage.items() if _ids(answer) & old[kind]] == []


def _ids(answer: Answer) -> set[str]:
    return {post["id"] for post in answer.json.get("posts", [])} if answer.body.startswith(b"{") else set()


PICTURE = f"{'ab12' * 10}.avif"
PICTURE_BYTES = bytes(range(256)) * 400


@dataclass(frozen=True)
class Raw:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(base: str, path: str, method: str = "GET", **headers: str) -> Raw:
    """A request whose path is sent as it is: urllib would shorten `..`."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": base.removeprefix("http://"), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return Raw(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("changes", [{}, ASK_THE_SERVICE], ids=["alone", "for the service"])
def test_nginx_sends_pictures_and_nothing_else_of_their_folder(
    changes: dict[str, str], tmp_path: Path
) -> None:
    media = tmp_path / "pictures"
    file = media / "ab" / PICTURE
    file.parent.mkdir(parents=True)
    file.write_bytes(PICTURE_BYTES)
    hidden = file.with_name("half.part")
    hidden.write_text("secret content")
    (tmp_path / "other.jpg").write_text("secret content")
    folder = tmp_path / "nginx"
    with (
        running_service(tmp_path, MEDIA_ROOT=str(media), MEDIA_ACCEL_PREFIX="/_media/") as service,
        running_proxy(folder, web_port=service.web_ports[0], media=media, changes=changes) as base,
    ):
        whole = ask(base, f"/media/{PICTURE}", Cookie="sessionid=0123456789abcdef", **{"X-Request-ID": "r-1"})
        assert (whole.status, whole.body) == (200, PICTURE_BYTES)
        assert {name: whole.headers.get(name) for name in PICTURE_HEADERS} == PICTURE_HEADERS
        assert not {"Set-Cookie", "Vary", "X-Accel-Redirect"} & set(whole.headers)

        head = ask(base, f"/media/{PICTURE}", "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(PICTURE_BYTES))

        part = ask(base, f"/media/{PICTURE}", Range="bytes=256-511")
        assert (part.status, part.body) == (206, PICTURE_BYTES[256:512])
        assert part.headers["Content-Range"] == f"bytes 256-511/{len(PICTURE_BYTES)}"
        assert part.headers["Cache-Control"] == PICTURE_HEADERS["Cache-Control"]
        assert ask(base, f"/media/{PICTURE}", Range="bytes=999999-").status == 416
        assert ask(base, f"/media/{PICTURE}", **{"If-None-Match": whole.headers["ETag"]}).status == 304
        assert ("GET picture 200" in service.log()) == bool(changes)

        outside = [
            f"/_media/ab/{PICTURE}", "/_media/", "/_media/ab/", "/media/", "/media/ab/",
            f"/media/ab/{PICTURE}", "/media/half.part", "/_media/ab/half.part", "/media/../other.jpg",
            "/media/..%2fother.jpg", "/media/%2e%2e/other.jpg", "/_media/../other.jpg",
            "/_media/ab/..%2f..%2fother.jpg", "//_media/ab/" + PICTURE, "/%5fmedia/ab/" + PICTURE,
            f"/media/{'0' * 40}.jpg",
        ]  # fmt: skip
        answers = {path: ask(base, path) for path in outside}
        assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(outside, 404)
        assert not [path for path, answer in answers.items() if b"secret content" in answer.body]
        assert answers[f"/media/{'0' * 40}.jpg"].headers["Cache-Control"] == "no-store"

        file.unlink()
        gone = ask(base, f"/media/{PICTURE}")
        assert (gone.status, gone.headers["Cache-Control"]) == (404, "no-store")


PICTURE_HEADERS = {
    "Content-Type": "image/avif",
    "Content-Length": str(len(PICTURE_BYTES)),
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Request-ID": "r-1",
}


def test_a_picture_removed_while_nginx_opens_it_is_not_stored_as_missing(tmp_path: Path) -> None:
    sent = [("X-Accel-Redirect", f"/_media/ab/{PICTURE}"), ("Content-Type", "image/avif")]
    media = tmp_path / "pictures"
    media.mkdir()
    with (
        running_origin() as (origin, port),
        running_proxy(tmp_path / "nginx", web_port=port, media=media) as base,
    ):
        origin.serves(b"", headers=sent)
        gone = ask(base, f"/media/{PICTURE}")

    assert (gone.status, gone.headers["Cache-Control"]) == (404, "no-store")


PUBLIC = [("Cache-Control", "public, max-age=1, stale-while-revalidate=1, stale-if-error=6")]
Read = Callable[..., Answer]


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[Origin, Read, Path]]:
    """A scripted origin, a reader of feeds through the proxy, and the proxy's folder."""
    with running_origin() as (origin, port), running_proxy(tmp_path / "nginx", web_port=port) as base:

        def read(token: str = "t", **headers: str) -> Answer:
            return get(f"{base}{FEED_PATH}?token={token}", headers=headers)

        yield origin, read, tmp_path / "nginx"


def refusal(status: int, lifetimes: str) -> list[tuple[str, str]]:
    """The headers of an answer that must not be cached, in the order in which the service sends them."""
    response = HttpResponse(status=status, headers={"Cache-Control": lifetimes})
    http_caching.replace_kept_posts(response)
    return [(name, value) for name, value in response.items() if name != "Content-Type"]


@pytest.mark.parametrize(
    ("status", "lifetimes"),
    [
        (401, "no-store"),
        (403, "no-store"),
        (404, "no-store"),
        (409, "no-store"),
        (200, "no-store"),
        (200, "private, max-age=60"),
    ],
)
def test_a_refusal_replaces_kept_posts_permanently(
    behind: tuple[Origin, Read, Path], status: int, lifetimes: str
) -> None:
    origin, read, _ = behind
    origin.serves(b"old", headers=PUBLIC)
    assert read().body == b"old"
    origin.serves(b"new", status=status, headers=refusal(status, lifetimes))

    wait_until(lambda: read().body == b"new", 10)
    assert {read().headers["X-Cache"] for _ in range(3)} == {
        "EXPIRED"
    }  # asked each time, never served as kept
    assert "X-Accel-Expires" not in read().headers

    origin.serves(b"", status=503, headers=[("Cache-Control", "no-store")])
    assert (read().status, b"old" in read().body) == (503, False)

    origin.serves(b"again", headers=PUBLIC)
    assert [read().body, read().body] == [b"again"] * 2


def test_the_first_read_after_a_quiet_period_returns_no_withdrawn_posts(
    behind: tuple[Origin, Read, Path],
) -> None:
    origin, read, _ = behind
    origin.serves(b"old", headers=PUBLIC)
    assert read().body == b"old"
    origin.serves(b"no", status=401, headers=[("Cache-Control", "no-store")])
    time.sleep(4)  # the clock of nginx can't be changed, and counts whole seconds

    assert read().status == 401


def test_refusals_of_invented_tokens_are_not_cached(behind: tuple[Origin, Read, Path]) -> None:
    origin, read, folder = behind
    origin.serves(b"no", status=401, headers=refusal(401, "no-store"))

    assert {read(f"junk-{number}").status for number in range(20)} == {401}
    assert [path for path in (folder / "cache").rglob("*") if path.is_file()] == []


def test_kept_posts_are_served_within_the_same_limit_while_the_service_answers_503(
    behind: tuple[Origin, Read, Path],
) -> None:
    origin, read, _ = behind
    origin.serves(b"old", headers=PUBLIC)
    assert read().body == b"old"
    origin.serves(b"details", status=503, headers=[("Cache-Control", "no-store")])

    wait_until(lambda: read().headers.get("X-Cache") == "STALE", 5)
    assert (read().status, read().body) == (200, b"old")
    wait_until(lambda: read().status == 503, 15)
    refused = read(**{"X-Request-ID": "reader-1"})

    assert (refused.json["error"], refused.json["requestId"]) == ("TEMPORARILY_UNAVAILABLE", "reader-1")
    assert (refused.headers["Retry-After"], refused.headers["Cache-Control"]) == ("2", "no-store")
    assert refused.headers["X-Request-ID"] == "reader-1"
    for status in (400, 429):  # these are not outages
        origin.serves(b"own words", status=status, headers=[("Cache-Control", "no-store")])
        assert (read().status, read().body) == (status, b"own words")


def test_simultaneous_requests_reach_the_service_once(behind: tuple[Origin, Read, Path]) -> None:
    origin, read, _ = behind

    def herd() -> tuple[list[str], int]:
        before = origin.calls
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: read(), range(40)))
        assert {answer.body for answer in answers} == {b"posts"}
        return [answer.headers["X-Cache"] for answer in answers], origin.calls - before

    origin.serves(b"posts", headers=[("Cache-Control", "public, max-age=1, stale-while-revalidate=60")])
    assert herd()[1] == 1
    wait_until(lambda: read().headers["X-Cache"] != "HIT", 5)
    wait_until(lambda: read().headers["X-Cache"] == "HIT", 5)  # the update that this started has ended
    origin.gate.clear()
    wait_until(lambda: read().headers["X-Cache"] != "HIT", 5)
    found, calls = herd()  # no request waits for the one under way
    assert (set(found), calls <= 1) == ({"UPDATING"}, True)
