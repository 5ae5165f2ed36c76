"""HELLO and WELCOME: what the two sides of a connection tell each other first (docs/protocol.md, section 5).

The same rules hold on the way out and on the way in: ``encode_hello`` refuses what ``decode_hello`` of the peer would
refuse, so that the author of a service reads the error at home. Every message says what is wrong and where; what a
peer wrote is shown shortened and escaped, and the token is never shown.

What an endpoint may say is ruled in ``endpoint.py``.
"""

import re
from typing import TypeVar

import msgspec

from frames.endpoint import EndpointOffer, check_digest, check_endpoints, endpoints_digest
from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting_rules import LEAVES_WITHIN_MS_MAX, PROTOCOL_VERSION, WORKERS_MAX, Checker
from frames.limits import CREDIT_INITIAL_BYTES_MAX, GREETING_BYTES_MAX, HEARTBEAT_MS_MAX, HEARTBEAT_MS_MIN
from frames.template import quoted, shown

__all__ = [
    "CALLS",
    "DIGEST",
    "OPENAPI",
    "PROTOCOL_VERSION",
    "STATUS",
    "STREAMS",
    "WORKERS",
    "EndpointOffer",
    "Hello",
    "Welcome",
    "WorkerPlace",
    "check_hello",
    "check_welcome",
    "decode_hello",
    "decode_welcome",
    "encode_hello",
    "encode_welcome",
    "endpoints_digest",
]

STREAMS = "streams"
DIGEST = "digest"
CALLS = "calls"
OPENAPI = "openapi"
STATUS = "status"
WORKERS = "workers"
"""The features that version 1 names: bodies as DATA frames; slim HELLOs; requests of services to other services; a
service that describes itself; a process that says how it is; a gateway of several processes."""

_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_INSTANCE_WORDS = "1 to 64 of A-Z a-z 0-9 '.' '_' '-'"
_HOST = re.compile(r"[A-Za-z0-9.:_%-]{1,253}")

Greeting = TypeVar("Greeting")


