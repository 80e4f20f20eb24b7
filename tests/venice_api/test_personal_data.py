"""What we hold of an Instagram account, field by field, and when each part is erased.

The table says of every field that can hold text what it is for. A new field must be added to it. A whole account is
then put into the service, and after each way to end it the raw database and the cache are searched for every trace.
"""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.admin.utils import quote
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, models
from django.test import Client
from django.urls import reverse

from entitlements.models import Workspace
from paris_integration import public as paris
from paris_integration.errors import SourceNotFound
from paris_integration.media import copying, storage, sweeping
from paris_integration.models import Connection, Feed, LoginAttempt, Picture
from paris_integration.models.fields import SealedTokenField
from paris_integration.providers.oauth import Account
from paris_integration.retention import expiry
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider, media
from tests.pictures import FakePictureHost, jpeg
from tests.venice_api.test_connect import SECRETS, come_back, connect, meta, order, signed, state_of
from venice_api import embed_tokens, moderation
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
API = "/v1/integrations/instagram/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "revoked")]


class End(Enum):
    """An event that deletes an account's data, or part of it."""

    DISCONNECT = "disconnect"
    PURGE = "purge"
    WIDGET = "the widget is deleted"
    WORKSPACE = "the workspace is deleted"
    META = "Meta's data-deletion callback"


D, P, W, S, M = End

STAYS_CONNECTED = {P: "a purge forgets posts; the account stays connected"}
TYPED = "the customer typed which profile to show, and the widget goes on showing it"
BOOKS = {D: TYPED, P: TYPED}
SETTING = BOOKS | {M: "the setting of a widget that is not connected to the account; its own widgets lose it"}
META_COUNTS = "Meta counts an account's tags for seven days, for all apps together; removed after eight"
META_REFUSED = "what Meta refused is not asked again for a day; then it is removed"
EDITORS_CHOICE = "the editor's choice, for when the account is connected again"

# Fields with data of an Instagram account, the ends after which it may remain, and why.
OF_ACCOUNTS: dict[str, dict[End, str]] = {
    "paris_integration.Connection.account_id": STAYS_CONNECTED,
    "paris_integration.Connection.app_user_id": STAYS_CONNECTED,
    "paris_integration.Connection.username": STAYS_CONNECTED,
    "paris_integration.Connection.token": STAYS_CONNECTED,
    "paris_integration.LoginAttempt.app_user_id": STAYS_CONNECTED,
    "paris_integration.LoginAttempt.accounts": STAYS_CONNECTED,
    "paris_integration.LoginAttempt.token": STAYS_CONNECTED,
    "paris_integration.Feed.source_value": {},
    "paris_integration.Feed.posts_encoded": {},
    "paris_integration.Feed.profile": {},
    "paris_integration.Feed.copies": {},
    "paris_integration.Picture.digest": {},
    "paris_integration.PictureUse.item": {},
    "paris_integration.PictureUse.url": {},
    "paris_integration.PictureUse.file_name": {},
    "paris_integration.PictureUse.copied_name": {},
    "paris_integration.PictureUse.picture": {},
    "paris_integration.UnusedMark.picture": {},
    "names of stored files": {},
    "paris_integration.QuotaWindow.source_value": BOOKS,
    "paris_integration.ForcedRefresh.source_value": BOOKS,
    "paris_integration.HashtagAccount.account_id": dict.fromkeys((D, P, W, S), META_COUNTS),
    "paris_integration.HashtagSearch.account_id": dict.fromkeys((D, P, W, S), META_COUNTS),
    "paris_integration.HashtagRefusal.account_id": dict.fromkeys((D, P, W, S), META_REFUSED),
    "venice_api.WidgetInstance.source_value": SETTING,
    "venice_api.WidgetInstance.hidden_post_ids": {D: EDITORS_CHOICE, P: EDITORS_CHOICE},
    "venice_api.WidgetInstance.pinned_post_ids": {D: EDITORS_CHOICE, P: EDITORS_CHOICE},
    "venice_api.WidgetInstance.approved_post_ids": {D: EDITORS_CHOICE, P: EDITORS_CHOICE},
    "venice_api.WidgetInstance.alt_texts": {D: EDITORS_CHOICE, P: EDITORS_CHOICE},
    # The cache's copies of these rows.
    "cache of WidgetInstance": SETTING,
    "cache": STAYS_CONNECTED,
}

