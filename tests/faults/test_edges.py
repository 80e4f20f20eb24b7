"""What strangers, replays and forgeries get from real processes: nothing, and no call to Meta."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from instagram_standin.callbacks import signed_request
from tests.faults.clients import Answer, Request, at_once
from tests.faults.stores import Stores
from tests.figures import figure, many
from tests.processes.members import database_of
from tests.processes.service import FEED_PATH, Service, get, running_service
from tests.processes.test_secrets import API, PASSWORD, Walker

TOKENS = b"SELECT count(*) FROM paris_integration_connection WHERE token IS NOT NULL"
EXCHANGE = "/ig-api/oauth/access_token"
ORIGINAL = "load.walls"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two processes behind one address, to which Meta sends people back."""
    Stores.of_this_run().make_whole()
    with running_service(
        tmp_path_factory.mktemp("edges"),
        WEB_CONCURRENCY="2",
        LOG_LEVEL="ERROR",
        PROVIDER_TIMEOUT_SECONDS="30",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def home(service: Service) -> dict[str, str]:
    """A widget of a workspace whose editor is `ed`."""
    workspace = service.workspace("business", editor="ed", password=PASSWORD)
    made = service.instance(workspace, ORIGINAL)
    assert service.read(made["embedToken"]).json["posts"]
    return {**made, "workspace": workspace}


@pytest.fixture(scope="module")
def elsewhere(service: Service) -> dict[str, str]:
    workspace = service.workspace("business", editor="stranger", password=PASSWORD)
    return {**service.instance(workspace, "load.other"), "workspace": workspace}


def walker(service: Service, name: str) -> Walker:
    found = Walker(f"http://127.0.0.1:{service.web_ports[0]}")
    found.sign_in(name)
    return found


def begun(editor: Walker, service: Service, instance_id: str) -> tuple[str, str]:
    """State and code of a login whose user is about to come back."""
    location = editor.get(f"{API}connect", instanceId=instance_id, login="instagram").headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    query = {"standin_auto": "approve", "standin_account": "acme.bakery"}
    sent_back = requests.get(location, params=query, allow_redirects=False, timeout=20).headers["Location"]
    return state, parse_qs(urlsplit(sent_back).query)["code"][0]


def exchanges(service: Service) -> int:
    return sum(call["path"] == EXCHANGE for call in service.standin.calls)


def tokens(service: Service) -> int:
    with database_of(service) as database:
        row = database.execute(TOKENS).fetchone()
    return int(row[0]) if row else 0


def test_callbacks(service: Service, home: dict[str, str]) -> None:
    editor = walker(service, "ed")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in editor.session.cookies)

    def callbacks(states: list[str], code: str) -> list[Answer]:
        requests = []
        for state in states:
            port = service.web_ports[0]
            query = f"code={quote(code, safe='')}&state={quote(state, safe='')}"
            head = f"GET {API}callback?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookies}\r\n"
            requests.append(Request(port, f"{head}Connection: close\r\n\r\n".encode()))
        return at_once(requests)

    state, code = begun(editor, service, home["instanceId"])
    before = exchanges(service)
    wrong = wrong_states(state)
    refused = callbacks(wrong, code)
    after_wrong = (exchanges(service) - before, tokens(service))
    rounds, endings, made = many(2, 5), Counter[str](), []
    for _ in range(rounds):
        state, code = begun(editor, service, home["instanceId"])
        before = exchanges(service)
        endings.update(map(ending, callbacks([state] * 100, code)))
        made.append(exchanges(service) - before)
    figure(
        "O1", "over HTTP", is_met=set(made) == {1} and after_wrong == (0, 0), callbacks_with_one_state=100,
        rounds=rounds, exchanges_in_each=made, endings=endings, tokens=tokens(service), wrong_states=len(wrong),
        exchanges_for_these=after_wrong[0], tokens_for_these=after_wrong[1],
    )  # fmt: skip
    assert len(wrong) >= 200
    assert after_wrong == (0, 0)
    assert {answer.status for answer in refused} <= {302, 400}
    assert set(made) == {1}
    assert endings == {"connected": rounds, "error STATE_INVALID": 99 * rounds}
    assert tokens(service) == 1


