"""Meta's secrets are redacted in every process, from its first log line on."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.logs import MASK, redact, redacted
from paris_integration.log_secrets import NAMES
from paris_integration.types import Actor
from tests.conftest import run_python

TOKENS = ["IGAAcanary-canary_1", "EAABcanary-canary_1", "EAAcanary-canary_1"]
SAY = "import logging; logging.getLogger('gunicorn.error').warning('it was IGAAcanary-canary, input_token=canary')"
STARTS = {
    "gunicorn's master": f"""
import logging.config, runpy
logging.config.dictConfig(runpy.run_path("config/gunicorn.py")["logconfig_dict"])
{SAY}
""",
    "a web process or a command": f"import django; django.setup(); {SAY}",
    "worker and beat": f"import config.celery; config.celery.use_django_logging(); {SAY}",
}


@pytest.mark.parametrize("name", NAMES)
def test_values_of_metas_parameters_are_masked(name: str) -> None:
    assert "canary" not in redact(f"GET /x?a=1&{name}=canary and {{'{name}': 'canary'}}")
    assert redacted({name: "canary"}) == {name: MASK}


@pytest.mark.parametrize("token", TOKENS)
def test_metas_tokens_are_masked_anywhere_in_a_text(token: str) -> None:
    assert redact(f"it was {token}, they say") == f"it was {MASK}, they say"


@pytest.mark.parametrize(
    "path",
    [
        "/connect/" + "canary-" * 6 + "1",
        "/invitations/" + "canary-" * 6 + "1:canary_canary/",
        "/invitations/" + "canary-" * 6 + "1%3Acanary/",
        "/accounts/password/reset/1-canary-canary/",
        "/accounts/email/confirm/canary:canary:canary/",
    ],
)
def test_codes_in_the_paths_of_links_are_masked(path: str) -> None:
    line = redact(f"Internal Server Error: {path}")
    assert "canary" not in line
    assert line.startswith(f"Internal Server Error: {path[:9]}")


def test_an_actor_does_not_show_its_session() -> None:
    assert "canary" not in f"{Actor(7, 'editor', session='canary')}"


def test_ordinary_paths_stay() -> None:
    for path in ("/connect/choose/6f7d9b6c-1c1e-4b52-8f0f-0a7a1f1d2c3b/", "/accounts/password/reset/sent/"):
        assert redact(path) == path


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_redaction_starts_together_with_logging(start: str, tmp_path: Path) -> None:
    environment = {
        "SECRET_KEY": "s" * 40,
        "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
        "VAR_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = run_python("-c", start, env=environment)

    assert done.returncode == 0, done.stderr
    assert f"it was {MASK}, input_token={MASK}" in done.stderr
    assert "canary" not in done.stderr
