"""A client of the edge over TLS: it keeps its connection, and now and then shakes hands for another one."""

from locust import task

from loadtests.client.tls import TlsUser


class TlsEdge(TlsUser):
    """Reads items, adds some, and connects anew, so that it sees a certificate that has taken another's place."""

    @task(16)
    def read(self) -> None:
        """A small answer."""
        self.ask("GET", "/items/7", name="GET /items/{number} (TLS)")

    @task(3)
    def add(self) -> None:
        """A small body."""
        self.ask("POST", "/items", name="POST /items (TLS)", body=b'{"name": "tea", "count": 2}')

    @task(2)
    def renew(self) -> None:
        """Another connection, and a small answer."""
        self.disconnect()
        self.read()
