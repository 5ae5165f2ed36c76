"""The reasons: why an exchange was not simply answered by a service.

Every answer that no service gave has exactly one of these, and so has every answer that was broken off. A reason's
code is part of the interface: it stands in the answer, the log, the metric `penstock_refusals_total` and
docs/reasons.md, and it never changes its meaning. A reason says whose fault it was and whether the request may be sent
again, so that a caller, a retry policy and an operator's alert need no list of their own. `proxy.edge.respond` is the
one place that makes an answer of a reason.

What the C side reports is a number (enum http1_verdict of csrc/http1_head.h, enum edge_refusal of csrc/wire_values.h,
REFUSED reasons of docs/protocol.md); the two tables at the end of this file give each number its reason.
"""

from enum import Enum

import msgspec


class Fault(Enum):
    """Whose fault it was."""

    CLIENT = "client"
    US = "us"
    SERVICE = "service"


class Resend(Enum):
    """Whether the same request may be sent again, here or elsewhere."""

    YES = "yes"  # no service has started it
    NO = "no"  # it would end the same way
    IF_NOT_STARTED = "if_not_started"  # a service may have carried it out: only what is idempotent may be repeated


class Reason(msgspec.Struct, frozen=True, eq=False):
    """Why an exchange was not simply answered by a service. Compared by identity: there is one constant for each."""

    code: str  # stable, snake_case
    status: int  # of the HTTP answer (RFC 9110, section 15)
    title: str  # one sentence for people, the same for every occurrence
    fault: Fault
    resend: Resend
    retry_after_s: int | None = None  # advice in Retry-After (RFC 9110, section 10.2.3)
    closes: bool = False  # the connection ends with this answer: where the next request begins is not certain
    is_answered: bool = True  # False: counted and logged, but nobody is left to read it, or another answer has begun


def _malformed(code: str, title: str, status: int = 400) -> Reason:
    return Reason(code, status, title, Fault.CLIENT, Resend.NO, closes=True)


def _not_implemented(code: str, title: str) -> Reason:
    return Reason(code, 501, title, Fault.US, Resend.NO, closes=True)


def _unanswered(code: str, status: int, title: str, fault: Fault, resend: Resend) -> Reason:
    return Reason(code, status, title, fault, resend, closes=True, is_answered=False)


def _later(code: str, title: str, fault: Fault, *, closes: bool = False) -> Reason:
    return Reason(code, 503, title, fault, Resend.YES, retry_after_s=1, closes=closes)


# What cannot be read as a request (RFC 9112). The connection closes, since nobody knows where the next request begins.
BAD_METHOD = _malformed("bad_method", "The request method is not a token.")
BAD_TARGET = _malformed("bad_target", "The request target is malformed.")
BAD_VERSION = _malformed("bad_version", "The protocol version in the request line is malformed.")
BAD_LINE_END = _malformed("bad_line_end", "A line of the request head does not end in CR LF.")
BAD_FIELD_NAME = _malformed("bad_field_name", "A header field's name is malformed.")
BAD_FIELD_VALUE = _malformed("bad_field_value", "A header field's value holds a control byte.")
BAD_HOST = _malformed("bad_host", "The Host header field is missing, repeated or malformed.")
BAD_CONTENT_LENGTH = _malformed("bad_content_length", "The Content-Length header field is malformed or repeated.")
LENGTH_AND_ENCODING = _malformed(
    "length_and_encoding", "A request must not have both Content-Length and Transfer-Encoding."
)
BAD_CONTEXT = _malformed(
    "bad_context", "A header field that says who asks, or under which id, is there more than once."
)
HEAD_TOO_LARGE = _malformed("head_too_large", "The request head is larger than this gateway takes.", 431)
TOO_MANY_FIELDS = _malformed("too_many_fields", "The request has more header fields than this gateway takes.", 431)
TARGET_TOO_LONG = _malformed("target_too_long", "The request target is longer than this gateway takes.", 414)
FIELD_NAME_TOO_LONG = _malformed("field_name_too_long", "A header field's name is longer than 255 bytes.", 431)
UNSUPPORTED_VERSION = _malformed("unsupported_version", "This gateway speaks HTTP/1.1 and HTTP/1.0 only.", 505)
NOT_HTTP = _malformed("not_http", "The bytes that came do not begin an HTTP request.")

