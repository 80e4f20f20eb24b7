"""At Meta a revocation ends all that rests on a person's grant. The stand-in does the same, and nothing breaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from instagram_standin.tokens import Family, TokenKind
from tests.processes.service import Service, running_service, wait_until
from tests.processes.test_secrets import API, PASSWORD, Walker

pytestmark = pytest.mark.processes

ROBIN = "102000000000001"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path, PUBLIC_MODE_IG_USER_ID="") as running:
        yield running


def connect(walker: Walker, service: Service, instance_id: str, username: str) -> None:
    """Sign in as Robin, who has two accounts, and choose one."""
    dialog = walker.get(f"{API}connect", instanceId=instance_id, login="facebook").headers["Location"]
    consent = {"standin_auto": "approve", "standin_account": "robin.baker"}
    back = requests.get(dialog, params=consent, allow_redirects=False, timeout=20).headers["Location"]
    given = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    choice = walker.get(urlsplit(back).path, **given).headers["Location"]
    walker.get(choice)
    profile = service.standin.profiles.find(username)
    assert profile is not None
    form = {"account": profile.id, "csrfmiddlewaretoken": walker.session.cookies["csrftoken"]}
    assert "status=connected" in walker.post(choice, form).headers["Location"]


def disconnect(walker: Walker, service: Service, instance_id: str, said: str) -> None:
    """Disconnect, and wait until the revocation has been decided on."""
    before = service.log().count(said)
    assert walker.post(f"{API}disconnect", json={"instanceId": instance_id}).status_code == 200
    wait_until(lambda: service.log().count(said) == before + 1, 10)


def good_tokens(service: Service) -> int:
    """How many of Robin's long-lived tokens are worth something."""
    tokens = service.standin.tokens
    grants = [tokens.find(token, Family.FACEBOOK) for token in tokens.select(user_id=ROBIN)]
    return sum(g is not None and g.kind is TokenKind.LONG and g.rejection is None for g in grants)


def test_disconnecting_one_account_leaves_the_persons_others_alone(service: Service) -> None:
    walker = Walker(f"http://127.0.0.1:{service.web_ports[0]}")
    workspace = service.workspace("pro", editor="ed", password=PASSWORD)
    bakery, trails = (
        service.instance(workspace, "acme.bakery"),
        service.instance(workspace, "northern.trails"),
    )
    walker.sign_in("ed")
    connect(walker, service, bakery["instanceId"], "acme.bakery")
    connect(walker, service, trails["instanceId"], "northern.trails")

    disconnect(walker, service, bakery["instanceId"], "revoking at Meta: refused STILL_CONNECTED")
    assert good_tokens(service) == 2
    assert service.read(trails["embedToken"]).json["posts"]
    connect(walker, service, bakery["instanceId"], "acme.bakery")
    disconnect(walker, service, trails["instanceId"], "revoking at Meta: refused STILL_CONNECTED")
    assert service.read(bakery["embedToken"]).json["posts"]

    disconnect(walker, service, bakery["instanceId"], "revoking at Meta: done")
    assert good_tokens(service) == 0