# Fields without data of an Instagram account.
OURS = {  # ids, keys, codes and numbers that we make
    "contenttypes.ContentType": {"app_label", "model"},
    "entitlements.EntitlementChange": {"key", "old_value", "new_value"},
    "entitlements.EntitlementOverride": {"value"},
    "entitlements.MatrixChange": {"cells"},
    "entitlements.Plan": {"key", "name", "billing_code"},
    "entitlements.PlanEntitlement": {"value"},
    "auth.Group": {"name"},
    "auth.Permission": {"name", "codename"},
    "admin.LogEntry": {"object_id", "change_message"},
    "paris_integration.AuditEvent": {"instance_id", "reason", "note"},
    "paris_integration.ConnectLink": {"code_hash", "instance_id"},
    "paris_integration.Connection": {"scopes", "cause"},
    "paris_integration.GraphVersion": {"version", "answered_as"},
    "paris_integration.ConnectionLink": {"instance_id"},
    "paris_integration.DailyUsage": {
        "feed_requests", "automatic_refreshes", "forced_refreshes", "blocked_refreshes", "provider_errors",
    },
    "paris_integration.DeletionRequest": {"code", "login", "signature_hash"},
    "paris_integration.ErasedInstance": {"instance_id"},
    "paris_integration.Feed": {"instance_id", "data_warnings", "fault_detail", "fence", "pictures_reach"},
    "paris_integration.ForcedRefresh": {"instance_id", "fault", "fence"},
    "paris_integration.HashtagNumber": {"tag", "number"},
    "paris_integration.HashtagRefusal": {"tag"},
    "paris_integration.HashtagSearch": {"tag"},
    "paris_integration.LimitsChange": {"workspace_ids"},
    "paris_integration.LoginAttempt": {"state_hash", "instance_id", "redirect_uri", "scopes"},
    "paris_integration.Pause": {"instance_id"},
    "paris_integration.Picture": {"placeholder", "sizes", "stored_bytes"},  # removed with the picture
    "paris_integration.PictureStore": {"stored_bytes"},
    "paris_integration.PictureUse": {"reason"},
    "paris_integration.PersonFence": {"person_hash"},  # hashed with our key, kept for two hours
    # Written by Meta's callback, and deleted as soon as all is erased; after a fault, within an hour.
    "paris_integration.UnfinishedErasure": {"person_hash", "account_ids", "usernames", "instance_ids"},
    "outbox.Mail": {"kind", "fault"},
    "paris_integration.ProviderWindow": {"credential"},
    "paris_integration.QuotaWindow": {"instance_id"},
    "paris_integration.RefreshReceipt": {"instance_id", "key"},
    "venice_api.DailyReads": {"reads"},
    "venice_api.PageSighting": {"host"},  # the publisher's site
    "venice_api.WidgetInstance": {"id", "allowed_origins", "appearance"},
}  # fmt: skip
PEOPLE = {  # who uses the service: editors and staff
    "account.EmailAddress": {"email"},
    "account.EmailConfirmation": {"key"},  # unused: confirmations are signed links
    "entitlements.Invitation": {"email", "inviter", "secret_hash"},
    "mfa.Authenticator": {"data"},  # encrypted
    "outbox.Mail": {"recipient"},
    "usersessions.UserSession": {"ip", "session_key", "user_agent", "data"},
    "auth.User": {"password", "username", "first_name", "last_name", "email"},
    "axes.AccessAttempt": {
        "user_agent", "ip_address", "username", "http_accept", "path_info", "get_data", "post_data",
    },
    "axes.AccessFailureLog": {"user_agent", "ip_address", "username", "http_accept", "path_info"},
    "axes.AccessLog": {"user_agent", "ip_address", "username", "http_accept", "path_info", "session_hash"},
    "entitlements.EntitlementChange": {"actor"},
    "entitlements.MatrixChange": {"actor"},
    "paris_integration.AuditEvent": {"actor", "user_id"},
    "paris_integration.ConnectLink": {"user_id", "creator"},
    "paris_integration.ForcedRefresh": {"user_id", "username"},
    "paris_integration.LoginAttempt": {"user_id", "session_hash"},
    "paris_integration.RefreshReceipt": {"user_id"},
    "sessions.Session": {"session_key", "session_data"},
}  # fmt: skip
WORDS = {  # names and notes that editors and staff write
    # Notices about a connection name its account, and wait a day for the mail server at most.
    "outbox.Mail": {"subject", "text", "html"},
    "admin.LogEntry": {"object_repr"},
    "entitlements.EntitlementChange": {"subject", "note"},
    "entitlements.EntitlementOverride": {"note"},
    "entitlements.Workspace": {"name"},
    "venice_api.WidgetInstance": {"name", "required_words", "excluded_words"},
}
# Columns that no model uses any more. The previous release may still write to them.
FORGOTTEN_COLUMNS = {"paris_integration_refreshreceipt.answer"}

