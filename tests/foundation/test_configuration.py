"""Invalid or dangerous settings prevent the start and are named. Secrets can be read from files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from foundation.environment import parse_encryption_keys, with_password, with_secret_files
from foundation.logs import JsonFormatter, RedactionFilter, redact
from foundation.redis_urls import sentinels_of
from tests.conftest import run_python

GOOD_KEY = "A" * 43 + "="
OTHER_KEY = "B" * 42 + "A="
GOOD = {"SECRET_KEY": "s" * 40, "TOKEN_ENCRYPTION_KEYS": GOOD_KEY, "DEBUG": ""}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 40}, "SECRET_KEY"),
        ({"TOKEN_ENCRYPTION_KEYS": ""}, "TOKEN_ENCRYPTION_KEYS"),
        ({"TOKEN_ENCRYPTION_KEYS": "too-short"}, "TOKEN_ENCRYPTION_KEYS"),
        ({"TOKEN_ENCRYPTION_KEYS": f"{GOOD_KEY},x"}, "TOKEN_ENCRYPTION_KEYS"),
        ({"PROVIDER_TIMEOUT_SECONDS": "0"}, "PROVIDER_TIMEOUT_SECONDS"),
        ({"PROVIDER_TIMEOUT_SECONDS": "soon"}, "PROVIDER_TIMEOUT_SECONDS"),
        ({"FACEBOOK_GRAPH_URL": "graph"}, "FACEBOOK_GRAPH_URL"),
        ({"PUBLIC_BASE_URL": "feeds.example"}, "PUBLIC_BASE_URL"),
        ({"SECRET_KEY_FILE": "/nowhere", "SECRET_KEY": ""}, "SECRET_KEY_FILE"),
        ({"META_GRAPH_VERSION": "26"}, "META_GRAPH_VERSION"),
        ({"SECRET_KEY_FALLBACKS": f"{'o' * 40},short"}, "SECRET_KEY_FALLBACKS"),
        ({"SECRET_KEY_FALLBACKS": "django-insecure-" + "x" * 40}, "SECRET_KEY_FALLBACKS"),
        ({"BROKER_URL": "carrier-pigeon://canary"}, "BROKER_URL"),
        ({"DATABASE_URL": "postgres://db/feeds", "DATABASE_POOL_SIZE": "-1"}, "DATABASE_POOL_SIZE"),
        ({"BROKER_URL": "amqp://feeds:canary@broker:port//"}, "BROKER_URL"),
        ({"BROKER_URL": "sentinel://:canary@one:26379/0"}, "BROKER_URL"),
        ({"REDIS_URL": "redis+sentinel://:canary@one,two/0"}, "REDIS_URL: ?service= is missing"),
        ({"PUBLIC_MODE_IG_USER_ID": "acme", "PUBLIC_MODE_ACCESS_TOKEN": "canary"}, "PUBLIC_MODE_IG_USER_ID"),
    ],
)
def test_an_invalid_setting_is_named_at_startup(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    done = run_python("manage.py", "check", env={**GOOD, "VAR_DIR": str(tmp_path), **changes})

    assert done.returncode != 0
    assert named in done.stderr.strip().splitlines()[-1] + done.stderr
    assert "canary" not in done.stderr
    assert GOOD_KEY not in done.stderr


def test_valid_settings_start_also_with_secrets_in_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("$ecret" + "x" * 40 + "\n")
    environment = {**GOOD, "SECRET_KEY": "", "SECRET_KEY_FILE": str(secret), "VAR_DIR": str(tmp_path)}

    assert run_python("manage.py", "check", env=environment).returncode == 0


def test_embed_tokens_stay_valid_after_a_rotation_of_the_secret_key(tmp_path: Path) -> None:
    script = "import sys, config.wsgi; from venice_api.embed_tokens import issue, verify; "
    old = {**GOOD, "VAR_DIR": str(tmp_path)}
    token = run_python("-c", script + "print(issue('wgt_1', 3))", env=old).stdout.split()[-1]
    kept = tmp_path / "old-keys"
    kept.write_text("o" * 40 + "\n" + GOOD["SECRET_KEY"] + "\n")
    new = {**old, "SECRET_KEY": "n" * 40}
    verify = ("-c", script + "print(verify(sys.argv[1])); print(issue('wgt_1', 3))", token)
    with_fallbacks = run_python(*verify, env={**new, "SECRET_KEY_FALLBACKS_FILE": str(kept)})

    assert "wgt_1" in with_fallbacks.stdout
    assert with_fallbacks.stdout.split()[-1] != token
    assert "InvalidEmbedToken" in run_python(*verify, env=new).stderr


def test_fallbacks_are_separated_by_commas_or_lines(tmp_path: Path) -> None:
    keys = ["a" * 40, "b" * 40, "$" + "c" * 40]
    given = f"{keys[0]}, {keys[1]},\n{keys[2]}\n"

    assert settings_of(tmp_path, "SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS=given) == [keys]


def settings_of(tmp_path: Path, *names: str, **environment: str) -> list[Any]:
    """The settings of a process with this environment."""
    ask = f"import config.settings as s, json; print(json.dumps([getattr(s, n) for n in {names!r}]))"
    done = run_python("-c", ask, env={**GOOD, "VAR_DIR": str(tmp_path), **environment})
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


REDIS = "redis://cache:6379/0"
FOLDERS = {"control_folder", "data_folder_in", "data_folder_out", "polling_interval"}
OF_REDIS = {
    "global_keyprefix", "visibility_timeout", "socket_connect_timeout", "socket_timeout", "health_check_interval",
}  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "broker", "options"),
    [
        ({}, "filesystem://localhost//", FOLDERS),
        ({"REDIS_URL": REDIS}, REDIS, OF_REDIS),
        ({"REDIS_URL": REDIS, "BROKER_URL": "amqp://feeds:pw@broker//"}, "amqp://feeds:pw@broker//", set()),
        ({"BROKER_URL": "memory://"}, "memory://", set()),
        ({"BROKER_URL": "rediss://broker/1"}, "rediss://broker/1", OF_REDIS),
    ],
)
def test_the_broker_is_redis_unless_another_is_named(
    tmp_path: Path, environment: dict[str, str], broker: str, options: set[str]
) -> None:
    names = ("CELERY_BROKER_URL", "CELERY_BROKER_TRANSPORT_OPTIONS", "REDIS_URL")
    url, found, redis_url = settings_of(tmp_path, *names, **environment)

    assert (url, set(found), redis_url) == (broker, options, environment.get("REDIS_URL", ""))


def test_a_broker_over_tls_is_verified_like_the_cache(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "CELERY_BROKER_USE_SSL", REDIS_URL="rediss://cache/0") == [
        {"ssl_cert_reqs": 2}
    ]
    for url in (REDIS, "rediss://cache/0?ssl_cert_reqs=none"):
        assert settings_of(tmp_path, "CELERY_BROKER_USE_SSL", REDIS_URL=url) == [None]


SENTINELS = "redis+sentinel://:p%40ss@one,two:26380/2?service=feeds&sentinel_password=canary"


def test_sentinels_have_one_url_for_cache_and_broker(tmp_path: Path) -> None:
    file = tmp_path / "broker"
    file.write_text(SENTINELS + "\n")
    script = """
