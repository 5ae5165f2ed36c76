"""A client with a WebSocket: it sends messages, and checks that each comes back."""

import random

import gevent
from locust import task

from loadtests.client.asking import LoadUser
from loadtests.client.web_socket import GOING_AWAY, ClosedError, WebSocketClient

MESSAGES = 20
TEXT = "the quick brown fox jumps over the lazy dog " * 20


class WebSocket(LoadUser):
    """Opens a WebSocket, sends some messages, and closes it."""

    @task
    def talk(self) -> None:
        """One conversation."""
        with self.asking("GET", "GET /echo (handshake)", expect=(101,), counted_at_gateway=False) as asked:
            socket = WebSocketClient(self.edge)
            try:
                status, headers = socket.open("/echo", self.headers(asked.correlation_id))
            except BaseException:
                socket.close()
                raise
            asked.answered(status, headers)
        if asked.status_code != 101:
            return
        with socket:
            for _ in range(MESSAGES):
                if not self.echo(socket):
                    break
                gevent.sleep(self.wait_time())

    def echo(self, socket: WebSocketClient) -> bool:
        """Send a message and wait for it; return whether the WebSocket is still there."""
        text = TEXT[: random.randint(1, len(TEXT))]
        with self.asking("WS", "message of /echo", counted_at_gateway=False) as asked:
            try:
                socket.send(text)
                came = socket.receive()
            except ClosedError as error:
                if error.code == GOING_AWAY:  # its worker goes, and says so: a client opens another one
                    asked.go_away("the WebSocket was told to go elsewhere")
                    return False
                raise
            asked.answered(200, {})
            if came != text:
                asked.fail("another message came back")
        return not asked.failure