def ending(answer: Answer) -> str:
    """How a login ended, as the page is told to which its person is sent."""
    query = parse_qs(urlsplit(answer.location).query)
    return " ".join(query.get("status", [str(answer.status)]) + query.get("reason", []))


def wrong_states(state: str) -> list[str]:
    """Cut off, lengthened, with other cases and characters, and made up."""
    spoilt = [state[:place] for place in range(len(state))]
    spoilt += [state[:place] + chr(ord("a") + place % 26) + state[place + 1 :] for place in range(len(state))]
    spoilt += [state[:place] + state[place].swapcase() + state[place + 1 :] for place in range(len(state))]
    spoilt += [
        state[:place] + odd + state[place:] for place in range(len(state)) for odd in ("%00", " ", "\u00e9")
    ]
    made_up = [state[::-1], "null", "*", "' OR 1=1 --", "0" * len(state)]
    return [other for other in dict.fromkeys([*spoilt, *made_up]) if other != state]


def test_a_public_token_buys_no_calls(service: Service, home: dict[str, str]) -> None:
    token, before = home["embedToken"], len(service.standin.calls)
    foreign = [
        service.read(token, query=f"&sourceType=profile&sourceValue=load.foreign{n}") for n in range(200)
    ]
    calls = len(service.standin.calls) - before
    spellings = [
        "".join(letter.upper() if n >> place & 1 else letter for place, letter in enumerate(ORIGINAL))
        for n in range(8)
    ]
    around = (("", ""), ("%40", ""), ("", "%0A"), ("+", "+"))
    aliases = [f"{head}{spelling}{tail}" for spelling in spellings for head, tail in around]
    spelled = [service.read(token, query=f"&sourceType=profile&sourceValue={alias}") for alias in aliases]
    with database_of(service) as database:
        row = database.execute(
            b"SELECT count(*) FROM paris_integration_feed WHERE instance_id = %s", [home["instanceId"]]
        ).fetchone()
    rows, later_calls = (int(row[0]) if row else 0), len(service.standin.calls) - before - calls
    is_met = calls == later_calls == 0 and rows == 1 and {answer.status for answer in spelled} == {200}
    figure(
        "S4", "over HTTP", is_met=is_met, foreign_sources=len(foreign),
        answers=Counter(str(answer.status) for answer in foreign), calls=calls, aliases=len(aliases),
        answers_to_aliases=Counter(str(answer.status) for answer in spelled), rows=rows, calls_for_aliases=later_calls,
    )  # fmt: skip
    assert {answer.status for answer in foreign} <= {400, 409}
    assert is_met


