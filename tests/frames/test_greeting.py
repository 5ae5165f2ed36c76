"""HELLO and WELCOME: each rule of section 5 has a greeting that breaks it, on the way in and on the way out."""

import json
from hashlib import sha256
from typing import Any

import pytest
from frame_vectors import FOLDER
from hypothesis import given
from hypothesis import strategies as st

from frames.endpoint import canonical_endpoints, endpoints_digest
from frames.errors import GreetingError, ProtocolError
from frames.frame import FaultCode, Method
from frames.greeting import EndpointOffer, Hello, decode_hello, decode_welcome, encode_hello, encode_welcome

DIGESTS = json.loads((FOLDER / "digests.json").read_text(encoding="utf-8"))["vectors"]

PROOF = "correct-horse-battery-staple"

GET_INVOICE = {"id": 1, "method": "GET", "path": "/invoices/{invoice_id}"}

HELLO: dict[str, Any] = {
    "protocol": 1,
    "features": ["streams"],
    "token": PROOF,
    "service": "billing",
    "version": "1.4.0",
    "instance": "b-1.local_2",
    "region": "eu-1",
    "heartbeat_ms": 5000,
    "credit_bytes": 65536,
    "endpoints": [
        GET_INVOICE,
        {"id": 2, "method": "POST", "path": "/invoices", "deadline_ms": 500, "idempotent": True},
    ],
}
WELCOME: dict[str, Any] = {
    "protocol": 1,
    "features": [],
    "gateway": "gw-1",
    "heartbeat_ms": 5000,
    "credit_bytes": 0,
}


def payload(what: dict[str, Any], /, **changed: Any) -> bytes:
    """The greeting as JSON, with members changed, or left out where they are changed to ``...``."""
    return json.dumps({name: value for name, value in (what | changed).items() if value is not ...}).encode()


def with_endpoint(**changed: Any) -> bytes:
    return payload(HELLO, endpoints=[GET_INVOICE | changed])


def refusal(hello: bytes) -> GreetingError:
    with pytest.raises(GreetingError) as caught:
        decode_hello(hello)
    return caught.value


def maybe_refusal(hello: bytes) -> ProtocolError | None:
    try:
        decode_hello(hello)
    except ProtocolError as error:
        return error
    return None


def test_a_hello_is_read_as_it_was_written() -> None:
    hello = decode_hello(payload(HELLO))
    assert (hello.service, hello.version, hello.region, hello.token) == ("billing", "1.4.0", "eu-1", PROOF)
    assert hello.listed[0] == EndpointOffer(id=1, method="GET", path="/invoices/{invoice_id}")
    assert hello.listed[1].deadline_ms == 500
    assert hello.listed[1].idempotent
    assert decode_hello(encode_hello(hello)) == hello


def test_optional_members_have_their_defaults_and_unknown_ones_are_ignored() -> None:
    hello = decode_hello(payload(HELLO, token=..., region=..., mood="good"))
    assert hello.token is None
    assert hello.region == "local"
    assert not hello.listed[0].idempotent
    assert not hello.listed[0].streams
    assert hello.listed[0].upgrades == ()


def test_a_welcome_is_read_as_it_was_written() -> None:
    welcome = decode_welcome(payload(WELCOME))
    assert welcome.gateway == "gw-1"
    assert decode_welcome(encode_welcome(welcome)) == welcome


def test_the_token_is_not_in_the_repr() -> None:
    assert repr(decode_hello(payload(HELLO))) == (
        "<Hello billing 1.4.0 instance=b-1.local_2 region=eu-1 endpoints=2 token=given>"
    )
    assert "token=none" in repr(decode_hello(payload(HELLO, token=...)))


def test_what_makes_an_endpoint_itself_leaves_the_names_of_parameters_out() -> None:
    assert EndpointOffer(id=1, method="GET", path="/a/{x}/b/{y}").shape == (Method.GET, "/a/{}/b/{}")


