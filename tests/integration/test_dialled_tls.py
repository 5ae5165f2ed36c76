"""Services that the gateway dials by TLS: who is believed, who the gateway says that it is, and what is carried."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from free_port import free_port
from lab import Lab, environment, open_lab, until
from lab_client import request
from lab_service import RawService
from lab_tls import TlsFiles, make_tls_files

from penstock import Call, Service
from penstock.errors import GatewayError
from penstock.settings import SettingsError, load_service_settings
from penstock.settings.service import ServiceSettings
from penstock.tunnel import open_tunnel
from proxy.config import load_gateway
from proxy.gateway.app import Gateway


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("strangers"))


class Place:
    """Where a service listens by TLS."""

    def __init__(self, nursery: trio.Nursery, listener: trio.SocketListener, files: TlsFiles) -> None:
        self.nursery, self.listener = nursery, listener
        self.port = listener.socket.getsockname()[1]
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(files.certificate, files.key)
        self.secured: trio.SSLStream[trio.SocketStream] | None = None

    async def accept(self) -> RawService:
        """Accept one connection; raises trio.BrokenResourceError where the handshake fails."""
        stream = await self.listener.accept()
        self.secured = trio.SSLStream(stream, self.context, server_side=True)
        try:
            await self.secured.do_handshake()
        except BaseException:
            stream.socket.close()
            raise
        sock = open_tunnel(self.nursery, self.secured)
        return RawService(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))


@asynccontextmanager
async def open_secured(files: TlsFiles, **settings: str) -> AsyncIterator[tuple[Lab, Place]]:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        place = Place(nursery, listener, files)
        dial = {"services_dial": f"['tls://127.0.0.1:{place.port}']", "dial_tls_ca": str(files.authority)}
        async with open_lab(**{**dial, **settings}) as lab:
            yield lab, place
        nursery.cancel_scope.cancel()
        await listener.aclose()


async def test_a_service_that_is_dialled_by_tls_is_asked_like_any_other(files: TlsFiles) -> None:
    async with open_secured(files) as (lab, place):
        service = await place.accept()
        await service.join("GET /things", "POST /things")
        assert place.secured is not None
        assert place.secured.cipher() is not None
        for size in (0, 60_000):
            client = await lab.client()
            await client.send(request("POST", "/things", body=b"x" * size))
            asked = await service.asked()
            assert len(asked.body) == size
            await service.respond(asked, body=b"y" * size * 8)
            assert (await client.answer()).body == b"y" * size * 8
        await service.aclose()
        await until(lambda: lab.gateway.registry.instances[0].is_dormant)
        again = await place.accept()
        await again.join("GET /things")
        await until(lambda: not lab.gateway.registry.instances[0].is_dormant)
        await again.aclose()


async def test_who_is_not_signed_by_the_authority_is_not_believed(
    files: TlsFiles, strangers: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_secured(strangers, dial_tls_ca=str(files.authority)) as (lab, place):
        with pytest.raises(trio.BrokenResourceError):
            await place.accept()
        await until(lambda: "TLS: its certificate is not believed" in caplog.text)
        assert not lab.health


async def test_who_has_another_name_is_not_believed(files: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    async with open_secured(files, dial_tls_server_name="billing.internal") as (lab, place):
        with pytest.raises(trio.BrokenResourceError):
            await place.accept()
        await until(lambda: "Hostname mismatch" in caplog.text)
        assert not lab.health


async def test_the_gateway_shows_its_certificate_to_who_asks_for_one(files: TlsFiles, tmp_path: Path) -> None:
    from proxy.cli.development import make_certificate, read_authority, write

    certificate, key = tmp_path / "gateway.crt", tmp_path / "gateway.key"
    authority = read_authority(files.authority, files.authority.with_suffix(".key"))
    write(make_certificate(authority, ["localhost"], is_client=True), certificate, key)
    own = {"dial_tls_certificate": str(certificate), "dial_tls_key": str(key)}
    async with open_secured(files, **own) as (_, place):
        place.context.verify_mode = ssl.CERT_REQUIRED
        place.context.load_verify_locations(files.authority)
        service = await place.accept()
        assert place.secured is not None
        assert ("DNS", "localhost") in place.secured.getpeercert()["subjectAltName"]
        await service.join("GET /things")
        await service.aclose()


async def test_another_certificate_is_another_identity_so_services_are_dialled_anew(files: TlsFiles) -> None:
    async with open_secured(files) as (lab, place):
        first = await place.accept()
        await first.join("GET /things")
        pooling = lab.gateway.pooling
        config = lab.gateway.configured.config
        pooling.prepare(config)
        pooling.change(config)
        assert len(pooling._pool._targets) == 1, "the same"  # type: ignore[union-attr]
        files.authority.write_bytes(files.authority.read_bytes() + b"\n")
        pooling.prepare(config)
        pooling.change(config)
        second = await place.accept()
        await second.join("GET /things")
        await until(lambda: pooling.statistics is not None and pooling.statistics.connections == 1)
        assert lab.health == {"raw-1": "healthy"}
        await first.aclose()
        await second.aclose()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"services_dial": "['tls://a.test:1']"}, "nothing says whose certificates are believed"),
        ({"dial_tls_ca": "ca.pem"}, "it has no effect"),
        ({"dial_tls_certificate": "cert.pem"}, "a certificate is worth nothing without its key"),
        ({"dial_tls_key": "key.pem"}, "nor a key without its certificate"),
    ],
)
def test_settings_that_do_not_fit_together(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_gateway({f"PENSTOCK_{name.upper()}": value for name, value in settings.items()})


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "it cannot be read: No such file"), (b"nothing", "there is no certificate"), (b"x" * 2**21, "larger than")],
)
def test_a_file_that_is_no_authority_is_told_of_before_anything_begins(
    files: TlsFiles, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    settings = environment(services_dial="['tls://127.0.0.1:9']", dial_tls_ca=str(path))
    with pytest.raises(SettingsError, match=f"dial_tls.ca.*{problem}"):
        Gateway(load_gateway(settings).settings, "gw-1")


def test_a_key_of_another_certificate_is_told_of(files: TlsFiles, strangers: TlsFiles) -> None:
    own = {"dial_tls_certificate": str(files.certificate), "dial_tls_key": str(strangers.key)}
    dial = {"services_dial": "['tls://127.0.0.1:9']", "dial_tls_ca": str(files.authority)}
    with pytest.raises(SettingsError, match=r"dial_tls.certificate.*no certificate with its own key"):
        Gateway(load_gateway(environment(**own, **dial)).settings, "gw-1")


# A service of ours that listens by TLS.


def billing() -> Service:
    service = Service("billing", version="1.0.0", access="public")

    @service.get("/invoices")
    async def invoices(call: Call) -> str:
        return "none"

    return service


def listening(port: int, files: TlsFiles, **more: str) -> ServiceSettings:
    given = {"certificate": str(files.certificate), "key": str(files.key), **more}
    variables = {f"PENSTOCK_SERVICE_LISTEN_{name.upper()}": value for name, value in given.items()}
    return load_service_settings({"PENSTOCK_SERVICE_LISTEN": f"127.0.0.1:{port}", **variables})


async def test_a_service_that_listens_by_tls_is_dialled_and_knows_its_gateway(
    files: TlsFiles, tmp_path: Path, nursery: trio.Nursery
) -> None:
    from proxy.cli.development import make_certificate, read_authority, write

    authority = read_authority(files.authority, files.authority.with_suffix(".key"))
    write(make_certificate(authority, ["localhost"], is_client=True), tmp_path / "gw.crt", tmp_path / "gw.key")
    port = free_port()
    nursery.start_soon(billing().serve, listening(port, files, ca=str(files.authority)))
    dial = {"services_dial": f"['tls://127.0.0.1:{port}']", "dial_tls_ca": str(files.authority)}
    own = {"dial_tls_certificate": str(tmp_path / "gw.crt"), "dial_tls_key": str(tmp_path / "gw.key")}
    async with open_lab(**dial, **own) as lab:
        await until(lambda: len(lab.health) == 1)
        client = await lab.client()
        assert (await client.ask("GET", "/invoices")).body == b"none"
        (row,) = (await lab.admin("/services")).json()["services"]
        assert (row["peer"], row["by"], row["connections"]) == (f"127.0.0.1:{port}", "dialled", 1)
    async with open_lab(**dial) as lab:  # it shows no certificate
        await until(lambda: lab.gateway.pooling.statistics is not None and lab.gateway.pooling.statistics.failures > 0)
        assert not lab.health
    nursery.cancel_scope.cancel()


async def test_a_gateway_that_does_not_speak_tls_is_told_of(
    files: TlsFiles, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    nursery.start_soon(billing().serve, listening(port, files))
    async with open_lab(services_dial=f"['127.0.0.1:{port}']", services_hello_timeout="300ms") as lab:
        await until(lambda: "TLS" in caplog.text)
        assert not lab.health
    nursery.cancel_scope.cancel()


async def test_a_service_whose_certificate_is_none_says_so(files: TlsFiles) -> None:
    settings = listening(free_port(), files._replace(key=files.authority))
    with pytest.raises(GatewayError, match=r"cannot listen by TLS with PENSTOCK_SERVICE_LISTEN_CERTIFICATE=.*must be"):
        await billing().serve(settings)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"SERVICE_LISTEN_KEY": "key.pem"}, "without service.listen_certificate it has no effect"),
        ({"SERVICE_LISTEN_CA": "ca.pem"}, "without service.listen_certificate it has no effect"),
        ({"SERVICE_LISTEN_CERTIFICATE": "a.pem", "SERVICE_LISTEN_KEY": "a.pem"}, "without service.listen it has no"),
    ],
)
def test_settings_of_a_service_that_do_not_fit_together(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_service_settings({f"PENSTOCK_{name}": value for name, value in settings.items()})
