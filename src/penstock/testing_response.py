"""What comes back to a test of a service (`penstock.testing`)."""

from typing import Any

import msgspec

from frames.frame import RefusedReason
from penstock.errors import PenstockError
from penstock.fields import Headers

__all__ = ["Aborted", "Interim", "Refused", "Response"]


class Refused(PenstockError):  # noqa: N818 - the protocol's name for it
    """The service did not start the request, which may be sent elsewhere; `reason` says why."""

    def __init__(self, reason: RefusedReason) -> None:
        """Keep the reason."""
        super().__init__(f"the service refused the request: {reason.name.lower()}")
        self.reason = reason


class Interim(msgspec.Struct, frozen=True):
    """An interim answer."""

    status: int
    headers: Headers


class Response(msgspec.Struct, frozen=True):
    """What the service answered."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers = Headers(())
    interim: tuple[Interim, ...] = ()

    def json(self) -> Any:
        """The body, decoded from JSON."""
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()


class Aborted(PenstockError):  # noqa: N818 - the protocol's name for it
    """The service began an answer and gave it up: a client sees a body that is cut off. `response` is what was read."""

    def __init__(self, response: Response) -> None:
        """Keep what was read."""
        super().__init__(f"the service gave its answer up after {len(response.body):,} bytes")
        self.response = response