import config.settings as s, json
options = s.CELERY_BROKER_TRANSPORT_OPTIONS
kept = {key: value for key, value in options["sentinel_kwargs"].items() if key != "retry"}
print(json.dumps([s.CELERY_BROKER_URL, s.CELERY_BROKER_USE_SSL, options["master_name"], kept]))
"""
    for given in ({"REDIS_URL": SENTINELS}, {"REDIS_URL": REDIS, "BROKER_URL_FILE": str(file)}):
        done = run_python("-c", script, env={**GOOD, "VAR_DIR": str(tmp_path), **given})
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [
            "sentinel://:p%40ss@one:26379/2;sentinel://:p%40ss@two:26380/2",
            None,
            "feeds",
            {"socket_connect_timeout": 1, "socket_timeout": 1, "username": None, "password": "canary"},
        ]


def test_celery_uses_the_translated_url_whatever_the_environment_has(tmp_path: Path) -> None:
    ask = (
        "from config.celery import app; print(app.connection_for_read().as_uri(), app.connection().as_uri())"
    )
    # As the `celery` command sets it from BROKER_URL.
    environment = {**GOOD, "VAR_DIR": str(tmp_path), "BROKER_URL": SENTINELS, "CELERY_BROKER_URL": SENTINELS}
    done = run_python("-c", ask, env=environment)

    assert done.stdout.split() == ["sentinel://:**@one:26379/2"] * 2, done.stderr


def test_passwords_of_stores_may_be_separate_settings(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd%$x\n")
    stores = {"DATABASE_URL": "postgres://feeds@db:5432/feeds", "REDIS_URL": "redis://cache:6379/0"}
    given = {"DATABASE_PASSWORD_FILE": str(file), "REDIS_PASSWORD_FILE": str(file)}
    databases, caches, broker = settings_of(
        tmp_path, "DATABASES", "CACHES", "CELERY_BROKER_URL", **stores, **given
    )

    assert (databases["default"]["USER"], databases["default"]["PASSWORD"]) == ("feeds", "p@ss/w:rd%$x")
    assert caches["default"]["LOCATION"] == broker == "redis://:p%40ss%2Fw%3Ard%25%24x@cache:6379/0"


def test_a_password_in_the_url_is_kept(tmp_path: Path) -> None:
    url = "redis://:inside@cache:6379/0"
    assert settings_of(tmp_path, "REDIS_URL", REDIS_URL=url, REDIS_PASSWORD="beside") == [url]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache:6379/0", "redis://:p%40s%3A@cache:6379/0"),
        ("redis://feeds@cache", "redis://feeds:p%40s%3A@cache"),
        ("redis://feeds:@cache/0", "redis://feeds:@cache/0"),
        ("redis://:6379/0", "redis://:6379/0"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("sqlite:////srv/db.sqlite3", "sqlite:////srv/db.sqlite3"),
        ("postgres://feeds@[::1]:5432/feeds", "postgres://feeds:p%40s%3A@[::1]:5432/feeds"),
        ("redis+sentinel://one,[::1]:2/4?service=a", "redis+sentinel://:p%40s%3A@one,[::1]:2/4?service=a"),
        (
            "redis+sentinel://f@[::1]:1,[::2]/4?service=a",
            "redis+sentinel://f:p%40s%3A@[::1]:1,[::2]/4?service=a",
        ),
        ("", ""),
    ],
)
def test_where_a_password_is_put(monkeypatch: pytest.MonkeyPatch, url: str, expected: str) -> None:
    def refuse_several_hosts(netloc: str) -> None:
        """As newer versions of Python do if one of them is an IPv6 address."""
        if "," in netloc and "[" in netloc:
            raise ValueError("Invalid IPv6 URL")

    monkeypatch.setattr("urllib.parse._checknetloc", refuse_several_hosts)
    assert with_password(url, "p@s:") == expected
    if "sentinel" in url:
        sentinels = sentinels_of(expected)
        assert sentinels is not None
        assert (sentinels.password, len(sentinels.addresses)) == ("p@s:", 2)


PRODUCTION = {
    "SECRET_KEY": "q7J2kd0-Zx8vPw_3mRt5yUb9nLc4sHgE6aTfVoXi1uBCDMNQkWy",
    "TOKEN_ENCRYPTION_KEYS": "mR3tq0w8ZxYv1uS5kLpH7cFjD2gNbA9eT4iQoW6rXsU=",
    "PUBLIC_BASE_URL": "https://feeds.example",
    "TRUSTED_PROXIES": "1",
    "DATABASE_URL": "postgres://feeds:canary@127.0.0.1:1/feeds",
    "REDIS_URL": "redis://:canary@127.0.0.1:1/0",
    "INSTAGRAM_APP_ID": "1234567890",
    "INSTAGRAM_APP_SECRET": "canary-instagram",
    "METRICS_TOKEN": "canary-3fQ9xkTz7Lw2Vb8NcRyH",
    "EMAIL_URL": "smtp+tls://feeds:canary@mail.example:587",
}
CHECK_PRODUCTION = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")


def test_a_valid_production_configuration_passes_every_check(tmp_path: Path) -> None:
    done = run_python(*CHECK_PRODUCTION, env={**PRODUCTION, "VAR_DIR": str(tmp_path)})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "check_id"),
    [
        ({"LOG_LEVEL": "LOUD"}, "service.E001"),
        ({"LOG_FORMAT": "xml"}, "service.E002"),
        ({"TRUSTED_PROXIES": "-1"}, "service.E003"),
        ({"DEBUG": "true"}, "service.W001"),
        ({"ALLOWED_HOSTS": "*"}, "service.W002"),
        ({"SECRET_KEY": "change-me-" + "q7J2kd0-Zx8vPw_3mRt5yUb9nLc4sHgE6aTfVoXi1uB"}, "service.E004"),
        ({"TOKEN_ENCRYPTION_KEYS": GOOD_KEY}, "service.E005"),
    ],
)
def test_an_invalid_production_configuration_is_reported_with_a_hint_and_without_values(
    tmp_path: Path, changes: dict[str, str], check_id: str
) -> None:
    done = run_python(*CHECK_PRODUCTION, env={**PRODUCTION, "VAR_DIR": str(tmp_path), **changes})

    assert done.returncode != 0
    assert f"({check_id})" in done.stderr
    assert "HINT:" in done.stderr
    assert "canary" not in done.stderr
    assert PRODUCTION["SECRET_KEY"] not in done.stderr


@pytest.mark.parametrize(
    "default", ["", "only-for-tests-and-tools", "only-for-tests-and-tools-made-longer-by-hand"]
)
def test_production_refuses_to_start_with_a_default_secret(tmp_path: Path, default: str) -> None:
    environment = {**PRODUCTION, "SECRET_KEY": default, "VAR_DIR": str(tmp_path)}
    done = run_python("-c", "import config.wsgi", env=environment)

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_health_checks_with_a_loopback_host_do_not_depend_on_the_allowed_hosts(tmp_path: Path) -> None:
    # The error page for the third host links to static files.
    static = {"STATIC_ROOT": str(tmp_path / "static")}
    assert run_python("manage.py", "collectstatic", "--noinput", env=static).returncode == 0
    ask = """
