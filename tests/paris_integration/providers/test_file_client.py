"""The file client: allowed hosts, public addresses, limits, and hostile links and answers. Tested with real sockets."""

from __future__ import annotations

import gzip
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from instagram_standin.media import PICTURES
from instagram_standin.server import StandIn
from paris_integration import registry
from paris_integration.errors import FileRefused
from paris_integration.providers import files, http
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.file_links import is_public
from paris_integration.providers.files import FileClient
from tests.paris_integration.providers.test_http import everything_said

JPEG = PICTURES["avatar_sun"]
PUBLIC, PUBLIC_IPV6 = "93.184.216.34", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
NAME = "a.cdninstagram.com"
SERVER, TRAP, TRAP_IPV6 = "127.0.0.2", "127.0.0.1", "::1"

Serve = Callable[[socket.socket], object]


class Server:
    """Answers each connection as the test wants, and keeps what was requested. Serves one request per connection."""

    def __init__(self, address: str = SERVER, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._tls = tls
        self.requests: list[str] = []
        self.answers: dict[str, Serve | bytes] = {}
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def url(self, path: str) -> str:
        return f"http://{SERVER}:{self.port}{path}"

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[peer]).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            secured = self._tls.wrap_socket(peer, server_side=True) if self._tls else peer
            with secured:
                request = b""
                while not request.endswith(b"\r\n\r\n") and (read := secured.recv(65_536)):
                    request += read
                self.requests.append(request.decode("latin-1"))
                answer = self.answers.get(request.split(b" ")[1].decode(), b"")
                if callable(answer):
                    answer(secured)
                else:
                    secured.sendall(answer)


