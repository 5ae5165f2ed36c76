"""`penstock call`, as a person meets it: against services that answer, and against what is none."""

import json
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result
from load_support import HELLO, Talk, frames_service, server

from frames.codec import encode_frame, encode_refused, encode_response, scan
from frames.fields import decode_fields
from frames.frame import END, FieldId, FrameType, RefusedReason
from frames.limits import FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES
from frames.session import Role, Session
from proxy.cli.main import command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["call", *arguments])


def test_the_body_is_shown_and_who_has_answered() -> None:
    with server(frames_service()) as port:
        result = run(f"tcp://127.0.0.1:{port}", "get", "/invoices/42")
    assert (result.exit_code, result.stdout) == (0, "ok")
    assert result.stderr.startswith("billing/b-1 1.4.0: 200 in ")


def test_a_body_comes_from_standard_input() -> None:
    with server(frames_service(lambda payload: encode_response(201, body=payload[-6:]))) as port:
        asked = ["call", f"127.0.0.1:{port}", "POST", "/invoices", "-d", "@-"]
        assert CliRunner().invoke(command, asked, input=b"abcdef").stdout == "abcdef"


def test_fields_are_shown_where_they_are_wanted() -> None:
    fields = [(FieldId.NAMED, b"content-type", b"text/plain"), (FieldId.NAMED, b"x-a", b"1")]
    with server(frames_service(lambda _: encode_response(404, fields, b"none\n"))) as port:
        result = run(f"127.0.0.1:{port}", "GET", "/invoices/42", "-i")
    assert (result.exit_code, result.stdout) == (1, "404\ncontent-type: text/plain\nx-a: 1\n\nnone\n")


def test_what_a_gateway_would_say_goes_along() -> None:
    seen: list[bytes] = []

    def answer(payload: bytes) -> bytes:
        seen.append(payload)
        return encode_response(201)

    with server(frames_service(answer)) as port:
        options = ["--tenant", "acme", "--principal", "alice", "--claims", '{"scope":"x"}', "--deadline", "2s"]
        options += ["-H", "X-A: b", "-d", "{}", "--output", "json"]
        told = json.loads(run(f"127.0.0.1:{port}", "POST", "/invoices?a=b", *options).stdout)
    (payload,) = seen
    assert int.from_bytes(payload[:4]) == 2_000
    count, target = int.from_bytes(payload[10:12]), b"/invoices?a=b"
    at = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    assert payload[at : at + len(target)] == target
    fields = decode_fields(payload, REQUEST_FIXED_BYTES, count, at + len(target))
    context = {field: value for field, name, value in fields if not name}
    assert context[FieldId.TENANT] == b"acme"
    assert context[FieldId.PRINCIPAL] == b"alice"
    assert context[FieldId.CLAIMS] == b'{"scope":"x"}'
    assert context[FieldId.REQUEST_ID].decode() == told["request_id"]
    assert context[FieldId.TRACE][:16].hex() == told["trace_id"]
    assert [(name, value) for _, name, value in fields if name] == [(b"x-a", b"b")]
    assert payload.endswith(b"{}")


def test_json_says_all_of_it() -> None:
    with server(frames_service(lambda _: encode_response(200, body=b"\xff\x00"))) as port:
        told = json.loads(run(f"127.0.0.1:{port}", "GET", "/invoices/1", "--output", "json").stdout)
    assert (told["service"], told["instance"], told["version"]) == ("billing", "b-1", "1.4.0")
    assert (told["status"], told["why"], told["headers"], told["body_base64"]) == (200, None, [], "/wA=")


def test_a_service_that_dials_in() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def dial() -> None:
        talk = frames_service()
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    talk(connection)
                    return
            except ConnectionRefusedError:
                continue

    thread = threading.Thread(target=dial)
    thread.start()
    result = run("--listen", f"127.0.0.1:{port}", "GET", "/invoices/1")
    thread.join()
    assert (result.exit_code, result.stdout) == (0, "ok")


def test_nobody_dials_in() -> None:
    result = run("--listen", "127.0.0.1:0", "GET", "/x", "--wait", "20ms")
    assert result.exit_code == 1
    assert result.stderr == (
        "penstock: error: no service has dialled 127.0.0.1:0 within 0.02 s; is it in its PENSTOCK_GATEWAYS?\n"
    )


