"""The TypeScript client: its types match the schema and the API's answers, and its functions work."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from entitlements.changes import Actor, set_plan
from entitlements.models import Plan
from tests.clients.node import install, run_in
from tests.conftest import Cast
from tests.fakes import FakeProvider, media, video
from venice_api import appearance
from venice_api.models import WidgetInstance

pytestmark = pytest.mark.sqlite_leg
CLIENT = Path(__file__).resolve().parent.parent.parent / "clients" / "typescript"
RECORDED_TYPES = {"feed": "FeedData", "memberFeed": "FeedData", "blocked": "ApiError", "error": "ApiError"}
NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
API = "/v1/integrations/instagram/"


@pytest.fixture(scope="module")
def npm() -> str:
    return install(CLIENT)


def run(*command: str) -> str:
    return run_in(CLIENT, *command)


def recorded(people: Cast, instance: WidgetInstance) -> dict[str, Any]:
    def ask(address: str, body: object = None) -> Any:
        headers = {"X-Request-ID": "recorded"}
        if body is None:
            return people.editor.get(address, headers=headers).json()
        return people.editor.post(
            address, json.dumps(body), content_type="application/json", headers=headers
        ).json()

    set_plan(people.workspace, Plan.objects.get(key="starter"), actor=Actor("test"))
    feed = ask(f"{API}refresh", {"instanceId": instance.pk})
    return {
        "feed": {name: value for name, value in feed.items() if name != "refresh"},
        "memberFeed": ask(f"{API}feed?instanceId={instance.pk}"),
        "blocked": ask(f"{API}refresh", {"instanceId": instance.pk}),
        "error": ask(f"{API}feed?instanceId={instance.pk}&maxPosts=0"),
    }


@pytest.mark.django_db
def test_the_recorded_answers_match_the_api(
    people: Cast,
    make_instance: Any,
    provider: FakeProvider,
    time_machine: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time_machine.move_to(NOW, tick=False)
    monkeypatch.setattr("random.random", lambda: 0.5)  # the jitter of the next refresh
    child = {"id": "9", "media_type": "IMAGE", "media_url": "https://scontent.cdninstagram.com/c.jpg"}
    provider.accounts["acme.bakery"] = [
        media(1, alt_text="A loaf", username="acme.bakery"),
        video(2),
        media(3, media_type="CAROUSEL_ALBUM", children={"data": [child]}),
    ]
    looks = appearance.stored(appearance.Appearance(layout="masonry", header_text="Fresh every day"))
    answers = recorded(people, make_instance(appearance=looks))
    as_json = json.dumps(answers, indent=2) + "\n"
    lines = [
        "// What the API answered, for the type checker. Written by the tests with UPDATE_RECORDED=1.",
        'import type { ApiError, FeedData } from "../src/index.js";',
        *(
            f"export const {name}: {RECORDED_TYPES[name]} = {json.dumps(answer, indent=2)};"
            for name, answer in answers.items()
        ),
    ]
    files = {"recorded.json": as_json, "recorded.ts": "\n\n".join(lines) + "\n"}
    for name, text in files.items():
        path = CLIENT / "test" / name
        if os.environ.get("UPDATE_RECORDED"):
            path.write_text(text)
        assert path.read_text() == text


def test_the_types_match_the_schema(npm: str, tmp_path: Path) -> None:
    run(
        npm,
        "exec",
        "--offline",
        "--",
        "openapi-typescript",
        "../../docs/openapi.json",
        "--output",
        str(tmp_path / "schema.ts"),
    )
    assert (tmp_path / "schema.ts").read_text() == (CLIENT / "src" / "schema.ts").read_text()


def test_the_client_compiles_and_works(npm: str) -> None:
    run(npm, "run", "check")
    assert "# fail 0" in run(npm, "test")


def test_the_examples_in_the_readme_compile(npm: str, tmp_path: Path) -> None:
    examples = re.findall(r"^```ts\n(.*?)^```$", (CLIENT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    for number, example in enumerate(examples):
        (tmp_path / f"example{number}.ts").write_text(example)
    run(npm, "run", "build")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "instagram-feed-client").symlink_to(CLIENT)
    options = "--noEmit --strict --module esnext --moduleResolution bundler --target es2022"
    files = [f"example{number}.ts" for number in range(len(examples))]
    compiler = str(CLIENT / "node_modules" / ".bin" / "tsc")
    run_in(tmp_path, "node", compiler, *options.split(), *files)


def test_the_readme_explains_every_error_and_warning() -> None:
    schemas = json.loads((CLIENT / "../../docs/openapi.json").read_text())["components"]["schemas"]
    codes = schemas["FeedData"]["properties"]["warnings"]["items"]["enum"]
    codes += schemas["Error"]["properties"]["reasonCode"]["enum"]
    # These can't happen with this client, or are results instead of errors.
    unneeded = {"METHOD_NOT_ALLOWED", "REQUEST_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "REFRESH_BLOCKED"}
    codes += set(schemas["Error"]["properties"]["error"]["enum"]) - unneeded
    assert set(codes) <= set(re.findall(r"`([A-Z_]+)`", (CLIENT / "README.md").read_text()))
