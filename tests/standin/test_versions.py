"""Versions of the Graph API, as they look without a token and when Meta no longer serves one."""

from __future__ import annotations

import pytest

from tests.standin.callers import Meta

WANTED = "An active access token must be used to query information about the current user."


@pytest.mark.parametrize("host", ["/fb-graph", "/ig-graph"])
def test_a_served_version_wants_a_token_and_an_unknown_one_is_a_path(meta: Meta, host: str) -> None:
    served = meta.ask(f"{host}/v26.0/me")
    assert (served.status, served.codes, served.error["message"]) == (400, (2500, None), WANTED)
    assert served.headers["facebook-api-version"] == "v26.0"
    unknown = meta.ask(f"{host}/v28.0/me")
    assert (unknown.status, unknown.codes) == (400, (2500, None))
    assert unknown.error["message"] == "Unknown path components: /me"
    assert "facebook-api-version" not in unknown.headers


def test_a_version_that_has_ended_is_answered_by_the_oldest_one(meta: Meta) -> None:
    assert meta.ask("/fb-graph/v20.0/me").headers["facebook-api-version"] == "v21.0"
    meta.control("set", oldest_version=27)
    reply = meta.ask("/ig-graph/v26.0/me", token="wrong")
    assert (reply.codes, reply.headers["facebook-api-version"]) == ((190, None), "v27.0")
