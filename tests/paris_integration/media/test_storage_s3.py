"""What only buckets have: bulk removal, pages, headers of objects, and the faults of a server that speaks S3."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.files.storage import storages

from paris_integration.errors import StorageUnavailable
from paris_integration.media import s3, storage
from tests.conftest import run_python
from tests.paris_integration.media.conftest import UseBucket
from tests.processes.buckets import ACCESS_KEY, SECRET_KEY
from tests.processes.service import free_port

NAME = f"{'ab12' * 10}.jpg"
OTHER = f"{'cd34' * 10}.avif"


@pytest.fixture
def bucket(use_bucket: UseBucket, s3_url: str) -> Any:
    """A client of an empty bucket."""
    client = use_bucket(s3_url)
    client.create_bucket(Bucket=name_of_bucket())
    return client


def name_of_bucket() -> str:
    return str(storages["media"].bucket_name)  # type: ignore[attr-defined]


USES: dict[str, Callable[[], object]] = {
    "store": lambda: storage.store(NAME, b"x"),
    "read": lambda: storage.read(NAME),
    "remove": lambda: storage.remove([NAME]),
    "listing": lambda: list(storage.listing()),
    "exists": lambda: storage.exists(NAME),
}


def test_a_bucket_that_does_not_exist_is_unavailable(use_bucket: UseBucket, s3_url: str) -> None:
    use_bucket(s3_url, name="nothing-here")

    for name in ("store", "read", "remove", "listing"):
        with pytest.raises(StorageUnavailable) as caught:
            USES[name]()
        assert str(caught.value) == "no_bucket (NoSuchBucket)", name


def test_objects_have_the_headers_that_browsers_and_cdns_need(bucket: Any) -> None:
    storage.store(NAME, b"x")
    storage.store(OTHER, b"x")
    found = [bucket.head_object(Bucket=name_of_bucket(), Key=storage.key_of(name)) for name in (NAME, OTHER)]

    assert [each["ContentType"] for each in found] == ["image/jpeg", "image/avif"]
    assert {each["CacheControl"] for each in found} == {"public, max-age=31536000, immutable"}
    assert all("ContentEncoding" not in each for each in found)


def test_the_public_url_is_the_objects_place_below_the_configured_one(bucket: Any, settings: Any) -> None:
    assert (storage.has_public_urls(), storage.public_url(NAME)) == (False, None)

    settings.S3_PUBLIC_URL = "https://cdn.example/pictures"

    assert storage.has_public_urls()
    assert storage.public_url(NAME) == f"https://cdn.example/pictures/ab/{NAME}"


def test_listing_reads_page_by_page_and_leaves_out_strange_objects(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"{number:02x}{number:038x}.jpg" for number in range(7)}
    for name in names:
        storage.store(name, b"x")
    for key in ("README", "ab/notes.txt", f"cd/{NAME}", NAME):
        bucket.put_object(Bucket=name_of_bucket(), Key=key, Body=b"x")
    monkeypatch.setattr(s3, "KEYS_PER_PAGE", 3)
    with counted(bucket) as calls:
        listing = storage.listing()
        first = next(listing).name
        assert calls == ["ListObjectsV2"]
        rest = {stored.name for stored in listing}

    assert {first, *rest} == names
    assert calls == ["ListObjectsV2"] * 4


def test_many_files_are_removed_in_few_requests(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number:040x}.jpg" for number in range(5)]
    for name in names:
        storage.store(name, b"x")
    monkeypatch.setattr(s3, "KEYS_PER_REMOVAL", 2)
    with counted(bucket) as calls:
        storage.remove([*names, OTHER])

    assert calls == ["DeleteObjects"] * 3
    assert list(storage.listing()) == []


@contextmanager
def counted(client: Any) -> Iterator[list[str]]:
    """The names of the calls made meanwhile."""
    calls: list[str] = []

    def note(model: Any, **_: object) -> None:
        calls.append(model.name)

    client.meta.events.register("before-call.s3", note)
    try:
        yield calls
    finally:
        client.meta.events.unregister("before-call.s3", note)


def test_threads_share_one_client(bucket: Any) -> None:
    storage.store(NAME, b"x")
    seen = []

    def look() -> None:
        storage.read(NAME)
        seen.append(storages["media"]._client)  # type: ignore[attr-defined]

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, seen))) == 1


@pytest.mark.usefixtures("one_try")
def test_a_server_that_is_away_is_unavailable(use_bucket: UseBucket) -> None:
    use_bucket(f"http://127.0.0.1:{free_port()}")

    for name, use in USES.items():
        with pytest.raises(StorageUnavailable) as caught:
            use()
        assert caught.value.reason == "unreachable", name


Speak = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def speaking(speak: Speak) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every request alike. Yields its URL and the requests."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            speak(self)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refusing(status: int, code: str) -> Speak:
    def speak(handler: BaseHTTPRequestHandler) -> None:
        body = f"<Error><Code>{code}</Code><Message>canary-text</Message></Error>".encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return speak


REFUSALS = [
    (403, "InvalidAccessKeyId", "refused (InvalidAccessKeyId)"),
    (403, "SignatureDoesNotMatch", "refused (SignatureDoesNotMatch)"),
    (403, "AccessDenied", "refused (AccessDenied)"),
    (403, "QuotaExceeded", "full (QuotaExceeded)"),
    (507, "XMinioStorageFull", "full (XMinioStorageFull)"),
    (404, "NoSuchBucket", "no_bucket (NoSuchBucket)"),
    (503, "SlowDown", "unreachable (SlowDown)"),
    (500, "InternalError", "unreachable (InternalError)"),
    (400, "InvalidRequest", "failed (InvalidRequest)"),
    (400, "a sentence with canary-text", "failed"),
]


@pytest.mark.usefixtures("one_try")
def test_refusals_are_named_by_reason_and_code(use_bucket: UseBucket) -> None:
    answers: list[Speak] = []
    with speaking(lambda handler: answers[-1](handler)) as (url, _):
        use_bucket(url)
        for status, code, said in REFUSALS:
            answers.append(refusing(status, code))
            for name in ("read", "listing", "remove"):
                with pytest.raises(StorageUnavailable) as caught:
                    USES[name]()
                assert str(caught.value) == said, name
                storages["media"]._breaker.success()  # type: ignore[attr-defined]


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second try and the pause before it. Clients that exist already keep theirs."""
    monkeypatch.setattr(s3, "TRIES", 1)


