"""Settings of the edge, second part: requests and their bodies."""

from typing import Annotated

from penstock.settings import Setting
from penstock.settings.lists import Protocols
from penstock.settings.types import Choice, Count, Duration, Flag, Rate, Size

from .connections import EdgeConnections, timeout

_MS = Duration("ms")


class EdgeRequests(EdgeConnections, frozen=True):
    """How a request is read."""

    parsing: Annotated[
        str,
        Setting(
            Choice("strict", "tolerant"),
            "strict",
            "what to do where servers differ: refuse, or repair what has one meaning only",
            "what two parsers read differently lets one of them be deceived",
            restart=True,
        ),
    ]
    head_bytes: Annotated[
        int,
        Setting(
            Size(),
            "16KiB",
            "the longest request head",
            "what other gateways and h11 take; a longer head is answered 431",
            at_least="1KiB",
            at_most="64KiB",
            restart=True,
        ),
    ]
    head_fields: Annotated[
        int,
        Setting(
            Count(),
            "100",
            "the most header fields of a request",
            "what other gateways take; more is answered 431",
            at_least="1",
            at_most="120",
            restart=True,
        ),
    ]
    target_bytes: Annotated[
        int,
        Setting(
            Size(),
            "8KiB",
            "the longest request target",
            "as much as a frame can carry; a longer target is answered 414",
            at_least="16B",
            at_most="8KiB",
            restart=True,
        ),
    ]
    head_timeout_ms: Annotated[
        int,
        timeout(
            "10s",
            "from a request's first byte to the end of its head",
            "ends clients that send a head byte by byte to hold connections",
            restart=True,
        ),
    ]
    upgrades: Annotated[
        tuple[str, ...],
        Setting(
            Protocols(),
            "websocket",
            "protocols that a connection may be upgraded to, where an endpoint offers it; `none` for no protocol",
            "the one that browsers ask for",
            restart=True,
        ),
    ]
    reason_header: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "name the reason in x-penstock-reason, on answers that no service gave",
            "it tells strangers how the inside works",
        ),
    ]


class EdgeConfig(EdgeRequests, frozen=True):
    """Where clients come in by HTTP: connections, requests, and how much of a body is taken in what time."""

    body_bytes: Annotated[
        int,
        Setting(
            Size(),
            "64KiB",
            "the longest body that is carried in the batch",
            "larger bodies gain nothing from being carried in the batch",
            at_most="512KiB",
            restart=True,
        ),
    ]
    buffered_bytes: Annotated[
        int,
        Setting(
            Size(),
            "960KiB",
            "the longest body for an endpoint that does not stream; a longer one is answered 413",
            "what one frame carries beside its head",
            at_most="960KiB",
            restart=True,
        ),
    ]
    call_bytes: Annotated[
        int,
        Setting(
            Size(),
            "1GiB",
            "the longest body for an endpoint that streams; a longer one is answered 413",
            "large files pass, and one call has an end",
            at_most="1024GiB",
            restart=True,
        ),
    ]
    bytes_in_flight: Annotated[
        int,
        Setting(
            Size(),
            "1GiB",
            "bytes held for all bodies together; above, a request is answered 503",
            "five thousand streams with their windows full; few ever are",
            at_least="1MiB",
            at_most="1024GiB",
            restart=True,
        ),
    ]
    body_rate_bytes_per_second: Annotated[
        int,
        Setting(
            Rate(),
            "1KiB",
            "the least rate at which a body must come, per second",
            "who sends slower holds a connection on purpose, and is answered 408",
            at_least="1B",
            at_most="1GiB",
            restart=True,
        ),
    ]
    stream_idle_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "5m",
            "how long a stream may stay without a byte in either direction",
            "above the pauses of server-sent events and WebSocket pings",
            at_least="10ms",
            at_most="24h",
            restart=True,
        ),
    ]
    deadline_ms: Annotated[
        int,
        Setting(
            _MS,
            "10s",
            "the time for an exchange, unless its endpoint says otherwise",
            "longer than a healthy answer takes, shorter than a person waits",
            at_least="1ms",
            at_most="1h",
        ),
    ]
    deadline_max_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "the most time that an exchange can have",
            "a client may ask for less time, and never for more than this",
            at_least="1ms",
            at_most="1h",
        ),
    ]
