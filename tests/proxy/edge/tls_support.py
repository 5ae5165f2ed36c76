"""What the tests of TLS share: an authority, certificates in files, and handshakes in memory."""

import ssl
from pathlib import Path
from typing import Any

import trustme

from penstock.settings.files import CertificateFiles
from proxy.edge.tls.certificates import ServerCertificates, TlsSettings

DAY_S = 86_400


def issue(
    authority: trustme.CA, folder: Path, name: str, *names: str, common_name: str | None = None
) -> CertificateFiles:
    """Write a certificate for these names, and its key, as files called by `name`."""
    issued = authority.issue_cert(*names, common_name=common_name)
    return write_pair(issued, folder, name)


def write_pair(issued: trustme.LeafCert, folder: Path, name: str) -> CertificateFiles:
    """Write a certificate and its key, each at once."""
    files = CertificateFiles(folder / f"{name}.pem", folder / f"{name}.key")
    replace(files.certificate, b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    replace(files.key, issued.private_key_pem.bytes())
    return files


def replace(path: Path, content: bytes) -> None:
    """Replace a file at once, by a new one."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)


def serve(*files: CertificateFiles, **settings: object) -> ServerCertificates:
    """Return certificates as the edge serves them."""
    return ServerCertificates(TlsSettings(certificates=files, **settings))  # type: ignore[arg-type]


def client_context(authority: trustme.CA, files: CertificateFiles | None = None) -> ssl.SSLContext:
    """Return a client that trusts the authority, with a certificate of its own if files are given."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    return context


class Handshake:
    """A client and the edge's side of a connection, joined in memory."""

    def __init__(
        self,
        certificates: ServerCertificates,
        context: ssl.SSLContext,
        name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
    ) -> None:
        """Shake hands, as far as it goes. Errors of either side are raised."""
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = certificates.wrap(up, down)
        self.client = context.wrap_bio(down, up, server_hostname=name, session=session)
        for side in (self.client, self.server, self.client, self.server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        self.server.write(b"tickets come before this")  # in TLS 1.3 they are sent after the handshake
        self.client.read()

    @property
    def names(self) -> tuple[str, ...]:
        """What the client was shown."""
        certificate: dict[str, Any] = self.client.getpeercert() or {}
        return tuple(value for _, value in certificate["subjectAltName"])
