"""A client of the edge as there are most: small requests over a connection that is kept."""

from locust import task

from loadtests.client.edge import EdgeUser


class HttpEdge(EdgeUser):
    """Reads items, adds some, and now and then asks for one that takes time."""

    @task(16)
    def read(self) -> None:
        """A small answer."""
        self.ask("GET", "/items/7", name="GET /items/{number}")

    @task(3)
    def add(self) -> None:
        """A small body."""
        self.ask("POST", "/items", body='{"name": "tea", "count": 2}', headers={"content-type": "application/json"})

    @task(1)
    def wait(self) -> None:
        """Work that takes 5 ms."""
        self.ask("GET", "/items/7/wait?ms=5", name="GET /items/{number}/wait")

    @task(1)
    def relay(self) -> None:
        """A call between services behind it."""
        self.ask("GET", "/relay/7", name="GET /relay/{number}")