def test_a_service_by_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    served = authority.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.configure_cert(context)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            frames_service()(secured)

    with server(talk) as port:
        asked = (f"tls://127.0.0.1:{port}", "GET", "/invoices/1", "--ca", str(tmp_path / "ca.pem"))
        assert run(*asked, "--server-name", "localhost").stdout == "ok"
        stranger = run(*asked)
    assert stranger.exit_code == 1
    assert "cannot be reached: certificate: " in stranger.stderr


def refusing(connection: socket.socket) -> None:
    session = Session(Role.SERVICE, dialled=False)
    connection.sendall(encode_frame(FrameType.HELLO, 0, 0, session.hello(HELLO)))
    while data := connection.recv(65_536):
        for frame in scan(data).frames:
            if frame.type == FrameType.REQUEST:
                refused = encode_refused(RefusedReason.OVERLOADED)
                connection.sendall(encode_frame(FrameType.REFUSED, 0, frame.exchange, refused))


def streaming(connection: socket.socket) -> None:
    session = Session(Role.SERVICE, dialled=False)
    connection.sendall(encode_frame(FrameType.HELLO, 0, 0, session.hello(HELLO)))
    while data := connection.recv(65_536):
        for frame in scan(data).frames:
            if frame.type == FrameType.REQUEST:
                connection.sendall(encode_frame(FrameType.RESPONSE, 0, frame.exchange, encode_response(200)))
                for piece in (b"one ", b"two"):
                    connection.sendall(encode_frame(FrameType.DATA, 0, frame.exchange, piece))
                connection.sendall(encode_frame(FrameType.DATA, END, frame.exchange))


def speaking_http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def test_a_streamed_answer_is_shown_whole() -> None:
    with server(streaming) as port:
        assert run(f"127.0.0.1:{port}", "GET", "/invoices/1").stdout == "one two"


def test_a_refusal_is_told() -> None:
    with server(refusing) as port:
        result = run(f"127.0.0.1:{port}", "GET", "/invoices/1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("billing/b-1 1.4.0: refused: overloaded in ")


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (speaking_http, "it does not speak the protocol"),
        (lambda _: None, "has closed the connection without an answer; is it a service's port?"),
    ],
)
def test_what_is_no_service(talk: Talk, said: str) -> None:
    with server(talk) as port:
        result = run(f"127.0.0.1:{port}", "GET", "/invoices/1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["127.0.0.1:1", "GET", "/"], "127.0.0.1:1 cannot be reached: Connection refused"),
        (["127.0.0.1", "GET", "/"], "'127.0.0.1' has no port from 0 to 65535; write host:port"),
        (["http://a:1", "GET", "/"], "http:// does not belong here; write host:port, like a:1"),
        (["127.0.0.1:1", "TRACE", "/"], "frames know no method TRACE; write one of GET, HEAD"),
        (["127.0.0.1:1", "GET", "x"], "'x' is no path with a query; begin with '/', and percent-encode the rest"),
        (["127.0.0.1:1", "GET", "/ä"], "is no path with a query"),
        (["127.0.0.1:1", "GET", "/" + "a" * 8_192], "the target has 8,193 characters, and at most 8,192 are allowed"),
        (["127.0.0.1:1", "GET", "/", "--tenant", "a b"], "'a b' is no tenant; write 1 to 64 of A-Z a-z 0-9 . _ -"),
        (["127.0.0.1:1", "GET", "/", "--claims", "[1]"], "--claims is no JSON object; write it as"),
        (["tls://127.0.0.1:1", "GET", "/", "--ca", "/nowhere"], "--ca /nowhere cannot be used; name a file of PEM"),
        (["tls://127.0.0.1:1", "GET", "/", "--certificate", "/nowhere"], "are no certificate with its own key; name"),
        (["--listen", "tls://127.0.0.1:1", "GET", "/"], "a service that dials in speaks no TLS; write the address"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_endpoint_that_is_not_there() -> None:
    with server(frames_service()) as port:
        result = run(f"127.0.0.1:{port}", "GET", "/nope")
    assert "has no endpoint for GET /nope; it offers GET /invoices/{id}, POST /invoices" in result.stderr


def test_a_body_that_fits_no_frame(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(bytes(1_048_577))
    result = run("127.0.0.1:1", "POST", "/x", "-d", f"@{tmp_path / 'body'}")
    assert "the body has 1,048,577 bytes, and one frame carries 1,048,576; send it through a gateway" in result.stderr
