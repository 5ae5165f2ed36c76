"""What Locust's own client would hide: a request that is sent again unseen, and times that are rounded.

Locust changes how everything of a process waits, so it is asked in a process of its own.
"""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

_USER = """
import json, sys
from loadtests.client.edge import EdgeUser
from loadtests.client.asked import outcome_of
from loadtests.client.target import Target, use
from loadtests.order import Address
import locust.stats
from locust import task
from locust.env import Environment

class Asking(EdgeUser):
    @task
    def ask_once(self):
        pass

told = []
use(Target(edge=Address("127.0.0.1", int(sys.argv[1]))))
environment = Environment(user_classes=[Asking])
environment.events.request.add_listener(lambda name, response_time, response=None, exception=None, context=None, **more:
    told.append(outcome_of(name, response_time, response, exception, context)))
user = Asking(environment)
for target in sys.argv[2:]:
    user.ask("GET", target)
user.on_stop()
print(json.dumps({
    "told": [[each.status, each.reason, each.failure, each.is_expected] for each in told],
    "bucket": locust.stats.bucket_response_time(1234.5678),
    "user": told[0].user,
}))
"""


class Server:
    """Answers `/ok`, refuses `/no`, and ends the connection at `/gone` without a word. Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(65_536):
                    self.asked.append(data.split(b" ", 2)[1].decode())
                    if self.asked[-1] == "/gone":
                        break
                    connection.sendall(_ANSWERS[self.asked[-1]])


_ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "/no": b"HTTP/1.1 503 Unavailable\r\nx-penstock-reason: no_instance\r\ncontent-length: 2\r\n\r\nno",
}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.slow
def test_nothing_is_sent_twice_and_everything_is_told_exactly(server: Server) -> None:
    targets = ["/ok", "/no", "/ok", "/gone", "/ok", "/gone"]
    done = subprocess.run(
        [sys.executable, "-c", _USER, str(server.port), *targets],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    said = json.loads(done.stdout)
    ok, gone = [200, "", "", True], [0, "", "the connection ended before the answer", False]
    assert said["told"] == [ok, [503, "no_instance", "", False], ok, gone, ok, gone]
    assert server.asked == targets
    assert said["bucket"] == 1234.6
    assert said["user"] == "__main__"
