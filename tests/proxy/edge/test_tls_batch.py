"""TLS in the batch: what clients may do, and what is done with those who may not. Over sockets, without a clock."""

import os
import ssl
from pathlib import Path

import pytest
import trustme
from tls_lab import GET, TlsLab
from tls_support import client_context, issue, serve

from frames.wire_values import EventKind, HandBack, Handed, Request
from penstock.settings.files import CertificateFiles
from proxy.edge.tls.batch import PLAIN_HTTP_ANSWER
from proxy.edge.tls.causes import Cause
from proxy.edge.tls.certificates import ServerCertificates

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
CHUNKED = b"POST /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> CertificateFiles:
    return issue(authority, tmp_path, "server", "localhost")


@pytest.fixture
def certificates(pair: CertificateFiles) -> ServerCertificates:
    return serve(pair)


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    return client_context(authority)


# ---- what is carried ----


@VERSIONS
def test_requests_one_after_the_other(
    certificates: ServerCertificates, context: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    context.maximum_version = version
    with TlsLab(certificates) as lab:
        client = lab.client(context).shake()
        for path in (b"/one", b"/two"):
            client.say(GET.replace(b"/a", path))
            assert client.hear_answer() == (200, path)
        assert (lab.edge.handshakes, lab.edge.resumed, lab.edge.sessions_now) == (1, 0, 1)
    assert not lab.edge.failures


def test_a_pipeline_is_answered_in_order(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    with TlsLab(certificates) as lab:
        client = lab.client(context).shake()
        client.say(b"".join(GET.replace(b"/a", b"/%d" % number) for number in range(50)))
        assert [client.hear_answer()[1] for _ in range(50)] == [b"/%d" % number for number in range(50)]


@VERSIONS
@pytest.mark.parametrize("record_bytes", [1, 7])
def test_small_records(
    certificates: ServerCertificates, context: ssl.SSLContext, version: ssl.TLSVersion, record_bytes: int
) -> None:
    context.maximum_version = version
    request = b"PUT /b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3000\r\n\r\n" + b"x" * 3000
    with TlsLab(certificates) as lab:
        client = lab.client(context).shake()
        client.say(request + GET, record_bytes)
        assert client.hear_answer() == (200, b"/b")
        assert client.hear_answer() == (200, b"/a")


def test_ciphertext_byte_by_byte(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    """The handshake and a request, each byte in a batch of its own."""
    with TlsLab(certificates) as lab:
        client = lab.client(context)
        is_over = False
        while not is_over:
            try:
                client.object.do_handshake()
                is_over = True
            except ssl.SSLWantReadError:
                pass
            for byte in client.outgoing.read():
                client.send(bytes([byte]))
                lab.turn()
            client.take_in()
        client.object.write(GET)
        for byte in client.outgoing.read():
            client.send(bytes([byte]))
            lab.turn()
        assert client.hear_answer() == (200, b"/a")


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 1_000_000])
def test_answers_of_any_size_to_several_clients(
    certificates: ServerCertificates, context: ssl.SSLContext, size: int
) -> None:
    def answer(lab: TlsLab, request: Request) -> None:
        lab.wire.answer(request[0], 200, b"", body, False)

    body = os.urandom(size)
    with TlsLab(certificates, answer) as lab:
        clients = [lab.client(context).shake() for _ in range(6)]
        for client in clients:
            client.say(GET + GET)
        lab.turn()
        for client in clients:
            assert client.hear_answer() == (200, body)
            assert client.hear_answer() == (200, body)


def test_a_request_right_behind_the_handshake(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    with TlsLab(certificates) as lab:
        client = lab.client(context)
        with pytest.raises(ssl.SSLWantReadError):
            client.object.do_handshake()
        client.exchange()
        client.object.do_handshake()
        client.say(GET)  # in the same segment as what ends the handshake
        lab.turn()
        assert client.hear_answer() == (200, b"/a")


def test_resumption_name_and_protocol(authority: trustme.CA, context: ssl.SSLContext, tmp_path: Path) -> None:
    files = [issue(authority, tmp_path, name, f"{name}.example") for name in ("one", "two")]
    context.set_alpn_protocols(["h2", "http/1.1"])
    with TlsLab(serve(*files)) as lab:
        first = lab.client(context, "two.example").shake()
        first.say(GET)
        first.hear_answer()
        again = lab.client(context, "two.example", first.object.session).shake()
        again.say(GET)
        assert again.hear_answer() == (200, b"/a")
        assert again.object.session_reused
        assert again.object.selected_alpn_protocol() == "http/1.1"
        assert (lab.edge.handshakes, lab.edge.resumed) == (2, 1)


# ---- the end ----


@VERSIONS
def test_close_notify_comes_behind_the_last_answer(
    certificates: ServerCertificates, context: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    context.maximum_version = version
    with TlsLab(certificates) as lab:
        client = lab.client(context).shake()
        client.say(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert client.hear_answer() == (200, b"/a")
        assert client.ends_well()


@pytest.mark.parametrize("by_drain", [False, True])
def test_close_notify_ends_an_idle_connection(
    certificates: ServerCertificates, context: ssl.SSLContext, by_drain: bool
) -> None:
    with TlsLab(certificates, idle_ms=5000, idle_jitter_percent=0) as lab:
        client = lab.client(context).shake()
        client.exchange()
        if by_drain:
            lab.wire.drain_edge(0)
        else:
            lab.wire.advance_clock(5100)
        assert client.ends_well()
    assert not lab.edge.failures


@VERSIONS
def test_a_client_that_says_goodbye_is_answered_in_kind(
    certificates: ServerCertificates, context: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    context.maximum_version = version
    with TlsLab(certificates) as lab:
        client = lab.client(context).shake()
        with pytest.raises(ssl.SSLWantReadError):
            client.object.unwrap()
        client.exchange()
        client.object.unwrap()
    assert not lab.edge.failures


@pytest.mark.parametrize("with_notice", [False, True])
def test_a_client_that_ends_while_it_waits_is_gone(
    certificates: ServerCertificates, context: ssl.SSLContext, with_notice: bool
) -> None:
    with TlsLab(certificates, lambda _, __: None) as lab:
        client = lab.client(context).shake()
        client.say(GET)
        lab.turn()
        if with_notice:
            with pytest.raises(ssl.SSLWantReadError):
                client.object.unwrap()
            client.exchange()
        else:
            client.socket.close()
        lab.turn()
        lab.turn()
        assert lab.count(EventKind.CLIENT_GONE) == 1


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_request_that_is_cut_off_is_not_carried(
    certificates: ServerCertificates, context: ssl.SSLContext, cut: int
) -> None:
    """The connection ends within a record, without close_notify."""
    asked = []
    with TlsLab(certificates, lambda _, request: asked.append(request)) as lab:
        client = lab.client(context).shake()
        client.object.write(GET)
        client.send(client.outgoing.read()[:cut])
        lab.turn()
        client.socket.close()
        for _ in range(3):
            lab.turn()
    assert asked == []


# ---- who is refused ----


def refused_by(lab: TlsLab, context: ssl.SSLContext) -> str | None:
    """Return the reason that a client is given, or None when the connection just ends."""
    client = lab.client(context)
    try:
        client.shake()
        client.hear(1)
    except ssl.SSLError as error:
        return error.reason
    return None


def test_plain_http_is_told_what_to_do(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    with TlsLab(certificates) as lab:
        client = lab.client(context)
        client.send(GET)
        lab.turn()
        assert client.socket.recv(1000) == PLAIN_HTTP_ANSWER
        lab.turn()
        assert client.socket.recv(1000) == b""
        client.send(GET)
        lab.turn()
        assert lab.edge.failures == {Cause.PLAIN_HTTP: 1}


@pytest.mark.parametrize(
    ("hello", "cause"),
    [
        (b"\0" * 100, Cause.NOT_TLS),
        (b"\x80\x2e\x01\x03\x01", Cause.NOT_TLS),  # as SSL 2 began
        (b"\x16\x09\x09\x00\x05hello", Cause.NOT_TLS),
        (b"\x16\x03\x01\x00\x05hello", Cause.BROKEN),
        (b"\x16\x03\x01\xff\xffhello" + b"x" * 70_000, Cause.BROKEN),
    ],
)
def test_garbage_is_no_hello(
    certificates: ServerCertificates, context: ssl.SSLContext, hello: bytes, cause: Cause
) -> None:
    with TlsLab(certificates) as lab:
        client = lab.client(context)
        client.send(hello)
        for _ in range(4):
            lab.turn()
        assert lab.edge.failures == {cause: 1}
        assert lab.edge.sessions_now == 0


def test_random_bytes_harm_nobody(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    with TlsLab(certificates) as lab:
        good = lab.client(context).shake()
        for size in range(1, 200):
            lab.client(context).send(b"\x16\x03\x01" + os.urandom(size))
        for _ in range(4):
            lab.turn()
        good.say(GET)
        assert good.hear_answer() == (200, b"/a")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_1_1_is_refused_with_an_alert(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with TlsLab(certificates) as lab:
        assert refused_by(lab, context) == "TLSV1_ALERT_PROTOCOL_VERSION"
        assert lab.edge.failures == {Cause.VERSION: 1}


def test_no_cipher_in_common(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("kRSA")
    with TlsLab(certificates) as lab:
        assert refused_by(lab, context) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
        assert lab.edge.failures == {Cause.CIPHER: 1}


def test_a_client_that_does_not_trust_us(certificates: ServerCertificates) -> None:
    with TlsLab(certificates) as lab:
        client = lab.client(ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            client.shake()
        client.exchange()
        assert lab.edge.failures == {Cause.REFUSED_BY_CLIENT: 1}


@pytest.mark.parametrize("hello_bytes", [0, 1, 50])
def test_a_slow_hello_has_its_time(certificates: ServerCertificates, context: ssl.SSLContext, hello_bytes: int) -> None:
    with TlsLab(certificates, tls_handshake_ms=1000) as lab:
        client = lab.client(context)
        with pytest.raises(ssl.SSLWantReadError):
            client.object.do_handshake()
        client.send(client.outgoing.read()[:hello_bytes])
        lab.turn()
        lab.wire.advance_clock(1200)
        lab.turn()
        lab.turn()
        assert client.socket.recv(1) == b""
        assert lab.edge.failures == {Cause.TIMEOUT: 1}


def test_who_goes_in_the_midst_of_a_handshake_is_counted(
    certificates: ServerCertificates, context: ssl.SSLContext
) -> None:
    with TlsLab(certificates) as lab:
        client = lab.client(context)
        with pytest.raises(ssl.SSLWantReadError):
            client.object.do_handshake()
        client.exchange()
        client.socket.close()
        lab.turn()
        lab.turn()
        assert lab.edge.failures == {Cause.ENDED: 1}


@VERSIONS
def test_an_altered_record_ends_the_connection(
    certificates: ServerCertificates, context: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    context.maximum_version = version
    asked = []
    with TlsLab(certificates, lambda _, request: asked.append(request)) as lab:
        client = lab.client(context).shake()
        client.object.write(GET)
        record = bytearray(client.outgoing.read())
        record[-20] ^= 1
        client.send(bytes(record))
        with pytest.raises(ssl.SSLError) as caught:
            client.hear(1)
        assert caught.value.reason is not None
        assert "ALERT_BAD_RECORD_MAC" in caught.value.reason
        assert lab.edge.failures == {Cause.BROKEN: 1}
    assert asked == []


def test_plain_http_inside_of_a_session_breaks_it(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    asked = []
    with TlsLab(certificates, lambda _, request: asked.append(request)) as lab:
        client = lab.client(context).shake()
        client.send(GET)
        for _ in range(3):
            lab.turn()
        assert sum(lab.edge.failures.values()) == 1
    assert asked == []


# ---- clients with certificates ----


@pytest.fixture
def mutual(authority: trustme.CA, pair: CertificateFiles, tmp_path: Path) -> ServerCertificates:
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    return serve(pair, client_authorities=tmp_path / "clients.pem", client_names=("billing",))


@VERSIONS
def test_a_client_certificate(
    authority: trustme.CA, mutual: ServerCertificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    def context(name: str, signer: trustme.CA = authority) -> ssl.SSLContext:
        made = client_context(authority, issue(signer, tmp_path, name, name))
        made.maximum_version = version
        return made

    with TlsLab(mutual) as lab:
        allowed = lab.client(context("billing")).shake()
        allowed.say(GET)
        assert allowed.hear_answer() == (200, b"/a")
        none = client_context(authority)
        none.maximum_version = version
        assert "ALERT" in (refused_by(lab, none) or "")
        assert refused_by(lab, context("other", trustme.CA())) == "TLSV1_ALERT_UNKNOWN_CA"
        refused = lab.client(context("orders")).shake()
        refused.say(GET)
        assert refused.ends_well()
        assert lab.edge.failures == {
            Cause.NO_CLIENT_CERTIFICATE: 1,
            Cause.CLIENT_CERTIFICATE: 1,
            Cause.CLIENT_NAME: 1,
        }
        assert lab.edge.handshakes == 2


def test_refusals_are_logged_once_for_each_cause(
    authority: trustme.CA, mutual: ServerCertificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "penstock.tls")
    caplog.clear()
    evil = client_context(authority, issue(authority, tmp_path, "evil", "evil"))
    with TlsLab(mutual) as lab:
        for _ in range(5):
            lab.client(evil).shake()
        lab.client(evil).send(GET)
        lab.turn()
        assert lab.edge.failures == {Cause.CLIENT_NAME: 5, Cause.PLAIN_HTTP: 1}
    assert [record.getMessage() for record in caplog.records] == [
        "a client's certificate has no name that is let in: evil (0 more)",
        "a client spoke plain HTTP to the TLS port; it was told to use https (0 more)",
    ]


# ---- connections that are handed over ----


def test_a_task_goes_on_with_the_same_session(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    handed: list[tuple[int, Handed | None]] = []

    def answer(lab: TlsLab, request: Request) -> None:
        if len(handed) < 1:
            handed.append((request[0], lab.wire.hand_over(request[0])))
        else:
            lab.wire.answer(request[0], 200, b"", b"by the wire", False)

    with TlsLab(certificates, answer) as lab:
        client = lab.client(context).shake()
        client.object.write(CHUNKED + b"3\r\nabc")
        rest = client.outgoing.read()
        client.object.write(b"\r\n0\r\n\r\n" + GET[:5])
        rest += client.outgoing.read()
        client.send(rest[:-7])  # the second record is not whole when the batch ends
        lab.turn()
        ((exchange, hand),) = handed
        assert hand is not None
        assert hand.held == b"3\r\nabc"
        session = lab.edge.session(hand.connection)
        assert session is not None
        client.send(rest[-7:])
        assert session.decrypt(os.read(hand.descriptor, 1000)) == b"\r\n0\r\n\r\n" + GET[:5]
        client.say(b"more", 1)
        assert session.decrypt(os.read(hand.descriptor, 1000)) == b"more"
        large = os.urandom(100_000)
        ciphertext = session.encrypt(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n") + session.encrypt(large)
        while ciphertext:
            ciphertext = ciphertext[os.write(hand.descriptor, ciphertext) :]
            client.take_in()
        assert client.hear_answer() == (200, large)
        lab.wire.hand_back(exchange, HandBack.KEEP, GET[:5], 100)
        client.say(GET[5:])
        assert client.hear_answer() == (200, b"by the wire")


def test_a_task_ends_the_session(certificates: ServerCertificates, context: ssl.SSLContext) -> None:
    handed = []
    with TlsLab(certificates, lambda lab, request: handed.append((request[0], lab.wire.hand_over(request[0])))) as lab:
        client = lab.client(context).shake()
        client.say(CHUNKED)
        lab.turn()
        ((exchange, hand),) = handed
        assert hand is not None
        session = lab.edge.session(hand.connection)
        assert session is not None
        os.write(hand.descriptor, session.encrypt(b"last") + session.close_notify())
        assert client.hear(10) == b"last"
        lab.wire.hand_back(exchange, HandBack.LINGER)
        assert client.ends_well()
    assert lab.edge.session(hand.connection) is None


# ---- certificates that change ----


async def test_no_handshake_fails_while_certificates_change(
    authority: trustme.CA, context: ssl.SSLContext, pair: CertificateFiles, tmp_path: Path
) -> None:
    certificates = serve(pair)
    with TlsLab(certificates) as lab:
        shown = []
        for turn in range(20):
            client = lab.client(context)
            with pytest.raises(ssl.SSLWantReadError):
                client.object.do_handshake()
            client.exchange()
            issue(authority, tmp_path, "server", "localhost", f"{turn}.example")
            await certificates.reload()
            client.shake().say(GET)
            assert client.hear_answer() == (200, b"/a")
            shown.append((client.object.getpeercert() or {})["subjectAltName"][-1])
        assert shown == [("DNS", "localhost"), *(("DNS", f"{turn}.example") for turn in range(19))]
    assert not lab.edge.failures
    assert certificates.reloads == 20
