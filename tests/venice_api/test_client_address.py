"""The client's address behind a number of proxies, whatever a client writes into the header."""

from __future__ import annotations

import pytest

from venice_api.client_address import client_address


@pytest.mark.parametrize(
    ("forwarded", "trusted_proxies", "expected"),
    [
        (None, 0, "192.0.2.1"),
        ("203.0.113.9", 0, "192.0.2.1"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 198.51.100.2", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "192.0.2.1"),
        ("", 1, "192.0.2.1"),
        (None, 1, "192.0.2.1"),
        ("nobody", 1, "192.0.2.1"),
        ("203.0.113.9:4711", 1, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", 1, "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3::9]:4711", 1, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("fe80::1%eth0", 1, "fe80::/64"),
        (" 203.0.113.9 ,", 2, "203.0.113.9"),
        ("x" * 5000, 1, "192.0.2.1"),
    ],
)
def test_client_address(forwarded: str | None, trusted_proxies: int, expected: str) -> None:
    meta = {"REMOTE_ADDR": "192.0.2.1"}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded

    assert client_address(meta, trusted_proxies) == expected


@pytest.mark.parametrize("peer", [None, "", "/run/web.sock"])
def test_a_peer_without_an_address(peer: str | None) -> None:
    assert client_address({"REMOTE_ADDR": peer}, 0) == "unknown"
