"""A client that never keeps a connection: each request has one of its own."""

from locust import task

from loadtests.client.asking import LoadUser
from loadtests.client.plain import PlainConnection


class Churn(LoadUser):
    """Connects, asks once, and closes."""

    @task
    def read(self) -> None:
        """A small answer."""
        name = "GET /items/{number} (own connection)"
        with self.asking("GET", name) as asked, PlainConnection(self.edge) as connection:
            connection.begin("GET", "/items/7", self.headers(asked.correlation_id), length=0)
            connection.end()
            status, headers = connection.answer()
            asked.body_bytes = sum(len(piece) for piece in connection.pieces())
            asked.answered(status, headers)
