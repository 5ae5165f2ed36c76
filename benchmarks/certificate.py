"""A certificate for the loopback address, made anew for each run: what all who speak TLS here are given."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tools import NotMeasured, program

DAYS = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files: a certificate for 127.0.0.1, signed by itself, and its key, which is P-256."""

    certificate: Path
    key: Path


def certificate(folder: Path) -> Certificate:
    """Return the certificate of this run, making it when there is none yet. Raises NotMeasured."""
    made = Certificate(folder / "edge.crt", folder / "edge.key")
    if not made.certificate.exists():
        _make(made)
    return made


def _make(wanted: Certificate) -> None:
    command = [
        *(program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", str(DAYS)),
        *("-keyout", str(wanted.key), "-out", str(wanted.certificate)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotMeasured(f"openssl makes no certificate: {done.stderr.strip()[-200:]}")
