"""The exchange: one request and its one answer, as the stages see it."""

from typing import TYPE_CHECKING, Final, Protocol

from frames.frame import FieldId
from frames.wire_values import KnownName, RequestHead

if TYPE_CHECKING:
    from proxy.faults.draw import Drawn
    from proxy.request.caller import Caller
    from proxy.request.offer import Offer
    from proxy.request.snapshot import Snapshot
    from proxy.route.table import Route


NEEDS_TASK: Final = 1 << 16
"""In an exchange's flags, beside the ``HEAD_`` bits: its head is one that the express lane does not carry."""

VERSION_IN_PATH: Final = 1 << 17
"""Likewise: its path named a version, which is in ``version``."""

VERSION_NAMED: Final = 1 << 18
"""Likewise: it asked for a version, and has it; nobody is to choose another."""

FROM_TRUSTED: Final = 1 << 19
"""Likewise: it came from a trusted proxy, which has said from whom."""

FAULTS_DRAWN: Final = 1 << 24
"""Likewise: it was drawn which faults it gets on purpose; they are in ``drawn``."""

ANSWER_SPOILED: Final = 1 << 25
"""Likewise: its answer is to be slowed or cut on purpose, by a task."""


class RequestFields(Protocol):
    """Where a stage reads the request's fields and sets the context; the wire is one, a test has its own."""

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        """Return the value of a known field, or None."""
        ...

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        """Return the values of all fields of a name, which is in lower case, joined by commas; None without any."""
        ...

    def caller(self, exchange: int) -> bytes:
        """Return what the request says about who asks: tenant, authorization and API key, a line each.

        Empty where it says nothing. A tenant of valid form is set as the context field that it is.
        """
        ...

    def client_address(self, exchange: int) -> str:
        """Return the client's address, without port."""
        ...

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Set a context field; 0 when it was done."""
        ...


class Exchange:
    """What is known of a request, and what the stages have found out so far.

    It holds little: the head itself stays with the wire, and is asked for by ``fields``. The express lane has one, and
    begins it anew for every request; whoever wants to keep an exchange beyond its stages takes it from the lane and
    leaves another there.
    """

    __slots__ = (
        "authority",
        "caller",
        "content_length",
        "deadline_ms",
        "drawn",
        "fields",
        "flags",
        "head",
        "id",
        "method",
        "offer",
        "offers",
        "path",
        "requested_ms",
        "route",
        "snapshot",
        "target",
        "version",
    )

    content_length: int
    """0 where it was not said; set by head where HEAD_ODD is in flags."""
    head: "RequestHead"
    """All that the scanner read; set by head where HEAD_ODD is in flags."""
    target: bytes
    """Path and query as the service is to see them; set by head likewise."""
    authority: bytes | None
    """In place of Host, where the target has its own (RFC 9112, section 3.2.2); set by head likewise."""
    route: "Route"
    """Set by match."""
    caller: "Caller | None"
    """Who asks, where the client said anything about it, as identify has found out; None for everybody else."""
    offers: "tuple[Offer, ...]"
    """Among which pick chooses: the route's own, until version, split or placement set others."""
    version: bytes
    """What the path named; set where VERSION_IN_PATH is in flags."""
    requested_ms: int
    """What the client asked for; set by context where HEAD_HAS_REQUEST_TIMEOUT is in flags."""
    deadline_ms: int
    """From the request's first byte to its answer; set by deadline."""
    drawn: "Drawn"
    """The faults that it gets on purpose; set by faults where FAULTS_DRAWN is in flags."""
    offer: "Offer"
    """Where it goes; set by pick."""

    def __init__(self, fields: RequestFields, snapshot: "Snapshot") -> None:
        """Make an exchange that has not begun. fields: where its request is read."""
        self.fields = fields
        self.begin(0, 0, 0, b"", snapshot)

    def begin(self, exchange: int, method: int, flags: int, path: bytes, snapshot: "Snapshot") -> None:
        """Begin anew: the wire's id, ``Method``, ``HEAD_`` flags, the path without its query, and what holds for it."""
        self.id = exchange
        self.method = method
        self.flags = flags
        self.path = path
        self.snapshot = snapshot
        self.caller = None

    def copy(self) -> "Exchange":
        """Return another one that stands where this one does, for whoever carries it on."""
        other = Exchange(self.fields, self.snapshot)
        for name in self.__slots__:
            if hasattr(self, name):
                setattr(other, name, getattr(self, name))
        return other

    def __repr__(self) -> str:
        """Identity on one line."""
        return f"<Exchange {self.id:#x} method={self.method} flags={self.flags:#x} path={self.path!r}>"
