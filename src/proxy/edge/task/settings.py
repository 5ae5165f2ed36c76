"""The bounds of the task lane."""

import msgspec


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the task lane."""

    call_bytes: int
    """Of one body, to an endpoint that streams."""
    buffered_bytes: int
    """Of one body, to an endpoint that does not."""
    body_bytes_per_second: int
    """The least rate at which a body must come."""
    grace_s: float
    """Before that rate is held against a client; and for a head that is repaired."""
    write_s: float
    """A write must make progress within it."""
    idle_s: float
    """As long as nothing may move on a stream."""
    window_bytes: int
    """What a service may send on a stream before it is granted more."""
    head_bytes: int
    """Of a head that is repaired, and of a trailer section."""
    head_fields: int
    """Of a trailer section."""
    is_tolerant: bool = False
    """Whether heads are repaired."""
    upgrades: frozenset[str] = frozenset()
    """Protocols that may be gone on with, where an endpoint offers them."""
