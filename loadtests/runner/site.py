"""What is loaded: the stand of this run, or a gateway that somebody else has started and will end."""

from collections.abc import Iterator
from typing import Any, Protocol

from loadtests.order import Address
from loadtests.stand.admin import Admin, AdminError, shown
from loadtests.stand.child import Child
from loadtests.stand.sampler import Measured
from loadtests.stand.stand import StandError


class Site(Measured, Protocol):
    """What the runner needs to know of it, beside what is measured."""

    @property
    def edge(self) -> Address:
        """Where clients come in."""

    @property
    def tls_edge(self) -> Address | None:
        """Where clients come in over TLS; None where that is not known."""

    @property
    def authority(self) -> str:
        """A file of authorities that sign its certificate; empty: those that this machine trusts."""

    @property
    def services_address(self) -> Address | None:
        """Where services connect to; None where that is not known."""

    def check(self) -> None:
        """Raise `StandError` when it has ended."""

    def end(self) -> None:
        """End it, where it is ours."""


class Elsewhere:
    """A gateway that runs already. It is looked at, loaded, and left."""

    has_workers_here = False

    def __init__(
        self,
        edge: Address,
        admin: Address,
        services: Address | None,
        token: str,
        tls_edge: Address | None = None,
        authority: str = "",
    ) -> None:
        """token: that of the admin listener; empty: none is needed."""
        self.edge = edge
        self.tls_edge = tls_edge
        self.authority = authority
        self.services_address = services
        self.admin = Admin(admin, token)
        self.worker_count = 0
        """How many worker processes it has; 0: one process without them. Known when it was started."""

    @property
    def children(self) -> Iterator[Child]:
        """None of ours."""
        return iter(())

    def workers(self) -> list[dict[str, Any]]:
        """The rows of /workers. Raises `AdminError`."""
        found: list[dict[str, Any]] = self.admin.json("/workers")["workers"]
        return found

    def start(self) -> None:
        """See that it is there. Raises `StandError`."""
        try:
            health, _ = self.admin.ask("GET", "/health")
            status, body = self.admin.ask("GET", "/workers")
        except AdminError as error:
            raise StandError(f"{error}; is it running, and is --admin its admin.listen?") from error
        if health != 200:
            raise StandError(f"GET /health at --admin says {health}; is that the admin listener of a gateway?")
        if status == 401:
            raise StandError(
                "the admin listener does not know the token; give that of admin.token (--admin-token-file)"
            )
        if status != 200:
            raise StandError(f"GET /workers at --admin says {status}: {shown(body)}; is that the admin listener?")
        try:
            self.worker_count = len(self.workers())
        except (AdminError, KeyError, TypeError) as error:
            raise StandError(
                f"GET /workers at --admin tells no workers: {error}; is that the admin listener?"
            ) from error

    def check(self) -> None:
        """It cannot be seen but by its pages, which the samples ask for."""

    def end(self) -> None:
        """It is not ours."""
