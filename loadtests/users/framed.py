"""A service that calls others through the gateway, over frames: no HTTP in between."""

from locust import task

from frames.frame import Method
from loadtests.client.asked import WrongAnswerError
from loadtests.client.asking import LoadUser
from loadtests.client.frames import FrameClient
from loadtests.client.target import current


class Framed(LoadUser):
    """Has a connection, which it dials again where it was lost."""

    goes_to = "services"
    connection: FrameClient | None = None

    @task(9)
    def read(self) -> None:
        """A small answer."""
        self.call("GET /items/{number} (call)", Method.GET, "/items/7")

    @task(1)
    def add(self) -> None:
        """A small body."""
        self.call("POST /items (call)", Method.POST, "/items", b'{"name": "tea"}')

    def call(self, name: str, method: Method, target: str, body: bytes = b"") -> None:
        """Call the service, and tell what came of it."""
        with self.asking("CALL", name, counted_at_gateway=False) as asked:
            if self.connection is None or not self.connection.may_ask:
                self.connection = self.dial()
            reply = self.connection.ask("steady", method, target, asked.correlation_id, body=body)
            asked.body_bytes = len(reply.body)
            asked.answered(reply.status, {"x-penstock-reason": reply.reason} if reply.reason else {})

    def dial(self) -> FrameClient:
        """Connect to where services do."""
        self.on_stop()
        services = current().services
        if services is None:
            raise WrongAnswerError("nobody said where services connect to (LOADTESTS_SERVICES=host:port)")
        return FrameClient(services)

    def on_stop(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
