"""The file client: allowed hosts, public addresses, limits, and hostile links and answers. Tested with real sockets."""

from __future__ import annotations

from instagram_standin.media import PICTURES
from instagram_standin.server import StandIn
from paris_integration.providers.http import Deadline, FileClient


def test_a_picture_of_the_stand_in_is_fetched() -> None:
    with StandIn() as standin:
        content = FileClient(allowed_hosts=["127.0.0.1"]).fetch(
            f"{standin.base_url}/media/cake.jpg", deadline=Deadline(5)
        )
    assert content == PICTURES["cake"]