@pytest.mark.parametrize(
    "what", ["protocol", "features", "service", "version", "instance", "heartbeat_ms", "endpoints"]
)
def test_a_member_that_is_missing_is_named(what: str) -> None:
    error = refusal(payload(HELLO, **{what: ...}))
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert what in error.message


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"service": ""}, "service"),
        ({"service": "Billing"}, "service"),
        ({"service": "1billing"}, "service"),
        ({"service": "bill_ing"}, "service"),
        ({"service": "billing\n"}, "service"),
        ({"service": "b" * 65}, "service"),
        ({"service": 5}, "service"),
        ({"instance": ""}, "instance"),
        ({"instance": "a b"}, "instance"),
        ({"instance": "ä"}, "instance"),
        ({"instance": "i" * 65}, "instance"),
        ({"region": ""}, "region"),
        ({"region": "eu/1"}, "region"),
        ({"heartbeat_ms": 99}, "heartbeat_ms"),
        ({"heartbeat_ms": 60_001}, "heartbeat_ms"),
        ({"heartbeat_ms": True}, "heartbeat_ms"),
        ({"heartbeat_ms": 10**400}, "heartbeat_ms"),
        ({"credit_bytes": -1}, "credit_bytes"),
        ({"credit_bytes": 16_777_217}, "credit_bytes"),
        ({"token": ""}, "token"),
        ({"token": "t" * 4097}, "token"),
        ({"token": 7}, "token"),
        ({"features": [""]}, "features[0]"),
        ({"features": "streams"}, "features"),
        ({"endpoints": {}}, "endpoints"),
        ({"endpoints": [5]}, "endpoints"),
    ],
)
def test_a_member_out_of_its_form_is_named(changed: dict[str, Any], where: str) -> None:
    error = refusal(payload(HELLO, **changed))
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert where in error.message
    assert len(error.message) < 400
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"id": -1}, "endpoints[0].id"),
        ({"id": 65_536}, "endpoints[0].id"),
        ({"method": "get"}, "not one of GET, HEAD"),
        ({"method": "TRACE"}, "not one of GET, HEAD"),
        ({"deadline_ms": 0}, "endpoints[0].deadline_ms"),
        ({"deadline_ms": 1 << 32}, "endpoints[0].deadline_ms"),
        ({"idempotent": 1}, "idempotent"),
        ({"path": "invoices"}, "begin with '/'"),
        ({"path": ""}, "begin with '/'"),
        ({"path": "//invoices"}, "empty segment"),
        ({"path": "/invoices/"}, "empty segment"),
        ({"path": "/a/../b"}, "dot segment"),
        ({"path": "/."}, "dot segment"),
        ({"path": "/a b"}, "RFC 3986"),
        ({"path": "/a?b=1"}, "RFC 3986"),
        ({"path": "/a#b"}, "RFC 3986"),
        ({"path": "/a%2"}, "RFC 3986"),
        ({"path": "/ä"}, "RFC 3986"),
        ({"path": "/a\x00"}, "RFC 3986"),
        ({"path": "/a%2Fb"}, "no request would match"),
        ({"path": "/%2e%2E"}, "no request would match"),
        ({"path": "/a%00"}, "no request would match"),
        ({"path": "/{a}{b}"}, "whole segment"),
        ({"path": "/x{a}"}, "whole segment"),
        ({"path": "/{}"}, "whole segment"),
        ({"path": "/{a-b}"}, "whole segment"),
        ({"path": "/{1a}"}, "whole segment"),
        ({"path": "/{a"}, "whole segment"),
        ({"path": "/{a}/{a}"}, "twice"),
        ({"path": "/" + "a" * 8192}, "8,192"),
    ],
)
def test_an_endpoint_out_of_its_form_is_named(changed: dict[str, Any], why: str) -> None:
    error = refusal(with_endpoint(**changed))
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert why in error.message
    assert len(error.message) < 400
    assert error.message.isprintable()


@pytest.mark.parametrize("path", ["/", "/a", "/a.b/~c", "/a%20b/@:,", "/{a}", "/{a}/b/{_c1}", "/...", "/" + "a" * 8191])
def test_a_path_that_is_in_its_form_is_taken(path: str) -> None:
    assert decode_hello(with_endpoint(path=path)).listed[0].path == path