# What the head says of the body, of the connection and of where it goes, and what cannot be so.
BAD_ENCODING = _malformed("bad_encoding", "The Transfer-Encoding header field does not end the body by chunked, once.")
BAD_EXPECTATION = _malformed("bad_expectation", "This gateway meets no expectation other than 100-continue.", 417)
BAD_CONNECTION = _malformed(
    "bad_connection", "The Connection header field names a field that every gateway on the way must see."
)
BAD_AUTHORITY = _malformed("bad_authority", "The authority in the request target is malformed.")
MISDIRECTED = _malformed(
    "misdirected", "This gateway does not answer for the host or the scheme that was asked for.", 421
)
BAD_PATH = _malformed("bad_path", "The path has a segment that could be read in more than one way.")
BAD_CHUNK = _malformed("bad_chunk", "A chunk of the request body is malformed.")
BAD_TRAILER = _malformed("bad_trailer", "The trailer section of the request body is malformed or too large.")
BODY_TOO_LARGE = _malformed("body_too_large", "The request body is larger than this gateway takes.", 413)

# What is legal, but not carried. It is answered, never guessed at.
METHOD_NOT_IMPLEMENTED = _not_implemented("method_not_implemented", "This gateway does not carry this request method.")
ENCODING_NOT_IMPLEMENTED = _not_implemented(
    "encoding_not_implemented", "This gateway knows no transfer coding other than chunked."
)

# What came too slowly. Whether more of it is on its way is not known, so the connection closes.
HEAD_TIMEOUT = Reason(
    "head_timeout", 408, "The request head did not arrive in time.", Fault.CLIENT, Resend.YES, closes=True
)
BODY_TIMEOUT = Reason(
    "body_timeout", 408, "The request body did not arrive in time.", Fault.CLIENT, Resend.YES, closes=True
)
STREAM_IDLE = Reason(
    "stream_idle", 504, "Nothing moved on the stream for too long.", Fault.SERVICE, Resend.IF_NOT_STARTED, closes=True
)

# What was read well and may not go on.
NO_ROUTE = Reason("no_route", 404, "No service offers this path.", Fault.CLIENT, Resend.NO)
METHOD_NOT_ALLOWED = Reason(
    "method_not_allowed", 405, "This path is offered with other methods only.", Fault.CLIENT, Resend.NO
)
TENANT_INVALID = Reason(
    "tenant_invalid", 400, "The x-tenant-id header field is not a valid tenant.", Fault.CLIENT, Resend.NO
)
REQUEST_TIMEOUT_INVALID = Reason(
    "request_timeout_invalid",
    400,
    "The x-request-timeout-ms header field is not a number of milliseconds above zero.",
    Fault.CLIENT,
    Resend.NO,
)

# Who asks, and whether they may. No more is said than that: neither which tokens there are, nor what a route asks for.
TENANT_MISSING = Reason(
    "tenant_missing", 400, "This path is asked for a tenant, by x-tenant-id.", Fault.CLIENT, Resend.NO
)
TENANT_FORBIDDEN = Reason("tenant_forbidden", 403, "Not for this tenant.", Fault.CLIENT, Resend.NO)
UNAUTHENTICATED = Reason("unauthenticated", 401, "This path needs a valid identity.", Fault.CLIENT, Resend.NO)
FORBIDDEN = Reason("forbidden", 403, "This identity may not do that.", Fault.CLIENT, Resend.NO)
KEYS_UNAVAILABLE = _later("keys_unavailable", "The keys that tokens are verified with cannot be had.", Fault.US)
RATE_LIMITED = Reason("rate_limited", 429, "Too many requests.", Fault.CLIENT, Resend.YES, retry_after_s=1)

# Which version, which shard.
VERSION_INVALID = Reason(
    "version_invalid", 400, "The version that was asked for is no version.", Fault.CLIENT, Resend.NO
)
VERSION_UNKNOWN = Reason("version_unknown", 404, "There is no such version.", Fault.CLIENT, Resend.NO)
SHARD_MISSING = _later("shard_missing", "The tenant's shard is not available.", Fault.SERVICE)

# Whose answers are kept: by keys of clients (draft-ietf-httpapi-idempotency-key-header-07), and by the cache.
IDEMPOTENCY_KEY_MISSING = Reason(
    "idempotency_key_missing", 400, "This path needs an Idempotency-Key header field.", Fault.CLIENT, Resend.NO
)
IDEMPOTENCY_KEY_INVALID = Reason(
    "idempotency_key_invalid", 400, "The Idempotency-Key header field is malformed.", Fault.CLIENT, Resend.NO
)
IDEMPOTENCY_IN_FLIGHT = Reason(
    "idempotency_in_flight",
    409,
    "The first request with this Idempotency-Key has no answer yet.",
    Fault.CLIENT,
    Resend.YES,
    retry_after_s=1,
)
IDEMPOTENCY_UNKNOWN = Reason(
    "idempotency_unknown",
    409,
    "What became of the first request with this Idempotency-Key is not known.",
    Fault.CLIENT,
    Resend.NO,
)
IDEMPOTENCY_MISMATCH = Reason(
    "idempotency_mismatch",
    422,
    "This Idempotency-Key was used with another request.",
    Fault.CLIENT,
    Resend.NO,
)
IDEMPOTENCY_FULL = _later("idempotency_full", "This gateway holds as many Idempotency-Keys as it may.", Fault.US)
IDEMPOTENCY_UNAVAILABLE = _later(
    "idempotency_unavailable", "Answers to Idempotency-Keys cannot be kept at the moment.", Fault.US
)
NOT_CACHED = Reason(
    "not_cached", 504, "The client wants a cached answer only, and there is none.", Fault.CLIENT, Resend.NO
)

