"""Both logins in a real browser against the stand-in: connect, choose, disconnect; and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from instagram_standin.callbacks import Callback, CallbackKind
from instagram_standin.tokens import Family
from tests.axe import serious_problems
from tests.processes.service import Service, running_service, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "connect-password-1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # Without public mode: every post that is seen comes by a connection.
    with running_service(tmp_path_factory.mktemp("service"), PUBLIC_MODE_IG_USER_ID="") as running:
        yield running


@contextmanager
def editor(
    service: Service, browser: Browser, name: str, source: tuple[str, str]
) -> Iterator[tuple[Page, str]]:
    """A signed-in editor on the page of a new widget, and the widget's token."""
    workspace = service.workspace("pro", editor=name, password=PASSWORD)
    made = service.manage("create_instance", "--workspace", workspace, *source)
    page = browser.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"http://127.0.0.1:{service.web_ports[0]}/accounts/login/?next=/editor/{made['instanceId']}/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("No account is connected")).to_be_visible()
    yield page, made["embedToken"]
    page.close()


def disconnect(page: Page) -> None:
    page.locator("summary", has_text="Disconnect").click()
    page.get_by_role("button", name="Disconnect @").click()


def asked(service: Service) -> list[str]:
    return [call["path"] for call in service.standin.calls]


def test_connect_by_instagram_and_disconnect(service: Service, browser: Browser) -> None:
    with editor(service, browser, "ina", ("--profile", "tiny.studio")) as (page, token):
        page.get_by_role("link", name="Connect with Instagram").click()
        page.get_by_label("@tiny.studio").check()
        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_text("@tiny.studio, through Instagram login")).to_be_visible()
        expect(page.locator("instagram-feed li a.tile").first).to_be_visible()
        feed = service.read(token).json
        assert len(feed["posts"]) == 3
        assert feed["warnings"] == []
        assert any(path.startswith("/ig-graph/") and path.endswith("/media") for path in asked(service))
        assert not any(path.startswith("/fb-graph/") for path in asked(service))

        disconnect(page)
        expect(page.get_by_text("No account is connected")).to_be_visible()
        after = service.read_anew(token).json
        assert (after["posts"], after["warnings"]) == ([], ["CONNECT_REQUIRED"])
        wait_until(lambda: any(path.endswith("/me/permissions") for path in asked(service)), 5)


def test_a_denied_consent_is_said_in_words(service: Service, browser: Browser) -> None:
    with editor(service, browser, "dora", ("--profile", "tiny.studio")) as (page, _):
        page.get_by_role("link", name="Connect with Instagram").click()
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_text("You cancelled the login. Nothing was changed.")).to_be_visible()


def test_a_personal_account_is_said_in_words(service: Service, browser: Browser) -> None:
    with editor(service, browser, "petra", ("--profile", "tiny.studio")) as (page, _):
        page.get_by_role("link", name="Connect with Instagram").click()
        page.get_by_label("@jane.private").check()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("We found no professional Instagram account.")).to_be_visible()


def test_connect_by_facebook_choose_and_read(service: Service, browser: Browser) -> None:
    with editor(service, browser, "fay", ("--profile", "northern.trails")) as (page, token):
        page.get_by_role("link", name="Connect with Facebook").click()
        page.get_by_role("button", name="Approve").click()
        page.get_by_label("@acme.bakery").check()
        assert serious_problems(page) == []
        page.get_by_role("button", name="Use this account").click()

        expect(page.get_by_text("@acme.bakery, through Facebook login")).to_be_visible()
        # Another professional account, read by the connection's Business Discovery.
        assert len(service.read(token).json["posts"]) == 12
        disconnect(page)
        expect(page.get_by_text("No account is connected")).to_be_visible()


def test_a_tags_feed_appears_by_facebook_alone(service: Service, browser: Browser) -> None:
    with editor(service, browser, "hanna", ("--hashtag", "sourdough")) as (page, token):
        assert service.read(token).json["warnings"] == ["HASHTAG_REQUIRES_CONNECT"]
        page.get_by_role("link", name="Connect with Facebook").click()
        page.get_by_role("button", name="Approve").click()
        page.get_by_label("@acme.bakery").check()
        page.get_by_role("button", name="Use this account").click()
        expect(page.get_by_text("@acme.bakery, through Facebook login")).to_be_visible()

        feed = service.read(token).json
        assert feed["posts"]
        # Tags give out no poster: a video whose file is withheld cannot be shown at all.
        assert feed["warnings"] == ["POSTS_SKIPPED", "HASHTAG_RECENT_ONLY"]
        expect(page.locator("instagram-feed li a.tile").first).to_be_visible()
        disconnect(page)
        expect(page.get_by_text("No account is connected")).to_be_visible()
        assert service.read(token).json["posts"] == []


def test_meta_orders_the_deletion_of_a_persons_data(service: Service, browser: Browser) -> None:
    with editor(service, browser, "wanda", ("--profile", "tiny.studio")) as (page, token):
        page.get_by_role("link", name="Connect with Instagram").click()
        page.get_by_label("@tiny.studio").check()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("@tiny.studio, through Instagram login")).to_be_visible()
        assert service.read(token).json["posts"]
        profile = service.standin.profiles.find("tiny.studio")
        assert profile is not None
        base = f"http://127.0.0.1:{service.web_ports[0]}"
        orders = f"{base}/v1/integrations/instagram/meta/instagram/data-deletion"

        def send(*, is_forged: bool) -> Callback:
            return service.standin.callbacks.send(
                Family.INSTAGRAM, CallbackKind.DATA_DELETION, orders, profile.id, is_forged=is_forged
            )

        assert send(is_forged=True).status == 400
        assert service.read(token).json["posts"]
        ordered = send(is_forged=False)
        assert ordered.status == 200
        after = service.read_anew(token).json
        assert (after["posts"], after["warnings"]) == ([], ["CONNECT_REQUIRED"])
        receipt = ordered.json()
        assert isinstance(receipt, dict)
        page.goto(receipt["url"])
        expect(page.get_by_role("heading", name="Your data has been deleted")).to_be_visible()
        expect(page.get_by_text(receipt["confirmation_code"])).to_be_visible()
        assert serious_problems(page) == []


def test_a_saved_source_is_seen_at_once_in_the_preview(service: Service, browser: Browser) -> None:
    with editor(service, browser, "sara", ("--profile", "northern.trails")) as (page, _):
        page.get_by_role("link", name="Connect with Facebook").click()
        page.get_by_role("button", name="Approve").click()
        page.get_by_label("@acme.bakery").check()
        page.get_by_role("button", name="Use this account").click()
        expect(page.locator("instagram-feed").get_by_text("@northern.trails")).to_be_visible()

        page.get_by_label("Account or hashtag").fill("https://www.instagram.com/Acme.Bakery/")
        page.get_by_role("button", name="Save").click()

        expect(page.get_by_text("Saved.")).to_be_visible()
        expect(page.locator("instagram-feed").get_by_text("@acme.bakery")).to_be_visible()