class Hello(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service says first. The token is kept out of ``repr``.

    A HELLO is slim when ``endpoints`` is None: then ``digest`` stands for a list that the gateway may know.
    """

    protocol: int
    features: tuple[str, ...]
    token: str | None = None
    service: str
    version: str
    instance: str
    region: str = "local"
    heartbeat_ms: int
    credit_bytes: int
    endpoints: tuple[EndpointOffer, ...] | None = None
    digest: str | None = None

    @property
    def listed(self) -> tuple[EndpointOffer, ...]:
        """The endpoints that it lists; none where it is slim."""
        return self.endpoints or ()

    def __repr__(self) -> str:
        """Identity and counts on one line; of the token only whether there is one."""
        token = "none" if self.token is None else "given"
        count = "slim" if self.endpoints is None else str(len(self.endpoints))
        return (
            f"<Hello {self.service} {self.version} instance={self.instance} region={self.region}"
            f" endpoints={count} token={token}>"
        )


class WorkerPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process of a gateway, and where it takes services."""

    id: str
    port: int
    host: str | None = None
    """None: where the connection leads to over which this is said."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The gateway's answer to HELLO."""

    protocol: int
    features: tuple[str, ...]
    gateway: str
    heartbeat_ms: int
    credit_bytes: int
    wants_endpoints: bool = False
    """Nothing was registered: the digest of a slim HELLO is not known here, so the list is to be said."""
    worker: str | None = None
    """Which of the gateway's processes this is; None where there is one only."""
    workers: tuple[WorkerPlace, ...] | None = None
    """Those to which a service is to have a connection each."""
    leaves_within_ms: int | None = None
    """This process is about to go: what has no end of its own is to be brought to one within this time."""


class _AnyVersion(msgspec.Struct):
    """The one member that is looked at when the rest has a form that this version does not know."""

    protocol: int


_encode = msgspec.json.Encoder().encode
_hello_decoder = msgspec.json.Decoder(Hello)
_welcome_decoder = msgspec.json.Decoder(Welcome)
_version_decoder = msgspec.json.Decoder(_AnyVersion)


def encode_hello(hello: Hello) -> bytes:
    """Return the payload of HELLO. GreetingError when the peer would refuse it."""
    check_hello(hello)
    payload = _encode(hello)
    _check_size("HELLO", payload)
    return payload


def decode_hello(payload: bytes) -> Hello:
    """Return what the payload of HELLO says. GreetingError when it breaks a rule of section 5."""
    hello = _decode("HELLO", _hello_decoder, payload, FaultCode.INVALID_HELLO)
    check_hello(hello)
    return hello


def encode_welcome(welcome: Welcome) -> bytes:
    """Return the payload of WELCOME. GreetingError when the peer would refuse it."""
    check_welcome(welcome)
    payload = _encode(welcome)
    _check_size("WELCOME", payload)
    return payload


def decode_welcome(payload: bytes) -> Welcome:
    """Return what the payload of WELCOME says. GreetingError when it breaks a rule of section 5."""
    welcome = _decode("WELCOME", _welcome_decoder, payload, FaultCode.PROTOCOL_ERROR)
    check_welcome(welcome)
    return welcome


def check_hello(hello: Hello) -> None:
    """Raise GreetingError for the first rule that the HELLO breaks."""
    check = Checker("HELLO", FaultCode.INVALID_HELLO)
    check.version(hello.protocol)
    check.features(hello.features)
    check.token(hello.token)
    check.form("service", hello.service, _SERVICE, "1 to 64 of a-z 0-9 '-', beginning with a letter")
    check.semver(hello.version)
    check.form("instance", hello.instance, _INSTANCE, _INSTANCE_WORDS)
    check.form("region", hello.region, _INSTANCE, _INSTANCE_WORDS)
    check.within("heartbeat_ms", hello.heartbeat_ms, HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX)
    check.within("credit_bytes", hello.credit_bytes, 0, CREDIT_INITIAL_BYTES_MAX)
    if hello.endpoints is not None:
        check_endpoints(check, hello.endpoints)
    check_digest(check, hello.digest, hello.endpoints)


def check_welcome(welcome: Welcome) -> None:
    """Raise GreetingError for the first rule that the WELCOME breaks."""
    check = Checker("WELCOME", FaultCode.PROTOCOL_ERROR)
    check.version(welcome.protocol)
    check.features(welcome.features)
    check.form("gateway", welcome.gateway, _INSTANCE, _INSTANCE_WORDS)
    check.within("heartbeat_ms", welcome.heartbeat_ms, HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX)
    check.within("credit_bytes", welcome.credit_bytes, 0, CREDIT_INITIAL_BYTES_MAX)
    if welcome.leaves_within_ms is not None:
        check.within("leaves_within_ms", welcome.leaves_within_ms, 0, LEAVES_WITHIN_MS_MAX)
    if welcome.worker is not None:
        check.form("worker", welcome.worker, _INSTANCE, _INSTANCE_WORDS)
    if welcome.workers is not None:
        _check_workers(check, welcome)


def _check_workers(check: Checker, welcome: Welcome) -> None:
    """Raise GreetingError for the first rule that the list of workers breaks."""
    workers = welcome.workers or ()
    if welcome.worker is None:
        check.refuse("workers are listed, and worker is missing")
    check.count("workers", len(workers), WORKERS_MAX)
    seen: set[str] = set()
    for index, place in enumerate(workers):
        where = f"workers[{index}]"
        check.form(f"{where}.id", place.id, _INSTANCE, _INSTANCE_WORDS)
        check.within(f"{where}.port", place.port, 1, 65_535)
        if place.host is not None:
            check.form(f"{where}.host", place.host, _HOST, "1 to 253 of A-Z a-z 0-9 '.' ':' '_' '%' '-'")
        if place.id in seen:
            check.refuse(f"{where}.id is {quoted(place.id)}, as that of another worker of the list")
        seen.add(place.id)


def _decode(what: str, decoder: msgspec.json.Decoder[Greeting], payload: bytes, fault_code: FaultCode) -> Greeting:
    """Return the decoded greeting, or raise GreetingError that says what is wrong with its JSON."""
    _check_size(what, payload)
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        _check_version_alone(what, payload)
        raise GreetingError(fault_code, f"{what}: {shown(str(error), 200)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GreetingError(fault_code, f"{what} is not JSON: {shown(str(error), 200)}") from None
    except RecursionError:
        raise GreetingError(fault_code, f"{what} is nested too deeply") from None


def _check_version_alone(what: str, payload: bytes) -> None:
    """Raise GreetingError for another version: what its greetings look like is not ours to judge."""
    try:
        version = _version_decoder.decode(payload).protocol
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    Checker(what, FaultCode.UNSUPPORTED_VERSION).version(version)


def _check_size(what: str, payload: bytes) -> None:
    if len(payload) > GREETING_BYTES_MAX:
        message = f"{what} has {len(payload):,} bytes, and at most {GREETING_BYTES_MAX:,} are allowed"
        raise GreetingError(FaultCode.LIMIT_EXCEEDED, message)