# What no service could be asked, or finished.
NO_INSTANCE = _later("no_instance", "No instance of the service is available.", Fault.SERVICE)
CONNECT_FAILED = _later("connect_failed", "The service could not be connected to.", Fault.SERVICE)
CONNECT_LINE_FULL = _later(
    "connect_line_full", "As many requests wait for a connection to a service as may.", Fault.SERVICE
)
SERVICE_OVERLOADED = _later("service_overloaded", "The service is overloaded.", Fault.SERVICE)
SERVICE_DRAINING = _later("service_draining", "The service is shutting down.", Fault.SERVICE)
SERVICE_CONGESTED = _later("service_congested", "The service does not read its requests fast enough.", Fault.SERVICE)
SERVICE_ENDPOINT_UNKNOWN = Reason(
    "service_endpoint_unknown",
    502,
    "The service does not know the endpoint that it offered.",
    Fault.SERVICE,
    Resend.YES,
)
SERVICE_FEATURE_UNSUPPORTED = Reason(
    "service_feature_unsupported",
    502,
    "The service does not support what the request needs.",
    Fault.SERVICE,
    Resend.YES,
)
SERVICE_LOST = Reason(
    "service_lost",
    502,
    "The connection to the service was lost before it answered.",
    Fault.SERVICE,
    Resend.IF_NOT_STARTED,
)
BAD_RESPONSE = Reason(
    "bad_response", 502, "The service's response cannot be passed on.", Fault.SERVICE, Resend.IF_NOT_STARTED
)
DEADLINE = Reason(
    "deadline", 504, "The service did not answer before the deadline.", Fault.SERVICE, Resend.IF_NOT_STARTED
)

# What there is no place for now, in front of a service (`proxy.admission`). No service has started it.
CONCURRENCY_FULL = _later(
    "concurrency_full", "As many requests as may be are with this path or its service.", Fault.SERVICE
)
LINE_FULL = _later("line_full", "As many requests as may wait for this path or its service.", Fault.SERVICE)
LINE_TOO_SLOW = _later("line_too_slow", "The request has waited for its place for as long as it may.", Fault.SERVICE)
HOPELESS = _later(
    "hopeless", "What is left of the deadline is less than the service needs for an answer.", Fault.SERVICE
)

# What one request asks of several services at once. The last three are of one leg: they stand in the merged answer.
FANOUT_FAILED = Reason(
    "fanout_failed",
    502,
    "Too few of the services that this path asks have answered well.",
    Fault.SERVICE,
    Resend.IF_NOT_STARTED,
)
FANOUT_TOO_WIDE = Reason(
    "fanout_too_wide", 500, "This path would have to ask more instances than it may.", Fault.US, Resend.NO
)
FANOUT_FULL = _later("fanout_full", "This path asks services for as many requests at once as it may.", Fault.US)
FANOUT_BODY = Reason(
    "fanout_body",
    413,
    "A request that asks several services needs a body that comes whole, and is no longer than a batch carries.",
    Fault.CLIENT,
    Resend.NO,
    closes=True,
)
FANOUT_TOO_LARGE = Reason(
    "fanout_too_large", 502, "The answers are larger together than this path takes.", Fault.SERVICE, Resend.NO
)
FANOUT_LEG_TIMEOUT = Reason(
    "fanout_leg_timeout",
    504,
    "A service that was asked beside others did not answer in the time that each of them has.",
    Fault.SERVICE,
    Resend.IF_NOT_STARTED,
)
FANOUT_LEG_STOPPED = Reason(
    "fanout_leg_stopped",
    502,
    "A service that was asked beside others was told to stop, or not asked: its answer was not needed any more.",
    Fault.US,
    Resend.IF_NOT_STARTED,
)