def test_a_failed_call_is_tried_once_more(use_bucket: UseBucket) -> None:
    def speak(handler: BaseHTTPRequestHandler) -> None:
        refusing(503 if len(requests) == 1 else 404, "NoSuchKey")(handler)

    with speaking(speak) as (url, requests):
        use_bucket(url)
        assert storage.read(NAME) is None

    assert len(requests) == 2


def test_a_storage_that_hangs_costs_a_bounded_wait_and_then_none_for_a_moment(
    use_bucket: UseBucket, one_try: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "READ_SECONDS", 0.1)
    is_over = threading.Event()
    with speaking(lambda _: bool(is_over.wait(10)) and None) as (url, requests):
        use_bucket(url)
        with pytest.raises(StorageUnavailable, match="unreachable"):
            storage.read(NAME)
        asked = len(requests)
        for _ in range(20):
            with pytest.raises(StorageUnavailable, match="unreachable"):
                storage.read(NAME)
        is_over.set()

    assert (asked, len(requests)) == (1, 1)


def test_reads_of_a_slow_storage_leave_threads_to_others(
    use_bucket: UseBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "READS_AT_ONCE", 2)
    monkeypatch.setattr(s3, "READ_WAIT_SECONDS", 0.01)
    go_on, both = threading.Event(), threading.Barrier(3)

    def speak(handler: BaseHTTPRequestHandler) -> None:
        both.wait(10)
        go_on.wait(10)
        refusing(404, "NoSuchKey")(handler)

    with speaking(speak) as (url, _):
        use_bucket(url)
        readers = [threading.Thread(target=storage.read, args=(NAME,)) for _ in range(2)]
        for reader in readers:
            reader.start()
        both.wait(10)
        with pytest.raises(StorageUnavailable, match="busy"):
            storage.read(NAME)
        go_on.set()
        for reader in readers:
            reader.join()


@pytest.mark.usefixtures("one_try")
def test_a_storage_without_bulk_removal_removes_one_by_one(use_bucket: UseBucket) -> None:
    codes = []

    def speak(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "POST":
            refusing(400, codes[-1])(handler)
        else:
            handler.send_response(204)
            handler.end_headers()

    with speaking(speak) as (url, requests):
        use_bucket(url)
        for code in ("NotImplemented", "MissingContentMD5"):
            codes.append(code)
            storage.remove([NAME, OTHER])

    assert [request.partition(" ")[0] for request in requests] == ["POST", "DELETE", "DELETE"] * 2


def test_a_part_of_a_bulk_removal_that_was_refused_is_reported(use_bucket: UseBucket) -> None:
    def speak(handler: BaseHTTPRequestHandler) -> None:
        body = f"<DeleteResult><Error><Key>{storage.key_of(NAME)}</Key><Code>AccessDenied</Code></Error></DeleteResult>"
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    with speaking(speak) as (url, _):
        use_bucket(url)
        with pytest.raises(StorageUnavailable) as caught:
            storage.remove([NAME, OTHER])

    assert str(caught.value) == "refused (AccessDenied)"


def test_logs_and_errors_contain_no_keys(
    use_bucket: UseBucket, s3_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    texts = []
    for url in (s3_url, f"http://user:canary-password@127.0.0.1:{free_port()}"):
        use_bucket(url)
        for use in USES.values():
            try:
                use()
            except StorageUnavailable as error:
                texts.append(f"{error} {error!r}")

    assert len(texts) == 9
    assert "canary" not in "".join(texts) + caplog.text


def test_keys_stay_out_of_the_log_at_every_level() -> None:
    script = f"""
import django; django.setup()
import logging
from paris_integration.media import storage
try:
    storage.store({NAME!r}, b"x")
except Exception as error:
    logging.getLogger("test").exception("it failed")
"""
    environment = {
        "SECRET_KEY": "s" * 40,
        "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_LEVEL": "DEBUG",
        "MEDIA_STORAGE": "s3",
        "S3_BUCKET": "pictures",
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "S3_ACCESS_KEY_ID": ACCESS_KEY,
        "S3_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    done = run_python("-c", script, env=environment)

    assert "unreachable" in done.stderr
    assert "canary" not in done.stderr
    assert "Signature" not in done.stderr


def test_a_process_that_uses_no_bucket_does_not_import_boto3() -> None:
    script = """
import sys, django; django.setup()
import paris_integration.public
from paris_integration.media import storage
storage.read("x" * 44); storage.read("ab" * 20 + ".jpg")
assert not {"boto3", "botocore", "storages"} & set(sys.modules), "imported"
"""
    environment = {
        "SECRET_KEY": "s" * 40,
        "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = run_python("-c", script, env=environment)

    assert done.returncode == 0, done.stderr