def answered(status: str = "200 OK", body: bytes = JPEG, **headers: str) -> bytes:
    named = {
        "Content-Length": str(len(body)),
        **{key.replace("_", "-"): text for key, text in headers.items()},
    }
    lines = "".join(f"{key}: {text}\r\n" for key, text in named.items())
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{lines}\r\n".encode("latin-1") + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answered(status, b"", Location=location)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names. Other names don't exist; numbers are resolved by the system, in all its spellings."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in known:
            return [
                (
                    socket.AF_INET6 if ":" in address else socket.AF_INET,
                    socket.SOCK_STREAM,
                    6,
                    "",
                    (address, port),
                )
                for address in known[host]
            ]
        if (
            str(host)
            .lower()
            .strip(".")
            .endswith(("com", "net", "example", "nip.io", "localhost", "internal"))
        ):
            raise socket.gaierror(socket.EAI_NONAME, "canary: unknown name")
        return resolve(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the client connects to."""
    addresses: list[str] = []
    connect = http.create_connection

    def record(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        addresses.append(address[0])
        return connect(address, *args, **kwargs)

    monkeypatch.setattr(http, "create_connection", record)
    return addresses


class Trap:
    """Listeners on both loopback addresses, on one port, that must see no connection."""

    def __init__(self) -> None:
        self._listeners = [socket.create_server((TRAP, 0))]
        self.port: int = self._listeners[0].getsockname()[1]
        with suppress(OSError):
            self._listeners.append(socket.create_server((TRAP_IPV6, self.port), family=socket.AF_INET6))
        self.has_ipv6 = len(self._listeners) == 2
        for listener in self._listeners:
            listener.setblocking(False)

    def connections(self) -> int:
        """How many connections arrived since the last call. The system completes them without an accept."""
        count = 0
        for listener in self._listeners:
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    count += 1
        return count

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    found = Trap()
    yield found
    found.close()


def client_for(trap: Trap) -> FileClient:
    """A client that would reach the trap if only the rule under test were missing."""
    allowed = ["cdninstagram.com", f"cdninstagram.com:{trap.port}", "fbcdn.net", SERVER]
    return FileClient(allowed_hosts=allowed, max_bytes=200_000)


def fetch(url: str, client: FileClient, seconds: float = 3.0) -> bytes:
    return client.fetch(url, deadline=Deadline(seconds))


def refusal(url: str, client: FileClient, seconds: float = 3.0) -> str:
    with pytest.raises(FileRefused) as refused:
        fetch(url, client, seconds)
    said = everything_said(refused.value)
    assert "http:" not in said
    assert "canary" not in said
    return refused.value.reason


# The trap would be seen


@pytest.mark.parametrize("address", [TRAP, TRAP_IPV6])
def test_the_trap_sees_a_client_that_is_allowed_to_connect(trap: Trap, address: str) -> None:
    if address == TRAP_IPV6 and not trap.has_ipv6:
        pytest.skip("This machine has no IPv6.")
    host = f"[{address}]" if ":" in address else address

    assert refusal(f"http://{host}:{trap.port}/x", FileClient(allowed_hosts=[address]), 0.2) == "timed_out"

    assert trap.connections() == 1


def test_the_trap_sees_a_name_when_addresses_are_not_checked(
    trap: Trap, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names[NAME] = [TRAP]
    monkeypatch.setattr(files, "may_connect", lambda *_: True)

    assert refusal(f"https://{NAME}:{trap.port}/x", client_for(trap), 0.2) == "timed_out"

    assert trap.connections() == 1


def test_the_trap_sees_a_redirect_to_an_allowed_address(trap: Trap, server: Server) -> None:
    server.answers["/r"] = redirect(f"http://{TRAP}:{trap.port}/")

    assert refusal(server.url("/r"), FileClient(allowed_hosts=[SERVER, TRAP]), 0.2) == "timed_out"

    assert trap.connections() == 1


# Hostile links. Most would reach the trap through a more lenient parser.

NUMBERS = [
    "127.0.0.1", "2130706433", "017700000001", "0x7f000001", "0x7F.0x0.0x0.0x1", "0177.0.0.1", "127.1", "127.0.1",
    "127.000.000.001", "0", "0.0.0.0", "00.0.0.0", "127.0.0.1.", "127.0.0.01", "1.0x7f", "4294967295", "4425673729",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1%lo]",
    "[::1%25lo]", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[v1.x]", "[127.0.0.1]", "[]",
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "169.254.169.254", "metadata.google.internal",
    "127.0.0.1.nip.io", "１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1", "127%2e0%2e0%2e1", "%31%32%37.0.0.1",
]  # fmt: skip
LOOK_ALIKES = [
    "evilcdninstagram.com", "cdninstagram.com.evil.example", "cdninstagram.com.", "a.cdninstagram.com..",
    "cdninstagram.co", "cdninstagram.com.com", "a..cdninstagram.com", ".cdninstagram.com", "-cdninstagram.com",
    "cdninstagram-com.example", "cdninstagram。com", "ｃdninstagram.com", "cdnınstagram.com", "xn--cdninstagram.com",
    "a%2ecdninstagram.com", "cdninstagram.com%00.evil.example", "cdninstagram.com%23.evil.example", "com",
    "cdninstagram", "cdninstagram.com,evil.example", "cdninstagram.com;evil.example", f"{'a' * 64}.cdninstagram.com",
]  # fmt: skip
AUTHORITIES = [
    "{good}@127.0.0.1:{port}", "127.0.0.1:{port}@{good}", "x:y@{good}:{port}", "@{good}:{port}", "{good}:@{good}",
    "{good}:{port}@127.0.0.1:{port}", "{good}%40127.0.0.1:{port}", "{good}\\@127.0.0.1:{port}", "{good}:0{port}",
    "127.0.0.1:{port}\\@{good}", "127.0.0.1:{port}#@{good}", "127.0.0.1:{port}?@{good}", "127.0.0.1:{port}\\.{good}",
    "{good}:80", "{good}:22", "{good}:0", "{good}:65536", "{good}:99999999999", "{good}:-1", "{good}:+443",
    "{good}:４４３",
    "{good}:{port}:{port}", "{good}:", "{good} ", " {good}", "{good}\t", "{good}\n:{port}", "{good}\r\nHost: evil",
    "{good}\x00", "127.0.0.1:{port}\t@{good}", "[{good}]", "[::1]:{port}.{good}", "[::1].{good}", "{good}[::1]",
]  # fmt: skip
SCHEMES = [
    "http://{good}/x", "http://{good}:{port}/x", "ftp://{good}/x", "file:///etc/passwd", "file://{good}/etc/passwd",
    "gopher://127.0.0.1:{port}/x", "data:image/jpeg;base64,/9j/", "javascript:alert(1)", "//{good}/x", "/x", "",
    "https:/{good}/x", "https:{good}/x", "https:///{good}/x", "https:\\\\{good}\\x", "https//{good}", "://{good}/x",
    " https://{good}/x", "\thttps://{good}/x", "https\n://{good}/x", "ht\ttps://{good}/x", "https://", "https://?{good}",
    "https://#{good}", "http+unix://%2Fvar%2Frun%2Fdocker.sock/x", "unix:/x", "view-source:https://{good}/x",
    "https://{good}/a b", "https://{good}/\tx", "https://{good}/ü", "https://{good}/a\\b", "https://{good}/\x7f",
    "https://{good}/" + "x" * 5_000, "url:https://{good}/x", "blob:https://{good}/x", "dict://127.0.0.1:{port}/x",
]  # fmt: skip
LINKS = [
    *(f"{scheme}://{host}:{{port}}/x" for scheme in ("http", "https") for host in NUMBERS),
    *(f"https://{host}:{{port}}/x" for host in LOOK_ALIKES),
    *(f"https://{host}/x" for host in LOOK_ALIKES),
    *(f"https://{authority}/x" for authority in AUTHORITIES),
    *SCHEMES,
]


@pytest.mark.parametrize("link", LINKS, ids=ascii)
def test_hostile_links_are_refused_before_anything_is_looked_up(
    trap: Trap, names: dict[str, list[str]], dialled: list[str], monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    names[NAME] = names["cdninstagram.com"] = [TRAP]
    looked_up: list[str] = []
    monkeypatch.setattr(http, "addresses_of", lambda host, *_: looked_up.append(host) or [TRAP])

    reason = refusal(link.replace("{good}", NAME).replace("{port}", str(trap.port)), client_for(trap))

    assert reason in ("link_not_allowed", "host_not_allowed")
    assert (looked_up, dialled, trap.connections()) == ([], [], 0)


# Hostile names

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.127.255.255", "100.100.100.200", "192.0.0.1", "192.0.2.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "192.88.99.1", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1",
    "fe80::1%lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::6440:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1",
    "2001:0:7f00:1::", "2001:db8::1", "100::1", "4000::1",
]  # fmt: skip
ANSWERS_OF_NAMES = [
    *([address] for address in PRIVATE),
    [PUBLIC, TRAP], [TRAP, PUBLIC], [PUBLIC, TRAP_IPV6], [PUBLIC_IPV6, "::ffff:127.0.0.1"], [],
]  # fmt: skip


@pytest.mark.parametrize("addresses", ANSWERS_OF_NAMES, ids=str)
def test_names_of_addresses_that_are_not_public_are_refused(
    trap: Trap, names: dict[str, list[str]], dialled: list[str], addresses: list[str]
) -> None:
    names[NAME] = addresses

    assert refusal(f"https://{NAME}:{trap.port}/x", client_for(trap)) == "address_not_allowed"

    assert (dialled, trap.connections()) == ([], 0)


def test_localhost_must_be_loopback(names: dict[str, list[str]], dialled: list[str]) -> None:
    for address in (PUBLIC, "10.0.0.1"):
        names["localhost"] = [address]
        assert (
            refusal("http://localhost:8000/x", FileClient(allowed_hosts=["localhost"]))
            == "address_not_allowed"
        )
    assert dialled == []


@pytest.mark.parametrize(
    "address", [PUBLIC, PUBLIC_IPV6, "157.240.1.63", "2a03:2880:f1::1", "64:ff9b::808:808"]
)
def test_addresses_of_the_public_internet(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


# Redirects

LOCATIONS = [
    "http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "http://[::1]:{port}/", "//[::1]:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/",
    "http://0x7f.1:{port}/", "http://0177.0.0.1:{port}/", "http://127.1:{port}/", "http://0:{port}/",
    "http://0.0.0.0:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.2:80@127.0.0.1:{port}/", "//127.0.0.2@127.0.0.1:{port}/", "http://x:y@127.0.0.2/", "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "\\\\127.0.0.1:{port}\\", "/\\127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/", "http://127.0.0.1:{port}\t/", "http://127.0.0.1:{port}/ ü",
    "http://evilcdninstagram.com/", "https://a.cdninstagram.com.evil.example/", "http://a.cdninstagram.com:{port}/", "http://[::1",
    "", "javascript:alert(1)", "data:image/jpeg,x",
]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS, ids=ascii)
def test_redirects_off_the_list_are_refused(
    trap: Trap, server: Server, names: dict[str, list[str]], dialled: list[str], location: str
) -> None:
    names[NAME] = [TRAP]
    server.answers["/r"] = redirect(location.replace("{port}", str(trap.port)))

    assert refusal(server.url("/r"), client_for(trap)) == "redirected"

    assert (dialled, trap.connections()) == ([SERVER], 0)


@pytest.mark.parametrize(
    "location",
    [
        "http:///127.0.0.1:{port}/",
        "///127.0.0.1:{port}/",
        "/127.0.0.1:{port}/",
        "///",
        "http://",
        "http:127.0.0.1",
    ],
)
def test_locations_that_parsers_read_differently_stay_on_the_server(
    trap: Trap, server: Server, dialled: list[str], location: str
) -> None:
    server.answers["/r"] = redirect(location.replace("{port}", str(trap.port)))

    assert refusal(server.url("/r"), client_for(trap)) in ("redirected", "unreachable")

    assert (set(dialled), trap.connections()) == ({SERVER}, 0)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_every_kind_of_redirect_is_checked_and_followed(trap: Trap, server: Server, status: str) -> None:
    server.answers["/r"] = redirect(f"http://{TRAP}:{trap.port}/", status)
    server.answers["/s"], server.answers["/picture"] = redirect("/picture", status), answered()

    assert refusal(server.url("/r"), client_for(trap)) == "redirected"
    assert trap.connections() == 0
    assert fetch(server.url("/s"), client_for(trap)) == JPEG


def test_a_redirect_to_an_allowed_name_at_a_private_address_is_refused(
    trap: Trap, server: Server, names: dict[str, list[str]]
) -> None:
    names[NAME] = [TRAP]
    server.answers["/r"] = redirect(f"https://{NAME}:{trap.port}/")

    assert refusal(server.url("/r"), client_for(trap)) == "address_not_allowed"
    assert trap.connections() == 0


@pytest.mark.parametrize(
    "location", ["/pic\tture", "/picture\x0b", "/picture x", "/picture\\x", "/picture\xfc"]
)
def test_unusual_characters_in_a_location_are_refused(trap: Trap, server: Server, location: str) -> None:
    server.answers["/r"], server.answers["/picture"] = redirect(location), answered()

    assert refusal(server.url("/r"), client_for(trap)) == "redirected"


def test_three_redirects_are_followed_and_four_are_not(trap: Trap, server: Server) -> None:
    for number in range(1, 5):
        server.answers[f"/{number}"] = redirect(f"/{number - 1}")
    server.answers["/0"] = answered()
    server.answers["/loop"] = redirect("/loop")

    assert fetch(server.url("/3"), client_for(trap)) == JPEG
    assert refusal(server.url("/4"), client_for(trap)) == "redirected"
    assert refusal(server.url("/loop"), client_for(trap)) == "redirected"


def test_redirects_share_one_deadline(trap: Trap, server: Server) -> None:
    def redirect_late(peer: socket.socket) -> None:
        time.sleep(0.3)
        peer.sendall(redirect("/late"))

    server.answers["/late"] = redirect_late

    assert refusal(server.url("/late"), client_for(trap), 0.5) == "timed_out"


# TLS and the checked address


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for NAME, and the file of the authority that signed it."""
    folder = tmp_path_factory.mktemp("tls")
    key, subject = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, folder / "certificate.pem"


@contextmanager
def internet_of(
    server: Server, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> Iterator[list[tuple[str, int]]]:
    """The server answers at any address. Names resolve to the next of `addresses` each time they are looked up."""
    dialled: list[tuple[str, int]] = []
    connect = http.create_connection

    def divert(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        dialled.append(address)
        return connect((SERVER, server.port), *args, **kwargs)

    def look_up(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses.pop(0) if host == NAME else host, port))
        ]

    with monkeypatch.context() as patched:
        patched.setattr(http, "create_connection", divert)
        patched.setattr(socket, "getaddrinfo", look_up)
        yield dialled


def test_the_checked_address_is_dialled_and_the_name_is_kept_for_tls_and_host(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = tls
    monkeypatch.setattr(certifi, "where", lambda: str(authority))
    asked_for: list[str] = []
    context.sni_callback = lambda _, name, __: asked_for.append(name)  # type: ignore[assignment]
    with Server(tls=context) as server, internet_of(server, monkeypatch, [PUBLIC, TRAP]) as dialled:
        target = "/x.jpg?oh=00_A%2F%7e~&oe=6A(1)&_nc_ht='a';,!*$@:"
        server.answers[target.replace("%7e", "%7E")] = answered()
        client = FileClient(allowed_hosts=["cdninstagram.com"])

        assert fetch(f"HTTPS://{NAME.upper()}{target}", client) == JPEG
        # The name changes its address to a private one.
        assert refusal(f"https://{NAME}/x", client) == "address_not_allowed"

    assert dialled == [(PUBLIC, 443)]
    assert asked_for == [NAME]
    assert f"Host: {NAME}\r\n" in server.requests[0]


def test_a_certificate_of_an_unknown_authority_is_refused(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(tls=tls[0]) as server, internet_of(server, monkeypatch, [PUBLIC]):
        server.answers["/x"] = answered()
        assert refusal(f"https://{NAME}/x", FileClient(allowed_hosts=["cdninstagram.com"])) == "unreachable"
        assert server.requests == []


# Answers


def test_pictures_of_the_stand_in_are_fetched_over_one_connection_and_an_expired_link_is_named(
    dialled: list[str],
) -> None:
    with StandIn() as standin:
        client = FileClient(allowed_hosts=["127.0.0.1"])
        for _ in range(2):
            assert fetch(f"{standin.base_url}/media/cake.jpg", client) == PICTURES["cake"]
        assert dialled == ["127.0.0.1"]
        assert refusal(f"{standin.base_url}/media/cake.jpg?oh=00_A0&oe=1", client) == "link_expired"


def test_requests_carry_no_cookie_referrer_or_authorization(trap: Trap, server: Server) -> None:
    server.requests.clear()
    server.answers["/a"] = answered("302 Found", b"", Location="/b", Set_Cookie="a=canary; Path=/")
    server.answers["/b"] = answered(Set_Cookie="b=canary; Path=/")
    client = client_for(trap)

    fetch(server.url("/a"), client)
    fetch(server.url("/b#fragment"), client)

    assert [request.partition(" HTTP")[0] for request in server.requests] == ["GET /a", "GET /b", "GET /b"]
    for request in server.requests:
        head = request.lower()
        assert "accept: image/avif, image/webp, image/jpeg, image/png\r\n" in head
        assert not {"cookie", "referer", "authorization"} & {
            line.partition(":")[0] for line in head.split("\r\n")
        }


def test_before_call_runs_before_each_fetch(server: Server) -> None:
    server.answers["/b"] = answered()
    calls: list[str] = []
    client = FileClient(allowed_hosts=[SERVER], before_call=lambda: calls.append("call"))

    fetch(server.url("/b"), client)
    fetch(server.url("/b"), client)

    assert calls == ["call", "call"]


def endless(head: bytes, part: bytes, pause: float = 0) -> Serve:
    def serve(peer: socket.socket) -> None:
        peer.sendall(head)
        with suppress(OSError):
            while True:
                peer.sendall(part)
                time.sleep(pause)

    return serve


def bomb(layers: int) -> bytes:
    content = JPEG + bytes(60_000_000)
    for _ in range(layers):
        content = gzip.compress(content, 1)
    return content


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: dict[str, tuple[Serve | bytes, str]] = {
    "HTML": (answered(body=b"<!doctype html><title>Sign in</title>", Content_Type="image/jpeg"), "not_a_picture"),
    "SVG": (answered(body=b'<svg xmlns="http://www.w3.org/2000/svg"/>', Content_Type="image/svg+xml"), "not_a_picture"),
    "GIF": (answered(body=b"GIF89a" + bytes(100)), "not_a_picture"),
    "film": (answered(body=b"\0\0\0\x20ftypisom" + bytes(100)), "not_a_picture"),
    "nothing": (answered(body=b""), "not_a_picture"),
    "a few bytes": (answered(body=b"\xff\xd8"), "not_a_picture"),
    "HTML without end": (endless(HEAD, b"<p>" * 10_000), "not_a_picture"),
    "picture without end": (endless(HEAD, JPEG), "too_large"),
    "chunks without end": (endless(CHUNKED, b"fff\r\n" + JPEG[:4095] + b"\r\n"), "too_large"),
    "announced size": (answered(Content_Length="99999999999"), "too_large"),
    "announced size of 50 digits": (answered(Content_Length="9" * 50), "too_large"),
    "gzip bomb": (answered(body=bomb(1), Content_Encoding="gzip"), "too_large"),
    "gzip bomb in gzip": (answered(body=bomb(2), Content_Encoding="gzip, gzip"), "too_large"),
    "twenty encodings": (answered(Content_Encoding=", ".join(["gzip"] * 20)), "unreachable"),
    "broken gzip": (answered(Content_Encoding="gzip"), "unreachable"),
    "cut off": (answered(Content_Length=str(len(JPEG) + 1)), "unreachable"),
    "cut off in a chunk": (CHUNKED + b"ffff\r\n" + JPEG, "unreachable"),
    "chunk of a strange size": (CHUNKED + b"-1\r\n" + JPEG, "unreachable"),
    "no HTTP": (b"220 mail.example ESMTP\r\n", "unreachable"),
    "no answer": (b"", "unreachable"),
    "headers without end": (endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), "unreachable"),
    "a header line without end": (endless(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 1000), "unreachable"),
    "a status line without end": (endless(b"HTTP/1.1 200 ", b"b" * 1000), "unreachable"),
    "continue without end": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "timed_out"),
    "slow body": (endless(HEAD, b"\xff", 0.05), "timed_out"),
    "slow headers": (endless(b"HTTP/1.1 200 OK\r\nA: ", b"b", 0.05), "timed_out"),
    "hang": (lambda peer: peer.recv(1), "timed_out"),
    "partial content": (answered("206 Partial Content"), "http_error"),
    "no content": (answered("204 No Content", b""), "http_error"),
    "not modified": (answered("304 Not Modified", b"", Location="/b"), "http_error"),
    "too many requests": (answered("429 Too Many Requests"), "http_error"),
    "server error": (answered("503 Service Unavailable"), "http_error"),
    "not found": (answered("404 Not Found"), "not_found"),
    "forbidden": (answered("403 Forbidden", b"URL signature expired"), "link_expired"),
    "gone": (answered("410 Gone"), "link_expired"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_hostile_answers_are_refused_with_a_reason(
    trap: Trap, server: Server, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    server.answers["/canary"], reason = ANSWERS[kind]

    with caplog.at_level(logging.DEBUG):
        assert refusal(server.url("/canary"), client_for(trap), 0.5 if reason == "timed_out" else 3) == reason
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(JPEG, {"Content_Type": "text/html"}, id="a wrong type is ignored"),
        pytest.param(gzip.compress(JPEG), {"Content_Encoding": "gzip"}, id="gzip"),
        pytest.param(JPEG, {"X": "y\r\n canary: malformed\r\nnone"}, id="a malformed header"),
    ],
)
def test_unusual_answers_that_hold_a_picture(
    trap: Trap, server: Server, caplog: pytest.LogCaptureFixture, body: bytes, headers: dict[str, str]
) -> None:
    server.answers["/canary"] = answered(body=body, **headers)

    assert fetch(server.url("/canary"), client_for(trap)) == JPEG
    assert "canary" not in caplog.text


def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server((TRAP, 0)) as closed:
        port = closed.getsockname()[1]

    assert refusal(f"http://{TRAP}:{port}/x", FileClient(allowed_hosts=[TRAP])) == "unreachable"


def test_an_unknown_name_is_unreachable(names: dict[str, list[str]]) -> None:
    assert refusal(f"https://{NAME}/x", FileClient(allowed_hosts=["cdninstagram.com"])) == "unreachable"


def test_a_deadline_that_is_over_makes_no_call(trap: Trap) -> None:
    assert refusal(f"http://{TRAP}:{trap.port}/x", FileClient(allowed_hosts=[TRAP]), 0) == "timed_out"
    assert trap.connections() == 0


# The allow-list


@pytest.mark.parametrize(
    ("entries", "url", "is_allowed"),
    [
        (["cdninstagram.com"], "https://cdninstagram.com/x", True),
        (["cdninstagram.com"], "https://a.b-c.cdninstagram.com:443/x", True),
        ([" .CDNinstagram.com "], "https://a.cdninstagram.com/x", True),
        (["cdninstagram.com"], "https://a.cdninstagram.com:8443/x", False),
        (["cdninstagram.com:8443"], "https://a.cdninstagram.com:8443/x", True),
        (["cdninstagram.com:8443"], "https://a.cdninstagram.com/x", False),
        (["cdninstagram.com:8443"], "http://a.cdninstagram.com:8443/x", False),
        (["cdninstagram.com"], "http://a.cdninstagram.com:443/x", False),
        (["a.cdninstagram.com"], "https://cdninstagram.com/x", False),
        (["127.0.0.1"], "http://127.0.0.1/x", True),
        (["127.0.0.1"], "https://127.0.0.1:9/x", True),
        (["127.0.0.1:8000"], "http://127.0.0.1:8000/x", True),
        (["127.0.0.1:8000"], "http://127.0.0.1:8001/x", False),
        (["127.0.0.1"], "http://127.0.0.2/x", False),
        (["::1"], "http://[::1]:9/x", True),
        (["[::1]:9"], "http://[0:0::1]:9/x", True),
        (["[::1]:9"], "http://[::1]:8/x", False),
        (["localhost"], "http://localhost:9/x", True),
        (["localhost"], "http://a.localhost:9/x", False),
        (["localhost"], "http://127.0.0.1:9/x", False),
        (["", " ", ".", "*", "https://cdninstagram.com", "2130706433"], "https://cdninstagram.com/x", False),
        ([""], "https://example.com/x", False),
        ([], "https://cdninstagram.com/x", False),
    ],
)
def test_entries_of_the_allow_list(
    monkeypatch: pytest.MonkeyPatch, entries: list[str], url: str, is_allowed: bool
) -> None:
    monkeypatch.setattr(http, "addresses_of", lambda *_: [])  # an allowed link fails at the next step

    reason = refusal(url, FileClient(allowed_hosts=entries))

    assert reason == ("address_not_allowed" if is_allowed else "host_not_allowed")


def test_the_client_of_the_process_uses_the_hosts_of_the_settings(settings: Any, server: Server) -> None:
    settings.MEDIA_HOSTS = [f"{SERVER}:{server.port}"]
    server.answers["/b"] = answered()
    registry.file_client.cache_clear()
    try:
        assert fetch(server.url("/b"), registry.file_client()) == JPEG
        assert registry.file_client() is registry.file_client()
    finally:
        registry.file_client.cache_clear()
