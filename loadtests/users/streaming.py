"""Uploads and downloads of some megabytes, in pieces, each checked by its digest."""

import hashlib
import json
import random

from locust import task

from loadtests.client.asking import LoadUser
from loadtests.client.plain import PlainConnection

PIECE_BYTES = 65_536
SIZES_BYTES = (100_000, 1_000_000, 3_000_000)


class Streaming(LoadUser):
    """Moves large bodies, a connection for each."""

    @task
    def upload(self) -> None:
        """A body in chunks; the service answers with its digest."""
        piece = random.randbytes(PIECE_BYTES)
        count = random.choice(SIZES_BYTES) // PIECE_BYTES + 1
        digest = hashlib.sha256()
        with (
            self.asking("PUT", "PUT /blobs", counted_at_gateway=False) as asked,
            PlainConnection(self.edge) as connection,
        ):
            connection.begin("PUT", "/blobs", self.headers(asked.correlation_id))
            for _ in range(count):
                digest.update(piece)
                connection.send(piece)
            connection.end()
            status, headers = connection.answer()
            body = b"".join(connection.pieces())
            asked.answered(status, headers)
            if status == 201 and json.loads(body) != {"bytes": count * PIECE_BYTES, "sha256": digest.hexdigest()}:
                asked.fail("what arrived is not what was sent")

    @task
    def download(self) -> None:
        """A body whose digest is in its head."""
        size = random.choice(SIZES_BYTES)
        digest = hashlib.sha256()
        with (
            self.asking("GET", "GET /blobs/{size}", counted_at_gateway=False) as asked,
            PlainConnection(self.edge) as connection,
        ):
            connection.begin("GET", f"/blobs/{size}", self.headers(asked.correlation_id), length=0)
            connection.end()
            status, headers = connection.answer()
            for piece in connection.pieces():
                digest.update(piece)
                asked.body_bytes += len(piece)
            asked.answered(status, headers)
            if status == 200 and digest.hexdigest() != headers.get("x-content-sha256"):
                asked.fail("what came is not what its digest says")