@pytest.mark.parametrize(
    "version", ["0.0.0", "1.4.0", "1.0.0-rc.1", "1.0.0-0A.is.legal", "1.0.0+build.01", "1.0.0--a.-"]
)
def test_a_semantic_version_is_taken(version: str) -> None:
    assert decode_hello(payload(HELLO, version=version)).version == version


@pytest.mark.parametrize(
    "version",
    [
        "",
        "1",
        "1.4",
        "v1.4.0",
        "01.4.0",
        "1.4.0-",
        "1.4.0-01",
        "1.4.0-a..b",
        "1.4.0+",
        "1.4.0 ",
        "1.4.0\n",
        "1.4.\u0660",
        "1." * 99,
        "1.0.0-" + "a" * 250,
        "1.0.0-" + "0" * 100000,
    ],
)
def test_what_is_no_semantic_version_is_refused(version: str) -> None:
    error = refusal(payload(HELLO, version=version))
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert "semver" in error.message


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"id": 1, "method": "POST", "path": "/other"}, "endpoints[1].id is 1, which endpoints[0] has already"),
        ({"id": 2, "method": "GET", "path": "/invoices/{invoice_id}"}, "which endpoints[0] offers already"),
        ({"id": 2, "method": "GET", "path": "/invoices/{other_name}"}, "which endpoints[0] offers already"),
    ],
)
def test_two_endpoints_that_are_one_are_refused(second: dict[str, Any], why: str) -> None:
    error = refusal(payload(HELLO, endpoints=[GET_INVOICE, second]))
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert why in error.message


def endpoints(count: int) -> list[dict[str, Any]]:
    return [{"id": index, "method": "GET", "path": f"/e/{index}"} for index in range(count)]


def test_as_many_endpoints_as_the_limit_are_taken() -> None:
    assert len(decode_hello(payload(HELLO, endpoints=endpoints(1024))).listed) == 1024


def test_one_endpoint_over_the_limit_is_refused() -> None:
    error = refusal(payload(HELLO, endpoints=endpoints(1025)))
    assert error.fault_code is FaultCode.LIMIT_EXCEEDED
    assert "1,025" in error.message


def test_more_features_than_the_limit_are_refused() -> None:
    assert refusal(payload(HELLO, features=["x"] * 65)).fault_code is FaultCode.LIMIT_EXCEEDED


def test_a_payload_over_the_limit_is_refused_unread() -> None:
    error = refusal(b" " * 262_145)
    assert error.fault_code is FaultCode.LIMIT_EXCEEDED
    assert "262,145" in error.message


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
def test_another_protocol_version_is_told_so(version: int) -> None:
    error = refusal(payload(HELLO, protocol=version))
    assert error.fault_code is FaultCode.UNSUPPORTED_VERSION
    assert "only version 1" in error.message


def test_another_protocol_version_is_told_so_whatever_else_it_says() -> None:
    assert refusal(b'{"protocol": 2, "services": []}').fault_code is FaultCode.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"hello"',
        b"\xff\xfe",
        b"{} {}",
        b"\x00",
        b"[" * 262144,
        b'{"x":' + b"[" * 262000,
        b'{"protocol": 1, "service": "\xff"}',
        b'{"protocol": 1e999}',
        b"NaN",
        b'{"protocol": "1"}',
    ],
)
def test_what_is_no_greeting_is_refused_in_a_short_line(garbage: bytes) -> None:
    error = refusal(garbage)
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert len(error.message) < 400
    assert error.message.isprintable()
    with pytest.raises(GreetingError):
        decode_welcome(garbage)


@pytest.mark.parametrize(
    "changed", [{"gateway": ""}, {"gateway": "a b"}, {"heartbeat_ms": 5}, {"credit_bytes": -1}, {"gateway": ...}]
)
def test_a_welcome_out_of_its_form_is_a_protocol_error(changed: dict[str, Any]) -> None:
    with pytest.raises(GreetingError) as caught:
        decode_welcome(payload(WELCOME, **changed))
    assert caught.value.fault_code is FaultCode.PROTOCOL_ERROR
    assert next(iter(changed)) in caught.value.message


