"""ssl.SSLContext for the edge: what is spoken with clients, and what is not.

TLS 1.2 and 1.3. In 1.2 only ciphers with forward secrecy and authenticated encryption (RFC 9325, section 4.2); those of
1.3 are all good, and the library's. No compression and no renegotiation (RFC 9325, sections 3.3 and 3.5). ALPN offers
http/1.1 (RFC 7301); a client that names no protocol in common goes on without. Sessions are resumed by tickets, whose
keys live as long as the context: nothing of them is ever written down.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

CIPHERS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"
PROTOCOLS = ("http/1.1",)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(certificate: bytes, key: bytes, minimum: str, client_authorities: str | None) -> ssl.SSLContext:
    """Return a context that serves a certificate. client_authorities: PEM; with it, clients must show a certificate.

    Raises:
        ssl.SSLError: the key is not that of the certificate, or something is no PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[minimum]
    context.set_ciphers(CIPHERS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(PROTOCOLS))
    load_pair(context, certificate, key)
    if client_authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authorities)
    return context


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a certificate with its chain, and its key, from memory, where nobody replaces half of them meanwhile.

    Raises:
        ssl.SSLError: as `ssl.SSLContext.load_cert_chain`, which has no other way in than by name.
    """
    with _in_memory(certificate) as certificate_path, _in_memory(key) as key_path:
        context.load_cert_chain(certificate_path, key_path, password=lambda: b"")  # never asks a terminal


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("penstock", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
