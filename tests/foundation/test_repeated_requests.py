"""`environ_of` reads from a request what gunicorn reads from it, and only from requests without anything odd."""

from __future__ import annotations

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.web_worker import environ_of

PATH = "/v1/integrations/instagram/feed"


def by_gunicorn(request: bytes, peer: str) -> dict[str, str]:
    """The same part of the environment that gunicorn makes of the request. Raises what gunicorn raises."""
    config = Config()
    parsed = next(RequestParser(config, iter([request]), (peer, 4711)))
    _, environ = create(parsed, None, (peer, 4711), ("127.0.0.1", 8000), config)
    kept = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "CONTENT_LENGTH", "CONTENT_TYPE")
    return {name: environ[name] for name in environ if name in kept or name.startswith("HTTP_")}


def request(
    target: str = f"{PATH}?token=x.y", *lines: str, method: str = "GET", version: str = "1.1"
) -> bytes:
    head = [f"{method} {target} HTTP/{version}", *(lines or ("Host: localhost",)), "", ""]
    return "\r\n".join(head).encode("latin-1")


SIMPLE = [
    request(),
    request(f"{PATH}?"),
    request(f"{PATH}?token=a%00b&x=%zz&token=2;3"),
    request(f"{PATH}?a?b=/c", "Host:localhost", "X-Empty:", "Origin:   https://a.example  "),
    request(f"{PATH}?a", "Host: [::1]:8000", "If-None-Match: W/\"a\", 'b'", "connection: Keep-Alive"),
    request(
        f"{PATH}?a",
        "Host: a",
        "X-Forwarded-For: 1.2.3.4, 5.6.7.8",
        "Authorization: Bearer a.b",
        "Cookie: a=b",
    ),
]
ODD = [
    request(method="HEAD"),
    request(method="get"),
    request(version="1.0"),
    request(version="2.0"),
    request(PATH),
    request(f"http://localhost{PATH}?a"),
    request(f"{PATH}%2F?a"),
    request(f"{PATH}?a#b"),
    request(f"{PATH}?a b"),
    request(f"{PATH}?\xe4"),
    request(f"{PATH}?a", "Host: a", "Host: b"),
    request(f"{PATH}?a", "Host: a", "host: a"),
    request(f"{PATH}?a", "Host: a", "X_Forwarded_For: 1.2.3.4"),
    request(f"{PATH}?a", "Host: a", " folded"),
    request(f"{PATH}?a", "Host: a", "Name : b"),
    request(f"{PATH}?a", "Host: a", "Name"),
    request(f"{PATH}?a", "Host: a", "Name: \x00"),
    request(f"{PATH}?a", "Host: a", "Name: \xe4"),
    request(f"{PATH}?a", "Host: a", "Name: a\nOther: b"),
    request(f"{PATH}?a", "Host: a", "Content-Length: 0"),
    request(f"{PATH}?a", "Host: a", "Content-Type: text/plain"),
    request(f"{PATH}?a", "Host: a", "Transfer-Encoding: chunked"),
    request(f"{PATH}?a", "Host: a", "Expect: 100-continue"),
    request(f"{PATH}?a", "Host: a", "Connection: close"),
    request(f"{PATH}?a", "Host: a", "Connection: upgrade", "Upgrade: h2c"),
    request() + b"x",
    request()[:-2],
    b"\r\n" + request(),
    f"GET {PATH}?a HTTP/1.1\r\n\r\n".encode(),
    f"GET {PATH}?a HTTP/1.1\nHost: a\n\n".encode(),
]


@pytest.mark.parametrize("sent", SIMPLE)
def test_a_simple_request_is_read_as_gunicorn_does(sent: bytes) -> None:
    found = environ_of(sent, "192.0.2.1")
    assert found == by_gunicorn(sent, "192.0.2.1")


@pytest.mark.parametrize("sent", ODD)
def test_odd_requests_are_left_to_gunicorn(sent: bytes) -> None:
    assert environ_of(sent, "192.0.2.1") is None


_names = st.sampled_from(
    ["Host", "Origin", "Accept", "X-Request-ID", "x-request-id", "Connection", "Te", "A_b", "A b", ""]
)
_values = st.text(st.sampled_from("ab,;:= \t\r\n\x00\x7f\xe9\"'/%"), max_size=6) | st.sampled_from(
    ["keep-alive", "close", "chunked", "1"]
)
_targets = st.text(st.sampled_from("/ab?&=%#;: .\t\xe9[]@"), max_size=12).map(lambda text: f"/{text}")
_separators = st.sampled_from([": ", ":", " : ", ":\t", ""])


@settings(max_examples=600, deadline=None)
@given(
    target=_targets,
    headers=st.lists(st.tuples(_names, _separators, _values), max_size=5),
    line_end=st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"]),
    rest=st.sampled_from(["", "", "x"]),
)
def test_any_request_is_left_to_gunicorn_or_read_alike(
    target: str, headers: list[tuple[str, str, str]], line_end: str, rest: str
) -> None:
    lines = [f"GET {target} HTTP/1.1", "X-First: 1", *("".join(parts) for parts in headers), "", rest]
    sent = line_end.join(lines).encode("latin-1")
    found = environ_of(sent, "192.0.2.1")
    if found is not None:
        assert found == by_gunicorn(sent, "192.0.2.1")
