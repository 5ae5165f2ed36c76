"""The edge's certificates: what is served, to whom, and how they are replaced."""

import logging
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
import trustme
from tls_support import DAY_S, Handshake, client_context, issue, replace, serve, write_pair

from penstock.settings.files import CertificateFiles
from proxy.edge.tls.certificates import ServerCertificates, TlsSettings
from proxy.edge.tls.problems import CertificateError


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> CertificateFiles:
    return issue(authority, tmp_path, "server", "localhost", "127.0.0.1")


# ---- what is spoken ----


def test_a_handshake_with_tls_1_3_and_http_1_1(authority: trustme.CA, pair: CertificateFiles) -> None:
    context = client_context(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    done = Handshake(serve(pair), context)
    assert (done.client.version(), done.client.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    assert done.client.compression() is None


def test_a_client_without_a_protocol_in_common_goes_on_without(authority: trustme.CA, pair: CertificateFiles) -> None:
    context = client_context(authority)
    context.set_alpn_protocols(["h2"])
    assert Handshake(serve(pair), context).client.selected_alpn_protocol() is None


def test_tls_1_2_has_forward_secrecy(authority: trustme.CA, pair: CertificateFiles) -> None:
    context = client_context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    cipher = Handshake(serve(pair), context).client.cipher()
    assert cipher is not None
    assert cipher[0].startswith("ECDHE-")
    assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


def test_a_cipher_without_forward_secrecy_is_refused(authority: trustme.CA, pair: CertificateFiles) -> None:
    context = client_context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("kRSA")
    with pytest.raises(ssl.SSLError) as caught:
        Handshake(serve(pair), context)
    assert caught.value.reason == "NO_SHARED_CIPHER"


@pytest.mark.parametrize(("minimum", "offered"), [("1.2", ssl.TLSVersion.TLSv1_1), ("1.3", ssl.TLSVersion.TLSv1_2)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_older_versions_are_refused(
    authority: trustme.CA, pair: CertificateFiles, minimum: str, offered: ssl.TLSVersion
) -> None:
    context = client_context(authority)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = offered
    context.maximum_version = offered
    with pytest.raises(ssl.SSLError) as caught:
        Handshake(serve(pair, minimum_version=minimum), context)
    assert caught.value.reason == "UNSUPPORTED_PROTOCOL"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_second_handshake_is_resumed(authority: trustme.CA, pair: CertificateFiles, version: ssl.TLSVersion) -> None:
    certificates, context = serve(pair), client_context(authority)
    context.maximum_version = version
    first = Handshake(certificates, context)
    assert not first.client.session_reused
    again = Handshake(certificates, context, session=first.client.session)
    assert again.client.session_reused
    assert again.server.session_reused


# ---- by name ----


@pytest.fixture
def several(authority: trustme.CA, tmp_path: Path) -> ServerCertificates:
    names = {"first": ("first.example",), "shop": ("shop.example", "*.shop.example"), "mail": ("Mail.Example",)}
    return serve(*(issue(authority, tmp_path, key, *value) for key, value in names.items()))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("first.example", "first.example"),
        ("shop.example", "shop.example"),
        ("SHOP.example", "shop.example"),
        ("de.shop.example", "shop.example"),
        ("a.de.shop.example", "first.example"),  # a wildcard is one label
        ("mail.example", "mail.example"),
        ("unknown.example", "first.example"),
        (None, "first.example"),
    ],
)
def test_a_name_chooses_the_certificate(
    authority: trustme.CA, several: ServerCertificates, name: str | None, shown: str
) -> None:
    context = client_context(authority)
    context.check_hostname = False
    assert Handshake(several, context, name).names[0] == shown


def test_sessions_are_resumed_with_a_certificate_that_is_not_the_first(
    authority: trustme.CA, several: ServerCertificates
) -> None:
    context = client_context(authority)
    first = Handshake(several, context, "de.shop.example")
    assert Handshake(several, context, "de.shop.example", first.client.session).client.session_reused


# ---- client certificates ----


@pytest.fixture
def strangers() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def mutual(authority: trustme.CA, pair: CertificateFiles, tmp_path: Path) -> ServerCertificates:
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    allowed = ("billing.example", "spiffe://example/orders", "legacy")
    return serve(pair, client_authorities=tmp_path / "clients.pem", client_names=allowed)


def test_a_client_without_a_certificate_is_refused(authority: trustme.CA, mutual: ServerCertificates) -> None:
    with pytest.raises(ssl.SSLError) as caught:
        Handshake(mutual, client_context(authority))
    assert caught.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_a_client_of_another_authority_is_refused(
    authority: trustme.CA, strangers: trustme.CA, mutual: ServerCertificates, tmp_path: Path
) -> None:
    own = issue(strangers, tmp_path, "stranger", "billing.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        Handshake(mutual, client_context(authority, own))


def test_a_client_whose_certificate_has_run_out_is_refused(
    authority: trustme.CA, mutual: ServerCertificates, tmp_path: Path
) -> None:
    ended = authority.issue_cert("billing.example", not_after=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(ssl.SSLCertVerificationError):
        Handshake(mutual, client_context(authority, write_pair(ended, tmp_path, "ended")))


@pytest.mark.parametrize("names", [("billing.example",), ("other.example", "billing.example")])
def test_an_allowed_client(
    authority: trustme.CA, mutual: ServerCertificates, tmp_path: Path, names: tuple[str, ...]
) -> None:
    done = Handshake(mutual, client_context(authority, issue(authority, tmp_path, "client", *names)))
    assert mutual.refused_client(done.server) is None


def test_a_common_name_counts_only_without_others(
    authority: trustme.CA, mutual: ServerCertificates, tmp_path: Path
) -> None:
    alone = issue(authority, tmp_path, "alone", common_name="legacy")
    beside = issue(authority, tmp_path, "beside", "other.example", common_name="legacy")
    assert mutual.refused_client(Handshake(mutual, client_context(authority, alone)).server) is None
    refused = mutual.refused_client(Handshake(mutual, client_context(authority, beside)).server)
    assert refused == ("other.example",)


def test_a_name_that_is_not_allowed_is_refused_also_when_resumed(
    authority: trustme.CA, mutual: ServerCertificates, tmp_path: Path
) -> None:
    context = client_context(authority, issue(authority, tmp_path, "client", "evil.example"))
    first = Handshake(mutual, context)
    again = Handshake(mutual, context, session=first.client.session)
    assert again.server.session_reused
    assert mutual.refused_client(first.server) == mutual.refused_client(again.server) == ("evil.example",)


def test_without_names_every_client_of_the_authority_is_allowed(
    authority: trustme.CA, pair: CertificateFiles, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    certificates = serve(pair, client_authorities=tmp_path / "clients.pem")
    client = issue(authority, tmp_path, "client", "anybody.example")
    assert certificates.refused_client(Handshake(certificates, client_context(authority, client)).server) is None


# ---- bad files at the start ----


def problems(*files: CertificateFiles, **settings: object) -> list[str]:
    with pytest.raises(CertificateError) as caught:
        serve(*files, **settings)
    assert all(str(one).count("\n") == 0 for one in caught.value.problems)
    return [one.code for one in caught.value.problems]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    missing = CertificateFiles(tmp_path / "a.pem", tmp_path / "a.key")
    (tmp_path / "b.pem").write_text("no certificate")
    (tmp_path / "b.key").write_text("no key")
    bad = CertificateFiles(tmp_path / "b.pem", tmp_path / "b.key")
    assert problems(missing, bad, client_authorities=tmp_path / "b.pem") == ["not_pem", "file_missing", "not_pem"]


def test_a_key_that_is_not_there_or_no_file(pair: CertificateFiles, tmp_path: Path) -> None:
    assert problems(CertificateFiles(pair.certificate, tmp_path / "none")) == ["file_missing"]
    assert problems(CertificateFiles(pair.certificate, tmp_path)) == ["file_unreadable"]


def test_a_key_of_another_certificate(authority: trustme.CA, pair: CertificateFiles, tmp_path: Path) -> None:
    other = issue(authority, tmp_path, "other", "localhost")
    with pytest.raises(CertificateError) as caught:
        serve(CertificateFiles(pair.certificate, other.key))
    assert str(caught.value) == (
        f"key_mismatch: certificate ({pair.certificate}): the key in {other.key} is not that of its first certificate; "
        "put the pair's own key there, and the certificate for the server before those of its issuers"
    )


def test_a_key_with_a_passphrase_asks_nobody(pair: CertificateFiles) -> None:
    pair.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    assert problems(pair) == ["key_encrypted"]


@pytest.mark.parametrize("part", ["certificate", "key"])
def test_a_damaged_file(pair: CertificateFiles, part: str) -> None:
    path: Path = getattr(pair, part)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], *lines[4:]]))
    assert problems(pair) == ["not_pem"]


def test_a_file_that_is_far_too_large(pair: CertificateFiles) -> None:
    pair.certificate.write_bytes(b"-" * (1 << 20) + b"--")
    assert problems(pair) == ["not_pem"]


def test_certificate_and_key_in_one_file(authority: trustme.CA, tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
    Handshake(serve(CertificateFiles(path, path)), client_context(authority))


def test_a_chain_is_sent_in_order_and_refused_out_of_order(tmp_path: Path) -> None:
    root = trustme.CA()
    middle = root.create_child_ca()
    issued = middle.create_child_ca().issue_cert("localhost")
    files = write_pair(issued, tmp_path, "server")
    Handshake(serve(files), client_context(root))
    leaf, *others = [blob.bytes() for blob in issued.cert_chain_pems]
    files.certificate.write_bytes(leaf + b"".join(reversed(others)))
    assert problems(files) == ["chain_order"]
    files.certificate.write_bytes(leaf + leaf)
    assert problems(files) == ["chain_broken"]
    files.certificate.write_bytes(leaf * 11)
    assert problems(files) == ["chain_too_long"]
    files.certificate.write_bytes(others[0] + leaf)
    assert problems(files) == ["key_mismatch"]


def test_no_authority_among_the_client_authorities(pair: CertificateFiles, tmp_path: Path) -> None:
    lone = tmp_path / "lone.pem"
    lone.write_bytes(pair.certificate.read_bytes())
    assert problems(pair, client_authorities=lone) == ["not_an_authority"]


# ---- when it ends ----


@pytest.mark.parametrize(("days", "words"), [(-1, "has run out"), (3, "ends in 2 days"), (100, None)])
def test_the_end_is_told_before_it_comes(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, words: str | None
) -> None:
    issued = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=days))
    certificates = serve(write_pair(issued, tmp_path, "server"))
    assert certificates.seconds_left() == pytest.approx(days * DAY_S, abs=600)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [words in one for one in warnings if words] == ([True] if words else [])
    assert len(warnings) == (words is not None)