_HOLD_NO_TEXT = (
    models.AutoField,
    models.BooleanField,
    models.DateField,
    models.FloatField,
    models.ForeignKey,
    models.SmallIntegerField,
    models.PositiveIntegerField,
    models.UUIDField,
)


def fields_to_classify() -> set[str]:
    """Every field of every model that can hold a text, bytes, JSON, or a number as long as an account's id."""
    return {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if not isinstance(field, _HOLD_NO_TEXT) and not field.choices
    }


def test_every_field_is_classified() -> None:
    classified = {name for name in OF_ACCOUNTS if "." in name}
    for group in (OURS, PEOPLE, WORDS):
        names = {f"{label}.{name}" for label, found in group.items() for name in found}
        assert not classified & names
        classified |= names
    with_choices = {
        "paris_integration.DeletionRequest.login",
        "paris_integration.PictureUse.picture",
        "paris_integration.UnusedMark.picture",
    }
    assert fields_to_classify() - classified == set(), "say in the table what these fields hold"
    assert classified - fields_to_classify() <= with_choices, (
        "these fields are gone: take them out of the table"
    )


def test_every_column_belongs_to_a_field() -> None:
    known = {
        f"{model._meta.db_table}.{field.column}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
    }
    with connection.cursor() as cursor:
        found = {
            f"{table}.{column.name}"
            for table in connection.introspection.table_names(cursor)
            if table != "django_migrations"
            for column in connection.introspection.get_table_description(cursor, table)
        }
    assert found - known == FORGOTTEN_COLUMNS


# The account, as it appears at Meta.

ACCOUNT_ID = "17841499900000001"
APP_USER_ID = "28970000000000001"  # as FakeLogins answers
USERNAME = "canary.bakery"
POSTS = [
    media(
        number,
        id=f"1790009990000{number:04d}",
        caption=f"canarycaption {number}",
        media_url=f"https://scontent.cdninstagram.com/canarypicture{number}.jpg",
        permalink=f"https://www.instagram.com/p/canarylink{number}/",
    )
    for number in range(3)
]
TRACES = (
    ACCOUNT_ID, APP_USER_ID, USERNAME, "1790009990000", "canarycaption", "canarypicture", "canarylink", "canaryface",
    "token-for-",
)  # fmt: skip


