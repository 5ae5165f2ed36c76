"""A client that reads its downloads slowly, as one with a bad line does. Its time is its own fault."""

import gevent
from locust import task

from loadtests.client.asking import LoadUser
from loadtests.client.plain import PlainConnection

SIZE_BYTES = 400_000
PAUSE_S = 0.05
"""After each piece; about 1 MB/s at most."""
RECEIVE_BUFFER_BYTES = 16_384


class SlowReaders(LoadUser):
    """Reads with pauses, and lets its kernel hold little, so that the gateway has to wait for it."""

    @task
    def download(self) -> None:
        """A body of which little is read at a time."""
        with (
            self.asking("GET", "GET /blobs/{size} (read slowly)", counted_at_gateway=False) as asked,
            PlainConnection(self.edge, receive_buffer_bytes=RECEIVE_BUFFER_BYTES) as connection,
        ):
            connection.begin("GET", f"/blobs/{SIZE_BYTES}", self.headers(asked.correlation_id), length=0)
            connection.end()
            status, headers = connection.answer()
            for piece in connection.pieces():
                asked.body_bytes += len(piece)
                gevent.sleep(PAUSE_S)
            asked.answered(status, headers)
            if status == 200 and asked.body_bytes != SIZE_BYTES:
                asked.fail("the body is not as long as it must be")
