"""HELLO and WELCOME: what the two sides of a connection tell each other first (docs/protocol.md, section 5).

The same rules hold on the way out and on the way in: ``encode_hello`` refuses what ``decode_hello`` of the peer would
refuse, so that the author of a service reads the error at home. Every message says what is wrong and where; what a
peer wrote is shown shortened and escaped, and the token is never shown.

The shape of a path template is ruled in ``template.py``.
"""

import re
from typing import NoReturn, TypeVar

import msgspec

from frames.errors import GreetingError
from frames.frame import FaultCode, Method
from frames.limits import (
    CREDIT_INITIAL_BYTES_MAX,
    ENDPOINT_MAX,
    ENDPOINTS_MAX,
    GREETING_BYTES_MAX,
    HEARTBEAT_MS_MAX,
    HEARTBEAT_MS_MIN,
    REMAINING_MS_MAX,
    UPGRADES_MAX,
)
from frames.template import TemplateError, check_template, quoted, shown, template_shape

PROTOCOL_VERSION = 1
"""The version of docs/protocol.md that this code speaks."""

STREAMS = "streams"
"""The one feature that version 1 names: bodies as DATA frames."""

METHODS = {method.name: method for method in Method}
"""REQUEST's methods by their text in an endpoint."""

NAME_CHARACTERS_MAX = 64
VERSION_CHARACTERS_MAX = 255
FEATURES_MAX = 64
TOKEN_CHARACTERS_MAX = 4_096
"""What the page leaves open and a log line or a comparison must bound; 255 is what semver.org suggests for a
version."""

NEVER_UPGRADED = "h2c"
"""Would tunnel HTTP past every rule of the gateway."""

_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UPGRADE = re.compile(r"[a-z0-9._-]{1,32}")
# The expression that semver.org suggests for semver 2.0.0, with its groups unnamed.
_SEMVER = re.compile(
    r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)

Greeting = TypeVar("Greeting")


class EndpointOffer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One endpoint that a service offers: method and path, and how it wants to be called."""

    id: int
    method: str
    path: str
    deadline_ms: int | None = None
    idempotent: bool = False
    streams: bool = False
    upgrades: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[Method, str]:
        """What makes it this endpoint and no other: the method, and the path with its parameters unnamed."""
        return METHODS[self.method], template_shape(self.path)


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """What the side that dialled says first. The token is kept out of ``repr``."""

    protocol: int
    features: tuple[str, ...]
    token: str | None = None
    service: str
    version: str
    instance: str
    region: str = "local"
    heartbeat_ms: int
    credit_bytes: int
    endpoints: tuple[EndpointOffer, ...]

    def __repr__(self) -> str:
        """Identity and counts on one line; of the token only whether there is one."""
        token = "none" if self.token is None else "given"
        return (
            f"<Hello {self.service} {self.version} instance={self.instance} region={self.region}"
            f" endpoints={len(self.endpoints)} token={token}>"
        )


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to HELLO, from the side that accepted."""

    protocol: int
    features: tuple[str, ...]
    gateway: str
    heartbeat_ms: int
    credit_bytes: int


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
    check = _Checker("HELLO", FaultCode.INVALID_HELLO)
    check.version(hello.protocol)
    check.features(hello.features)
    check.token(hello.token)
    check.form("service", hello.service, _SERVICE, "1 to 64 of a-z 0-9 '-', beginning with a letter")
    check.semver(hello.version)
    check.form("instance", hello.instance, _INSTANCE, "1 to 64 of A-Z a-z 0-9 '.' '_' '-'")
    check.form("region", hello.region, _INSTANCE, "1 to 64 of A-Z a-z 0-9 '.' '_' '-'")
    check.within("heartbeat_ms", hello.heartbeat_ms, HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX)
    check.within("credit_bytes", hello.credit_bytes, 0, CREDIT_INITIAL_BYTES_MAX)
    _check_endpoints(check, hello.endpoints)


def check_welcome(welcome: Welcome) -> None:
    """Raise GreetingError for the first rule that the WELCOME breaks."""
    check = _Checker("WELCOME", FaultCode.PROTOCOL_ERROR)
    check.version(welcome.protocol)
    check.features(welcome.features)
    check.form("gateway", welcome.gateway, _INSTANCE, "1 to 64 of A-Z a-z 0-9 '.' '_' '-'")
    check.within("heartbeat_ms", welcome.heartbeat_ms, HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX)
    check.within("credit_bytes", welcome.credit_bytes, 0, CREDIT_INITIAL_BYTES_MAX)


