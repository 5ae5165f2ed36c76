"""What the loop knows of a connection, whatever it speaks."""

from typing import NamedTuple, Protocol


class Done(NamedTuple):
    """A request that has ended."""

    due_us: int
    """When it was due; microseconds of the run."""
    sent_us: int
    status: int
    """0 where no whole answer came."""
    why: str
    """What failed, in words that are the same for the same cause; empty where a whole answer came."""
    body_bytes: int


class Link(Protocol):
    """A connection that carries requests."""

    is_lost: bool
    """It has ended, and another one is to be dialled in its place."""
    why_lost: str
    """Why it has; empty where it ended in good order."""

    @property
    def room(self) -> int:
        """How many more requests may be begun on it now."""
        ...

    @property
    def wants_write(self) -> bool:
        """Whether something waits until it can be written."""
        ...

    def fileno(self) -> int:
        """The descriptor to wait for; -1 where it is closed."""
        ...

    def begin(self, due_us: int, now_us: int) -> None:
        """Send a request; only where there is room."""
        ...

    def flush(self) -> None:
        """Send what `begin` has left to be sent together."""
        ...

    def ready(self) -> list[Done]:
        """Read and write what can be, after the descriptor became ready, and return what has ended."""
        ...

    def tick(self, now_us: int, begun_before_us: int) -> list[Done]:
        """Do what is to be done now and then; give up what was due before a moment, and return it."""
        ...

    def close(self) -> list[Done]:
        """Close it, and return what was under way."""
        ...
