"""Accounts in a real browser: a forgotten password, an invitation, a second factor, a connect link."""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from tests.axe import problems_in_all_looks
from tests.processes.service import Service, running_service, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "accounts-password-1"
NEW = "another-password-2"
MAKE_OWNER = """
from entitlements.models import Membership
Membership.objects.filter(user__username="{name}").update(role="owner")
"""


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, mailbox: Path) -> Iterator[Service]:
    with running_service(
        tmp_path_factory.mktemp("service"), EMAIL_URL=f"filemail:///{mailbox}", STAFF_MFA="required"
    ) as running:
        running.start_worker()
        yield running


@contextmanager
def browsing(browser: Browser) -> Iterator[Page]:
    """A page of a browser without cookies."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


def url(service: Service, path: str = "/") -> str:
    return f"http://127.0.0.1:{service.web_ports[0]}{path}"


def sign_in(
    service: Service, page: Page, name: str, password: str = PASSWORD, next_page: str = "/editor/"
) -> None:
    page.goto(url(service, f"/accounts/login/?next={next_page}"))
    page.get_by_label("Username or email").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def owner(service: Service, name: str) -> str:
    """A workspace with an owner of this name. Returns its id."""
    workspace = service.workspace("pro", editor=name, password=PASSWORD, email=f"{name}@shop.example")
    service.manage("shell", "-v", "0", "-c", MAKE_OWNER.format(name=name))
    return workspace


def mail_to(mailbox: Path, address: str, subject: str) -> str:
    """The link in the newest mail to this address, once it has arrived."""
    found: list[str] = []

    def arrived() -> bool:
        for file in sorted(mailbox.glob("*.log"), key=lambda each: each.stat().st_mtime):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if message["To"] == address and message["Subject"] == subject:
                text = message.get_body(("plain",))
                assert text is not None
                found[:] = re.findall(r"https?://\S+", text.get_content())
        return bool(found)

    wait_until(arrived, 20)
    return found[0]


def test_a_forgotten_password(service: Service, browser: Browser, mailbox: Path) -> None:
    owner(service, "fred")
    with browsing(browser) as page, browsing(browser) as elsewhere:
        sign_in(service, elsewhere, "fred")
        expect(elsewhere.get_by_role("heading", name="Your widgets")).to_be_visible()
        page.goto(url(service, "/accounts/login/"))
        assert problems_in_all_looks(page) == []
        page.get_by_role("link", name="Forgot your password?").click()
        assert problems_in_all_looks(page) == []
        page.get_by_label("Email address").fill("Fred@shop.example")
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
        link = mail_to(mailbox, "fred@shop.example", "Set a new password")

        page.goto(link)
        assert link.rstrip("/").rpartition("-")[2] not in page.url
        assert problems_in_all_looks(page) == []
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password again").fill(NEW)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible()
        sign_in(service, page, "fred@shop.example", NEW)
        expect(page.get_by_role("heading", name="Your widgets")).to_be_visible()

        elsewhere.reload()
        expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto(link)
        expect(page.get_by_role("heading", name="This link doesn't work any more")).to_be_visible()
        assert link.rstrip("/").rpartition("-")[2] not in service.log()
        for path in ("", "email/", "password/change/", "sessions/", "second-step/"):
            page.goto(url(service, f"/accounts/{path}"))
            assert problems_in_all_looks(page) == [], path


def test_invited_accepted_removed_and_locked_out(service: Service, browser: Browser, mailbox: Path) -> None:
    workspace = owner(service, "olga")
    widget = service.instance(workspace, "acme.bakery")["instanceId"]
    with browsing(browser) as page, browsing(browser) as kim:
        sign_in(service, page, "olga")
        page.get_by_role("link", name="Members of Test").click()
        page.get_by_label("Email address").fill("kim@shop.example")
        page.get_by_role("radio", name="Editor").check()
        page.get_by_role("button", name="Send invitation").click()
        expect(page.get_by_text("We've sent an invitation to kim@shop.example.")).to_be_visible()
        assert problems_in_all_looks(page) == []

        kim.goto(mail_to(mailbox, "kim@shop.example", "olga invites you to Test"))
        expect(kim.get_by_role("heading", name="Join Test")).to_be_visible()
        assert problems_in_all_looks(kim) == []
        kim.get_by_label("Username").fill("kim")
        kim.get_by_label("Password").fill(PASSWORD)
        kim.get_by_role("button", name="Create account and join").click()
        expect(kim.get_by_text("Welcome to Test.")).to_be_visible()
        kim.goto(url(service, f"/editor/{widget}/"))
        kim.get_by_role("button", name="Refresh now").click()
        expect(kim.locator("instagram-feed li a.tile").first).to_be_visible()

        page.reload()
        page.locator("summary", has_text="Remove").and_(page.get_by_label("Remove kim", exact=True)).click()
        page.get_by_role("button", name="Remove kim from Test").click()
        expect(page.get_by_text("That person can no longer open this workspace.")).to_be_visible()
        expect(page.get_by_text("kim: editor → removed")).to_be_visible()
        kim.reload()
        expect(kim.get_by_role("heading", name="Page not found")).to_be_visible()
        kim.goto(url(service, "/editor/"))
        expect(kim.get_by_text("You don't belong to a workspace yet.")).to_be_visible()


def code_now(secret: str, not_again: list[int]) -> str:
    """A code that wasn't used before: the next step's, if this one's was."""
    step = int(time.time()) // 30
    while step in not_again:
        step += 1
    not_again.append(step)
    return str(format_hotp_value(hotp_value(secret, step)))