@pytest.fixture
def account(
    people: Cast,
    desk: Client,
    make_instance: Any,
    provider: FakeProvider,
    logins: FakeLogins,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    host: FakePictureHost,
    folder: Path,
    act: Any,
) -> WidgetInstance:
    """A widget that reads with the account, with all data that the service can store about it."""
    settings.INSTAGRAM_APP_SECRET, settings.FACEBOOK_APP_SECRET = SECRETS["instagram"], SECRETS["facebook"]
    settings.PUBLIC_MODE_ACCESS_TOKEN = ""
    provider.accounts[USERNAME] = POSTS
    provider.tags["bread"] = "17843800000000001"
    number_of, fetch = provider.find_hashtag_id, provider.fetch

    def refuse_one(account_id: str, tag: str, token: Any, **options: Any) -> str:
        if tag == "refused":
            raise SourceNotFound(code=100)
        return number_of(account_id, tag, token, **options)

    monkeypatch.setattr(provider, "find_hashtag_id", refuse_one)
    profile = {
        "username": USERNAME,
        "profile_picture_url": "https://scontent.cdninstagram.com/canaryface.jpg",
    }
    monkeypatch.setattr(provider, "fetch", lambda *a, **k: replace(fetch(*a, **k), profile=profile))
    logins.accounts = (Account(ACCOUNT_ID, USERNAME),)
    instance: WidgetInstance = make_instance(source_value=USERNAME)
    key = from_row(instance).feed_key()

    log_in(people, instance, "1", act)
    assert len(read(instance).json()["posts"]) == 3
    assert len(forced(people, instance).json()["posts"]) == 3
    for tag in ("bread", "refused"):
        source = paris.Source(paris.SourceType.HASHTAG, tag)
        paris.read_feed(replace(key, source=source), paris.Selection(max_posts=3), now=NOW, is_preview=True)
    hidden = {"post": POSTS[0]["id"], "act": "hide"}
    assert act(people.editor.post, f"/editor/{instance.pk}/posts/", hidden).status_code == 302
    for marked in (moderation.Act.PIN, moderation.Act.APPROVE):
        act(moderation.moderate, instance.pk, marked, [POSTS[1]["id"]])
    act(moderation.set_alt_text, instance.pk, POSTS[1]["id"], f"A loaf by {USERNAME}")
    logins.accounts = (Account(ACCOUNT_ID, USERNAME), Account("2", "another.shop"))
    log_in(people, instance, "2", act)
    paris.pause(key, until=NOW + timedelta(hours=1), actor=paris.SERVICE, now=NOW, note="")
    assert read(instance).status_code == 200
    copy_pictures(host)
    return instance


def copy_pictures(host: FakePictureHost) -> None:
    names = (*(f"canarypicture{number}" for number in range(3)), "canaryface")
    host.files = {f"/{name}.jpg": jpeg(number) for number, name in enumerate(names)}
    for feed_id in Feed.objects.values_list("pk", flat=True):
        copying.copy_pictures(feed_id)


def log_in(people: Cast, instance: WidgetInstance, code: str, act: Any) -> Any:
    begun = connect(people.editor, instance, login="facebook")
    return act(come_back, people.editor, "callback/facebook", code=code, state=state_of(begun))


def read(instance: WidgetInstance) -> Any:
    return Client().get(f"{API}feed?token={embed_tokens.issue(instance.pk, instance.token_version)}")


def forced(people: Cast, instance: WidgetInstance) -> Any:
    return people.editor.post(
        f"{API}refresh", {"instanceId": instance.pk}, content_type="application/json",
        headers={"Idempotency-Key": "click-1"},
    )  # fmt: skip


def end_it(end: End, people: Cast, desk: Client, instance: WidgetInstance) -> None:
    if end is D:
        body = {"instanceId": instance.pk}
        done = people.editor.post(f"{API}disconnect", body, content_type="application/json")
    elif end is P:
        done = desk.post(f"/admin/venice_api/widgetinstance/{quote(instance.pk)}/purge/", {"note": "x"})
    elif end is W:
        done = people.editor.post(f"/editor/{instance.pk}/delete/")
    elif end is S:
        url = reverse("admin:entitlements_workspace_delete", args=[instance.workspace_id])
        done = desk.post(url, {"post": "yes"})
    else:
        done = meta(Client(), "facebook/data-deletion", signed(order(APP_USER_ID), SECRETS["facebook"]))
    assert done.status_code in (200, 302), done.content


def try_to_bring_it_back(people: Cast, instance: WidgetInstance, choice: str, act: Any) -> None:
    """What a user with the pages still open can do: repeat the click, read, choose the account."""
    for answer in (act(forced, people, instance), act(read, instance)):
        assert not answer.json().get("posts")
    act(people.editor.post, choice, {"account": ACCOUNT_ID})
    act(people.editor.get, f"/editor/{instance.pk}/")


