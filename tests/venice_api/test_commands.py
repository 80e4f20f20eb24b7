"""The operator's commands for widgets: JSON on stdout, and clear errors that write nothing."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api import embed_tokens
from venice_api.models import ID_PREFIX, WidgetInstance

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(*arguments, stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_create_instance_prints_what_embedding_needs(people: Cast, provider: FakeProvider) -> None:
    made = run(
        "create_instance", "--workspace", str(people.workspace.pk), "--profile", " @Acme.Bakery ",
        "--max-posts", "2", "--filter", "photo", "--hide", "1", "2", "--hide", "3",
        "--allowed-origin", "https://shop.example/", "HTTPS://Blog.example:443",
    )  # fmt: skip

    assert set(made) == {"instanceId", "workspaceId", "embedToken", "source"}
    assert made["instanceId"].startswith(ID_PREFIX)
    assert made["source"] == {"type": "profile", "value": "acme.bakery"}
    row = WidgetInstance.objects.get(pk=made["instanceId"])
    assert (row.max_posts, row.filter_type, row.hidden_post_ids) == (2, "image", ["1", "2", "3"])
    assert row.allowed_origins == ["https://shop.example", "https://blog.example"]
    feed = Client().get(f"/v1/integrations/instagram/feed?token={made['embedToken']}")
    assert len(feed.json()["posts"]) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--profile", "a..b"], "source_value"),
        (["--hashtag", "no spaces here"], "source_value"),
        (["--profile", "a", "--max-posts", "0"], "maxPosts"),
        (["--profile", "a", "--max-posts", "many"], "maxPosts"),
        (["--profile", "a", "--filter", "gif"], "filterType"),
        (["--profile", "a", "--allowed-origin", "shop.example"], "allowed_origins"),
        (["--profile", "a", "--allowed-origin", "https://shop.example/path"], "allowed_origins"),
        (["--profile", "a", "--allowed-origin", "https://*.example"], "allowed_origins"),
        (["--profile", "a", "--hashtag", "b"], "--hashtag"),
        ([], "--profile"),
    ],
)
def test_create_instance_names_the_invalid_option(people: Cast, arguments: list[str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        run("create_instance", "--workspace", str(people.workspace.pk), *arguments)
    assert not WidgetInstance.objects.exists()


@pytest.mark.parametrize("workspace", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_create_instance_needs_a_workspace(db: None, workspace: str) -> None:
    with pytest.raises(CommandError, match="--workspace"):
        run("create_instance", "--workspace", workspace, "--profile", "a")


def test_rotating_revokes_the_old_token(
    make_instance: Any, provider: FakeProvider, django_capture_on_commit_callbacks: Any
) -> None:
    instance = make_instance()
    old = embed_tokens.issue(instance.pk, 1)

    def status(token: str) -> int:
        return Client().get(f"/v1/integrations/instagram/feed?token={token}").status_code

    assert status(old) == 200
    with django_capture_on_commit_callbacks(execute=True):
        answer = run("rotate_embed_token", instance.pk)

    assert set(answer) == {"instanceId", "embedToken"}
    assert (status(old), status(answer["embedToken"])) == (401, 200)


def test_rotating_an_unknown_instance(db: None) -> None:
    with pytest.raises(CommandError, match="wgt_none"):
        run("rotate_embed_token", "wgt_none")


def test_create_staff() -> None:
    made = run("create_staff", "robin", "--email", "Robin@Feeds.example", "--role", "Support", "Plan editors")
    robin = User.objects.get()
    assert made == {
        "username": "robin",
        "email": "robin@feeds.example",
        "roles": ["Plan editors", "Support"],
        "superuser": False,
        "password": made["password"],
    }
    assert robin.check_password(made["password"])
    assert (robin.is_staff, robin.is_superuser) == (True, False)


def test_create_staff_promotes_an_account_and_keeps_its_password() -> None:
    User.objects.create_user("robin", "robin@feeds.example", "the-old-one")
    made = run("create_staff", "robin", "--superuser")
    robin = User.objects.get()
    assert "password" not in made
    assert made["superuser"] is True
    assert robin.check_password("the-old-one")
    assert (robin.is_staff, robin.is_superuser, robin.email) == (True, True, "robin@feeds.example")
    run("create_staff", "robin", "--password", "the-new-one")
    robin.refresh_from_db()
    assert robin.check_password("the-new-one")
    assert robin.is_superuser


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("robin", "--role", "King"), "--role: there is no role 'King'. Roles: First-line support, Plan"),
        (("robin", "--email", "x"), "--email: 'x' is not an email address."),
        (("robin", "--password", ""), "--password: must not be empty."),
        (("", "--superuser"), "USERNAME: must have 1 to 150 characters."),
        (("no spaces", "--superuser"), "USERNAME: Enter a valid username."),
    ],
)
def test_a_wrong_argument_creates_no_staff(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError) as refused:
        run("create_staff", *arguments)
    assert str(refused.value).startswith(words)
    assert not User.objects.exists()
