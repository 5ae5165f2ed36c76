"""A client that goes away before it is answered: in its request, while it waits, or in the midst of an answer."""

import random

import gevent
from locust import task

from loadtests.client.asking import LoadUser
from loadtests.client.plain import PlainConnection

GONE = "the client went away"


class Aborts(LoadUser):
    """Begins what it does not end, a connection for each."""

    @task(2)
    def while_waiting(self) -> None:
        """Sends a request that takes time, and goes."""
        with (
            self.asking("GET", "GET /items/{number}/wait (aborted)") as asked,
            PlainConnection(self.edge) as connection,
        ):
            connection.begin("GET", "/items/7/wait?ms=500", self.headers(asked.correlation_id), length=0)
            connection.end()
            gevent.sleep(random.uniform(0.001, 0.05))
            asked.go_away(GONE)

    @task(1)
    def in_upload(self) -> None:
        """Sends a part of a body, and goes."""
        with (
            self.asking("PUT", "PUT /blobs (aborted)", counted_at_gateway=False) as asked,
            PlainConnection(self.edge) as connection,
        ):
            connection.begin("PUT", "/blobs", self.headers(asked.correlation_id))
            connection.send(bytes(random.randint(1, 200_000)))
            asked.go_away(GONE)

    @task(1)
    def in_download(self) -> None:
        """Reads a part of an answer, and goes."""
        with (
            self.asking("GET", "GET /blobs/{size} (aborted)", counted_at_gateway=False) as asked,
            PlainConnection(self.edge) as connection,
        ):
            connection.begin("GET", "/blobs/3000000", self.headers(asked.correlation_id), length=0)
            connection.end()
            connection.answer()
            next(connection.pieces())
            asked.go_away(GONE)
