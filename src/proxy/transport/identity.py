"""Who the gateway is to the services that it dials by TLS, and whom it believes."""

import hashlib
import ssl
from pathlib import Path
from typing import Final

import msgspec

from penstock.settings import Problem, SettingsError
from proxy.config.dial_tls import DialTlsConfig

FILE_BYTES_MAX: Final = 1_048_576
LABEL_CHARACTERS: Final = 16


class DialIdentity(msgspec.Struct, frozen=True, eq=False):
    """What a handshake with a service is made with. label: another one whenever anything of it is another."""

    label: str
    context: ssl.SSLContext
    server_name: str
    """The name that a service's certificate must have, in place of the host that is dialled; empty for that one."""


def read_identity(config: DialTlsConfig) -> DialIdentity:
    """Return the identity that the settings name, or raise `SettingsError`. TLS 1.2 or 1.3, certificates verified."""
    contents = [config.server_name.encode()]
    for name, path in (("ca", config.ca), ("certificate", config.certificate), ("key", config.key)):
        contents.append(b"" if path is None else _read(name, path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_verify_locations(cadata=contents[1].decode("ascii", "replace"))
    except ssl.SSLError:
        raise _problem("ca", config.ca, "there is no certificate in it", "name a file of PEM certificates") from None
    if config.certificate is not None:
        try:
            context.load_cert_chain(config.certificate, config.key, password=lambda: b"")  # never asks a terminal
        except (ssl.SSLError, OSError):
            why = "it and dial_tls.key are no certificate with its own key, without a passphrase"
            raise _problem("certificate", config.certificate, why, "name a certificate and its key, as PEM") from None
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    return DialIdentity(digest.hexdigest()[:LABEL_CHARACTERS], context, config.server_name)


def _read(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        why = f"it cannot be read: {error.strerror or error}"
        raise _problem(name, path, why, "correct the path, or who may read it") from None
    if len(content) > FILE_BYTES_MAX:
        raise _problem(name, path, "it is larger than 1 MiB", "name a file of PEM texts")
    return content


def _problem(name: str, path: Path | None, why: str, fix: str) -> SettingsError:
    return SettingsError([Problem("bad_file", f"dial_tls.{name}", str(path), why, fix)])
