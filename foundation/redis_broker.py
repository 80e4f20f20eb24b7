"""Celery's Redis transport, which reuses its client.

kombu makes a client object for each message that is received, and for each that is confirmed. That takes longer than
the commands themselves. Clients of redis-py may be used by several threads.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    _kept_client: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        # kombu makes a new pool after a fault.
        if self._kept_client is None or self._kept_client.connection_pool is not self.pool:
            self._kept_client = super()._create_client()  # type: ignore[misc]
        return self._kept_client


class Transport(redis.Transport):
    Channel = Channel
