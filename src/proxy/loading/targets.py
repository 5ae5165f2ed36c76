"""What is loaded, read from the URL that a person writes, and how it is dialled."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from frames.frame import Method

from .frame_link import FrameLink
from .http_link import HttpLink, request_bytes
from .link import Link
from .request import Request, RequestError, check_request
from .result import LoadError
from .sockets import Place

HTTP: Final = {"http": 80, "https": 443}
FRAMES: Final = ("tcp", "tls")
_SECURED: Final = ("https", "tls")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and where it goes."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    """Path and query."""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tenant: str = ""
    timeout_ms: int = 10_000
    in_flight_max: int = 256
    """On one connection of frames."""
    ca: str = ""
    """A file of certificates to believe; empty: those of the system."""
    is_trusting: bool = False
    """Whatever certificate is shown is believed."""

    @property
    def is_http(self) -> bool:
        """Whether it speaks HTTP; else frames."""
        return self.scheme in HTTP

    @property
    def authority(self) -> str:
        """What a client writes into Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if HTTP.get(self.scheme) == self.port else f"{host}:{self.port}"


def read_url(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and target of a URL. Raises `LoadError`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LoadError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in (*HTTP, *FRAMES) or not parts.hostname:
        raise LoadError(
            f"{url!r} is nothing that can be loaded; write http://host:port/path or https:// for HTTP, "
            "tcp://host:port/path or tls:// for a service that speaks frames"
        )
    if port is None and parts.scheme in FRAMES:
        raise LoadError(f"{url!r} has no port; a service has none that is known")
    if parts.username is not None:
        raise LoadError("a URL here has no user and password; give them as a field: --header 'authorization:Basic ...'")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port or HTTP[parts.scheme], path


def make_dial(target: Target) -> Callable[[], Link]:
    """Return what begins a connection to the target. Raises `LoadError`, and looks its name up at once."""
    context = _context(target) if target.scheme in _SECURED else None
    place = Place.find(target.host, target.port, context)
    if target.is_http:
        return _http(target, place)
    try:
        request = Request(
            method=Method[target.method],
            target=target.path,
            deadline_ms=target.timeout_ms,
            headers=target.headers,
            body=target.body,
            tenant=target.tenant,
        )
        check_request(request)
    except KeyError:
        raise LoadError(
            f"frames know no method {target.method}; write one of {', '.join(Method.__members__)}"
        ) from None
    except RequestError as error:
        raise LoadError(str(error)) from None
    return lambda: FrameLink(place, request, target.in_flight_max)


def _http(target: Target, place: Place) -> Callable[[], Link]:
    if not target.path.isascii() or not target.path.isprintable() or " " in target.path:
        raise LoadError(f"{target.path!r} is no path with a query; percent-encode what is no ASCII")
    headers = target.headers + ((("x-tenant-id", target.tenant),) if target.tenant else ())
    request = request_bytes(target.method, target.path, target.authority, headers, target.body)
    is_head = target.method == "HEAD"
    return lambda: HttpLink(place, request, is_head=is_head)


def _context(target: Target) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.is_trusting:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif target.ca:
        try:
            context.load_verify_locations(Path(target.ca))
        except (OSError, ssl.SSLError):
            raise LoadError(f"--ca {target.ca} is no file of PEM certificates that can be read") from None
    else:
        context.load_default_certs()
    return context