# What is about this gateway.
DRAINING = _later("draining", "This gateway is shutting down.", Fault.US, closes=True)
EXCHANGES_FULL = _later("exchanges_full", "This gateway carries as many requests as it may.", Fault.US, closes=True)
BYTES_IN_FLIGHT_FULL = _later(
    "bytes_in_flight_full", "This gateway holds as many bytes of bodies as it may.", Fault.US, closes=True
)
TOO_MANY_CONNECTIONS = Reason(
    "too_many_connections",
    429,
    "This address has as many connections as it may have.",
    Fault.CLIENT,
    Resend.YES,
    retry_after_s=1,
    closes=True,
)
SHED_QUEUE_DELAY = _later("shed_queue_delay", "This gateway comes to its requests too late.", Fault.US)
SHED_MEMORY = _later("shed_memory", "This gateway uses as much memory as it may.", Fault.US)
SHED_BYTES = _later("shed_bytes", "This gateway holds nearly as many bytes of bodies as it may.", Fault.US, closes=True)
INTERNAL = Reason("internal", 500, "This gateway failed to carry the request.", Fault.US, Resend.IF_NOT_STARTED)
FAULT_INJECTED = Reason(
    "fault_injected", 503, "A fault was injected here on purpose, as the configuration says.", Fault.US, Resend.YES
)

# The reasons without an answer of their own. Their status is for logs and metrics alone.
CLIENT_GONE = _unanswered(
    "client_gone", 499, "The client closed the connection before the answer.", Fault.CLIENT, Resend.NO
)
CLIENT_TOO_SLOW = _unanswered(
    "client_too_slow", 408, "The client did not read its answer in time.", Fault.CLIENT, Resend.NO
)
RESPONSE_ABORTED = _unanswered(
    "response_aborted",
    502,
    "The response was broken off after its head was sent.",
    Fault.SERVICE,
    Resend.IF_NOT_STARTED,
)
FAULT_CUT = _unanswered(
    "fault_cut",
    502,
    "The connection was reset here on purpose, as the configuration says.",
    Fault.US,
    Resend.IF_NOT_STARTED,
)

REASONS: dict[str, Reason] = {value.code: value for value in tuple(globals().values()) if isinstance(value, Reason)}
"""Every reason, by code, in the order above."""

REASON_NUMBERS: dict[str, int] = {code: number for number, code in enumerate(REASONS, start=1)}
"""What stands for a reason, by code, in the record of an exchange; another version may number otherwise."""

_BY_VERDICT = {
    1: BAD_METHOD,
    2: BAD_TARGET,
    3: BAD_VERSION,
    4: BAD_LINE_END,
    5: BAD_FIELD_NAME,
    6: BAD_FIELD_VALUE,
    7: BAD_HOST,
    8: BAD_CONTENT_LENGTH,
    9: LENGTH_AND_ENCODING,
    10: BAD_CONTEXT,
    11: HEAD_TOO_LARGE,
    12: TOO_MANY_FIELDS,
    13: TARGET_TOO_LONG,
    14: FIELD_NAME_TOO_LONG,
    15: UNSUPPORTED_VERSION,
    16: BAD_EXPECTATION,
    17: BAD_ENCODING,
    18: ENCODING_NOT_IMPLEMENTED,
    19: BAD_CONNECTION,
    32: HEAD_TIMEOUT,
    33: BODY_TIMEOUT,
    34: NOT_HTTP,
    # Unusual heads. All but a method are carried; the others' reasons are for where that is not possible.
    64: METHOD_NOT_IMPLEMENTED,
    65: BAD_TARGET,
    66: BAD_PATH,
    67: UNSUPPORTED_VERSION,
    68: ENCODING_NOT_IMPLEMENTED,
    69: BAD_EXPECTATION,
    70: BAD_CONNECTION,
    71: BAD_CONNECTION,
    72: BODY_TOO_LARGE,
}

_BY_REFUSAL = {
    1: SERVICE_OVERLOADED,
    2: SERVICE_DRAINING,
    3: SERVICE_ENDPOINT_UNKNOWN,
    4: SERVICE_FEATURE_UNSUPPORTED,
}


def reason_of_verdict(verdict: int) -> Reason:
    """
    The reason for the detail of EVENT_BAD_REQUEST: an enum http1_verdict (not HEAD_PLAIN) or an enum edge_refusal.
    A number that this table does not know is a fault of ours: INTERNAL.
    """
    return _BY_VERDICT.get(verdict, INTERNAL)


def reason_of_refusal(refused_reason: int) -> Reason:
    """
    The reason for the detail of EVENT_REFUSED: a REFUSED reason of docs/protocol.md, section 6. One that is not known
    is taken as the general case, as the protocol asks: the service did not want it now.
    """
    return _BY_REFUSAL.get(refused_reason, SERVICE_OVERLOADED)


if __name__ == "__main__":
    from proxy.reasons_page import reference_page

    print(reference_page(), end="")
