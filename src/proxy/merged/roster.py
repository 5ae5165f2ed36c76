"""Which workers there are, as the admin pages have to know them; `proxy.supervisor` keeps them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from proxy.control.client import WorkerLink


class LiveWorker(Protocol):
    """A process that serves, or is about to, or was."""

    @property
    def id(self) -> str:
        """Slot and generation: ``0.1``."""

    @property
    def slot(self) -> int:
        """Its place among the workers, from 0."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def link(self) -> WorkerLink:
        """Where it is asked."""

    @property
    def state(self) -> str:
        """``starting``, ``holding``, ``serving`` or ``draining``."""

    @property
    def services_port(self) -> int:
        """The port at which services reach this one."""

    @property
    def started_at(self) -> float:
        """When, in seconds since 1970."""


class Roster(Protocol):
    """The workers of now."""

    @property
    def workers(self) -> Sequence[LiveWorker]:
        """All that live."""

    @property
    def wanted(self) -> int:
        """How many there are to be."""

    @property
    def starts(self) -> Mapping[str, int]:
        """Workers that came to serve, by why they were started."""

    @property
    def upgrades(self) -> Mapping[str, int]:
        """Upgrades, by what came of them."""

    @property
    def restarts(self) -> int:
        """How often one was started in the place of another, since the supervisor's start."""

    @property
    def is_draining(self) -> bool:
        """Whether all of it is about to end."""

    def start_drain(self, cause: str) -> None:
        """Drain all workers, and end."""


SERVING = "serving"
DRAINING = "draining"


def serving(roster: Roster) -> list[LiveWorker]:
    """Return those that clients reach now, by their slots."""
    return sorted((each for each in roster.workers if each.state == SERVING), key=lambda each: each.slot)
