"""Every bound of the frame protocol, named, with its reason. The numbers are those of docs/protocol.md.

They are part of the protocol, not settings: a peer may count on them. What an operator may choose lies in
``penstock.settings``.
"""

from typing import Final

HEADER_BYTES: Final = 16
"""Fixed and a multiple of 8, so that the exchange id is aligned."""

PAYLOAD_BYTES_MAX: Final = 1_048_576
"""Bounds head-of-line blocking on a shared connection: 1 MiB takes under 10 ms at 1 Gbit/s. HTTP/2 starts with 16 KiB
and allows 16 MiB."""

GREETING_BYTES_MAX: Final = 262_144
"""HELLO and WELCOME: 1,024 endpoints of 200 bytes fit, and a stranger cannot make us parse more JSON than this."""

DATA_BYTES_MAX: Final = 65_536
"""A piece of a stream: large enough that the header does not count, small enough to share a connection fairly."""

FAULT_TEXT_BYTES_MAX: Final = 1_024
"""A sentence for a log line, no more."""

FIELDS_MAX: Final = 128
"""HTTP heads have at most 100 fields at the edge; the rest is room for context fields."""

NAME_BYTES_MAX: Final = 255
"""What one byte of a field table can say."""

VALUE_BYTES_MAX: Final = 65_535
"""What two bytes of a field table can say; above every common limit of a whole HTTP head."""

TARGET_BYTES_MAX: Final = 8_192
"""Path and query; RFC 9110 section 4.1 asks for 8,000 at least."""

REQUEST_FIXED_BYTES: Final = 12
"""The part of a REQUEST before its field table."""

RESPONSE_FIXED_BYTES: Final = 4
"""The part of a RESPONSE, and of TRAILERS, before its field table."""

FIELD_ENTRY_BYTES: Final = 4
"""One entry of a field table."""

ENDPOINT_MAX: Final = 65_535
"""The highest id of an endpoint."""

OPENAPI_ENDPOINT: Final = ENDPOINT_MAX
"""Where the feature `openapi` was agreed upon: the id by which a gateway asks a service for its description."""

ENDPOINTS_MAX: Final = 1_024
"""Endpoints in one HELLO: a service with more should be two services."""

STATUS_MIN: Final = 100
STATUS_MAX: Final = 599
"""RFC 9110 section 15: a status outside of this range is not valid."""

REMAINING_MS_MAX: Final = 4_294_967_295
"""What four bytes can say: 49 days. Senders cap; they do not fail."""

CREDIT_SUM_MAX: Final = 2_147_483_647
"""The sum of credit on one stream, so that it fits in a signed 32-bit integer in any language."""

CREDIT_INITIAL_BYTES_MAX: Final = 16_777_216
"""``credit_bytes`` of a greeting: bounds what one new stream can make the other side hold."""

HEARTBEAT_MS_MIN: Final = 100
"""Faster would be load, not news."""

HEARTBEAT_MS_MAX: Final = 60_000
"""Slower, and a dead peer is found after three minutes; many middleboxes forget an idle connection by then."""

HEARTBEATS_MISSED_MAX: Final = 3
"""Silence of this many of the peer's intervals: two may be lost to a pause, three are a sign."""

HELLO_WAIT_MS: Final = 5_000
"""From the connection to HELLO; a stranger holds a socket no longer."""

LOAD_FULL: Final = 10_000
"""Load of a HEARTBEAT is in 1/10,000 of the sender's capacity."""

LOAD_UNKNOWN: Final = 65_535
"""Load of a HEARTBEAT when the sender does not know it."""

TENANT_BYTES_MAX: Final = 64
CORRELATION_ID_BYTES_MAX: Final = 64
TRACE_BYTES: Final = 25
TRACESTATE_BYTES_MAX: Final = 512
"""Context fields: an identifier fits in a log line; trace is 16 + 8 + 1 bytes; W3C Trace Context section 3.3.1.5 asks
that at least 512 characters of tracestate be passed on."""

BODY_LENGTH_DIGITS_MAX: Final = 16
"""The context field body length: 16 digits say more than any disk holds, and fit in 64 bits."""

UPGRADE_BYTES_MAX: Final = 32
UPGRADES_MAX: Final = 4
"""The context field upgrade, and how many protocols one endpoint offers; ``websocket`` is the longest in common use."""

CLAIMS_MAX: Final = 16
CLAIM_CHARACTERS_MAX: Final = 64
CLAIM_VALUES_MAX: Final = 64
CLAIM_VALUE_CHARACTERS_MAX: Final = 256
"""What one endpoint may ask of an identity: more is a policy, and belongs into the gateway's configuration."""

CLAIMS_BYTES_MAX: Final = 8_192
"""The context field claims: as much as a whole HTTP head commonly has. WIRE_CLAIMS_BYTES_MAX of csrc/wire_values.h."""

RATE_LIMITS_MAX: Final = 4
RATE_LIMIT_CHARACTERS_MAX: Final = 128
"""Limits of one endpoint: by route, tenant, principal and address."""

BODY_BYTES_MAX: Final = 9_999_999_999_999_999
"""What the context field body length can say."""

INTERIM_MAX: Final = 16
"""Interim RESPONSEs of one exchange: 100, 103 and a few 102 are useful, a flood is not (section 7)."""

TEMPLATE_SEGMENTS_MAX: Final = 32
"""Deeper paths are not written by people, and each segment costs the gateway a node of its route table."""

SERVICE_NAME_BYTES_MAX: Final = 64
INSTANCE_BYTES_MAX: Final = 64
"""Names in a greeting: both are labels of metrics and parts of log lines."""
