"""The ledger: which keys are known, what was asked with each, and what became of it.

    begin      a key is new: its request goes on, and the key is in flight
    keep       it was answered: the answer is given to whoever sends the same again
    lose       nobody knows what became of it: it is not sent again, since that could do the same thing twice
    free       no service has begun it: the next one with this key is the first

Bounded by keys and by bytes of answers. Where there is no room, the answers go that would go next anyway, and it is
counted; a key in flight never goes, so where all are in flight there is no room for another.

Pure: no clock, no I/O. ``now`` is in milliseconds since 1970, since answers may outlive the process.
"""

from enum import IntEnum
from heapq import heappop, heappush
from typing import Final, NamedTuple

from proxy.answers.key import Fingerprint

RECORD_BYTES: Final = 512
"""What a key takes beside its answer: measured with tracemalloc, rounded up."""


class State(IntEnum):
    """What is known of a key. The numbers stand in files."""

    IN_FLIGHT = 0
    KEPT = 1
    UNKNOWN = 2


class Record:
    """One key."""

    __slots__ = ("asked", "byte_count", "expires_ms", "key", "payload", "state")

    def __init__(self, key: bytes, asked: Fingerprint, expires_ms: int) -> None:
        self.key = key
        self.asked = asked
        self.expires_ms = expires_ms
        self.state = State.IN_FLIGHT
        self.payload: bytes | None = None
        """Of the RESPONSE; None where it is in a file."""
        self.byte_count = 0
        """Of the payload, wherever it is."""

    def __repr__(self) -> str:
        """What is known of it; the key itself is of no use to anybody who reads this."""
        return f"<Record {self.key[:4].hex()} {self.state.name} {self.byte_count} bytes>"


class Refusal(IntEnum):
    """Why a request with a key neither goes on nor gets an answer that was kept."""

    IN_FLIGHT = 1
    MISMATCH = 2
    UNKNOWN = 3
    FULL = 4


class Begun(NamedTuple):
    """A request that goes on. gone: records that had to go for it, or had run out."""

    record: Record
    gone: tuple[bytes, ...]


class Ledger:
    """All keys. ``byte_count`` never exceeds ``bytes_max``, nor ``len`` ``entries_max``."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self.entries_max = entries_max
        self.bytes_max = bytes_max
        self.byte_count = 0
        self.evicted = 0
        """Answers that had to go before their time."""
        self._records: dict[bytes, Record] = {}
        self._ends: list[tuple[int, bytes]] = []  # of those that are not in flight

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._records)

    @property
    def in_flight(self) -> int:
        """How many of them are in flight."""
        return len(self._records) - len(self._ends)

    def look(self, key: bytes, asked: Fingerprint, now: int) -> Record | Refusal | None:
        """Return the answer that was kept, why there is none, or None for a key that is new."""
        record = self._records.get(key)
        if record is None or (record.state is not State.IN_FLIGHT and record.expires_ms <= now):
            return None
        if record.asked.is_other(asked):
            return Refusal.MISMATCH
        if record.state is State.KEPT:
            return record
        return Refusal.IN_FLIGHT if record.state is State.IN_FLIGHT else Refusal.UNKNOWN

    def begin(self, key: bytes, asked: Fingerprint, expires_ms: int, now: int) -> Begun | None:
        """Take in a key that is new. None: there is no room."""
        gone = self._forget_expired(now)
        if len(self._records) >= self.entries_max:
            if not self._ends:
                return None
            gone.append(self._evict())
        record = self._records[key] = Record(key, asked, expires_ms)
        return Begun(record, tuple(gone))

    def keep(self, record: Record, payload: bytes, expires_ms: int) -> tuple[bytes, ...] | None:
        """Keep the answer to a key in flight. Returns who had to go for it; None: it is too large, and is lost."""
        if len(payload) > self.bytes_max:
            self.lose(record, expires_ms)
            return None
        gone = []
        while self.byte_count + len(payload) > self.bytes_max:
            gone.append(self._evict())
        record.state, record.payload, record.byte_count = State.KEPT, payload, len(payload)
        self.byte_count += len(payload)
        self._end(record, expires_ms)
        return tuple(gone)

    def lose(self, record: Record, expires_ms: int) -> None:
        """Note that nobody knows what became of a key in flight."""
        record.state = State.UNKNOWN
        self._end(record, expires_ms)

    def free(self, record: Record) -> None:
        """Forget a key in flight that no service has seen."""
        del self._records[record.key]

    def restore(self, record: Record, now: int) -> bool:
        """Take in a record of before, that is not in flight; False: it has run out, or there is no room."""
        is_room = len(self._records) < self.entries_max and self.byte_count + record.byte_count <= self.bytes_max
        if record.expires_ms <= now or not is_room or record.key in self._records:
            return False
        self._records[record.key] = record
        self.byte_count += record.byte_count
        heappush(self._ends, (record.expires_ms, record.key))
        return True

    def shrink(self, entries_max: int, bytes_max: int) -> tuple[bytes, ...]:
        """Go on with other bounds. Returns who had to go."""
        self.entries_max, self.bytes_max = entries_max, bytes_max
        gone = []
        while self._ends and (len(self._records) > entries_max or self.byte_count > bytes_max):
            gone.append(self._evict())
        return tuple(gone)

    def _end(self, record: Record, expires_ms: int) -> None:
        record.expires_ms = expires_ms
        heappush(self._ends, (expires_ms, record.key))

    def _forget_expired(self, now: int) -> list[bytes]:
        gone = []
        while self._ends and self._ends[0][0] <= now:
            gone.append(self._drop_first())
        return gone

    def _evict(self) -> bytes:
        self.evicted += 1
        return self._drop_first()

    def _drop_first(self) -> bytes:
        _, key = heappop(self._ends)
        record = self._records.pop(key)
        self.byte_count -= record.byte_count
        return key
