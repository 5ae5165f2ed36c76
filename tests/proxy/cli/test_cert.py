"""`penstock cert`: what it writes, what it refuses, and that what it makes is taken by both sides."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from penstock.settings.files import CertificateFiles
from proxy.cli.main import command
from proxy.edge.tls.certificates import ServerCertificates, TlsSettings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["cert", *arguments])


def shake(folder: Path, name: str, client: str | None = None) -> tuple[ServerCertificates, ssl.SSLObject]:
    """Shake hands, in memory, with what the command made in a folder."""
    files = CertificateFiles(folder / "localhost.pem", folder / "localhost.key")
    authorities = folder / "ca.pem" if client else None
    certificates = ServerCertificates(
        TlsSettings(certificates=(files,), client_authorities=authorities, client_names=("billing",))
    )
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if client:
        context.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, asking = certificates.wrap(up, down), context.wrap_bio(down, up, server_hostname=name)
    for side in (asking, server, asking, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return certificates, server


def test_it_makes_an_authority_and_a_certificate_that_works(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    result = run("--directory", str(folder), "shop.test", "*.shop.test", "10.1.2.3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["ca.key", "ca.pem", "localhost.key", "localhost.pem"]
    for name in ("localhost", "127.0.0.1", "::1", "shop.test", "de.shop.test", "10.1.2.3"):
        shake(folder, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(folder, "other.test")


def test_only_the_owner_reads_keys(tmp_path: Path) -> None:
    run("--directory", str(tmp_path))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["ca.key"] == modes["localhost.key"] == 0o600


def test_it_says_how_to_use_it(tmp_path: Path) -> None:
    said = run("--directory", str(tmp_path)).stdout
    assert f"export PENSTOCK_EDGE_TLS_CERTIFICATES={tmp_path}/localhost.pem:{tmp_path}/localhost.key\n" in said
    assert "export PENSTOCK_EDGE_TLS_LISTEN=127.0.0.1:8443\n" in said
    assert f"curl --cacert {tmp_path}/ca.pem https://localhost:8443/\n" in said


def test_it_replaces_nothing_unless_forced_and_never_the_authority(tmp_path: Path) -> None:
    run("--directory", str(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    refused = run("--directory", str(tmp_path))
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"penstock: error: already there: {tmp_path}/localhost.pem and {tmp_path}/localhost.key; "
        "give --force to replace it\n"
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert run("--directory", str(tmp_path), "--force").exit_code == 0
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"localhost.pem", "localhost.key"}
    assert (tmp_path / "localhost.key").stat().st_mode & 0o777 == 0o600


def test_a_client_of_the_same_authority(tmp_path: Path) -> None:
    run("--directory", str(tmp_path))
    result = run("--directory", str(tmp_path), "--client", "billing")
    assert f"export PENSTOCK_EDGE_TLS_CLIENT_CA={tmp_path}/ca.pem\n" in result.stdout
    assert f"--cert {tmp_path}/client-billing.pem --key {tmp_path}/client-billing.key " in result.stdout
    certificates, server = shake(tmp_path, "localhost", "client-billing")
    assert certificates.refused_client(server) is None
    run("--directory", str(tmp_path), "--client", "orders")
    certificates, server = shake(tmp_path, "localhost", "client-orders")
    assert certificates.refused_client(server) == ("orders",)


@pytest.mark.parametrize(
    ("name", "kind", "stem"),
    [
        ("spiffe://example/billing", x509.UniformResourceIdentifier, "client-spiffe-example-billing"),
        ("ops@example.org", x509.RFC822Name, "client-ops-example.org"),
        ("::1", x509.IPAddress, "client--1"),
    ],
)
def test_names_of_other_kinds(tmp_path: Path, name: str, kind: type, stem: str) -> None:
    assert run("--directory", str(tmp_path), "--client", name).exit_code == 0
    made = x509.load_pem_x509_certificate((tmp_path / f"{stem}.pem").read_bytes())
    (named,) = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert isinstance(named, kind)


@pytest.mark.parametrize("name", ["", "with space", "-x-", "a..b", "*.*.b", "*", "ümlaut", "x" * 254, "a\nb"])
def test_what_is_no_name_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    result = run("--directory", str(tmp_path / "new"), "--", name)
    assert result.exit_code == 1
    assert result.stderr.startswith("penstock: error: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_a_damaged_authority_is_not_used(tmp_path: Path) -> None:
    run("--directory", str(tmp_path))
    (tmp_path / "ca.key").write_bytes((tmp_path / "localhost.key").read_bytes())
    assert "is not the key of the authority" in run("--directory", str(tmp_path), "--force").stderr
    (tmp_path / "ca.key").write_text("bad")
    assert "it is damaged" in run("--directory", str(tmp_path), "--force").stderr
    (tmp_path / "ca.key").unlink()
    assert "No such file" in run("--directory", str(tmp_path), "--force").stderr


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("--directory", str(tmp_path / "file" / "below"))
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.stderr
    assert "file" in result.stderr


def test_a_client_has_one_name(tmp_path: Path) -> None:
    result = run("--directory", str(tmp_path), "--client", "one", "two")
    assert result.exit_code == 2
    assert "--client" in result.stderr


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        f"from proxy.cli.main import command; command(['cert', '--directory', {str(tmp_path / 'new')!r}])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == "penstock: error: this needs the package cryptography: pip install 'penstock[tls]'\n"
