"""Where the answers of Idempotency-Keys are kept, as the ledger's owner sees it; and the store that is none."""

from collections.abc import Iterable
from typing import Protocol

import trio

from proxy.answers.ledger import Record


class StoreError(Exception):
    """A store cannot be opened. The message is for people; fix: what to do about it."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.fix = fix


class AnswerStore(Protocol):
    """Takes in what becomes of keys. What it cannot write, it goes on trying to; nothing here waits but ``load``."""

    is_failing: bool
    """Whether what was given last could not be written yet."""
    failures: int
    """How often that happened since the start."""

    def begun(self, record: Record, /) -> None:
        """Take in a key that is in flight."""
        ...

    def ended(self, record: Record, /) -> None:
        """Take in what became of it. A payload that was written may be taken out of the record."""
        ...

    def gone(self, keys: Iterable[bytes], /) -> None:
        """Forget keys."""
        ...

    async def load(self, record: Record, /) -> None:
        """Put the payload of a record back into it. Raises OSError where it cannot be read."""
        ...

    def done(self, record: Record, /) -> None:
        """The payload that was loaded has been given, and is needed no more."""
        ...

    async def run(self) -> None:
        """Write, until cancelled."""
        ...


class MemoryStore:
    """Keeps nothing beside the records themselves: they have their payloads."""

    is_failing = False
    failures = 0

    def begun(self, record: Record) -> None:
        """Do nothing."""

    def ended(self, record: Record) -> None:
        """Do nothing."""

    def gone(self, keys: Iterable[bytes]) -> None:
        """Do nothing."""

    async def load(self, record: Record) -> None:
        """Nothing is anywhere else."""

    def done(self, record: Record) -> None:
        """Leave it where it is."""

    async def run(self) -> None:
        """Wait."""
        await trio.sleep_forever()