def test_a_welcome_of_another_version_is_told_so() -> None:
    with pytest.raises(GreetingError) as caught:
        decode_welcome(payload(WELCOME, protocol=3))
    assert caught.value.fault_code is FaultCode.UNSUPPORTED_VERSION


def test_what_the_peer_would_refuse_is_not_encoded() -> None:
    hello = decode_hello(payload(HELLO))
    with pytest.raises(GreetingError, match="service is 'Bill ing'"):
        encode_hello(
            Hello(**{name: getattr(hello, name) for name in hello.__struct_fields__} | {"service": "Bill ing"})
        )
    long = tuple(EndpointOffer(id=index, method="GET", path="/" + f"{index:0>300}") for index in range(1024))
    with pytest.raises(GreetingError, match="262,144"):
        encode_hello(Hello(**{name: getattr(hello, name) for name in hello.__struct_fields__} | {"endpoints": long}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(member=st.sampled_from(sorted(HELLO)), value=JSON)
def test_whatever_a_member_is_the_error_is_ours_and_tells_no_token(member: str, value: Any) -> None:
    error = maybe_refusal(payload(HELLO, **{member: value}))
    if error is not None:
        assert PROOF not in repr(error)
        assert len(error.message.encode()) <= 1024


@given(text=st.binary(max_size=60))
def test_whatever_the_payload_is_the_error_is_ours(text: bytes) -> None:
    with pytest.raises(GreetingError):
        decode_hello(text)


def test_upgrades_are_read_as_they_were_written() -> None:
    hello = decode_hello(with_endpoint(streams=True, upgrades=["websocket", "x.y_z-1"]))
    assert hello.listed[0].upgrades == ("websocket", "x.y_z-1")
    assert decode_hello(encode_hello(hello)) == hello


@pytest.mark.parametrize(
    ("changed", "message", "code"),
    [
        ({"upgrades": ["websocket"]}, "needs streams and the method GET", FaultCode.INVALID_HELLO),
        ({"upgrades": ["websocket"], "streams": True, "method": "POST"}, "method GET", FaultCode.INVALID_HELLO),
        ({"upgrades": ["h2c"], "streams": True}, "never forwarded", FaultCode.INVALID_HELLO),
        ({"upgrades": [""], "streams": True}, "upgrades", FaultCode.INVALID_HELLO),
        ({"upgrades": ["WebSocket"], "streams": True}, "upgrades", FaultCode.INVALID_HELLO),
        ({"upgrades": ["a" * 33], "streams": True}, "upgrades", FaultCode.INVALID_HELLO),
        ({"upgrades": ["a/1"], "streams": True}, "upgrades", FaultCode.INVALID_HELLO),
        ({"upgrades": list("abcde"), "streams": True}, "5 entries", FaultCode.LIMIT_EXCEEDED),
        ({"upgrades": "websocket", "streams": True}, "upgrades", FaultCode.INVALID_HELLO),
    ],
)
def test_upgrades_that_break_a_rule(changed: dict[str, Any], message: str, code: FaultCode) -> None:
    error = refusal(with_endpoint(**changed))
    assert message in str(error)
    assert error.fault_code is code


# Access, claims, and what else an endpoint declares.


def test_what_an_endpoint_declares_is_read_as_it_was_written() -> None:
    declared = {
        "access": "authenticated",
        "claims": {"scope": ["invoices:read", "admin"], "employee": []},
        "body_bytes": 0,
        "rate_limits": ["100/s by tenant", "5/s by principal"],
    }
    (endpoint,) = decode_hello(with_endpoint(**declared)).listed
    assert endpoint.access == "authenticated"
    assert endpoint.claims == {"scope": ("invoices:read", "admin"), "employee": ()}
    assert endpoint.body_bytes == 0
    assert endpoint.rate_limits == ("100/s by tenant", "5/s by principal")
    (silent,) = decode_hello(with_endpoint()).listed
    assert (silent.access, silent.claims, silent.body_bytes, silent.rate_limits) == (None, {}, None, ())


@pytest.mark.parametrize(
    ("changed", "message", "code"),
    [
        ({"access": "private"}, "endpoints[0].access is 'private', and not one of", FaultCode.INVALID_HELLO),
        ({"access": ""}, "endpoints[0].access is ''", FaultCode.INVALID_HELLO),
        ({"access": True}, "access", FaultCode.INVALID_HELLO),
        (
            {"access": "public", "claims": {"scope": []}},
            "endpoints[0] is public and has claims, which nobody without an identity can meet",
            FaultCode.INVALID_HELLO,
        ),
        ({"claims": ["scope"]}, "claims", FaultCode.INVALID_HELLO),
        ({"claims": {"scope": "read"}}, "claims", FaultCode.INVALID_HELLO),
        ({"claims": {"scope": [1]}}, "claims", FaultCode.INVALID_HELLO),
        ({"claims": {"": []}}, "claims has a name of 0 characters", FaultCode.INVALID_HELLO),
        ({"claims": {"c" * 65: []}}, "claims has a name of 65 characters", FaultCode.INVALID_HELLO),
        ({"claims": {"scope": [""]}}, "claims['scope'][0] has 0 characters", FaultCode.INVALID_HELLO),
        ({"claims": {"scope": ["v" * 257]}}, "claims['scope'][0] has 257 characters", FaultCode.INVALID_HELLO),
        ({"claims": {"scope": ["v"] * 65}}, "claims['scope'] has 65 entries", FaultCode.LIMIT_EXCEEDED),
        ({"claims": {str(n): [] for n in range(17)}}, "claims has 17 entries", FaultCode.LIMIT_EXCEEDED),
        ({"body_bytes": -1}, "endpoints[0].body_bytes is -1", FaultCode.INVALID_HELLO),
        ({"body_bytes": 10**16}, "endpoints[0].body_bytes is 10,000", FaultCode.INVALID_HELLO),
        ({"body_bytes": "1 MiB"}, "body_bytes", FaultCode.INVALID_HELLO),
        ({"rate_limits": "1/s"}, "rate_limits", FaultCode.INVALID_HELLO),
        ({"rate_limits": [""]}, "endpoints[0].rate_limits[0] has 0 characters", FaultCode.INVALID_HELLO),
        ({"rate_limits": ["1/s\n"]}, "rate_limits[0] is '1/s\\n', and must be printable", FaultCode.INVALID_HELLO),
        ({"rate_limits": ["1" * 129]}, "rate_limits[0] has 129 characters", FaultCode.INVALID_HELLO),
        ({"rate_limits": ["1/s"] * 5}, "rate_limits has 5 entries", FaultCode.LIMIT_EXCEEDED),
    ],
)
def test_declarations_that_break_a_rule(changed: dict[str, Any], message: str, code: FaultCode) -> None:
    error = refusal(with_endpoint(**changed))
    assert message in error.message
    assert error.fault_code is code
    assert len(error.message) < 400
    assert error.message.isprintable()


def test_a_wildcard_is_taken_at_the_end_only() -> None:
    assert decode_hello(with_endpoint(path="/files/{path...}")).listed[0].path == "/files/{path...}"
    assert "wildcard" in refusal(with_endpoint(path="/{path...}/x")).message


# The digest, and what stands for it.

LIST = (
    EndpointOffer(id=1, method="GET", path="/invoices/{id}", idempotent=True, claims={"b": ("x",), "a": ()}),
    EndpointOffer(id=2, method="POST", path="/invoices", deadline_ms=500, access="public", rate_limits=("1/s",)),
)
CANONICAL = (
    b'[{"id":1,"method":"GET","path":"/invoices/{id}","idempotent":true,"claims":{"a":[],"b":["x"]}},'
    b'{"id":2,"method":"POST","path":"/invoices","deadline_ms":500,"access":"public","rate_limits":["1/s"]}]'
)
DIGEST_OF_LIST = "2a04449225c9b4afb0d5d0201723139d909680d5de0be8d6ffb688ab1657a4d9"


def test_the_canonical_list_has_one_form_whatever_was_written() -> None:
    assert canonical_endpoints(LIST) == CANONICAL
    spoken = json.loads(CANONICAL)
    spoken[0] |= {"upgrades": [], "access": None, "streams": False}  # defaults, said all the same
    shuffled = [dict(reversed(list(endpoint.items()))) for endpoint in spoken]
    assert canonical_endpoints(decode_hello(payload(HELLO, endpoints=shuffled)).listed) == CANONICAL
    assert canonical_endpoints(()) == b"[]"


def test_the_canonical_list_escapes_only_what_must_be() -> None:
    (endpoint,) = decode_hello(with_endpoint(claims={"n\u00e4me/": ['"\\\n\u0001\u20ac\U0001f600\x7f']})).listed
    assert canonical_endpoints((endpoint,)).endswith('"claims":{"näme/":["\\"\\\\\\n\\u0001€😀\x7f"]}}]'.encode())


def test_the_digest_is_the_sha_256_of_the_canonical_list() -> None:
    assert endpoints_digest(LIST) == sha256(CANONICAL).hexdigest() == DIGEST_OF_LIST


@pytest.mark.parametrize("vector", DIGESTS, ids=lambda vector: vector["name"])
def test_the_golden_digests(vector: dict[str, Any]) -> None:
    endpoints = decode_hello(payload(HELLO, endpoints=vector["endpoints"])).listed
    assert canonical_endpoints(endpoints).decode() == vector["canonical"]
    assert endpoints_digest(endpoints) == vector["digest"] == sha256(vector["canonical"].encode()).hexdigest()


def test_a_slim_hello_has_a_digest_and_no_list() -> None:
    hello = decode_hello(payload(HELLO, endpoints=..., digest=DIGEST_OF_LIST))
    assert (hello.endpoints, hello.digest, hello.listed) == (None, DIGEST_OF_LIST, ())
    assert repr(hello) == "<Hello billing 1.4.0 instance=b-1.local_2 region=eu-1 endpoints=slim token=given>"
    assert decode_hello(encode_hello(hello)) == hello
    assert b"endpoints" not in encode_hello(hello)


def test_an_empty_list_is_said_and_is_not_slim() -> None:
    hello = decode_hello(payload(HELLO, endpoints=[]))
    assert hello.endpoints == ()
    assert b'"endpoints":[]' in encode_hello(hello)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"endpoints": ...}, "endpoints is missing, and so is the digest that may stand in its place"),
        ({"endpoints": ..., "digest": ""}, "digest is '', and must be 64 of 0-9 a-f"),
        ({"endpoints": ..., "digest": "AB" * 32}, "digest is 'ABAB"),
        ({"endpoints": ..., "digest": "ab" * 31}, "digest is 'abab"),
        ({"endpoints": ..., "digest": 5}, "digest"),
        ({"digest": "ab" * 32}, "digest is not that of the endpoints beside it"),
    ],
)
def test_a_digest_that_is_none(changed: dict[str, Any], message: str) -> None:
    error = refusal(payload(HELLO, **changed))
    assert error.fault_code is FaultCode.INVALID_HELLO
    assert message in error.message


def test_a_digest_beside_its_list_is_taken() -> None:
    said = decode_hello(payload(HELLO, digest=endpoints_digest(decode_hello(payload(HELLO)).listed)))
    assert said.endpoints is not None


def test_a_gateway_that_wants_the_list_says_so_and_else_is_silent() -> None:
    assert decode_welcome(payload(WELCOME)).wants_endpoints is False
    welcome = decode_welcome(payload(WELCOME, wants_endpoints=True))
    assert welcome.wants_endpoints
    assert b'"wants_endpoints":true' in encode_welcome(welcome)
    assert b"wants_endpoints" not in encode_welcome(decode_welcome(payload(WELCOME)))
    with pytest.raises(GreetingError):
        decode_welcome(payload(WELCOME, wants_endpoints=1))