def _check_endpoints(check: "_Checker", endpoints: tuple[EndpointOffer, ...]) -> None:
    """Raise GreetingError for the first endpoint that breaks a rule, alone or beside the others."""
    check.count("endpoints", len(endpoints), ENDPOINTS_MAX)
    at_id: dict[int, int] = {}
    at_shape: dict[tuple[Method, str], int] = {}
    for index, endpoint in enumerate(endpoints):
        where = f"endpoints[{index}]"
        _check_endpoint(check, where, endpoint)
        if at_id.setdefault(endpoint.id, index) != index:
            check.refuse(f"{where}.id is {endpoint.id}, which endpoints[{at_id[endpoint.id]}] has already")
        if at_shape.setdefault(endpoint.shape, index) != index:
            other = at_shape[endpoint.shape]
            check.refuse(
                f"{where} is {endpoint.method} {quoted(endpoint.path)}, which endpoints[{other}] offers already"
            )


def _check_endpoint(check: "_Checker", where: str, endpoint: EndpointOffer) -> None:
    check.within(f"{where}.id", endpoint.id, 0, ENDPOINT_MAX)
    if endpoint.method not in METHODS:
        check.refuse(f"{where}.method is {quoted(endpoint.method)}, and not one of {', '.join(METHODS)}")
    try:
        check_template(endpoint.path)
    except TemplateError as error:
        check.refuse(f"{where}.path is {quoted(endpoint.path)}: it {error}")
    if endpoint.deadline_ms is not None:
        check.within(f"{where}.deadline_ms", endpoint.deadline_ms, 1, REMAINING_MS_MAX)
    if endpoint.upgrades:
        _check_upgrades(check, where, endpoint)


def _check_upgrades(check: "_Checker", where: str, endpoint: EndpointOffer) -> None:
    check.count(f"{where}.upgrades", len(endpoint.upgrades), UPGRADES_MAX)
    for index, upgrade in enumerate(endpoint.upgrades):
        check.form(f"{where}.upgrades[{index}]", upgrade, _UPGRADE, "1 to 32 of a-z 0-9 '.' '_' '-'")
        if upgrade == NEVER_UPGRADED:
            check.refuse(f"{where}.upgrades[{index}] is 'h2c', which is never forwarded")
    if not endpoint.streams or endpoint.method != Method.GET.name:
        check.refuse(f"{where} has upgrades, and needs streams and the method GET for them")


class _Checker:
    """Says in one voice what is wrong with a greeting."""

    def __init__(self, what: str, fault_code: FaultCode) -> None:
        self.what = what
        self.fault_code = fault_code

    def refuse(self, message: str, fault_code: FaultCode | None = None) -> NoReturn:
        raise GreetingError(fault_code or self.fault_code, f"{self.what}: {message}")

    def version(self, protocol: int) -> None:
        if protocol != PROTOCOL_VERSION:
            message = f"protocol is {_number(protocol)}, and only version {PROTOCOL_VERSION} is spoken here"
            self.refuse(message, FaultCode.UNSUPPORTED_VERSION)

    def within(self, where: str, value: int, least: int, most: int) -> None:
        if not least <= value <= most:
            self.refuse(f"{where} is {_number(value)}, and must be {least:,} to {most:,}")

    def count(self, where: str, count: int, most: int) -> None:
        if count > most:
            self.refuse(f"{where} has {count:,} entries, and at most {most:,} are allowed", FaultCode.LIMIT_EXCEEDED)

    def form(self, where: str, value: str, form: re.Pattern[str], words: str) -> None:
        if form.fullmatch(value) is None:
            self.refuse(f"{where} is {quoted(value)}, and must be {words}")

    def semver(self, version: str) -> None:
        if len(version) > VERSION_CHARACTERS_MAX or _SEMVER.fullmatch(version) is None:
            self.refuse(f"version is {quoted(version)}, and must be semver 2.0.0 in full, such as 1.4.0 or 2.0.0-rc.1")

    def features(self, features: tuple[str, ...]) -> None:
        self.count("features", len(features), FEATURES_MAX)
        for index, feature in enumerate(features):
            if not 0 < len(feature) <= NAME_CHARACTERS_MAX:
                self.refuse(
                    f"features[{index}] has {len(feature):,} characters, and must have 1 to {NAME_CHARACTERS_MAX}"
                )

    def token(self, token: str | None) -> None:
        if token is not None and not 0 < len(token) <= TOKEN_CHARACTERS_MAX:
            self.refuse(f"token has {len(token):,} characters, and must have 1 to {TOKEN_CHARACTERS_MAX:,}")


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
    _Checker(what, FaultCode.UNSUPPORTED_VERSION).version(version)


def _check_size(what: str, payload: bytes) -> None:
    if len(payload) > GREETING_BYTES_MAX:
        message = f"{what} has {len(payload):,} bytes, and at most {GREETING_BYTES_MAX:,} are allowed"
        raise GreetingError(FaultCode.LIMIT_EXCEEDED, message)


def _number(value: int) -> str:
    """Return the number for a message; JSON's integers have no bound, messages do."""
    return f"{value:,}" if value.bit_length() <= 64 else "a number of over 64 bits"
