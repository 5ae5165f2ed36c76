"""TLS from end to end: a gateway, services and clients, with certificates that change meanwhile."""

import hashlib
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trustme
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, request
from test_process import COMMAND, read_addresses, without_settings

from frames.frame import FieldId
from penstock import Call, Service
from proxy.edge.tls.causes import Cause


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def write(authority: trustme.CA, folder: Path, *names: str) -> str:
    """Write a certificate and its key, and return them as a setting names them."""
    issued = authority.issue_cert("localhost", *names)
    (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (folder / "server.key").write_bytes(issued.private_key_pem.bytes())
    return f"{folder}/server.pem:{folder}/server.key"


@pytest.fixture
def port() -> int:
    """Where the edge listens for TLS."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


@pytest.fixture
async def lab(authority: trustme.CA, port: int, tmp_path: Path) -> AsyncIterator[Lab]:
    files = write(authority, tmp_path)
    async with open_lab(edge_tls_listen=f"127.0.0.1:{port}", edge_tls_certificates=files) as lab:
        yield lab


async def secured(port: int, context: ssl.SSLContext) -> Client:
    """Return a client whose handshake is over."""
    stream = trio.SSLStream(await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname="localhost")
    with trio.fail_after(WAIT_S):
        await stream.do_handshake()
    return Client(stream)  # type: ignore[arg-type]


def names_of(client: Client) -> list[str]:
    """Return the names that the edge's certificate has."""
    return [value for _, value in client.stream.getpeercert()["subjectAltName"]]  # type: ignore[attr-defined]


def summing_service() -> Service:
    service = Service("sums", version="1.0.0")

    @service.post("/whole")
    async def whole(call: Call) -> object:
        return hashlib.sha256(call.body).hexdigest()

    @service.post("/streamed", streams=True)
    async def streamed(call: Call) -> object:
        total = hashlib.sha256()
        async for piece in call.stream():
            total.update(piece)
        return total.hexdigest()

    return service


async def test_a_request_and_its_scheme(lab: Lab, port: int, trusted: ssl.SSLContext) -> None:
    service, client = await lab.raw("GET /things"), await secured(port, trusted)
    plain = await lab.client()
    for asking, scheme in ((client, b"https"), (plain, b"http")):
        await asking.send(request("GET", "/things"))
        asked = await service.asked()
        assert asked.context(FieldId.SCHEME) == scheme
        await service.respond(asked, body=scheme)
        assert (await asking.answer()).body == scheme
    await client.aclose()


async def test_many_clients_at_once(lab: Lab, port: int, trusted: ssl.SSLContext) -> None:
    done = []
    await lab.serve(summing_service())

    async def ask_often(number: int) -> None:
        client = await secured(port, trusted)
        for turn in range(20):
            body = f"{number}-{turn}".encode() * 50
            answer = await client.ask("POST", "/whole", body=body)
            assert answer.body == hashlib.sha256(body).hexdigest().encode()
        await client.aclose()
        done.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(ask_often, number)
    assert len(done) == 40


@pytest.mark.parametrize("path", ["/whole", "/streamed"])
async def test_an_upload_goes_through_the_task_lane_and_the_next_request_through_the_wire(
    lab: Lab, port: int, trusted: ssl.SSLContext, path: str
) -> None:
    await lab.serve(summing_service())
    client = await secured(port, trusted)
    body = os.urandom(200_000)
    pieces = [body[at : at + 9_999] for at in range(0, len(body), 9_999)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    for _ in range(2):
        head = f"POST {path} HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        await client.send(head + chunked + request("POST", "/whole", body=b"next"))
        assert (await client.answer()).body == hashlib.sha256(body).hexdigest().encode()
        assert (await client.answer()).body == hashlib.sha256(b"next").hexdigest().encode()
    await client.aclose()


async def test_refusals_are_answered_inside_of_tls(lab: Lab, port: int, trusted: ssl.SSLContext) -> None:
    client = await secured(port, trusted)
    assert (await client.get("/nowhere")).reason == "no_route"
    await client.send(b"GET / HTTP/1.1\r\nhost : a\r\n\r\n")
    assert (await client.answer()).reason == "bad_field_name"
    assert await client.stream.receive_some(1) == b""  # close_notify, else it would raise
    await client.aclose()


async def test_metrics_tell_of_tls(lab: Lab, port: int, trusted: ssl.SSLContext) -> None:
    client = await secured(port, trusted)
    assert (await client.get("/nowhere")).status == 404
    lines = (await lab.admin("/metrics")).body.decode().splitlines()
    assert 'penstock_tls_handshakes_total{resumed="false"} 1' in lines
    assert "penstock_tls_sessions 1" in lines
    (left,) = (line.split()[1] for line in lines if line.startswith("penstock_tls_certificate_seconds_left "))
    assert float(left) > 0
    await client.aclose()


async def test_plain_http_on_the_tls_port(lab: Lab, port: int) -> None:
    client = Client(await trio.open_tcp_stream("127.0.0.1", port))
    answer = await client.get("/")
    assert answer.status == 400
    assert b"https" in answer.body
    await client.ended()
    await client.aclose()


async def test_no_handshake_fails_while_certificates_change(
    lab: Lab, port: int, authority: trustme.CA, trusted: ssl.SSLContext, tmp_path: Path
) -> None:
    """A load of handshakes, and files that are replaced without care for who reads them."""
    certificates, edge = lab.gateway.certificates, lab.gateway._tls
    assert certificates is not None
    assert edge is not None
    await lab.serve(summing_service())
    shown: set[str] = set()

    async def connect(count: int) -> None:
        for _ in range(count):
            client = await secured(port, trusted)
            shown.update(names_of(client))
            assert (await client.ask("POST", "/whole", body=b"x")).status == 200
            await client.aclose()

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(connect, 15)
        for turn in range(10):
            write(authority, tmp_path, f"{turn}.example")
            await certificates.reload()
    assert len(shown) > 2
    assert not set(edge.failures) - {Cause.ENDED}
    assert certificates.reloads == 10
    await until(lambda: edge.sessions_now == 0)


async def test_drain_says_goodbye(lab: Lab, port: int, trusted: ssl.SSLContext) -> None:
    idle, busy = await secured(port, trusted), await secured(port, trusted)
    service = await lab.raw("GET /things")
    assert (await idle.get("/nowhere")).status == 404
    await busy.send(request("GET", "/things"))
    asked = await service.asked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.gateway.drain, WAIT_S)
        with trio.fail_after(WAIT_S):
            assert await idle.stream.receive_some(1) == b""
        with pytest.raises(OSError, match=str(port)):
            await trio.open_tcp_stream("127.0.0.1", port)
        await service.respond(asked, body=b"last")
        answer = await busy.answer()
        assert (answer.body, answer.headers[b"connection"]) == (b"last", b"close")
        assert await busy.stream.receive_some(1) == b""
        await idle.aclose()
        await busy.aclose()


# ---- as a process ----


@pytest.mark.slow
async def test_a_signal_reloads_and_bad_files_keep_what_is_served(
    authority: trustme.CA, port: int, trusted: ssl.SSLContext, tmp_path: Path
) -> None:
    settings = without_settings(edge_tls_listen=f"127.0.0.1:{port}", edge_tls_certificates=write(authority, tmp_path))
    process = await trio.lowlevel.open_process(COMMAND, env=settings, stderr=subprocess.PIPE)
    said = b""
    assert process.stderr is not None
    try:
        await read_addresses(process)
        for names in (["new.example"], ["newer.example"]):
            write(authority, tmp_path, *names)
            process.send_signal(signal.SIGHUP)
            with trio.fail_after(WAIT_S):
                while names[0] not in await shown_by(port, trusted):  # noqa: ASYNC110 - it is another process
                    await trio.sleep(0.02)
        (tmp_path / "server.key").write_text("bad")
        process.send_signal(signal.SIGHUP)
        with trio.fail_after(WAIT_S):
            while b"what was loaded before stays in use" not in said:
                said += await process.stderr.receive_some()
        assert "newer.example" in await shown_by(port, trusted)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stderr.aclose()


async def shown_by(port: int, trusted: ssl.SSLContext) -> list[str]:
    client = await secured(port, trusted)
    names = names_of(client)
    await client.aclose()
    return names


@pytest.mark.slow
async def test_a_gateway_does_not_start_with_a_bad_pair(authority: trustme.CA, tmp_path: Path) -> None:
    files = write(authority, tmp_path)
    (tmp_path / "server.key").write_bytes(authority.issue_cert("other").private_key_pem.bytes())
    settings = without_settings(edge_tls_listen="127.0.0.1:0", edge_tls_certificates=files)
    ran = await trio.run_process(COMMAND, env=settings, capture_stderr=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith(b"penstock: error: key_mismatch: certificate ")
    assert len(ran.stderr.splitlines()) == 1