def test_a_clock_that_is_behind(pair: CertificateFiles, caplog: pytest.LogCaptureFixture) -> None:
    ServerCertificates(TlsSettings(certificates=(pair,)), wall_clock=lambda: 0.0)
    assert "not valid yet" in caplog.text


# ---- replacing ----


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_new_files_are_served_without_being_asked(
    authority: trustme.CA, pair: CertificateFiles, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    certificates, context = serve(pair, reload_interval_s=10), client_context(authority)
    before = certificates.pairs[0]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(certificates.run)
        await trio.sleep(15)
        assert certificates.pairs[0] is before
        issue(authority, tmp_path, "server", "localhost", "new.example")
        while not certificates.reloads:  # noqa: ASYNC110 - the clock does not wait for the thread that reads
            await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert Handshake(certificates, context).names == ("localhost", "new.example")
    assert (certificates.reloads, certificates.bad_reloads) == (1, 0)


async def test_who_is_in_the_midst_of_a_handshake_goes_on_with_the_old_one(
    authority: trustme.CA, pair: CertificateFiles, tmp_path: Path
) -> None:
    certificates, context = serve(pair), client_context(authority)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = certificates.wrap(up, down), context.wrap_bio(down, up, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    issue(authority, tmp_path, "server", "localhost", "new.example")
    await certificates.reload()
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    client.do_handshake()
    server.do_handshake()
    assert ("DNS", "new.example") not in (client.getpeercert() or {})["subjectAltName"]


async def test_half_a_replacement_is_not_served_and_not_complained_about(
    authority: trustme.CA, pair: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    certificates, context = serve(pair), client_context(authority)
    fresh = authority.issue_cert("localhost", "new.example")
    replace(pair.certificate, fresh.cert_chain_pems[0].bytes())
    await certificates._refresh(is_asked=False)
    assert "new.example" not in Handshake(certificates, context).names
    replace(pair.key, fresh.private_key_pem.bytes())
    await certificates._refresh(is_asked=False)
    assert "new.example" in Handshake(certificates, context).names
    assert errors(caplog) == []


async def test_a_bad_pair_keeps_the_old_one_and_is_told_once(
    authority: trustme.CA, pair: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    certificates, context = serve(pair), client_context(authority)
    kept = certificates.pairs
    for content in (b"bad", b"worse than that"):
        pair.key.write_bytes(content)
        for _ in range(4):
            await certificates._refresh(is_asked=False)
    assert certificates.pairs is kept
    Handshake(certificates, context)
    assert len(errors(caplog)) == certificates.bad_reloads == 2
    assert errors(caplog)[0] == (
        f"not_pem: key ({pair.key}): there is no private key in it; write it as PEM, with the line "
        "-----BEGIN PRIVATE KEY-----; what was loaded before stays in use"
    )


async def test_who_asks_is_told_each_time(pair: CertificateFiles, caplog: pytest.LogCaptureFixture) -> None:
    certificates = serve(pair)
    pair.certificate.unlink()
    await certificates.reload()
    await certificates.reload()
    assert len(errors(caplog)) == 2


async def test_a_good_pair_is_replaced_beside_a_bad_one(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = (issue(authority, tmp_path, name, f"{name}.example") for name in ("one", "two"))
    certificates, context = serve(one, two), client_context(authority)
    one.key.write_text("bad")
    issue(authority, tmp_path, "two", "two.example", "second.example")
    await certificates.reload()
    assert Handshake(certificates, context, "second.example").names == ("two.example", "second.example")
    assert Handshake(certificates, context, "one.example").names == ("one.example",)
    assert len(errors(caplog)) == 1


async def test_other_client_authorities_count_from_the_next_handshake_on(
    authority: trustme.CA, strangers: trustme.CA, pair: CertificateFiles, tmp_path: Path
) -> None:
    path = tmp_path / "clients.pem"
    authority.cert_pem.write_to_path(str(path))
    certificates = serve(pair, client_authorities=path)
    ours = client_context(authority, issue(authority, tmp_path, "ours", "a.example"))
    theirs = client_context(authority, issue(strangers, tmp_path, "theirs", "b.example"))
    session = Handshake(certificates, ours).client.session
    replace(path, strangers.cert_pem.bytes())
    await certificates.reload()
    Handshake(certificates, theirs)
    with pytest.raises(ssl.SSLCertVerificationError):
        Handshake(certificates, ours, session=session)  # nor is an old session resumed


async def test_no_handshake_fails_while_files_are_replaced(
    authority: trustme.CA, pair: CertificateFiles, tmp_path: Path
) -> None:
    """Two pairs in turn, written in place, a few bytes at a time, certificate and key apart, while others connect."""
    certificates, context = serve(pair), client_context(authority)
    issued = [authority.issue_cert("localhost", f"{turn}.example") for turn in range(2)]
    done = threading.Event()

    def write_slowly() -> None:
        for turn in range(30):
            fresh = issued[turn % 2]
            for path, blob in ((pair.certificate, fresh.cert_chain_pems[0]), (pair.key, fresh.private_key_pem)):
                content = blob.bytes()
                with path.open("wb", buffering=0) as file:
                    for at in range(0, len(content), 300):
                        file.write(content[at : at + 300])
        done.set()

    shown = set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, write_slowly)
        while not done.is_set():
            await certificates._refresh(is_asked=False)
            shown.add(Handshake(certificates, context).names[-1])
    await certificates._refresh(is_asked=False)
    assert Handshake(certificates, context).names[-1] == "1.example"
    assert shown <= {"127.0.0.1", "0.example", "1.example"}