def test_a_second_factor_set_up_lost_and_recovered(service: Service, browser: Browser, mailbox: Path) -> None:
    for name in ("sue", "root"):
        service.manage(
            "create_staff", name, "--superuser", "--password", PASSWORD, "--email", f"{name}@feeds.example"
        )
    used: list[int] = []
    with browsing(browser) as page:
        sign_in(service, page, "sue", next_page="/admin/")
        expect(page.get_by_text("Staff need two-step sign-in")).to_be_visible()
        assert problems_in_all_looks(page) == []
        page.get_by_text("I can't scan it").click()
        secret = page.locator("details code").inner_text()
        page.get_by_label("Code", exact=True).fill("000000")
        page.get_by_role("button", name="Switch on").click()
        expect(page.get_by_text("This code isn't right")).to_be_visible()
        page.get_by_text("I can't scan it").click()
        assert page.locator("details code").inner_text() == secret
        page.get_by_label("Code", exact=True).fill(code_now(secret, []))
        page.get_by_role("button", name="Switch on").click()
        expect(page.get_by_text("Two-step sign-in is on.")).to_be_visible()
        codes = page.locator(".codes code").all_inner_texts()
        assert len(codes) == 10
        assert problems_in_all_looks(page) == []
        page.goto(url(service, "/admin/"))
        expect(page.get_by_role("heading", name="Site administration")).to_be_visible()

    with browsing(browser) as page:  # by a code, then without the phone by a recovery code
        sign_in(service, page, "sue", next_page="/admin/")
        assert problems_in_all_looks(page) == []
        page.get_by_label("Code", exact=True).fill(code_now(secret, used))
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    for code, works in ((codes[0], True), (codes[0], False)):
        with browsing(browser) as page:
            sign_in(service, page, "sue", next_page="/admin/")
            page.get_by_label("Code", exact=True).fill(code)
            page.get_by_role("button", name="Sign in").click()
            if works:
                expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
            else:
                expect(page.get_by_text("This code isn't right")).to_be_visible()

    with browsing(browser) as root, browsing(browser) as page:  # without both, by support
        sign_in(service, root, "root", next_page="/admin/")
        root.get_by_text("I can't scan it").click()
        root_secret = root.locator("details code").inner_text()
        root.get_by_label("Code", exact=True).fill(code_now(root_secret, []))
        root.get_by_role("button", name="Switch on").click()
        expect(root.get_by_text("Two-step sign-in is on.")).to_be_visible()
        root.goto(url(service, "/admin/auth/user/?q=sue"))
        root.get_by_role("link", name="sue", exact=True).click()
        root.get_by_role("link", name="Switch it off").click()
        root.get_by_role("button", name="Switch it off").click()
        expect(root.get_by_text("Two-step sign-in is off.")).to_be_visible()
        assert mail_to(mailbox, "sue@feeds.example", "Two-step sign-in was switched off by support").endswith(
            "/accounts/second-step/"
        )
        sign_in(service, page, "sue", next_page="/admin/")
        expect(page.get_by_role("heading", name="Set up two-step sign-in")).to_be_visible()


def test_a_client_connects_by_link_without_an_account(service: Service, browser: Browser) -> None:
    workspace = owner(service, "carl")
    widget = service.instance(workspace, "tiny.studio")
    with browsing(browser) as page, browsing(browser) as client:
        sign_in(service, page, "carl", next_page=f"/editor/{widget['instanceId']}/connect-link/")
        page.get_by_role("button", name="Create link").click()
        link = page.locator("#link").inner_text().strip()
        assert problems_in_all_looks(page) == []

        client.goto(link)
        expect(
            client.get_by_role("heading", name="Test asks to connect your Instagram account")
        ).to_be_visible()
        assert problems_in_all_looks(client) == []
        client.get_by_role("link", name="Connect with Instagram").click()
        client.get_by_role("button", name="Deny").click()
        expect(client.get_by_text("You cancelled. Nothing was connected.")).to_be_visible()
        client.get_by_role("link", name="Connect with Instagram").click()
        client.get_by_label("@tiny.studio").check()
        client.get_by_role("button", name="Approve").click()
        expect(client.get_by_role("heading", name="Thank you")).to_be_visible()
        assert problems_in_all_looks(client) == []
        client.goto(link)
        expect(client.get_by_role("heading", name="This link was already used")).to_be_visible()
        client.goto(url(service, f"/editor/{widget['instanceId']}/"))
        expect(client.get_by_role("heading", name="Sign in")).to_be_visible()

        page.goto(url(service, f"/editor/{widget['instanceId']}/"))
        expect(page.get_by_text("@tiny.studio, through Instagram login")).to_be_visible()
        assert len(service.read(widget["embedToken"]).json["posts"]) == 3
        assert link.rpartition("/")[2] not in service.log()
