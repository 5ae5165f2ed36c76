"""Drives a service that misbehaves on command: each answer must be what the gateway makes of it, and nobody else's."""

from locust import task

from loadtests.client.asking import LoadUser
from loadtests.client.edge import EdgeUser
from loadtests.client.plain import PlainConnection


class Misbehaving(EdgeUser):
    """Has the service behave badly, in one way after the other."""

    @task(4)
    def well(self) -> None:
        """It can behave, too."""
        self.ask("GET", "/unruly/well")

    @task(2)
    def status(self) -> None:
        """A status of our choice."""
        self.ask("GET", "/unruly/status/503", expect=(503,))

    @task(2)
    def fail(self) -> None:
        """A bug in the service."""
        self.ask("GET", "/unruly/raise", expect=(500,))

    @task(2)
    def slow(self) -> None:
        """An answer that takes its time."""
        self.ask("GET", "/unruly/slow/100")

    @task(1)
    def big(self) -> None:
        """An answer that the service holds whole."""
        self.ask("GET", "/unruly/big/500000")

    @task(1)
    def torn(self) -> None:
        """An answer that is begun and not ended: its client must see that it is not whole."""
        torn(self)


def torn(user: LoadUser) -> None:
    """Ask for an answer that will be torn, and see that it is."""
    with (
        user.asking("GET", "GET /unruly/torn/{bytes}", counted_at_gateway=False) as asked,
        PlainConnection(user.edge) as connection,
    ):
        connection.begin("GET", "/unruly/torn/100000", user.headers(asked.correlation_id), length=0)
        connection.end()
        asked.go_away("the answer was torn, as it was told to be")  # where what follows says that it was cut
        status, headers = connection.answer()
        asked.body_bytes = sum(len(piece) for piece in connection.pieces())
        asked.comes_back()
        if status == 200:
            asked.fail("an answer that was torn looks whole")
        else:
            asked.answered(status, headers)