@pytest.mark.parametrize("end", End)
def test_only_the_fields_listed_in_the_table_survive(
    people: Cast,
    desk: Client,
    account: WidgetInstance,
    make_instance: Any,
    settings: Any,
    host: FakePictureHost,
    act: Any,
    end: End,
) -> None:
    if end is M:  # another workspace's widget shows the account in public mode
        elsewhere = Workspace.objects.get(name="Other Studio")
        settings.PUBLIC_MODE_ACCESS_TOKEN = "operator-token-for-tests"
        assert len(read(make_instance(workspace=elsewhere, source_value=USERNAME)).json()["posts"]) == 3
        settings.PUBLIC_MODE_ACCESS_TOKEN = ""
        copy_pictures(host)
    sealed = sealed_tokens() | digests_of_pictures()
    before = traces(sealed)
    assert before == set(OF_ACCOUNTS), "the account is not where the table says it is"
    choice = reverse("connect-choose", args=[LoginAttempt.objects.get(token__isnull=False).pk])

    act(end_it, end, people, desk, account)
    if end is not P:
        try_to_bring_it_back(people, account, choice, act)

    sweeping.remove_unused()
    may_survive = {field for field, ends in OF_ACCOUNTS.items() if end in ends}
    assert traces(sealed) <= may_survive
    assert Connection.objects.exists() is (end is P)
    if end is M:
        account.refresh_from_db()
        assert account.source_value == ""


@pytest.mark.parametrize("end", [W, S])
def test_nothing_is_left_after_all_retention_periods(
    people: Cast, desk: Client, account: WidgetInstance, act: Any, end: End
) -> None:
    sealed = sealed_tokens() | digests_of_pictures()
    act(end_it, end, people, desk, account)
    sweeping.remove_unused()
    expiry.remove_expired(now=NOW + timedelta(days=9))
    assert traces(sealed) == set()


# Searching


def sealed_tokens() -> set[bytes]:
    """The sealed tokens as stored in the database: no other value shows whether one still exists."""
    return {
        value.raw
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedTokenField)
        for value in model._default_manager.values_list(field.name, flat=True)
        if value is not None
    }


def digests_of_pictures() -> set[bytes]:
    return {digest.encode() for digest in Picture.objects.values_list("pk", flat=True)}


def traces(sealed: set[bytes]) -> set[str]:
    """Where any data of the account is found, by the names used in the table."""
    wanted = {trace.encode() for trace in TRACES} | sealed
    found = {
        name
        for name, value in (*values_of_database(), *values_of_cache(), *names_of_files())
        for trace in wanted
        if trace in value
    }
    for session in Session.objects.all():
        text = json.dumps(session.get_decoded()).encode()
        assert not any(trace in text for trace in wanted)
    return found


def values_of_database() -> Iterator[tuple[str, bytes]]:
    """Every value of every column of every table, as it is stored."""
    names = {
        (model._meta.db_table, field.column): f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
    }
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - a table of ours
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield names.get((table, column), f"{table}.{column}"), as_bytes(value)


def as_bytes(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return (json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)).encode()


def values_of_cache() -> Iterator[tuple[str, bytes]]:
    for value in (redis_values if django_settings.REDIS_URL else file_values)():
        yield ("cache of WidgetInstance" if b"hidden_post_ids" in value else "cache"), value


def names_of_files() -> Iterator[tuple[str, bytes]]:
    for file in storage.listing():
        yield "names of stored files", file.name.encode()


def redis_values() -> Iterator[bytes]:
    client = cache._cache.get_client(None)
    for key in client.scan_iter(f"{django_settings.NAMESPACE}*"):
        yield client.get(key) or b""


def file_values() -> Iterator[bytes]:
    for name in cache._list_cache_files():
        with Path(name).open("rb") as file:
            pickle.load(file)  # noqa: S301 - the time it ends, written by this very test
            yield zlib.decompress(file.read())
