"""`penstock call`: one request to a service, straight over frames, as a gateway would send it."""

import base64
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.settings.address import SECURED_PREFIX, Address, parse_address
from penstock.settings.errors import BadValueError

from .failures import EXIT_RUNTIME, tell
from .output import echo_json, output_option
from .parameters import BODY, DURATION, HEADER

if TYPE_CHECKING:
    from ..loading.blocking import ServiceConnection
    from ..loading.peer import Answer
    from ..loading.request import Request

_PLAIN_PREFIX = "tcp://"


@click.command(short_help="Send one request to a service, straight over frames.")
@click.argument("address")
@click.argument("method")
@click.argument("target")
@click.option("--listen", is_flag=True, help="ADDRESS is not dialled: wait there for a service that dials in.")
@click.option("--wait", type=DURATION, default="30s", show_default=True, help="For how long, with --listen.")
@click.option("--deadline", type=DURATION, default="10s", show_default=True, help="How long the service has.")
@click.option("--header", "-H", "headers", type=HEADER, multiple=True, help="A field; may be repeated.")
@click.option(
    "--body", "-d", type=BODY, default=b"", show_default=False, help="The body: text, @FILE, or @- for stdin."
)
@click.option("--tenant", default="", metavar="TENANT", help="For which tenant.")
@click.option("--principal", default="", metavar="NAME", help="Who asks: it is believed, as the gateway is.")
@click.option("--claims", default="", metavar="JSON", help="What the identity claims, as a JSON object.")
@click.option("--ca", default="", metavar="FILE", help="Authorities to believe with tls://. [default: the system's]")
@click.option("--certificate", default="", metavar="FILE", help="The certificate to show with tls://, with its chain.")
@click.option("--key", default="", metavar="FILE", help="Its key. [default: in the same file]")
@click.option("--server-name", default="", metavar="NAME", help="The name that the service's certificate must have.")
@click.option("--include", "-i", is_flag=True, help="Show the fields of the answer, too.")
@output_option("How to show the answer.")
def command(address: str, method: str, target: str, **given: Any) -> None:
    """Send one request to the service that listens on ADDRESS (tcp://host:port, or tls://host:port), without a gateway
    in between: nothing is authorized, limited or sent again. What a gateway would have verified is said here. The
    service shows its token, as to any gateway; it is thrown away.

    The body of the answer goes to standard output, who has answered how to standard error. Exits with 0 for a status
    below 400, with 1 for any other and where there is no answer.

    \b
    penstock call tcp://127.0.0.1:7501 GET /invoices/42 --tenant acme
    penstock call --listen 127.0.0.1:7420 POST /invoices -d '{"amount": 12}' -H content-type:application/json
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    from ..loading.peer import PeerError
    from ..loading.request import RequestError
    from ..loading.result import LoadError

    try:
        request = _request(method, target, given)
        with _connect(address, given) as connection:
            connection.greet()
            began = time.monotonic()
            answer = connection.ask(request)
            took_ms = (time.monotonic() - began) * 1000
    except (PeerError, RequestError, LoadError, BadValueError) as error:
        tell("error", f"{error.why}; {error.fix}" if isinstance(error, BadValueError) else str(error))
        sys.exit(EXIT_RUNTIME)
    if given["output"] == "json":
        told = _as_plain(answer, request, connection, took_ms)
        echo_json(told)
    else:
        _show(answer, connection.peer.who, took_ms, with_fields=given["include"])
    if answer.why or answer.status >= 400:
        sys.exit(EXIT_RUNTIME)


def _request(method: str, target: str, given: dict[str, Any]) -> "Request":
    from frames.frame import Method

    from ..loading.request import Request, RequestError, check_request

    if method.upper() not in Method.__members__:
        raise RequestError(f"frames know no method {method}; write one of {', '.join(Method.__members__)}")
    request = Request(
        method=Method[method.upper()],
        target=target,
        deadline_ms=given["deadline"],
        headers=given["headers"],
        body=given["body"],
        tenant=given["tenant"],
        principal=given["principal"],
        claims=given["claims"],
    )
    check_request(request)
    return request


def _connect(text: str, given: dict[str, Any]) -> "ServiceConnection":
    from ..loading.blocking import ServiceConnection
    from ..loading.sockets import Place

    is_secured = text.startswith(SECURED_PREFIX)
    address: Address = parse_address(text.removeprefix(SECURED_PREFIX).removeprefix(_PLAIN_PREFIX))
    if given["listen"]:
        if is_secured:
            raise BadValueError("a service that dials in speaks no TLS", "write the address without tls://")
        return ServiceConnection.accept(address.host, address.port, given["wait"] / 1000)
    context = _context(given) if is_secured else None
    return ServiceConnection.dial(Place.find(address.host, address.port, context, given["server_name"]))


def _context(given: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if given["ca"]:
            context.load_verify_locations(Path(given["ca"]))
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError):
        raise BadValueError(f"--ca {given['ca']} cannot be used", "name a file of PEM certificates") from None
    if given["certificate"]:
        try:
            context.load_cert_chain(given["certificate"], given["key"] or None, password=lambda: b"")
        except (OSError, ssl.SSLError):
            why = f"--certificate {given['certificate']} and --key are no certificate with its own key"
            raise BadValueError(why, "name both as PEM files, the key without a passphrase") from None
    return context


def _as_plain(answer: "Answer", request: "Request", connection: "ServiceConnection", took_ms: float) -> dict[str, Any]:
    hello = connection.peer.session.maybe_hello
    try:
        body: dict[str, str] = {"body": answer.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(answer.body).decode()}
    return {
        "service": hello.service if hello else None,
        "instance": hello.instance if hello else None,
        "version": hello.version if hello else None,
        "request_id": request.request_id,
        "trace_id": request.trace_id,
        "status": answer.status or None,
        "why": answer.why or None,
        "took_ms": round(took_ms, 3),
        "headers": _named(answer),
        **body,
    }


def _show(answer: "Answer", who: str, took_ms: float, *, with_fields: bool) -> None:
    said = answer.why if answer.why else str(answer.status)
    click.echo(f"{who}: {said} in {took_ms:.2f} ms", err=True)
    out = sys.stdout.buffer
    if with_fields:
        head = "".join(f"{name}: {value}\n" for name, value in _named(answer))
        out.write(f"{answer.status}\n{head}\n".encode())
    out.write(answer.body + (b"\n" if sys.stdout.isatty() and answer.body and not answer.body.endswith(b"\n") else b""))
    out.flush()


def _named(answer: "Answer") -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("utf-8", "replace")) for _, name, value in answer.fields if name]
