"""`penstock cert`: makes certificates for development, and says how to use them."""

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from .failures import EXIT_RUNTIME, tell
from .output import echo_json, output_option

if TYPE_CHECKING:
    from .development import Signed

LOCAL = ("localhost", "127.0.0.1", "::1")


@click.command(short_help="Make a certificate for development.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default="certificates",
    show_default=True,
    help="Where the files are written; made if it is not there.",
)
@click.option("--client", metavar="NAME", help="Make a certificate for a client of this name instead.")
@click.option("--force", is_flag=True, help="Replace the certificate that is there. Its authority stays.")
@output_option("How to show what was made.")
def command(names: tuple[str, ...], directory: Path, client: str | None, force: bool, output: str) -> None:
    """Make a certificate for localhost, 127.0.0.1, ::1 and the given names, signed by a development authority.

    The authority is made once for a directory: ca.pem is what clients have to trust. With --client, the certificate
    is one that a client shows. None of it is for the public.
    """
    try:
        from .development import DevelopmentError
    except ModuleNotFoundError as error:
        tell("error", f"this needs the package {error.name}: pip install 'penstock[tls]'")
        sys.exit(EXIT_RUNTIME)
    if client is not None and names:
        raise click.UsageError("a client has the one name that is given by --client")
    try:
        made = _make_client(directory, client, force) if client is not None else _make(directory, names, force)
    except DevelopmentError as error:
        tell("error", str(error))
        sys.exit(EXIT_RUNTIME)
    except OSError as error:
        tell("error", f"cannot write {error.filename or directory}: {error.strerror}; name another by --directory")
        sys.exit(EXIT_RUNTIME)
    if output == "json":
        paths = {"certificate": made.certificate, "key": made.key, "ca": directory / "ca.pem"}
        echo_json({name: str(path) for name, path in paths.items()} | {"until": made.until})
    else:
        click.echo(made.words)


class _Made(NamedTuple):
    """A certificate and its key, written; words: for a person."""

    certificate: Path
    key: Path
    until: str
    words: str


def _make(directory: Path, names: tuple[str, ...], force: bool) -> _Made:
    certificate, key = directory / "localhost.pem", directory / "localhost.key"
    signed = _sign(directory, [*dict.fromkeys((*LOCAL, *names))], certificate, key, force=force, is_client=False)
    words = f"""{_words(directory, certificate, key, signed)}
Serve with it:

    export PENSTOCK_EDGE_TLS_LISTEN=127.0.0.1:8443
    export PENSTOCK_EDGE_TLS_CERTIFICATES={_quoted(certificate)}:{_quoted(key)}
    penstock serve

Ask, from another terminal:

    curl --cacert {_quoted(directory / "ca.pem")} https://localhost:8443/
"""
    return _Made(certificate, key, _until(signed), words)


def _make_client(directory: Path, name: str, force: bool) -> _Made:
    stem = "client-" + re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64]
    certificate, key = directory / f"{stem}.pem", directory / f"{stem}.key"
    signed = _sign(directory, [name], certificate, key, force=force, is_client=True)
    files = " ".join(_quoted(path) for path in (certificate, "--key", key))
    words = f"""{_words(directory, certificate, key, signed)}
Let in only clients of this authority, and of them only this one:

    export PENSTOCK_EDGE_TLS_CLIENT_CA={_quoted(directory / "ca.pem")}
    export PENSTOCK_EDGE_TLS_CLIENT_NAMES={_quoted(name)}

Ask with it:

    curl --cacert {_quoted(directory / "ca.pem")} --cert {files} https://localhost:8443/
"""
    return _Made(certificate, key, _until(signed), words)


def _sign(directory: Path, names: list[str], certificate: Path, key: Path, *, force: bool, is_client: bool) -> "Signed":
    from .development import DevelopmentError, make_authority, make_certificate, parse_name, read_authority, write

    for name in names:
        parse_name(name)
    there = [str(path) for path in (certificate, key) if path.exists()]
    if there and not force:
        raise DevelopmentError(f"already there: {' and '.join(there)}; give --force to replace it")
    directory.mkdir(parents=True, exist_ok=True)
    authority_files = (directory / "ca.pem", directory / "ca.key")
    if any(path.exists() for path in authority_files):
        authority = read_authority(*authority_files)
    else:
        authority = make_authority()
        write(authority, *authority_files)
    signed = make_certificate(authority, names, is_client=is_client)
    write(signed, certificate, key)
    return signed


def _until(signed: "Signed") -> str:
    return signed.certificate.not_valid_after_utc.date().isoformat()


def _words(directory: Path, certificate: Path, key: Path, signed: "Signed") -> str:
    return f"""Made in {directory}:

    {certificate.name}    the certificate, until {_until(signed)}
    {key.name}    its key: keep it to yourself
    ca.pem    the authority that signed it, for clients to trust: only where you develop
"""


def _quoted(part: Path | str) -> str:
    return shlex.quote(str(part))
