"""A certificate with its chain, and its key: read at once, and checked whole before it is used.

A pair is tried before it serves: a handshake is made with it, in memory, by which the library itself says whether key
and certificate belong together and whether a client could take the certificate for a server's. What a client cannot
know (trust, and that a certificate has run out) is not part of that.
"""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Any, NamedTuple

from penstock.settings.files import CertificateFiles

from .contexts import load_pair
from .problems import CertificateError, cannot_read, problem

FILE_BYTES_MAX = 1 << 20
CHAIN_MAX = 10
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, for which `ssl` has no name
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (ENCRYPTED |RSA |EC )?PRIVATE KEY-----")


class Pair(NamedTuple):
    """A pair that can serve. Texts are PEM; times are Unix seconds."""

    certificate: bytes
    key: bytes
    names: tuple[str, ...]  # DNS names and IP addresses that it is for, in lower case
    begins_at: float
    ends_at: float
    fingerprint: str  # SHA-256 of the certificate, in hex

    def __repr__(self) -> str:
        """Return what may be shown: not the key."""
        return f"Pair({', '.join(self.names)}; {self.fingerprint[:16]})"


def read_pair(files: CertificateFiles) -> Pair:
    """Read and check a pair.

    Raises:
        CertificateError: what is wrong, where, why, and what to do about it.
    """
    certificate = read_file("certificate", files.certificate)
    key = read_file("key", files.key)
    chain = _CERTIFICATE.findall(certificate)
    _check_certificate(chain, files)
    _check_key(key, files)
    facts = _try_out(certificate, key, chain, files)
    _check_chain(facts, chain[1:], files)
    return Pair(
        certificate,
        key,
        tuple(value.lower() for kind, value in facts.get("subjectAltName", ()) if kind in ("DNS", "IP Address")),
        ssl.cert_time_to_seconds(facts["notBefore"]),
        ssl.cert_time_to_seconds(facts["notAfter"]),
        hashlib.sha256(_der(chain[0])).hexdigest(),
    )


def read_file(what: str, path: Path) -> bytes:
    """Return the content of a file of PEM texts.

    Raises:
        CertificateError: it cannot be read, or is far too large to be one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise cannot_read(what, path, error) from None
    if len(content) > FILE_BYTES_MAX:
        raise problem("not_pem", what, path, "it is larger than 1 MiB", "name a file of PEM texts")
    return content


def _check_certificate(chain: list[bytes], files: CertificateFiles) -> None:
    if not chain:
        fix = "write it as PEM, with the line -----BEGIN CERTIFICATE-----"
        raise problem("not_pem", "certificate", files.certificate, "there is no certificate in it", fix)
    if len(chain) > CHAIN_MAX:
        why = f"there are {len(chain)} certificates in it"
        raise problem("chain_too_long", "certificate", files.certificate, why, "leave only its own chain")


def _check_key(key: bytes, files: CertificateFiles) -> None:
    found = _KEY.search(key)
    if found is None:
        fix = "write it as PEM, with the line -----BEGIN PRIVATE KEY-----"
        raise problem("not_pem", "key", files.key, "there is no private key in it", fix)
    if found[1] == b"ENCRYPTED " or b"Proc-Type: 4,ENCRYPTED" in key:
        fix = "store it decrypted, readable by the gateway's user only"
        raise problem("key_encrypted", "key", files.key, "it is locked with a passphrase", fix)


def _try_out(certificate: bytes, key: bytes, chain: list[bytes], files: CertificateFiles) -> dict[str, Any]:
    """Return what the certificate says, as a client sees it that was served with it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load_pair(server, certificate, key)
    except ssl.SSLError as error:
        raise _explain_load(error, files) from None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        client.load_verify_locations(cadata=chain[0].decode("ascii"))
        return _handshake(server, client)
    except ssl.SSLError as error:
        why = f"no client could take it for a server's: {getattr(error, 'verify_message', error.reason)}"
        fix = "have it issued for TLS web server authentication"
        raise problem("not_for_servers", "certificate", files.certificate, why, fix) from None


def _explain_load(error: ssl.SSLError, files: CertificateFiles) -> CertificateError:
    if error.reason == "KEY_VALUES_MISMATCH":
        why = f"the key in {files.key} is not that of its first certificate"
        fix = "put the pair's own key there, and the certificate for the server before those of its issuers"
        return problem("key_mismatch", "certificate", files.certificate, why, fix)
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_MD_TOO_WEAK"):
        fix = "have it issued anew, with an EC key or RSA of 2048 bits, and SHA-256"
        return problem("key_too_weak", "certificate", files.certificate, "the library calls its key too weak", fix)
    why = f"{files.certificate} or {files.key} is damaged: {error.reason or error}"
    return problem("not_pem", "pair", files.certificate, why, "write both as whole PEM texts")


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)
    for side in (asking, answering, asking):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return asking.getpeercert() or {}


def _check_chain(facts: dict[str, Any], others: list[bytes], files: CertificateFiles) -> None:
    """Each certificate must certify the one before it (RFC 5246, section 7.4.2), for some clients look no further."""
    issuer = facts["issuer"]
    for place, text in enumerate(others, 2):
        authority = _authority_facts(text)
        if authority is None:
            why = f"certificate {place} in it is damaged, or not that of an authority"
            raise problem("chain_broken", "certificate", files.certificate, why, "leave it out")
        if authority["subject"] != issuer:
            why = f"certificate {place} in it is not the issuer of the one before it"
            fix = "order them: the server's, its issuer's, that one's issuer's"
            raise problem("chain_order", "certificate", files.certificate, why, fix)
        issuer = authority["issuer"]


def _authority_facts(text: bytes) -> dict[str, Any] | None:
    reader = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        reader.load_verify_locations(cadata=text.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return None
    return next(iter(reader.get_ca_certs()), None)


def _der(text: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(text.decode("ascii"))
