"""Certificates for development: an authority of one's own, and what it signs. Needs the package `cryptography`.

Nothing here is for the public: whoever has the authority's key can pretend to be any server to those who trust it.
"""

import ipaddress
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397  # the most that browsers take
_BACKDATED = timedelta(hours=1)  # clocks of other machines, and of containers, may be behind


class DevelopmentError(Exception):
    """A certificate cannot be made. Its text is one line."""


class Signed(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def parse_name(text: str) -> x509.GeneralName:
    """Return an alternative name: of an IP address, a URI, an e-mail address, or else of DNS, with or without wildcard.

    Raises:
        DevelopmentError: it is none of them.
    """
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if not text.isascii() or not text.isprintable() or " " in text or not 1 <= len(text) <= 253:
        raise DevelopmentError(f"{text!r} is no name: write a host name, an IP address, a URI or an e-mail address")
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    if "@" in text:
        return x509.RFC822Name(text)
    if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*", text):
        raise DevelopmentError(f"{text!r} is no host name: write letters, digits, hyphens and dots")
    return x509.DNSName(text)


def make_authority() -> Signed:
    """Return a new authority, which signs servers and clients but no other authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(f"Penstock development authority {os.urandom(4).hex()}")
    builder = (
        _begin(name, name, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Signed(builder.sign(key, hashes.SHA256()), key)


def make_certificate(authority: Signed, names: list[str], *, is_client: bool) -> Signed:
    """Return a new certificate for a server, or for a client, that has these names.

    Raises:
        DevelopmentError: a name is none.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if is_client else ExtendedKeyUsageOID.SERVER_AUTH
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _begin(_subject(names[0]), authority.certificate.subject, key, CERTIFICATE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([parse_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    return Signed(builder.sign(authority.key, hashes.SHA256()), key)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


# ---- files ----


def read_authority(certificate: Path, key: Path) -> Signed:
    """Return an authority that was written before.

    Raises:
        DevelopmentError: a file is missing or damaged, the two do not belong together, or it has run out.
    """
    fix = "remove both, and a new authority is made"
    try:
        read = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise DevelopmentError(f"the authority {certificate} with {key} cannot be read: {reason}; {fix}") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != read.public_key():
        raise DevelopmentError(f"{key} is not the key of the authority {certificate}; {fix}")
    if read.not_valid_after_utc <= datetime.now(UTC):
        raise DevelopmentError(f"the authority {certificate} has run out; {fix}")
    return Signed(read, private)


def write(signed: Signed, certificate: Path, key: Path) -> None:
    """Write both files, each whole or not at all; the key is for its owner's eyes only."""
    text = signed.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, text, 0o600)
    _write(certificate, signed.certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
