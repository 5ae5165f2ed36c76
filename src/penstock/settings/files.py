"""Files that a setting names: certificates, their keys, and the authorities that signed them."""

from pathlib import Path

import msgspec

from .lists import ListKind
from .types import BadValueError, TextKind


class CertificateFiles(msgspec.Struct, frozen=True):
    """A certificate with its chain, and its private key: two PEM files, or twice the same one."""

    certificate: Path
    key: Path

    def __str__(self) -> str:
        """Return ``cert.pem:key.pem``, or ``cert.pem`` where the key is in it."""
        return str(self.certificate) if self.certificate == self.key else f"{self.certificate}:{self.key}"


class CertificateList(ListKind[CertificateFiles]):
    """Certificates and keys: ``cert.pem:key.pem``, or ``cert.pem`` with the key in it."""

    label = "list of certificates"
    item = "certificate"
    example = "/etc/penstock/cert.pem:/etc/penstock/key.pem"

    def parse_item(self, text: str) -> CertificateFiles:
        """Read one pair. Whether the files are there is asked later, and again whenever they change."""
        certificate, colon, key = text.partition(":")
        if not certificate or (colon and not key) or ":" in key or "\0" in text:
            raise BadValueError(f"{text!r} is not certificate:key", f"write {self.example}")
        return CertificateFiles(Path(certificate), Path(key) if key else Path(certificate))


class FilePath(TextKind[Path | None]):
    """The path of a file; empty for none."""

    label = "path"
    example = "/etc/penstock/ca.pem"

    def parse_text(self, text: str) -> Path | None:
        """Take any path. Whether the file is there is asked later."""
        if "\0" in text:
            raise BadValueError(f"{text!r} has a NUL in it", f"write {self.example}")
        return Path(text) if text else None

    def render(self, value: Path | None) -> str:
        """Return the path, or nothing."""
        return "" if value is None else str(value)


class FileName(TextKind[Path]):
    """The path of a file, of which there must be one."""

    label = "path"
    example = "/etc/penstock/aggregate_placement.yaml"

    def parse_text(self, text: str) -> Path:
        """Take any path. Whether the file is there is asked later."""
        if not text or "\0" in text:
            raise BadValueError(f"{text!r} is no path", f"write {self.example}")
        return Path(text)
