"""What is asked: a request that somebody imagines, from the parameters of the admin page."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from proxy.admin.state import AdminProblem

_ONE: Final = ("method", "target", "host", "tenant", "principal", "claims", "address", "scheme", "body_bytes")
_TAKES: Final = ", ".join((*_ONE, "header"))
_BREAKS: Final = frozenset("\r\n\0")
HOST: Final = "localhost"
BODY_BYTES_MAX: Final = 1 << 53


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request. claims: of the principal, who is believed; without one, credentials in headers are judged."""

    method: str = "GET"
    target: str
    host: str = HOST
    tenant: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    principal: str = ""
    claims: Mapping[str, Any] = {}
    address: str = "127.0.0.1"
    is_secured: bool = False
    body_bytes: int = 0

    def head(self) -> bytes:
        """Return the head of the request, as a client would send it."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"X-Tenant-Id: {self.tenant}"] if self.tenant else []
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {self.body_bytes}"] if self.body_bytes else []
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def question_of(query: Mapping[str, Sequence[str]]) -> Question:
    """Return the question. `AdminProblem` for parameters that are none or have no meaning."""
    given = _single(query)
    if not given.get("target"):
        raise AdminProblem(400, "There is no target; write target=/invoices/42.")
    claims = _claims(given.pop("claims", ""))
    if claims and not given.get("principal"):
        raise AdminProblem(400, "Claims are of a principal; write principal=NAME, too.")
    return Question(
        **{name: given[name] for name in ("method", "target", "host", "tenant", "principal") if given.get(name)},
        headers=tuple(_header(text) for text in query.get("header", ())),
        claims=claims,
        address=_address(given.get("address") or "127.0.0.1"),
        is_secured=_is_secured(given.get("scheme") or "http"),
        body_bytes=_body_bytes(given.get("body_bytes") or "0"),
    )


def _single(query: Mapping[str, Sequence[str]]) -> dict[str, str]:
    given = {}
    for name, values in query.items():
        if name not in _ONE and name != "header":
            raise AdminProblem(400, f"There is no parameter {name!r} here; write {_TAKES}.")
        if len(values) > 1 and name != "header":
            raise AdminProblem(400, f"The parameter {name} is there {len(values)} times; write it once.")
        if any(_BREAKS & set(value) for value in values):
            raise AdminProblem(400, f"The parameter {name} has a line break or a NUL in it; leave it out.")
        given[name] = values[0]
    return given


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise AdminProblem(400, f"{text[:64]!r} is no header field; write NAME:VALUE.")
    if name.strip().lower() in ("host", "content-length"):
        raise AdminProblem(400, f"The field {name} has a parameter of its own; write host=NAME or body_bytes=NUMBER.")
    return name, value.strip()


def _claims(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        claims = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise AdminProblem(400, f"The claims are no JSON: {error}.") from None
    if not isinstance(claims, dict):
        raise AdminProblem(400, 'The claims are no JSON object; write {"scope": "invoices:read"}.')
    return claims


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise AdminProblem(400, f"{text[:64]!r} is no IP address; write 192.0.2.1.") from None


def _is_secured(text: str) -> bool:
    if text not in ("http", "https"):
        raise AdminProblem(400, f"{text[:64]!r} is no scheme; write http or https.")
    return text == "https"


def _body_bytes(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > BODY_BYTES_MAX:
        raise AdminProblem(400, f"{text[:64]!r} is no length of a body; write a number of bytes.")
    return int(text)
