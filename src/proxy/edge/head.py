"""Head: what is unusual about a request is put into its usual form, or refused, before anything is matched.

Most requests pass by. Of the others, the target is normalised, so that what is matched and allowed is what the service
sees, and what trusted proxies say of the client is taken. What is still unusual then is left to the task lane.
"""

from typing import TYPE_CHECKING, Protocol

from frames.frame import FieldId, Method
from frames.wire_values import HEAD_HAS_FORWARDED, HEAD_ODD, HEAD_PLAIN, KnownName, RequestHead
from proxy.edge.target import SERVER_WIDE, read_target
from proxy.errors import INTERNAL, METHOD_NOT_ALLOWED, Reason
from proxy.request.exchange import FROM_TRUSTED, NEEDS_TASK, Exchange, RequestFields
from proxy.request.stage import Answer, Lane, Reply, Stage, for_odd_heads

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.edge.forwarded import Doubt, TrustedProxies

_ALLOWED = ((b"allow", ", ".join(method.name for method in Method).encode("ascii")),)


if TYPE_CHECKING:

    class HeadPort(RequestFields, Protocol):
        """What is asked of the wire about a head."""

        def request_head(self, exchange: int, /) -> RequestHead | None:
            """Return what was read of it."""
            ...

        def request_field_values(self, exchange: int, name: KnownName, /) -> list[bytes]:
            """Return the values of all fields of a name."""
            ...

        def is_secured(self, exchange: int, /) -> bool:
            """Return whether it came over TLS."""
            ...


def make_read_head(
    port: "HeadPort", proxies: "TrustedProxies | None", doubts: "dict[Doubt, int]", *, is_tolerant: bool = False
) -> Stage:
    """Return the stage. proxies: who is trusted, None for nobody; doubts: how often one was not believed, and why."""
    believe = _make_believe(port, proxies, doubts) if proxies else None

    @for_odd_heads
    def read_head(exchange: Exchange) -> Answer | Reply | Lane | None:
        if not exchange.flags & HEAD_ODD:
            return None
        head = port.request_head(exchange.id)
        if head is None:
            return Answer(INTERNAL)
        exchange.head = head
        exchange.content_length = head.content_length
        scheme = _take_client(exchange, head)
        if head.verdict == HEAD_PLAIN:
            return None
        return _take_target(exchange, head, scheme)

    def _take_client(exchange: Exchange, head: RequestHead) -> bytes:
        """Believe whom may be believed about who asks; return the scheme."""
        scheme = b"https" if port.is_secured(exchange.id) else b"http"
        if believe is None or not head.flags & HEAD_HAS_FORWARDED:
            return scheme
        return believe(exchange, scheme)

    def _take_target(exchange: Exchange, head: RequestHead, scheme: bytes) -> Answer | Reply | None:
        host = port.request_field(exchange.id, KnownName.HOST)
        target = read_target(head.target, exchange.method, host, scheme=scheme, is_tolerant=is_tolerant)
        if isinstance(target, Reason):
            return Answer(target)
        if target.path == SERVER_WIDE:
            return _about_the_server(exchange.method)
        exchange.path = target.path
        exchange.target = target.target
        exchange.authority = target.authority if target.has_own_authority else None
        exchange.flags = head.flags | NEEDS_TASK | exchange.flags & FROM_TRUSTED
        return None

    return read_head


def _make_believe(
    port: "HeadPort", proxies: "TrustedProxies", doubts: "dict[Doubt, int]"
) -> "Callable[[Exchange, bytes], bytes]":
    """Return what takes the word of proxies for who asks. It is given the connection's scheme, and returns the one."""
    from proxy.edge.forwarded import find_client  # what a gateway that trusts nobody does not load

    def believe(exchange: Exchange, scheme: bytes) -> bytes:
        values = port.request_field_values
        peer = port.client_address(exchange.id)
        if proxies.trusts(peer):
            exchange.flags |= FROM_TRUSTED
        client = find_client(
            peer,
            scheme,
            proxies,
            forwarded=values(exchange.id, KnownName.FORWARDED),
            forwarded_for=values(exchange.id, KnownName.X_FORWARDED_FOR),
            forwarded_proto=values(exchange.id, KnownName.X_FORWARDED_PROTO),
        )
        if client.doubt is not None:
            doubts[client.doubt] = doubts.get(client.doubt, 0) + 1
        port.set_context(exchange.id, FieldId.CLIENT_ADDRESS, client.address.encode("ascii"))
        port.set_context(exchange.id, FieldId.SCHEME, client.scheme)
        return client.scheme

    return believe


def _about_the_server(method: int) -> Answer | Reply:
    """Answer ``OPTIONS *``, which asks what this server as a whole can do (RFC 9110, section 9.3.7)."""
    return Reply(204, _ALLOWED) if method == Method.OPTIONS else Answer(METHOD_NOT_ALLOWED, headers=_ALLOWED)
