"""Celery's way to the broker, which a worker survives when the broker dies in the middle of its work.

What a worker still has to acknowledge, or to give back, belongs to a connection that is gone by then. Kombu 5.7 looks
up the address of a connection that it has closed already, and that AttributeError ends the worker. Said as what it is,
a lost connection, it is handled as one: the broker gives the task out again, and doing it twice is harmless.
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):  # type: ignore[misc]
    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to the broker was closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel
