"""Two hosts, each with a web process and a worker, that share a database, Redis and a bucket, but no folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from instagram_standin import media
from tests.marks import needs_postgres, needs_redis
from tests.pictures import jpeg
from tests.processes.buckets import ACCESS_KEY, SECRET_KEY, s3_server
from tests.processes.service import Service, get, running_service, wait_until

pytestmark = [pytest.mark.processes, needs_postgres, needs_redis]

BUCKET = "pictures"
QUEUES = "celery,refreshes,pictures"
DELETE = (
    "from venice_api.models import WidgetInstance; WidgetInstance.objects.get(pk='{instance_id}').delete()"
)


@contextmanager
def on_host(service: Service, folder: Path) -> Iterator[None]:
    """Processes started in the block have this folder for all that they keep on disk."""
    before = dict(service.environment)
    folder.mkdir(exist_ok=True)
    service.environment |= {"VAR_DIR": str(folder / "var"), "MEDIA_ROOT": str(folder / "media")}
    try:
        yield
    finally:
        service.environment = before


def copied_pictures(service: Service, token: str) -> list[str]:
    """The paths of the pictures, once all have copies."""

    def links() -> list[str]:
        posts = service.read(token).json["posts"]
        return [size["url"] for post in posts for size in post.get("sizes", {}).values()]

    def are_all_copied() -> bool:
        time.sleep(0.5)  # leaves the processor to the worker
        posts = service.read(token).json["posts"]
        return bool(posts) and all("sizes" in post for post in posts)

    wait_until(are_all_copied, 120)
    return ["/" + link.split("/", 3)[3] for link in links()]


def statuses(service: Service, paths: list[str]) -> list[set[int]]:
    """What each web process answers for the pictures."""
    return [{get(f"http://127.0.0.1:{port}{path}").status for path in paths} for port in service.web_ports]


def test_pictures_copied_on_one_host_are_served_and_removed_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, scene in enumerate(media.PICTURES):
        monkeypatch.setitem(media.PICTURES, scene, jpeg(number))  # quickly converted
    hosts = [tmp_path / "one", tmp_path / "two"]
    with s3_server() as endpoint:
        bucket: Any = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        )  # fmt: skip
        bucket.create_bucket(Bucket=BUCKET)
        settings = {
            "MEDIA_COPIES": "true", "PICTURE_THREADS": "0", "MEDIA_STORAGE": "s3", "S3_ENDPOINT_URL": endpoint,
            "S3_BUCKET": BUCKET, "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY_ID": ACCESS_KEY, "S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }  # fmt: skip
        with running_service(tmp_path, webs=0, **settings) as service:
            for host in hosts:
                with on_host(service, host):
                    service.start_web()
            workspace = service.workspace()
            widgets = [
                service.instance(workspace, name, "--max-posts", "2")
                for name in ("tiny.studio", "acme.bakery")
            ]
            paths = []
            for host, widget in zip(hosts, widgets, strict=True):
                with on_host(service, host):
                    worker = service.start_worker(queues=QUEUES)
                paths.append(copied_pictures(service, widget["embedToken"]))
                worker.end()  # the next pictures are the other worker's
            assert statuses(service, paths[0] + paths[1]) == [{200}, {200}]

            removed = sorted(set(paths[0]) - set(paths[1]))  # feeds that show the same file share it
            assert removed
            service.manage("shell", "-v", "0", "-c", DELETE.format(instance_id=widgets[0]["instanceId"]))
            with on_host(service, hosts[1]):
                worker = service.start_worker(queues=QUEUES)
                service.start_beat()
            wait_until(lambda: statuses(service, removed) == [{404}, {404}], 60)
            assert statuses(service, paths[1]) == [{200}, {200}]
            kept = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
            assert {entry["Key"].rpartition("/")[2] for entry in kept} >= {
                path.rpartition("/")[2] for path in paths[1]
            }
            assert not any(path.rpartition("/")[2] in str(kept) for path in removed)
            assert "Traceback" not in service.log()
        assert [list(host.rglob("*.jpg")) for host in hosts] == [[], []]
