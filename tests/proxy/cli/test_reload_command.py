"""`penstock reload` against listeners that answer in every way: what came of it, or one line about what is wrong."""

import json
import socket
import threading
from typing import Any

import msgspec
import pytest
from answering_support import answering
from click.testing import CliRunner, Result

from penstock.settings import Address, Secret
from proxy.cli.admin_client import AdminClient
from proxy.cli.failures import AdminError
from proxy.cli.reload import command
from proxy.config.changes import Change
from proxy.config.reload import Report

APPLIED = Report(
    "POST /reload",
    1.0,
    True,
    3,
    (
        Change("edge.deadline", "edge.deadline", "5s", "6s", False),
        Change("edge.listen", "edge.listen", "127.0.0.1:1", "127.0.0.1:2", True),
        Change("rules", "rules[a]", None, "{name: a}", False),
    ),
    warnings=("a warning",),
)
REFUSED = Report("POST /reload", 1.0, False, 2, problems=("bad_value: a: b; c",))


def run(port: int, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(command, ["--admin-listen", f"127.0.0.1:{port}", *arguments], env=environment)


def test_what_was_applied_is_told() -> None:
    with answering(200, msgspec.json.encode(APPLIED)) as (port, asked):
        result = run(port, PENSTOCK_ADMIN_TOKEN="sesame")  # noqa: S106 - a test's own
    assert asked == ["POST /reload Bearer sesame"]
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "the settings were applied: 3 changed; revision 3",
        "  edge.deadline: 5s -> 6s",
        "  edge.listen: 127.0.0.1:1 -> 127.0.0.1:2; takes effect on restart",
        "  rules[a] is new: {name: a}",
    ]
    assert result.stderr == "penstock: warning: a warning\n"


def test_what_was_refused_is_told() -> None:
    with answering(409, msgspec.json.encode(REFUSED)) as (port, asked):
        result = run(port)
    assert asked == ["POST /reload None"]
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "penstock: error: bad_value: a: b; c",
        "penstock: error: the settings were refused, and the gateway goes on with those that it has",
    ]


@pytest.mark.parametrize(("status", "report", "code"), [(200, APPLIED, 0), (409, REFUSED, 1)])
def test_as_json(status: int, report: Report, code: int) -> None:
    with answering(status, msgspec.json.encode(report)) as (port, _):
        result = run(port, "--output", "json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == json.loads(msgspec.json.encode(report))


def error(*answer: Any, token: str = "") -> str:
    with answering(*answer) as (port, _), pytest.raises(AdminError) as caught:
        AdminClient(Address("127.0.0.1", port), Secret(token)).get("/services", {"name": "a b"})
    return str(caught.value).replace(str(port), "PORT")


def test_what_goes_wrong_is_one_line() -> None:
    no_page = "the gateway on 127.0.0.1:PORT has no page /services; it may be of another version"
    fix = "set admin.token (PENSTOCK_ADMIN_TOKEN_FILE, --admin-token-file) as the gateway has it"
    stranger = "what listens on 127.0.0.1:PORT is not a gateway's admin listener; correct admin.listen"
    assert error(401, b"{}") == f"the admin listener on 127.0.0.1:PORT wants its token, which is missing; {fix}"
    wrong = error(401, b"{}", token="x")  # noqa: S106 - a test's own
    assert wrong == f"the admin listener on 127.0.0.1:PORT wants its token, which is wrong; {fix}"
    assert error(404, b'{"title": "There is no such page."}') == no_page
    assert error(404, b'{"detail": "no service a b"}') == "the gateway on 127.0.0.1:PORT answers 404: no service a b"
    assert error(503, b'{"title": "odd"}') == "the gateway on 127.0.0.1:PORT answers 503: odd"
    assert error(500, b"[]") == "the gateway on 127.0.0.1:PORT answers 500: it does not say why"
    assert error(200, b"<html>", "text/html") == stranger
    assert error(200, b"<html>") == stranger


def test_a_query_is_encoded() -> None:
    everywhere = "0.0.0.0"  # noqa: S104 - a listener's address, as settings have it
    with answering(200, b'{"a": 1}') as (port, asked):
        assert AdminClient(Address(everywhere, port), Secret()).get("/routes", {"path": "/a b&c"}) == {"a": 1}
    assert asked == ["GET /routes?path=%2Fa+b%26c None"]


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        result = run(port)
    assert result.exit_code == 1
    assert result.stderr == (
        f"penstock: error: nobody listens on 127.0.0.1:{port}, the gateway's admin.listen: is it running, and is it"
        " this one?\n"
    )


def test_whoever_speaks_no_http() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"PEN\x01 nonsense\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = run(listener.getsockname()[1])
        thread.join()
    assert result.exit_code == 1
    assert result.stderr.endswith("is not a gateway's admin listener; correct admin.listen\n")


def test_bad_settings_end_with_2() -> None:
    result = run(1, "--edge-deadline", "5")
    assert result.exit_code == 2
    assert "edge.deadline = 5" in result.stderr
