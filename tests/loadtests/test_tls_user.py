"""The users of TLS at a real gateway: whom they trust, and that they see a certificate that has taken another's place.

Locust changes how everything of a process waits, so users are in a process of their own, which does what it is told.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from cryptography.x509 import load_pem_x509_certificate
from free_port import free_port
from loadtests.nemesis import deeds
from loadtests.stand.child import Keeper
from loadtests.stand.layout import make_layout
from loadtests.stand.metrics_page import gateway_sample
from loadtests.stand.stand import Stand, write_certificate
from loadtests.tools import ROOT

pytestmark = pytest.mark.slow

USER = """
import json, sys
from locust.env import Environment
from loadtests.client.asked import outcome_of
from loadtests.client.target import Target, TargetError, use
from loadtests.client.tls import check
from loadtests.order import Address
from loadtests.users.tls_edge import TlsEdge

target = Target(tls_edge=Address("127.0.0.1", int(sys.argv[1])), authority=sys.argv[2])
use(target)
environment = Environment(user_classes=[TlsEdge])
told = []
environment.events.request.add_listener(lambda name, response_time, response=None, exception=None, context=None, **more:
    told.append(outcome_of(name, response_time, response, exception, context)))
user = TlsEdge(environment)
for line in sys.stdin:
    error = ""
    try:
        check(target) if line == "check\\n" else getattr(user, line.strip())()
    except TargetError as wrong:
        error = str(wrong)
    serial = user.connection.socket.getpeercert()["serialNumber"] if user.connection else ""
    print(json.dumps([serial, error, [[one.name, one.status, one.failure, one.is_expected] for one in told]]))
    sys.stdout.flush()
    told.clear()
"""
READ, SHAKE = "GET /items/{number} (TLS)", "TLS handshake"


class User:
    """A user in a process of its own."""

    def __init__(self, port: int, authority: Path) -> None:
        command = [sys.executable, "-c", USER, str(port), str(authority)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def do(self, task: str) -> Any:
        """Serial of its connection, error of its check, and what it told: name, status, failure, as expected."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    keeper = Keeper()
    layout = make_layout(tmp_path_factory.mktemp("stand"), workers=1, services={"steady": 1}, with_tls=True)
    made = Stand(layout, keeper)
    try:
        made.start()
        yield made
    finally:
        made.end()
        keeper.close()


def serial_of(stand: Stand) -> int:
    return load_pem_x509_certificate((stand.layout.certificates / "localhost.pem").read_bytes()).serial_number


async def test_new_connections_see_a_certificate_that_was_rotated(stand: Stand) -> None:
    before = serial_of(stand)
    with User(stand.layout.tls_port, Path(stand.authority)) as user:
        serial, _, told = user.do("read")
        assert told == [[SHAKE, 200, "", True], [READ, 200, "", True]]
        assert int(serial, 16) == before
        assert await deeds.rotate(stand) == "a new certificate is shown"
        assert serial_of(stand) != before
        kept, _, told = user.do("add")
        assert told == [["POST /items (TLS)", 201, "", True]]  # over the same connection
        assert int(kept, 16) == before
        renewed, _, told = user.do("renew")
        assert told == [[SHAKE, 200, "", True], [READ, 200, "", True]]
        assert int(renewed, 16) == serial_of(stand)


def test_a_connection_that_the_gateway_has_closed_is_replaced_before_it_is_used(stand: Stand, tmp_path: Path) -> None:
    keeper = Keeper()
    settings: dict[str, object] = {"edge": {"idle_timeout": "200ms"}}
    layout = make_layout(tmp_path, workers=0, services={"steady": 1}, with_tls=True, settings=settings)
    impatient = Stand(layout, keeper)
    try:
        impatient.start()
        with User(layout.tls_port, Path(impatient.authority)) as user:
            user.do("read")
            until_no_clients(impatient)
            assert user.do("read")[2] == [[SHAKE, 200, "", True], [READ, 200, "", True]]
    finally:
        impatient.end()
        keeper.close()


def until_no_clients(stand: Stand) -> None:
    until = time.monotonic() + 20
    while gateway_sample(stand.admin.page("/metrics").decode(), [], is_ready=True).clients:
        assert time.monotonic() < until


def test_a_handshake_that_fails_is_a_failure_and_nothing_is_sent(stand: Stand, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    said = "TLS: certificate verify failed: unable to get local issuer certificate"
    with User(stand.layout.tls_port, tmp_path / "ca.pem") as user:
        assert user.do("read") == ["", "", [[SHAKE, 0, said, False]]]
        assert user.do("renew") == ["", "", [[SHAKE, 0, said, False]]]
        fix = "give the authority that signed its certificate (--ca), and a name that stands in it"
        assert user.do("check")[1] == f"127.0.0.1:{stand.layout.tls_port}: {said}; {fix}"


def test_what_is_no_tls_is_said_before_the_run(stand: Stand, tmp_path: Path) -> None:
    with User(stand.layout.edge_port, Path(stand.authority)) as user:
        said = user.do("check")[1]
    where = f"127.0.0.1:{stand.layout.edge_port}"
    assert said.startswith(f"{where}: TLS: ")
    assert said.endswith(f"; is {where} edge.tls_listen of the gateway?")
    nowhere = free_port()
    with User(nowhere, Path(stand.authority)) as user:
        said = user.do("check")[1]
    assert said == f"127.0.0.1:{nowhere}: connection refused; is that edge.tls_listen, and does it run?"
    with User(stand.layout.tls_port, tmp_path / "none.pem") as user:
        assert user.do("check")[1] == f"there is no file {tmp_path / 'none.pem'} of authorities; give one of PEM (--ca)"
