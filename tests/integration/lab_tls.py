"""A certificate for a gateway on loopback, and the settings that use it."""

from pathlib import Path
from typing import NamedTuple

import pytest


class TlsFiles(NamedTuple):
    """Files in PEM: who signed, the certificate for localhost and 127.0.0.1, and its key."""

    authority: Path
    certificate: Path
    key: Path

    def settings(self, port: int) -> dict[str, str]:
        """What a lab is opened with to listen there."""
        return {"edge_tls_listen": f"127.0.0.1:{port}", "edge_tls_certificates": f"{self.certificate}:{self.key}"}


def make_tls_files(folder: Path) -> TlsFiles:
    """Make an authority, and a certificate that it signs; or skip where that cannot be done."""
    pytest.importorskip("cryptography", reason="certificates for tests are made with cryptography")
    from proxy.cli.development import make_authority, make_certificate, write

    files = TlsFiles(folder / "authority.crt", folder / "edge.crt", folder / "edge.key")
    authority = make_authority()
    write(authority, files.authority, folder / "authority.key")
    write(make_certificate(authority, ["localhost", "127.0.0.1"], is_client=False), files.certificate, files.key)
    return files