def test_walls_between_tenants(service: Service, home: dict[str, str], elsewhere: dict[str, str]) -> None:
    """Every request about the home widget, by people and tokens that have no right to it."""
    base, target = f"http://127.0.0.1:{service.web_ports[0]}", home["instanceId"]
    stranger, nobody = walker(service, "stranger"), Walker(base)
    nobody.get("/accounts/login/")
    bearer = {"Authorization": f"Bearer {elsewhere['embedToken']}"}
    before, audit = len(service.standin.calls), rows_of_audit(service, target)
    missing = "wgt_instagramfeed_u_nothere"
    cells: list[tuple[str, int, set[int]]] = []
    for name, who in (("stranger", stranger), ("nobody", nobody)):
        expected = {404} if name == "stranger" else {401, 403}
        for path in ("feed", "explain", "connect"):
            cells.append((f"{name} {path}", who.get(f"{API}{path}", instanceId=target).status_code, expected))
        for path in ("refresh", "disconnect"):
            answer = who.post(f"{API}{path}", json={"instanceId": target})
            cells.append((f"{name} {path}", answer.status_code, expected))
        pages = [f"/editor/{target}/", f"/editor/{target}/posts/", f"/editor/{target}/design/"]
        pages += [f"/editor/workspaces/{home['workspace']}/members/"]
        for page in pages:
            expected = {404} if name == "stranger" else {302}
            cells.append((f"{name} {page[:12]}", who.get(page).status_code, expected))
        admin = who.get(f"/admin/venice_api/widgetinstance/{quote(target, safe='')}/change/")
        cells.append((f"{name} admin", admin.status_code, {302}))
    for path in ("feed", "explain", "connect"):
        answer = requests.get(f"{base}{API}{path}", params={"instanceId": target}, headers=bearer, timeout=20)
        cells.append((f"token {path}", answer.status_code, {401, 403, 404}))
    for path in ("refresh", "disconnect"):
        answer = requests.post(f"{base}{API}{path}", json={"instanceId": target}, headers=bearer, timeout=20)
        cells.append((f"token {path}", answer.status_code, {401, 403}))
        answer = requests.post(
            f"{base}{API}{path}", json={"instanceId": target}, timeout=20,
            headers={"Authorization": f"Bearer {home['embedToken']}"},
        )  # fmt: skip
        cells.append((f"own token {path}", answer.status_code, {401, 403}))
    wrong = [(name, status) for name, status, expected in cells if status not in expected]
    times: dict[str, list[float]] = {target: [], missing: []}
    for _ in range(many(10, 200)):
        for pk in times:
            began = time.perf_counter()
            stranger.get(f"{API}feed", instanceId=pk)
            times[pk].append(time.perf_counter() - began)
    medians = [sorted(found)[len(found) // 2] for found in times.values()]
    difference = abs(medians[0] - medians[1]) * 1_000
    unharmed = len(service.standin.calls) == before and rows_of_audit(service, target) == audit
    figure(
        "S3", "tenants", is_met=not wrong and unharmed and difference < 5, cells=len(cells), wrong=wrong or "none",
        calls_and_events=0 if unharmed else "some", milliseconds_between_foreign_and_missing=difference,
    )  # fmt: skip
    assert wrong == []
    assert unharmed


def rows_of_audit(service: Service, instance_id: str) -> int:
    with database_of(service) as database:
        row = database.execute(
            b"SELECT count(*) FROM paris_integration_auditevent WHERE instance_id = %s AND outcome = 'done'",
            [instance_id],
        ).fetchone()
    return int(row[0]) if row else 0


FRONT = "http://127.0.0.1:{port}"
HOSTS = (
    "https://evil.example/", "//evil.example/", "///evil.example", "https:evil.example", "https:/evil.example",
    "\\\\evil.example", "/\\evil.example", "https://127.0.0.1@evil.example/", "https://evil.example#",
    "javascript:alert(1)",
    "data:text/html,x", "http://[::1]@evil.example/", "https://evil.example%2f@127.0.0.1/", "https://xn--evl-8ma.example/",
    "https://evil\u3002example/",
)  # fmt: skip


def redirect_payloads(port: int) -> list[str]:
    own = FRONT.format(port=port)
    spoilt = [own + tail for tail in (
        "@evil.example/", ".evil.example/", ":1@evil.example/", "/editor/../../evil",
        "/editor/%0d%0aLocation:%20//evil",
        "/editor/\r\nLocation: //evil.example", "/editor/?next=//evil.example", "/editor/#//evil.example",
        "\\@evil.example",
        "/editor//", "/editor/.", "/%65ditor/", "/editor/\t", "/editor/\x00", " /editor/",
    )]  # fmt: skip
    return [*HOSTS, *(f" {each}" for each in HOSTS), *(each.upper() for each in HOSTS), *spoilt]


def test_redirects_lead_nowhere_else(service: Service, home: dict[str, str]) -> None:
    editor = walker(service, "ed")
    payloads = redirect_payloads(service.web_ports[0])
    escapes, answers = [], Counter[str]()
    allowed = {"", *(f"127.0.0.1:{port}" for port in (service.web_ports[0], service.standin.port))}
    for payload in payloads:
        for path, query in (
            (f"{API}connect", {"instanceId": home["instanceId"], "redirectUri": payload}),
            ("/accounts/login/", {"next": payload}),
            (f"{API}callback", {"error": "access_denied", "state": "x", "redirectUri": payload}),
        ):
            answer = editor.get(path, **query)
            answers[str(answer.status_code)] += 1
            location = answer.headers.get("Location", "")
            if "\r" in location or "\n" in location or host_of(location) not in allowed:
                escapes.append((path, payload, location))
    figure(
        "S3", "redirects", is_met=not escapes, payloads=len(payloads), requests=sum(answers.values()), answers=answers,
        escapes=escapes or "none",
    )  # fmt: skip
    assert len(payloads) >= 60
    assert escapes == []
    assert host_of("\\\\evil.example") == "evil.example", "the judge sees what browsers see"


def host_of(location: str) -> str:
    """As browsers see it: a backslash is a slash, and spaces around it don't count."""
    return urlsplit(location.replace("\\", "/").strip()).netloc


def test_forged_signed_requests(service: Service) -> None:
    secret, now = service.environment["INSTAGRAM_APP_SECRET"], int(time.time())
    good = {"user_id": "1", "algorithm": "HMAC-SHA256", "issued_at": now}
    whole = signed_request(good, secret)
    signature, _, payload = whole.partition(".")
    forged = ["", "x", ".", f"{whole}.x", f".{payload}", f"{signature}.", f"{payload}.{signature}"]
    forged += [signed_request(good, other) for other in ("", "x", secret[:-1], f"{secret} ", secret.upper())]
    forged += [signed_request(good, service.environment["FACEBOOK_APP_SECRET"])]
    forged += [
        f"{signature[:place]}{'A' if signature[place] != 'A' else 'B'}{signature[place + 1 :]}.{payload}"
        for place in range(0, 40, 4)
    ]
    forged += [
        signed_request(good | {"algorithm": name}, secret)
        for name in ("none", "", "HMAC-SHA1", "hmac-sha256", "HS256")
    ]
    forged += [
        signed_request(good | {"issued_at": at}, secret)
        for at in (None, "now", 0, -1, now - 90_000, now + 4_000, [now], True, 10**300)
    ]
    other = base64.urlsafe_b64encode(json.dumps(good | {"user_id": "2"}).encode()).decode().rstrip("=")
    forged += [f"{signature}.{other}", "é.é", "A" * 9_000 + ".B", f"{signature}.{payload}!"]
    accepted, answers = [], Counter[str]()
    for sent in forged:
        for what in ("deauthorize", "data-deletion"):
            url = f"http://127.0.0.1:{service.web_ports[0]}{API}meta/instagram/{what}"
            answer = requests.post(url, data={"signed_request": sent}, timeout=20)
            answers[str(answer.status_code)] += 1
            if answer.status_code != 400:
                accepted.append((what, sent[:60], answer.status_code))
    control = requests.post(
        f"http://127.0.0.1:{service.web_ports[0]}{API}meta/instagram/data-deletion",
        data={"signed_request": whole},
        timeout=20,
    )
    figure(
        "S3", "signed requests", is_met=not accepted and control.status_code == 200, forgeries=len(forged),
        answers=answers, accepted=accepted or "none", control_with_the_right_secret=control.status_code,
    )  # fmt: skip
    assert len(forged) >= 40
    assert accepted == []
    assert control.status_code == 200


def test_forged_embed_tokens(service: Service, home: dict[str, str], elsewhere: dict[str, str]) -> None:
    token = home["embedToken"]
    payload, _, signature = token.partition(".")
    body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    def packed(content: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    forged = [token[:place] for place in range(1, len(token), 9)]
    forged += [
        f"{payload}.{signature[:place]}{'A' if signature[place] != 'A' else 'B'}{signature[place + 1 :]}"
        for place in range(0, 40, 2)
    ]
    forged += [
        f"{packed(other)}.{signature}"
        for other in ([body[0], body[1] + 1], [elsewhere["instanceId"], 1], None, {}, [])
    ]
    forged += [
        f"{elsewhere['embedToken'].partition('.')[0]}.{signature}",
        f"{payload}.",
        f".{signature}",
        payload,
        "null",
    ]
    forged += [
        "eyJhbGciOiJub25lIn0.e30.",
        f"{token}.{signature}",
        f"{token} ",
        f" {token}",
        token.swapcase(),
        "x" * 5_000,
    ]
    forged = [each for each in forged if each != token]
    before = len(service.standin.calls)
    answers = [
        get(f"http://127.0.0.1:{service.web_ports[0]}{FEED_PATH}?token={quote(each, safe='')}").status
        for each in forged
    ]
    accepted = [each for each, status in zip(forged, answers, strict=True) if status not in (400, 401)]
    calls = len(service.standin.calls) - before
    figure(
        "S3", "embed tokens", is_met=not accepted and not calls, forgeries=len(forged),
        answers=Counter(map(str, answers)), accepted=accepted or "none", calls=calls,
    )  # fmt: skip
    assert len(forged) >= 40
    assert accepted == []
    assert calls == 0