import config.wsgi
from django.test import Client
hosts = ("127.0.0.1:8000", "feeds.example", "other.example")
print([Client().get("/healthz", headers={"host": host}).status_code for host in hosts])
"""
    environment = {**PRODUCTION, **static, "ALLOWED_HOSTS": "feeds.example", "VAR_DIR": str(tmp_path)}
    done = run_python("-c", ask, env=environment)

    assert done.stdout.strip().endswith("[200, 200, 400]"), done.stderr


def test_the_web_process_refuses_to_start_when_a_check_fails(tmp_path: Path) -> None:
    environment = {**PRODUCTION, "LOG_LEVEL": "LOUD", "VAR_DIR": str(tmp_path)}
    done = run_python("-c", "import config.wsgi", env=environment)

    assert done.returncode != 0
    assert "service.E001" in done.stderr


def test_a_secret_in_both_variable_and_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x")
    with pytest.raises(ImproperlyConfigured, match="not both"):
        with_secret_files({"SECRET_KEY": "a", "SECRET_KEY_FILE": str(file)}, ("SECRET_KEY",))


def test_encryption_keys() -> None:
    assert parse_encryption_keys("") == ()
    assert [len(key) for key in parse_encryption_keys(f"{GOOD_KEY}, {OTHER_KEY}")] == [32, 32]
    for wrong in (f"{GOOD_KEY},{GOOD_KEY}", "A" * 44, "+" * 43 + "=", "A" * 42 + "é="):
        with pytest.raises(ImproperlyConfigured):
            parse_encryption_keys(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "GET /v26.0/me?access_token=canary&fields=id",
        "{'access_token': 'canary', 'a': 1}",
        '{"client_secret": "canary"}',
        "Authorization: Bearer canary",
        "appsecret_proof=canary;",
        "IGAAcanarycanary EAABcanarycanary",
        "postgres://feeds:canary@db/feeds",
        "redis://:canary@redis:6379/0",
        "redis+sentinel://:canary@one,two:26379/0?service=feeds&sentinel_password=canary",
        "?code=canary&state=canary",
        "sessionid=canary; csrftoken=canary",
    ],
)
def test_values_that_look_like_secrets_are_not_logged(text: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "%s", (text,), None)
    RedactionFilter().filter(record)

    assert "canary" not in JsonFormatter().format(record)


def test_secrets_in_exceptions_are_redacted_and_a_record_is_one_line() -> None:
    try:
        raise ValueError("https://x.example/?access_token=canary\nsecond line")
    except ValueError:
        import sys

        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed\n%s", ("injected",), sys.exc_info())
    RedactionFilter().filter(record)
    line = JsonFormatter().format(record)

    assert "canary" not in line
    assert "\n" not in line
    assert json.loads(line)["level"] == "ERROR"


def test_ordinary_words_stay() -> None:
    assert redact("refresh succeeded for feed 12, status 200") == "refresh succeeded for feed 12, status 200"


def test_options_in_the_url_of_postgresql_are_kept_with_the_pool(tmp_path: Path) -> None:
    script = "from config import settings; import json; print(json.dumps(settings.DATABASES['default']))"
    address = "postgres://feeds:secret@db.internal:5432/feeds?sslmode=require"
    env = {**GOOD, "VAR_DIR": str(tmp_path), "DATABASE_URL": address}
    done = run_python("-c", script, env=env)

    assert done.returncode == 0, done.stderr
    options = json.loads(done.stdout)["OPTIONS"]
    assert options["sslmode"] == "require"
    assert options["pool"]["max_size"] == 10


def test_a_pool_of_size_0_is_none(tmp_path: Path) -> None:
    ask = {"DATABASE_URL": "postgres://db/feeds", "DATABASE_POOL_SIZE": "0"}
    (databases,) = settings_of(tmp_path, "DATABASES", **ask)

    assert databases["default"]["OPTIONS"] == {"connect_timeout": 2}
